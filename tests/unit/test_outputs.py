"""Files of a scored night, read back by other programs than the one that wrote them."""

import errno
import json
import os
import re
import resource
import shutil
import subprocess
import sys
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import edfio
import mne
import numpy as np
import pandas as pd
import pyedflib
import pytest
import yasa
from matplotlib import pyplot as plt
from sklearn.metrics import accuracy_score, cohen_kappa_score, f1_score

from hypnolens import __version__
from hypnolens.errors import RecordingError
from hypnolens.io.tables import read_rows
from hypnolens.recordings.edf import read_annotations
from hypnolens.recordings.hypnogram import read_stages
from hypnolens.scoring import outputs
from hypnolens.scoring.names import bids_name, file_names
from hypnolens.scoring.night_statistics import statistics_of
from hypnolens.scoring.outputs import summary, write_outputs
from hypnolens.scoring.scored import Detail, Scored
from hypnolens.stages import CODE, MOVEMENT, STAGES, UNSCORED
from tests.nights import scored_night

pytestmark = pytest.mark.filterwarnings("error")

START = datetime(2021, 3, 4, 22, 30, 15)

SHOWN = np.array([*STAGES, "?"])

FILE = {"sha256": "ab" * 32, "file_rate": 256.0, "notes": ("C4-M1 was chosen.",), "warnings": ("The signal is short.",)}
"""What the file of a night is like that is staged at another rate than its own."""

MODEL, CAUTION = "demo-not-for-use", "Made from six simulated nights: not for use."


def _scored(
    n=60,
    *,
    seed=0,
    start=START,
    first_s=0.0,
    bad=(),
    human=False,
    lights=(None, None),
    name="n1",
    model=MODEL,
):
    """A night with random probabilities; ``bad`` are positions without a usable signal."""
    rng = np.random.default_rng(seed)
    probability = rng.dirichlet(np.full(5, 0.5), n).astype(np.float32)
    probability[list(bad)] = np.nan
    reasons = ["flat" if place % 2 else "clipped" for place in range(n)]
    return scored_night(
        probability, np.zeros((1, n, 2)), rate=100.0, start=start, first_s=first_s, lights=lights,
        human=rng.integers(0, 7, n) if human else None, unusable={place: reasons[place] for place in bad},
        models=(model, "second"), caution=CAUTION, below=0.5,
        said=("Three epochs are flat.", "The signal is short."), **FILE | {"name": name, "source": f"{name}.edf"},
    )  # fmt: skip


def _stages(scored):
    """Stages as they should be, from the probabilities."""
    return [
        "?" if np.isnan(row).any() else STAGES[max(range(5), key=lambda code: row[code])] for row in scored.probability
    ]


@pytest.fixture
def night(tmp_path):
    """A night with everything: gaps, human stages, lights, a grid that begins late."""
    scored = _scored(120, bad=(0, 1, 7, 8, 9, 119), human=True, lights=(300.0, 3300.0), first_s=12.5)
    return scored, write_outputs(scored, tmp_path / "new" / "out")


# All of them.


def test_all_files_are_there_and_name_the_model(night):
    _, files = night
    assert {path.name for path in files["stages"].parent.iterdir()} == {path.name for path in files.values()}
    assert {kind: path.name for kind, path in files.items()} == file_names("n1", page=False, reasons=False) == {
        "stages": "n1-stages.tsv", "hypnogram": "n1-hypnogram.edf", "events": "sub-n1_task-sleep_events.tsv",
        "events_description": "sub-n1_task-sleep_events.json", "yasa": "n1-yasa.json",
        "statistics": "n1-statistics.tsv", "transitions": "n1-transitions.tsv", "summary": "n1.json",
    }  # fmt: skip
    assert all(MODEL.encode() in path.read_bytes() for path in files.values())


def test_written_twice_it_has_the_same_bytes(night, tmp_path):
    scored, files = night
    first = {path.name: path.read_bytes() for path in files.values()}
    write_outputs(scored, files["stages"].parent)  # over the old ones
    other = write_outputs(scored, tmp_path / "elsewhere")
    for folder in (files["stages"].parent, other["stages"].parent):
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == first
    changed = write_outputs(_scored(120, seed=1), files["stages"].parent)
    assert all(path.read_bytes() != first[path.name] for path in changed.values())


# NAME-stages.tsv.


