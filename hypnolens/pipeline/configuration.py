"""The configuration: what ships with hypnolens, the user's file over it, checked against the schemas.

Imported by the Snakefile, so it needs only what Snakemake itself brings.
"""

import difflib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from jsonschema import ValidationError

from hypnolens.errors import ConfigurationError, quoted
from hypnolens.io.schemas import Validator, allowed, shown

ARCHITECTURE = {
    "width", "se", "dropout", "feature_norm", "context", "lstm_layers", "lstm_hidden", "lstm_dropout", "head",
    "head_hidden",
}  # fmt: skip
"""Keys of an experiment that only hypnolens's own network reads."""

NETWORKS = ("chambon2018", "deepsleepnet", "usleep", "attnsleep")
"""Published networks that are trained as hypnolens's own is."""

READ = {"gradient-boosting": {"seed"}, "linear-probe": {"features_of"}, "yasa": set(), "ensemble": {"members"}}
"""All that the other models read of an experiment."""


PAGE = "paper"
"""What the page over all datasets is called by default."""

TAKEN = {
    "datasets": {"benchmarks", "keys", "logs", "paper", "scores", "tables"},
    "experiments": {
        "benchmarks", "epochs", "event_counts", "events", "features", "figures", "folds", "hypnograms", "keys",
        "logs", "recordings", "report", "tables",
    },
}  # fmt: skip
"""Names of what lies in ``results/`` and ``reports/`` beside the folders of datasets, and in these beside those of
experiments; rules could not tell an experiment's files from it."""

FOLD = re.compile(r"fold-\d+", re.ASCII | re.IGNORECASE)
"""Names of the folders of folds, by which a model is told from one of several folds."""

MOST_VALUES, DEEPEST = 100_000, 100
"""Values that a configuration may unfold to, and how deep they may lie in each other; and experiments of which each
starts from the one before."""


@dataclass(frozen=True)
class Configuration:
    """What is to be run.

    Attributes
    ----------
    run
        Names of datasets.
    datasets, experiments
        All that are known, by name, with every default filled in; ``experiments`` and ``compared`` of a dataset are
        names of runs, that is, of experiments after the expansion of ``seeds``. A run has the keys that its
        model reads.
    runs
        Names of the runs of each experiment: one, or one a seed.
    download
        From where and how patiently files are fetched.
    score
        Nights to score, and how.
    page
        Name of the page over all datasets.
    """

    run: list[str]
    datasets: dict[str, dict[str, Any]]
    experiments: dict[str, dict[str, Any]]
    runs: dict[str, list[str]]
    download: dict[str, Any]
    score: dict[str, Any]
    page: str = PAGE

    def families(self, runs: Sequence[str]) -> dict[str, list[str]]:
        """Runs that differ in their seed only, by the name of the first one's experiment."""
        found: dict[str, list[str]] = {}
        for run in runs:
            options = {key: value for key, value in self.experiments[run].items() if key != "seed"}
            found.setdefault(json.dumps(options, sort_keys=True), []).append(run)
        name = {run: experiment for experiment, its in self.runs.items() for run in its}
        return {name[members[0]]: members for members in found.values()}


def load(config: Mapping[str, Any], root: Path) -> Configuration:
    """Merge, complete and check a configuration.

    Parameters
    ----------
    config
        ``run``, ``datasets``, ``experiments``, ``download`` and ``score`` of the user (Snakemake's ``config``).
    root
        Folder of hypnolens: ``config/datasets/*.yaml`` and ``config/experiments/*.yaml`` are always loaded, the
        name of each file being that of the dataset or experiment.

    Raises
    ------
    ConfigurationError
        With the key, its value and what is allowed there.
    """
    _check_size(config)
    schemas = {path.name.split(".")[0]: _yaml(path) for path in (root / "workflow/schemas").glob("*.schema.yaml")}
    _check(config, schemas["config"], "")
    for room in ("datasets", "experiments"):
        if odd := [name for name in config.get(room) or {} if not isinstance(name, str)]:
            raise ConfigurationError(f"{room}: the name {shown(odd[0])} is no text; put it in quotes")
    shipped = {
        room: {path.stem: _yaml(path) for path in sorted((root / "config" / room).glob("*.yaml"))}
        for room in ("datasets", "experiments")
    }
    datasets = _merge(shipped["datasets"], config.get("datasets") or {})
    experiments = _merge(shipped["experiments"], config.get("experiments") or {})
    _check_names("datasets", datasets)
    _check_names("experiments", experiments)
    experiments = {name: _inherit(name, experiments, ()) for name in experiments}
    experiments = {name: _complete(e, schemas["experiment"], f"experiments.{name}") for name, e in experiments.items()}
    experiments = {name: _of_model(e, f"experiments.{name}") for name, e in experiments.items()}
    expanded = {name: dict(_seeds(name, experiment)) for name, experiment in experiments.items()}
    datasets = {name: _complete(d, _of_kind(d, schemas["dataset"]), f"datasets.{name}") for name, d in datasets.items()}
    named = {name: list(runs) for name, runs in expanded.items()}
    for name in config.get("run") or []:
        _known(name, datasets, "run")
        datasets[name]["compared"] = [*datasets[name]["compared"], *(config.get("compared") or [])]
    for name, dataset in datasets.items():
        for key in ("experiments", "compared"):
            for experiment in dataset[key]:
                _known(experiment, expanded, f"datasets.{name}.{key}")
        main = dict.fromkeys(run for experiment in dataset["experiments"] for run in named[experiment])
        compared = dict.fromkeys(run for experiment in dataset["compared"] for run in named[experiment])
        dataset |= {"experiments": list(main), "compared": [run for run in compared if run not in main]}
    runs: dict[str, dict[str, Any]] = {}
    for expansion in expanded.values():
        if twice := sorted(runs.keys() & expansion.keys()):
            raise ConfigurationError(f"experiments: {twice[0]} is both an experiment and a seed of one; rename it")
        runs |= expansion
    _check_names("experiments", runs)
    for name, dataset in datasets.items():
        _check_sources(name, dataset, runs, named)
    download = _complete(config.get("download") or {}, schemas["download"], "download")
    score = _complete(config.get("score") or {}, schemas["score"], "score")
    page = config.get("page") or PAGE
    if (of_page := tables_of(page)) in datasets:
        raise ConfigurationError(
            f"datasets: '{of_page}' is where the tables of the page '{page}' lie; rename one of them"
        )
    return Configuration(list(config.get("run") or []), datasets, runs, named, download, score, page)


