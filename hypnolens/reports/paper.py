"""The paper's page: every table and figure over all datasets that were run, beside what is published."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from IPython.display import Markdown, display

from hypnolens.datasets.published import PAPERS
from hypnolens.errors import printable
from hypnolens.io.frames import read_texts
from hypnolens.io.tables import read_json
from hypnolens.network.cards import read_card
from hypnolens.reports.pages import anchor, note, show_figure, show_heading, show_table
from hypnolens.reports.paper_tables import Study

PAPER = "Sharma et al. 2023, [arXiv 2309.07156](https://arxiv.org/abs/2309.07156)"

SECTIONS = {
    "What was run": "runs", "The paper's scores and ours": "overall", "By stage": "stages", "Nights": "nights",
    "Other methods": "methods", "Where the pass is chosen": "protocols", "Seeds": "seeds", "Ablations": "ablations",
    "Paired tests": "paired", "Time and stride": "stride", "Calibration": "calibration",
    "Around transitions": "transitions", "Sleep statistics": "statistics", "Features": "features",
    "Explained epochs": "explained", "Training": "training", "Network": "network", "Methods": "methodology",
}  # fmt: skip
"""Sections in order, and the method of `Page` that shows each."""


class Page:
    """The sections of the page.

    Parameters
    ----------
    studies
        What was run, see `hypnolens.reports.paper_tables.Study`; files are found below ``results/`` and ``reports/``.
    datasets
        Configuration of each dataset.
    missing
        The paper's datasets that were not run, and why.
    command
        The command that made all this.
    """

    def __init__(
        self,
        studies: Sequence[Mapping[str, Any]],
        datasets: Mapping[str, Mapping[str, Any]],
        missing: Mapping[str, str],
        command: str,
    ) -> None:
        self.studies = [Study(**study) for study in studies]
        self.datasets, self.missing, self.command = datasets, missing, command
        self.made = read_json(Path("reports") / "tables" / "made.json")

    def head(self) -> None:
        """Title, what to know before reading, and a table of contents."""
        simulated = [name for name, options in self.datasets.items() if options["kind"] == "simulate"]
        links = "\n".join(f"{n}. [{title}](#{anchor(title)})" for n, title in enumerate(SECTIONS, start=1))
        warning = f"**{', '.join(simulated)}: simulated nights. Nothing here says how well real ones are staged.**\n\n"
        display(Markdown(
            f"# Single-channel sleep staging: the paper's figures, and ours\n\n{warning if simulated else ''}"
            f"The paper: {PAPER}. Scores pool the test epochs of all folds; every epoch is staged once, by a network "
            "that was not trained on its subject (a pre-trained stager may have been). Intervals are 95 %, over "
            f"subjects, unless it says otherwise. Tables are also in `reports/tables/`, as TSV and LaTeX.\n\n{links}"
        ))  # fmt: skip

    def show(self) -> None:
        """Display all sections."""
        self.head()
        for title, name in SECTIONS.items():
            show_heading(title)
            getattr(self, name)()

    def runs(self) -> None:
        """Datasets and their sizes."""
        rows = []
        for study in self.studies:
            metrics = read_json(Path("results") / study.name / study.runs[study.main][0] / "metrics.json")
            rows.append({
                "dataset": study.name, "kind": self._kind(study), "subjects": metrics["n_subjects"],
                "recordings": metrics["n_recordings"], "epochs": f"{metrics['n_epochs']:,}",
                "folds": metrics["n_folds"], "experiments": len(study.runs),
                "runs": sum(len(runs) for runs in study.runs.values()), "main experiment": study.main,
            })  # fmt: skip
        blank = dict.fromkeys(rows[0], "-")
        rows += [{**blank, "dataset": name, "kind": f"not run: {why}"} for name, why in self.missing.items()]
        show_table(pd.DataFrame(rows))
        self._per_dataset(lambda study: self._figures(study, "recordings", "stages"))

    def _kind(self, study: Study) -> str:
        """Kind of a dataset, and whether one that is called as one of the paper's has other recordings."""
        kind = self.datasets[study.name]["kind"]
        return f"{kind}; not the paper's recordings" if study.name in PAPERS.values() and not study.published else kind

    def overall(self) -> None:
        """The paper's scores and ours."""
        self._table("overall")
        self._say(
            "Here: mean over the seeds of the main experiment; its interval is over subjects. Difference: ours minus "
            "the paper's. The paper gives no intervals; `paper in ci95` says whether its value lies in ours."
        )
        self._per_dataset(lambda study: self._figures(study, "f1_bars"))

    def stages(self) -> None:
        """Precision, recall, specificity; confusion matrices."""
        self._table("stages")
        self._of_main("confusion_matrix")

    def nights(self) -> None:
        """Hypnograms."""
        self._of_main("hypnograms")

    def methods(self) -> None:
        """Published methods as reported, and those run here."""
        self._table("methods")
        self._say(
            "**As reported** are figures of others' papers, on their own folds and by their own protocols: compare "
            "them with care. **Run here** are experiments in this pipeline, all on the same folds. A pre-trained "
            "stager has seen other people; where its training cohort is the dataset itself, that is said."
        )

    def protocols(self) -> None:
        """Clean and test-selected."""
        self._table("protocols", "No experiment was run with `protocol: test-selected`.")
        self._say(
            "Clean: the pass that is kept is chosen on validation subjects. Test-selected: on the test fold itself, as "
            "several published codes do. Both runs have the same seed and the same passes and differ in nothing else. "
            "Optimism is what the second adds. Folds below: folds in which its macro-F1, by which it chooses, is "
            "lower than the clean one's."
        )

    def seeds(self) -> None:
        """Several seeds."""
        self._table("seeds", "Every experiment was run with one seed.")

    def ablations(self) -> None:
        """One change each."""
        self._table("ablations")
        self._say(
            "Each experiment differs from the main one (first line) in what `change` names. Differences with 95 % "
            "paired intervals; p: Wilcoxon's signed-rank test over subjects, with Holm's correction over all "
            "experiments of the dataset. The linear probe is logistic regression on the frozen features of the main "
            "network's CNN. With few subjects hardly anything can be told apart: six can give no p below 0.03 before "
            "the correction."
        )

    def paired(self) -> None:
        """All experiments against the main one."""
        self._table("paired", "There is one experiment, and nothing to compare it with.")

    def stride(self) -> None:
        """Time and score."""
        self._table("stride")
        self._per_dataset(lambda study: self._figures(study, *["cost"] * study.trained))

    def calibration(self) -> None:
        """Reliability."""
        self._of_main("calibration")
        self._table("calibration")

    def transitions(self) -> None:
        """Accuracy near changes of stage."""
        self._of_main("transitions")
        self._table("transitions")

    def statistics(self) -> None:
        """Bland-Altman."""
        self._of_main("agreement")
        self._table("sleep_statistics")
        spans = {study.name: sorted(set(study.shown("statistics")["span"])) for study in self.studies}
        self._say("Span: " + "; ".join(f"{name}: {', '.join(found)}" for name, found in spans.items()) + ".")

    def features(self) -> None:
        """t-SNE."""
        self._of_main("tsne")

    def explained(self) -> None:
        """Grad-CAM."""
        self._of_main("gradcam", "gallery")

    def training(self) -> None:
        """Training curves."""
        self._of_main("training_curves")

    def network(self) -> None:
        """The architecture."""
        self._of_main("architecture")

    def methodology(self) -> None:
        """What was done, in sentences filled from the configuration; versions, hardware, run time, command."""

        def say(study: Study) -> None:
            card = _card(study)
            display(Markdown(" ".join(sentences(self.datasets[study.name], card, study))))
            display(Markdown("The main experiment, as configured:"))
            show_table(_pairs(card["experiment"]))
            display(Markdown("Made with (fold 0):"))
            show_table(_pairs(card["made"]))
            display(Markdown("Jobs by rule: seconds in all, median and longest, highest memory in MB, CPU time in s:"))
            show_table(read_texts(Path("reports") / study.name / "tables" / "jobs.tsv"))

        self._per_dataset(say)
        display(Markdown(f"This page was made with:\n\n```\n{printable(self.command)}\n```"))
        show_table(_pairs(self.made))

    def _table(self, name: str, empty: str = "-") -> None:
        table = read_texts(Path("reports") / "tables" / f"{name}.tsv")
        if table.empty:
            display(Markdown(empty))
        else:
            show_table(table.rename(columns=lambda column: column.replace("_", " ")), wrapped=True)

    def _say(self, text: str) -> None:
        display(Markdown(text))

    def _per_dataset(self, draw: Callable[[Study], None]) -> None:
        for study in self.studies:
            if len(self.studies) > 1:
                display(Markdown(f"### {study.name}"))
            draw(study)

    def _figures(self, study: Study, *names: str) -> None:
        for name in names:
            show_figure(name, dataset=study.name, before=f"{study.name}.")

    def _of_main(self, *names: str) -> None:
        def draw(study: Study) -> None:
            run, card = study.runs[study.main][0], _card(study)
            for name in names:
                if name in study.figures:
                    words = {"before": f"{study.name}, {run}.", "note": note(name, card)}
                    show_figure(name, dataset=study.name, experiment=run, **words)
            if not set(names) & set(study.figures):
                display(Markdown(f"{study.name}: {study.main} has no such figure."))

        self._per_dataset(draw)


