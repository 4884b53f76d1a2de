"""Many nights: folders as arguments, nights that are complete are left, a page of all of them; and fewer classes."""

import json
import re

import numpy as np
import pandas as pd
import pytest

from hypnolens.cli import main
from hypnolens.errors import HypnolensError
from hypnolens.evaluation.metrics import confusion_matrix
from hypnolens.scoring.classes import class_codes, classes_of, counted
from hypnolens.scoring.overview import write_overview
from hypnolens.stages import STAGES
from tests.conftest import pink, write_hypnogram, write_psg
from tests.nights import scored_night


def _night(path, seed=0):
    path.parent.mkdir(exist_ok=True)
    return write_psg(path, {"EEG C4": pink(12, uv=20.0, seed=seed).clip(-190, 190)})


def _score(*arguments):
    return main(["score", *map(str, arguments), "--no-page", "--jobs", "1", "--model", "demo"])


def test_what_is_complete_is_left_until_anything_changes(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    night = _night(tmp_path / "nights" / "n-PSG.edf")
    out = tmp_path / "scores"

    def staged(*more):
        (out / "n-stages.tsv").touch() if out.exists() else None
        before = (out / "n-stages.tsv").stat().st_mtime_ns if out.exists() else 0
        assert main(["score", "nights", "--no-page", *more]) == 0
        said = capsys.readouterr()
        left = "1 of 1 nights were complete and are left" in said.err
        assert left == ((out / "n-stages.tsv").stat().st_mtime_ns == before) and left == ("TST" not in said.out)
        return not left

    demo = ("--model", "demo")
    assert staged(*demo) and not staged(*demo)
    assert staged(*demo, "--again") and staged() and not staged()
    assert staged(*demo, "--review-below", "0.9") and staged(*demo)
    write_hypnogram(tmp_path / "nights" / "n-Hypnogram.edf", list("W12233322RRW"))
    assert staged(*demo) and json.loads((out / "n.json").read_text())["human"]["n_epochs"] == 12
    assert not staged(*demo)
    _night(night, seed=1)
    assert staged(*demo)
    (out / "n-transitions.tsv").unlink()
    assert staged(*demo) and (out / "n-transitions.tsv").exists()
    (out / "n.json").write_text("{")
    assert main(["score", "nights", "--no-page", *demo]) == 1  # no result of ours, which nobody writes over
    assert "is no result of hypnolens" in capsys.readouterr().err


def test_a_folder_gives_its_recordings_and_a_page_of_all_nights(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for number in range(3):
        _night(tmp_path / "nights" / f"n{number}.edf", seed=number)
    write_hypnogram(tmp_path / "nights" / "n0-Hypnogram.edf", list("W12233322RRW"))
    (tmp_path / "nights" / "readme.txt").write_text("none")
    assert _score("nights", "nights/n1.edf") == 0
    assert "all nights: scores/nights.html" in capsys.readouterr().err
    page = (tmp_path / "scores" / "nights.html").read_text()
    assert len(re.findall(r'<th scope="row"', page)) == 3 and page.count("<svg") == 3
    table = pd.read_csv(tmp_path / "scores" / "n2-stages.tsv", sep="\t")
    runs = (table["stage"] != table["stage"].shift()).sum()
    assert len(re.findall("<rect", page.split("Hypnogram of n2")[1].split("</svg>")[0])) == runs
    _night(tmp_path / "more" / "nights.edf")
    assert _score("more/nights.edf") == 1 and "would write the page of all nights" in capsys.readouterr().err


def test_no_word_of_a_summary_becomes_an_element_of_the_page(tmp_path):
    bad = "<script>alert(1)</script>"
    said = {
        **dict.fromkeys(("hypnolens", "name", "start_date"), bad), "sha256": "0", "statistics": {"tst_min": None},
        "files": {"stages": bad, "page": bad}, **{key: [bad] for key in ("warnings", "models", "channels")},
        "minutes": None, "human": None,
    }  # fmt: skip
    (tmp_path / "n.json").write_text(json.dumps(said))
    page = write_overview(tmp_path).read_text()
    assert page.count("<script") == 1 and "alert(1)" in page and "&lt;script&gt;" in page
    assert write_overview(tmp_path / "nothing") is None


@pytest.mark.parametrize("text", ["W", "W,N1,N2,N3,R", "W,N1+N2,N3", "W,N1+N2,N3,R,R", "W,N1+N2,N3,X", "a\nb"])
def test_classes_that_are_none_are_refused_in_one_line(text):
    with pytest.raises(HypnolensError, match="does not have each of W, N1, N2, N3, R once") as refused:
        classes_of(text)
    assert "\n" not in str(refused.value)


def test_probabilities_of_a_class_are_those_of_its_stages_together():
    rng = np.random.default_rng(0)
    probability, human = rng.dirichlet(np.ones(5), 200).astype(np.float32), rng.integers(0, 7, 200)
    probability[3] = np.nan
    probability[0] = [0.4, 0.3, 0.3, 0.0, 0.0]
    scored = scored_night(
        probability, np.zeros((1, 200, 2)), rate=100.0, start=pd.Timestamp(2020, 1, 1).to_pydatetime(), first_s=0.0,
        lights=(None, None), human=human, unusable={3: "flat"}, models=("m",), below=0.6,
    )  # fmt: skip
    classes = classes_of("w, n1+n2, n3+r")
    assert list(classes) == ["W", "N1+N2", "N3+R"] and classes_of("") == {}
    found = class_codes(scored, classes)
    assert found[0] == 1 and found[3] == -1
    merged = np.stack([probability[:, codes].sum(axis=1) for codes in classes.values()], axis=1)
    good = np.arange(200) != 3
    assert (found[good] == merged[good].argmax(axis=1)).all()
    told = counted(scored, classes)
    assert sum(told["minutes"].values()) == 99.5
    truth = np.array([0, 1, 1, 2, 2])[human[(human < 5) & good]]
    confusion = confusion_matrix(truth, found[(human < 5) & good])[:3, :3]
    assert told["human"]["n_epochs"] == confusion.sum()
    assert told["human"]["accuracy"] == pytest.approx(np.trace(confusion) / confusion.sum(), abs=1e-4)
    f1 = 2 * np.diag(confusion) / (confusion.sum(axis=0) + confusion.sum(axis=1))
    assert list(told["human"]["f1"].values()) == pytest.approx(f1, abs=1e-4) and len(STAGES) == 5


def test_reasons_of_a_whole_night_are_a_table_on_request(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    _night(tmp_path / "n.edf")
    assert main(["score", "n.edf", "--no-page", "--reasons", "--quiet"]) == 0
    table, stages = (pd.read_csv(tmp_path / "scores" / f"n-{name}.tsv", sep="\t") for name in ("reasons", "stages"))
    features = table.columns[list(table.columns).index("base") + 1 :]
    assert len(features) > 60 and table["stage"].tolist() == stages["stage"].tolist()
    np.testing.assert_allclose(table[features].sum(axis=1) + table["base"], table["log_odds"], atol=0.01)
    odds = [np.log(row[f"p_{row['stage']}"] / row[f"p_{second}"]) for (_, row), second in
            zip(stages.iterrows(), table["second"], strict=True)]  # fmt: skip
    np.testing.assert_allclose(table["log_odds"], odds, atol=0.02)
    assert "n-reasons.tsv" in json.loads((tmp_path / "scores" / "n.json").read_text())["files"].values()
    assert main(["score", "n.edf", "--no-page", "--quiet"]) == 0  # without, that of before goes
    assert not (tmp_path / "scores" / "n-reasons.tsv").exists()
