# Enters: the configuration and the names of files. Leaves: what rules ask for with `input:` and `params:`.
# Why: everything that more than one rule needs to know while Snakemake plans stands here; no rule does.
import atexit
import os
import shlex
import sys
from contextlib import contextmanager
from functools import cache
from pathlib import Path

sys.path.insert(0, workflow.basedir)
# Scripts run in environments that hold their tools but not hypnolens itself.
os.environ.update(PYTHONPATH=os.pathsep.join(filter(None, [workflow.basedir, os.getenv("PYTHONPATH")])))
# What pip adds to the pins of a conda environment comes in the versions that the tests run, too.
os.environ.setdefault("PIP_CONSTRAINT", (Path(workflow.basedir) / "requirements.lock").as_uri())

# What the page over all datasets quotes. Jobs are processes of their own, which inherit it.
os.environ.setdefault("HYPNOLENS_COMMAND", shlex.join(["snakemake", *sys.argv[1:]]))

from hypnolens.datasets import published, sleepedf
from hypnolens.datasets.listing import list_recordings, published_folds
from hypnolens.datasets.origins import ORIGINS
from hypnolens.errors import HypnolensError
from hypnolens.io.tables import read_rows
from hypnolens.pipeline import configuration, provenance
from hypnolens.pipeline.logs import failures
from hypnolens.scoring.names import nights_by_name
from hypnolens.training import folds

ROOT = Path(workflow.basedir)
TABLES = ROOT / "config/tables"
SIGNAL_KEYS = ("channel", "sampling_rate_hz", "trim_wake_min", "trim_rule")
FOLD_KEYS = ("folds", "validation", "fold_seed")
PREDICT_KEYS = ("normalisation", "across_gaps", "precision", "torch_threads")
OWN = "se-resnet-bilstm"
# Figures of every experiment that is shown, of every network that is trained, and of hypnolens's own network.
FIGURES = ("confusion_matrix", "hypnograms", "calibration", "transitions", "agreement")
TRAINING_FIGURES = ("training_curves",)
OWN_FIGURES = ("gradcam", "gallery", "tsne", "architecture")
DATASET_FIGURES = ("recordings", "stages", "f1_bars")
PAPER_TABLES = (
    "overall", "stages", "methods", "protocols", "seeds", "ablations", "paired", "stride", "calibration", "transitions",
    "sleep_statistics",
)  # fmt: skip
EXPLANATION_TABLES = ("alignment", "faithfulness", "removal", "sanity", "bands", "detectors", "context")
EXPLANATION_FIGURES = ("faithfulness", "sanity", "bands", "night")
# What a release holds of the project itself.
RELEASED = [*sorted((ROOT / "envs").glob("*.yaml")), ROOT / "requirements.lock", ROOT / "LICENSE"]
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
        listing = list_recordings(dataset, dataset_of(dataset), TABLES)
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
            return published_folds(dataset, listing_of(dataset), TABLES)
    return Path(scheme) if str(scheme).endswith(".tsv") else None


@cache
def fold_list_of(dataset):
    """The folds of a dataset, by subject."""
    subjects = [recording.subject for recording in recordings_of(dataset).values()]
    options = dataset_of(dataset)
    with one_line():
        return folds.make_folds(
            subjects,
            scheme=fold_table_of(dataset) or options["folds"],
            validation=options["validation"],
            seed=options["fold_seed"],
            dataset=dataset,
        )


def folds_of(dataset):
    """Numbers of the folds of a dataset."""
    return range(len(fold_list_of(dataset)))


def dataset_of(name):
    """Configuration of a dataset."""
    return CONFIGURATION.datasets[name]


def model_of(run):
    """The model of a run."""
    return CONFIGURATION.experiments[run]["model"]


def running(*models):
    """Constraint of the wildcard `experiment`: the runs of some models; none is a pattern that matches nothing."""
    return "|".join(run for run in CONFIGURATION.experiments if model_of(run) in models) or "(?!)"


def runs_of(dataset):
    """All runs on a dataset: those with figures, and those for the tables only."""
    return [*dataset_of(dataset)["experiments"], *dataset_of(dataset)["compared"]]


def families_of(dataset):
    """The runs on a dataset, those together that differ in their seed only, by the name of the first one's experiment."""
    return CONFIGURATION.families(runs_of(dataset))


def shown_of(dataset):
    """Runs with figures of their own: the first seed of each experiment that is not only compared."""
    return [runs[0] for runs in families_of(dataset).values() if runs[0] in dataset_of(dataset)["experiments"]]


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
    """Reports of the datasets that are run, and the page over all of them."""
    return [*dataset_reports(wildcards), *["reports/paper.html"] * bool(runnable())]


def dataset_reports(wildcards):
    """Reports of the datasets that are run."""
    return [f"reports/{dataset}/report.html" for dataset in runnable()]


