"""All figures: a row here, a module with a function ``draw`` beside it, a caption in ``workflow/report/figures``.

Rules, reports and tests take the figures from this table, in its order. It is imported while Snakemake plans.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hypnolens.errors import ConfigurationError
from hypnolens.io.shipped import CAPTIONS

FOLDERS = {
    "dataset": "{dataset}",
    "run": "{dataset}/{experiment}",
    "explanations": "{dataset}/{experiment}/explanations",
}
"""Where the figures of a kind lie below ``reports/``; measured explanations are those of a run."""


@dataclass(frozen=True)
class Figure:
    """A row of the table.

    Attributes
    ----------
    name
        Of its module, its files and its caption.
    of
        What it is of: a key of `FOLDERS`.
    what
        What it shows, as Snakemake's report lists it.
    inputs
        Files that its function ``draw`` takes, by parameter; one with ``{fold}`` stands for a list, one a fold.
    models
        Models whose runs have it (of a dataset: that need a run on it): ``any``, ``trained``, or ``own``.
    """

    name: str
    of: str
    what: str
    inputs: Mapping[str, str]
    models: str = "any"

    @property
    def stem(self) -> str:
        """Path of its files without their endings."""
        return f"reports/{FOLDERS[self.of]}/figures/{self.name}"

    @property
    def png(self) -> str:
        """Path of its PNG."""
        return f"{self.stem}.png"

    @property
    def label(self) -> str:
        """What its log and its benchmark file are called."""
        return self.name if self.of == "dataset" else f"{{experiment}}/{self.name}"

    @property
    def caption(self) -> Path:
        """File of its caption.

        Raises
        ------
        ConfigurationError
            There is none.
        """
        path = CAPTIONS / f"{self.name}.rst"
        if not path.is_file():
            raise ConfigurationError(f"figure '{self.name}' has no caption; write workflow/report/figures/{path.name}")
        return path


def path_of(name: str) -> str:
    """Path of the PNG of a figure, with wildcards in braces."""
    return _figure(name).png


def titled(name: str) -> str:
    """What a figure shows, as a heading."""
    what = _figure(name).what.removeprefix("explanations: ")
    return what[0].upper() + what[1:]


def caption(name: str) -> str:
    """Caption of a figure as Markdown."""
    return " ".join(_figure(name).caption.read_text(encoding="utf-8").split()).replace("``", "`")


def _figure(name: str) -> Figure:
    return next(figure for figure in FIGURES if figure.name == name)


_RUN = "results/{dataset}/{experiment}"
_FOLD = "results/{dataset}/{experiment}/fold-{fold}"
_TABLES = "reports/{dataset}/{experiment}/tables"
_EXPLANATIONS = "reports/{dataset}/{experiment}/explanations/tables"

FIGURES = (
    Figure(
        "recordings", "dataset", "recordings",
        {"hypnograms": "results/{dataset}/hypnograms.safetensors", "recordings": "results/{dataset}/recordings.tsv"},
    ),
    Figure("stages", "dataset", "distribution of stages", {"counts": "reports/{dataset}/tables/counts.tsv"}),
    Figure(
        "f1_bars", "dataset", "F1 by stage, the paper's and ours",
        {"families": "reports/{dataset}/tables/families.tsv", "paper": "reports/{dataset}/tables/paper.tsv"},
    ),
    Figure("cost", "dataset", "time and score", {"cost": "reports/{dataset}/tables/cost.tsv"}, models="own"),
    Figure("confusion_matrix", "run", "confusion matrix", {"metrics": f"{_RUN}/metrics.json"}),
    Figure(
        "hypnograms", "run", "hypnograms",
        {"predictions": f"{_FOLD}/predictions.parquet", "by_recording": f"{_RUN}/metrics_by_recording.tsv"},
    ),
    Figure(
        "calibration", "run", "calibration",
        {"reliability": f"{_TABLES}/reliability.tsv", "calibration": f"{_TABLES}/calibration.tsv"},
    ),
    Figure("abstention", "run", "accuracy of the surest epochs", {"abstention": f"{_TABLES}/abstention.tsv"}),
    Figure("transitions", "run", "accuracy around transitions", {"transitions": f"{_TABLES}/transitions.tsv"}),
    Figure(
        "agreement", "run", "sleep statistics",
        {"statistics": f"{_TABLES}/statistics.tsv", "agreement": f"{_TABLES}/agreement.tsv"},
    ),
    Figure(
        "training_curves", "run", "training curves", {"histories": f"{_FOLD}/history.tsv"},
        models="trained",
    ),
    Figure("gradcam", "run", "explained epochs", {"explained": f"{_RUN}/explained.safetensors"}, models="own"),
    Figure("gallery", "run", "gallery of epochs", {"explained": f"{_RUN}/explained.safetensors"}, models="own"),
    Figure("tsne", "run", "t-SNE of features", {"embedding": f"{_RUN}/embedding.tsv"}, models="own"),
    Figure("architecture", "run", "architecture", {"architecture": f"{_RUN}/architecture.json"}, models="own"),
    Figure("faithfulness", "explanations", "explanations: faithfulness", {"curves": f"{_EXPLANATIONS}/curves.tsv"}),
    Figure("sanity", "explanations", "explanations: sanity", {"sanity": f"{_EXPLANATIONS}/sanity.tsv"}),
    Figure("bands", "explanations", "explanations: bands", {"bands": f"{_EXPLANATIONS}/bands.tsv"}),
    Figure("night", "explanations", "explanations: night", {"night": f"{_RUN}/explanations/night.safetensors"}),
)  # fmt: skip
"""Order is that of the pages."""
