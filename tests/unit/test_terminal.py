"""What reaches a terminal: clean lines by one way, and quiet ends where nobody reads them."""

import ast
import io
import json
import os
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest

from hypnolens.cli import main
from hypnolens.errors import HypnolensError, one_line, printable
from hypnolens.pipeline.logs import failures, logged, logger, reason
from hypnolens.terminal import BROKEN_PIPE, say
from tests.conftest import ROOT, pink, write_psg

HOSTILE = (
    "\x1b[2J\x1b[31m",  # clears the screen
    "\x1b]0;title\x07",
    "\x9b31m\x85",  # C1
    "\u202egnp.\u2066x\u2069",  # turned around
    "\nINFO all is well\r",
    "\u2028\u200b\ufeff",
    "\udc9b\x00\x7f",
)
"""What a terminal obeys, or a reader does not see."""


def clean(text):
    """Whether each line of a text holds nothing but what is seen, by Unicode's own classes of characters."""
    return not [c for c in text.replace("\n", "") if unicodedata.category(c)[0] == "C" or c in "\u2028\u2029\t"]


@pytest.mark.parametrize("words", HOSTILE)
def test_what_is_not_seen_is_made_visible_and_nothing_is_lost(words):
    assert clean(printable(words)) and "\n" not in printable(words)
    assert printable(words).encode("ascii").decode("unicode_escape") == words
    assert clean(one_line(words))


@pytest.mark.parametrize("words", ["µV – Müller, 睡眠 α", "  fold 0", "C:\\x1b"])
def test_what_is_seen_stays_as_it_is(words):
    assert printable(words) == words


def test_a_terminal_of_another_encoding_gets_what_it_can_show():
    shown = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    say("10 µV \x1b[2J", file=shown)
    assert shown.buffer.getvalue() == b"10 \\xb5V \\x1b[2J\n"


