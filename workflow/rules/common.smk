# Enters: the configuration and the names of files. Leaves: what rules ask for with `input:` and `params:`.
# Why: everything that more than one rule needs to know while Snakemake plans stands here; no rule does.
import atexit
import os
import sys
from contextlib import contextmanager
from functools import cache
from pathlib import Path

sys.path.insert(0, workflow.basedir)
# Scripts run in environments that hold their tools but not hypnolens itself.
os.environ.update(PYTHONPATH=os.pathsep.join(filter(None, [workflow.basedir, os.getenv("PYTHONPATH")])))

from hypnolens import configuration, counts, datasets, folds, provenance
from hypnolens.datasets import sleepedf
from hypnolens.datasets.origins import ORIGINS
from hypnolens.errors import HypnolensError
from hypnolens.logs import failures

ROOT = Path(workflow.basedir)
TABLES = ROOT / "config/tables"
SIGNAL_KEYS = ("channel", "sampling_rate_hz", "trim_wake_min", "trim_rule")
FOLD_KEYS = ("folds", "validation", "fold_seed")
PREDICT_KEYS = ("normalisation", "across_gaps", "precision", "torch_threads")
FIGURES = ("confusion_matrix", "hypnograms", "training_curves", "gradcam", "gallery", "tsne")
EXPLANATION_TABLES = ("alignment", "faithfulness", "removal", "sanity", "bands", "detectors", "context")
EXPLANATION_FIGURES = ("faithfulness", "sanity", "bands", "night")
# Correctly staged epochs of each stage of a recording that every method explains, and the seed of their draw.
EXPLAINED = {"sample": 20, "seed": 0}


@contextmanager
def one_line():
    """End a run whose configuration or data cannot be used with the one line that says so."""
    try:
        yield
    except HypnolensError as error:
        sys.exit(str(error))


with one_line():
    CONFIGURATION = configuration.load(config, ROOT)
# What download scripts read, with its defaults; see workflow/rules/download.smk.
config["download"] = CONFIGURATION.download


wildcard_constraints:
    dataset="[A-Za-z0-9_-]+",
    experiment="[A-Za-z0-9_-]+",
    recording=r"[A-Za-z0-9._-]+",
    fold=r"\d+",


def code_version(script, *more):
    """Content hash of a script and of all of hypnolens that it runs, and of more modules or files."""
    return provenance.code_version(ROOT, script, *more)


@cache
def listing_of(dataset):
    """What there is of a dataset; a run ends here if its configuration names nothing that could be."""
    with one_line():
        listing = datasets.list_recordings(dataset, dataset_of(dataset), TABLES)
    if n_missing := len(listing.missing):
        names = ", ".join(listing.missing[:5]) + " …" * (n_missing > 5)
        logger.warning(f"{dataset}: {n_missing} of its recordings are not in path:, or excluded: {names}")
    return listing


@cache
def recordings_of(dataset):
    """Recordings of a dataset by name; a run ends here if it cannot be had."""
    listing = listing_of(dataset)
    if listing.unavailable:
        sys.exit(listing.unavailable)
    return {recording.name: recording for recording in listing.recordings}


@cache
def fold_table_of(dataset):
    """The table that says the folds, for `published` and for a table of the user's; `None` for other schemes."""
    scheme = dataset_of(dataset)["folds"]
    if scheme == "published":
        with one_line():
            return datasets.published_folds(dataset, listing_of(dataset), TABLES)
    return Path(scheme) if str(scheme).endswith(".tsv") else None


@cache
def folds_of(dataset):
    """Numbers of the folds of a dataset."""
    subjects = [recording.subject for recording in recordings_of(dataset).values()]
    options = dataset_of(dataset)
    with one_line():
        made = folds.make_folds(
            subjects,
            scheme=fold_table_of(dataset) or options["folds"],
            validation=options["validation"],
            seed=options["fold_seed"],
            dataset=dataset,
        )
    return range(len(made))


def dataset_of(name):
    """Configuration of a dataset."""
    return CONFIGURATION.datasets[name]


@cache
def runnable():
    """Datasets that are run; one that cannot be had is left out with one line."""
    left_out = {name: listing_of(name).unavailable for name in CONFIGURATION.run if listing_of(name).unavailable}
    for why in left_out.values():
        logger.warning(f"left out: {why}")
    if left_out.keys() == set(CONFIGURATION.run) != set():
        sys.exit("nothing to run: " + "; ".join(left_out.values()))
    return [dataset for dataset in CONFIGURATION.run if dataset not in left_out]


def all_reports(wildcards):
    """Reports of the datasets that are run."""
    return [f"reports/{dataset}/report.html" for dataset in runnable()]


def sleepedf_checksums(wildcards):
    """Files of a night of Sleep-EDF with their published checksums."""
    return sleepedf.checksums(wildcards.night, wildcards.scorer, TABLES)


