"""Random changes of training epochs: an option, as the paper names none."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from hypnolens.stages import EPOCH_S


@dataclass(frozen=True)
class Augmentation:
    """How much training epochs are changed; see config/README.md for each. Nothing by default."""

    amplitude_scaling: float = 0.0
    time_shift_s: float = 0.0
    noise: float = 0.0
    masking_s: float = 0.0
    polarity: float = 0.0


def augment(x: Tensor, options: Augmentation) -> Tensor:
    """Change each epoch at random, in this order: time, amplitude, noise, mask, polarity.

    Parameters
    ----------
    x
        Epochs ``(n, n_samples)`` in any unit.
    options
        ``time_shift_s``: an epoch is moved by up to so many seconds either way; what leaves at one end enters at
        the other, as its neighbour may not be there. ``amplitude_scaling``: it is multiplied by a gain between
        1 / (1 + a) and 1 + a, uniform in its logarithm. ``noise``: white noise with this share of its RMS is added.
        ``masking_s``: a piece of up to so many seconds is set to zero. ``polarity``: this share of epochs is turned
        round, as an electrode on the other side of an amplifier turns it.

    Returns
    -------
    Tensor
        ``(n, n_samples)``; draws come from torch's generator of the device.
    """
    n, n_samples = x.shape
    rate = n_samples / EPOCH_S
    place = torch.arange(n_samples, device=x.device)

    def uniform() -> Tensor:
        return torch.rand(n, 1, device=x.device)

    if options.time_shift_s:
        shift = ((2 * uniform() - 1) * options.time_shift_s * rate).round().long()
        x = x.gather(1, (place - shift) % n_samples)
    if options.amplitude_scaling:
        x = x * torch.exp((2 * uniform() - 1) * math.log1p(options.amplitude_scaling))
    if options.noise:
        x = x + torch.randn_like(x) * x.square().mean(dim=1, keepdim=True).sqrt() * options.noise
    if options.masking_s:
        length = uniform() * options.masking_s * rate
        begin = uniform() * (n_samples - length)
        x = x.masked_fill((place >= begin) & (place < begin + length), 0.0)
    if options.polarity:
        x = torch.where(uniform() < options.polarity, -x, x)
    return x
