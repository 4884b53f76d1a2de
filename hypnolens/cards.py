"""Cards of networks: what a network is, what it was trained on, how well it does, and what it is not for."""

from collections.abc import Mapping
from typing import Any

from hypnolens import __version__

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
        "kind": origin["kind"],
        "fold": fold,
        "experiment": dict(experiment),
        "sampling_rate_hz": rate,
        "usual": dict(usual),
        "recordings": dict(recordings),
        "made": dict(made),
    }


def model_card(card: Mapping[str, Any], metrics: Mapping[str, Any], *, n_folds: int) -> str:
    """A card for people, in Markdown, of the networks of a cross-validation.

    Parameters
    ----------
    card
        Of the first fold.
    metrics
        ``metrics.json`` of the whole cross-validation.
    n_folds
        How many networks there are.
    """
    e, usual = card["experiment"], card["usual"]
    sides = {side: len(names) for side, names in card["recordings"].items()}
    rows = [
        f"| {stage} | {_number(one['precision'])} | {_number(one['recall'])} | {_number(one['f1'])} | {one['support']} |"
        for stage, one in metrics["per_class"].items()
    ]
    scores = [
        f"| {word} | {_number(metrics[key])} | {_interval(metrics['ci95'][key])} |"
        for key, word in (("accuracy", "accuracy"), ("macro_f1", "macro-F1"), ("kappa", "Cohen's kappa"))
    ]
    low, high = 10 ** usual["amplitude"]["low"], 10 ** usual["amplitude"]["high"]
    return "\n".join(
        [
            f"# {card['name'].removesuffix('-fold-0')}",
            "",
            f"> **{card['caution']}.**",
            "",
            "## What it is",
            "",
            f"{n_folds} network{'s' * (n_folds > 1)}, one a fold of a cross-validation by subject, that stage{'s' * (n_folds == 1)} "
            f"sleep from one EEG channel in 30-s epochs (W, N1, N2, N3, R): {_architecture(card)}, "
            f"{card['n_parameters']:,} parameters each. Made by hypnolens {card['hypnolens']} (commit "
            f"{card['made']['commit']}), experiment `{card['name'].split('-fold-')[0]}`.",
            "",
            "## What it was trained on",
            "",
            f"Dataset `{card['dataset']}` ({card['kind']}): channel{'s' * (len(usual['channels']) > 1)} "
            f"{', '.join(usual['channels'])}, {card['sampling_rate_hz']:g} Hz. In fold 0: "
            f"{', '.join(f'{n} recordings for {side}' for side, n in sides.items())}. Median amplitude of training nights: "
            f"{low:.3g} to {high:.3g} µV. Normalisation of recordings: {e['normalisation']}. Protocol: "
            f"{metrics['protocol']}. Licence of the data: see the citation ({card['citation']}).",
            "",
            "## How well it does",
            "",
            f"Each of {metrics['n_epochs']:,} epochs of {metrics['n_subjects']} subjects was staged by a network that saw no "
            "night of this subject. Intervals (95 %) are over subjects.",
            "",
            "| score | value | interval |",
            "|---|---|---|",
            *scores,
            "",
            "| stage | precision | recall | F1 | epochs |",
            "|---|---|---|---|---|",
            *rows,
            "",
            "## What it is for, and what not",
            "",
            f"{card['caution']}. Scores hold for recordings like those of the training: other electrodes, amplifiers, ages, "
            "disorders and drugs were not tested. `hypnolens score` warns where a night departs in amplitude, spectrum or "
            "rate; it cannot warn of all that matters.",
            "",
            "## How to use it",
            "",
            "```bash",
            "hypnolens score NIGHT.edf --out scores --model THIS-FILE-OR-FOLDER              # the network of the first fold",
            "hypnolens score NIGHT.edf --out scores --model THIS-FILE-OR-FOLDER --ensemble   # all folds together",
            "```",
            "",
            "## Licence",
            "",
            f"Weights: {card['licence']}. SHA-256 of the weights of each fold: in its `model.json`, which is checked on reading.",
            "",
        ]
    )


def _architecture(card: Mapping[str, Any]) -> str:
    e = card["experiment"]
    context = f"a BiLSTM of {e['lstm_layers']} layers" if e["context"] == "bilstm" else "no context"
    return f"a one-dimensional SE-ResNet-18 of width {e['width']} and {context} over {e['window']} epochs"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _interval(ends: Any) -> str:
    return "–" if ends is None or None in ends else f"{ends[0]:.3f} to {ends[1]:.3f}"
