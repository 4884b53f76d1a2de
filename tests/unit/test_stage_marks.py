"""Stages that are easily laid wrong: marks without durations, tables without times, notes, partial epochs."""

import numpy as np
import pytest

from hypnolens.errors import RecordingError
from hypnolens.recordings.extraction import extract
from hypnolens.recordings.vocabulary import numbered
from hypnolens.scoring.reading import read_night
from hypnolens.stages import UNSCORED
from tests.conftest import write_hypnogram, write_psg
from tests.odd import annotation, record_times, write_odd
from tests.unit.test_odd_files import CODES, EEG, OPTIONS, STAGES
from tests.unit.test_stage_files import NAMES, _stages

mne = pytest.importorskip("mne")

WORDS = [NAMES[code] for code in CODES]
GONE = [UNSCORED if place in (3, 4) else code for place, code in enumerate(CODES)]


def _written(folder, text, name="a.csv"):
    (folder / name).write_text(text)
    return folder / name


def _marks(words, columns="onset,stage"):
    return f"{columns}\n" + "".join(f"{30 * place},{word}\n" for place, word in enumerate(words))


@pytest.mark.parametrize("word", ["?", "", "nan", "UNS", "ART", "Stage X", "N7"])
def test_a_mark_that_is_not_read_ends_the_stage_before_it(tmp_path, word):
    words = [word if place in (3, 4) else name for place, name in enumerate(WORDS)]
    found = _stages(_written(tmp_path, _marks(words)))
    assert found.stages.tolist() == GONE
    assert any("look like stages and are not read" in doubt for doubt in found.doubts) == (word in ("Stage X", "N7"))


def test_awake_is_wake_and_roman_numbers_are_numbers(tmp_path):
    other = {"W": "AWAKE", "N1": "Stage I", "N2": "Stage II", "N3": "Stage IV", "R": "Stage REM"}
    assert _stages(_written(tmp_path, _marks([other[word] for word in WORDS]))).stages.tolist() == CODES


@pytest.mark.parametrize("columns", ["start,end,stage", "Begin [s],Stop [s],Stage", "onset_s,offset_s,sleep_stage"])
def test_an_end_is_as_good_as_a_duration(tmp_path, columns):
    rows = [f"{30 * n},{30 * n + 30},{word}\n" for n, word in enumerate(WORDS) if n not in (3, 4)]
    assert _stages(_written(tmp_path, columns + "\n" + "".join(rows))).stages.tolist() == GONE


def test_units_in_the_names_of_columns(tmp_path):
    rows = [f"{30 * n};30;{word}\n" for n, word in enumerate(WORDS) if n >= 3]
    found = _stages(_written(tmp_path, "Onset [s];Duration [s];Stage\n" + "".join(rows)))
    assert found.stages.tolist() == [UNSCORED] * 3 + CODES[3:]


@pytest.mark.parametrize(
    "text, words",
    [
        ("clock,stage\n" + "".join(f"22:0{n}:00,{word}\n" for n, word in enumerate(WORDS[:9])), "says when they were"),
        ("\n".join([*WORDS[:3], "", *WORDS[4:]]), "line 4 of a.csv is blank"),
        ("onset,stage,stage\n0,W,N1\n", "has 2 columns 'stage'"),
        (_marks(WORDS) + "0,N1\n60,N1\n", "gives two stages to one epoch at"),
    ],
)
def test_what_could_be_laid_in_two_ways_is_refused(tmp_path, text, words):
    with pytest.raises(RecordingError, match=words) as caught:
        _stages(_written(tmp_path, text))
    assert len(str(caught.value).splitlines()) == 1


def test_a_column_of_probabilities_beside_stages_hinders_nothing(tmp_path):
    text = "epoch,stage,confidence,p_W\n" + "".join(f"{n},{word},0.9,0.1\n" for n, word in enumerate(WORDS))
    assert _stages(_written(tmp_path, text)).stages.tolist() == CODES
    assert _stages(_written(tmp_path, text.replace(",0.1\n", ",0.1,\n"))).stages.tolist() == CODES  # a last separator


def test_stages_of_five_seconds_are_put_together_and_mixed_epochs_have_none(tmp_path):
    of = {0: "5", 1: "3", 2: "2", 3: "1", 4: "4"}
    fives = [of[code] for code in CODES for _ in range(6)]
    fives[6 * 3 + 2] = "5" if CODES[3] else "2"
    found = _stages(_written(tmp_path, "[hypnogram]\n" + "\n".join(fives)), codes="dreams")
    assert found.stages.tolist() == [UNSCORED if place == 3 else code for place, code in enumerate(CODES)]
    assert "a stage each 5 s; 1 epochs of more than one stage" in found.doubts[0]


@pytest.mark.parametrize("last", [17.2, 47.0])
def test_of_a_last_bout_that_is_not_whole_the_whole_epochs_count(tmp_path, last):
    rows = [f"{30 * n},{30 if n < 10 else last},{word}\n" for n, word in enumerate(WORDS[:11])]
    found = _stages(_written(tmp_path, "onset,duration,stage\n" + "".join(rows)))
    n = 10 + (last > 30)
    assert found.stages.tolist() == CODES[:n] + [UNSCORED] * (12 - n) and "its last bout" in found.doubts[0]


def test_a_first_bout_that_is_not_whole_moves_the_grid(tmp_path):
    rows = ["0,17.5,W\n", *(f"{17.5 + 30 * n},30,{word}\n" for n, word in enumerate(WORDS[:11]))]
    found = _stages(_written(tmp_path, "onset,duration,stage\n" + "".join(rows)))
    assert found.first_s == 17.5 and found.stages.tolist() == CODES[:11] and "its first bout" in found.doubts[0]


