"""The folder that results go to: locks, results of other recordings, and what killed commands left."""

import errno
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from hypnolens.errors import HypnolensError, RecordingError
from hypnolens.scoring import folder as of
from hypnolens.scoring.names import file_names

HOLD = (
    "import sys; from pathlib import Path; from hypnolens.scoring.folder import alone_in\n"
    "with alone_in(Path(sys.argv[1])):\n    print('held', flush=True); sys.stdin.read()"
)


def _result(folder, name, *, sha256="a", place="p", file="n.edf"):
    """What is looked at of a night's results."""
    for path in file_names(name).values():
        (folder / path).write_text("")
    (folder / f"{name}.json").write_text(json.dumps({"hypnolens": "0", "sha256": sha256, "place": place, "file": file}))


# One command at a time


def test_a_folder_has_one_command_at_a_time_and_is_left_as_it_was(tmp_path):
    out = tmp_path / "a" / "b"
    with of.alone_in(out):
        words = "wait until it has ended, or choose another folder"
        with pytest.raises(HypnolensError, match=words) as caught, of.alone_in(out):
            pytest.fail("there are two")
        assert str(out) in str(caught.value)
        with of.alone_in(tmp_path / "other"):
            pass
    with of.alone_in(out):
        pass
    assert list(out.iterdir()) == []


def test_a_killed_command_holds_nothing_and_what_it_left_goes(tmp_path):
    holder = subprocess.Popen([sys.executable, "-c", HOLD, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(HypnolensError, match="another hypnolens"), of.alone_in(tmp_path):
            pass
    finally:
        holder.send_signal(signal.SIGKILL)
        holder.communicate()
    (tmp_path / f"{of.UNFINISHED}x").mkdir()
    (tmp_path / f"{of.UNFINISHED}x" / "n.html").touch()
    (tmp_path / "mine").touch()
    with of.alone_in(tmp_path):
        assert {path.name for path in tmp_path.iterdir()} == {of.LOCK, "mine"}
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_a_lock_whose_file_the_holder_before_removed_is_none(tmp_path, monkeypatch):
    """Between opening the file and locking it, the one who had it may end."""
    real, removed = of.fcntl.flock, []

    def flock(file, how):
        real(file, how)
        if not removed:
            removed.append((tmp_path / of.LOCK).unlink())

    monkeypatch.setattr(of.fcntl, "flock", flock)
    with of.alone_in(tmp_path):
        assert removed and (tmp_path / of.LOCK).exists()
        with pytest.raises(HypnolensError), of.alone_in(tmp_path):
            pass


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_written_to_all_the_same(tmp_path, monkeypatch, number):
    def flock(file, how):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(of.fcntl, "flock", flock)
    left = tmp_path / f"{of.UNFINISHED}x"
    left.mkdir()  # perhaps of somebody who writes now
    with of.alone_in(tmp_path):
        assert left.exists()


def test_where_no_folder_can_be_the_first_night_says_so(tmp_path):
    (tmp_path / "file").touch()
    with of.alone_in(tmp_path / "file" / "out"):
        pass


# Names of another night


@pytest.mark.parametrize("there, new", [("J-1", "J1"), ("J1", "J-1"), ("n", "N"), ("n", "n-yasa"), ("n-yasa", "n")])
def test_a_night_whose_files_are_another_ones_is_refused(tmp_path, there, new):
    _result(tmp_path, there)
    ((path, error),) = of.foreign([Path(f"{new}.edf"), Path("else.edf")], tmp_path).items()
    assert path.name == f"{new}.edf" and f"is of another night, {there}" in str(error)


def test_nights_beside_each_other_and_files_of_others_are_no_matter(tmp_path):
    _result(tmp_path, "n")
    (tmp_path / "x-1.json").write_text("{}")  # no night
    assert of.foreign([Path(f"{name}.edf") for name in ("n", "nyasa", "x1", "sub-m")], tmp_path) == {}
    assert of.foreign([Path("n.edf")], tmp_path / "nowhere") == {}


# The same name, and perhaps another recording


@pytest.mark.parametrize("given", [("a", "p"), ("a", "moved"), ("a new version", "p")])
def test_the_same_recording_may_be_scored_again(tmp_path, given):
    of.check_same("n", *given, tmp_path)
    _result(tmp_path, "n")
    of.check_same("n", *given, tmp_path)


def test_another_recording_of_the_same_name_is_refused(tmp_path):
    _result(tmp_path, "n", file="\x1b[31mn.edf")
    words = r"n\.json is of another recording, .*n\.edf.*; move it away, or choose another folder"
    with pytest.raises(RecordingError, match=words) as caught:
        of.check_same("n", "b", "q", tmp_path)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("content", ["", "{", "[]", '{"sha256": "a"}', "[" * 100_000, "\xff"])
def test_what_is_no_result_is_not_written_over(tmp_path, content):
    (tmp_path / "n.json").write_text(content, encoding="latin-1")
    with pytest.raises(RecordingError, match=r"n\.json is no result of hypnolens, and would be overwritten"):
        of.check_same("n", "a", "p", tmp_path)


def test_events_of_a_dataset_are_not_written_over(tmp_path):
    events = tmp_path / "sub-1_task-sleep_events.tsv"
    events.write_text("onset\tduration\ttrial_type\n0\t30\tSleep stage W\n")
    with pytest.raises(RecordingError, match=r"_events\.tsv is no result of hypnolens"):
        of.check_same("sub-1_task-sleep", "a", "p", tmp_path)
    events.write_text("onset\tduration\ttrial_type\tconfidence\tp_w\tp_n1\n")  # of a command that was killed
    of.check_same("sub-1_task-sleep", "a", "p", tmp_path)