def test_the_table_of_stages(night):
    scored, files = night
    table = pd.read_csv(files["stages"], sep="\t")
    assert list(table.columns) == [
        "epoch", "onset_s", "clock", "stage", "confidence", "p_W", "p_N1", "p_N2", "p_N3", "p_R", "review", "unusable",
        "human", "model",
    ]  # fmt: skip
    assert table["epoch"].tolist() == list(range(1, 121)) and table["onset_s"].tolist() == [
        12.5 + 30 * place for place in range(120)
    ]
    assert table["stage"].tolist() == _stages(scored) and table["stage"].tolist().count("?") == 6
    numbers = table[["p_W", "p_N1", "p_N2", "p_N3", "p_R"]].to_numpy()
    np.testing.assert_allclose(numbers, scored.probability, atol=1e-6)
    np.testing.assert_allclose(table["confidence"], numbers.max(axis=1), atol=1e-6)
    assert ((table["review"] == "yes") == (table["confidence"] < 0.5)).all() and set(table["review"]) == {"yes", "no"}
    assert table.loc[[0, 1, 2, 7, 8], "unusable"].tolist() == ["clipped", "flat", "no", "flat", "clipped"]
    assert (table["model"] == MODEL).all()
    # Epoch 3 begins 72.5 s after 22:30:15, and the last one, 120, an hour later all but 47.5 s.
    assert table.loc[2, "clock"] == "22:31:27.500000" and table.loc[119, "clock"] == "23:29:57.500000"
    human = np.array([*STAGES, "?", "MT"])[scored.night.human]
    assert table["human"].tolist() == human.tolist() and set(human) == {*STAGES, "?", "MT"}
    # And no cell is empty, for readers that would take it for a missing one.
    rows = read_rows(files["stages"])
    assert len(rows) == 120 and all(cell for row in rows for cell in row.values())
    assert rows[0]["stage"] == "?" and rows[0]["confidence"] == rows[0]["p_R"] == "nan" and rows[0]["onset_s"] == "12.5"


@pytest.mark.parametrize(
    ("start", "clock"),
    [
        (START.replace(hour=23, minute=59, second=45), ["23:59:45", "00:00:15"]),
        (datetime(1, 1, 1, 23, 59, 45), ["23:59:45", "00:00:15"]),  # a time without a date
        (datetime(1, 1, 1), None),  # neither
    ],
)
def test_times_of_day_are_there_where_they_are_known(tmp_path, start, clock):
    scored = _scored(2, start=start, lights=(-15.0, 60.0))
    table = pd.read_csv(write_outputs(scored, tmp_path)["stages"], sep="\t")
    assert ("clock" in table) == (clock is not None) and "human" not in table
    if clock:
        assert table["clock"].tolist() == clock
    found = summary(scored)
    assert found["start_date"] == (None if start.year == 1 else "2021-03-04")
    assert (found["start_time"], found["lights_off"], found["lights_on"]) == (
        ("23:59:45", "23:59:30", "00:00:45") if clock else (None, None, None)
    )
    assert (found["lights_off_s"], found["lights_on_s"]) == (-15, 60)


def test_fractions_of_seconds_are_decimal_in_tables(tmp_path):
    files = write_outputs(_scored(40, first_s=0.1), tmp_path)
    for kind, column in (("stages", "onset_s"), ("events", "onset")):
        assert [row[column] for row in read_rows(files[kind])][7:9] == ["210.1", "240.1"]


# NAME-hypnogram.edf.


def _read_by_mne(path):
    found = mne.read_annotations(path)
    return list(zip(found.onset, found.duration, found.description, strict=True))


def _read_by_pyedflib(path):
    reader = pyedflib.EdfReader(str(path))
    found = [list(column) for column in reader.readAnnotations()]
    reader.close()
    return list(zip(*found, strict=True))


@pytest.mark.parametrize(
    ("start", "first_s"),
    [
        (START, 0.0),
        (START, 12.5),
        (START, 29.999),
        (START, 0.004),  # one sample at 250 Hz
        (START.replace(microsecond=200_000), 0.1),
        (START.replace(microsecond=996_094), 1 / 3),
        (datetime(1985, 1, 1, 0, 0), 0.0),
        (datetime(2084, 12, 31, 23, 59, 59), 7.25),
        (datetime(1, 1, 1, 22, 30, 15), 12.5),  # no date
        (datetime(1, 1, 1), 0.0),  # nor a time
        (datetime(1924, 3, 4, 22, 30, 15), 12.5),  # dates of anonymised recordings of BIDS, which EDF cannot hold
    ],
)
def test_three_readers_find_the_same_stages_at_the_same_times(tmp_path, start, first_s):
    scored = _scored(50, start=start, first_s=first_s, bad=(0, 5, 6, 49))
    path = write_outputs(scored, tmp_path)["hypnogram"]
    ours = read_annotations(path, "n1")
    for entries in (ours.entries, _read_by_mne(path), _read_by_pyedflib(path)):
        onsets, durations, texts = zip(*entries, strict=True)
        np.testing.assert_allclose(onsets, first_s + 30.0 * np.arange(50), atol=1e-6)
        assert set(durations) == {30} and list(texts) == [f"Sleep stage {stage}" for stage in _stages(scored)]
    found = read_stages(path, start=start, duration_s=first_s + 50 * 30 + 11, recording="n1")
    assert found.stages.tolist() == [{**CODE, "?": UNSCORED}[stage] for stage in _stages(scored)]
    assert found.first_s == pytest.approx(first_s, abs=1e-6)
    # The start: ours to the microsecond, theirs to the second.
    dated = 1985 <= start.year <= 2084
    assert ours.start == (start if dated else datetime.combine(datetime.min.date(), start.time()))
    reader = pyedflib.EdfReader(str(path))
    theirs = reader.getStartdatetime()
    reader.close()
    assert theirs.time().replace(microsecond=0) == start.time().replace(microsecond=0)
    assert theirs.date() == (start.date() if dated else datetime(1985, 1, 1).date())