def literal(path):
    """A path as an input function may return it: Snakemake takes braces for wildcards."""
    return str(path).replace("{", "{{").replace("}", "}}")


def recording_files(wildcards):
    """Files of a recording by name: those of them that there are, as its script says in one line what is missing."""
    recording = recordings_of(wildcards.dataset)[wildcards.recording]
    files = {"psg": recording.psg, "hypnogram": recording.hypnogram, "source": recording.source}
    return {name: literal(path) for name, path in files.items() if path}


def known_events_of(wildcards):
    """The table of a recording's true events or of experts' marks, where there is one."""
    known = recordings_of(wildcards.dataset)[wildcards.recording].events
    return literal(known) if known else []


def events_files(wildcards):
    """Events of all recordings of a dataset."""
    return [f"results/{wildcards.dataset}/events/{name}.tsv" for name in recordings_of(wildcards.dataset)]


def origin_of(wildcards):
    """Licence and citation of a dataset."""
    origin = ORIGINS[dataset_of(wildcards.dataset)["kind"]]
    return {"licence": origin.licence, "citation": origin.citation}


def missing_recordings(wildcards):
    """Recordings of a dataset that a local copy lacks."""
    return listing_of(wildcards.dataset).missing


def published_counts(wildcards):
    """What is published of the epochs of a dataset, as it is trimmed."""
    options = {key: dataset_of(wildcards.dataset)[key] for key in ("trim_rule", "trim_wake_min")}
    found = counts.published(listing_of(wildcards.dataset).published, tables=TABLES, **options)
    return found and found._asdict()


def recording_options(wildcards):
    """Whose recording it is, and how it is extracted: what extraction reads, nothing more."""
    recording = recordings_of(wildcards.dataset)[wildcards.recording]
    options = {key: dataset_of(wildcards.dataset)[key] for key in SIGNAL_KEYS}
    return {
        "recording": recording.name,
        "subject": recording.subject,
        "night": recording.night,
        "rates": recording.rates,
        "sha1": recording.sha1,
        **options,
    }


def fold_options(wildcards):
    """How subjects are split into folds."""
    return {key: dataset_of(wildcards.dataset)[key] for key in FOLD_KEYS}


def fold_table(wildcards):
    """The table that says the folds, where there is one."""
    return fold_table_of(wildcards.dataset) or []


def experiment_options(wildcards):
    """All keys of an experiment: training reads each."""
    return CONFIGURATION.experiments[wildcards.experiment]


def predict_options(wildcards):
    """Keys of an experiment that scoring reads."""
    return {key: CONFIGURATION.experiments[wildcards.experiment][key] for key in PREDICT_KEYS}


def twins(name):
    """Input function: a file of the same fold of experiments that differ in their shuffled labels only."""

    def files(wildcards):
        own = CONFIGURATION.experiments[wildcards.experiment]
        there = dataset_of(wildcards.dataset)["experiments"]
        shuffled = {**own, "shuffle_labels": True}
        found = [e for e in there if e != wildcards.experiment and CONFIGURATION.experiments[e] == shuffled]
        return [f"results/{wildcards.dataset}/{e}/fold-{wildcards.fold}/{name}" for e in found]

    return files


def explanation_pages(wildcards):
    """Pages of measured explanations of all experiments of the datasets that are run, but those of shuffled labels."""
    return [
        f"reports/{dataset}/{experiment}/explanations.html"
        for dataset in runnable()
        for experiment in dataset_of(dataset)["experiments"]
        if not CONFIGURATION.experiments[experiment]["shuffle_labels"]
    ]


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


def histories_of_dataset(wildcards):
    """Histories of all folds of all experiments of a dataset."""
    return [
        f"results/{wildcards.dataset}/{experiment}/fold-{fold}/history.tsv"
        for experiment in dataset_of(wildcards.dataset)["experiments"]
        for fold in folds_of(wildcards.dataset)
    ]


def samplings_of_dataset(wildcards):
    """How each experiment of a dataset takes its windows."""
    names = dataset_of(wildcards.dataset)["experiments"]
    return {name: {key: CONFIGURATION.experiments[name][key] for key in ("sampling", "stride")} for name in names}


def explanation_figures(wildcards):
    """Figures of the page of measured explanations."""
    base = f"reports/{wildcards.dataset}/{wildcards.experiment}/explanations/figures"
    return [f"{base}/{figure}.png" for figure in EXPLANATION_FIGURES]


def figures_of_dataset(wildcards):
    """All figures of a dataset and of all experiments on it."""
    return [f"reports/{wildcards.dataset}/figures/{figure}.png" for figure in ("recordings", "stages", "cost")] + [
        f"reports/{wildcards.dataset}/{experiment}/figures/{figure}.png"
        for experiment in dataset_of(wildcards.dataset)["experiments"]
        for figure in FIGURES
    ]