def test_times_that_were_rounded_are_on_the_grid(tmp_path):
    rng = np.random.default_rng(0)
    rows = [f"{30 * n + 5 + rng.uniform(-0.004, 0.004):.4f},30,{word}\n" for n, word in enumerate(WORDS[:11])]
    assert _stages(_written(tmp_path, "onset,duration,stage\n" + "".join(rows))).stages.tolist() == CODES[:11]


def _night(path, entries):
    times = record_times(len(EEG) // 100, 1.0)
    for onset, duration, text in entries:
        times[int(onset)] += annotation(onset, duration, text)
    return write_odd(path, [("EEG C4-A1", EEG)], 100, reserved="EDF+C", annotations=times)


def test_a_note_is_no_hypnogram_and_hides_none(tmp_path):
    psg = _night(tmp_path / "n-PSG.edf", [(61.0, None, "Wake"), (90.0, None, "Snoring")])
    night = read_night(psg)
    assert night.human is None and night.first_s == 0
    assert any("'Wake' without a duration, as a note would be" in warning for warning in night.warnings)
    _written(tmp_path, _marks(WORDS), "n-Hypnogram.csv")
    night = read_night(psg)
    assert night.human.tolist() == CODES and night.notes[-1] == "human stages: n-Hypnogram.csv"


def test_texts_that_look_like_stages_are_named_also_where_none_is_read(tmp_path):
    path = _night(tmp_path / "n.edf", [(30.0 * n, 30, f"Stadium {code}") for n, code in enumerate(CODES)])
    assert any("look like stages and are not read" in warning for warning in read_night(path).warnings)


def test_numbers_among_annotations_are_stages_by_the_table_that_is_named(tmp_path):
    path = _night(tmp_path / "n.edf", [(30.0 * n, 30, str(code + (code == 4))) for n, code in enumerate(CODES)])
    assert read_night(path).human is None and any("look like stages" in said for said in read_night(path).warnings)
    assert read_night(path, stage_codes="rechtschaffen-kales").human.tolist() == CODES
    epochs = extract(path, path, channel=["EEG C4-A1"], stage_codes="rechtschaffen-kales", **OPTIONS)
    assert epochs.stage.tolist() == CODES
    assert numbered("7", "aasm") == "7" and numbered("5", None) == "5"


def test_names_among_annotations_reach_no_warning(tmp_path):
    stages = [(30.0 * n, 30, f"Sleep stage {word}") for n, word in enumerate(WORDS)]
    night = read_night(_night(tmp_path / "n.edf", [(5.0, None, "Patient Hans Mueller"), *stages]))
    assert night.human.tolist() == CODES
    assert "Mueller" not in " ".join((*night.warnings, *night.notes)) and "1 annotations beside" in night.warnings[-1]


def test_a_list_beside_a_signal_that_was_paused_is_refused(tmp_path):
    times = [f"+{n if n < 90 else n + 60}".encode() + b"\x14\x14\0" for n in range(len(EEG) // 100)]
    psg = write_odd(tmp_path / "n-PSG.edf", [("EEG C4-A1", EEG)], 100, reserved="EDF+D", annotations=times)
    beside = _written(tmp_path, "\n".join(WORDS), "n-Hypnogram.txt")
    with pytest.raises(RecordingError, match="its signal was paused"):
        extract(psg, beside, channel=["EEG C4-A1"], **OPTIONS)
    assert any("its signal was paused" in warning for warning in read_night(psg).warnings)


def test_a_part_of_a_fif_without_a_date_keeps_its_stages_lights_and_pauses(tmp_path):
    raw = mne.io.RawArray(EEG[None] * 1e-6, mne.create_info(["C4-M1"], 100, ["eeg"]), verbose="error")
    onsets = [30.0 * n for n in range(12)]
    texts = [f"Sleep stage {word}" for word in WORDS]
    raw.set_annotations(
        mne.Annotations([*onsets, 100, 300], [30.0] * 12 + [0, 20], [*texts, "Lights off", "BAD_ACQ_SKIP"])
    )
    raw.crop(90).save(tmp_path / "n_raw.fif", verbose="error")
    night = read_night(tmp_path / "n_raw.fif")
    assert night.human[:6].tolist() == CODES[3:9] and night.lights[0] == 10 and night.pauses == ((210, 230),)
    np.testing.assert_allclose(night.signals[0, :20_900], EEG[9000:29_900], atol=1e-3)


def test_an_annotation_outside_of_the_signal_makes_no_bdf_damaged(tmp_path):
    import edfio

    signal = edfio.BdfSignal(EEG, 100, label="C4-M1", physical_dimension="uV", physical_range=(-400, 400))
    said = edfio.EdfAnnotation(len(EEG) / 100 + 1.5, None, "Recording stopped")
    edfio.Bdf([signal], annotations=[said]).write(tmp_path / "n.bdf")
    night = read_night(tmp_path / "n.bdf")
    assert night.signals.shape[1] == len(EEG) and any("outside data range" in warning for warning in night.warnings)


def test_stages_beside_a_night_in_capitals_are_found(tmp_path):
    psg = write_psg(tmp_path / "J-PSG.EDF", {"C4-M1": EEG.clip(-190, 190)})
    write_hypnogram(tmp_path / "J-HYPNOGRAM.EDF", STAGES)
    assert read_night(psg).human.tolist() == CODES
