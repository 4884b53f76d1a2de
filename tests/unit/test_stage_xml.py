"""Profusion's XML: every code, and whatever else may lie in its place."""

from datetime import datetime

import pytest

from hypnolens.errors import RecordingError
from hypnolens.recordings.hypnogram import read_stages
from hypnolens.recordings.stage_xml import read_profusion
from hypnolens.stages import MOVEMENT, UNSCORED
from tests.conftest import write_profusion


def test_every_code_has_its_stage(tmp_path):
    stages = read_profusion(write_profusion(tmp_path / "a.xml", [0, 1, 2, 3, 4, 5, 6, 9]), "a")
    assert stages.tolist() == [0, 1, 2, 3, 3, 4, MOVEMENT, UNSCORED]


def test_a_namespace_does_not_matter(tmp_path):
    path = write_profusion(tmp_path / "a.xml", [0, 2])
    path.write_text(path.read_text().replace("<CMPStudyConfig>", '<CMPStudyConfig xmlns="http://x">'))
    assert read_profusion(path, "a").tolist() == [0, 2]


BOMB = """<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "0000000000"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>
<CMPStudyConfig><SleepStages><SleepStage>&b;</SleepStage></SleepStages></CMPStudyConfig>"""
OUTSIDE = """<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/hostname">]>
<CMPStudyConfig><SleepStages><SleepStage>&a;</SleepStage></SleepStages></CMPStudyConfig>"""
NSRR = "<PSGAnnotation><SoftwareVersion>Compumedics</SoftwareVersion></PSGAnnotation>"


@pytest.mark.parametrize(
    "text, words",
    [
        (BOMB, "has a document type or entities"),
        (OUTSIDE, "has a document type or entities"),
        (NSRR, "is not Profusion's XML with stages .it begins with 'PSGAnnotation'.; take the file NAME-profusion.xml"),
        ("<CMPStudyConfig><SleepStages/></CMPStudyConfig>", "is not Profusion's XML with stages"),
        ("", "is empty"),
        ("<CMPStudyConfig><SleepStages>", "is not readable XML"),
        ("EDF or whatever", "is not readable XML"),
        (b"\xff\xfe\x00<", "is not readable XML"),
    ],
)
def test_what_is_not_profusion_is_refused(tmp_path, text, words):
    path = tmp_path / "a-profusion.xml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(RecordingError, match=rf"^a: a-profusion.xml {words}"):
        read_profusion(path, "a")


@pytest.mark.parametrize("code", [7, 8, 10, -1, "N2", "", "²", "0x1"])
def test_codes_that_no_stage_has_are_refused(tmp_path, code):
    with pytest.raises(
        RecordingError, match=r"^a: a.xml gives epoch 1 the stage '.*'; known are 0, 1, 2, 3, 4, 5, 6, 9"
    ):
        read_profusion(write_profusion(tmp_path / "a.xml", [0, code]), "a")


def test_epochs_of_another_length_are_refused(tmp_path):
    with pytest.raises(RecordingError, match="has epochs of '20' s"):
        read_profusion(write_profusion(tmp_path / "a.xml", [0], length=20), "a")
    with pytest.raises(RecordingError, match="does not exist"):
        read_profusion(tmp_path / "nowhere.xml", "a")


def _stages(tmp_path, n_stages, n_epochs, extra_s=0.0):
    path = write_profusion(tmp_path / "a.xml", [2] * n_stages)
    return read_stages(path, start=datetime(2000, 1, 1), duration_s=30.0 * n_epochs + extra_s, recording="a")


def test_a_few_stages_too_many_are_cut_and_too_few_leave_epochs_unscored(tmp_path):
    same, more, fewer = _stages(tmp_path, 100, 100, 12.0), _stages(tmp_path, 103, 100), _stages(tmp_path, 97, 100)
    assert same.stages.tolist() == more.stages.tolist() == [2] * 100 and same.flags == []
    assert fewer.stages.tolist() == [2] * 97 + [UNSCORED] * 3
    assert (more.flags, fewer.flags) == (["stages=+3"], ["stages=-3"])


@pytest.mark.parametrize("n_stages", [10, 89, 111, 900])
def test_the_stages_of_another_recording_are_refused(tmp_path, n_stages):
    with pytest.raises(
        RecordingError, match=f"a.xml has {n_stages} stages, and its signal has 100 epochs of 30 s; pair"
    ):
        _stages(tmp_path, n_stages, 100)