def test_a_signal_and_its_hypnogram_agree_on_time(tmp_path):
    """MNE lays annotations on a recording by its first sample; those of a start within a second must not slip."""
    start = START.replace(microsecond=500_000)
    edf = edfio.Edf(
        [edfio.EdfSignal(np.zeros(100 * 100), 100, label="EEG", physical_dimension="uV", physical_range=(-200, 200))],
        recording=edfio.Recording(startdate=start.date()), starttime=start.time(), annotations=(),
    )  # fmt: skip
    edf.write(tmp_path / "n1.edf")
    path = write_outputs(_scored(3, start=start, first_s=5.0), tmp_path)["hypnogram"]
    raw = mne.io.read_raw_edf(tmp_path / "n1.edf", verbose="error")
    raw.set_annotations(mne.read_annotations(path))
    samples, _ = mne.events_from_annotations(raw, chunk_duration=30.0, verbose="error")
    assert samples[:, 0].tolist() == [500, 3500, 6500]


def test_a_day_of_short_bouts_is_read_too(tmp_path):
    scored = _scored(2 * 60 * 36)
    path = write_outputs(scored, tmp_path)["hypnogram"]
    texts = [f"Sleep stage {stage}" for stage in _stages(scored)]
    assert [text for _, _, text in _read_by_pyedflib(path)] == [text for _, _, text in _read_by_mne(path)] == texts
    assert len(read_annotations(path, "n1").entries) == len(texts) == 4320


@pytest.mark.parametrize(
    ("model", "code"),
    [
        ("demo-not-for-use", "demo-not-for-use"),
        ("Réseau à  neurones, 3 nights", "Reseau_a_neurones,_3_nights"),
        ("夜", "X"),
        ("", "X"),
        (f"not-for-use-{'x' * 100}-v2", None),
    ],
)
def test_the_header_names_the_model_and_nobody(tmp_path, model, code):
    path = write_outputs(_scored(model=model), tmp_path)["hypnogram"]
    header = path.read_bytes()[:256]
    assert header[8:88].rstrip() == b"X X X X" and header[:8] == b"0       " and header[192:197] == b"EDF+C"
    fields = header[88:168].decode("ascii").split()
    assert fields[:4] == ["Startdate", "04-MAR-2021", "X", "X"] and len(fields) == 5
    assert header[168:184] == b"04.03.2122.30.15"
    if code is None:
        assert len(fields[4]) > 50 and fields[4].startswith("not-for-use-xxx") and fields[4].endswith("xxx-v2")
    else:
        assert fields[4] == code
    undated = write_outputs(_scored(start=datetime(1, 1, 1, 22, 0)), tmp_path)["hypnogram"].read_bytes()
    assert undated[88:168].decode("ascii").split()[:2] == ["Startdate", "X"]


# BIDS.


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("sub-01_task-sleep", "sub-01_task-sleep"),
        ("sub-01_ses-2_task-sleep_run-1", "sub-01_ses-2_task-sleep_run-1"),
        ("sub-01_ses-2_task-nap_acq-hd_run-01_eeg", "sub-01_ses-2_task-nap_acq-hd_run-01"),
        ("sub-01", "sub-01_task-sleep"),
        ("sub-01_ses-2_eeg", "sub-01_ses-2_task-sleep"),
        ("SC4001E0-PSG", "sub-SC4001E0PSG_task-sleep"),
        ("sub-01_run-1_task-sleep", "sub-sub01run1tasksleep_task-sleep"),  # not the order of BIDS
        ("sub-0-1_task-sleep", "sub-sub01tasksleep_task-sleep"),
        ("Müller, night 2", "sub-Mllernight2_task-sleep"),
    ],
)
def test_names_of_events(name, expected):
    assert bids_name(name) == expected and file_names(name)["events"] == f"{expected}_events.tsv"


