"""YASA's pre-trained stager (Vallat & Walker 2021, eLife 10:e70092) on the grid of our epochs.

Its trees read features of each epoch, means of these over neighbours in units of the night's spread, and the time since
the recording began. YASA takes spread and time from the whole recording, whatever is in it. Here epochs without an EEG
have no part in them, and where a recorder ran for hours around the night, spread and time are those of the night, which
is found by its spectra. Of a recording that is all EEG and all night the probabilities are YASA's.

Trees have thresholds, and some features count, so that the last bit of a sample can matter: on one of four real
recordings MNE's own values times 1e6 and back moved a probability by 0.006. That far results may differ from YASA's
on a file that MNE has read; the stages of all four were the same.
"""

import warnings
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from hypnolens.errors import RecordingError
from hypnolens.network.training_range import ABOVE, FALL_HZ, FLOOR_HZ, NIGHT_EPOCHS, SLOW_HZ, night_levels, span_words
from hypnolens.recordings.edf import read_channel
from hypnolens.recordings.epochs import Epochs
from hypnolens.recordings.extraction import resample
from hypnolens.recordings.quality import FLAT_UV
from hypnolens.recordings.typical import span_of_sleep
from hypnolens.stagers.interface import Channel, Reasons, Stager, StagerCard
from hypnolens.stages import EPOCH_S, STAGES

if TYPE_CHECKING:
    import yasa

RATE_HZ = 100.0
"""To which YASA brings all recordings."""

LEAST_RATE_HZ = 80.0
"""YASA refuses rates that are not above this."""

LEAST_S = 300.0
"""YASA calls results of less than five minutes unreliable."""

MOST_AROUND = 120
"""Epochs beside the night from which its span is looked for: with less wake than an hour around it the recording is it,
as in the nights that YASA learnt from."""

MOST_AWAKE = 240
"""Epochs between two stretches of sleep from which they are a night and a nap: two hours."""

AROUND, BEFORE = "_c7min_norm", "_p2min_norm"
"""Endings of features of the seven and a half minutes around an epoch, and of the two minutes up to its end."""

ODD = {
    "amplitude": (6.5, 50.0, "median amplitude {:.3g} µV", "a gain or unit that is not right would change stages"),
    "slow": (0.002, 8.0, span_words(*SLOW_HZ) + " is {:.2g}", "another high-pass filter, or slow artefacts"),
    "floor": (0.0, 0.1, "in its quietest epochs " + span_words(*FLOOR_HZ) + " is {:.2g}", "noise"),
    "fall": (0.0, 18.0, "in its flattest epochs " + span_words(*FALL_HZ) + " is {:.2g}", "another low-pass filter"),
}
"""Levels of `hypnolens.network.training_range.night_levels` between which nights are usual, and what to say of others.
YASA does not say what its own nights were like. Five real and three simulated nights have amplitudes of 13 to 26 µV,
ratios of 0.003 to 2.9, floors of 0.01 to 0.06 and falls of 1.5 to 7; a quarter or four times the gain, a high-pass of
1 Hz, sweat, 15 µV of noise or a low-pass of 15 Hz take most of them out. Half or twice the gain is told of none."""

WORDS = {
    "std": "amplitude", "iqr": "amplitude (middle half)", "abspow": "total power", "sdelta": "slow delta power",
    "fdelta": "fast delta power", "theta": "theta power", "alpha": "alpha power", "sigma": "sigma power",
    "beta": "beta power", "dt": "delta/theta ratio", "ds": "delta/sigma ratio", "db": "delta/beta ratio",
    "at": "alpha/theta ratio", "skew": "asymmetry", "kurt": "peakedness", "nzc": "zero crossings",
    "hmob": "Hjorth mobility", "hcomp": "Hjorth complexity", "perm": "permutation entropy",
    "higuchi": "Higuchi dimension", "petrosian": "Petrosian dimension",
}  # fmt: skip
"""What YASA's features are."""

GROUPS = ("this epoch", "7.5 min around", "2 min before", "time of the night", "person")
"""Groups of features, in the order in which they are shown."""

CITATION = "Vallat & Walker 2021, eLife 10:e70092"


def card() -> StagerCard:
    """What is to be known of YASA's stager."""
    return StagerCard(
        models=(f"YASA {version('yasa')}",),
        trained_on="some 3,000 nights of cohorts of the NSRR, of a wide range of ages",
        licence="BSD-3-Clause",
        citation=CITATION,
        caution="Pre-trained on cohorts of the NSRR, on whole nights: not for naps, and N1 is its weakest stage. For "
        "research; a trained scorer must look at the stages",
        needs="one EEG channel; better an hour or more of it (it goes by the night's own spread). Its weights are a "
        "pickle of the installed package",
        rate_hz=RATE_HZ,
        beside=("eog", "emg"),
        person=("age", "male"),
    )


