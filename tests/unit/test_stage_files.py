"""Stages as XML of the NSRR and as tables: read by content, with times or one a line, alike in both ways in."""

from datetime import datetime

import numpy as np
import pytest

from hypnolens.errors import RecordingError
from hypnolens.recordings.extraction import extract
from hypnolens.recordings.hypnogram import read_stages
from hypnolens.recordings.stage_files import texts_of
from hypnolens.scoring.reading import read_night
from hypnolens.stages import MOVEMENT, UNSCORED
from tests.conftest import pink, write_profusion, write_psg
from tests.unit.test_odd_files import CODES, OPTIONS, STAGES

NAMES = ("W", "N1", "N2", "N3", "R")
START = datetime(1989, 4, 24, 16, 13)
RK = {"W": 0, "1": 1, "2": 2, "3": 3, "R": 5}
DREAMS = {"W": 5, "1": 3, "2": 2, "3": 1, "R": 4}


def _stages(path, *, seconds=360.0, **how):
    return read_stages(path, start=START, duration_s=seconds, recording="a", **how)


def _nsrr(stages, *, more="", length="<EpochLength>30</EpochLength>"):
    named = {stage: f"Stage {stage} sleep|{stage}" for stage in "1234"}
    concepts = {"W": "Wake|0", "R": "REM sleep|5", "M": "Movement|6", "?": "Unscored|9", **named}
    events = "".join(
        f"<ScoredEvent><EventType>Stages|Stages</EventType><EventConcept>{concepts[stage]}</EventConcept>"
        f"<Start>{30 * place}</Start><Duration>30.0</Duration></ScoredEvent>"
        for place, stage in enumerate(stages)
    )
    start = (
        "<ScoredEvent><EventType/><EventConcept>Recording Start Time</EventConcept><Start>0</Start>"
        "<Duration>360</Duration><ClockTime>00.00.00 16.13.00</ClockTime></ScoredEvent>"
    )
    scored = f"<ScoredEvents>{start}{events}{more}</ScoredEvents>"
    return f'<?xml version="1.0"?>\n<PSGAnnotation>{length}{scored}</PSGAnnotation>'


def _events(stages, *, columns=("onset", "duration", "stage"), sep="\t", of=NAMES):
    rows = [sep.join(columns)]
    for place, code in enumerate(stages):
        cells = {"onset": 30 * place, "duration": 30, "stage": of[code]}
        rows.append(sep.join(str(cells[key]) for key in ("onset", "duration", "stage")[: len(columns)]))
    return "\n".join(rows) + "\n"


TABLES = {
    "events.tsv": _events(CODES),
    "events.csv": _events(CODES, sep=","),
    "semicolons.csv": _events(CODES, sep=";"),
    "bids.tsv": _events(CODES, columns=("onset", "duration", "trial_type"), of=[f"Sleep stage {n}" for n in NAMES]),
    "ours.tsv": "epoch\tonset_s\tclock\tstage\n"
    + "".join(f"{n + 1}\t{30 * n}\t16:13:00\t{NAMES[code]}\n" for n, code in enumerate(CODES)),
    "one-a-line.txt": "\n".join(NAMES[code] for code in CODES),
    "named.csv": "Stage\r\n" + "\r\n".join(NAMES[code].lower() for code in CODES) + "\r\n",
    "yasa.csv": "Epoch,Stage\n" + "".join(f"{n},{NAMES[code]}\n" for n, code in enumerate(CODES)),
    "luna.eannot": "# by hand\n" + "\n".join(["wake", "NREM1", "NREM2", "NREM3", "REM"][code] for code in CODES),
    "a.stages": "\ufeff" + "\n".join(NAMES[code] for code in CODES),
    "nsrr.xml": _nsrr("W1223322RRWW"),
    "nsrr-without-ending": _nsrr("W1223322RRWW", length=""),
}


@pytest.mark.parametrize("name", TABLES)
def test_stages_are_read_by_content(tmp_path, name):
    path = tmp_path / name
    path.write_text(TABLES[name], encoding="utf-8")
    found = _stages(path)
    assert found.stages.tolist() == CODES and found.first_s == 0 and found.flags == []
    assert len(texts_of(path, "a")) == 12


def test_profusion_is_read_whatever_it_is_called(tmp_path):
    path = write_profusion(tmp_path / "stages.txt", [RK[stage] for stage in STAGES])
    assert _stages(path).stages.tolist() == CODES


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "latin-1"])
def test_tables_in_other_encodings(tmp_path, encoding):
    (tmp_path / "a.txt").write_bytes(f"# müde\n{TABLES['one-a-line.txt']}".encode(encoding))
    assert _stages(tmp_path / "a.txt").stages.tolist() == CODES


@pytest.mark.parametrize(
    "codes, numbers",
    [
        ("aasm", list(range(5))),
        ("rechtschaffen-kales", [RK[stage] for stage in "W123R"]),
        ("dreams", [DREAMS[stage] for stage in "W123R"]),
    ],
)
@pytest.mark.parametrize("form", ["{}", "{}.0"])
def test_numbers_need_a_named_table(tmp_path, codes, numbers, form):
    for name, text in (
        ("a.txt", "\n".join(form.format(numbers[code]) for code in CODES)),
        ("a.tsv", _events(CODES, of=[form.format(number) for number in numbers])),
    ):
        (tmp_path / name).write_text(text)
        assert _stages(tmp_path / name, codes=codes).stages.tolist() == CODES
        with pytest.raises(RecordingError, match="writes stages as numbers, which mean other stages in other programs; "
                                                 "say which, aasm or rechtschaffen-kales or dreams"):  # fmt: skip
            _stages(tmp_path / name)


