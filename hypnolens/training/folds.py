"""Who is tested on what: folds of subjects, never of recordings.

Snakemake counts folds while it plans, so this module needs the standard library only.
"""

import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hypnolens.errors import DamagedError, DatasetError, OtherError
from hypnolens.io.checksums import canonical, sha256
from hypnolens.io.tables import read_rows, read_user_table, write_rows
from hypnolens.stages import STAGES

SPLITS = ("train", "validation", "test")
COLUMNS = ("recording", "subject", "fold", "split")


@dataclass(frozen=True)
class Fold:
    """Subjects of one fold, by side."""

    train: tuple[str, ...]
    validation: tuple[str, ...]
    test: tuple[str, ...]

    def side(self, split: str) -> tuple[str, ...]:
        """Subjects of ``train``, ``validation`` or ``test``."""
        return {"train": self.train, "validation": self.validation, "test": self.test}[split]


def make_folds(
    subjects: Iterable[str], *, scheme: str | Mapping[str, int], validation: float, seed: int, dataset: str
) -> list[Fold]:
    """Split subjects into folds.

    Parameters
    ----------
    subjects
        Names of all subjects; their order and repetitions do not matter.
    scheme
        ``"leave-one-subject-out"``, ``{"k": N}`` (N groups of subjects of about equal size, drawn at random), or
        the path of a table with the columns ``subject fold`` that says in which fold each subject is tested,
        and optionally ``split`` (train, validation or test), which then says all.
    validation
        Share of the training subjects to validate on, drawn at random; at least one.
    seed
        Seed of both draws; each fold has a generator of its own.
    dataset
        Name for error messages.

    Returns
    -------
    list of Fold
        In order of fold number.

    Raises
    ------
    DatasetError
        Too few subjects for the scheme, or a table that does not fit.
    """
    names = sorted(set(subjects))
    if scheme == "leave-one-subject-out":
        tests = [[subject] for subject in names]
    elif isinstance(scheme, Mapping):
        tests = _groups(names, scheme["k"], seed, dataset)
    else:
        rows = _read_table(Path(str(scheme)), names, dataset)
        if all(row.get("split") for row in rows):
            return _checked([_explicit(rows, fold) for fold in _numbers(rows)], dataset)
        tests = [[row["subject"] for row in rows if row["fold"] == fold] for fold in _numbers(rows)]
    if len(names) < 3:
        raise DatasetError(
            dataset,
            f"has {len(names)} subject{'s' * (len(names) != 1)}, and a fold needs one to test, one to validate, "
            "one to train on",
            "add recordings of other subjects",
        )
    return _checked([_drawn(names, test, validation, seed, number) for number, test in enumerate(tests)], dataset)


def write_folds(folds: Sequence[Fold], recordings: Sequence[Mapping[str, str]], path: Path) -> None:
    """Write ``folds.tsv``: recording, subject, fold and split, a line for each recording in each fold.

    Parameters
    ----------
    folds
        What `make_folds` gave for the subjects of these recordings.
    recordings
        Rows of ``recordings.tsv``.
    path
        Where to write.
    """
    rows = []
    for number, fold in enumerate(folds):
        split_of = {subject: split for split in SPLITS for subject in fold.side(split)}
        for row in recordings:
            if split := split_of.get(row["subject"]):
                rows.append({"recording": row["recording"], "subject": row["subject"], "fold": number, "split": split})
    write_rows(path, COLUMNS, rows)


def write_fold(folds: Path, recordings: Path, fold: int, path: Path) -> None:
    """Write the lines of one fold, each with the hash of the epochs of its recording (``epochs_sha256``).

    All that reads epochs of a fold depends on this table: its bytes change with the data, and with nothing else.

    Parameters
    ----------
    folds, recordings
        What `write_folds` wrote, and the table of recordings.
    fold
        Number of the fold.
    path
        Where to write.

    Raises
    ------
    OtherError
        The tables are of different recordings.
    """
    epochs = {row["recording"]: row["epochs_sha256"] for row in read_rows(recordings)}
    rows = [row for row in read_rows(folds) if row["fold"] == str(fold)]
    if absent := [row["recording"] for row in rows if row["recording"] not in epochs]:
        raise OtherError(folds, f"has recordings that are not in {recordings}, such as {absent[0]}")
    rows = [row | {"epochs_sha256": epochs[row["recording"]]} for row in rows]
    write_rows(path, (*COLUMNS, "epochs_sha256"), rows)


def about_fold(path: str | Path, wildcards: Mapping[str, str], fold: int | None = None) -> dict[str, Any]:
    """What a file of a run and a fold is of, see `hypnolens.io.about`.

    Parameters
    ----------
    path
        The table of the fold, of `write_fold`.
    wildcards
        ``dataset`` and ``experiment``, and ``fold`` unless that is given.
    """
    number = int(wildcards["fold"]) if fold is None else fold
    sides = {side: sorted(of_side.items()) for side, of_side in read_sides(Path(path), number).items()}
    return {
        "dataset": wildcards["dataset"],
        "experiment_name": wildcards["experiment"],
        "fold": number,
        "sides_sha256": {side: sha256(canonical(rows)) for side, rows in sides.items()},
    }


def about_folds(paths: Sequence[str | Path], wildcards: Mapping[str, str]) -> list[dict[str, Any]]:
    """The same of all folds, whose tables are given in order."""
    return [about_fold(path, wildcards, fold) for fold, path in enumerate(paths)]