class YasaStager(Stager):
    """YASA's trees, as they come with the package."""

    def __init__(self) -> None:
        self.card = card()
        self._last: tuple[Channel, StagedNight] | None = None

    def probabilities(self, channel: Channel) -> np.ndarray:
        """Of the trees, in units and hours of the night where the recording is longer."""
        return self._night(channel).probability[channel.epochs.epoch_index]

    def doubts(self, channels: Sequence[Channel]) -> list[str]:
        """Levels that known sleep has not, a low rate, and recordings that are short."""
        found, seconds = [], EPOCH_S * channels[0].n_epochs
        for channel in channels:
            signal = channel.epochs.signal * np.float32(channel.epochs.scale_uv)
            found += [f"{channel.epochs.channel}: {sentence}" for sentence in _odd(signal, channel.rate)]
        for channel in channels[:1]:
            if channel.rate <= LEAST_RATE_HZ:
                found.append(
                    f"the file has {channel.rate:g} Hz and was brought to {RATE_HZ:g} Hz for YASA, which looks at 0.4 "
                    f"to 30 Hz: what it reads above {channel.rate / 2:g} Hz is missing"
                )
        if seconds < LEAST_S:
            found.append(f"the recording lasts {seconds / 60:g} min; YASA calls stages of less than 5 min unreliable")
        return found

    def reasons(self, channel: Channel, stage: np.ndarray) -> Reasons:
        """Shapley values of the trees (LightGBM's ``pred_contrib``, Lundberg et al. 2020), for the stages given."""
        night, rows = self._night(channel), channel.epochs.epoch_index
        names, n = night.classifier.feature_name_, channel.n_epochs
        values = night.features[names].iloc[rows]
        given = np.asarray(night.classifier.booster_.predict(values, pred_contrib=True))
        given = given.reshape(len(rows), len(STAGES), len(names) + 1)[:, night.order]
        others = np.where(np.arange(len(STAGES)) == stage[:, None], -1.0, night.probability[rows]).argmax(axis=1)
        each = np.arange(len(rows))
        apart = given[each, stage] - given[each, others]
        share, level = (np.full((n, len(names)), np.nan, dtype=np.float32) for _ in range(2))
        base, second = np.full(n, np.nan, dtype=np.float32), np.full(n, -1, dtype=np.int8)
        share[rows], base[rows], second[rows] = apart[:, :-1], apart[:, -1], others
        level[rows] = night.levels[names].iloc[rows]
        return Reasons(
            features=tuple(names), words=tuple(map(_words, names)), groups=tuple(map(_group, names)),
            share=share, base=base, level=level, second=second,
        )  # fmt: skip

    def _night(self, channel: Channel) -> "StagedNight":
        """What was made of a channel; the last one is kept, as whoever asks for stages may ask for their reasons."""
        if self._last is None or self._last[0] is not channel:
            of, usable = channel.epochs, np.zeros(channel.n_epochs, dtype=bool)
            usable[of.epoch_index] = True
            made = StagedNight(
                channel.signal, channel.rate, of.channel, first_s=of.first_s, usable=usable, beside=channel.beside,
                person=channel.person,
            )  # fmt: skip
            self._last = (channel, made)
        return self._last[1]


def pretrained() -> str:
    """What staged a dataset, in words for a card."""
    return f"YASA {version('yasa')}, one EEG channel, without age and sex (LightGBM {version('lightgbm')})"


