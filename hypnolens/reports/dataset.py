"""The report: a notebook executed by papermill, exported as one page that needs nothing from elsewhere."""

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import nbformat
import pandas as pd
import papermill
import zmq
from IPython.display import HTML, Image, Markdown, display
from nbconvert import HTMLExporter
from papermill.exceptions import PapermillExecutionError
from traitlets.config import Config

from hypnolens.datasets.origins import ORIGINS
from hypnolens.errors import DamagedError, HypnolensError
from hypnolens.evaluation.tables import OVERALL, score_table, stage_table
from hypnolens.io.frames import read_table
from hypnolens.io.tables import read_json, read_rows
from hypnolens.pipeline.jobs import by_run
from hypnolens.stages import STAGES
from hypnolens.training.folds import Fold, absent_stages, read_folds

STYLE = (
    "main { max-width: 62rem; margin: auto } .wide { overflow-x: auto } "
    ".wide td, .wide th { white-space: nowrap !important } "
    ".wrapped td, .wrapped th { white-space: normal !important; font-size: 85%; padding: 0.3em !important }"
)
"""A line length that can be read, and tables that scroll by themselves where they are wider."""

MOST_ROWS = 60
"""Rows of a table on the page; the whole table is in its file."""

DATASET_FIGURES = {
    "recordings": "All recordings, a row each: the expert's stages as colours from the first epoch that is kept, white "
    "where an epoch was dropped, and quality flags.",
    "stages": "Epochs of each stage, beside the published counts of the same set of recordings where there are some.",
    "cost": "Macro-F1 against the time of a training pass, with 95 % intervals over subjects: strides, and both ways "
    "to take windows.",
    "f1_bars": "F1 of each stage and macro-F1 of the main experiment with 95 % intervals over subjects, the paper's "
    "where it has this dataset, and the other experiments as points.",
}

FIGURES = {
    "confusion_matrix": "Confusion matrix over all test epochs: counts, and per cent of each of the expert's stages.",
    "hypnograms": "The recordings with the best, the median and the worst accuracy: the expert's stages, the predicted "
    "ones (red ticks: epochs where they differ), and the predicted probability of each stage. Gaps are epochs "
    "without a stage.",
    "training_curves": "Loss and validation macro-F1 by training pass, a line a fold; the dot is the pass whose "
    "network is kept. It is chosen {chosen}.",
    "calibration": "Accuracy against the probability of the predicted stage, in bins of a fifteenth, and how many "
    "epochs have it. On the diagonal, a probability of 0.8 is right in 80 % of epochs; below it, the network is too "
    "sure.",
    "transitions": "Accuracy by distance from the nearest change of the expert's stage (0: the epochs that touch it), "
    "with 95 % intervals over subjects.",
    "agreement": "Sleep statistics of the predicted hypnogram against the expert's (Bland and Altman 1986), a point a "
    "recording: bias and limits of agreement (1.96 standard deviations). Dropped epochs count as unscored.",
    "architecture": "The network, drawn from the model itself: the same SE-ResNet reads each epoch of a window, the "
    "BiLSTM reads their features, and the middle epoch is staged.",
    "gradcam": "The correctly staged epoch of highest probability of each stage: the raw signal, shaded by how much "
    "each moment spoke for the stage (layer integrated gradients, as a share of the epoch's maximum); below it, as a "
    "strip, the paper's Grad-CAM, whose cells step {step} s and see {field} s; boxes: events that detectors found in "
    "the signal, without knowing the network. Five clear epochs show what such a map looks like, not how far it can be "
    "believed: `snakemake explanations` measures that.",
    "gallery": "The correctly staged epochs of lowest probability, and of the most frequent kinds of errors the most "
    "confident one (N1 as R: the expert's N1, staged as R), drawn in the same way. Neighbours' part: share of the "
    "window's other epochs in the decision.",
    "tsne": "t-SNE of the features of the test epochs of fold 0, one network's; distances between far groups and the "
    "sizes of groups have no meaning.",
}


TOOK = (
    "Snakemake's benchmark files, each of the last time that a job ran to its end. `wall_s`: seconds from beginning to "
    "end (`passes_s`: of the training passes alone, those before a kill as well); `memory_mb`: largest resident memory "
    "that was seen; `cpu_s`: CPU time, which lacks up to half a minute at the end of a longer job. Jobs shorter than a "
    "second end before memory and CPU time can be seen. A line a fold is in `fold_costs.tsv`."
)
"""What the columns of the last section mean."""