def test_a_name_without_a_letter_of_bids_has_one_all_the_same():
    found = [bids_name(name) for name in ("夜", "晩", "--")]
    assert len(set(found)) == 3 and all(re.fullmatch(r"sub-[0-9a-f]{8}_task-sleep", name) for name in found)


def test_events_keep_the_rules_of_the_specification(night):
    """Rule by rule: BIDS 1.10, "Task events" and "Tabular files"."""
    scored, files = night
    raw = files["events"].read_bytes()
    assert raw.decode("utf-8") and b"\r" not in raw and raw.endswith(b"\n")
    lines = [line.split("\t") for line in raw.decode().splitlines()]
    columns = lines[0]
    # "onset" first, "duration" second; no name blank or twice; snake case that begins with a small letter.
    assert columns[:2] == ["onset", "duration"] and len(set(columns)) == len(columns)
    assert all(re.fullmatch(r"[a-z][a-z0-9_]*", column) for column in columns)
    # One row an event, as many cells in each; none empty, missing ones n/a; numbers with a dot.
    assert len(lines) == 121 and {len(line) for line in lines} == {len(columns)}
    cells = {cell for line in lines[1:] for cell in line}
    assert "" not in cells and not cells & {"nan", "NaN", "None", "?"} and "n/a" in cells
    rows = [dict(zip(columns, line, strict=True)) for line in lines[1:]]
    number = r"-?\d+(\.\d+)?([eE][+-]?\d+)?"
    assert all(re.fullmatch(number, row["onset"]) and re.fullmatch(number, row["duration"]) for row in rows)
    assert all(
        row[column] == "n/a" or re.fullmatch(number, row[column])
        for row in rows for column in columns if column.startswith("p_") or column == "confidence"
    )  # fmt: skip
    # The same things as in the other files.
    assert [float(row["onset"]) for row in rows] == [12.5 + 30 * place for place in range(120)]
    assert {float(row["duration"]) for row in rows} == {30}
    assert [row["trial_type"] for row in rows] == ["n/a" if stage == "?" else stage for stage in _stages(scored)]
    np.testing.assert_allclose([float(row["p_n3"]) for row in rows if row["p_n3"] != "n/a"],
                               scored.probability[scored.usable, 3], atol=1e-6)  # fmt: skip
    assert [row["review"] for row in rows].count("yes") == len(scored.review) > 0
    assert [rows[place]["review"] for place in (0, 119)] == ["n/a", "n/a"]
    assert [rows[place]["unusable"] for place in (0, 1, 2)] == ["clipped", "flat", "n/a"]
    assert {row["human"] for row in rows} == {*STAGES, "n/a", "MT"} and {row["model"] for row in rows} == {MODEL}
    # The description: UTF-8, the same name, an object for each column with texts of the kinds that there are.
    described = json.loads(files["events_description"].read_text(encoding="utf-8"))
    assert files["events_description"].stem == files["events"].stem
    assert set(columns) == set(described)  # the 1.x validator refuses what is no object, such as "GeneratedBy"
    for column in columns:
        entry = described[column]
        assert set(entry) <= {"LongName", "Description", "Levels", "Units", "Delimiter", "TermURL", "HED"}
        assert entry["Description"] and all(isinstance(entry[key], str) for key in set(entry) - {"Levels"})
        if "Levels" in entry:
            assert {row[column] for row in rows} - {"n/a"} <= set(entry["Levels"])
            assert all(isinstance(text, str) and text for text in entry["Levels"].values())
    assert described["onset"]["Units"] == described["duration"]["Units"] == "s"
    made = described["model"]
    assert f"hypnolens {__version__}" in made["Description"] and f"stages by: {MODEL}, second; " in made["Description"]
    assert made["Levels"] == {MODEL: CAUTION}


def _validator():
    """The command of a BIDS validator, of either generation."""
    here = Path(sys.executable).parent
    for command in (os.environ.get("HYPNOLENS_BIDS_VALIDATOR"), "bids-validator-deno", "bids-validator"):
        if command and (found := shutil.which(command) or shutil.which(command, path=here)):
            return found
    pytest.skip(
        "no BIDS validator; `pip install bids-validator-deno`, or `npm install bids-validator@1.15.0` and its path in "
        "HYPNOLENS_BIDS_VALIDATOR"
    )


