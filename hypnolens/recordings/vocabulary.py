"""What programs call stages: one vocabulary for hypnograms beside a signal, inside it, and in training and scoring.

EDF+ names them ``Sleep stage W``, ``Sleep stage N1`` …, and ``Sleep stage 1`` to ``4`` of Rechtschaffen & Kales, whose
3 and 4 are AASM's N3 (https://www.edfplus.info/specs/edftexts.html). Natus writes ``Stage - N1``, the CAP database
``SLEEP-S1``, Luna ``NREM1``, YASA ``WAKE`` and ``REM``, BrainVision ``Comment/N1``.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping

from hypnolens.errors import quoted
from hypnolens.stages import CODE, MOVEMENT, STAGES, UNSCORED

STANDARD = (
    "Sleep stage W", "Sleep stage 1", "Sleep stage 2", "Sleep stage 3", "Sleep stage 4", "Sleep stage R",
    "Sleep stage N1", "Sleep stage N2", "Sleep stage N3", "Sleep stage ?", "Movement time",
)  # fmt: skip
"""Texts of the standard, for people."""

AFTER_STAGE: Mapping[str, int] = {
    **dict.fromkeys(("w", "wake", "awake", "0", "s0", "n0"), CODE["W"]),
    **dict.fromkeys(("1", "n1", "s1", "nrem1", "nrem 1", "nrem", "i"), CODE["N1"]),
    **dict.fromkeys(("2", "n2", "s2", "nrem2", "nrem 2", "ii"), CODE["N2"]),
    **dict.fromkeys(("3", "n3", "s3", "nrem3", "nrem 3", "iii"), CODE["N3"]),
    **dict.fromkeys(("4", "n4", "s4", "nrem4", "nrem 4", "iv"), CODE["N3"]),
    **dict.fromkeys(("r", "rem", "5"), CODE["R"]),
    **dict.fromkeys(("?", "unscored", "unknown", "not scored", "no stage", "u", "undefined", "unsure"), UNSCORED),
    **dict.fromkeys(("m", "mt", "movement", "movement time"), MOVEMENT),
}
"""What may follow ``Sleep stage``, ``Stage`` or ``SLEEP-``, in small letters."""

ALONE = (
    {word: AFTER_STAGE[word] for word in ("w", "wake", "awake", "n1", "n2", "n3", "n4", "s0", "s1", "s2", "s3", "s4",
     "r", "rem", "nrem1", "nrem2", "nrem3", "nrem4", "nrem 1", "nrem 2", "nrem 3", "nrem 4", "mt", "movement time",
     "unscored", "no stage")}
)  # fmt: skip
"""What is a stage without such a word before it. Numbers are none: they mean other stages in every dataset."""

NO_STAGE = frozenset(("", "?", "u", "uns", "art", "artefact", "artifact", "nan", "n/a", "na", "none", "unknown"))
"""What stands in a table's column of stages where an epoch has none, in small letters; among annotations such words say
something else. ``ART`` and ``UNS`` are YASA's."""

CODES: Mapping[str, Mapping[int, int]] = {
    "aasm": {0: CODE["W"], 1: CODE["N1"], 2: CODE["N2"], 3: CODE["N3"], 4: CODE["R"], -1: UNSCORED, -2: UNSCORED},
    "rechtschaffen-kales": {
        0: CODE["W"], 1: CODE["N1"], 2: CODE["N2"], 3: CODE["N3"], 4: CODE["N3"], 5: CODE["R"], 6: MOVEMENT, 9: UNSCORED
    },
    "dreams": {
        5: CODE["W"], 4: CODE["R"], 3: CODE["N1"], 2: CODE["N2"], 1: CODE["N3"], 0: CODE["N3"], -1: MOVEMENT,
        -2: UNSCORED, -3: UNSCORED,
    },
}  # fmt: skip
"""Numbers for stages, by the name of the table: YASA's and most programs' with AASM's stages; Profusion's and those of
the NSRR, in which 3 and 4 are both N3; those of the DREAMS databases, where 5 is W and 0 is stage 4."""

