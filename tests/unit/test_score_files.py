"""The files that make a night, found without opening a signal."""

import pytest

from hypnolens.scoring.files import companion, further_files, names_in, place_of


def _touch(folder, *names):
    for name in names:
        (folder / name).touch()
    return names_in(folder)


@pytest.mark.parametrize(
    "header, found",
    [
        ("DataFile=n.eeg\nMarkerFile=n.vmrk\n", ["n.eeg", "n.vmrk"]),
        ("DataFile=$b.eeg\r\nMarkerFile=$b.vmrk\r\n", ["n.eeg", "n.vmrk"]),
        ("datafile = other.dat \n", ["other.dat", "n.vmrk"]),
        ("DataFile=gone.eeg\nMarkerFile=gone.vmrk\n", ["n.vmrk"]),
        ("DataFile=n\xe4chte.eeg\n", ["n\xe4chte.eeg", "n.vmrk"]),
        ("", ["n.vmrk"]),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1"])
def test_data_and_markers_of_brainvision_are_those_that_its_header_names(tmp_path, header, found, encoding):
    _touch(tmp_path, "n.eeg", "n.vmrk", "other.dat", "m.eeg", "n\xe4chte.eeg")
    (tmp_path / "n.vhdr").write_bytes(f"[Common Infos]\n{header}".encode(encoding))
    assert [path.name for path in further_files(tmp_path / "n.vhdr")] == found


def test_what_else_lies_in_several_files(tmp_path):
    _touch(tmp_path, "a.fdt", "b_raw-1.fif", "b_raw-2.fif", "b_raw-4.fif", "c_raw-1.fif.gz", "d.eeg", "d.vmrk")
    found = {
        name: [path.name for path in further_files(tmp_path / name)]
        for name in ("a.set", "b_raw.fif", "c_raw.fif.gz", "d.edf", "gone.vhdr", "e.set")
    }
    assert found == {
        "a.set": ["a.fdt"], "b_raw.fif": ["b_raw-1.fif", "b_raw-2.fif"], "c_raw.fif.gz": ["c_raw-1.fif.gz"],
        "d.edf": [], "gone.vhdr": [], "e.set": [],
    }  # fmt: skip


@pytest.mark.parametrize(
    "night, there, found",
    [
        ("n-PSG.edf", ["n-Hypnogram.edf", "n.xml"], "n-Hypnogram.edf"),
        ("n-PSG.edf", ["n-hypnogram.edf", "N-Hypnogram.edf"], None),
        ("n.edf", ["n-Hypnogram.edf"], None),
        ("n.edf", ["n.xml"], "n.xml"),
        ("n.edf", ["n-profusion.xml"], "n-profusion.xml"),
        ("n.bdf", ["n.xml"], "n.xml"),
        ("SC4001E0-PSG.edf", ["SC4001EC-Hypnogram.edf"], "SC4001EC-Hypnogram.edf"),
        ("SC4001E0-PSG.edf", ["SC4001EC-Hypnogram.edf", "SC4001EH-Hypnogram.edf"], None),
        ("SC4001E0-PSG.edf", ["SC4001EC-Hypnogram.edf", "SC4001E0-Hypnogram.edf"], "SC4001E0-Hypnogram.edf"),
        ("XX4001E0-PSG.edf", ["XX4001EC-Hypnogram.edf"], None),
    ],
)
def test_human_stages_beside_a_night(tmp_path, night, there, found):
    beside = companion(tmp_path / night, _touch(tmp_path, night, *there))
    assert (beside and beside.name) == found


def test_a_folder_that_is_gone_has_no_names(tmp_path):
    assert names_in(tmp_path / "gone") == frozenset()


def test_a_place_is_the_same_from_everywhere_and_that_of_a_link_is_its_own(tmp_path, monkeypatch):
    _touch(tmp_path, "n.edf", "m.edf")
    (tmp_path / "l.edf").symlink_to("n.edf")
    (tmp_path / "folder").symlink_to(".")
    places = [place_of(tmp_path / name) for name in ("n.edf", "m.edf", "l.edf")]
    assert len(set(places)) == 3 and place_of(tmp_path / "folder" / "n.edf") == places[0]
    monkeypatch.chdir(tmp_path)
    assert place_of((tmp_path / "n.edf").relative_to(tmp_path)) == places[0]
