"""What the rules ask while Snakemake plans: files, options, runs and folds, from the validated configuration.

Nothing is opened but small tables, and nothing is imported but what Snakemake itself brings. Rules ask through the
adapters in ``workflow/rules/common.smk``, which hand over wildcards by the names of a method's parameters.
"""

import inspect
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from hypnolens.datasets import published, sleepedf
from hypnolens.datasets.listing import Listing, list_recordings, published_folds
from hypnolens.datasets.origins import ORIGINS
from hypnolens.datasets.recording import Recording
from hypnolens.errors import HypnolensError
from hypnolens.io.checksums import canonical, sha256
from hypnolens.io.names import check_braces
from hypnolens.io.tables import read_rows
from hypnolens.network.folders import weights_and_cards
from hypnolens.pipeline.configuration import NETWORKS, Configuration, tables_of
from hypnolens.plots.catalogue import FIGURES, path_of
from hypnolens.scoring.files import companion, further_files, names_in
from hypnolens.scoring.names import nights_by_name
from hypnolens.stagers.names import BUILT_IN
from hypnolens.training.folds import SPLITS, Fold, make_folds

OWN = "se-resnet-bilstm"
"""The model that is hypnolens's own; only its runs are explained and released."""

SIGNAL_KEYS = ("channel", "sampling_rate_hz", "highpass_hz", "trim_wake_min", "trim_rule", "stage_codes")
FOLD_KEYS = ("folds", "validation", "fold_seed")
PREDICT_KEYS = ("normalisation", "across_gaps", "precision", "torch_threads")
"""What extraction, the folds, and staging read of a dataset or an experiment, and nothing more: another key among a
rule's params would make it run again."""

Files = dict[str, str]
Wildcards = Mapping[str, Any]


def ask(method: Callable[..., Any], wildcards: Wildcards) -> Any:
    """Answer of a method whose parameters are called like wildcards."""
    return method(**{name: wildcards[name] for name in _parameters(method)})


@cache
def _parameters(method: Callable[..., Any]) -> tuple[str, ...]:
    """Names of a method's parameters, which thousands of jobs ask for."""
    return tuple(inspect.signature(method).parameters)


def files_of(
    pattern: str, wildcards: Wildcards, over: Mapping[str, Callable[..., Iterable[Any]] | Iterable[Any]]
) -> list[str]:
    """Files of a pattern, one for each value of more wildcards.

    Parameters
    ----------
    pattern
        Path with wildcards in braces.
    wildcards
        Those that are known.
    over
        By wildcard, its values, which may depend on earlier ones.
    """
    found = [dict(wildcards)]
    for name, values in over.items():
        found = [
            {**known, name: value} for known in found for value in (ask(values, known) if callable(values) else values)
        ]
    return [pattern.format(**known) for known in found]


def said(
    params: Wildcards, overs: Iterable[Mapping[str, Callable[..., Iterable[Any]] | Iterable[Any]]], wildcards: Wildcards
) -> dict[str, Any]:
    """What decides how a rule makes its outputs, as far as some wildcards tell: params, and lists of inputs.

    Parameters
    ----------
    params
        Of the rule, by name: values, and methods that are asked. Those that need other wildcards are left out.
    overs
        What `files_of` is given for its inputs.
    wildcards
        Those that are known.
    """

    def known(values: Iterable[Any], names: Iterable[str]) -> bool:
        return all({*_parameters(value)} <= {*names} for value in values if callable(value))

    found = {
        name: ask(value, wildcards) if callable(value) else value
        for name, value in params.items()
        if known([value], wildcards)
    }
    lists = [
        files_of("/".join(f"{{{name}}}" for name in over), wildcards, over)
        for over in overs
        if known(over.values(), {*wildcards, *over})
    ]
    return {**found, "inputs": lists}


