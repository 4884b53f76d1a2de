"""A scored night, built from what a network would have said of it."""

import numpy as np

from hypnolens.scoring.night_statistics import statistics_of
from hypnolens.scoring.scored import Night, Scored
from hypnolens.stagers.interface import StagerCard
from hypnolens.stages import UNSCORED


def stager_card(*models, caution=""):
    """What is to be known of a stager that tests name."""
    return StagerCard(
        models=models, trained_on="nights of tests", licence="none", citation="nobody 2020", caution=caution,
        needs="an EEG",
    )  # fmt: skip


def scored_night(
    probability,
    signal,
    *,
    rate,
    start,
    first_s,
    lights,
    human,
    unusable,
    models,
    below,
    caution="",
    said=(),
    file_rate=None,
    **night,
):
    """A night of one channel, its first; epochs without a probability are those that were not usable.

    Parameters
    ----------
    probability
        ``(n_epochs, 5)``, NaN in epochs that are not usable.
    signal
        µV ``(1, n_epochs, n_samples)`` at ``rate`` Hz.
    start, first_s, lights
        Of the recording, the grid of epochs, and lights off and on, as `Night` has them.
    human
        Codes of a person's stages, or `None`.
    unusable
        By epoch, why it is not usable.
    models, caution, below, said
        What staged, what its maker warns of, threshold of confidence and warnings, as `Scored` has them.
    file_rate
        Hz of the file, where it is another.
    night
        What differs from the file of a night without anything particular.
    """
    probability = np.asarray(probability, dtype=np.float32)
    usable = ~np.isnan(probability[:, 0])
    facts = {
        "name": "night1", "source": "night1.edf", "sha256": "0" * 64, "place": "0" * 64,
        "channels": ("C4-M1",), "signals": np.empty((1, 0), dtype=np.float32), "rate": file_rate or rate,
        "limits": (None,), "notes": (), "warnings": (),
    }  # fmt: skip
    human = None if human is None else np.asarray(human, dtype=np.int8)
    whole = {**facts, **night, "start": start, "first_s": first_s, "lights": lights, "human": human}
    stage = np.where(usable, np.nan_to_num(probability).argmax(axis=1), UNSCORED)
    statistics, transitions = statistics_of(stage, first_s=first_s, lights=lights)
    return Scored(
        night=Night(**whole),
        rate=rate,
        signal=np.asarray(signal, dtype=np.float32),
        probability=probability,
        usable_by_channel=usable[None],
        unusable=tuple(unusable.get(epoch, "") for epoch in range(len(probability))),
        card=stager_card(*models, caution=caution),
        below=below,
        statistics=statistics,
        transitions=transitions,
        warnings=said,
    )