def _dataset(folder, name):
    """A dataset of one EEG recording that a validator has nothing against."""
    subject = name.split("_")[0]
    eeg = folder / subject / "eeg"
    eeg.mkdir(parents=True)
    (folder / "README").write_text("A recording of noise, to try a validator on the events that lie beside it.\n" * 5)
    described = {"Name": "Noise", "BIDSVersion": "1.10.0", "DatasetType": "raw", "License": "CC0", "Authors": ["A"]}
    (folder / "dataset_description.json").write_text(json.dumps(described))
    (folder / "participants.tsv").write_text(f"participant_id\tage\n{subject}\t30\n")
    (folder / "participants.json").write_text(json.dumps({"age": {"Description": "Age", "Units": "year"}}))
    signal = np.random.default_rng(0).normal(0, 20, 60 * 30 * 100).clip(-190, 190)
    edf = edfio.Edf(
        [edfio.EdfSignal(signal, 100, label="C4-M1", physical_dimension="uV", physical_range=(-200, 200))],
        recording=edfio.Recording(startdate=START.date()), starttime=START.time(),
    )  # fmt: skip
    edf.write(eeg / f"{name}_eeg.edf")
    (eeg / f"{name}_eeg.json").write_text(json.dumps({
        "TaskName": "sleep", "SamplingFrequency": 100, "PowerLineFrequency": 50, "EEGReference": "M1",
        "SoftwareFilters": "n/a", "EEGChannelCount": 1, "RecordingDuration": 1800, "RecordingType": "continuous",
        "EOGChannelCount": 0, "ECGChannelCount": 0, "EMGChannelCount": 0,
        "TriggerChannelCount": 0, "EEGPlacementScheme": "10-20",
    }))  # fmt: skip
    (eeg / f"{name}_channels.tsv").write_text("name\ttype\tunits\nC4-M1\tEEG\tuV\n")
    return eeg


def _issues(command, folder):
    """Whether the validator is content with a dataset, and what it says of its events."""
    found = subprocess.run([command, str(folder), "--json"], capture_output=True, text=True, timeout=120, check=False)
    issues = json.loads(found.stdout)["issues"]
    every = issues["issues"] if "issues" in issues else issues["errors"] + issues["warnings"]
    # Both generations recommend details of a presentation of stimuli, of which a sleeper has none.
    of_events = [issue for issue in every if "_events" in json.dumps(issue) and "Stimulus" not in json.dumps(issue)]
    return found.returncode == 0, of_events


@pytest.mark.parametrize(("name", "human"), [("sub-01_task-sleep", False), ("Night #2", True)])
def test_the_validator_of_bids_finds_nothing(tmp_path, name, human):
    command = _validator()
    scored = _scored(human=human, bad=(3, 4), name=name)
    eeg = _dataset(tmp_path / "data", bids_name(name))
    files = write_outputs(scored, tmp_path / "out")
    for kind in ("events", "events_description"):
        shutil.copy(files[kind], eeg / files[kind].name)
    assert _issues(command, tmp_path / "data") == (True, [])
    # And would have found something.
    table = pd.read_csv(files["events"], sep="\t", na_filter=False)
    table[["duration", "onset", *table.columns[2:]]].to_csv(eeg / files["events"].name, sep="\t", index=False)
    content, found = _issues(command, tmp_path / "data")
    assert not content and found


# NAME-yasa.json.


def test_yasa_reads_its_hypnogram(night):
    scored, files = night
    found = yasa.Hypnogram.from_json(files["yasa"])
    theirs = {"W": "WAKE", "R": "REM", "?": "UNS"}
    assert found.hypno.tolist() == [theirs.get(stage, stage) for stage in _stages(scored)]
    assert (found.scorer, found.freq, found.n_stages) == (MODEL, "30s", 5)
    assert found.start == START + timedelta(seconds=12.5)
    assert list(found.proba.columns) == ["WAKE", "N1", "N2", "N3", "REM", "UNS"]
    np.testing.assert_allclose(found.proba.iloc[:, :5][scored.usable], scored.probability[scored.usable], atol=1e-6)
    assert found.proba[~scored.usable].to_numpy().tolist() == 6 * [[0, 0, 0, 0, 0, 1]]
    found.plot_hypnodensity()
    plt.close("all")


@pytest.mark.parametrize("start", [datetime(1, 1, 1, 22, 0), datetime(1, 1, 1), datetime(1924, 1, 1, 22, 0), START])
def test_yasa_has_a_start_where_there_is_a_date(tmp_path, start):
    scored = _scored(start=start)
    found = yasa.Hypnogram.from_json(write_outputs(scored, tmp_path)["yasa"])
    assert found.start == (None if start.year == 1 else pd.Timestamp(start))
    assert list(found.proba.columns) == ["WAKE", "N1", "N2", "N3", "REM"]  # and no UNS, as all epochs are usable


def test_what_yasa_counts_on_its_own_are_our_statistics(tmp_path):
    files = write_outputs(_scored(400, seed=3, bad=range(50, 60)), tmp_path)
    theirs = yasa.Hypnogram.from_json(files["yasa"]).sleep_statistics()
    table = pd.read_csv(files["statistics"], sep="\t").set_index("statistic")["value"]
    for ours, name in {"tst_min": "TST", "se_percent": "SE", "waso_min": "WASO", "N2_percent": "%N2"}.items():
        assert table[ours] == pytest.approx(theirs[name], abs=1e-4)


