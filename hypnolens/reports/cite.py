"""What was done, in words for a paper, and what to cite for it: both from configuration and card, none by hand."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from hypnolens import __version__
from hypnolens.io.shipped import PACKAGE

OF_ALL = ("sharma2023", "hypnolens", "molder2021")
"""Cited for every run: the paper, this software, and what runs it."""

OF_KIND = {"sleepedf": ("kemp2000", "goldberger2000"), "shhs": ("zhang2018", "quan1997")}
"""By ``kind:`` of a dataset; nobody but its owner knows what to cite for a folder."""

OF_MODEL = {
    "chambon2018": ("chambon2018",), "deepsleepnet": ("supratak2017",), "attnsleep": ("eldele2021",),
    "usleep": ("perslev2021",),
}  # fmt: skip
"""By ``model:`` of an experiment. Sleep statistics are YASA's as well."""


def methods(dataset: Mapping[str, Any], card: Mapping[str, Any], *, n_seeds: int) -> list[str]:
    """What was done with a dataset, in sentences.

    Parameters
    ----------
    dataset
        Its configuration.
    card
        Of a network that was trained on it, or of what stands in its place.
    n_seeds
        Seeds of the experiment.
    """
    kept, folds, channel = dataset["trim_wake_min"], dataset["folds"], " or ".join(dataset["channel"])
    groups = f"{folds['k']} groups of subjects" if isinstance(folds, Mapping) else folds
    sides = {side: len(names) for side, names in card["recordings"].items()}
    found = [
        f"Channel ({channel}), {card['sampling_rate_hz']:g} Hz, in 30-s epochs with the stages W, N1, N2, N3 and R.",
        "All wake was kept." if kept is None else f"{kept:g} min of wake were kept on each side of sleep.",
        f"Movement and unscored epochs were dropped ({dataset['trim_rule']}).",
        f"Folds: {groups}, by subject; recordings in fold 0: {', '.join(f'{side} {n}' for side, n in sides.items())}.",
    ]
    e = card["experiment"]
    if "width" in e:
        context = (
            f"a BiLSTM ({e['lstm_layers']} layer{'s' * (e['lstm_layers'] > 1)}, {e['lstm_hidden']} units a direction) "
            f"over {e['window']} epochs"
        )
        found += [
            f"The network: a one-dimensional SE-ResNet-18 of width {e['width']}, squeeze-and-excitation "
            f"{'on' if e['se'] else 'off'}, with {context if e['context'] == 'bilstm' else 'no context'}; "
            f"{card['n_parameters']:,} parameters. Normalisation of recordings: {e['normalisation']}.",
        ]
    if "passes" in e:
        patience = "no early stopping" if e["patience"] is None else f"at most {e['patience']} without a better one"
        found += [
            f"Trained by Adam (learning rate {e['learning_rate']:g}, {e['schedule']}) with {e['batch_windows']} "
            f"windows a step, stride {e['stride']}, {e['passes']} passes, {patience}; class weights: "
            f"{e['class_weights']}; precision: {e['precision']}.",
            "The pass of the best macro-F1 on "
            f"{'the test fold' if e['protocol'] == 'test-selected' else 'validation subjects'} is kept.",
        ]
    return [*found, f"Seeds: {n_seeds}."]


def bibtex(kinds: Sequence[str], models: Sequence[str]) -> str:
    """Entries for all that was used, of datasets by their ``kind:`` and experiments by their ``model:``."""
    wanted = [*OF_ALL, *(key for kind in kinds for key in OF_KIND.get(kind, ()))]
    wanted += ["vallat2021", *(key for model in models for key in OF_MODEL.get(model, ()))]
    text = (PACKAGE / "data" / "references.bib").read_text(encoding="utf-8").replace("VERSION", __version__)
    entries = {match[1]: match[0].strip() for match in re.finditer(r"^@\w+\{(\w+),.*?^\}$", text, re.M | re.S)}
    return "\n".join(entries[key] for key in dict.fromkeys(wanted))