class Dataset:
    """One dataset of the plan; its recordings and folds are listed when they are first asked for."""

    def __init__(self, name: str, options: Mapping[str, Any], tables: Path, warn: Callable[[str], object]) -> None:
        self.name, self.options, self._tables, self._warn = name, options, tables, warn

    @cached_property
    def listing(self) -> Listing:
        """What there is of it."""
        found = list_recordings(self.name, self.options, self._tables)
        if n_missing := len(found.missing):
            names = ", ".join(found.missing[:5]) + " …" * (n_missing > 5)
            self._warn(f"{self.name}: {n_missing} of its recordings are not in path:, or excluded: {names}")
        for sentence in found.told:
            self._warn(f"{self.name}: {sentence}")
        return found

    @cached_property
    def recordings(self) -> dict[str, Recording]:
        """Its recordings by name; an error if it cannot be had."""
        if self.listing.unavailable:
            raise HypnolensError(self.listing.unavailable)
        return {recording.name: recording for recording in self.listing.recordings}

    @cached_property
    def fold_table(self) -> Path | None:
        """The table that says its folds, for `published` and for a table of the user's; `None` for other schemes."""
        scheme = self.options["folds"]
        if scheme == "published":
            return published_folds(self.name, self.listing, self._tables)
        return Path(scheme) if str(scheme).endswith(".tsv") else None

    @cached_property
    def folds(self) -> list[Fold]:
        """Its folds, by subject."""
        return make_folds(
            [recording.subject for recording in self.recordings.values()],
            scheme=str(self.fold_table) if self.fold_table else self.options["folds"],
            validation=self.options["validation"],
            seed=self.options["fold_seed"],
            dataset=self.name,
        )