def of_sides(about: Mapping[str, Any], *sides: str) -> dict[str, Any]:
    """What a file is of that was made of some sides only."""
    return {**about, "sides_sha256": {side: about["sides_sha256"][side] for side in sides}}


def read_sides(path: Path, fold: int) -> dict[str, dict[str, str]]:
    """Recordings of one fold by split, each with the hash of its epochs.

    Raises
    ------
    DamagedError
        The table is damaged, of another fold, or a side of the fold has no recording.
    """
    sides = read_folds(path, fold)
    epochs = {row["recording"]: row.get("epochs_sha256") for row in read_rows(path)}
    if not all(epochs.values()):
        raise DamagedError(path, "it does not say of which epochs it is")
    return {side: {name: str(epochs[name]) for name in names} for side, names in sides.items()}


def read_folds(path: Path, fold: int) -> dict[str, list[str]]:
    """Recordings of one fold, by split.

    Raises
    ------
    DamagedError
        The table is damaged, or a side of the fold has no recording.
    """
    rows = read_rows(path)
    try:
        of_fold = [row for row in rows if int(row["fold"]) == fold]
        sides = {split: [row["recording"] for row in of_fold if row["split"] == split] for split in SPLITS}
    except (KeyError, ValueError) as error:
        raise DamagedError(path, error) from error
    if empty := [split for split, names in sides.items() if not names]:
        raise DamagedError(path, f"fold {fold} has no recording on its {empty[0]} side")
    return sides


def absent_stages(folds: Sequence[Fold], recordings: Sequence[Mapping[str, str]]) -> list[str]:
    """One sentence for each side of a fold on which no epoch has a certain stage.

    Parameters
    ----------
    folds
        Folds of the subjects of these recordings.
    recordings
        Rows of ``recordings.tsv``, with the number of epochs of each stage.
    """
    sentences = []
    for number, fold in enumerate(folds):
        for split in SPLITS:
            rows = [row for row in recordings if row["subject"] in fold.side(split)]
            absent = [stage for stage in STAGES if not any(int(row[stage]) for row in rows)]
            if absent:
                sentences.append(f"fold {number}: no epoch of {', '.join(absent)} on the {split} side")
    return sentences


def _groups(names: Sequence[str], k: int, seed: int, dataset: str) -> list[list[str]]:
    if k > len(names):
        raise DatasetError(dataset, f"has {len(names)} subjects, fewer than its {k} folds", "set folds: to a smaller k")
    shuffled = random.Random(f"folds-{seed}").sample(names, len(names))
    return [sorted(shuffled[number::k]) for number in range(k)]


def _drawn(names: Sequence[str], test: Sequence[str], validation: float, seed: int, number: int) -> Fold:
    tested = set(test)
    rest = [subject for subject in names if subject not in tested]
    n_validation = max(1, min(round(validation * len(rest)), len(rest) - 1))
    drawn = sorted(random.Random(f"validation-{seed}-{number}").sample(rest, n_validation))
    training = sorted(set(rest) - set(drawn))
    return Fold(tuple(training), tuple(drawn), tuple(test))


def _read_table(path: Path, names: Sequence[str], dataset: str) -> list[dict[str, str]]:
    try:
        rows = read_user_table(path, required=("subject", "fold"), numbers=["fold"])
    except ValueError as error:
        raise DatasetError(dataset, str(error), "correct folds: of the dataset, or the table") from error
    odd = [row["split"] for row in rows if row.get("split") and row["split"] not in SPLITS]
    if odd:
        raise DatasetError(dataset, f"'{path}' has the split '{odd[0]}'", f"use {', '.join(SPLITS)}")
    present = set(names)
    if absent := sorted(present - {row["subject"] for row in rows}):
        raise DatasetError(dataset, f"'{path}' does not list subject {', '.join(absent[:5])}", "add it to the table")
    return [row for row in rows if row["subject"] in present]


def _numbers(rows: Iterable[Mapping[str, str]]) -> list[str]:
    return sorted({row["fold"] for row in rows}, key=int)


def _explicit(rows: Sequence[Mapping[str, str]], fold: str) -> Fold:
    sides = {split: tuple(sorted({r["subject"] for r in rows if (r["fold"], r["split"]) == (fold, split)}))
             for split in SPLITS}  # fmt: skip
    return Fold(**sides)


def _checked(folds: list[Fold], dataset: str) -> list[Fold]:
    """The folds, if in each of them every side has subjects and no subject is on two sides."""
    for number, fold in enumerate(folds):
        for split in SPLITS:
            if not fold.side(split):
                raise DatasetError(
                    dataset, f"fold {number} has no {split} subject", "use fewer folds or add recordings"
                )
        if twice := _twice(subject for split in SPLITS for subject in fold.side(split)):
            raise DatasetError(
                dataset, f"fold {number} has subject {', '.join(twice)} on two sides", "correct the table of folds"
            )
    if twice := _twice(subject for fold in folds for subject in fold.test):
        raise DatasetError(
            dataset, f"subject {', '.join(twice)} is tested in more than one fold", "correct the table of folds"
        )
    return folds


def _twice(subjects: Iterable[str]) -> list[str]:
    return sorted(subject for subject, times in Counter(subjects).items() if times > 1)