# NAME-statistics.tsv and NAME-transitions.tsv.


def _certain(text, **options):
    """A night whose stages are known."""
    stage = np.array([{**CODE, "?": UNSCORED}[name] for name in text.split()])
    scored = _scored(len(stage), **options)
    probability = np.where(np.arange(5) == stage[:, None], 0.8, 0.05).astype(np.float32)
    probability[stage == UNSCORED] = np.nan
    statistics, transitions = statistics_of(stage, first_s=scored.night.first_s, lights=scored.night.lights)
    return Scored(**{
        **vars(scored), "probability": probability, "usable_by_channel": stage[None] != UNSCORED,
        "statistics": statistics, "transitions": transitions,
        "unusable": tuple("flat" if code == UNSCORED else "" for code in stage),
    })  # fmt: skip


def test_latencies_are_from_the_start_and_from_sleep_onset(tmp_path):
    scored = _certain("W W N1 N2 N2 ? N3 R W", lights=(30.0, None))
    table = pd.read_csv(write_outputs(scored, tmp_path)["statistics"], sep="\t")
    assert list(table.columns) == ["statistic", "name", "value", "unit", "model"]
    assert table["name"].is_unique and set(table["unit"]) == {"min", "%"} and (table["model"] == MODEL).all()
    rows = table.set_index("statistic")
    from_off = rows.loc[["sol_min", "lat_N1_min", "lat_N2_min", "lat_N3_min", "lat_R_min"]]
    assert (
        from_off["value"].tolist() == [0.5, 0.5, 1, 2.5, 3] and from_off["name"].str.contains("from lights off").all()
    )
    onset = rows.loc[["N1_latency_min", "N2_latency_min", "N3_latency_min", "rem_latency_min"]]
    assert onset["value"].tolist() == [0, 0.5, 2, 2.5] and onset["name"].str.contains("from sleep onset").all()
    assert rows.loc["tib_min", "value"] == 4 and "lights off to end of recording" in rows.loc["tib_min", "name"]
    rows = pd.read_csv(write_outputs(_certain("W N2 W"), tmp_path)["statistics"], sep="\t").set_index("statistic")
    assert "from start of recording" in rows.loc["sol_min", "name"] and np.isnan(rows.loc["lat_R_min", "value"])
    assert (
        "\nlat_R_min\tlatency of R (from start of recording)\tnan\tmin\t"
        in (tmp_path / "n1-statistics.tsv").read_text()
    )


def test_human_stages_have_a_column_of_statistics(tmp_path):
    scored = _certain("W N2 N2 R R W", human=True)
    scored.night.human[:] = [CODE["W"], CODE["W"], CODE["N2"], MOVEMENT, CODE["R"], UNSCORED]
    rows = pd.read_csv(write_outputs(scored, tmp_path)["statistics"], sep="\t").set_index("statistic")
    names = ["tst_min", "sol_min", "N2_min", "unscored_min", "rem_latency_min", "N2_latency_min"]
    assert rows.loc[names, "value"].tolist() == [2, 0.5, 1, 0, 1, 0]
    assert rows.loc[names, "human"].tolist() == [1, 1, 0.5, 1, 1, 0]


def test_transitions(tmp_path):
    path = write_outputs(_certain("W W N1 N2 N2 ? N3 R W W W"), tmp_path)["transitions"]
    table = pd.read_csv(path, sep="\t")
    assert list(table.columns) == ["from", "to", "count", "probability", "model"] and len(table) == 25
    rows = table.set_index(["from", "to"])
    counts = rows["count"][rows["count"] > 0].to_dict()
    assert counts == {("W", "W"): 3, ("W", "N1"): 1, ("N1", "N2"): 1, ("N2", "N2"): 1, ("N3", "R"): 1, ("R", "W"): 1}
    shares = rows["probability"]
    assert shares["W", "W"] == 0.75 and shares["W", "N1"] == 0.25 and shares["N2", "N2"] == 1 and shares["W", "R"] == 0
    last = _certain("W N1 N2")
    table = pd.read_csv(write_outputs(last, tmp_path)["transitions"], sep="\t")
    assert table.loc[table["from"].isin(["N2", "N3", "R"]), "probability"].isna().all()


# NAME.json.


