"""The command `hypnolens score`, from its arguments to files and exit status."""

import json
import subprocess
import sys
from importlib.metadata import version

import mne
import numpy as np
import pandas as pd
import pytest

from hypnolens.cli import main
from hypnolens.io.checksums import sha256
from hypnolens.recordings.hypnogram import read_stages
from hypnolens.scoring import run
from hypnolens.scoring.folder import alone_in
from hypnolens.stages import STAGES
from tests.conftest import pink, write_hypnogram, write_psg

EEG = pink(12, uv=20.0).clip(-190, 190)


def _night(folder, name="night.edf", signal=EEG, **options):
    return str(write_psg(folder / name, {"EEG Fpz-Cz": signal}, **options))


def score(*arguments, out):
    return main(["score", *map(str, arguments), "--out", str(out), "--quiet"])


def test_one_night_gives_all_files_and_status_0(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["score", _night(tmp_path), "--jobs", "1"]) == 0
    assert {path.name for path in (tmp_path / "scores").iterdir()} == {
        "nights.html", "night.html", "night.json", "night-stages.tsv", "night-statistics.tsv", "night-transitions.tsv",
        "night-hypnogram.edf", "night-yasa.json", "sub-night_task-sleep_events.tsv", "sub-night_task-sleep_events.json",
    }  # fmt: skip
    said = capsys.readouterr()
    first = said.err.splitlines()[0]
    assert first.startswith("night: stages by YASA 0.") and "Vallat & Walker 2021" in first and "NSRR" in first
    assert "channel EEG Fpz-Cz: the only EEG channel" in said.err
    assert said.out.startswith("night: EEG Fpz-Cz; TST ") and said.out.count("\n") == 1


def test_the_demo_says_what_it_is_in_every_output(tmp_path):
    assert score(_night(tmp_path), "--model", "demo", out=tmp_path / "o") == 0
    for path in (tmp_path / "o").iterdir():
        assert b"DEMO" in path.read_bytes(), path.name


def test_json_is_one_document_and_failures_are_in_it(tmp_path, capsys):
    good = _night(tmp_path)
    (tmp_path / "bad.edf").write_bytes(b"x" * 300)
    assert score(good, tmp_path / "bad.edf", "--json", "--jobs", 1, out=tmp_path / "o") == 1
    said = capsys.readouterr()
    found = json.loads(said.out)
    assert [night["name"] for night in found["nights"]] == ["night"]
    assert found["failed"][0]["file"].endswith("bad.edf") and found["failed"][0]["error"] == said.err.strip()
    assert said.err.startswith("bad: bad.edf is not a readable EDF file")
    assert found["nights"][0] == json.loads((tmp_path / "o" / "night.json").read_text())


@pytest.mark.parametrize(
    "more, words",
    [
        (["--review-below", "2"], "2 is no probability"),
        (["--jobs", "0"], "0 is no number of at least 1"),
        (["--precision", "fp8"], "invalid choice"),
        (["--age", "40"], "--age and --sex are used together"),
        (["--age", "400", "--sex", "F"], "400 is not an age"),
    ],
)
def test_a_command_that_makes_no_sense_has_status_2(tmp_path, capsys, more, words):
    with pytest.raises(SystemExit) as ended:
        main(["score", "n.edf", "--out", str(tmp_path), *more])
    assert ended.value.code == 2 and words in capsys.readouterr().err


def test_what_is_wrong_with_the_model_is_said_once(tmp_path, capsys):
    nights = [_night(tmp_path, f"n{number}.edf") for number in range(2)]
    assert score(*nights, "--model", "nowhere", "--jobs", 1, out=tmp_path / "o") == 1
    assert capsys.readouterr().err.count("nowhere: is no stager (yasa, demo, gssc") == 1


def test_a_night_that_is_named_twice_is_scored_once(tmp_path, capsys):
    night = _night(tmp_path)
    assert score(night, night, "--json", "--no-page", out=tmp_path / "o") == 0
    assert len(json.loads(capsys.readouterr().out)["nights"]) == 1


