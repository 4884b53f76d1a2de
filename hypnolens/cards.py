"""Cards of networks: what a network is, what it was trained on, how well it does, and what it is not for."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hypnolens import __version__

TEMPLATE = Path(__file__).parent / "data" / "model_card.md"
"""The card for people, with places for what is filled in."""

DEMO = "DEMO: trained on SIMULATED nights only. NOT fit for real use; stages of real people are for trying the program"
"""What is said of networks that saw no real EEG, wherever they stage something."""

RESEARCH = "For research. Not a medical device, and no substitute for a trained scorer"
"""What is said of every other network."""

OWN_LICENCE = "Apache-2.0"
"""Licence of weights whose training data leave the choice to us."""


def card_of(
    *,
    dataset: str,
    experiment_name: str,
    fold: int,
    experiment: Mapping[str, Any],
    origin: Mapping[str, str],
    usual: Mapping[str, Any],
    rate: float,
    recordings: Mapping[str, Any],
    made: Mapping[str, str],
) -> dict[str, Any]:
    """The card of a trained network, as ``model.json`` holds it; see `hypnolens.models.write_model` for the rest.

    Parameters
    ----------
    dataset, experiment_name, fold
        Where it comes from.
    experiment
        All keys of the experiment.
    origin
        ``kind``, ``licence`` and ``citation`` of the dataset.
    usual
        As `hypnolens.usual.usual_of` gives it for the training side.
    rate
        Sampling rate in Hz.
    recordings
        Recordings by side of the fold.
    made
        Versions and machine, see `hypnolens.provenance.record`.
    """
    simulated = origin["kind"] == "simulate"
    return {
        "name": f"{'DEMO-simulated-nights-' if simulated else ''}{dataset}-{experiment_name}-fold-{fold}",
        "caution": DEMO if simulated else RESEARCH,
        "licence": OWN_LICENCE if simulated else f"that of the training data allows: {origin['licence']}",
        "citation": origin["citation"],
        "hypnolens": __version__,
        "dataset": dataset,
        "experiment_name": experiment_name,
        "kind": origin["kind"],
        "fold": fold,
        "experiment": dict(experiment),
        "sampling_rate_hz": rate,
        "usual": dict(usual),
        "recordings": dict(recordings),
        "made": dict(made),
    }


def model_card(card: Mapping[str, Any], metrics: Mapping[str, Any], *, n_folds: int, file: str) -> str:
    """A card for people, in Markdown, of the networks of a cross-validation.

    Parameters
    ----------
    card
        Of the first fold.
    metrics
        ``metrics.json`` of the whole cross-validation.
    n_folds
        How many networks there are.
    file
        What to give to ``--model``.
    """
    usual, title = card["usual"], card["name"].removesuffix(f"-fold-{card['fold']}")
    scores = [
        f"| {word} | {_number(metrics[key])} | {_interval(metrics['ci95'][key])} |"
        for key, word in (("accuracy", "accuracy"), ("macro_f1", "macro-F1"), ("kappa", "Cohen's kappa"))
    ]
    stages = [
        f"| {stage} | {_number(one['precision'])} | {_number(one['recall'])} | {_number(one['f1'])} | {one['support']} |"
        for stage, one in metrics["per_class"].items()
    ]
    return TEMPLATE.read_text(encoding="utf-8").format(
        title=title,
        file=file,
        n_folds=n_folds,
        architecture=_architecture(card),
        commit=card["made"]["commit"],
        rate=card["sampling_rate_hz"],
        channels=", ".join(usual["channels"]),
        sides=", ".join(f"{len(names)} for {side}" for side, names in card["recordings"].items()),
        low=10 ** usual["amplitude"]["low"],
        high=10 ** usual["amplitude"]["high"],
        normalisation=card["experiment"]["normalisation"],
        protocol=metrics["protocol"],
        n_epochs=metrics["n_epochs"],
        n_subjects=metrics["n_subjects"],
        scores="\n".join(scores),
        stages="\n".join(stages),
        experiment=card["experiment_name"],
        **{
            key: card[key] for key in ("caution", "n_parameters", "hypnolens", "dataset", "kind", "citation", "licence")
        },
    )


def _architecture(card: Mapping[str, Any]) -> str:
    e = card["experiment"]
    layers = f"{e['lstm_layers']} layer{'s' * (e['lstm_layers'] > 1)}"
    context = f"a BiLSTM of {layers}" if e["context"] == "bilstm" else "no context"
    return f"a one-dimensional SE-ResNet-18 of width {e['width']} and {context} over {e['window']} epochs"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _interval(ends: Any) -> str:
    return "–" if ends is None or None in ends else f"{ends[0]:.3f} to {ends[1]:.3f}"
