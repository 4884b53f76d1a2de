"""Names of the files of a night."""

import hashlib
import re

TASK = "sleep"
"""Label of the task, where a night's name has none."""

ENTITIES = re.compile(
    r"(?P<who>sub-[0-9A-Za-z]+(?:_ses-[0-9A-Za-z]+)?)(?P<task>_task-[0-9A-Za-z]+)?"
    r"(?P<rest>(?:_acq-[0-9A-Za-z]+)?(?:_run-[0-9]+)?)(?:_[A-Za-z]+)?"
)
"""Names that BIDS gives to recordings, with or without the suffix of a kind of data, such as ``_eeg``."""


def file_names(name: str) -> dict[str, str]:
    """Names of the files of a night, by kind, in the order in which they are written.

    Names of different nights may give one file the same name, see `bids_name`.
    """
    bids = bids_name(name)
    return {
        "stages": f"{name}-stages.tsv",
        "hypnogram": f"{name}-hypnogram.edf",
        "events": f"{bids}_events.tsv",
        "events_description": f"{bids}_events.json",
        "yasa": f"{name}-yasa.json",
        "statistics": f"{name}-statistics.tsv",
        "transitions": f"{name}-transitions.tsv",
        "summary": f"{name}.json",
    }


def bids_name(name: str) -> str:
    """Name of a night as BIDS wants it, to which suffixes such as ``_events.tsv`` are added.

    A name that follows BIDS keeps its entities (and gets a task where it has none). Of any other the letters and digits
    become the subject's label; where it has none of those that BIDS allows, which are ASCII's, a hash of the name does.
    Different names may thus get the same one.
    """
    if found := ENTITIES.fullmatch(name):
        return f"{found['who']}{found['task'] or f'_task-{TASK}'}{found['rest']}"
    label = re.sub(r"[^0-9A-Za-z]", "", name) or hashlib.sha256(name.encode()).hexdigest()[:8]
    return f"sub-{label}_task-{TASK}"