def test_stages_alone_are_no_night(tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        score("n-Hypnogram.edf", out=tmp_path)
    assert ended.value.code == 2 and "no night among these" in capsys.readouterr().err


def test_a_hypnogram_is_of_one_night(tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        score("a.edf", "b.edf", "--hypnogram", "h.edf", out=tmp_path)
    assert ended.value.code == 2


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["gone.edf"], "does not exist; correct the path"),
        (["night.edf", "--model", "nowhere"], "nowhere: is no stager (yasa, demo, gssc), and there is no such file"),
        (["night.edf", "--model", "./nowhere"], "no model there"),
        (["night.edf", "--model", "gssc"], "gssc: is not installed; `pip install gssc` (its licence is the AGPL-3.0)"),
        (["night.edf", "--model", "demo", "--age", "40", "--sex", "F"], "makes no use of --age and --sex; leave them"),
        (["night.edf", "--model", "demo", "--emg", "EEG Fpz-Cz"], "makes no use of --emg; leave them out"),
        (["night.edf", "--eog", "E9"], "channel 'E9' not found"),
        (["night.edf", "--classes", "W,N1+N2,N3"], "does not have each of W, N1, N2, N3, R once"),
        (["empty"], "no recordings there (.edf, .bdf"),
        (["night.edf", "--channel", "O9-M1"], "channel 'O9-M1' not found; the file has 'EEG Fpz-Cz'"),
        (["night.edf", "--ensemble"], "yasa: is one stager, which is no ensemble"),
        (["night.edf", "--lights-off", "noon"], "is no time"),
        (["night.edf", "a/night.edf"], "would write the same files"),
        (["night.edf", "--out", "night.edf/o"], "results cannot be written"),
    ],
)
def test_what_cannot_be_scored_has_status_1_and_one_line(tmp_path, capsys, monkeypatch, arguments, words):
    monkeypatch.chdir(tmp_path)
    _night(tmp_path)
    (tmp_path / "empty").mkdir()
    arguments = arguments if "--out" in arguments else [*arguments, "--out", "o"]
    assert main(["score", *arguments, "--quiet", "--jobs", "1"]) == 1
    said = capsys.readouterr().err
    assert words in said and said.count("\n") == 1


def test_files_of_stages_are_no_nights(tmp_path, capsys):
    night = _night(tmp_path, "n-PSG.edf")
    write_hypnogram(tmp_path / "n-Hypnogram.edf", list("W12233322RRW"))
    assert score(night, tmp_path / "n-Hypnogram.edf", "--no-page", out=tmp_path / "o") == 0
    assert "holds stages and no signal" in capsys.readouterr().err
    assert json.loads((tmp_path / "o" / "n.json").read_text())["human"]["n_epochs"] == 12


@pytest.mark.slow
def test_nights_side_by_side_give_what_they_give_alone(tmp_path):
    nights = [_night(tmp_path, f"n{seed}.edf", pink(12, seed=seed).clip(-190, 190)) for seed in range(3)]
    assert score(*nights, "--no-page", "--jobs", 2, out=tmp_path / "two") == 0
    for night in nights:
        assert score(night, "--no-page", out=tmp_path / "one") == 0
    for name in ("n0", "n1", "n2"):
        tables = [pd.read_csv(tmp_path / jobs / f"{name}-stages.tsv", sep="\t") for jobs in ("one", "two")]
        assert tables[0]["stage"].equals(tables[1]["stage"])
        assert np.allclose(tables[0]["confidence"], tables[1]["confidence"], atol=1e-4)


# One bad night takes no other along, and no results are written over those of another recording


