"""Nights of one's own by Snakemake, and releases: `snakemake score` and `snakemake release`."""

import json
import shutil

import numpy as np
import pandas as pd
import yaml

from hypnolens.network.files import SHIPPED
from tests.conftest import pink, write_hypnogram, write_psg

VHDR = """\
Brain Vision Data Exchange Header File Version 1.0
[Common Infos]
Codepage=UTF-8
DataFile=b.eeg
MarkerFile=b.vmrk
DataFormat=BINARY
DataOrientation=MULTIPLEXED
NumberOfChannels=1
SamplingInterval=10000
[Binary Infos]
BinaryFormat=INT_16
[Channel Infos]
Ch1=C4,,0.1,µV
"""

VMRK = """\
Brain Vision Data Exchange Marker File, Version 1.0
[Common Infos]
Codepage=UTF-8
DataFile=b.eeg
[Marker Infos]
Mk1=New Segment,,1,1,0
"""


def _nights(folder, *names):
    (folder / "nights").mkdir()
    for seed, name in enumerate(names):
        write_psg(folder / "nights" / name, {"C4-M1": pink(12, seed=seed).clip(-190, 190)})


def _configure(pipeline, **score):
    config = {"run": [], "score": {"nights": "nights", **score}}
    (pipeline.folder / "config.yaml").write_text(yaml.safe_dump(config))


def test_a_folder_of_nights_is_a_job_a_night_and_a_bad_one_stops_no_other(pipeline):
    _nights(pipeline.folder, "one.edf", "two-PSG.edf", "bad.edf")
    (pipeline.folder / "nights" / "two-Hypnogram.edf").write_bytes(b"no night")
    bad = pipeline.folder / "nights" / "bad.edf"
    bad.write_bytes(bad.read_bytes()[:500])
    _configure(pipeline)
    assert pipeline.planned("score") == {"score_night": 3, "scores": 1, "score": 1}
    run = pipeline.run("score")
    assert run.returncode == 1
    assert run.stdout.strip().splitlines()[-1].startswith("bad: bad.edf is not a readable EDF file"), run.stdout
    scores = pipeline.folder / "reports" / "scores"
    assert {path.name for path in scores.iterdir()} >= {"one", "two"}
    summary = json.loads((scores / "one" / "one.json").read_text())
    assert summary["models"][0].startswith("YASA ") and (scores / "one" / "one.html").exists()
    bad.unlink()
    assert pipeline.run("score").returncode == 0
    table = pd.read_csv(scores / "scores.tsv", sep="\t")
    assert table["night"].tolist() == ["one", "two"] and (table["tib_min"] == 6).all()
    assert pipeline.planned("score") == {}
    # Another review threshold is another result; the same keys are not.
    _configure(pipeline, review_below=0.9)
    assert pipeline.planned("score")["score_night"] == 2


def test_a_night_is_scored_again_when_anything_changes_that_it_is_made_of(pipeline):
    folder = pipeline.folder
    _nights(folder, "a-PSG.edf")
    write_hypnogram(folder / "nights" / "a-Hypnogram.edf", "W12233322RRW")
    signal = np.round(pink(12, seed=1).clip(-190, 190) / 0.1)
    (folder / "nights" / "b.eeg").write_bytes(signal.astype("<i2").tobytes())
    (folder / "nights" / "b.vhdr").write_text(VHDR, encoding="utf-8")
    (folder / "nights" / "b.vmrk").write_text(VMRK)
    shutil.copytree(SHIPPED / "fold-0", folder / "model")
    _configure(pipeline, model="model")
    run = pipeline.run("score")
    assert run.returncode == 0, run.stdout
    assert pipeline.planned("score") == {}
    for path, again in {
        "nights/a-Hypnogram.edf": 1, "nights/b.eeg": 1, "nights/b.vmrk": 1,
        "model/model.safetensors": 2, "model/model.json": 2,
    }.items():  # fmt: skip
        before = (folder / path).read_bytes()
        (folder / path).write_bytes(before[:-1] + bytes([before[-1] ^ 1]))
        assert pipeline.planned("score")["score_night"] == again, path
        (folder / path).write_bytes(before)
        assert pipeline.planned("score") == {}, path
    (folder / "nights" / "a-Hypnogram.edf").unlink()
    assert pipeline.planned("score")["score_night"] == 1


def test_nights_that_cannot_be_named_or_found_are_said_before_anything_runs(pipeline):
    _configure(pipeline)
    run = pipeline.run("score", "--dry-run")
    assert run.returncode and "score.nights: there is no folder 'nights'" in run.stdout
    _nights(pipeline.folder, "a-1.edf", "a1.edf")
    run = pipeline.run("score", "--dry-run")
    assert run.returncode and "would write the same files" in run.stdout
    _configure(pipeline, channel="C4")
    run = pipeline.run("score", "--dry-run")
    assert run.returncode and "score.channel" in run.stdout


def test_a_release_is_made_of_what_was_trained_and_nights_are_scored_with_it(finished, pipeline):
    run = finished.run("release")
    assert run.returncode == 0, run.stdout
    release = finished.folder / "reports" / "mini" / "tiny" / "release.zip"
    _nights(pipeline.folder, "one.edf")
    _configure(pipeline, model=str(release), ensemble=True)
    run = pipeline.run("score")
    assert run.returncode == 0, run.stdout
    summary = json.loads((pipeline.folder / "reports/scores/one/one.json").read_text())
    assert summary["models"] == [f"DEMO-simulated-nights-mini-tiny-fold-{fold}" for fold in range(3)]
