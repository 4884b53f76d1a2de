"""The report of a dataset: scores, recordings, folds, figures of each experiment, and how they were made."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from IPython.display import Markdown, display

from hypnolens.datasets.origins import ORIGINS
from hypnolens.evaluation.tables import OVERALL, score_table, stage_table
from hypnolens.io.frames import read_table
from hypnolens.io.tables import read_json, read_rows
from hypnolens.network.cards import read_card
from hypnolens.pipeline.jobs import by_run
from hypnolens.plots.catalogue import FIGURES
from hypnolens.reports.pages import anchor, note, show_figure, show_heading, show_table
from hypnolens.stages import STAGES
from hypnolens.training.folds import Fold, absent_stages, read_folds

TOOK = (
    "Snakemake's benchmark files, each of the last time that a job ran to its end. `wall_s`: seconds from beginning to "
    "end (`passes_s`: of the training passes alone, those before a kill as well); `memory_mb`: largest resident memory "
    "that was seen; `cpu_s`: CPU time, which lacks up to half a minute at the end of a longer job. Jobs shorter than a "
    "second end before memory and CPU time can be seen. A line a fold is in `fold_costs.tsv`."
)
"""What the columns of the last section mean."""

SHOWN = ("experiment", "made.processor", "made.platform")
"""What is shown of the card of a run, whatever made it."""


class Page:
    """The sections of a dataset's report.

    Parameters
    ----------
    dataset
        Name of the dataset; its files are found below ``results/`` and ``reports/`` of the current folder.
    experiments
        Figures of the runs on it that have some, by the run's name. What is there besides may be of another
        configuration.
    runs
        Names of all runs on it.
    options
        Configuration of the dataset.
    """

    def __init__(
        self, dataset: str, experiments: Mapping[str, Sequence[str]], runs: Sequence[str], options: Mapping[str, Any]
    ) -> None:
        self.dataset, self.shown, self.names, self.options = dataset, experiments, list(runs), options
        self.results, self.reports = Path("results") / dataset, Path("reports") / dataset
        self.metrics = {name: read_json(self.results / name / "metrics.json") for name in self.names}
        cards = {name: self.results / name / "fold-0" / "model.json" for name in self.names}
        self.cards = {name: read_card(path, needed=SHOWN, sealed=False) for name, path in cards.items()}
        self.trained = [name for name, card in self.cards.items() if "cell_step" in card]

    def show(self) -> None:
        """Display all sections."""
        for section in (self.head, self.scores, self.cost, self.recordings, self.folds):
            section()
        for name in self.shown:
            self.experiment(name)
        self.methods()
        self.took()

    def head(self) -> None:
        """Title, origin of the data, and contents."""
        contents = ["Scores", "Time", "Recordings", "Folds", *(f"Experiment {name}" for name in self.shown)]
        contents += ["Methods", "What it took"]
        links = " · ".join(f"[{title}](#{anchor(title)})" for title in contents)
        display(Markdown(f"# Sleep stages of {self.dataset}\n\n{self._origin()}\n\n{links}"))

    def scores(self) -> None:
        """Scores of all experiments."""
        subjects = next(iter(self.metrics.values()))["n_subjects"]
        show_heading("Scores")
        table = score_table(self.metrics)
        for name in OVERALL:
            table[name] = table[name] + " (" + table.pop(f"{name}_ci95") + ")"
        show_table(table, wrapped=True)
        display(
            Markdown(
                "All test epochs of all folds together, each staged once by what was not trained on its subject. "
                f"Protocol `clean`: nothing was chosen on the test side either. Intervals: 95 %, over {subjects} "
                "subjects. More on the page of all datasets, `reports/paper.html`."
            )
        )
        show_figure("f1_bars", dataset=self.dataset)
        for name, values in self.metrics.items():
            for sentence in values["notes"]:
                display(Markdown(f"**{name}**: {sentence}."))

    def cost(self) -> None:
        """What a training pass costs, and what it brings."""
        show_heading("Time")
        if not self.trained:
            display(Markdown("No network of hypnolens's own was trained."))
            return
        show_table(read_table(self.reports / "tables" / "cost.tsv"))
        if len(self.trained) > 1:
            show_figure("cost", dataset=self.dataset)
        display(
            Markdown(
                "Medians over all passes of all folds; the seconds hold the validation after a pass, and depend on "
                "what else the machine did at the time."
            )
        )

    def recordings(self) -> None:
        """What was extracted, dropped and flagged."""
        show_heading("Recordings")
        table = pd.DataFrame(read_rows(self.results / "recordings.tsv"))
        table = table.drop(columns=["source", "source_sha256", "epochs_sha256", "licence", "citation"])
        table.columns = [
            name.replace("dropped_", "not kept: ").replace("sampling_rate_hz", "Hz") for name in table.columns
        ]
        counts = table[["epochs", *STAGES]].astype(int)
        total = ", ".join(f"{stage} {counts[stage].sum():,}" for stage in STAGES)
        flagged, odd = (int((table[column] != "none").sum()) for column in ("flags", "doubts"))
        display(
            Markdown(
                f"{len(table):,} recordings of {table['subject'].nunique():,} subjects, "
                f"{counts['epochs'].sum():,} epochs ({total}); {flagged:,} with a quality flag, "
                f"{odd:,} with something odd about a file, which the column `doubts` says."
            )
        )
        self._published()
        for figure in FIGURES:
            if figure.of == "dataset" and figure.models == "any" and figure.name != "f1_bars":
                show_figure(figure.name, dataset=self.dataset)
        show_table(table)

    def _origin(self) -> str:
        text, licence, citation = ORIGINS[self.options["kind"]]
        return text if licence == citation else f"{text} Licence: {licence}. Please cite {citation}."

    def _published(self) -> None:
        """How the counts compare with the published ones, and the recordings that differ."""
        every = read_rows(self.reports / "tables" / "counts.tsv")[-1]
        differing = pd.DataFrame(read_rows(self.reports / "tables" / "differing.tsv"))
        if self.options["kind"] not in ("sleepedf", "shhs"):
            return
        if every["published"] == "-":
            display(Markdown("There are no published counts of this set of recordings, trimmed in this way."))
        elif every["difference"] == "0":
            display(Markdown(f"The number of epochs is the published one ({every['source']})."))
        else:
            difference = f"{int(every['difference']):+,} epochs"
            display(
                Markdown(
                    f"**The counts differ from the published ones**: {difference} against "
                    f"{int(every['published']):,} ({every['source']})."
                    + (" No single recording is known to differ." if differing.empty else "")
                )
            )
        if not differing.empty:
            display(Markdown("Recordings that differ from what is published:"))
            show_table(differing)

    def folds(self) -> None:
        """Sizes of the folds, and stages that are missing from a side."""
        show_heading("Folds")
        rows = read_rows(self.results / "folds.tsv")
        subject = {row["recording"]: row["subject"] for row in rows}
        folds = []
        for number in sorted({int(row["fold"]) for row in rows}):
            sides = read_folds(self.results / "folds.tsv", number)
            folds.append(Fold(**{s: tuple(sorted({subject[name] for name in names})) for s, names in sides.items()}))
        show_table(
            pd.DataFrame(
                {
                    "fold": number,
                    "training subjects": len(fold.train),
                    "validation": " ".join(fold.validation),
                    "test": " ".join(fold.test),
                }
                for number, fold in enumerate(folds)
            )
        )
        absent = absent_stages(folds, read_rows(self.results / "recordings.tsv"))
        if absent:
            listed = "".join(f"\n- {sentence}" for sentence in absent)
            display(Markdown(f"A network cannot learn, choose or be tested on a stage that is not there:\n{listed}"))

    def experiment(self, name: str) -> None:
        """Scores by stage and figures of one experiment."""
        show_heading(f"Experiment {name}")
        show_table(stage_table(self.metrics[name]))
        for figure in self.shown[name]:
            show_figure(figure, dataset=self.dataset, experiment=name, note=note(figure, self.cards[name]))

    def methods(self) -> None:
        """Configuration, versions and machine."""
        show_heading("Methods")
        display(Markdown("Dataset, as configured:"))
        show_table(pd.DataFrame({"key": list(self.options), "value": [str(value) for value in self.options.values()]}))
        for name, card in self.cards.items():
            display(Markdown(f"Experiment {name}, as configured, and what it was trained with (fold 0):"))
            merged = {**card["experiment"], **card["made"]}
            show_table(pd.DataFrame({"key": list(merged), "value": [str(value) for value in merged.values()]}))

    def took(self) -> None:
        """Time and memory of all jobs, and of a fold of each run."""
        show_heading("What it took")
        made = [card["made"] for card in self.cards.values()]
        gpus = [f"GPU {one['gpu']}" if one.get("gpu", "none") != "none" else "no GPU" for one in made]
        machines = {f"{one['processor']}, {gpu}, {one['platform']}" for one, gpu in zip(made, gpus, strict=True)}
        display(
            Markdown(
                f"Fold 0 of each run was made on {' or on '.join(sorted(machines))}. Other jobs may have run "
                "elsewhere, and times depend on what else the machine did."
            )
        )
        tables = self.reports / "tables"
        display(Markdown("Training and predicting: all folds together, then a fold (medians, of memory the highest)."))
        show_table(pd.DataFrame(by_run(read_rows(tables / "fold_costs.tsv"))))
        display(Markdown("All jobs by rule, downloads and simulation left out:"))
        show_table(pd.DataFrame(read_rows(tables / "jobs.tsv")))
        display(Markdown(f"*{TOOK}*"))
