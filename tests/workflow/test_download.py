"""Sleep-EDF and SHHS from a server of simulated files to the table of recordings, and what is left after faults."""

import csv
import hashlib
import os
import shutil
import signal
import subprocess
import time
from datetime import datetime, timedelta

import mne
import numpy as np
import pandas as pd
import pytest

from hypnolens.io.tables import read_rows, write_rows
from hypnolens.recordings.epochs import read_epochs
from tests.conftest import write_hypnogram, write_pair, write_profusion, write_psg
from tests.rehearsal.archives import write_shhs_psg
from tests.workflow.conftest import copy_of_the_project

NIGHTS = ("SC4001E0", "SC4011E0", "SC4021E0")
CASSETTE = "/sleep-edfx/1.0.0/sleep-cassette"
TOKEN = "4711-ToPsEcReT"


def _sleepedf(pipeline, server, **more):
    """A project whose table has the checksums of three simulated nights, and a server that holds them."""
    root = copy_of_the_project(pipeline.folder)
    table = root / "config" / "tables" / "sleep-edf.tsv"
    rows = [row for row in read_rows(table) if row["recording"] in NIGHTS]
    for number, row in enumerate(rows):
        paths = write_pair(pipeline.folder / "published", row["recording"], "W122R3" * (number + 1), seed=number)
        names = f"{row['recording']}-PSG.edf", f"{row['hypnogram']}-Hypnogram.edf"
        for path, name, column in zip(paths, names, ("psg_sha1", "hypnogram_sha1"), strict=True):
            body = path.read_bytes()
            server.files[f"{CASSETTE}/{name}"] = body
            row[column] = hashlib.sha1(body).hexdigest()
    write_rows(table, list(rows[0]), rows)
    pipeline.configure(
        datasets={"sleep": {"kind": "sleepedf", "subjects": "0-2", "experiments": ["tiny"]}},
        download={"sleepedf": [f"{server.address}{CASSETTE}/"], "attempts": 3, "wait_s": 0.1, "timeout_s": 5, **more},
    )
    return root


def _files(folder):
    """Files of the downloads under a final name."""
    found = (folder / "data").rglob("*")
    return {path.name for path in found if path.suffix in (".edf", ".xml") and not path.parent.name.startswith(".")}


def test_sleep_edf_from_its_addresses_to_the_table_of_recordings(pipeline, server):
    root = _sleepedf(pipeline, server, sleepedf=["http://127.0.0.1:9", server.address + CASSETTE])
    server.manner[None] = lambda number: "drop" if number % 2 == 0 else None
    run = pipeline.run("results/sleep/recordings.tsv", root=root)
    assert run.returncode == 0, run.stdout
    table = pd.read_table(pipeline.folder / "results/sleep/recordings.tsv")
    assert table["recording"].tolist() == list(NIGHTS) and table["epochs"].tolist() == [6, 12, 18]
    assert table["subject"].tolist() == ["SC400", "SC401", "SC402"] and set(table["flags"]) == {"none"}
    assert table["source"].tolist() == [f"{server.address}{CASSETTE}/{name}-PSG.edf" for name in NIGHTS]
    assert set(table["licence"]) == {"ODC-BY 1.0"} and table["citation"].str.contains("Kemp").all()
    for path in (pipeline.folder / "data").rglob("SC*.edf"):
        assert path.read_bytes() == server.files[f"{CASSETTE}/{path.name}"]
    assert "MB verified" in run.stdout  # progress is shown

    # Another dataset with the same subjects, other addresses, more patience: nothing is fetched again.
    server.asked.clear()
    datasets = {name: {"kind": "sleepedf", "subjects": "0-2", "experiments": ["tiny"]} for name in ("sleep", "again")}
    pipeline.configure(datasets=datasets, download={"attempts": 9})
    assert "download_sleepedf" not in pipeline.planned("results/again/recordings.tsv", root=root)
    assert pipeline.planned("results/sleep/recordings.tsv", root=root) == {}
    # A night that was taken away is fetched again, and no other.
    next((pipeline.folder / "data").rglob("SC4011E0-PSG.edf")).unlink()
    pipeline.configure(datasets=datasets, download={"sleepedf": [server.address + CASSETTE]})
    server.manner.clear()
    (pipeline.folder / "results/sleep/epochs/SC4011E0.safetensors").unlink()
    assert pipeline.run("results/sleep/epochs/SC4011E0.safetensors", root=root).returncode == 0
    assert server.asked == [f"{CASSETTE}/SC4011E0-PSG.edf"]
    # Nor is anything fetched when a job of files that are there runs again, for whatever reason.
    server.asked.clear()
    hypnogram = pipeline.folder / "data/sleepedf/SC4001EC/SC4001EC-Hypnogram.edf"
    assert pipeline.run(str(hypnogram.relative_to(pipeline.folder)), "--force", root=root).returncode == 0
    assert server.asked == [] and hypnogram.is_file()