def _written(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_two_of_one_name_stop_no_other(tmp_path, capsys):
    nights = [_night(tmp_path, name) for name in ("n.edf", "n.EDF", "x.edf")]
    assert score(*nights, "--no-page", "--jobs", "1", out=tmp_path / "o") == 1
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1 and "would write the same files" in said[0]
    assert {path.name.split("-")[0].split(".")[0] for path in (tmp_path / "o").iterdir()} >= {"x"}
    assert not list((tmp_path / "o").glob("n[-.]*"))


@pytest.mark.parametrize("error", [ZeroDivisionError("one\ntwo"), MemoryError(), RecursionError()])
def test_whatever_a_night_ends_with_is_one_line(tmp_path, capsys, monkeypatch, error):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr(run, "score_file", fail)
    assert score(_night(tmp_path), out=tmp_path / "o") == 1
    said = capsys.readouterr().err
    assert said.startswith("night: ") and said.count("\n") == 1 and "; " in said
    assert isinstance(error, MemoryError) or f"unexpected {type(error).__name__}" in said


def test_names_that_become_one_in_bids_are_refused_in_a_later_command_too(tmp_path, capsys):
    assert score(_night(tmp_path, "J-1.edf"), "--no-page", out=tmp_path / "o") == 0
    before = _written(tmp_path / "o")
    other = _night(tmp_path, "J1.edf", pink(12, seed=1).clip(-190, 190))
    assert score(other, "--no-page", out=tmp_path / "o") == 1
    said = capsys.readouterr().err
    assert said.startswith("J1: ") and "is of another night, J-1" in said and "rename the recording, or" in said
    assert _written(tmp_path / "o") == before
    assert score(tmp_path / "J-1.edf", "--no-page", out=tmp_path / "o") == 0
    assert _written(tmp_path / "o") == before


def test_another_recording_of_the_same_name_is_refused_and_a_new_version_is_not(tmp_path, capsys):
    (tmp_path / "other").mkdir()
    assert score(_night(tmp_path), "--no-page", out=tmp_path / "o") == 0
    before = _written(tmp_path / "o")
    other = _night(tmp_path / "other", signal=pink(12, seed=1).clip(-190, 190))
    assert score(other, "--no-page", out=tmp_path / "o") == 1
    said = capsys.readouterr().err
    assert "is of another recording, 'night.edf', and would be overwritten; move it away, or" in said
    assert said.count("\n") == 1 and _written(tmp_path / "o") == before
    # The first one, corrected where it lies; and moved.
    assert score(_night(tmp_path, signal=pink(12, seed=2).clip(-190, 190)), "--no-page", out=tmp_path / "o") == 0
    corrected = json.loads((tmp_path / "o" / "night.json").read_text())
    assert corrected["sha256"] == sha256((tmp_path / "night.edf").read_bytes())
    (tmp_path / "night.edf").rename(tmp_path / "other" / "night.edf")
    assert score(tmp_path / "other" / "night.edf", "--no-page", out=tmp_path / "o") == 0


def test_two_commands_do_not_write_into_one_folder(tmp_path, capsys):
    with alone_in(tmp_path / "o"):
        assert score(_night(tmp_path), "--no-page", out=tmp_path / "o") == 1
    said = capsys.readouterr().err
    assert "another hypnolens writes results there; wait until it has ended, or choose another folder" in said
    assert said.count("\n") == 1 and not _written(tmp_path / "o")


def test_help_teaches_and_is_quick():
    command = [sys.executable, "-X", "importtime", "-m", "hypnolens.cli", "score", "--help"]
    said = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "--channel C4-M1" in said.stdout and "exit status" in said.stdout and "NOT fit for real use" in said.stdout
    heavy = ("torch", "mne", "yasa", "scipy.signal", "pandas")
    assert not [line for line in said.stderr.splitlines() if line.rpartition("|")[2].strip() in heavy]


# A night that should be right or refused, never silently wrong


def test_a_night_in_volts_gives_the_stages_of_the_same_night_in_microvolts(tmp_path):
    _night(tmp_path, "uv.edf")
    _night(tmp_path, "v.edf", EEG * 1e-6, unit="V", limits=(-0.0002, 0.0002))
    _night(tmp_path, "lie.edf", EEG * 1e-6, unit="uV", limits=(-0.0002, 0.0002))
    for name in ("uv", "v", "lie"):
        assert score(tmp_path / f"{name}.edf", "--no-page", out=tmp_path / "o") == 0
    tables = [pd.read_csv(tmp_path / "o" / f"{name}-stages.tsv", sep="\t") for name in ("uv", "v", "lie")]
    assert tables[1]["stage"].equals(tables[0]["stage"]) and tables[2]["stage"].equals(tables[0]["stage"])
    assert np.allclose(tables[2]["confidence"], tables[0]["confidence"], atol=0.02)
    assert any("multiplied by 1e+06" in text for text in json.loads((tmp_path / "o/lie.json").read_text())["warnings"])


def test_a_night_at_128_hz_in_records_of_10_s_gives_nearly_the_same_stages(tmp_path):
    _night(tmp_path, "a.edf")
    fine = np.interp(np.arange(12 * 30 * 128) / 128, np.arange(len(EEG)) / 100, EEG)
    _night(tmp_path, "b.edf", fine, rate=128.0, record_s=10.0)
    for name in "ab":
        assert score(tmp_path / f"{name}.edf", "--model", "demo", "--no-page", out=tmp_path / "o") == 0
    first, second = (pd.read_csv(tmp_path / "o" / f"{name}-stages.tsv", sep="\t") for name in "ab")
    assert len(second) == 12 and (first["stage"] == second["stage"]).mean() > 0.8


@pytest.mark.slow
def test_real_recordings_are_scored_in_one_command(data, tmp_path):
    nights = sorted((data / "real").glob("*-PSG.edf"))
    assert score(*nights, "--jobs", 2, out=tmp_path) == 0
    for night in nights:
        name = night.name.removesuffix("-PSG.edf")
        table = pd.read_csv(tmp_path / f"{name}-stages.tsv", sep="\t")
        summary = json.loads((tmp_path / f"{name}.json").read_text())
        assert summary["models"] == [f"YASA {version('yasa')}"] and summary["human"]["n_epochs"] == len(table)
        assert table["stage"].isin(STAGES).all() and np.isfinite(table["confidence"]).all()
        raw = mne.io.read_raw_edf(night, verbose="error")
        stages = read_stages(
            tmp_path / f"{name}-hypnogram.edf", start=raw.info["meas_date"].replace(tzinfo=None),
            duration_s=len(table) * 30.0, recording=name,
        )  # fmt: skip
        assert [STAGES[code] for code in stages.stages] == table["stage"].tolist()
        assert (tmp_path / f"{name}.html").stat().st_size < 2e6


def test_an_hour_without_electrode_is_not_staged(tmp_path):
    signal = np.concatenate([pink(60, uv=20.0), np.zeros(120 * 3000), pink(60, uv=20.0, seed=1)]).clip(-190, 190)
    assert score(_night(tmp_path, signal=signal), "--no-page", out=tmp_path / "o") == 0
    table = pd.read_csv(tmp_path / "o" / "night-stages.tsv", sep="\t")
    assert (table["stage"][60:180] == "?").all() and (table["unusable"][60:180] == "flat").all()
    assert (table["stage"][:60] != "?").all() and (table["stage"][180:] != "?").all()
    summary = json.loads((tmp_path / "o" / "night.json").read_text())
    assert summary["minutes"]["unusable"] == 60 and summary["statistics"]["unscored_min"] == 60
    assert any("120 of 240 epochs carry no EEG" in text for text in summary["warnings"])
