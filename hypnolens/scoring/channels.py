"""Which channel of a recording is scored: by name, alias, difference of two, or a documented order."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from hypnolens.errors import RecordingError, one_line
from hypnolens.recordings.edf import place_of

OLD_NAMES = {"a1": "m1", "a2": "m2", "t3": "t7", "t4": "t8", "t5": "p7", "t6": "p8"}
"""Names of electrodes before the 10-10 system, and the mastoids, which earlobes stand for."""

ORDER = (
    "C4-M1", "C3-M2", "F4-M1", "F3-M2", "O2-M1", "O1-M2",
    "Fpz-Cz", "Fz-Cz", "Cz-Oz", "C4-Oz", "Pz-Oz",
    "C4", "C3", "Cz", "F4", "F3", "Fz", "Fpz", "Fp2", "Fp1", "Pz", "O2", "O1", "Oz",
    "EEG",
)  # fmt: skip
"""Channels that are looked for, in this order, where nobody named one and the file has several EEG channels.

First the AASM manual's recommended derivations (F4-M1, C4-M1, O2-M1) and their backups on the other side: central ones
before frontal and occipital ones, as spindles, vertex waves and K-complexes are seen there, and alpha and slow waves
still are. Then the manual's accepted alternatives, Sleep-EDF's two, single electrodes against whatever reference the
recorder used, and what recorders of two channels call the first one (C4-A1 in SHHS). The channels that the model was
trained on come before all of these."""

ELECTRODE = re.compile(r"(?:fp|af|f|fc|ft|c|t|tp|cp|p|po|o|i|m|a|n)(?:z|10|[1-9])|nz|iz")
"""Electrodes of the 10-10 system."""

NO_EEG = re.compile(
    r"eog|emg|ecg|ekg|\b[lr]oc|chin|resp|flow|sao2|spo2|pulse|snor|\bleg|\btemp\b|abdo|thor|\be[12]\b|\bhr\b", re.I
)
"""Other signals. Some recorders put EEG before every label (``EEG EKG-Ref``), and formats that know types often call
all channels EEG."""

REFERENCES = ("ref", "reference", "le", "avg", "av", "car", "org")
"""What recorders write in place of a reference's name."""

SEPARATOR = re.compile(r"\s*[-–—:/_]\s*|\s+")


@dataclass(frozen=True)
class Choice:
    """A channel to score.

    Attributes
    ----------
    name
        What it is called in outputs.
    plus, minus
        Places in the file: the channel is ``plus``, or ``plus`` less ``minus``.
    how
        How it was found, in words.
    """

    name: str
    plus: int
    minus: int | None
    how: str


@dataclass(frozen=True)
class Label:
    """A label taken apart: ``EEG C4-Ref`` is electrode ``c4`` against nothing named (``ref``)."""

    electrode: str
    reference: str


def parse(label: str) -> Label:
    """Take a label apart, without regard to case, separators, the word EEG and old names of electrodes."""
    words = [word for word in SEPARATOR.split(label.strip().lower()) if word]
    if len(words) > 1 and words[0] == "eeg":
        words = words[1:]
    words = [OLD_NAMES.get(word, word) for word in words]
    if len(words) == 1 and (pair := _glued(words[0])):
        words = list(pair)
    electrode, reference = words[0] if words else "", "-".join(words[1:])
    return Label(electrode, "" if reference in REFERENCES else reference)


def is_eeg(label: str) -> bool:
    """Whether a label is of an EEG channel: it says EEG, or names an electrode of the scalp."""
    if NO_EEG.search(label):
        return False
    return label.strip().lower().startswith("eeg") or bool(ELECTRODE.fullmatch(parse(label).electrode))