@pytest.mark.parametrize("manner", ["wrong", "cut"])
def test_what_cannot_be_fetched_is_one_line_and_the_rest_is_kept(pipeline, server, manner):
    root = _sleepedf(pipeline, server, attempts=2)
    server.manner[f"{CASSETTE}/SC4011E0-PSG.edf"] = lambda _: manner
    run = pipeline.run("results/sleep/recordings.tsv", root=root)
    last = run.stdout.splitlines()[-1]
    assert run.returncode != 0 and "Traceback" not in run.stdout
    assert last.startswith("SC4011E0: SC4011E0-PSG.edf could not be fetched: 127.0.0.1:") and "set path:" in last
    assert _files(pipeline.folder) == {f"{name}-PSG.edf" for name in NIGHTS if name != "SC4011E0"} | {
        f"{name}-Hypnogram.edf" for name in ("SC4001EC", "SC4021EH")
    }
    kept = {path.stem for path in (pipeline.folder / "results/sleep/epochs").glob("*")}
    assert kept == {"SC4001E0", "SC4021E0"}
    server.manner.clear()
    server.asked.clear()
    assert pipeline.run("results/sleep/recordings.tsv", root=root).returncode == 0
    assert server.asked == [f"{CASSETTE}/SC4011E0-PSG.edf"]  # its hypnogram was verified before


def test_a_run_killed_in_the_middle_of_a_download_loses_that_file_only(pipeline, server):
    root = _sleepedf(pipeline, server)
    slow = f"{CASSETTE}/SC4021E0-PSG.edf"
    server.manner[slow] = lambda _: "trickle"
    command = pipeline.command("results/sleep/recordings.tsv", root=root)
    process = subprocess.Popen(command, cwd=pipeline.folder, start_new_session=True, stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)  # fmt: skip
    deadline = time.monotonic() + 120
    done = {"SC4001E0-PSG.edf", "SC4011E0-PSG.edf"}
    while not (done <= _files(pipeline.folder) and slow in server.asked):
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.1)
    time.sleep(0.5)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert "SC4021E0-PSG.edf" not in _files(pipeline.folder)
    server.manner.clear()
    server.asked.clear()
    assert pipeline.run("--unlock", root=root).returncode == 0
    run = pipeline.run("results/sleep/recordings.tsv", root=root)
    assert run.returncode == 0, run.stdout
    assert server.asked == [slow]


def _shhs(pipeline, server):
    """A list of two recordings, as the NSRR would give them: fourteen channels of several rates, and their stages."""
    folder = pipeline.folder / "published"
    folder.mkdir()
    lists = {"edfs": [], "annotations-events-profusion": []}
    for number, rate in enumerate((125, 128), start=1):
        name = f"shhs1-20000{number}"
        stages = [0, 1, 2, 2, 6, 3, 4, 5, 9, 0]
        write_shhs_psg(folder / f"{name}.edf", rate, 30 * len(stages))
        write_profusion(folder / f"{name}-profusion.xml", stages)
        for kind, ending in (("edfs", ".edf"), ("annotations-events-profusion", "-profusion.xml")):
            path = f"polysomnography/{kind}/shhs1/{name}{ending}"
            body = (folder / f"{name}{ending}").read_bytes()
            server.files[f"/datasets/shhs/files/a/{TOKEN}/m/hypnolens/{path}"] = body
            checksum = hashlib.md5(body).hexdigest()
            entry = {"full_path": path, "file_size": len(body), "file_checksum_md5": checksum, "is_file": True}
            lists[kind].append(entry)
    server.lists = {f"polysomnography/{kind}/shhs1": entries for kind, entries in lists.items()}
    (pipeline.folder / "two.tsv").write_text("recording\nshhs1-200001\nshhs1-200002\n")
    pipeline.configure(
        datasets={"two": {"kind": "shhs", "recordings": "two.tsv", "channel": ["EEG"], "experiments": ["tiny"]}},
        download={"shhs": server.address, "attempts": 2, "wait_s": 0.1, "timeout_s": 5},
    )