def tables_of(page: str) -> str:
    """Folder in ``reports/`` of the tables of the page over all datasets."""
    return "tables" if page == PAGE else f"tables-{page}"


def _check_size(config: Mapping[str, Any]) -> None:
    """Refuse what would fill the memory, as aliases of YAML may, or has no end, before anything walks through it."""
    sizes: dict[int, int] = {}

    def size(value: Any, depth: int) -> int:
        if depth > DEEPEST:
            raise ConfigurationError(
                f"values lie more than {DEEPEST} deep in each other; remove the alias that does it"
            )
        if isinstance(value, int) and abs(value) >= 2**63:  # of thousands of digits Python makes no text
            raise ConfigurationError("a number has more than 18 digits; no key takes one of so many")
        if not isinstance(value, Mapping | list | tuple):
            return 1
        if id(value) not in sizes:  # which an alias shares with its anchor
            parts = value.values() if isinstance(value, Mapping) else value
            sizes[id(value)] = 1 + sum(size(part, depth + 1) for part in parts)
        return sizes[id(value)]

    if size(config, 0) > MOST_VALUES:
        raise ConfigurationError(f"aliases make more than {MOST_VALUES:,} values of it; remove the one that does it")


def _check_names(room: str, names: Iterable[str]) -> None:
    """Refuse names that folders of ours have, and two that are one where a file system ignores case."""
    taken: dict[str, str] = {}
    for name in names:
        if name.casefold() in TAKEN[room] or (room == "experiments" and FOLD.fullmatch(name)):
            raise ConfigurationError(f"{room}: '{name}' is what hypnolens calls a file or folder of its own; rename it")
        other = taken.setdefault(name.casefold(), name)
        if other != name:
            raise ConfigurationError(
                f"{room}: '{other}' and '{name}' differ in case only, which some file systems ignore; rename one"
            )


