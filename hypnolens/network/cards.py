"""Cards of networks: what a network is, what it was trained on, how well it does, and what it is not for.

Cards are passed on, so that what is read from one is compared with a schema before anything is made of it.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

import yaml

from hypnolens import __version__
from hypnolens.errors import DamagedError, quoted
from hypnolens.io.checksums import unsealed
from hypnolens.io.regular import read_regular
from hypnolens.io.schemas import check
from hypnolens.io.shipped import HOME
from hypnolens.stages import EPOCH_S

TEMPLATE = Path(__file__).parents[1] / "data" / "model_card.md"
"""The card for people, with places for what is filled in."""

SCHEMA = Path(__file__).parents[1] / "data" / "card.schema.yaml"
"""What is read from a card, with its ranges."""

EXPERIMENT = HOME / "workflow" / "schemas" / "experiment.schema.yaml"
"""The same of the experiment in it."""

MOST_BYTES = 4 << 20
"""Of a card; that of a network that saw all 5,793 recordings of SHHS has a tenth of a megabyte."""

MOST_NESTED = 20
"""Objects and lists within each other; cards have five."""

DEMO = "DEMO: trained on SIMULATED nights only. NOT fit for real use; stages of real people are for trying the program"
"""What is said of networks that saw no real EEG, wherever they stage something."""

RESEARCH = "For research. Not a medical device, and no substitute for a trained scorer"
"""What is said of every other network."""

OWN_LICENCE = "Apache-2.0"
"""Licence of weights whose training data leave the choice to us."""

CHOSEN = {
    "clean": "The pass that is kept was chosen on the validation side, and no test recording was opened before the end",
    "test-selected": "The pass that is kept was chosen ON THE TEST RECORDINGS, as some published codes do: these "
    "scores are higher than those of new nights will be",
}
"""What a protocol means for the scores."""

SEAL = "card_sha256"
"""Key of the checksum of all else in a card."""

FROM_CARD = ("caution", "architecture", "n_parameters", "hypnolens", "dataset", "kind", "licence")
"""Keys of a card that stand in the card for people under their own names."""


def card_of(
    *,
    about: Mapping[str, Any],
    experiment: Mapping[str, Any],
    origin: Mapping[str, str],
    usual: Mapping[str, Any],
    rate: float,
    highpass_hz: float | None,
    recordings: Mapping[str, Sequence[str]],
    subjects: int,
    history: Sequence[Mapping[str, float]],
    kept_when_turned: float,
    temperature: float,
    correction: float | None = None,
    made: Mapping[str, str],
) -> dict[str, Any]:
    """The card of a trained network, as ``model.json`` holds it; see `files.write_model` for the rest.

    Parameters
    ----------
    about
        ``dataset``, ``experiment_name``, ``fold`` and ``sides_sha256``: where it comes from, see `hypnolens.io.about`.
    experiment
        All keys of the experiment.
    origin
        ``kind``, ``licence`` and ``citation`` of the dataset.
    usual
        As `hypnolens.network.training_range.training_range_of` gives it for the training side.
    rate
        Sampling rate in Hz.
    highpass_hz
        What was taken off recordings, see `hypnolens.recordings.drift.without_drift`.
    recordings
        Recordings by side of the fold.
    subjects
        People of the training side.
    history
        Passes of the training, see `hypnolens.training.fold.train`.
    kept_when_turned
        See `hypnolens.network.polarity`.
    temperature
        What its logits are to be divided by, see `hypnolens.training.temperature`.
    correction
        By what they would be divided besides on validation recordings, or `None`.
    made
        Versions and machine, see `hypnolens.pipeline.provenance.record`.
    """
    simulated = origin["kind"] == "simulate"
    training = {
        "subjects": subjects,
        **{f"recordings_{side}": len(names) for side, names in recordings.items()},
        "channels": list(usual["channels"]),
        "passes": len(history),
        "kept_pass": max((int(row["pass"]) for row in history if row["best"]), default=0),
        "licence": origin["licence"],
        "citation": origin["citation"],
    }
    return {
        "name": f"{'DEMO-simulated-nights-' if simulated else ''}{about['dataset']}-{about['experiment_name']}-fold-"
        f"{about['fold']}",
        "caution": DEMO if simulated else RESEARCH,
        "licence": OWN_LICENCE if simulated else f"as the training data allow ({origin['licence']})",
        "hypnolens": __version__,
        **about,
        "kind": origin["kind"],
        "architecture": _architecture(experiment),
        "training": training,
        "experiment": dict(experiment),
        "sampling_rate_hz": rate,
        "highpass_hz": highpass_hz,
        "usual": dict(usual),
        "kept_when_turned": kept_when_turned,
        "temperature": temperature,
        "correction": correction,
        "recordings": dict(recordings),
        "made": dict(made),
    }


def read_card(path: Path, *, needed: Iterable[str] = (), sealed: bool = True) -> dict[str, Any]:
    """Read a card that the pipeline wrote.

    Parameters
    ----------
    path
        The file.
    needed
        Keys that it must have, those of objects in it after a point.
    sealed
        Whether it must have its checksum, as networks' cards do; those of the baselines have none.

    Raises
    ------
    DamagedError
        It is damaged, lacks a key, or is without its checksum.
    """
    try:
        card = parsed(read_regular(path, MOST_BYTES))
        card = unsealed(card, SEAL) if sealed or SEAL in card else card
        checked(card)
        if absent := lacking(card, needed):
            raise ValueError(f"it has no {', '.join(absent)}")
    except (OSError, ValueError) as error:
        raise DamagedError(path, error) from error
    return card


def parsed(content: bytes) -> dict[str, Any]:
    """What a card says, of which nothing but its form is known to be right.

    Raises
    ------
    ValueError
        It is no JSON object, or one that JSON's readers do not all take for the same.
    """
    try:
        card = json.loads(content.decode("utf-8"), object_pairs_hook=_once, parse_constant=_no_number)
    except RecursionError:
        raise ValueError("its card is nested too deeply") from None
    if not isinstance(card, dict):
        raise ValueError("its card is no JSON object")
    level, depth = [card], 1
    while level := [inner for outer in level for inner in _inside(outer)]:
        depth += 1
        if depth > MOST_NESTED:
            raise ValueError("its card is nested too deeply")
    return card


def checked(card: Mapping[str, Any]) -> None:
    """Compare a card with its schema, and with itself.

    Raises
    ------
    ValueError
        What is wrong, in words.
    """
    check(card, _schema())
    rate, usual = card.get("sampling_rate_hz"), card.get("usual", {})
    if rate is not None and abs(rate * EPOCH_S - round(rate * EPOCH_S)) > 1e-6:
        raise ValueError(f"key sampling_rate_hz: {rate:g} Hz gives no whole number of samples in {EPOCH_S} s")
    if rate is not None and usual.get("rate_hz", rate) != rate:
        raise ValueError(f"key usual.rate_hz: {usual['rate_hz']:g} Hz, where sampling_rate_hz is {rate:g} Hz")
    for name, (low, high) in usual.get("bands_hz", {}).items():
        if low >= high:
            raise ValueError(f"key usual.bands_hz: {quoted(name)} begins at {low:g} Hz and ends at {high:g} Hz")


def lacking(card: Mapping[str, Any], keys: Iterable[str]) -> list[str]:
    """Those of some keys that a card that was `checked` does not have; keys of objects in it stand after a point."""

    def has(inside: Mapping[str, Any], key: str) -> bool:
        outer, _, inner = key.partition(".")
        return outer in inside and (not inner or has(inside[outer], inner))

    return [key for key in keys if not has(card, key)]


def model_card(card: Mapping[str, Any], metrics: Mapping[str, Any], *, n_folds: int, use: str, also: str) -> str:
    """A card for people, in Markdown, of the networks of a cross-validation.

    Parameters
    ----------
    card
        Of the first fold.
    metrics
        ``metrics.json`` of the whole cross-validation.
    n_folds
        How many networks there are.
    use
        Lines of a shell that use them.
    also
        What lies beside the card, in sentences.
    """
    training, usual = card["training"], card["usual"]
    overall = [
        f"| {word} | {_number(metrics[key])} | {_interval(metrics['ci95'][key])} |"
        for key, word in (("accuracy", "accuracy"), ("macro_f1", "macro-F1"), ("kappa", "Cohen's kappa"))
    ]
    stages = [
        f"| {stage} | {_number(one['precision'])} | {_number(one['recall'])} | {_number(one['f1'])} | "
        f"{_interval(metrics['ci95'][f'f1_{stage}'])} | {one['support']} |"
        for stage, one in metrics["per_class"].items()
    ]
    sides = ", ".join(f"{len(names)} for {side}" for side, names in card["recordings"].items())
    return TEMPLATE.read_text(encoding="utf-8").format(
        title=card["name"].removesuffix(f"-fold-{card['fold']}"),
        n_folds=n_folds,
        commit=card["made"]["commit"],
        rate=card["sampling_rate_hz"],
        sides=f"{sides} (subjects for training: {training['subjects']})",
        amplitude=_amplitude(usual),
        kept=f"pass {training['kept_pass']} of {training['passes']}",
        chosen=CHOSEN[metrics["protocol"]],
        normalisation=card["experiment"]["normalisation"],
        n_epochs=metrics["n_epochs"],
        n_subjects=metrics["n_subjects"],
        overall="\n".join(overall),
        stages="\n".join(stages),
        experiment=card["experiment_name"],
        channels=", ".join(training["channels"]),
        data_licence=training["licence"],
        citation=training["citation"],
        use=use,
        also=also,
        **{key: card[key] for key in FROM_CARD},
    )


@cache
def _schema() -> dict[str, Any]:
    card, experiment = (yaml.safe_load(path.read_text(encoding="utf-8")) for path in (SCHEMA, EXPERIMENT))
    # A run has one seed of them; and to find that all are different takes for ever with hostile ones.
    its = {key: values for key, values in experiment["properties"].items() if key != "seeds"}
    card["properties"]["experiment"]["properties"] = its
    return card


def _once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON, no key of which stands in it twice: of two values readers differ in which they take."""
    found = dict(pairs)
    if len(found) < len(pairs):
        ((twice, _),) = Counter(name for name, _ in pairs).most_common(1)
        raise ValueError(f"it has {quoted(twice)} twice")
    return found


def _no_number(word: str) -> NoReturn:
    raise ValueError(f"{word} is no number that JSON has")


def _inside(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _architecture(experiment: Mapping[str, Any]) -> str:
    if "width" not in experiment:  # a published network
        return str(experiment["model"])
    width, layers, window = (experiment[key] for key in ("width", "lstm_layers", "window"))
    context = f"a BiLSTM of {layers} layer{'s' * (layers > 1)}" if experiment["context"] == "bilstm" else "no context"
    return f"a one-dimensional SE-ResNet-18 of width {width} and {context} over {window} epochs"


def _amplitude(usual: Mapping[str, Any]) -> str:
    if "amplitude" not in usual:
        return "unknown"
    return f"{10 ** usual['amplitude']['low']:.3g} to {10 ** usual['amplitude']['high']:.3g} µV"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _interval(ends: Any) -> str:
    return "–" if ends is None or None in ends else f"{ends[0]:.3f} to {ends[1]:.3f}"
