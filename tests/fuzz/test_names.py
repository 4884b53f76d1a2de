"""Names of recordings, subjects and files from a table: none of them leads out of its folder."""

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from hypnolens.datasets.folder import SAFE, list_recordings
from hypnolens.errors import ConfigurationError

HEADER = "recording\tpsg\thypnogram\tsubject\tnight\n"

NAMES = [
    "../x", "..", ".", "/etc/x", "a/b", "a\\b", "-x", ".x", "~", "~root", "$HOME", "a b", "a;b", "a'b", "a\0b",
    "a\x1b[2Jb", "a" * 101, "a" * 5000, "J\xf6rg", "\u202ea", "{wildcard}", "*", "a\u2028b", "CON:", "%2e%2e",
    "a\u0301",
]  # fmt: skip

FILES = ["../x.edf", "a/../../x.edf", "/etc/x.edf", "..", "/", ".", "a\0.edf", "a\x1b[2J.edf", "a/..", "//server/x.edf"]


def _list(folder, recording="r", psg="a.edf", hypnogram="h.edf", subject="s"):
    table = folder / "t.tsv"
    cells = ['"{}"'.format(cell.replace('"', '""')) for cell in (recording, psg, hypnogram, subject, "1")]
    table.write_text(HEADER + "\t".join(cells) + "\n", encoding="utf-8", newline="")
    return list_recordings("mine", folder, table)


def _refused(folder, **cells):
    with pytest.raises(ConfigurationError) as caught:
        _list(folder, **cells)
    text = str(caught.value)
    assert text.startswith("configuration: datasets.mine") and text.isprintable() and len(text) < 1000


@pytest.mark.parametrize("name", NAMES)
def test_names_that_could_leave_the_folder_or_are_no_file_names_are_refused(tmp_path, name):
    _refused(tmp_path, recording=name)
    _refused(tmp_path, subject=name)


@pytest.mark.parametrize("name", ["a\nb", "a\rb", "a\n../x"])
def test_names_of_several_lines_are_refused(tmp_path, name):
    _refused(tmp_path, recording=name)
    _refused(tmp_path, subject=name)
    _refused(tmp_path, psg=name)


@pytest.mark.parametrize("file", FILES)
def test_files_outside_the_folder_are_refused(tmp_path, file):
    _refused(tmp_path, psg=file)
    _refused(tmp_path, hypnogram=file)


def test_files_in_folders_below_and_long_names_are_taken(tmp_path):
    (found,) = _list(tmp_path, recording="a" * 100, psg="night 1/a..b.edf", hypnogram="./h.edf", subject="S-1_x.y")
    assert found.psg == tmp_path / "night 1" / "a..b.edf" and found.hypnogram == tmp_path / "h.edf"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        *((name, "cannot name") for name in ("-x", " x", "x y", "..", "y" * 101)),
        *((name, "cannot be shown") for name in ("x\n", "x\x1b[2J", "\u202ex")),
    ],
)
def test_files_of_a_folder_whose_names_cannot_name_results_are_refused(tmp_path, name, said):
    (tmp_path / f"{name}-PSG.edf").touch()
    (tmp_path / f"{name}-Hypnogram.edf").touch()
    with pytest.raises(ConfigurationError) as caught:
        list_recordings("mine", tmp_path)
    text = str(caught.value)
    assert said in text and text.isprintable() and len(text) < 1000


@settings(
    max_examples=200, deadline=None, derandomize=True, database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)  # fmt: skip
@given(name=st.text(min_size=1, max_size=30), file=st.text(min_size=1, max_size=30))
@example(name="a", file="b/../c")
def test_whatever_a_table_says_results_and_files_stay_inside(tmp_path, name, file):
    try:
        (found,) = _list(tmp_path, recording=name, subject=name, psg=file)
    except (ConfigurationError, UnicodeEncodeError) as error:
        assert isinstance(error, UnicodeEncodeError) or str(error).isprintable()
        return
    assert SAFE.fullmatch(found.name) and SAFE.fullmatch(found.subject)
    assert (tmp_path / "results" / f"{found.name}.json").resolve().parent == (tmp_path / "results").resolve()
    assert found.psg.resolve().is_relative_to(tmp_path.resolve()) and found.psg.resolve() != tmp_path.resolve()
