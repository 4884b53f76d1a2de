"""Downloads: whatever a server does, a file ends verified or with one line, and no secret is ever written."""

import hashlib
import logging
import socket
import subprocess
import sys
import threading

import pytest

from hypnolens.datasets.fetch import Address, Patience, fetch_files
from hypnolens.errors import RecordingError
from tests.conftest import ROOT

BODY = bytes(range(256)) * 400
PATIENCE = Patience(attempts=4, wait_s=0.01, timeout_s=1)
NOBODY = "http://127.0.0.1:9"  # discard: nothing listens there


def _sha1(body):
    return f"sha1:{hashlib.sha1(body).hexdigest()}"


def _fetch(folder, *servers, files=("a.edf",), secret="", patience=PATIENCE):
    """Fetch files from servers (their addresses), in that order."""
    addresses = {
        name: [Address(f"{server}/{name}", f"{server}/{secret}{name}") for server in servers] for name in files
    }
    fetch_files(
        {name: _sha1(BODY + name.encode()) for name in files},
        addresses,
        {name: folder / name for name in files},
        folder / "source.tsv",
        recording="R1",
        remedy="set path:",
        patience=patience,
    )


@pytest.fixture
def files(server):
    for name in ("a.edf", "b.edf"):
        server.files[f"/{name}"] = BODY + name.encode()
    return server


def _left(folder):
    """Names of all that lies under a final name, or anywhere but in the hidden folder of unfinished downloads."""
    return sorted(path.name for path in folder.rglob("*") if path.is_file() and not path.parent.name.startswith("."))


PASSING = ["503", "500", "429", "drop", "cut", "stall", "short", "wrong"]


@pytest.mark.parametrize("manner", PASSING)
def test_what_passes_is_tried_again(files, tmp_path, manner):
    files.manner[None] = lambda number: manner if number == 0 else None
    _fetch(tmp_path, files.address)
    assert (tmp_path / "a.edf").read_bytes() == BODY + b"a.edf" and _left(tmp_path) == ["a.edf", "source.tsv"]
    assert files.asked == ["/a.edf"] * 2 and not list(tmp_path.glob(".*"))


def test_every_second_connection_dropped_is_no_obstacle(files, tmp_path):
    drops = iter([True, False] * 10)
    files.manner[None] = lambda _: "drop" if next(drops) else None
    _fetch(tmp_path, files.address, files=["a.edf", "b.edf"])
    assert _left(tmp_path) == ["a.edf", "b.edf", "source.tsv"]


def test_a_redirect_is_followed(files, tmp_path):
    files.files["/elsewhere"] = files.files.pop("/a.edf")
    files.manner["/a.edf"] = lambda _: "redirect /elsewhere"
    _fetch(tmp_path, files.address)
    assert (tmp_path / "a.edf").read_bytes() == BODY + b"a.edf"


@pytest.mark.parametrize(
    "manner, words, asked",
    [
        ("500", "answered 500", 4),
        ("404", "answered 404", 1),
        ("drop", "closed the connection", 4),
        ("cut", "broke off in the middle of the file", 4),
        ("stall", "was silent for 0.3 s", 4),
        ("short", r"sent other bytes \(sha1:\w{40}, expected sha1:\w{40}\)", 2),
        ("wrong", r"sent other bytes \(sha1:\w{40}, expected sha1:\w{40}\)", 2),
        ("page", "sent a web page in place of the file", 1),
        ("redirect /a.edf", "failed .TooManyRedirects.", None),
    ],
)
def test_what_does_not_pass_is_one_line_and_leaves_nothing(files, tmp_path, manner, words, asked):
    files.manner[None] = lambda _: manner
    with pytest.raises(RecordingError, match=rf"^R1: a.edf could not be fetched: 127.0.0.1:\d+ {words}; set path:$"):
        _fetch(tmp_path, files.address, patience=PATIENCE._replace(timeout_s=0.3))
    assert _left(tmp_path) == [] and not list(tmp_path.rglob("*.part"))
    assert asked is None or len(files.asked) == asked


def test_a_server_that_all_but_stalls_is_given_up(files, tmp_path):
    files.manner[None] = lambda _: "trickle"
    slow = Patience(attempts=1, wait_s=0, timeout_s=0.2)  # a hundred bytes come every 0.05 s: no read is silent
    files.files["/a.edf"] = bytes(9000)
    from hypnolens.datasets import fetch

    fastest, fetch.SLOWEST = fetch.SLOWEST, 100_000
    try:
        with pytest.raises(RecordingError, match="sent less than 100000 bytes a second"):
            _fetch(tmp_path, files.address, patience=slow)
    finally:
        fetch.SLOWEST = fastest


def test_the_second_server_is_asked_when_the_first_cannot_be_reached(files, tmp_path):
    _fetch(tmp_path, NOBODY, files.address)
    assert f"{files.address}/a.edf" in (tmp_path / "source.tsv").read_text()


def test_all_servers_are_named_when_none_has_it(files, tmp_path):
    files.manner[None] = lambda _: "404"
    with pytest.raises(RecordingError, match=r"127.0.0.1:9 could not be reached.*, 127.0.0.1:\d+ answered 404"):
        _fetch(tmp_path, NOBODY, files.address)