def shown_of_all(*patterns):
    """Input function: files of every run that is shown, of all datasets that are run."""

    def files(wildcards):
        return [
            pattern.format(dataset=dataset, experiment=run)
            for dataset in runnable()
            for run in shown_of(dataset)
            for pattern in patterns
        ]

    return files


def of_all_datasets(*names):
    """Input function: tables of all datasets that are run."""

    def files(wildcards):
        return [f"reports/{dataset}/tables/{name}.tsv" for dataset in runnable() for name in names]

    return files


def costs_of_all(wildcards):
    """Tables of time and score of the datasets on which hypnolens's own network was trained."""
    return [f"reports/{dataset}/tables/cost.tsv" for dataset in runnable() if own_runs_of(dataset)]


def studies_of_all(wildcards):
    """What was run on each dataset, see hypnolens.reports.paper_tables.Study."""
    return [study_of(dataset) for dataset in runnable()]


def study_of(dataset):
    """Families of a dataset with their runs, keys and protocols."""
    families = families_of(dataset)
    return {
        "name": dataset,
        "runs": families,
        "options": {name: CONFIGURATION.experiments[runs[0]] for name, runs in families.items()},
        "protocols": {name: protocol_on(dataset, runs[0]) for name, runs in families.items()},
        "figures": figures_of(shown_of(dataset)[0]),
    }


def datasets_of_all(wildcards):
    """Configuration of the datasets that are run."""
    return {dataset: dataset_of(dataset) for dataset in runnable()}


@cache
def nights():
    """Nights of one's own by name."""
    with one_line():
        return nights_by_name(CONFIGURATION.score["nights"])


def night_file(wildcards):
    """The file of a night, and the model that stages it where a rule can make it."""
    if wildcards.night not in nights():
        sys.exit(f"score.nights: there is no night '{wildcards.night}' among them")
    model = CONFIGURATION.score["model"]
    files = {"night": literal(nights()[wildcards.night])}
    return {**files, "model": literal(model)} if model and Path(model).suffix else files


def score_options(wildcards):
    """How a night is scored."""
    return {key: value for key, value in CONFIGURATION.score.items() if key not in ("nights", "torch_threads")}


def score_threads(wildcards):
    """Threads of a job that scores a night."""
    return CONFIGURATION.score["torch_threads"]


def scores_of_nights(wildcards):
    """The table of all nights of one's own."""
    if not nights():
        sys.exit("score.nights: no night to score; name a folder with recordings, or a list of files")
    return "reports/scores/scores.tsv"


def summaries_of_nights(wildcards):
    """Summaries of all nights of one's own."""
    return [f"reports/scores/{night}/{night}.json" for night in nights()]


def releases(wildcards):
    """Archives of the networks of all experiments of the datasets that are run."""
    return [
        f"reports/{dataset}/{run}/release.zip"
        for dataset in runnable()
        for run in shown_of(dataset)
        if model_of(run) == OWN and not CONFIGURATION.experiments[run]["shuffle_labels"]
    ]


def missing_of_all(wildcards):
    """The paper's datasets that are not run, and why."""
    published = [row["dataset"] for row in read_rows(TABLES / "paper.tsv")]
    return {
        name: listing_of(name).unavailable if name in CONFIGURATION.run else "not among run: of the configuration"
        for name in published
        if name not in runnable()
    }


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
    """Kind, licence and citation of a dataset."""
    kind = dataset_of(wildcards.dataset)["kind"]
    return {"kind": kind, "licence": ORIGINS[kind].licence, "citation": ORIGINS[kind].citation}


def missing_recordings(wildcards):
    """Recordings of a dataset that a local copy lacks."""
    return listing_of(wildcards.dataset).missing


def published_counts(wildcards):
    """What is published of the epochs of a dataset, as it is trimmed."""
    options = {key: dataset_of(wildcards.dataset)[key] for key in ("trim_rule", "trim_wake_min")}
    found = published.published(listing_of(wildcards.dataset).published, tables=TABLES, **options)
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
        there = runs_of(wildcards.dataset)
        shuffled = {**own, "shuffle_labels": True}
        found = [e for e in there if e != wildcards.experiment and CONFIGURATION.experiments[e] == shuffled]
        return [f"results/{wildcards.dataset}/{e}/fold-{wildcards.fold}/{name}" for e in found]

    return files


def explanation_pages(wildcards):
    """Pages of measured explanations of all experiments of the datasets that are run, but those of shuffled labels."""
    return [
        f"reports/{dataset}/{experiment}/explanations.html"
        for dataset in runnable()
        for experiment in shown_of(dataset)
        if model_of(experiment) == OWN and not CONFIGURATION.experiments[experiment]["shuffle_labels"]
    ]


def source_of(wildcards):
    """Weights and card of the network whose features a linear probe reads, of the same fold."""
    source = CONFIGURATION.experiments[wildcards.experiment]["features_of"]
    base = f"results/{wildcards.dataset}/{source}/fold-{wildcards.fold}"
    return {"model": f"{base}/model.safetensors", "card": f"{base}/model.json"}


