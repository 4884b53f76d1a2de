# Enters: the configuration and the names of files. Leaves: what rules ask for with `input:` and `params:`.
# Why: everything that more than one rule needs to know while Snakemake plans stands here; no rule does.
import atexit
import os
import sys
from functools import cache
from pathlib import Path

sys.path.insert(0, workflow.basedir)
# Scripts run in environments that hold their tools but not hypnolens itself.
os.environ.update(PYTHONPATH=os.pathsep.join(filter(None, [workflow.basedir, os.getenv("PYTHONPATH")])))

from hypnolens import configuration, datasets, folds, provenance
from hypnolens.errors import HypnolensError
from hypnolens.logs import failures

ROOT = Path(workflow.basedir)
SIGNAL_KEYS = ("channel", "sampling_rate_hz", "trim_wake_min", "trim_rule")
FOLD_KEYS = ("folds", "validation", "fold_seed")
PREDICT_KEYS = ("normalisation", "across_gaps", "precision", "torch_threads")
FIGURES = ("confusion_matrix", "hypnograms", "training_curves", "gradcam", "tsne")

try:
    CONFIGURATION = configuration.load(config, ROOT)
except HypnolensError as error:
    sys.exit(str(error))


wildcard_constraints:
    dataset="[A-Za-z0-9_-]+",
    experiment="[A-Za-z0-9_-]+",
    recording=r"[A-Za-z0-9._-]+",
    fold=r"\d+",


def code_version(script, *more):
    """Content hash of a script and of all of hypnolens that it runs, and of more modules or files."""
    return provenance.code_version(ROOT, script, *more)


@cache
def recordings_of(dataset):
    """Recordings of a dataset by name; the one place where a run ends because a dataset cannot be had."""
    try:
        return {recording.name: recording for recording in datasets.list_recordings(dataset, dataset_of(dataset))}
    except HypnolensError as error:
        sys.exit(str(error))


@cache
def folds_of(dataset):
    """Numbers of the folds of a dataset."""
    subjects = [recording.subject for recording in recordings_of(dataset).values()]
    options = dataset_of(dataset)
    try:
        made = folds.make_folds(
            subjects,
            scheme=options["folds"],
            validation=options["validation"],
            seed=options["fold_seed"],
            dataset=dataset,
        )
    except HypnolensError as error:
        sys.exit(str(error))
    return range(len(made))


def dataset_of(name):
    """Configuration of a dataset."""
    return CONFIGURATION.datasets[name]


def all_reports(wildcards):
    """Reports of the datasets that are run."""
    return [f"reports/{dataset}/report.html" for dataset in CONFIGURATION.run]


def psg_file(wildcards):
    """PSG of a recording; none where it is missing, which the script says in one line."""
    return recordings_of(wildcards.dataset)[wildcards.recording].psg or []


def hypnogram_file(wildcards):
    """Hypnogram of a recording; none where it is missing."""
    return recordings_of(wildcards.dataset)[wildcards.recording].hypnogram or []


def recording_options(wildcards):
    """Whose recording it is, and how it is extracted: what extraction reads, nothing more."""
    recording = recordings_of(wildcards.dataset)[wildcards.recording]
    options = {key: dataset_of(wildcards.dataset)[key] for key in SIGNAL_KEYS}
    return {
        "recording": recording.name,
        "subject": recording.subject,
        "night": recording.night,
        **options,
    }


def fold_options(wildcards):
    """How subjects are split into folds."""
    return {key: dataset_of(wildcards.dataset)[key] for key in FOLD_KEYS}


def fold_table(wildcards):
    """The user's table of folds, where one is given."""
    scheme = dataset_of(wildcards.dataset)["folds"]
    return scheme if str(scheme).endswith(".tsv") else []


def experiment_options(wildcards):
    """All keys of an experiment: training reads each."""
    return CONFIGURATION.experiments[wildcards.experiment]


def predict_options(wildcards):
    """Keys of an experiment that scoring reads."""
    return {key: CONFIGURATION.experiments[wildcards.experiment][key] for key in PREDICT_KEYS}


def torch_threads(wildcards):
    """CPU threads of a training job."""
    return CONFIGURATION.experiments[wildcards.experiment]["torch_threads"]


def epochs_files(wildcards):
    """Extracted epochs of all recordings of a dataset."""
    return [f"results/{wildcards.dataset}/epochs/{name}.safetensors" for name in recordings_of(wildcards.dataset)]


def of_each_fold(name):
    """Input function: the file of a name in every fold of an experiment."""

    def files(wildcards):
        base = f"results/{wildcards.dataset}/{wildcards.experiment}"
        return [f"{base}/fold-{fold}/{name}" for fold in folds_of(wildcards.dataset)]

    return files


def of_each_experiment(pattern):
    """Input function: the file of a pattern for every experiment of a dataset."""

    def files(wildcards):
        names = dataset_of(wildcards.dataset)["experiments"]
        return [pattern.format(dataset=wildcards.dataset, experiment=name) for name in names]

    return files


def figures_of_dataset(wildcards):
    """All figures of all experiments of a dataset."""
    return [
        f"reports/{wildcards.dataset}/{experiment}/figures/{figure}.png"
        for experiment in dataset_of(wildcards.dataset)["experiments"]
        for figure in FIGURES
    ]
