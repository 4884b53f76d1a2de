"""What stands at a path that a user gave is said in one line, and nothing is waited for."""

import os
import socket

import pytest

from hypnolens.cli import main
from hypnolens.datasets.folder import list_recordings
from hypnolens.datasets.local import find_files
from hypnolens.errors import HypnolensError
from hypnolens.io.kinds import kind_of
from hypnolens.io.tables import read_json, read_rows, read_user_table
from hypnolens.network.files import load_models
from hypnolens.recordings.edf import list_channels
from hypnolens.recordings.stage_xml import read_profusion
from hypnolens.scoring.names import nights_by_name
from hypnolens.scoring.reading import read_night


def _socket(path):
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(path))


ODD = {
    "a named pipe": os.mkfifo,
    "a socket": _socket,
    "a device": lambda path: path.symlink_to("/dev/null"),
    "a loop of links": lambda path: path.symlink_to(path),
    "a link to nothing": lambda path: path.symlink_to("gone"),
}

FILES = {
    "table": lambda path: read_user_table(path, required=(), numbers=()),
    "night": lambda path: read_night(path, channels=(), lights=(None, None), hypnogram=None, preferred=()),
    "edf": lambda path: list_channels(path, "r"),
    "profusion": lambda path: read_profusion(path, "r"),
    "weights": lambda path: load_models(path.rename(path.with_suffix(".safetensors")), ensemble=False),
    "archive": lambda path: load_models(path.rename(path.with_suffix(".zip")), ensemble=False),
}

FOLDERS = {
    "path": lambda path: list_recordings("x", path),
    "copy": lambda path: find_files("x", path, ".*"),
    "nights": lambda path: nights_by_name(str(path)),
    "model": lambda path: load_models(path, ensemble=False),
    "progress": lambda path: path.rename(path.with_name("results")),
}


@pytest.fixture(params=ODD)
def odd(request, tmp_path):
    """A path at which something else stands, and what it is."""
    path = tmp_path / "one.edf"
    ODD[request.param](path)
    return path, request.param


def test_kinds_are_told_apart(odd, tmp_path):
    assert kind_of(odd[0]) == odd[1]
    (tmp_path / "f").touch()
    there = [kind_of(tmp_path / name) for name in (".", "f", "gone", "f/gone", "\0")]
    assert there == ["a folder", "a file", "", "", ""]
    assert "File name too long" in kind_of(tmp_path / ("n" * 300))


@pytest.mark.parametrize("read", FILES)
def test_what_is_no_file_is_said(odd, read):
    path, kind = odd
    with pytest.raises((HypnolensError, ValueError)) as caught:
        FILES[read](path)
    if not (read == "archive" and kind == "a loop of links"):  # a loop that was renamed leads nowhere
        assert kind in str(caught.value) or "link" in kind
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("read", [read for read in FILES if read not in ("weights", "archive")])
def test_a_folder_in_place_of_a_file_is_said(tmp_path, read):
    path = tmp_path / "one.edf"
    path.mkdir()
    with pytest.raises((HypnolensError, ValueError), match="a folder"):
        FILES[read](path)


@pytest.mark.parametrize("read", [read for read in FOLDERS if read != "progress"])
def test_what_is_no_folder_is_said(odd, read):
    path, kind = odd
    with pytest.raises(HypnolensError, match=kind):
        FOLDERS[read](path)


@pytest.mark.parametrize("read", [read for read in FOLDERS if read not in ("progress", "model")])
def test_a_file_in_place_of_a_folder_is_said(tmp_path, read):
    (tmp_path / "one").touch()
    with pytest.raises(HypnolensError, match="there is no folder .*: it is a file; give"):
        FOLDERS[read](tmp_path / "one")


def test_progress_says_what_results_are(odd, capsys):
    path, kind = odd
    path.rename(path.with_name("results"))
    assert main(["progress", str(path.parent)]) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and (kind in said or "link" in kind)


@pytest.mark.parametrize("read", [read_rows, read_json])
def test_a_pipe_in_place_of_a_file_between_steps_is_damage(tmp_path, read):
    os.mkfifo(tmp_path / "f")
    with pytest.raises(HypnolensError, match="damaged .it is a named pipe.; make it again"):
        read(tmp_path / "f")


def test_a_table_has_no_numbers_of_thousands_of_digits(tmp_path):
    table = tmp_path / "folds.tsv"
    table.write_text(f"subject\tfold\na\t{'9' * 5000}\n")
    with pytest.raises(ValueError, match="is no whole number below 10.9") as caught:
        read_user_table(table, required=("subject", "fold"), numbers=["fold"])
    assert len(str(caught.value)) < 400
