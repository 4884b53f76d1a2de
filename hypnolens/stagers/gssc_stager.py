"""GSSC (Hanna & Flöel 2023, Front Neuroinform 17:1086634), where the user has installed it; the AGPL is not ours.

It was trained with and without an EOG, and stages from one EEG channel alone; its weights are pickled networks.
"""

import io
from functools import cached_property
from importlib.metadata import version
from importlib.resources import files
from typing import Any

import numpy as np

from hypnolens.errors import HypnolensError
from hypnolens.io.checksums import sha256
from hypnolens.recordings.extraction import cut, resample
from hypnolens.stagers.interface import Channel, Stager, StagerCard
from hypnolens.stages import EPOCH_S

WEIGHTS = {
    "sig_net_v1.pt": "aa4bdcd7e29653138b096b3447d8db2d48508dc729e739b7ba9806dfd3c7c433",
    "gru_net_v1.pt": "124cfc858f49e3599b0798e494d7378d0d57a83d249faf79702da4cd8ee83304",
}
"""Files of GSSC 0.0.9 and their SHA-256: of epochs, and of their neighbours."""

SAMPLES = 2560
"""Samples of an epoch, as the network reads it."""

BAND_HZ = (0.3, 30.0)
"""To which recordings of its training were filtered."""

HIDDEN = (10, 1, 256)
"""Shape of what its recurrent network remembers at the beginning, which is nothing."""


class GsscStager(Stager):
    """The networks that come with the package gssc.

    Raises
    ------
    importlib.metadata.PackageNotFoundError
        It is not installed.
    """

    def __init__(self) -> None:
        self.card = StagerCard(
            models=(f"GSSC {version('gssc')}",),
            trained_on="the cohorts that its paper names",
            licence="AGPL-3.0",
            citation="Hanna & Flöel 2023, Front Neuroinform 17:1086634",
            caution="Pre-trained on whole nights. For research; a trained scorer must look at the stages",
            needs="one EEG channel, and an EOG if there is one. Its weights are a pickle of the installed package",
            rate_hz=100.0,
            beside=("eog",),
        )

    def probabilities(self, channel: Channel) -> np.ndarray:
        """Of the surest combination of channels in each epoch, as GSSC chooses: the EEG, and with an EOG all three."""
        import torch

        kinds = {"eeg": channel.signal, **{kind: channel.beside[kind] for kind in channel.beside if kind == "eog"}}
        seen = {kind: torch.from_numpy(_seen(signal, channel)) for kind, signal in kinds.items()}
        combinations = [{kind: seen[kind]} for kind in seen] + ([seen] if len(seen) > 1 else [])
        signals, context = self._networks
        with torch.no_grad():
            found = []
            for one in combinations:
                features = signals(one, rep_output="rep_only").swapaxes(-1, 1)
                logarithm, _ = context(features, torch.zeros(*HIDDEN))
                found.append(logarithm[:, 0].double().exp().numpy())
        each = np.array(found)
        surest = each.max(axis=2).argmax(axis=0)
        return each[surest, np.arange(each.shape[1])]

    @cached_property
    def _networks(self) -> tuple[Any, Any]:
        """Of epochs and of their neighbours. Unpickling runs code, so that only files that are known are unpickled."""
        import torch

        found = []
        for name, known in WEIGHTS.items():
            file = files("gssc.nets") / name
            content = file.read_bytes()
            if sha256(content) != known:
                what = f"{name} is not that of GSSC 0.0.9, and a pickle that is not known is not read"
                raise HypnolensError(f"gssc: {what}; `pip install --force-reinstall gssc==0.0.9`")
            found.append(torch.load(io.BytesIO(content), map_location="cpu", weights_only=False).eval())
        return found[0], found[1]


def _seen(signal: np.ndarray, channel: Channel) -> np.ndarray:
    """Epochs as the networks read them: filtered, at 85.3 Hz, in units of their spread, float32 ``(n, 1, 2560)``."""
    import mne  # takes a second

    low, high = BAND_HZ
    high_hz = high if high < 0.45 * channel.rate else None
    filtered = mne.filter.filter_data(signal.astype(np.float64), channel.rate, low, high_hz, verbose="error")
    rate = SAMPLES / EPOCH_S
    epochs = cut(resample(filtered, channel.rate, rate), rate, channel.epochs.first_s)[channel.epochs.epoch_index]
    scaled: np.ndarray = (epochs - epochs.mean()) / epochs.std()
    return scaled[:, None].astype(np.float32)