def _has_token(folder):
    """Files, or names of files, that hold the token's value, but those that the test itself made."""
    named = [path for path in folder.rglob("*") if TOKEN in path.name]
    return named + [path for path in folder.rglob("*") if path.is_file() and TOKEN.encode() in path.read_bytes()]


def test_shhs_with_a_token_that_is_written_nowhere(pipeline, server, monkeypatch):
    _shhs(pipeline, server)
    monkeypatch.setenv("NSRR_TOKEN", TOKEN)
    server.manner = dict.fromkeys(server.files, lambda _: "garbage")  # headers that make the HTTP library warn
    run = pipeline.run("results/two/recordings.tsv", "reports/two/tables/counts.tsv")
    assert run.returncode == 0, run.stdout
    table = pd.read_table(pipeline.folder / "results/two/recordings.tsv", dtype={"subject": str})
    assert table["epochs"].tolist() == [8, 8] and table["subject"].tolist() == ["200001", "200002"]
    assert table[["dropped_movement", "dropped_unscored"]].to_numpy().tolist() == [[1, 1], [1, 1]]
    assert table[["W", "N1", "N2", "N3", "R"]].to_numpy().tolist() == [[2, 1, 2, 2, 1]] * 2
    assert set(table["channel"]) == {"EEG"} and set(table["sampling_rate_hz"]) == {100.0}
    address = f"{server.address}/datasets/shhs/files/polysomnography/edfs/shhs1/shhs1-200001.edf"
    assert table["source"][0] == address
    assert TOKEN not in run.stdout and not _has_token(pipeline.folder)
    # Once fetched, they are there without a token too.
    monkeypatch.delenv("NSRR_TOKEN")
    assert pipeline.planned("results/two/recordings.tsv") == {}


@pytest.mark.parametrize("manner", ["page", "echo 401", "echo 200", "expires"])
def test_a_token_that_is_not_accepted_is_written_nowhere(pipeline, server, monkeypatch, manner):
    _shhs(pipeline, server)
    monkeypatch.setenv("NSRR_TOKEN", TOKEN)
    for path in server.files:
        if manner == "expires":  # in the middle of a pair
            server.manner[path] = lambda _, path=path: "page" if path.endswith(".edf") else None
        else:
            server.manner[path] = lambda _: manner
    run = pipeline.run("results/two/recordings.tsv")
    last = run.stdout.splitlines()[-1]
    assert run.returncode != 0 and "Traceback" not in run.stdout
    assert last.startswith("shhs1-20000") and "could not be fetched" in last and "path:" in last
    if manner != "echo 200":
        assert "the token is wrong, expired, or gives no access" in last
    assert TOKEN not in run.stdout and not _has_token(pipeline.folder)
    assert not _files(pipeline.folder)


def test_a_value_that_cannot_be_a_token_is_written_nowhere(pipeline, server, monkeypatch):
    _shhs(pipeline, server)
    monkeypatch.setenv("NSRR_TOKEN", f"{TOKEN}\nsecond line")
    run = pipeline.run("results/two/recordings.tsv")
    assert "NSRR_TOKEN holds spaces or letters that no token has" in run.stdout.splitlines()[-1]
    assert TOKEN not in run.stdout and not _has_token(pipeline.folder)


def test_a_file_that_the_nsrr_has_changed_says_how_to_list_again(pipeline, server, monkeypatch):
    _shhs(pipeline, server)
    monkeypatch.setenv("NSRR_TOKEN", TOKEN)
    (path,) = [path for path in server.files if path.endswith("200002.edf")]
    right, server.files[path] = server.files[path], server.files[path] + b"\0\0"
    last = pipeline.run("results/two/recordings.tsv").stdout.splitlines()[-1]
    assert "sent other bytes" in last and "delete data/shhs/files.tsv and run again" in last
    server.files[path] = right
    (pipeline.folder / "data/shhs/files.tsv").unlink()
    server.asked.clear()
    assert pipeline.run("results/two/recordings.tsv").returncode == 0
    assert [asked for asked in server.asked if asked.endswith((".edf", ".xml"))] == [path]