def test_what_was_verified_before_a_failure_is_not_fetched_again(files, tmp_path):
    files.manner["/b.edf"] = lambda _: "404"
    with pytest.raises(RecordingError, match="b.edf could not be fetched"):
        _fetch(tmp_path, files.address, files=["a.edf", "b.edf"])
    assert _left(tmp_path) == []
    files.manner.clear()
    files.asked.clear()
    _fetch(tmp_path, files.address, files=["a.edf", "b.edf"])
    assert files.asked == ["/b.edf"] and _left(tmp_path) == ["a.edf", "b.edf", "source.tsv"]
    source = (tmp_path / "source.tsv").read_text().splitlines()
    assert source[0] == "file\taddress\tchecksum\tbytes"
    assert source[1] == f"a.edf\t{files.address}/a.edf\t{_sha1(BODY + b'a.edf')}\t{len(BODY) + 5}"


def test_what_lies_under_its_name_and_is_right_is_left_as_it_is(files, tmp_path):
    _fetch(tmp_path, files.address, files=["a.edf", "b.edf"])
    (tmp_path / "b.edf").write_bytes(b"damaged since")
    (tmp_path / "source.tsv").write_bytes(b"\xff\xfe")
    before = (tmp_path / "a.edf").stat().st_mtime_ns
    files.asked.clear()
    _fetch(tmp_path, files.address, files=["a.edf", "b.edf"])
    assert files.asked == ["/b.edf"] and (tmp_path / "a.edf").stat().st_mtime_ns == before
    assert "not recorded" in (tmp_path / "source.tsv").read_text()
    files.manner[None] = lambda _: "500"
    _fetch(tmp_path, files.address, files=["a.edf", "b.edf"])  # nothing is asked for


def test_a_server_that_is_not_there_is_asked_twice_and_no_more(tmp_path, caplog):
    with pytest.raises(RecordingError, match="127.0.0.1:9 could not be reached; set path:"):
        _fetch(tmp_path, NOBODY)
    assert len(caplog.records) == 2


def test_a_secure_connection_that_drops_is_tried_again(tmp_path, caplog):
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def hang_up():
            while True:
                try:
                    listening.accept()[0].close()
                except OSError:
                    return

        threading.Thread(target=hang_up, daemon=True).start()
        with pytest.raises(RecordingError, match="closed the connection"):
            _fetch(tmp_path, f"https://127.0.0.1:{listening.getsockname()[1]}")
    assert len(caplog.records) == 4


def test_a_bundle_of_certificates_that_is_not_there_is_no_full_disk(tmp_path, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "nowhere.pem"))
    with pytest.raises(RecordingError, match="could not be fetched: 127.0.0.1:9 failed .OSError."):
        _fetch(tmp_path, NOBODY.replace("http", "https"))


def test_leftovers_of_a_killed_download_are_not_believed(files, tmp_path):
    waiting = tmp_path / ".R1.partial"
    waiting.mkdir()
    (waiting / "a.edf.part").write_bytes(b"half")
    (waiting / "a.edf").write_bytes(b"damaged since")
    (waiting / "source.tsv").write_text("file\taddress\tchecksum\tbytes\na.edf\thttp://x\tsha1:0\t4\nb.e")
    _fetch(tmp_path, files.address)
    assert (tmp_path / "a.edf").read_bytes() == BODY + b"a.edf" and not waiting.exists()


def test_a_full_disk_is_one_line(files, tmp_path):
    # A limit on the size of files is a full disk to whoever writes.
    code = f"""
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000))
from pathlib import Path
from tests.unit.test_fetch import _fetch
from hypnolens.errors import RecordingError
try:
    _fetch(Path({str(tmp_path)!r}), {files.address!r})
except RecordingError as error:
    print(error)
"""
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert run.stdout.startswith("R1: a.edf cannot be written below") and "make room" in run.stdout, run.stderr
    assert _left(tmp_path) == [] and not list(tmp_path.rglob("*.part"))


def test_a_folder_that_cannot_be_written_to_is_one_line(files, tmp_path):
    (tmp_path / "no-folder").write_text("")
    with pytest.raises(RecordingError, match="cannot be written below .*give yourself permission"):
        _fetch(tmp_path / "no-folder", files.address)
    assert not files.asked


TOKEN = "12345-sEcReT.token"


@pytest.mark.parametrize(
    "manner", ["401", "403", "404", "500", "page", "echo 200", "echo 401", "echo 500", "garbage", "cut", "drop",
               "redirect http://127.0.0.1:9/a.edf?from=12345-sEcReT.token", "redirect http://[bad/12345-sEcReT.token"],
)  # fmt: skip
def test_no_secret_is_written_whatever_the_server_does(files, tmp_path, caplog, capfd, manner):
    caplog.set_level(logging.DEBUG, logger="hypnolens")
    files.manner[None] = lambda _: manner
    with pytest.raises(RecordingError) as caught:
        _fetch(tmp_path, files.address, secret=f"{TOKEN}/", patience=PATIENCE._replace(attempts=2))
    shown = "".join(capfd.readouterr()) + caplog.text + str(caught.value)
    assert TOKEN not in shown and caught.value.__cause__ is None and caught.value.__suppress_context__ is not None
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and TOKEN.encode() in path.read_bytes()]
    if manner in ("401", "403", "page", "echo 401"):
        assert "the token is wrong, expired, or gives no access" in str(caught.value)


def test_no_secret_is_in_what_is_written_of_a_success(files, tmp_path, caplog):
    caplog.set_level(logging.DEBUG)
    logging.getLogger("urllib3").setLevel(logging.NOTSET)
    files.files[f"/{TOKEN}/a.edf"] = files.files["/a.edf"]
    _fetch(tmp_path, files.address, secret=f"{TOKEN}/")
    assert (tmp_path / "a.edf").is_file() and TOKEN not in (tmp_path / "source.tsv").read_text() + caplog.text