def _of_model(experiment: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The keys of an experiment that its model reads."""
    model = experiment["model"]
    if model in READ:
        kept = {"model", "seeds", *READ[model]}
        if "features_of" in READ[model] and "features_of" not in experiment:
            raise ConfigurationError(
                f"{where}: key 'features_of' is missing; allowed: an experiment whose network's features are read"
            )
        if "members" in READ[model] and "members" not in experiment:
            raise ConfigurationError(
                f"{where}: key 'members' is missing; allowed: names of experiments, two or more runs"
            )
        return {key: value for key, value in experiment.items() if key in kept}
    if experiment["protocol"] == "test-selected" and experiment["patience"] is not None:
        raise ConfigurationError(
            f"{where}.patience: value {shown(experiment['patience'])} is not allowed; allowed: null with protocol: "
            "test-selected, as protocols are compared after the same passes"
        )
    dropped = {"features_of", "members"} | (ARCHITECTURE if model in NETWORKS else set())
    return {key: value for key, value in experiment.items() if key not in dropped}


def _check_sources(
    name: str, dataset: Mapping[str, Any], runs: Mapping[str, Any], named: Mapping[str, list[str]]
) -> None:
    """Replace an experiment whose features are read by its first run, and members of an ensemble by all of their runs.

    The dataset must have these.
    """
    there = [*dataset["experiments"], *dataset["compared"]]
    for run in there:
        if "members" in runs[run]:
            members = [one for member in runs[run]["members"] for one in named.get(member, [member])]
            for member in members:
                if member not in there or runs[member]["model"] == "ensemble":
                    what = f"'{member}' is no single network among the experiments of {name}"
                    raise ConfigurationError(f"experiments.{run}.members: {what}")
            if len(set(members)) < 2:
                raise ConfigurationError(
                    f"experiments.{run}.members: it is one run, '{members[0]}'; name more experiments, or give it seeds"
                )
            runs[run]["members"] = list(dict.fromkeys(members))
        if "features_of" not in runs[run]:
            continue
        source = runs[run]["features_of"]
        source = named.get(source, [source])[0]
        if source not in there or runs[source]["model"] != "se-resnet-bilstm":
            raise ConfigurationError(
                f"experiments.{run}.features_of: '{source}' is no se-resnet-bilstm among the experiments of {name}"
            )
        runs[run]["features_of"] = source


def _yaml(path: Path) -> dict[str, Any]:
    return yaml.safe_load(path.read_text(encoding="utf-8")) or {}


def _merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Entries of both; where both have a name, the keys of ``over`` replace those of ``base``.

    A dataset that the user gives another kind shares nothing with the shipped one but its name, and one that gets
    other experiments none of those that the shipped ones were compared with.
    """
    merged = deepcopy(dict(base))
    for name, entry in over.items():
        old = merged.get(name, {})
        extends = isinstance(entry, Mapping) and entry.get("kind", old.get("kind")) == old.get("kind")
        if extends and "experiments" in entry:
            old = {key: value for key, value in old.items() if key != "compared"}
        merged[name] = {**old, **entry} if extends else deepcopy(entry)
    return merged


def _inherit(name: str, experiments: Mapping[str, Any], seen: tuple[str, ...]) -> Any:
    """An experiment with the keys of the one that it starts from."""
    experiment = experiments[name]
    if not isinstance(experiment, Mapping) or "from" not in experiment:
        return experiment
    parent = experiment["from"]
    where = f"experiments.{name}.from"
    if not isinstance(parent, str):
        raise ConfigurationError(f"{where}: value {shown(parent)} is not allowed; allowed: the name of an experiment")
    if len(seen) >= DEEPEST:
        raise ConfigurationError(f"{where}: it starts from {DEEPEST} others, one from the other; name an earlier one")
    _known(parent, experiments, where)
    if parent in (*seen, name):
        raise ConfigurationError(f"{where}: '{parent}' starts from itself; name another experiment")
    own = {key: value for key, value in experiment.items() if key != "from"}
    inherited = dict(_inherit(parent, experiments, (*seen, name)))
    if "seed" in own:  # one seed of its own replaces the list of another's
        inherited.pop("seeds", None)
    return {**inherited, **own}


def _seeds(name: str, experiment: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """One run a seed where ``seeds`` lists several."""
    plain = {key: value for key, value in experiment.items() if key != "seeds"}
    if "seeds" not in experiment:
        yield name, plain
    for seed in experiment.get("seeds", ()):
        yield f"{name}-seed{seed}", {**plain, "seed": seed}


def _of_kind(dataset: Any, schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema of one kind of dataset: keys that all have, and its own."""
    kinds = schema["$defs"]
    kind = dataset.get("kind") if isinstance(dataset, Mapping) else None
    own = kinds.get(kind, {}) if isinstance(kind, str) else {}
    return {
        "type": "object",
        "additionalProperties": False,
        "required": ["kind", *own.get("required", ())],
        "properties": {**schema["properties"], **own.get("properties", {})},
    }


def _complete(entry: Any, schema: Mapping[str, Any], where: str) -> dict[str, Any]:
    _check(entry, schema, where)
    defaults = {key: deepcopy(sub["default"]) for key, sub in schema["properties"].items() if "default" in sub}
    return {**defaults, **entry}


def _check(value: Any, schema: Mapping[str, Any], where: str) -> None:
    # What is missing first: without its kind, a dataset's other keys cannot be judged.
    errors = sorted(
        Validator(schema).iter_errors(value),
        key=lambda error: (error.validator != "required", list(map(str, error.path))),
    )
    if errors:
        error = errors[0]
        place = ".".join(filter(None, [where, *map(str, error.absolute_path)]))
        raise ConfigurationError(f"{place}: {_words(error)}" if place else _words(error))


def _words(error: ValidationError) -> str:
    """What is wrong, with the value and what is allowed."""
    schema: Any = error.schema
    value: Any = error.instance
    match error.validator:
        case "additionalProperties":
            known = list(schema["properties"])
            extra = next(key for key in value if key not in known)
            return f"unknown key {quoted(str(extra))}{_nearest(extra, known)}; allowed are {', '.join(known)}"
        case "required":
            absent = [key for key in schema["required"] if key not in value]
            return f"key '{absent[0]}' is missing; {allowed(schema['properties'].get(absent[0], {}))}"
        case _:
            return f"value {shown(value)} is not allowed; {allowed(schema)}"


def _known(name: str, known: Mapping[str, Any], where: str) -> None:
    if name not in known:
        raise ConfigurationError(
            f"{where}: '{name}' is not defined{_nearest(name, known)}; known are {', '.join(known)}"
        )


def _nearest(word: Any, known: Any) -> str:
    near = difflib.get_close_matches(str(word), [str(key) for key in known], n=1)
    return f" (did you mean '{near[0]}'?)" if near else ""
