"""What a derivation sees of a simulated night, relative to EEG Fpz-Cz, on which the simulation is calibrated.

A documented model and no measurement: what textbooks say of where rhythms and waves of sleep are large. Slow waves,
K-complexes and slow spindles are frontal; vertex waves are largest at the vertex; fast spindles are centroparietal;
alpha with eyes closed is occipital; blinks are seen at the forehead, and by the EOG most. A reference at the ear or
mastoid is quiet, so that a central electrode against it has about half as much again of what bipolar Fpz-Cz has, and
picks up the heart. Awake, much of the delta at Fpz-Cz is eyes that move, and much of its gamma muscle of the forehead;
behind it there is less of both.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from hypnolens.datasets.simulate import ANY

WIDE_UV = 500.0
"""Range of recorders other than Sleep-EDF's."""


@dataclass(frozen=True)
class Derivation:
    """What one channel sees.

    Attributes
    ----------
    background
        log10 band powers of the background relative to Fpz-Cz, delta to gamma.
    awake
        log10 band powers relative to that in wake; what drifts out of wake has its share of it.
    coherence
        Correlation of its background with that at Fpz-Cz, before the difference in spectrum.
    gains
        Amplitude of each kind of event relative to Fpz-Cz; a negative one turns it over. 1 for those not named.
    heart_uv
        Typical R peak, µV.
    range_uv
        Range of the recorder, beyond which it cuts off: Sleep-EDF's EEG has 192, its EOG a wider one.
    """

    background: tuple[float, ...] = (0.0, 0.0, 0.0, 0.0, 0.0)
    awake: tuple[float, ...] = (0.0, 0.0, 0.0, 0.0, 0.0)
    coherence: float = 1.0
    gains: Mapping[str, float] = field(default_factory=dict)
    heart_uv: float = 0.5
    range_uv: float = 192.0


FPZ_CZ, PZ_OZ, EOG, C4_M1, CZ_A1 = "EEG Fpz-Cz", "EEG Pz-Oz", "EOG horizontal", "EEG C4-M1", "EEG Cz-A1"

DERIVATIONS: dict[str, Derivation] = {
    FPZ_CZ: Derivation(),
    PZ_OZ: Derivation(
        (-0.35, -0.15, 0.05, -0.05, -0.15), (-0.5, -0.2, 0.2, -0.1, -0.3), 0.55,
        {"spindle": 0.6, "k-complex": 0.45, "slow-wave": 0.6, "alpha": 2.2, "vertex": 0.4, "theta": 0.8,
         "sawtooth": 0.5, "artefact": 0.8, "blink": 0.05, "saccade": 0.05, "rolling": 0.1},
    ),
    EOG: Derivation(
        (-0.2, -0.45, -0.6, -0.35, -0.1), (0.0, 0.0, 0.0, 0.0, 0.0), 0.4,
        {"spindle": 0.1, "k-complex": 0.3, "slow-wave": 0.3, "alpha": 0.2, "vertex": 0.1, "theta": 0.2,
         "sawtooth": 0.1, "artefact": 0.9, "blink": 1.2, "saccade": 5.0, "rolling": 8.0},
        1.0, 1008.0,
    ),
    C4_M1: Derivation(
        (0.25, 0.3, 0.35, 0.25, 0.1), (-0.8, -0.35, 0.0, -0.3, -0.5), 0.6,
        {"spindle": 1.5, "k-complex": 1.2, "slow-wave": 1.2, "alpha": 1.8, "vertex": 1.6, "theta": 1.4,
         "sawtooth": 1.6, "artefact": 1.2, "blink": 0.35, "saccade": 0.8, "rolling": 1.0},
        3.0, WIDE_UV,
    ),
    CZ_A1: Derivation(
        (0.35, 0.35, 0.3, 0.2, 0.0), (-0.8, -0.35, 0.0, -0.3, -0.5), 0.6,
        {"spindle": 1.5, "k-complex": 1.4, "slow-wave": 1.4, "alpha": 1.5, "vertex": 2.0, "theta": 1.5,
         "sawtooth": 1.8, "artefact": 1.2, "blink": 0.45, "saccade": 0.5, "rolling": 0.6},
        3.0, WIDE_UV,
    ),
}  # fmt: skip
"""By label of the channel."""


def derivation(label: str, rng: np.random.Generator) -> Derivation:
    """The derivation of a label; ``EEG any`` is drawn.

    Raises
    ------
    ValueError
        Nothing is known of the label.
    """
    if label == ANY:
        return drawn(rng)
    if label not in DERIVATIONS:
        raise ValueError(f"no simulated derivation is called '{label}'; there are {', '.join([*DERIVATIONS, ANY])}")
    return DERIVATIONS[label]


def drawn(rng: np.random.Generator) -> Derivation:
    """Draw an EEG derivation that lies between the known ones, and somewhat beside them; half of them upside down.

    Mixing weights are uniform on the simplex. Band powers deviate by 0.15 (standard deviation, log10) all together and
    by 0.1 each, gains of events by a quarter.
    """
    known = [DERIVATIONS[label] for label in (FPZ_CZ, PZ_OZ, C4_M1, CZ_A1)]
    weights = rng.dirichlet(np.ones(len(known)))
    background, awake = (
        (weights[:, None] * np.array(levels)).sum(axis=0)
        for levels in ([one.background for one in known], [one.awake for one in known])
    )
    background += rng.normal(0.0, 0.15) + rng.normal(0.0, 0.1, 5)
    sign = rng.choice([-1.0, 1.0])
    gains = {
        kind: float(sign * np.exp(rng.normal(0.0, 0.25))
                    * sum(w * one.gains.get(kind, 1.0) for w, one in zip(weights, known, strict=True)))
        for kind in DERIVATIONS[PZ_OZ].gains
    }  # fmt: skip
    heart = float(sum(w * one.heart_uv for w, one in zip(weights, known, strict=True)))
    return Derivation(tuple(background), tuple(awake), 0.6, gains, heart, WIDE_UV)


def range_uv(label: str) -> float:
    """Range of the recorder, µV, see `Derivation`."""
    return DERIVATIONS[label].range_uv if label in DERIVATIONS else WIDE_UV


def gains(kind: str, derivations: list[Derivation]) -> NDArray[np.float64]:
    """Amplitudes of a kind of event, one a derivation."""
    return np.array([one.gains.get(kind, 1.0) for one in derivations])