def source_options(wildcards):
    """How the network whose features a linear probe reads sees a recording."""
    source = CONFIGURATION.experiments[wildcards.experiment]["features_of"]
    return {key: CONFIGURATION.experiments[source][key] for key in PREDICT_KEYS}


def tested_in(wildcards):
    """Recordings that a fold tests."""
    tested = fold_list_of(wildcards.dataset)[int(wildcards.fold)].test
    return [recording for recording in recordings_of(wildcards.dataset).values() if recording.subject in tested]


def tested_names(wildcards):
    """Names of the recordings that a fold tests."""
    return [recording.name for recording in tested_in(wildcards)]


def tested_signals(wildcards):
    """Files of the signals of the recordings that a fold tests."""
    return [literal(recording.psg) for recording in tested_in(wildcards) if recording.psg]


def protocol_on(dataset, run):
    """On what a run was trained and how its network was chosen, in a word."""
    if model_of(run) == "yasa":
        return "pre-trained on this cohort" if dataset_of(dataset)["kind"] == "shhs" else "pre-trained"
    return CONFIGURATION.experiments[run].get("protocol", "clean")


def protocol_of(wildcards):
    """The same, of a rule's run."""
    return protocol_on(wildcards.dataset, wildcards.experiment)


def growing(amount, most=float("inf")):
    """Memory or run time that a job asks for: as much again at each attempt, of which profiles/slurm makes several."""
    return lambda wildcards, attempt: min(amount * attempt, most)


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
        return [pattern.format(dataset=wildcards.dataset, experiment=name) for name in runs_of(wildcards.dataset)]

    return files


def of_each_shown(pattern):
    """Input function: the file of a pattern for every run of a dataset that is shown."""

    def files(wildcards):
        return [pattern.format(dataset=wildcards.dataset, experiment=name) for name in shown_of(wildcards.dataset)]

    return files


def families_in_order(wildcards):
    """The runs of each experiment on a dataset; the first is what the others are compared with."""
    return families_of(wildcards.dataset)


def protocol_pairs(wildcards):
    """Runs of a dataset that differ only in where the pass that is kept is chosen: clean, test-selected."""
    runs = {run: CONFIGURATION.experiments[run] for run in runs_of(wildcards.dataset)}
    return [
        [clean, selected]
        for selected, options in runs.items()
        if options.get("protocol") == "test-selected"
        for clean in runs
        if runs[clean] == {**options, "protocol": "clean"}
    ]


def lights_off_of(wildcards):
    """Clock times at which the lights went off, by recording, where a table of the dataset knows them."""
    return {name: found.lights_off for name, found in recordings_of(wildcards.dataset).items() if found.lights_off}


def own_runs(wildcards):
    """Runs of hypnolens's own network on a dataset."""
    return own_runs_of(wildcards.dataset)


def own_runs_of(dataset):
    """The same, by the dataset's name."""
    return [run for run in runs_of(dataset) if model_of(run) == OWN]


def histories_of_dataset(wildcards):
    """Histories of all folds of hypnolens's own networks on a dataset."""
    return [
        f"results/{wildcards.dataset}/{run}/fold-{fold}/history.tsv"
        for run in own_runs(wildcards)
        for fold in folds_of(wildcards.dataset)
    ]


def cost_of(wildcards):
    """The table of time and score, where a network of hypnolens's own was trained."""
    return [f"reports/{wildcards.dataset}/tables/cost.tsv"] * bool(own_runs(wildcards))


def metrics_of_own(wildcards):
    """Scores of hypnolens's own networks on a dataset."""
    return [f"results/{wildcards.dataset}/{run}/metrics.json" for run in own_runs(wildcards)]


def samplings_of_dataset(wildcards):
    """How each of hypnolens's own networks on a dataset takes its windows."""
    names = own_runs(wildcards)
    return {name: {key: CONFIGURATION.experiments[name][key] for key in ("sampling", "stride")} for name in names}


def explanation_figures(wildcards):
    """Figures of the page of measured explanations."""
    base = f"reports/{wildcards.dataset}/{wildcards.experiment}/explanations/figures"
    return [f"{base}/{figure}.png" for figure in EXPLANATION_FIGURES]


def figures_of_dataset(wildcards):
    """All figures of a dataset and of the experiments that are shown."""
    cost = ("cost",) * bool(own_runs(wildcards))
    return [f"reports/{wildcards.dataset}/figures/{figure}.png" for figure in DATASET_FIGURES + cost] + [
        f"reports/{wildcards.dataset}/{experiment}/figures/{figure}.png"
        for experiment in shown_of(wildcards.dataset)
        for figure in figures_of(experiment)
    ]


def figures_of(run):
    """Figures of a run, by what its model can show."""
    trained = model_of(run) == OWN or model_of(run) in configuration.NETWORKS
    return FIGURES + TRAINING_FIGURES * trained + OWN_FIGURES * (model_of(run) == OWN)
