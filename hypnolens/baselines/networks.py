"""Published networks from braindecode, trained and scored by the same engine as hypnolens's own.

Chambon et al. 2018 (doi 10.1109/TNSRE.2018.2813138), DeepSleepNet (Supratak et al. 2017), U-Sleep (Perslev et al. 2021)
and AttnSleep (Eldele et al. 2021), as braindecode 0.8.1 builds them for one channel, with its defaults. They are built
for a number of samples of an epoch, hence for a sampling rate. All but U-Sleep read one epoch: braindecode's
DeepSleepNet has no memory across epochs either.
"""

import warnings
from collections.abc import Callable, Mapping
from typing import Any

import torch
from braindecode.models import DeepSleepNet, SleepStagerChambon2018, SleepStagerEldele2021, USleep
from torch import Tensor, nn

from hypnolens.errors import HypnolensError
from hypnolens.network.model import Network
from hypnolens.stages import EPOCH_S, STAGES

SINGLE: Mapping[str, Callable[..., nn.Module]] = {
    "chambon2018": SleepStagerChambon2018,
    "deepsleepnet": DeepSleepNet,
    "attnsleep": SleepStagerEldele2021,
}
"""Networks of one epoch, by the name that an experiment gives as its ``model``."""


class OneEpoch(Network):
    """A network that stages an epoch by itself: its logits are the features, and a window is the epoch alone."""

    window = 1

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def features(self, x: Tensor) -> Tensor:
        """Logits of epochs ``(n, n_samples)``: ``(n, 5)``."""
        return self.network(x[:, None])

    def classify(self, windows: Tensor) -> Tensor:
        """Logits ``(B, 5)`` out of ``(B, 1, 5)``."""
        return windows[:, windows.shape[1] // 2]


class Sequence(Network):
    """A network that stages all epochs of a window at once: features are the signal, and the middle stage is taken."""

    def __init__(self, network: nn.Module, window: int) -> None:
        super().__init__()
        self.network, self.window = network, window

    def features(self, x: Tensor) -> Tensor:
        """Epochs as they are, ``(n, n_samples)``."""
        return x

    def classify(self, windows: Tensor) -> Tensor:
        """Logits ``(B, 5)`` from ``(B, W, n_samples)``; an epoch that is missing is zero."""
        logits = self.network(windows[:, :, None])  # (B, 5, W), or (B, 5) where W is 1
        return logits if logits.ndim == 2 else logits[:, :, self.window // 2]


def build(experiment: Mapping[str, Any], rate: float) -> Network:
    """The network that an experiment names, freshly initialised.

    Raises
    ------
    HypnolensError
        It cannot be built for this sampling rate.
    """
    name = experiment["model"]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of arguments that braindecode renamed
            n_samples = round(EPOCH_S * rate)
            options = {"n_chans": 1, "n_outputs": len(STAGES), "sfreq": rate, "n_times": n_samples}
            made: Network
            if name == "usleep":
                made = Sequence(USleep(**options, ensure_odd_conv_size=True), experiment["window"])
            else:
                made = OneEpoch(SINGLE[name](**options))
            # Not every network that can be built for a length can read it.
            with torch.no_grad():
                made.eval()(torch.zeros(1, n_samples), torch.zeros(1, made.window, dtype=torch.long))
            return made.train()
    except (ValueError, RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise HypnolensError(
            f"{name}: cannot be built for {rate:g} Hz ({reason}); set sampling_rate_hz: 100 of the dataset"
        ) from error
