"""Stagers by name: those that come with hypnolens, those of other packages, and networks by the path of their files."""

import importlib.util
from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from hypnolens.errors import HypnolensError, one_line
from hypnolens.network.files import load_models
from hypnolens.stagers.gssc_stager import GsscStager
from hypnolens.stagers.interface import Stager, StagerCard
from hypnolens.stagers.names import BUILT_IN, DEFAULT, DEMO
from hypnolens.stagers.networks import NetworkStager
from hypnolens.stagers.yasa_stager import YasaStager

GROUP = "hypnolens.stagers"
"""Entry points of other packages that are stagers: a class, or what makes one when it is called without arguments."""


def load_stager(model: str | None, *, ensemble: bool = False, precision: str = "fp32") -> Stager:
    """The stager of a name, or of the files of a network.

    Parameters
    ----------
    model
        A name, which comes before a path (a folder of that name is ``./yasa``); a path as for
        `hypnolens.network.files.load_models`; `None` for `hypnolens.stagers.names.DEFAULT`.
    ensemble
        Whether all networks of a folder or release stage together.
    precision
        Arithmetic of networks, see `hypnolens.network.devices.arithmetic`.

    Raises
    ------
    HypnolensError
        There is no such stager, it cannot be loaded, or it is no ensemble.
    """
    name = DEFAULT if model is None else model
    others = _others()
    if name in (*BUILT_IN, *others) and ensemble:
        raise HypnolensError(f"{name}: is one stager, which is no ensemble; leave --ensemble out")
    if name == DEMO:
        return NetworkStager(load_models(None, ensemble=True), precision=precision)
    if name == "yasa":
        return YasaStager()
    if name == "gssc":
        if importlib.util.find_spec("gssc") is None:
            raise HypnolensError("gssc: is not installed; `pip install gssc` (its licence is the AGPL-3.0)")
        return GsscStager()
    if name in others:
        return _loaded(others[name])
    if model is not None and "/" not in name and "\\" not in name and not Path(name).exists():
        known = ", ".join([*BUILT_IN, *others])
        raise HypnolensError(f"{name}: is no stager ({known}), and there is no such file or folder")
    return NetworkStager(load_models(Path(name), ensemble=ensemble), precision=precision)


def cards() -> dict[str, StagerCard | str]:
    """Cards of all stagers that have a name, or why one cannot be used here."""
    found: dict[str, StagerCard | str] = {}
    for name in (*BUILT_IN, *_others()):
        try:
            found[name] = load_stager(name).card
        except HypnolensError as error:
            found[name] = str(error).removeprefix(f"{name}: ")
    return found


def _others() -> dict[str, EntryPoint]:
    """Entry points of other packages; names of ours are ours."""
    return {point.name: point for point in entry_points(group=GROUP) if point.name not in BUILT_IN}


def _loaded(point: EntryPoint) -> Stager:
    where = f"{point.name}: the stager of {point.dist.name if point.dist else point.value}"
    try:
        make: Callable[[], Stager] = point.load()
        stager = make()
    except Exception as error:  # whatever somebody else's code raises
        reason = f"{type(error).__name__}: {one_line(str(error))[:200]}"
        raise HypnolensError(f"{where} cannot be loaded ({reason}); tell its maker") from error
    if not isinstance(stager, Stager) or not isinstance(getattr(stager, "card", None), StagerCard):
        raise HypnolensError(f"{where} is none: it needs a class of hypnolens.stagers.interface.Stager with a card")
    if not stager.card.models or not all(isinstance(name, str) and name for name in stager.card.models):
        raise HypnolensError(f"{where} has a card without a name; tell its maker")
    return stager