@pytest.mark.parametrize("manner", ["500", "echo 200"])
def test_a_list_of_the_nsrr_that_cannot_be_had_is_one_line(pipeline, server, monkeypatch, manner):
    _shhs(pipeline, server)
    monkeypatch.setenv("NSRR_TOKEN", TOKEN)
    server.manner["/api/v1/datasets/shhs/files.json"] = lambda _: manner
    run = pipeline.run("results/two/recordings.tsv")
    last = run.stdout.splitlines()[-1]
    assert run.returncode != 0 and last.startswith("shhs: ") and "path:" in last and "Traceback" not in run.stdout


def test_genuine_hypnograms_with_simulated_signals_give_the_published_counts(data, pipeline):
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 20, 3000 * 100).clip(-190, 190)
    copy = pipeline.folder / "sleep-cassette"
    copy.mkdir()
    with (data / "hypnograms" / "expected_epochs.tsv").open() as file:
        expected = {row["recording"]: row for row in csv.DictReader(file, delimiter="\t")}
    for name, row in expected.items():
        (hypnogram,) = (data / "hypnograms").glob(f"{name[:6]}*-Hypnogram.edf")
        shutil.copy(hypnogram, copy)
        start = mne.io.read_raw_edf(hypnogram, verbose="error").info["meas_date"].replace(tzinfo=None)
        signal_ = np.resize(noise, 3000 * int(row["signal_epochs"]))
        write_psg(copy / f"{name}-PSG.edf", {"EEG Fpz-Cz": signal_}, start=start)
    local = {"kind": "sleepedf", "subjects": "0-19", "path": ".", "experiments": ["tiny"]}
    pipeline.configure(datasets={rule: {**local, "trim_rule": rule} for rule in ("drop-then-trim", "trim-then-drop")})
    reports = ("tables/counts.tsv", "figures/recordings.png", "figures/stages.png")
    wanted = [f"reports/drop-then-trim/{name}" for name in reports] + ["reports/trim-then-drop/tables/counts.tsv"]
    run = pipeline.run(*wanted)
    assert run.returncode == 0, run.stdout
    assert "28 of its recordings are not in path:, or excluded: SC4002E0" in run.stdout
    for rule in ("drop-then-trim", "trim-then-drop"):
        table = pd.read_table(pipeline.folder / f"results/{rule}/recordings.tsv").set_index("recording")
        assert table["epochs"].to_dict() == {
            name: int(row[f"epochs_{rule.replace('-', '_')}"]) for name, row in expected.items()
        }
        assert set(table["flags"].str.split().str[0]) == {"other-file=psg"}  # the hypnograms are the published files
        differing = pd.read_table(pipeline.folder / f"reports/{rule}/tables/differing.tsv")
        assert (differing["what"] == "not here").sum() == 28 and (differing["what"] == "other-file=psg").sum() == 11
        counts = pd.read_table(pipeline.folder / f"reports/{rule}/tables/counts.tsv").set_index("stage")
        total = {"drop-then-trim": 42308, "trim-then-drop": 44220}[rule]
        assert counts.loc["all", "published"] == total
        assert counts.loc["all", "difference"] == table["epochs"].sum() - total
    epochs = read_epochs(pipeline.folder / "results/drop-then-trim/epochs/SC4012E0.safetensors")
    assert len(np.unique(epochs.epoch_index)) == 1186


def test_a_hypnogram_of_another_night_is_the_last_line(pipeline):
    copy = pipeline.folder / "copy"
    write_pair(copy, "SC4001E0", "W" * 60)
    (copy / "SC4001E0-Hypnogram.edf").unlink()
    # The next evening's begins just before this signal's end.
    start = datetime(1989, 4, 24, 16, 13) + timedelta(seconds=30 * 55)
    write_hypnogram(copy / "SC4001EC-Hypnogram.edf", "W" * 40 + "2" * 20, start=start)
    mine = {"kind": "sleepedf", "subjects": "0", "path": "copy", "experiments": ["tiny"]}
    pipeline.configure(datasets={"mine": mine})
    run = pipeline.run("results/mine/recordings.tsv")
    last = run.stdout.splitlines()[-1]
    assert run.returncode != 0 and "have 5 of 60 scored epochs in common; pair the signal with the hypnogram" in last