def test_there_is_one_way_to_the_terminal():
    """`print` is called in one module, and no other writes to the standard streams."""
    for path in sorted((ROOT / "hypnolens").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            name = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
            if name == "print" or name.startswith(("sys.stdout.write", "sys.stderr.write")):
                assert path.name == "terminal.py", f"{path}:{node.lineno}"


# Commands


@pytest.fixture
def hostile_night(tmp_path):
    """A recording of a format whose labels may be any text."""
    mne = pytest.importorskip("mne")
    words = "EEG " + "".join(HOSTILE[:4])
    raw = mne.io.RawArray(pink(4, uv=20.0)[None] * 1e-6, mne.create_info([words], 100.0, "eeg"), verbose="error")
    raw.save(tmp_path / "night_raw.fif", verbose="error")
    return tmp_path / "night_raw.fif"


def test_no_label_of_a_channel_reaches_terminal_or_outputs_as_it_is(tmp_path, hostile_night, capsys):
    out = tmp_path / "o"
    assert main(["score", str(hostile_night), "--out", str(out), "--jobs", "1"]) == 0
    said = capsys.readouterr()
    assert "\\x1b[2J" in said.out and clean(said.out) and clean(said.err)
    for path in out.iterdir():
        text = path.read_bytes().decode("utf-8", errors="replace")
        seen = text.replace("\t", " ") if path.suffix != ".edf" else ""  # EDF+ has bytes of its own between texts
        assert clean(seen.replace("\r", "")), path.name
    # As it is shown it may be named.
    (label,) = json.loads((out / "night_raw.json").read_text())["channels"]
    again = tmp_path / "again"
    assert main(["score", str(hostile_night), "--out", str(again), "--no-page", "--channel", label, "--quiet"]) == 0
    missing = ["--channel", "C4", "--quiet"]
    assert main(["score", str(hostile_night), "--out", str(again), "--no-page", *missing]) == 1
    said = capsys.readouterr().err
    assert clean(said) and said.count("\n") == 1 and "not found; the file has 'EEG \\x1b[2J" in said


def test_no_word_of_a_card_reaches_terminal_or_outputs_as_it_is(tmp_path, capsys):
    from hypnolens.network.files import SHIPPED

    words = "".join(HOSTILE[:6])
    card = json.loads((SHIPPED / "fold-0" / "model.json").read_text())
    card |= {"name": f"n{words}", "caution": f"c{words}"}
    card["usual"]["channels"] = [f"C4{words}"]
    (tmp_path / "m.safetensors").write_bytes((SHIPPED / "fold-0" / "model.safetensors").read_bytes())
    (tmp_path / "m.json").write_text(json.dumps(card))
    night = write_psg(tmp_path / "night.edf", {"EEG Fpz-Cz": pink(4, uv=20.0).clip(-190, 190)})
    main(["score", str(night), "--out", str(tmp_path / "o"), "--no-page", "--model", str(tmp_path / "m.safetensors")])
    said = capsys.readouterr()
    assert clean(said.out) and clean(said.err) and "\\x1b" in said.err
    for path in (tmp_path / "o").iterdir():
        text = path.read_bytes().decode("utf-8", errors="replace")
        assert path.suffix == ".edf" or clean(text.replace("\t", " ").replace("\r", "")), path.name


def test_arguments_are_repeated_clean(capsys):
    with pytest.raises(SystemExit):
        main(["score", "a.edf", "--out", "o", f"-{HOSTILE[0]}"])
    assert clean(capsys.readouterr().err)


def _results(folder, run="net", reason_="a: is empty; delete it"):
    """A run of which one fold failed."""
    dataset = folder / "results" / "sim"
    (dataset / "logs" / "train" / run).mkdir(parents=True)
    (dataset / "folds.tsv").write_text("recording\tsubject\tfold\tsplit\nr\ts\t0\ttest\nr\ts\t1\ttest\n")
    (dataset / "logs" / "train" / run / "fold-0.log").write_text(f"{reason_}\n")


def test_progress_shows_names_and_reasons_clean(tmp_path, capsys):
    words = "".join(HOSTILE[:4])
    _results(tmp_path, run=f"net{words}", reason_=f"a: {words}")
    assert main(["progress", str(tmp_path)]) == 0
    said = capsys.readouterr()
    assert clean(said.out) and "\\x1b[2J" in said.out and "sim/net\\x1b" in said.out


def test_a_log_holds_no_word_as_it_is_and_none_passes_for_an_entry(tmp_path, capfd):
    words, forged = "".join(HOSTILE[:6]), "2026-01-01 10:00:00,000 INFO forged"
    with logged(tmp_path / "a.log", echo=True):
        logger.warning("channel %s", words)
        logger.info("channel\n%s\nx: forged; reason", forged)
    text, told = (tmp_path / "a.log").read_text(), capfd.readouterr().err
    assert clean(text) and clean(told) and reason(tmp_path / "a.log") == ""
    assert [line[:2] for line in text.splitlines()[-2:]] == ["  ", "  "]
    with pytest.raises(SystemExit), logged(tmp_path / "b.log"):
        raise HypnolensError(f"x: {words}; y")
    assert clean((tmp_path / "b.log").read_text()) and reason(tmp_path / "b.log").startswith("x: \\x1b[2J")


def test_an_exception_that_nobody_expected_is_shown_clean(tmp_path):
    code = (
        "import sys; from hypnolens.pipeline.logs import logged\n"
        "with logged(sys.argv[1]): raise ValueError(sys.argv[2])"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "a.log"), "".join(HOSTILE[:5])]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert run.returncode and "ValueError: \\x1b[2J" in run.stderr and clean(run.stderr)
    text = (tmp_path / "a.log").read_text()
    assert clean(text) and text.splitlines()[-1].startswith("unexpected ValueError: \\x1b[2J")


def test_what_snakemake_said_of_a_fault_is_shown_clean(tmp_path):
    code = f"print('Error: ' + {HOSTILE[0]!r}); import sys; sys.stdout.buffer.write(b'\\xff\\n'); sys.exit(3)"
    command = [sys.executable, "-m", "hypnolens.pipeline.brief", sys.executable, "-c", code]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 3 and clean(run.stderr) and "Error: \\x1b[2J" in run.stderr and "\\xff" in run.stderr


# Readers that go away, and full disks


def _run(*arguments, stdout, module="hypnolens.cli", stderr=subprocess.PIPE):
    command = [sys.executable, "-m", module, *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, stdout=stdout, stderr=stderr, text=True)


FULL = "what is printed cannot be written (No space left on device); send it elsewhere"