TEXTS = (*(f"Sleep stage {stage}" for stage in STAGES), "Sleep stage ?", "Movement time")
"""Texts of codes, in the order of `hypnolens.stages`."""

LIGHTS = re.compile(r"\blights?[\s_-]*(off|out|on)\b", re.I)
"""Texts of lights off and on, which may say more: ``Lights Off 22:31``, ``Comment/lights on``."""

BEFORE = re.compile(r"(?:sleep ?stage|stage|sleep) ?")
"""Words before a stage, where separators are blanks."""

MARKER = re.compile(r"^(comment|event)/", re.I)
"""What MNE puts before the texts of BrainVision's markers. Stimuli and responses are left out: ``S1`` is a trigger."""

LIKE_ONE = re.compile(
    r"(?:sleep ?stage|stage|sleep|(?:schlaf)?stadium|stade|stadio|estadio|fase|phase) .{1,20}"
    r"|n[0-9]|s[0-9]|n?rem ?[0-9]?|a?wake|wach|[wr?]|[0-9]"
)
"""Texts that look like stages, also in other languages."""

OFTEN = 3
"""How often another text must stand among annotations to be named: one that stands once may be of a person."""

MOST = 5
"""Texts that are named; the others are counted."""


def stage_of(text: str) -> int | None:
    """Code of the stage that a text is, `MOVEMENT` and `UNSCORED` among them; `None` of any other text."""
    plain = _plain(text)
    if plain in ALONE:
        return ALONE[plain]
    before = BEFORE.match(plain)
    return AFTER_STAGE.get(plain[before.end() :]) if before else None


def lights_in(entries: Iterable[tuple[float, float | None, str]]) -> tuple[float | None, float | None]:
    """Onsets of the first "lights off" and of the last "lights on" among annotations; `None` of what is not there."""
    off, on = None, None
    for onset, _, text in entries:
        if said := LIGHTS.search(text):
            if said[1].lower() == "on":
                on = onset if on is None else max(on, onset)
            else:
                off = onset if off is None else min(off, onset)
    return off, on


def looks_like_stage(text: str) -> bool:
    """Whether a person would take a text for a stage."""
    return bool(LIKE_ONE.fullmatch(_plain(text)))


def unread(texts: Iterable[str]) -> list[str]:
    """How many texts are not stages, in sentences that name those that look like stages and those that are frequent."""
    counts = Counter(text for text in texts if stage_of(text) is None and not LIGHTS.search(text))
    like = {text: n for text, n in counts.items() if looks_like_stage(text)}
    others = {text: n for text, n in counts.items() if text not in like}
    sentences = []
    if like:
        sentences.append(f"{sum(like.values())} annotations look like stages and are not read: {_named(like)}")
    if others:
        often = _named({text: n for text, n in others.items() if n >= OFTEN})
        sentences.append(f"{sum(others.values())} annotations beside the stages" + (often and f", such as {often}"))
    return sentences


def is_number(text: str) -> bool:
    """Whether a stage is written as a whole number; some programs write ``2.0``."""
    return text.removesuffix(".0").removeprefix("-").isdecimal()


def numbered(text: str, codes: str | None) -> str:
    """A number of one of `CODES` as the stage that it is, in the words of EDF+; any other text as it is."""
    if codes is None or not is_number(text):
        return text
    code = CODES[codes].get(int(text.removesuffix(".0")))
    return text if code is None else TEXTS[code]


def _plain(text: str) -> str:
    """A text in small letters, without a channel that EDF+ puts after ``@@``, with blanks for separators."""
    words = MARKER.sub("", text.partition("@@")[0]).replace("_", " ").replace("-", " ").replace(":", " ")
    return " ".join(words.lower().split())


def _named(counts: Mapping[str, int]) -> str:
    most = sorted(counts, key=lambda text: (-counts[text], text))
    return ", ".join(f"{quoted(text)} {counts[text]}" for text in most[:MOST]) + " …" * (len(most) > MOST)