def test_the_summary_is_what_the_file_holds(night):
    scored, files = night
    found = summary(scored, page=False)
    text = files["summary"].read_text(encoding="utf-8")
    assert json.loads(text, parse_constant=lambda word: pytest.fail(word)) == found
    assert found["files"] == {kind: path.name for kind, path in files.items()}
    assert (found["hypnolens"], found["name"], found["models"]) == (__version__, "n1", [MODEL, "second"])
    assert (found["caution"], found["notes"]) == (CAUTION, ["C4-M1 was chosen."])
    assert found["warnings"] == ["Three epochs are flat.", "The signal is short."]
    assert (found["file"], found["sha256"], found["channels"]) == ("n1.edf", "ab" * 32, ["C4-M1"])
    assert (found["rate_hz"], found["model_rate_hz"]) == (256, 100)
    assert (found["start_date"], found["start_time"], found["first_s"]) == ("2021-03-04", "22:30:15", 12.5)
    assert (found["lights_off"], found["lights_on"]) == ("22:35:15", "23:25:15")
    assert found["statistics_span"] == "lights off to lights on"
    stages = _stages(scored)
    assert found["n_epochs"] == 120 and found["minutes"] == {
        **{stage: stages.count(stage) / 2 for stage in STAGES}, "unusable": 3
    }  # fmt: skip
    table = pd.read_csv(files["statistics"], sep="\t").set_index("statistic")
    assert found["statistics"] == pytest.approx(table["value"].to_dict())
    assert found["human"]["statistics"] == pytest.approx(table["human"].to_dict())
    low = [place for place, row in enumerate(scored.probability) if row.max() < 0.5]
    assert found["review"]["below"] == 0.5 and [entry["epoch"] - 1 for entry in found["review"]["epochs"]] == low
    first = found["review"]["epochs"][0]
    assert first["onset_s"] == 12.5 + 30 * low[0] and first["stage"] == stages[low[0]]
    assert first["confidence"] == pytest.approx(scored.probability[low[0]].max(), abs=1e-6)
    assert found["unusable"] == [
        {"first_epoch": 1, "last_epoch": 1, "onset_s": 12.5, "duration_s": 30, "reason": "clipped"},
        {"first_epoch": 2, "last_epoch": 2, "onset_s": 42.5, "duration_s": 30, "reason": "flat"},
        {"first_epoch": 8, "last_epoch": 8, "onset_s": 222.5, "duration_s": 30, "reason": "flat"},
        {"first_epoch": 9, "last_epoch": 9, "onset_s": 252.5, "duration_s": 30, "reason": "clipped"},
        {"first_epoch": 10, "last_epoch": 10, "onset_s": 282.5, "duration_s": 30, "reason": "flat"},
        {"first_epoch": 120, "last_epoch": 120, "onset_s": 3582.5, "duration_s": 30, "reason": "flat"},
    ]


def test_agreement_with_human_stages_is_that_of_scikit_learn():
    scored = _scored(500, seed=5, bad=range(100, 130), human=True)
    human = scored.night.human
    both = (human < 5) & scored.usable
    true, predicted = SHOWN[human[both]], np.array(_stages(scored))[both]
    found = summary(scored)["human"]
    assert found["n_epochs"] == both.sum() < scored.usable.sum()
    assert found["accuracy"] == pytest.approx(accuracy_score(true, predicted), abs=1e-4)
    assert found["kappa"] == pytest.approx(cohen_kappa_score(true, predicted), abs=1e-4)
    f1 = f1_score(true, predicted, average=None, labels=list(STAGES))
    assert list(found["f1"].values()) == pytest.approx(f1, abs=1e-4) and list(found["f1"]) == list(STAGES)
    assert found["macro_f1"] == pytest.approx(f1.mean(), abs=1e-4)


def test_what_does_not_exist_is_null(tmp_path):
    assert summary(_scored())["human"] is None and summary(_scored())["unusable"] == []
    nothing = _scored(4, bad=range(4), human=True)
    text = json.dumps(summary(nothing), allow_nan=False)
    found = json.loads(text)
    assert found["statistics"]["tst_min"] is None and found["review"]["epochs"] == []
    assert found["human"]["n_epochs"] == 0 and found["human"]["accuracy"] is found["human"]["macro_f1"] is None
    assert set(found["human"]["f1"].values()) == {None}
    whole = _certain("? ? W ? ? ?")
    stretches = [tuple(entry.values()) for entry in summary(whole)["unusable"]]
    assert stretches == [(1, 2, 0, 60, "flat"), (4, 6, 90, 90, "flat")]
    files = write_outputs(nothing, tmp_path)  # and every file can be written
    assert set(pd.read_csv(files["stages"], sep="\t")["stage"]) == {"?"}
    assert yasa.Hypnogram.from_json(files["yasa"]).hypno.tolist() == 4 * ["UNS"]
    assert {text for _, _, text in _read_by_mne(files["hypnogram"])} == {"Sleep stage ?"}