def test_movement_and_unscored_are_what_they_are(tmp_path):
    (tmp_path / "a.xml").write_text(_nsrr("W4M?22"))
    assert _stages(tmp_path / "a.xml", seconds=180).stages.tolist() == [0, 3, MOVEMENT, UNSCORED, 2, 2]
    (tmp_path / "a.txt").write_text("0\n4\n6\n9\n2\n2\n")
    assert _stages(tmp_path / "a.txt", seconds=180, codes="rechtschaffen-kales").stages.tolist() == [
        0, 3, MOVEMENT, UNSCORED, 2, 2
    ]  # fmt: skip


def test_times_of_an_event_may_have_a_decimal_comma(tmp_path):
    (tmp_path / "a.xml").write_text(_nsrr("W1223322RRWW").replace("30.0<", "30,0<"))
    assert _stages(tmp_path / "a.xml").stages.tolist() == CODES


def test_marks_of_a_table_hold_until_the_next_and_other_events_are_counted(tmp_path):
    (tmp_path / "a.tsv").write_text("onset\tstage\n0\tW\n60\tN2\n90\tarousal\n240\tR\n")
    found = _stages(tmp_path / "a.tsv")
    assert found.stages.tolist() == [0, 0, *[2] * 6, *[4] * 4]
    assert any("1 annotations beside the stages" in doubt for doubt in found.doubts)
    arousal = (
        "<ScoredEvent><EventType>Arousals|Arousals</EventType><EventConcept>Arousal|Arousal ()</EventConcept>"
        "<Start>100.5</Start><Duration>9.1</Duration></ScoredEvent>"
    )
    (tmp_path / "a.xml").write_text(_nsrr("W1223322RRWW", more=arousal))
    assert any("1 annotations beside the stages" in doubt for doubt in _stages(tmp_path / "a.xml").doubts)


@pytest.mark.parametrize(
    "text, words",
    [
        ("W\nN1\nfoo\n", "line 3 gives the stage 'foo'; known are"),
        ("a\tb\n1\t2\n", "names no column of stages; call them onset, duration and stage"),
        ("onset\tduration\tstage\n0\tW\n", "line 2 has not 3 columns"),
        ("onset\tstage\n22:31:00\tW\n", "line 2 gives the time '22:31:00'; write seconds from"),
        ("onset\tstage\n\tW\n", "line 2 gives the time ''"),
        ("onset\tstage\ninf\tW\n", "line 2 gives the time 'inf'"),
        ("epoch,stage\n1,W\n3,W\n", "does not count its epochs one by one"),
        ("\n\n# nothing\n", "has no line"),
        ("stage\n", "has 0 stages, and its signal has 12 epochs"),
        ("W\0\nN1", "is neither EDF.*, nor XML, nor a table"),
        ("W\nN1\nN2\n", "has 3 stages, and its signal has 12 epochs"),
        ("onset\tstage\n0\tfoo\n", "holds no stages"),
        (_events(CODES, of=["7"] * 5), "line 2 gives the stage '7', which 'aasm' does not have"),
    ],
)
def test_what_is_no_table_of_stages_is_refused_in_one_line(tmp_path, text, words):
    (tmp_path / "a.txt").write_text(text)
    with pytest.raises(RecordingError, match=rf"^a: a\.txt.*{words}") as caught:
        _stages(tmp_path / "a.txt", codes="aasm")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text, words",
    [
        (_nsrr("W", length="<EpochLength>20</EpochLength>"), "has epochs of '20' s"),
        (_nsrr("W").replace("<Start>0</Start><Duration>30.0", "<Start/><Duration>30.0"), "does not say when it begins"),
        (_nsrr("W").replace("<Duration>30.0", "<Duration>1e999"), "does not say when it begins or how long"),
        (_nsrr(""), "holds no stages"),
        ("<html></html>", "is not Profusion's XML"),
    ],
)
def test_xml_that_does_not_say_enough_is_refused(tmp_path, text, words):
    (tmp_path / "a.xml").write_text(text)
    with pytest.raises(RecordingError, match=words):
        _stages(tmp_path / "a.xml")


def test_training_and_scoring_read_a_table_alike(tmp_path):
    psg = write_psg(tmp_path / "a-PSG.edf", {"EEG C4-A1": pink(12)})
    (tmp_path / "numbers.txt").write_text("\n".join(str(RK[stage]) for stage in STAGES))
    given = {"stage_codes": "rechtschaffen-kales"}
    epochs = extract(psg, tmp_path / "numbers.txt", channel=["EEG C4-A1"], **OPTIONS, **given)
    night = read_night(psg, hypnogram=tmp_path / "numbers.txt", **given)
    assert epochs.stage.tolist() == night.human.tolist() == CODES


def test_lights_of_the_file_beside_are_used(tmp_path):
    psg = write_psg(tmp_path / "a-PSG.edf", {"EEG C4-A1": pink(12)})
    (tmp_path / "a.tsv").write_text(TABLES["events.tsv"] + "45\t0\tLights Off\n310.5\t0\tlights on@@C4\n")
    night = read_night(psg, hypnogram=tmp_path / "a.tsv")
    assert night.lights == (45.0, 310.5) and night.human.tolist() == CODES
    assert read_night(psg, hypnogram=tmp_path / "a.tsv", lights=("60", None)).lights == (60.0, 310.5)
    epochs = extract(psg, tmp_path / "a.tsv", channel=["EEG C4-A1"], **OPTIONS)
    np.testing.assert_array_equal(epochs.stage, CODES)  # epochs outside of lights that are scored are kept
