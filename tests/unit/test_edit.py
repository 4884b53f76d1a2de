"""Stages that a person corrects on the page of a night: statistics and agreement follow, and what is saved is read."""

import csv

import mne
import numpy as np
import pytest

from hypnolens.evaluation.metrics import confusion_matrix, scores
from hypnolens.recordings.hypnogram import read_stages
from hypnolens.scoring.night_statistics import statistics_of, with_latencies
from hypnolens.stages import STAGES, UNSCORED
from tests.unit.test_page import CARD, a_night, make_scored

W, N1, N2, N3, R = range(5)


def _close(found, expected):
    for name, value in expected.items():
        given = found.get(name)
        same = given is None or np.isnan(given) if np.isnan(value) else given == pytest.approx(value, abs=1e-3)
        assert same, (name, given, value)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("lights", [(None, None), (130.0, 3000.0), (-300.0, 9000.0)])
def test_what_the_page_computes_is_what_python_computes(look, seed, lights):
    rng = np.random.default_rng(seed)
    human = rng.integers(0, 7, 120)
    unusable = {int(place): "flat" for place in rng.choice(120, 20 * (seed % 2), replace=False)}
    scored, detail = make_scored(a_night(seed=seed), lights=lights, human=human, unusable=unusable, first_s=12.5)
    page = look(scored, detail)
    for codes in (scored.stage.tolist(), [W] * 120, [N2] * 60 + [UNSCORED] * 60, [UNSCORED] * 120):
        expected, transitions = statistics_of(np.array(codes), first_s=12.5, lights=lights)
        _close(page.evaluate("codes => nightEdit.statisticsOf(codes)", codes), with_latencies(expected))
        found = page.evaluate("codes => nightEdit.transitionsOf(codes)", codes)
        assert found == transitions.loc[list(STAGES), list(STAGES)].to_numpy().tolist()
        both = (np.array(codes) < 5) & (human < 5)
        confusion = confusion_matrix(human[both], np.array(codes)[both])
        agreement = page.evaluate("codes => nightEdit.agreementOf(codes)", codes)
        assert agreement["counts"] == confusion.tolist()
        if both.any():
            its = scores(confusion)
            expected = {"accuracy": its["accuracy"], "kappa": its["kappa"], "macro": its["macro_f1"]}
            _close(agreement, {name: float(value) for name, value in expected.items()})


def test_keys_correct_an_epoch_or_a_run_and_all_can_be_undone(look):
    scored, detail = make_scored([W] * 10 + [N2] * 30)
    page = look(scored, detail)
    page.keyboard.press("3")
    assert page.evaluate("nightPage.night.stage.slice(0, 3)") == [N3, W, W]
    assert page.get_attribute("#nights", "data-epoch") == "2"  # and on to the next
    for _ in range(3):
        page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("r")
    assert page.evaluate("nightPage.night.stage.slice(0, 6)") == [N3, R, R, R, R, W]
    assert page.locator("#edit-count").inner_text() == "5 epochs corrected"
    assert page.locator("td.hypnolens[data-statistic=tst_min]").inner_text() == "17.5"
    page.keyboard.press("x")
    for _ in range(3):
        page.keyboard.press("Control+z")
    assert page.evaluate("nightPage.night.stage") == scored.stage.tolist()
    assert page.locator("#edit-count").inner_text() == "nothing corrected" and page.locator("#undo").is_disabled()
    page.keyboard.press("Control+y")
    assert page.evaluate("nightPage.night.stage.slice(0, 2)") == [N3, W]
    page.keyboard.press("Control+z")  # or leaving the page would ask whether to


@pytest.mark.parametrize("n", [40, 2640], ids=["short", "22 hours"])
def test_what_is_saved_says_who_scored_what_and_is_read_as_a_reference(look, tmp_path, n):
    scored, detail = make_scored(a_night(n), unusable={7: "flat"}, first_s=12.5)
    page = look(scored, detail)
    page.fill("#who", "Ä. B")
    page.locator("#nights").click(position={"x": 100, "y": 30})
    page.evaluate("nightPage.select(2)")
    expected = scored.stage.copy()
    for _ in range(4):
        page.keyboard.press("1")
    expected[2:6] = N1
    saved = {}
    for kind in ("edf", "tsv", "bids"):
        with page.expect_download() as download:
            page.click(f"[data-save={kind}]")
        saved[kind] = tmp_path / download.value.suggested_filename
        download.value.save_as(saved[kind])
    with saved["tsv"].open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    changed = [place for place in range(2, 6) if scored.stage[place] != N1]
    assert [place for place, row in enumerate(rows) if row["scorer"] == "Ä. B"] == changed
    assert {row["scorer"] for row in rows} == {"Ä. B", CARD} and {row["model"] for row in rows} == {CARD}
    raw = mne.read_annotations(saved["edf"])
    assert sum(text.startswith("Corrected by Ä. B: ") for text in raw.description) == len(
        [place for place in changed if place - 1 not in changed or scored.stage[place] != scored.stage[place - 1]]
    )
    where = {"start": scored.night.start, "duration_s": 12.5 + 30.0 * n, "recording": "n"}
    for kind in ("edf", "tsv"):
        found = read_stages(saved[kind], **where)
        assert found.first_s == 12.5 and found.stages.tolist() == expected.tolist(), kind
    with saved["bids"].open(encoding="utf-8") as file:
        events = list(csv.DictReader(file, delimiter="\t"))
    assert [row["trial_type"] for row in events] == [STAGES[code] if code < 5 else "n/a" for code in expected]
