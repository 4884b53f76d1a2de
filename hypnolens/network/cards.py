"""Cards of networks: what a network is, what it was trained on, how well it does, and what it is not for."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hypnolens import __version__

TEMPLATE = Path(__file__).parents[1] / "data" / "model_card.md"
"""The card for people, with places for what is filled in."""

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

FROM_CARD = ("caution", "architecture", "n_parameters", "hypnolens", "dataset", "kind", "licence")
"""Keys of a card that stand in the card for people under their own names."""


def card_of(
    *,
    about: Mapping[str, Any],
    experiment: Mapping[str, Any],
    origin: Mapping[str, str],
    usual: Mapping[str, Any],
    rate: float,
    recordings: Mapping[str, Sequence[str]],
    subjects: int,
    history: Sequence[Mapping[str, float]],
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
    recordings
        Recordings by side of the fold.
    subjects
        People of the training side.
    history
        Passes of the training, see `hypnolens.training.fold.train`.
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
        "usual": dict(usual),
        "recordings": dict(recordings),
        "made": dict(made),
    }


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