def sentences(dataset: Mapping[str, Any], card: Mapping[str, Any], study: Study) -> list[str]:
    """What was done with a dataset, from its configuration and the main network's card."""
    kept, folds, channel = dataset["trim_wake_min"], dataset["folds"], " or ".join(dataset["channel"])
    groups = f"{folds['k']} groups of subjects" if isinstance(folds, Mapping) else folds
    sides = {side: len(names) for side, names in card["recordings"].items()}
    found = [
        f"Channel ({channel}), {card['sampling_rate_hz']:g} Hz, in 30-s epochs with the stages W, N1, N2, N3 and R.",
        "All wake was kept." if kept is None else f"{kept:g} min of wake were kept on each side of sleep.",
        f"Movement and unscored epochs were dropped ({dataset['trim_rule']}).",
        f"Folds: {groups}, by subject; recordings in fold 0: {', '.join(f'{side} {n}' for side, n in sides.items())}.",
    ]
    e = card["experiment"]
    if "width" in e:
        context = (
            f"a BiLSTM ({e['lstm_layers']} layer{'s' * (e['lstm_layers'] > 1)}, {e['lstm_hidden']} units a direction) "
            f"over {e['window']} epochs"
        )
        found += [
            f"The network: a one-dimensional SE-ResNet-18 of width {e['width']}, squeeze-and-excitation "
            f"{'on' if e['se'] else 'off'}, with {context if e['context'] == 'bilstm' else 'no context'}; "
            f"{card['n_parameters']:,} parameters. Normalisation of recordings: {e['normalisation']}.",
        ]
    if "passes" in e:
        patience = "no early stopping" if e["patience"] is None else f"at most {e['patience']} without a better one"
        found += [
            f"Trained by Adam (learning rate {e['learning_rate']:g}, {e['schedule']}) with {e['batch_windows']} "
            f"windows a step, stride {e['stride']}, {e['passes']} passes, {patience}; class weights: "
            f"{e['class_weights']}; precision: {e['precision']}.",
            "The pass of the best macro-F1 on "
            f"{'the test fold' if e['protocol'] == 'test-selected' else 'validation subjects'} is kept.",
        ]
    return [*found, f"Seeds: {len(study.runs[study.main])}."]


def _card(study: Study) -> dict[str, Any]:
    """Card of the main family's first run, fold 0."""
    path = Path("results") / study.name / study.runs[study.main][0] / "fold-0" / "model.json"
    options = study.options[study.main]
    needed = ["experiment", *(f"experiment.{key}" for key in options), "made", "recordings", "sampling_rate_hz"]
    return read_card(path, needed=[*needed, *["n_parameters"] * ("width" in options)], sealed=False)


def _pairs(values: Mapping[str, Any]) -> pd.DataFrame:
    return pd.DataFrame({"key": list(values), "value": [str(value) for value in values.values()]})