def of_recording(psg: Path, epochs: Epochs) -> np.ndarray:
    """Probabilities of the five stages for every kept epoch of a recording, float32 ``(n_epochs, 5)``.

    The trees see the whole file, as when somebody stages it, whatever was kept of it by its labels.

    Parameters
    ----------
    psg
        EDF file that the epochs were cut from; the channel is theirs, at the file's own rate.
    epochs
        Kept epochs; their signal is not looked at.

    Raises
    ------
    RecordingError
        The file cannot be read, or is not that of the epochs.
    """
    channel = read_channel(psg, [epochs.channel], epochs.recording)
    first_s = epochs.first_s % EPOCH_S
    n_epochs = int((len(channel.signal) / channel.rate - first_s + 1e-6) // EPOCH_S)
    rows = epochs.epoch_index + int(epochs.first_s // EPOCH_S)
    if rows[-1] >= n_epochs:
        what = f"{psg.name} ends before its last kept epoch"
        raise RecordingError(epochs.recording, what, "delete its file of epochs and run again")
    usable = np.ones(n_epochs, dtype=bool)
    night = StagedNight(channel.signal, channel.rate, channel.label, first_s=first_s, usable=usable)
    return night.probability[rows].astype(np.float32)


def _odd(signal: np.ndarray, file_rate: float) -> list[str]:
    """In what a night is unlike sleep that is known, of epochs in µV at `RATE_HZ`."""
    alive = signal[signal.std(axis=1) >= FLAT_UV]
    if not len(alive):
        return []
    rows = np.unique(np.linspace(0, len(alive) - 1, NIGHT_EPOCHS).round().astype(int))
    found = []
    for name, level in night_levels(alive[rows], RATE_HZ).items():
        low, high, words, why = ODD.get(name, (0.0, np.inf, "", ""))
        above_what_it_holds = name in ABOVE and file_rate < 2 * FLOOR_HZ[0][1]
        if not low <= 10**level <= high and not above_what_it_holds:
            found.append(f"{words.format(10**level)}; sleep that is known has {low:g} to {high:g}: {why}")
    return found


class StagedNight:
    """Features and probabilities of all epochs of a night.

    Parameters
    ----------
    signal
        All samples of the channel in µV ``(n_samples,)``, neither filtered nor standardised.
    rate
        In Hz.
    label
        Of the channel.
    first_s
        Seconds from the first sample to the first epoch.
    usable
        Which epochs carry an EEG, bool ``(n_epochs,)``.
    beside, person
        See `hypnolens.stagers.interface.Channel`.

    Attributes
    ----------
    features
        As the trees read them, a row each epoch.
    levels
        How far each is from the median of the night, in its robust standard deviation.
    probability
        ``(n_epochs, 5)``.
    classifier, order
        LightGBM's, and the place of each of `STAGES` among its classes.
    """

    def __init__(
        self,
        signal: np.ndarray,
        rate: float,
        label: str,
        *,
        first_s: float,
        usable: np.ndarray,
        beside: Mapping[str, np.ndarray] | None = None,
        person: Mapping[str, float] | None = None,
    ) -> None:
        person = person or {}
        with warnings.catch_warnings():
            # The classifier was pickled by an older scikit-learn, of which it holds the encoder of five names; and flat
            # epochs make ratios of zeros.
            warnings.filterwarnings("ignore", "Trying to unpickle estimator LabelEncoder")
            warnings.filterwarnings("ignore", category=RuntimeWarning)
            cut = _cut([signal, *(beside or {}).values()], rate, first_s, len(usable))
            staging = _staging(*cut, {"eeg": label, **{kind: f"{kind} beside it" for kind in beside or {}}}, person)
            staging.fit()
            self.classifier: Any = staging._load_model("auto")
        self.order = [list(self.classifier.classes_).index(stage) for stage in STAGES]
        theirs = staging.get_features().iloc[: len(usable)]
        span = np.zeros(len(usable), dtype=bool)
        span[usable] = span_of_night(_epochs(cut[0][0], cut[1], usable), cut[1])
        span[np.argmax(span) : len(span) - np.argmax(span[::-1])] = True
        if not (usable.all() and span.all()):
            own = theirs[_own(theirs)].astype(np.float64).where(pd.Series(usable))
            theirs = features_of(own, span, person)
        self.features = theirs
        found = self.classifier.predict_proba(self.features[self.classifier.feature_name_])
        self.probability = np.asarray(found)[:, self.order]
        self.levels = self._levels(span)

    def _levels(self, span: np.ndarray) -> pd.DataFrame:
        inside = self.features[span]
        quartiles = inside.quantile([0.25, 0.5, 0.75])
        spread = (quartiles.loc[0.75] - quartiles.loc[0.25]) / 1.349  # that of a normal distribution is 1
        return (self.features - quartiles.loc[0.5]) / spread.where(spread > 0)


def span_of_night(signal: np.ndarray, rate: float) -> np.ndarray:
    """Which epochs are the night: the longest stretch of sleep with half an hour on each side, bool ``(n_epochs,)``.

    All of a recording that has little around it.

    Parameters
    ----------
    signal
        All epochs in µV ``(n_epochs, n_samples)``.
    rate
        In Hz.
    """
    places = np.flatnonzero(span_of_sleep(signal, rate))
    stretches = np.split(places, np.flatnonzero(np.diff(places) > MOST_AWAKE) + 1)
    longest = max(stretches, key=len)
    night = np.zeros(len(signal), dtype=bool)
    night[longest[0] : longest[-1] + 1] = True
    return night if (~night).sum() > MOST_AROUND else np.ones(len(signal), dtype=bool)


def _cut(signals: Sequence[np.ndarray], rate: float, first_s: float, n_epochs: int) -> tuple[np.ndarray, float]:
    """From the beginning of the first epoch on, all epochs at least, µV ``(n, n_samples)``, and a rate YASA takes."""
    # As extraction cuts epochs: a grid that begins between two samples begins with the earlier one.
    first = int(first_s * rate + 1e-6)
    # Where rates have fractions, the last epoch may lack a sample, without which YASA would leave it out.
    length = int(np.ceil(n_epochs * EPOCH_S * rate - 1e-6))
    parts = [signal[first:] for signal in signals]
    cut = np.array([np.pad(part, (0, max(length - len(part), 0)), mode="edge") for part in parts], dtype=np.float64)
    return (cut, rate) if rate > LEAST_RATE_HZ else (resample(cut, rate, RATE_HZ), RATE_HZ)


def _epochs(signal: np.ndarray, rate: float, usable: np.ndarray) -> np.ndarray:
    """Some of its epochs, float32 ``(n, n_samples)``, as spectra want them."""
    starts = (np.flatnonzero(usable) * EPOCH_S * rate + 1e-6).astype(int)
    return np.array([signal[start : start + int(EPOCH_S * rate)] for start in starts], dtype=np.float32)


def _staging(
    cut: np.ndarray, rate: float, names: Mapping[str, str], person: Mapping[str, float]
) -> "yasa.SleepStaging":
    """YASA's object of signals, by kind of channel."""
    # They take seconds to load, and are in the way of nobody who only asks for a version.
    import mne
    import yasa

    info = mne.create_info(list(names.values()), rate, list(names), verbose="error")
    raw = mne.io.RawArray(cut * 1e-6, info, verbose="error")
    return yasa.SleepStaging(
        raw, **{f"{kind}_name": name for kind, name in names.items()}, metadata=dict(person) or None
    )


def _own(table: pd.DataFrame) -> list[str]:
    """Names of features of each epoch by itself."""
    names = map(str, table.columns)
    return [name for name in names if name.startswith(("eeg_", "eog_", "emg_")) and not name.endswith((AROUND, BEFORE))]


def features_of(own: pd.DataFrame, span: np.ndarray, person: Mapping[str, float]) -> pd.DataFrame:
    """All that the trees read: as YASA's documentation says, but with spread and time of a span of the night.

    Parameters
    ----------
    own
        Features of each epoch; NaN where there is no EEG.
    span
        Which epochs are the night.
    person
        Age and sex, or nothing.
    """
    around = own.rolling(15, center=True, min_periods=1, win_type="triang").mean()
    before = own.rolling(4, min_periods=1).mean()
    rows = np.arange(len(own)) - int(np.argmax(span))
    last = max(int(span.sum()) - 1, 1)
    when = rows.clip(0, last)
    table = pd.concat([own, _scaled(around, span).add_suffix(AROUND), _scaled(before, span).add_suffix(BEFORE)], axis=1)
    extra = pd.DataFrame({"time_hour": when * EPOCH_S / 3600, "time_norm": when / last, **person}, index=own.index)
    return pd.concat([table, extra], axis=1).astype(np.float32)


def _scaled(table: pd.DataFrame, span: np.ndarray) -> pd.DataFrame:
    """Less the median, in units of the range from the 5th to the 95th percentile, both of a span."""
    inside = table[span]
    spread = inside.quantile(0.95) - inside.quantile(0.05)
    return (table - inside.median()) / spread.where(spread > 0, 1.0)


def _group(feature: str) -> str:
    if feature.endswith(AROUND):
        return GROUPS[1]
    if feature.endswith(BEFORE):
        return GROUPS[2]
    return GROUPS[3] if feature.startswith("time_") else GROUPS[4] if feature in ("age", "male") else GROUPS[0]


def _words(feature: str) -> str:
    if feature in ("time_hour", "time_norm"):
        return {"time_hour": "hours since the night began", "time_norm": "share of the night that has passed"}[feature]
    if feature in ("age", "male"):
        return {"age": "age", "male": "sex"}[feature]
    channel, name = feature.removesuffix(AROUND).removesuffix(BEFORE).split("_", 1)
    return WORDS[name] if channel == "eeg" else f"{WORDS[name]} ({channel.upper()})"
