"""Sleep-EDF Expanded 1.0.0, sleep-cassette study: 153 recordings of 78 subjects (PhysioNet).

Kemp et al. 2000, doi:10.1109/10.867928. Names are ``SC4ssNE0``: two digits of subject (0-82, five of them unused),
the night, the recorder; the hypnogram's last letter is its scorer's.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from hypnolens.datasets.local import check_writable, find_files
from hypnolens.datasets.recording import Recording
from hypnolens.errors import ConfigurationError
from hypnolens.io.tables import read_rows

TABLE = "sleep-edf.tsv"
RATES_HZ = (100.0,)
"""The rate of every EEG channel of the study."""

STUDIES = {"sleep-edf-20": range(20), "sleep-edf-78": range(83)}
"""Subjects of the two sets of recordings that papers use."""


def list_recordings(name: str, subjects: str, path: Path | None, tables: Path) -> tuple[list[Recording], list[str]]:
    """Recordings of some subjects, and the names of those that a local copy lacks altogether.

    Parameters
    ----------
    name
        Name of the dataset, for error messages.
    subjects
        Ranges and numbers, such as ``0-19`` or ``0-5,8``.
    path
        Folder with a local copy; without it the files are fetched to ``data/sleepedf``. There the first six characters
        of a hypnogram's name count, and a file that is there without its partner is kept, to be told.
    tables
        Folder of the table of recordings.

    Raises
    ------
    ConfigurationError
        No recording has these subjects, or the local copy has none of them.
    """
    rows = [row for row in read_rows(tables / TABLE) if int(row["subject"][3:]) in parse_subjects(subjects)]
    if not rows:
        raise ConfigurationError(f"datasets.{name}.subjects: Sleep-EDF has no subject in '{subjects}'; it has 0-82")
    if path is None:
        check_writable(name, Path("data/sleepedf"))
        return [_downloaded(row) for row in rows], []
    nights = {row["recording"][:6] for row in rows}
    files = find_files(name, path, f"({'|'.join(sorted(nights))})\\w{{2}}-(PSG|Hypnogram)\\.edf")
    psgs = _by_night(name, files, "-PSG.edf")
    hypnograms = _by_night(name, files, "-Hypnogram.edf")
    recordings = [
        Recording(
            name=row["recording"],
            subject=row["subject"],
            night=int(row["night"]),
            psg=psgs.get(row["recording"][:6]),
            hypnogram=hypnograms.get(row["recording"][:6]),
            rates=RATES_HZ,
            lights_off=row["lights_off"],
            sha1={"psg": row["psg_sha1"], "hypnogram": row["hypnogram_sha1"]},
        )
        for row in rows
    ]
    present = [recording for recording in recordings if recording.psg or recording.hypnogram]
    if not present:
        raise ConfigurationError(
            f"datasets.{name}.path: '{path}' has none of the {len(rows)} recordings, such as "
            f"{rows[0]['recording']}-PSG.edf; give the folder of the local copy, or leave path: out to fetch them"
        )
    return present, [recording.name for recording in recordings if not (recording.psg or recording.hypnogram)]


def parse_subjects(text: str) -> set[int]:
    """Numbers of subjects in ``0-5,8``."""
    numbers: set[int] = set()
    for part in text.split(","):
        first, _, last = part.partition("-")
        numbers.update(range(int(first), int(last or first) + 1))
    return numbers


def checksums(night: str, scorer: str, tables: Path) -> dict[str, str]:
    """Published files of a night and their checksums, the small one first: ``{"SC4001EC-Hypnogram.edf": "sha1:…"}``."""
    row = next(row for row in read_rows(tables / TABLE) if row["hypnogram"] == night + scorer)
    return {
        f"{row['hypnogram']}-Hypnogram.edf": f"sha1:{row['hypnogram_sha1']}",
        f"{row['recording']}-PSG.edf": f"sha1:{row['psg_sha1']}",
    }


def published_set(names: Sequence[str], tables: Path) -> str | None:
    """Name of the set of recordings, among `STUDIES`, that these are."""
    subject = {row["recording"]: int(row["subject"][3:]) for row in read_rows(tables / TABLE)}
    for study, numbers in STUDIES.items():
        if set(names) == {recording for recording, number in subject.items() if number in numbers}:
            return study
    return None


def _by_night(name: str, files: Mapping[str, Path], ending: str) -> dict[str, Path]:
    """Files of one ending by the first six characters of their names."""
    found: dict[str, Path] = {}
    for file in files:
        if file.endswith(ending):
            if file[:6] in found:
                both = f"{found[file[:6]].name} and {file}"
                raise ConfigurationError(f"datasets.{name}.path: {both} are of the same night; keep one of them")
            found[file[:6]] = files[file]
    return found


def _downloaded(row: dict[str, str]) -> Recording:
    # A folder a night, named after its hypnogram: a rule's files need their wildcards in common.
    folder = Path("data/sleepedf") / row["hypnogram"]
    return Recording(
        name=row["recording"],
        subject=row["subject"],
        night=int(row["night"]),
        psg=folder / f"{row['recording']}-PSG.edf",
        hypnogram=folder / f"{row['hypnogram']}-Hypnogram.edf",
        source=folder / "source.tsv",
        rates=RATES_HZ,
        lights_off=row["lights_off"],
    )