class Page:
    """The sections of a dataset's report, each displayed when it is called in the notebook.

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
        self.cards = {name: read_json(self.results / name / "fold-0" / "model.json") for name in self.names}
        self.trained = [name for name, card in self.cards.items() if "cell_step" in card]

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
        show_figure(self.reports / "figures" / "f1_bars.png")
        display(Markdown(f"*{DATASET_FIGURES['f1_bars']}*"))
        for name, values in self.metrics.items():
            for note in values["notes"]:
                display(Markdown(f"**{name}**: {note}."))

    def cost(self) -> None:
        """What a training pass costs, and what it brings."""
        show_heading("Time")
        if not self.trained:
            display(Markdown("No network of hypnolens's own was trained."))
            return
        show_table(read_table(self.reports / "tables" / "cost.tsv"))
        if len(self.trained) > 1:
            show_figure(self.reports / "figures" / "cost.png")
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
        table = table.drop(columns=["source", "source_sha256", "licence", "citation"])
        table.columns = [
            name.replace("dropped_", "not kept: ").replace("sampling_rate_hz", "Hz") for name in table.columns
        ]
        counts = table[["epochs", *STAGES]].astype(int)
        total = ", ".join(f"{stage} {counts[stage].sum():,}" for stage in STAGES)
        flagged = int((table["flags"] != "none").sum())
        display(
            Markdown(
                f"{len(table):,} recordings of {table['subject'].nunique():,} subjects, "
                f"{counts['epochs'].sum():,} epochs ({total}); {flagged:,} with a quality flag."
            )
        )
        self._published()
        for figure in ("recordings", "stages"):
            show_figure(self.reports / "figures" / f"{figure}.png")
            display(Markdown(f"*{DATASET_FIGURES[figure]}*"))
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
        for number in range(1 + max(int(row["fold"]) for row in rows)):
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
        for figure in FIGURES:
            if figure in self.shown[name]:
                show_figure(self.reports / name / "figures" / f"{figure}.png")
                display(Markdown(f"*{caption(figure, self.cards[name])}*"))

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


def execute(template: Path, notebook: Path, parameters: Mapping[str, Any]) -> None:
    """Execute a notebook with parameters, in the folder in which this runs.

    Raises
    ------
    HypnolensError
        A file that it shows is damaged.
    papermill.exceptions.PapermillExecutionError
        A cell failed for another reason; the notebook up to it is kept.
    """
    # A kernel of the same name that the user installed elsewhere must not run in place of this environment's.
    os.environ["JUPYTER_PREFER_ENV_PATH"] = "1"
    # Snakemake hides PYTHONPATH from jobs in conda environments, and hypnolens is installed in none of them.
    path = [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH")]
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, path))
    # Nobody debugs the kernel, which warns that its frozen modules make that hard.
    os.environ["PYDEVD_DISABLE_FILE_VALIDATION"] = "1"
    run: dict[str, Any] = {"kernel_name": "python3", "progress_bar": False, "log_output": False}
    if zmq.has("curve"):  # else others on the machine could listen, of which the kernel warns
        run["config"] = Config(KernelManager={"transport_encryption": "required"})
    try:
        papermill.execute_notebook(template, notebook, parameters=dict(parameters), **run)
    except PapermillExecutionError as error:  # which knows what the kernel raised by its name
        if error.ename in (DamagedError.__name__, HypnolensError.__name__):
            raise HypnolensError(error.evalue) from None
        raise


def export(notebook: Path, html: Path, *, title: str) -> None:
    """Export an executed notebook as one HTML page without code, with every picture inside."""
    exporter = HTMLExporter(
        exclude_input=True,
        exclude_input_prompt=True,
        exclude_output_prompt=True,
        embed_images=True,
    )
    page, _ = exporter.from_notebook_node(
        nbformat.read(notebook, as_version=4), resources={"metadata": {"name": title}}
    )
    # nbconvert's page loads MathJax and require.js from the web; the report has nothing to run.
    page = re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL)
    page = page.replace("</head>", f"<style>{STYLE}</style></head>", 1)
    html.write_text(page, encoding="utf-8")


def show_heading(title: str) -> None:
    """Display a heading that can be linked to."""
    display(Markdown(f'<h2 id="{anchor(title)}">{title}</h2>'))


def anchor(title: str) -> str:
    """What a link to a heading is called."""
    return title.lower().replace(" ", "-")


def show_table(table: pd.DataFrame, *, wrapped: bool = False) -> None:
    """Display a table, which scrolls by itself where it is wide, or has its words wrapped."""
    kind = "wide wrapped" if wrapped else "wide"
    display(HTML(f'<div class="{kind}">{table.head(MOST_ROWS).to_html(index=False, border=0)}</div>'))
    if len(table) > MOST_ROWS:
        display(Markdown(f"{MOST_ROWS} of {len(table):,} rows; all are in the table's file."))


def show_figure(path: Path) -> None:
    """Display a PNG, which becomes a part of the page."""
    image = Image(filename=str(path))
    image.width = 0.6 * int.from_bytes(image.data[16:20], "big")  # 200 dots an inch of paper, 120 on a screen
    display(image)


def caption(figure: str, card: Mapping[str, Any]) -> str:
    """Caption of a run's figure, with what it needs of the network's card."""
    rate = card["sampling_rate_hz"]
    seconds = {"step": f"{card.get('cell_step', 0) / rate:.2f}", "field": f"{card.get('cell_field', 0) / rate:.1f}"}
    selected = card["experiment"].get("protocol") == "test-selected"
    chosen = "on the test fold itself, which flatters" if selected else "on validation subjects, never on test subjects"
    return FIGURES[figure].format(**seconds, chosen=chosen)
