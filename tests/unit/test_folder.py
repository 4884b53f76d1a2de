"""A folder of recordings: pairs by name or by table, and tables that do not fit."""

import re
from pathlib import Path

import pytest

from hypnolens.datasets.listing import list_recordings
from hypnolens.errors import ConfigurationError


def _touch(folder, *names):
    for name in names:
        (folder / name).touch()


def _list(folder, **options):
    return list_recordings(
        "mine", {"kind": "folder", "path": str(folder), "exclude": [], **options}, Path("unused")
    ).recordings


def test_pairs_by_name_and_all_else_is_ignored(tmp_path):
    _touch(
        tmp_path, "b-PSG.edf", "b-Hypnogram.edf", "a-PSG.edf", "a-Hypnogram.edf", "notes.txt", "c.edf", "a-spindles.tsv"
    )
    found = _list(tmp_path)
    assert [(r.name, r.subject, r.night, r.psg.name, r.hypnogram.name) for r in found] == [
        ("a", "a", 1, "a-PSG.edf", "a-Hypnogram.edf"), ("b", "b", 1, "b-PSG.edf", "b-Hypnogram.edf")
    ]  # fmt: skip


def test_other_endings_are_listed_as_well(tmp_path):
    _touch(tmp_path, "a-PSG.rec", "a-Hypnogram.csv", "b-psg.EDF", "b-HYPNOGRAM.XML", "c-PSG.edf", "c-Hypnogram.txt")
    found = _list(tmp_path)
    assert [(r.name, r.psg.name, r.hypnogram.name) for r in found] == [
        ("a", "a-PSG.rec", "a-Hypnogram.csv"), ("b", "b-psg.EDF", "b-HYPNOGRAM.XML"),
        ("c", "c-PSG.edf", "c-Hypnogram.txt"),
    ]  # fmt: skip
    _touch(tmp_path, "a-Hypnogram.edf")
    with pytest.raises(ConfigurationError, match=r"a-Hypnogram\.csv and a-Hypnogram\.edf are of the same night"):
        _list(tmp_path)


def test_braces_are_refused_by_name(tmp_path):
    (folder := tmp_path / "my {a} nights").mkdir()
    _touch(folder, "a-PSG.edf", "a-Hypnogram.edf")
    with pytest.raises(
        ConfigurationError, match=r"my \{a\} nights/a-PSG.edf' has braces in it.*rename it, or give a link"
    ):
        _list(folder)
    (tmp_path / "link").symlink_to(folder)
    assert [one.name for one in _list(tmp_path / "link")] == ["a"]


def test_names_of_sleep_edf_pair_by_six_characters_and_give_subject_and_night(tmp_path):
    _touch(tmp_path, "SC4001E0-PSG.edf", "SC4001EC-Hypnogram.edf", "SC4002E0-PSG.edf", "SC4002EC-Hypnogram.edf",
           "ST7011J0-PSG.edf", "ST7011JP-Hypnogram.edf")  # fmt: skip
    found = {r.name: (r.subject, r.night, r.hypnogram.name) for r in _list(tmp_path)}
    assert found == {
        "SC4001E0": ("SC400", 1, "SC4001EC-Hypnogram.edf"),
        "SC4002E0": ("SC400", 2, "SC4002EC-Hypnogram.edf"),
        "ST7011J0": ("ST701", 1, "ST7011JP-Hypnogram.edf"),
    }


def test_halves_of_pairs_are_recordings_too(tmp_path):
    _touch(tmp_path, "a-PSG.edf", "b-Hypnogram.edf")
    assert [(r.name, r.psg is None, r.hypnogram is None) for r in _list(tmp_path)] == [
        ("a", False, True),
        ("b", True, False),
    ]


def test_a_table_replaces_the_search(tmp_path):
    table = tmp_path / "t.tsv"
    text = "recording\tpsg\thypnogram\tsubject\tnight\nx\ta.edf\th.edf\tanna\t2\n"
    table.write_bytes(b"\xef\xbb\xbf" + text.encode())  # as Excel writes it
    (found,) = _list(tmp_path, recordings=str(table))
    assert (found.name, found.subject, found.night, found.psg) == ("x", "anna", 2, tmp_path / "a.edf")


@pytest.mark.parametrize(
    "text, words",
    [
        ("recording psg\nx a.edf\n", "has no column hypnogram, subject, night"),
        ("recording psg hypnogram night subject\nx a h 1\n", "line 2 of"),
        ("recording psg hypnogram night subject\nx  h 1 s\n", "has no psg"),
        ("recording psg hypnogram subject night\nx a h s two\n", "night 'two' in line 2"),
        ("recording psg hypnogram subject night\nx a h s \u00b2\n", "is no whole number"),
        ("recording psg hypnogram subject night\nx a h s 1\nx b i s 2\n", "lists x more than once"),
        ("recording psg hypnogram subject night\n../x a h s 1\n", "'../x' cannot name"),
        ("recording psg hypnogram subject night\n", "has no row"),
    ],
)
def test_a_table_that_does_not_fit_is_refused_in_one_line(tmp_path, text, words):
    (tmp_path / "t.tsv").write_text(text.replace(" ", "\t"))
    with pytest.raises(ConfigurationError, match=re.escape(words)) as caught:
        _list(tmp_path, recordings=str(tmp_path / "t.tsv"))
    assert str(caught.value).startswith("configuration: datasets.mine")


def test_other_encodings_empty_folders_and_clashes_are_refused(tmp_path):
    with pytest.raises(ConfigurationError, match="no recording found"):
        _list(tmp_path)
    (tmp_path / "t.tsv").write_bytes("recording\tpsg\thypnogram\tsubject\tnight\nJ\xf6rg".encode("latin-1"))
    with pytest.raises(ConfigurationError, match="no table in UTF-8"):
        _list(tmp_path, recordings=str(tmp_path / "t.tsv"))
    _touch(tmp_path, "SC4001E0-PSG.edf", "SC4001E1-PSG.edf")
    with pytest.raises(ConfigurationError, match="are of the same night"):
        _list(tmp_path)