def choose(
    labels: Sequence[str],
    wanted: Sequence[str],
    *,
    preferred: Sequence[str],
    recording: str,
    eeg: Sequence[bool] | None = None,
) -> list[Choice]:
    """Choose the channels to score.

    Parameters
    ----------
    labels
        Labels of the file, which may hold anything; they are known by `hypnolens.errors.one_line` of it.
    wanted
        What the user named; empty to choose one: the only EEG channel, else the first of ``preferred`` and `ORDER`
        that there is or that can be computed.
    preferred
        Channels that the model was trained on.
    recording
        Name for error messages.
    eeg
        Which are EEG channels, where the format says so (a label may still say `NO_EEG`); else labels do, see `is_eeg`.

    Raises
    ------
    RecordingError
        None, or more than one, fits.
    """
    labels = [one_line(label) for label in labels]
    if not labels:
        raise RecordingError(
            recording, "the file holds no signal", "give the file with the EEG; this one has stages alone"
        )
    if wanted:
        chosen = [_named(labels, one_line(name), recording) for name in wanted]
        if twice := [
            one.name for one in chosen if [(o.plus, o.minus) for o in chosen].count((one.plus, one.minus)) > 1
        ]:
            raise RecordingError(recording, f"channel {twice[0]} is named twice", "name each --channel once")
        return chosen
    known = [
        is_eeg(label) if eeg is None else eeg[place] and not NO_EEG.search(label) for place, label in enumerate(labels)
    ]
    mastoids = [good and parse(label).electrode in ("m1", "m2") for label, good in zip(labels, known, strict=True)]
    places = [place for place, good in enumerate(known) if good and not mastoids[place]]
    only = [Choice(labels[place], place, None, "the only EEG channel of the file") for place in places]
    if len(places) == 1 and not any(mastoids):
        return only
    if not places:
        raise RecordingError(
            recording, f"no EEG channel found; the file has {_list(labels)}", "name one with --channel"
        )
    masked = [label if good else "" for label, good in zip(labels, known, strict=True)]
    for name in (*preferred, *ORDER):
        try:
            found = _find(masked, name, recording)
        except RecordingError:  # ambiguous: the next one may not be
            continue
        if found:
            what = "one that the model was trained on" if name in preferred else "the first of the known order"
            return [
                Choice(found.name, found.plus, found.minus, f"{what}; {found.how}" if found.minus is not None else what)
            ]
    if len(places) == 1:
        return only
    names = [labels[place] for place in places]
    double = next((name.strip() for name in names if names.count(name) > 1), "")
    raise RecordingError(
        recording,
        f"several EEG channels, none of which is known alone ({_list(names)})",
        f"name one with --channel, such as '{double}#1'" if double else "name one with --channel",
    )


def _named(labels: Sequence[str], name: str, recording: str) -> Choice:
    found = _find(labels, name, recording)
    if not found:
        raise RecordingError(
            recording, f"channel '{name}' not found; the file has {_list(labels)}", "name one of these with --channel"
        )
    return found


def _find(labels: Sequence[str], name: str, recording: str) -> Choice | None:
    exact = [place for place, label in enumerate(labels) if label.strip() == name.strip() and label]
    if exact:
        return Choice(name.strip(), _one(exact, labels, name, recording), None, "by its name")
    if (place := place_of(name, labels)) is not None:
        return Choice(name.strip(), place, None, f"by its place among those called '{labels[place].strip()}'")
    wanted = parse(name)
    same = [place for place, label in enumerate(labels) if label and parse(label) == wanted]
    if not same and not wanted.reference:
        # One electrode against whatever it was recorded against.
        same = [place for place, label in enumerate(labels) if label and parse(label).electrode == wanted.electrode]
    if same:
        place = _one(same, labels, name, recording)
        return Choice(labels[place].strip(), place, None, f"found as '{labels[place].strip()}'")
    if not wanted.reference:
        return None
    parts = [
        [place for place, label in enumerate(labels) if label and parse(label).electrode == electrode]
        for electrode in (wanted.electrode, wanted.reference)
    ]
    pairs = [(p, m) for p in parts[0] for m in parts[1] if parse(labels[p]).reference == parse(labels[m]).reference]
    if not pairs:
        return None
    plus, minus = pairs[_one(list(range(len(pairs))), [labels[p] for p, _ in pairs], name, recording)]
    how = f"computed as '{labels[plus].strip()}' minus '{labels[minus].strip()}'"
    return Choice(name.strip(), plus, minus, how)


def _one(places: Sequence[int], labels: Sequence[str], name: str, recording: str) -> int:
    if len(places) > 1:
        candidates = _list([labels[place] for place in places])
        raise RecordingError(
            recording,
            f"channel '{name}' may be {candidates}",
            f"name one exactly with --channel, such as '{labels[places[0]].strip()}#1'",
        )
    return places[0]


def _glued(word: str) -> tuple[str, str] | None:
    """Two electrodes written without a separator, such as ``c4m1`` or ``fpzcz``."""
    for cut in range(2, len(word) - 1):
        if ELECTRODE.fullmatch(word[:cut]) and ELECTRODE.fullmatch(word[cut:]):
            return OLD_NAMES.get(word[:cut], word[:cut]), OLD_NAMES.get(word[cut:], word[cut:])
    return None


def _list(labels: Sequence[str]) -> str:
    return ", ".join(f"'{label.strip()}'" for label in labels if label) or "no channel"