# Disks that are full, and folders that are none.


def test_a_full_disk_leaves_the_old_files(tmp_path):
    old = {path: path.read_bytes() for path in write_outputs(_scored(), tmp_path).values()}
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))  # the real thing: a write stops half-way
    try:
        with pytest.raises(RecordingError) as caught:
            write_outputs(_scored(1000, seed=1), tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert str(caught.value) == (
        f"n1: results cannot be written to {tmp_path} (File too large); raise the limit of file sizes, or choose "
        "another folder"
    )
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == old  # and no remains of the new ones


@pytest.mark.parametrize(
    ("number", "remedy"),
    [
        (errno.ENOSPC, "make room there, or choose another folder"),
        (errno.EACCES, "give yourself permission to write there, or choose another folder"),
        (errno.EROFS, "make it writable, or choose another folder"),
        (errno.EIO, "choose another folder"),
    ],
)
@pytest.mark.parametrize("where", ["mkdir", "fsync"])
def test_what_the_system_refuses_is_one_line_with_a_remedy(tmp_path, monkeypatch, number, remedy, where):
    def refuse(*_, **__):
        raise OSError(number, os.strerror(number), "/somewhere")

    monkeypatch.setattr(*((Path, where) if where == "mkdir" else (os, where)), refuse)
    with pytest.raises(RecordingError) as caught:
        write_outputs(_scored(), tmp_path)
    assert str(caught.value) == f"n1: results cannot be written to {tmp_path} ({os.strerror(number)}); {remedy}"
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_read_only(tmp_path):
    write_outputs(_scored(), tmp_path / "other")  # so that all is imported that a stranger may not read
    (tmp_path / "out").mkdir(mode=0o555)
    root = os.geteuid() == 0
    if root:  # to whom every folder is open
        os.seteuid(65_534)
    try:
        with pytest.raises(RecordingError, match="give yourself permission to write there, or choose another folder$"):
            write_outputs(_scored(), tmp_path / "out")
    finally:
        if root:
            os.seteuid(0)


def test_what_is_in_the_way_is_told(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(RecordingError, match="move away what has this name and is no folder"):
        write_outputs(_scored(), tmp_path / "file")
    with pytest.raises(RecordingError, match="move away what is no folder in this path"):
        write_outputs(_scored(), tmp_path / "file" / "out")
    (tmp_path / "out" / "n1-stages.tsv").mkdir(parents=True)
    with pytest.raises(RecordingError, match="move away the folder that has the name of an output"):
        write_outputs(_scored(), tmp_path / "out")
    with pytest.raises(RecordingError, match="give the recording a shorter name"):
        write_outputs(_scored(name="n" * 300), tmp_path)


def test_the_summary_is_never_older_than_the_rest(tmp_path, monkeypatch):
    """It vouches for the others, so that where they are being replaced there is none."""
    write_outputs(_scored(), tmp_path)
    replaced = []
    real = Path.replace

    def replace(self, target):
        if len(replaced) == 3:
            raise OSError(errno.EIO, "Input/output error")
        assert not (tmp_path / "n1.json").exists()
        replaced.append(target)
        return real(self, target)

    monkeypatch.setattr(Path, "replace", replace)
    with pytest.raises(RecordingError):
        write_outputs(_scored(seed=1), tmp_path)
    assert len(replaced) == 3 and not (tmp_path / "n1.json").exists()
    monkeypatch.undo()
    write_outputs(_scored(seed=1), tmp_path)
    assert json.loads((tmp_path / "n1.json").read_text())["name"] == "n1"


def _detail(scored):
    events = pd.DataFrame({"onset_s": [], "duration_s": [], "kind": []})
    return Detail("grad-cam", np.zeros((scored.n_epochs, 300), np.float32), events)


def test_the_page_is_one_of_the_files_and_the_summary_names_it(tmp_path):
    scored = replace(_scored(3), signal=np.zeros((1, 3, 3000), np.float32))
    files = write_outputs(scored, tmp_path, _detail(scored))
    assert files["page"] == tmp_path / "n1.html" and "<html" in files["page"].read_text()
    assert json.loads(files["summary"].read_text()) == summary(scored)
    # Without one, that of the run before would contradict the tables.
    assert "page" not in write_outputs(_scored(3, seed=1), tmp_path) and not files["page"].exists()


def test_a_page_that_cannot_be_written_leaves_the_files_of_the_run_before(tmp_path, monkeypatch):
    old = {path: path.read_bytes() for path in write_outputs(_scored(3), tmp_path).values()}

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(outputs, "write_page", full)
    scored = _scored(3, seed=1)
    with pytest.raises(RecordingError, match="No space left on device"):
        write_outputs(scored, tmp_path, _detail(scored))
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == old