class Plan:
    """Everything that more than one rule needs to know.

    A method's parameters are called like the wildcards that it depends on: ``dataset``, ``experiment`` (a run, that is,
    an experiment after the expansion of its seeds), ``fold``, ``recording``, ``night``, ``scorer``.

    Parameters
    ----------
    configuration
        As `hypnolens.pipeline.configuration.load` gives it.
    tables
        Folder of the tables that come with hypnolens.
    warn
        Told in one line what is left out.

    Raises
    ------
    HypnolensError
        By every method: what the configuration asks for is not there, or does not fit.
    """

    def __init__(self, configuration: Configuration, tables: Path, warn: Callable[[str], object]) -> None:
        self.configuration, self.experiments = configuration, configuration.experiments
        self._tables, self._warn = tables, warn
        self._datasets = {
            name: Dataset(name, options, tables, warn) for name, options in configuration.datasets.items()
        }

    # Datasets

    @cached_property
    def run(self) -> list[str]:
        """Datasets that are run; one that cannot be had is left out with one line."""
        asked = {name: self._datasets[name].listing.unavailable for name in self.configuration.run}
        reasons = [why for why in asked.values() if why]
        for why in reasons:
            self._warn(f"left out: {why}")
        if reasons and len(reasons) == len(asked):
            raise HypnolensError("nothing to run: " + "; ".join(reasons))
        return [name for name, why in asked.items() if not why]

    def runnable(self) -> list[str]:
        """The same, for `files_of`."""
        return self.run

    def pages(self) -> list[str]:
        """Pages over all datasets: one, where a dataset is run."""
        return [self.configuration.page] * bool(self.run)

    @property
    def page_tables(self) -> str:
        """Folder of its tables."""
        return f"reports/{tables_of(self.configuration.page)}"

    def options(self, dataset: str) -> Mapping[str, Any]:
        """Configuration of a dataset."""
        return self._datasets[dataset].options

    def kind(self, dataset: str) -> str:
        """Kind of a dataset."""
        return self.options(dataset)["kind"]

    def origin(self, dataset: str) -> dict[str, str]:
        """Kind, licence and citation of a dataset."""
        kind = self.kind(dataset)
        return {"kind": kind, "licence": ORIGINS[kind].licence, "citation": ORIGINS[kind].citation}

    def trimmed(self, dataset: str) -> bool:
        """Whether wake around sleep is trimmed."""
        return self.options(dataset)["trim_wake_min"] is not None

    def missing_recordings(self, dataset: str) -> list[str]:
        """Recordings of a dataset that a local copy lacks."""
        return self._datasets[dataset].listing.missing

    def published_counts(self, dataset: str) -> dict[str, Any] | None:
        """What is published of the epochs of a dataset, as it is trimmed."""
        options = {key: self.options(dataset)[key] for key in ("trim_rule", "trim_wake_min")}
        found = published.published(self._datasets[dataset].listing.published, tables=self._tables, **options)
        return found and found._asdict()

    def is_the_papers(self, dataset: str) -> bool:
        """Whether a dataset is the set of recordings that the paper's tables call so."""
        return published.PAPERS.get(self._datasets[dataset].listing.published or "") == dataset

    def checksums(self, night: str, scorer: str) -> dict[str, str]:
        """Files of a night of Sleep-EDF with their published checksums."""
        return sleepedf.checksums(night, scorer, self._tables)

    # Recordings

    def recordings(self, dataset: str) -> list[str]:
        """Names of the recordings of a dataset."""
        return list(self._datasets[dataset].recordings)

    def n_subjects(self, dataset: str) -> int:
        """How many people a dataset has."""
        return len({recording.subject for recording in self._datasets[dataset].recordings.values()})

    def recording_files(self, dataset: str, recording: str) -> Files:
        """Files of a recording by name: those that there are, as its script says in one line what is missing."""
        found = self._datasets[dataset].recordings[recording]
        files = {"psg": found.psg, "hypnogram": found.hypnogram, "source": found.source}
        return {name: str(path) for name, path in files.items() if path}

    def about_recording(self, dataset: str, recording: str) -> dict[str, Any]:
        """Whose recording it is, and what is known of its files."""
        found = self._datasets[dataset].recordings[recording]
        about = {"recording": found.name, "subject": found.subject, "night": found.night}
        return {**about, "rates": found.rates, "sha1": found.sha1}

    def listed(self, dataset: str) -> str:
        """Hash of that, of all recordings of a dataset."""
        return sha256(canonical([self.about_recording(dataset, name) for name in self.recordings(dataset)]))

    def signal_options(self, dataset: str) -> dict[str, Any]:
        """How recordings are extracted."""
        return {key: self.options(dataset)[key] for key in SIGNAL_KEYS}

    def known_events(self, dataset: str, recording: str) -> str | list[str]:
        """The table of a recording's true events or of experts' marks; no file where there is none."""
        known = self._datasets[dataset].recordings[recording].events
        return str(known) if known else []

    def lights_off(self, dataset: str) -> dict[str, str]:
        """Clock times at which the lights went off, by recording, where a table of the dataset knows them."""
        recordings = self._datasets[dataset].recordings
        return {name: found.lights_off for name, found in recordings.items() if found.lights_off}

    # Folds

    def folds(self, dataset: str) -> range:
        """Numbers of the folds of a dataset."""
        return range(len(self._datasets[dataset].folds))

    def fold_options(self, dataset: str) -> dict[str, Any]:
        """How subjects are split into folds."""
        return {key: self.options(dataset)[key] for key in FOLD_KEYS}

    def fold_table(self, dataset: str) -> str | list[str]:
        """The table that says the folds; no file where there is none."""
        table = self._datasets[dataset].fold_table
        check_braces(f"datasets.{dataset}.folds", [table and Path(table)])
        return str(table) if table else []

    def recordings_by_side(self, dataset: str) -> list[tuple[int, ...]]:
        """How many recordings each fold trains on, validates on and tests."""
        of = self._datasets[dataset]
        count = Counter(recording.subject for recording in of.recordings.values())
        return [tuple(sum(count[subject] for subject in fold.side(side)) for side in SPLITS) for fold in of.folds]

    def tested(self, dataset: str, fold: str) -> list[str]:
        """Names of the recordings that a fold tests."""
        of = self._datasets[dataset]
        subjects = of.folds[int(fold)].test
        return [name for name, recording in of.recordings.items() if recording.subject in subjects]

    def tested_signals(self, dataset: str, fold: str) -> list[str]:
        """Files of their signals."""
        recordings = self._datasets[dataset].recordings
        return [str(psg) for name in self.tested(dataset, fold) if (psg := recordings[name].psg)]

    # Runs

    def runs(self, dataset: str) -> list[str]:
        """All runs on a dataset: those with figures, and those for the tables only."""
        return [*self.options(dataset)["experiments"], *self.options(dataset)["compared"]]

    def families(self, dataset: str) -> dict[str, list[str]]:
        """The runs on a dataset, those together that differ in their seed only, by the first one's experiment.

        The first family is what the others are compared with.
        """
        return self.configuration.families(self.runs(dataset))

    def shown(self, dataset: str) -> list[str]:
        """Runs with figures of their own: the first seed of each experiment that is not only compared."""
        return [runs[0] for runs in self.families(dataset).values() if runs[0] in self.options(dataset)["experiments"]]

    def own_runs(self, dataset: str) -> list[str]:
        """Runs of hypnolens's own network on a dataset."""
        return [run for run in self.runs(dataset) if self.experiments[run]["model"] == OWN]

    def explained(self, dataset: str) -> list[str]:
        """Runs that are explained and released: shown ones of hypnolens's own network, but for shuffled labels."""
        own = {run for run in self.own_runs(dataset) if not self.experiments[run]["shuffle_labels"]}
        return [run for run in self.shown(dataset) if run in own]

    def runs_with_model(self, *models: str) -> str:
        """Constraint of the wildcard ``experiment``: the runs of some models; none is a pattern without a match."""
        return "|".join(run for run, options in self.experiments.items() if options["model"] in models) or "(?!)"

    def experiment(self, experiment: str) -> Mapping[str, Any]:
        """All keys of a run: training reads each."""
        return self.experiments[experiment]

    def predict_options(self, experiment: str) -> dict[str, Any]:
        """Keys of a run that staging reads."""
        return {key: self.experiments[experiment][key] for key in PREDICT_KEYS}

    def threads(self, experiment: str) -> int:
        """CPU threads of a training job."""
        return self.experiments[experiment]["torch_threads"]

    def seed(self, experiment: str) -> int:
        """Seed of a run; 0 for what draws nothing."""
        return self.experiments[experiment].get("seed", 0)

    def protocol(self, dataset: str, experiment: str) -> str:
        """On what a run was trained and how its network was chosen, in a word."""
        if self.experiments[experiment]["model"] == "yasa":
            return "pre-trained on this cohort" if self.kind(dataset) == "shhs" else "pre-trained"
        if members := self.experiments[experiment].get("members"):  # what one of them was allowed, all of them were
            return next((p for one in members if (p := self.protocol(dataset, one)) != "clean"), "clean")
        return self.experiments[experiment].get("protocol", "clean")

    def protocol_pairs(self, dataset: str) -> list[list[str]]:
        """Runs of a dataset that differ only in where the pass that is kept is chosen: clean, test-selected."""
        runs = {run: self.experiments[run] for run in self.runs(dataset)}
        return [
            [clean, selected]
            for selected, options in runs.items()
            if options.get("protocol") == "test-selected"
            for clean in runs
            if runs[clean] == {**options, "protocol": "clean"}
        ]

    def label_shuffled(self, dataset: str, experiment: str) -> list[str]:
        """Runs on a dataset that differ from a run in their shuffled labels only."""
        shuffled = {**self.experiments[experiment], "shuffle_labels": True}
        return [run for run in self.runs(dataset) if run != experiment and self.experiments[run] == shuffled]

    def features_of(self, experiment: str) -> str:
        """The run whose network's features a linear probe reads."""
        return self.experiments[experiment]["features_of"]

    def members(self, experiment: str) -> list[str]:
        """The runs whose mean probability an ensemble is."""
        return self.experiments[experiment]["members"]

    def member_predictions(self, dataset: str, experiment: str, fold: str) -> list[str]:
        """What each of them said of the test recordings of a fold."""
        return [f"results/{dataset}/{run}/fold-{fold}/predictions.parquet" for run in self.members(experiment)]

    def member_card(self, dataset: str, experiment: str, fold: str) -> str:
        """Card of the first of them, which knows the sampling rate."""
        return f"results/{dataset}/{self.members(experiment)[0]}/fold-{fold}/model.json"

    def source(self, dataset: str, experiment: str, fold: str) -> Files:
        """Weights and card of that network, of the same fold."""
        base = f"results/{dataset}/{self.features_of(experiment)}/fold-{fold}"
        return {"model": f"{base}/model.safetensors", "card": f"{base}/model.json"}

    def source_options(self, experiment: str) -> dict[str, Any]:
        """How that network sees a recording."""
        return self.predict_options(self.features_of(experiment))

    def samplings(self, dataset: str) -> dict[str, dict[str, Any]]:
        """How each of hypnolens's own networks on a dataset takes its windows."""
        keys = ("sampling", "stride")
        return {run: {key: self.experiments[run][key] for key in keys} for run in self.own_runs(dataset)}

    # Figures and pages

    def figures(self, experiment: str) -> tuple[str, ...]:
        """Figures of a run, by what its model can show."""
        model = self.experiments[experiment]["model"]
        shows = {"any": True, "trained": model in (OWN, *NETWORKS), "own": model == OWN}
        return tuple(figure.name for figure in FIGURES if figure.of == "run" and shows[figure.models])

    def names_of_figures(self, dataset: str) -> list[str]:
        """Figures of a dataset as a whole."""
        own = bool(self.own_runs(dataset))
        return [figure.name for figure in FIGURES if figure.of == "dataset" and (own or figure.models != "own")]

    def figures_of_dataset(self, dataset: str) -> list[str]:
        """Files of all figures of a dataset and of its runs that are shown."""
        files = [path_of(name).format(dataset=dataset) for name in self.names_of_figures(dataset)]
        return files + [
            figure.png.format(dataset=dataset, experiment=run)
            for run in self.shown(dataset)
            for figure in FIGURES
            if figure.of == "run" and figure.name in self.figures(run)
        ]

    def cost_table(self, dataset: str) -> list[str]:
        """The table of time and score, where a network of hypnolens's own was trained."""
        return [f"reports/{dataset}/tables/cost.tsv"] * bool(self.own_runs(dataset))

    def cost_tables(self) -> list[str]:
        """The same of all datasets that are run."""
        return [table for dataset in self.run for table in self.cost_table(dataset)]

    def options_of_runs(self, dataset: str) -> dict[str, Mapping[str, Any]]:
        """Keys of all runs on a dataset."""
        return {run: self.experiments[run] for run in self.runs(dataset)}

    def figures_of_runs(self, dataset: str) -> dict[str, list[str]]:
        """Figures of the runs on a dataset that are shown."""
        return {run: list(self.figures(run)) for run in self.shown(dataset)}

    def studies(self) -> list[dict[str, Any]]:
        """What was run on each dataset, see `hypnolens.reports.paper_tables.Study`."""
        return [self._study(dataset) for dataset in self.run]

    def options_of_datasets(self) -> dict[str, Mapping[str, Any]]:
        """Configuration of the datasets that are run."""
        return {dataset: self.options(dataset) for dataset in self.run}

    def missing_datasets(self) -> dict[str, str | None]:
        """The paper's datasets that are not run, and why."""
        names = [row["dataset"] for row in read_rows(self._tables / "paper.tsv") if row["dataset"] not in self.run]
        asked, why_not = self.configuration.run, "not among run: of the configuration"
        return {name: self._datasets[name].listing.unavailable if name in asked else why_not for name in names}

    def _study(self, dataset: str) -> dict[str, Any]:
        families = self.families(dataset)
        return {
            "name": dataset,
            "runs": families,
            "options": {name: self.experiments[runs[0]] for name, runs in families.items()},
            "protocols": {name: self.protocol(dataset, runs[0]) for name, runs in families.items()},
            "figures": list(self.figures(self.shown(dataset)[0])),
            "published": self.is_the_papers(dataset),
        }

    # Nights of one's own

    @cached_property
    def _nights(self) -> dict[str, Path]:
        found = nights_by_name(self.configuration.score["nights"])
        check_braces("score.nights", found.values())
        return found

    def nights(self) -> list[str]:
        """Names of the nights of one's own."""
        if not self._nights:
            raise HypnolensError("score.nights: no night to score; name a folder with recordings, or a list of files")
        return list(self._nights)

    def score_tables(self) -> list[str]:
        """The table of all of them."""
        return ["scores"] * bool(self.nights())

    def night_files(self, night: str) -> dict[str, str | list[str]]:
        """The file of a night, what lies beside it and is read with it, and the files of the model that stages it."""
        if night not in self._nights:
            raise HypnolensError(f"score.nights: there is no night '{night}' among them")
        path = self._nights[night]
        beside = [*further_files(path), companion(path, self._names_in(path.parent))]
        return {
            "night": str(path),
            "beside": [str(file) for file in beside if file],
            "model": [str(file) for file in self._model_files],
        }

    @cached_property
    def _names_in(self) -> Callable[[Path], frozenset[str]]:
        return cache(names_in)

    @cached_property
    def _model_files(self) -> list[Path]:
        """Weights and cards, or an archive; a file by the path that was given, as a rule may make it.

        Of a folder they are absolute: rules name their outputs otherwise, and whoever scores nights with networks that
        lie below ``results/`` has not asked to train them again.
        """
        model = self.configuration.score["model"]
        if not model or model in BUILT_IN:
            return []
        files = [file for pair in weights_and_cards(Path(model)) for file in pair if file.is_file()]
        if Path(model).is_dir():
            found = [file.absolute() for file in sorted(files)]
        else:
            found = list(dict.fromkeys([Path(model), *files])) if Path(model).suffix else []
        check_braces("score.model", found)
        return found

    def score_options(self) -> dict[str, Any]:
        """How a night is scored."""
        return {key: value for key, value in self.configuration.score.items() if key not in ("nights", "torch_threads")}

    def score_threads(self) -> int:
        """Threads of a job that scores a night."""
        return self.configuration.score["torch_threads"]
