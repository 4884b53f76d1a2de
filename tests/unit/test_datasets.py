"""Sleep-EDF and SHHS: who belongs to them, what a local copy lacks, their published folds and counts."""

import csv
import json
import re

import pytest

from hypnolens.datasets import sleepedf
from hypnolens.datasets.listing import list_recordings, published_folds
from hypnolens.datasets.published import differing, published, stage_counts
from hypnolens.errors import ConfigurationError, DatasetError
from hypnolens.io.tables import read_rows
from hypnolens.pipeline.configuration import load
from hypnolens.training.folds import make_folds
from tests.conftest import ROOT

TABLES = ROOT / "config" / "tables"


def _listing(name="sleep-edf-20", **options):
    dataset = load({"datasets": {name: options}}, ROOT).datasets[name]
    return list_recordings(name, dataset, TABLES)


def _touch(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def test_the_three_datasets_of_the_paper_are_what_papers_use(monkeypatch):
    monkeypatch.delenv("NSRR_TOKEN", raising=False)
    twenty, all_of_it, shhs = _listing("sleep-edf-20"), _listing("sleep-edf-78"), _listing("shhs")
    assert [len(listing.recordings) for listing in (twenty, all_of_it, shhs)] == [39, 153, 329]
    assert [len(set(listing.subjects)) for listing in (twenty, all_of_it, shhs)] == [20, 78, 329]
    assert [listing.published for listing in (twenty, all_of_it, shhs)] == ["sleep-edf-20", "sleep-edf-78", "shhs1-329"]
    assert twenty.unavailable is None and "NSRR_TOKEN" in shhs.unavailable
    monkeypatch.setenv("NSRR_TOKEN", "1-x")
    assert _listing("shhs").unavailable is None
    names = [recording.name for recording in all_of_it.recordings]
    assert names == sorted(names) and {"SC4001E0", "SC4822G0"} <= set(names)
    assert not {"SC4132E0", "SC4361F0", "SC4521F0"} & set(names)  # lost nights
    (first, *_) = twenty.recordings
    assert (first.subject, first.night, first.rates) == ("SC400", 1, (100.0,))
    assert first.hypnogram.name == "SC4001EC-Hypnogram.edf" and first.psg.name == "SC4001E0-PSG.edf"


def test_the_table_is_the_one_that_physionet_gives(data):
    with (data / "tables" / "sleepedf_records.csv").open() as file:
        rows = {row["psg_file"]: row for row in csv.DictReader(file)}
    ours = read_rows(TABLES / "sleep-edf.tsv")
    assert len(ours) == len(rows) == 153
    for row in ours:
        theirs = rows[f"{row['recording']}-PSG.edf"]
        assert int(row["subject"][3:]) == int(theirs["subject"])
        assert (f"{row['hypnogram']}-Hypnogram.edf", row["psg_sha1"], row["hypnogram_sha1"]) == (
            theirs["hypnogram_file"], theirs["psg_sha1"], theirs["hypnogram_sha1"]
        )  # fmt: skip


@pytest.mark.parametrize("number, n_folds", [(20, 20), (78, 10)])
def test_published_folds_are_the_published_ones(data, number, n_folds):
    theirs = json.loads((data / "tables" / f"folds_sleepedf{number}.json").read_text())["folds"]
    name = f"sleep-edf-{number}"
    listing = _listing(name)
    folds = make_folds(
        listing.subjects, scheme=published_folds(name, listing, TABLES), validation=0.1, seed=0, dataset="d"
    )
    assert len(folds) == n_folds == len(theirs)
    for ours, fold in zip(folds, theirs, strict=True):
        for side, key in (("test", "test"), ("validation", "val"), ("train", "train")):
            assert [int(subject[3:]) for subject in ours.side(side)] == sorted(fold[key])


def test_published_folds_need_all_of_the_published_subjects(tmp_path):
    with pytest.raises(DatasetError, match=r"^x: has no published folds; set folds: leave-one"):
        published_folds("x", _listing("sleep-edf-20", subjects="0-9"), TABLES)
    with pytest.raises(DatasetError, match="no published folds"):
        published_folds("x", _listing("sim"), TABLES)
    _touch(tmp_path, "SC4001E0-PSG.edf", "SC4001EC-Hypnogram.edf")
    with pytest.raises(
        DatasetError, match=r"lacks all recordings of subject SC401, SC402, SC403, SC404, SC405 …, whom"
    ):
        published_folds("x", _listing("sleep-edf-20", path=str(tmp_path)), TABLES)


@pytest.mark.parametrize("text, numbers", [("0-2", {0, 1, 2}), ("5", {5}), ("0-1,8,80-81", {0, 1, 8, 80, 81})])
def test_subjects_are_ranges_and_numbers(text, numbers):
    assert sleepedf.parse_subjects(text) == numbers


def test_subjects_that_do_not_exist_are_refused():
    with pytest.raises(
        ConfigurationError, match=r"datasets.sleep-edf-20.subjects: Sleep-EDF has no subject in '68-69'"
    ):
        _listing("sleep-edf-20", subjects="68-69")


def test_a_local_copy_is_searched_with_its_folders_and_says_what_it_lacks(tmp_path):
    # Any scorer's letter, PhysioNet's folder or none; other files and half a pair are no trouble yet.
    _touch(tmp_path, "sleep-cassette/SC4001E0-PSG.edf", "sleep-cassette/SC4001EZ-Hypnogram.edf", "SC4002E0-PSG.edf",
           "SC-subjects.xls", "sleep-telemetry/ST7011J0-PSG.edf", "SC4991E0-PSG.edf")  # fmt: skip
    listing = _listing(path=str(tmp_path), folds="leave-one-subject-out")
    assert [recording.name for recording in listing.recordings] == ["SC4001E0", "SC4002E0"]
    one, two = listing.recordings
    assert one.hypnogram.name == "SC4001EZ-Hypnogram.edf" and two.hypnogram is None
    assert one.source is None and one.sha1["psg"] == "adabd3b01fc7bb75c523a974f38ee3ae4e57b40f"
    assert len(listing.missing) == 37 and listing.published == "sleep-edf-20"


@pytest.mark.parametrize(
    "files, words",
    [
        (["x.edf"], "has none of the 39 recordings, such as SC4001E0-PSG.edf"),
        (["a/SC4001E0-PSG.edf", "b/SC4001E0-PSG.edf"], "has SC4001E0-PSG.edf twice, in "),
        (["SC4001EC-Hypnogram.edf", "SC4001EH-Hypnogram.edf"], "are of the same night; keep one of them"),
    ],
)
def test_a_local_copy_that_makes_no_sense_is_refused(tmp_path, files, words):
    _touch(tmp_path, *files)
    with pytest.raises(ConfigurationError, match=f"^configuration: datasets.sleep-edf-20.path: .*{re.escape(words)}"):
        _listing(path=str(tmp_path))


def test_a_local_copy_behind_links_in_capitals_and_with_unfinished_downloads(tmp_path):
    _touch(tmp_path, "real/SC4001E0-PSG.EDF", "real/SC4001EC-Hypnogram.edf", "real/.SC4001E0.partial/SC4001E0-PSG.edf",
           "real/SC4821G0-PSG.edf", "real/again/SC4821G0-PSG.edf")  # fmt: skip
    (tmp_path / "copy").mkdir()
    (tmp_path / "copy" / "link").symlink_to(tmp_path / "real")
    (tmp_path / "real" / "back").symlink_to(tmp_path / "real")
    (recording,) = _listing(subjects="0", path=str(tmp_path / "copy")).recordings  # SC4821 is not asked for
    assert recording.psg.name == "SC4001E0-PSG.EDF" and recording.hypnogram is not None


def test_two_signals_of_a_night_are_refused(tmp_path):
    _touch(tmp_path, "SC4001E0-PSG.edf", "SC4001F0-PSG.edf")
    with pytest.raises(ConfigurationError, match="are of the same night; keep one of them"):
        _listing(path=str(tmp_path))


def test_recordings_can_be_left_out_and_are_named(monkeypatch):
    listing = _listing(exclude=["SC4001E0"])
    assert len(listing.recordings) == 38 and listing.missing == ["SC4001E0"] and listing.published == "sleep-edf-20"
    assert published_folds("x", listing, TABLES).name == "folds-sleep-edf-20.tsv"  # the subject has another night
    with pytest.raises(ConfigurationError, match="exclude: there is no recording 'SC4001' to leave out"):
        _listing(exclude=["SC4001"])


def test_downloads_into_a_folder_that_cannot_be_written_to_are_not_planned(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("os.access", lambda path, mode: False)  # root may write anywhere
    with pytest.raises(
        DatasetError, match=r"^sleep-edf-20: its files are to be fetched to data/sleepedf, and '.*' cannot"
    ):
        _listing()


def test_a_folder_that_is_not_there_is_refused():
    for name in ("sleep-edf-20", "shhs"):
        with pytest.raises(ConfigurationError, match=f"datasets.{name}.path: there is no folder 'nowhere'"):
            _listing(name, path="nowhere")


NSRR = ("polysomnography/edfs/shhs1/{}.edf", "polysomnography/annotations-events-profusion/shhs1/{}-profusion.xml")


def test_a_local_copy_of_shhs_in_the_layout_of_the_nsrr_or_flat(tmp_path, monkeypatch):
    monkeypatch.delenv("NSRR_TOKEN", raising=False)
    for name in ("shhs1-200010", "shhs1-200017"):
        _touch(tmp_path, *(pattern.format(name) for pattern in NSRR))
    _touch(tmp_path, "polysomnography/edfs/shhs2/shhs2-200010.edf", "shhs1-200039.edf", "shhs1-200001.edf")
    listing = _listing("shhs", path=str(tmp_path))
    assert [r.name for r in listing.recordings] == ["shhs1-200010", "shhs1-200017", "shhs1-200039"]
    assert listing.recordings[2].hypnogram is None and len(listing.missing) == 326 and listing.unavailable is None
    assert listing.recordings[0].subject == "200010" and listing.recordings[0].rates == (125.0, 128.0)
    everything = _listing("shhs", path=str(tmp_path), recordings="all")
    assert len(everything.recordings) == 4 and not everything.missing and everything.published is None


def test_any_list_of_shhs(tmp_path, monkeypatch):
    monkeypatch.setenv("NSRR_TOKEN", "1-x")
    table = tmp_path / "mine.tsv"
    table.write_text("recording\nshhs1-200077\n")
    (recording,) = _listing("shhs", recordings=str(table)).recordings
    assert str(recording.hypnogram) == "data/shhs/shhs1-200077-profusion.xml"
    for text, words in [("recording\nSC4001E0\n", "no name such as"), ("name\nx\n", "no column recording"),
                        ("recording\nshhs1-200077\nshhs1-200077\n", "more than once")]:  # fmt: skip
        table.write_text(text)
        with pytest.raises(ConfigurationError, match=words):
            _listing("shhs", recordings=str(table))
    with pytest.raises(ConfigurationError, match="'all' needs path:"):
        _listing("shhs", recordings="all")


def test_shhs_that_was_fetched_needs_no_token_any_more(tmp_path, monkeypatch):
    monkeypatch.delenv("NSRR_TOKEN", raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "l.tsv").write_text("recording\nshhs1-200077\n")
    assert "1 of 1 recordings are not here" in _listing("shhs", recordings="l.tsv").unavailable
    _touch(tmp_path, "data/shhs/shhs1-200077.edf", "data/shhs/shhs1-200077-profusion.xml")
    assert _listing("shhs", recordings="l.tsv").unavailable is None


def _reference(name, rule="drop-then-trim", margin=30):
    return published(name, trim_rule=rule, trim_wake_min=margin, tables=TABLES)


def test_published_counts_add_up():
    totals = {(r["dataset"], r["trim_rule"]): sum(int(r[s]) for s in ("W", "N1", "N2", "N3", "R"))
              for r in read_rows(TABLES / "published-counts.tsv")}  # fmt: skip
    assert totals == {
        ("sleep-edf-20", "drop-then-trim"): 42308, ("sleep-edf-20", "trim-then-drop"): 44220,
        ("sleep-edf-78", "drop-then-trim"): 195479, ("shhs1-329", "drop-then-trim"): 324854,
    }  # fmt: skip
    assert (
        _reference("sleep-edf-20").counts["N1"] == 2804 and _reference("sleep-edf-20").by_recording["SC4012E0"] == 1186
    )
    assert _reference("sleep-edf-20", "trim-then-drop").by_recording["SC4012E0"] == 2265
    for absent in (_reference(None), _reference("sleep-edf-20", margin=20), _reference("shhs1-329", "trim-then-drop")):
        assert absent is None


def _row(recording, epochs, flags="none"):
    stages = dict.fromkeys(("W", "N1", "N2", "N3", "R"), "0") | {"N2": str(epochs)}
    return {"recording": recording, "epochs": str(epochs), "flags": flags, **stages}


def test_differences_from_what_is_published_are_told():
    rows = [_row("SC4001E0", 841, "flat=3"), _row("SC4012E0", 2265), _row("SC4002E0", 1, "other-file=psg flat=1")]
    assert differing(rows, ["SC4011E0"], _reference("sleep-edf-20")) == [
        {"recording": "SC4011E0", "what": "not here"},
        {"recording": "SC4012E0", "what": "2265 epochs, published 1186"},
        {"recording": "SC4002E0", "what": "other-file=psg"},
    ]
    counts = stage_counts(rows, _reference("sleep-edf-20"))
    assert counts[-1]["difference"] == 841 + 2265 + 1 - 42308 and counts[2]["published"] == 17799
    assert counts[2]["per_cent"] == "100.0" and stage_counts(rows, None)[-1]["published"] == "-"