NIGHT = {
    "models": ["m"], "stager": {"citation": "nobody"}, "caution": "",
    "warnings": [], "notes": [], "statistics": {"tst_min": None, "se_percent": 1.0}, "human": None,
    "channels": ["C4"], "review": {"epochs": []}, "n_epochs": 1, "files": {"stages": "s.tsv"},
}  # fmt: skip
"""As much of a summary as a sentence tells."""


@pytest.fixture
def closed():
    """The writing end of a pipe that nobody reads."""
    reading, writing = os.pipe()
    os.close(reading)
    yield writing
    os.close(writing)


@pytest.fixture
def full():
    """A file on a full disk."""
    device = Path("/dev/full")
    if not device.exists():
        pytest.skip("no /dev/full here")
    with device.open("wb") as file:
        yield file


@pytest.mark.parametrize("command", [["--help"], ["score", "--help"], ["--version"], ["progress"]], ids=" ".join)
@pytest.mark.parametrize("buffered", ["", "1"])
def test_a_reader_that_went_away_and_a_full_disk_end_a_command(command, buffered, closed, full, tmp_path, monkeypatch):
    """Also where each piece is written at once."""
    monkeypatch.setenv("PYTHONUNBUFFERED", buffered)
    _results(tmp_path)
    command = [*command, tmp_path] if command == ["progress"] else command
    run = _run(*command, stdout=closed)
    assert (run.returncode, run.stderr) == (BROKEN_PIPE, "")
    run = _run(*command, stdout=full)
    assert (run.returncode, run.stderr) == (1, f"{FULL}\n")


@pytest.mark.parametrize("options", [[], ["--json"]], ids=["sentences", "json"])
def test_nights_are_scored_whoever_listens(options, closed, full, tmp_path, monkeypatch, capsys):
    asked = []

    def score(paths, *_, **__):
        for path in paths:
            asked.append(path)
            yield path, HypnolensError(f"{path}: no") if path.stem == "bad" else {**NIGHT, "name": path.stem}

    monkeypatch.setattr("hypnolens.cli.score_files", score)
    for stream, status in ((closed, BROKEN_PIPE), (full.fileno(), 1)):
        monkeypatch.setattr("sys.stdout", os.fdopen(os.dup(stream), "w"))
        with pytest.raises(SystemExit) as ended:
            main(["score", "a.edf", "bad.edf", "b.edf", "--out", str(tmp_path), *options])
        assert ended.value.code == status
        assert [path.stem for path in asked] == ["a", "bad", "b"]
        said = [line for line in capsys.readouterr().err.splitlines() if "stages by" not in line]
        assert said == ["bad.edf: no", *[FULL] * (status == 1)]
        asked.clear()


def test_errors_that_nobody_reads_end_quietly_too(closed, tmp_path):
    run = _run("progress", tmp_path, stdout=subprocess.PIPE, stderr=closed)
    assert run.returncode == BROKEN_PIPE and run.stdout == ""


def test_snakemake_goes_on_where_nobody_reads_what_is_told_of_it(closed, tmp_path):
    code = f"import pathlib; print('Complete log(s): x', flush=True); pathlib.Path({str(tmp_path / 'f')!r}).touch()"
    run = _run(sys.executable, "-c", code, module="hypnolens.pipeline.brief", stdout=closed)
    assert run.returncode == BROKEN_PIPE and run.stderr == "" and (tmp_path / "f").exists()


# Jobs that left no word


def test_a_job_that_never_began_is_told_from_one_that_was_cut_off(tmp_path):
    marker = "(check log file(s) for error details)"
    for name, when in (("killed", 2000.0), ("earlier", 500.0), ("reason", 2000.0)):
        last = "r: what; remedy" if name == "reason" else "2026-01-01 10:00:00,000 INFO begun"
        (tmp_path / f"{name}.log").write_text(f"{last}\n")
        os.utime(tmp_path / f"{name}.log", (when, when))
    log = tmp_path / "snakemake.log"
    names = ("reason", "gone", "earlier", "killed")
    log.write_text("".join(f"    log: {tmp_path}/{name}.log {marker}\n" for name in names))
    *silent, last = failures(log, since=1000.0)
    assert last == "r: what; remedy" and len(silent) == 3
    said = {line.partition(".log: ")[0].rpartition("/")[2]: line for line in silent}
    assert all("never began" in said[name] for name in ("gone", "earlier"))
    assert "was killed" in said["killed"] and "never began" not in said["killed"]
