"""The page of a night, looked at in a browser: what it shows is what was scored."""

import gzip
import re
from base64 import b64decode, b64encode
from dataclasses import replace
from datetime import datetime
from hashlib import sha256
from html.parser import HTMLParser
from io import BytesIO

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from hypnolens.plots.colours import STAGE_COLOURS
from hypnolens.scoring.night_page import write_page
from hypnolens.scoring.night_statistics import statistics_of
from hypnolens.scoring.page_data import signal_of, spectrogram_of
from hypnolens.scoring.scored import Detail
from hypnolens.stages import MOVEMENT, STAGES, UNSCORED
from tests.nights import scored_night, stager_card

W, N1, N2, N3, R = range(5)

LEFT, RIGHT = 72, 62
"""Margins of the pictures in dots."""

CAUTION = "Trained for trials only."

BAD = '</script x></script><!--<script>alert(1)</script><img src=x onerror="alert(2)">&amp;{{ night }} {% raw %}'
"""What a browser, or a template, could take for more than text."""

CARD = "small (not fit for use)"


def make_scored(
    stages,
    *,
    rate=100.0,
    seed=0,
    human=None,
    lights=(None, None),
    start=datetime(2021, 3, 4, 22, 30),
    unusable=None,
    signal=None,
    probability=None,
    first_s=0.0,
    n_bins=300,
    **night,
):
    """A night of noise with given stages, of random confidence, and its detail: maps and one spindle an N2 epoch."""
    rng = np.random.default_rng(seed)
    stages, unusable = np.asarray(stages), unusable or {}
    n = len(stages)
    if probability is None:
        sure = rng.uniform(0.45, 0.99, n)
        rest = rng.dirichlet(np.ones(4), n) * (1 - sure[:, None])
        rest *= np.minimum(1, 0.9 * sure / rest.max(axis=1))[:, None]
        probability = np.zeros((n, 5))
        for epoch, code in enumerate(stages):
            probability[epoch] = np.insert(rest[epoch], code, 1 - rest[epoch].sum())
    probability = np.array(probability, dtype=np.float32)
    probability[list(unusable)] = np.nan
    if signal is None:
        signal = rng.normal(0, 20, (1, n, round(30 * rate)))
    scored = scored_night(
        probability, signal, rate=rate, start=start, first_s=first_s, lights=lights, human=human, unusable=unusable,
        models=(CARD,), caution=CAUTION, below=0.6, **night,
    )  # fmt: skip
    maps = rng.uniform(0, 0.5, (n, n_bins)).astype(np.float32)
    maps[~scored.usable] = np.nan
    onset = scored.onset_s[scored.stage == N2] + 10
    events = pd.DataFrame({"onset_s": onset, "duration_s": 1.0, "kind": "spindle"})
    return scored, Detail("layer-integrated-gradients", maps, events)


def a_night(n=120, seed=0):
    """Stages of an evening: some of each."""
    rng = np.random.default_rng(seed)
    bouts = np.repeat(rng.choice([W, N1, N2, N3, R], n), rng.integers(2, 12, n))
    return bouts[:n]


def text(page, selector):
    return page.locator(selector).inner_text()


def epoch_of(page):
    return int(page.get_attribute("#nights", "data-epoch"))


def view_of(page):
    return float(page.get_attribute("#nights", "data-from")), float(page.get_attribute("#nights", "data-to"))


def click(page, canvas, seconds):
    """Click where a moment is in a picture of the night."""
    box, (begin, end) = page.locator(f"#{canvas}").bounding_box(), view_of(page)
    share = (seconds - begin) / (end - begin)
    page.mouse.click(box["x"] + LEFT + share * (box["width"] - LEFT - RIGHT), box["y"] + box["height"] / 2)


def pixels(page, canvas):
    """Red, green, blue and alpha of a picture, uint8 ``(height, width, 4)``."""
    address = page.locator(f"#{canvas}").evaluate("(canvas) => canvas.toDataURL()")
    return np.asarray(Image.open(BytesIO(b64decode(address.partition(",")[2]))))


def colours_of(page, canvas):
    return len(np.unique(np.ascontiguousarray(pixels(page, canvas)).view(np.uint32)))


def plain(colour):
    return [int(colour[i : i + 2], 16) for i in (1, 3, 5)]


# What is in the file.


def test_signal_in_page_is_the_signal_to_half_a_step():
    scored, _ = make_scored(a_night(20))
    packed, about = signal_of(scored)
    n = len(packed) // 2
    code = np.frombuffer(packed, np.uint8)
    zigzag = code[:n].astype(np.int64) | code[n:].astype(np.int64) << 8
    steps = np.cumsum(np.where(zigzag % 2, -(zigzag + 1) // 2, zigzag // 2))
    steps = (steps + 2**15) % 2**16 - 2**15
    assert about["stepUv"] <= 0.25
    np.testing.assert_allclose(steps * about["stepUv"], scored.signal[0].ravel(), atol=about["stepUv"] * 0.51)


def test_spectrogram_in_page_has_the_power_of_a_sine():
    """A sine of amplitude a has the power a²/2, all of it within two bins of 0.5 Hz (Hann window)."""
    rate, hz, amplitude = 100.0, 13.0, 40.0
    time = np.arange(20 * 3000) / rate
    noise = np.random.default_rng(1).normal(0, 1, len(time))
    signal = amplitude * np.sin(2 * np.pi * hz * time) + noise
    scored, _ = make_scored([W] * 20, signal=signal.reshape(1, 20, 3000))
    packed, about = spectrogram_of(scored)
    levels = np.frombuffer(packed, np.uint8).reshape(about["rows"], -1)
    assert levels.shape == (59, 120)
    centre = about["lowHz"] + about["stepHz"] * (np.arange(about["rows"]) + 0.5)
    decibels = about["lowDb"] + (levels.astype(float) - 1) / 254 * (about["highDb"] - about["lowDb"])
    mean = 10 ** (decibels[:, 1:-1].mean(axis=1) / 10)
    near = np.abs(centre - hz) < 1
    # The colours end at the 99th per cent, here within the two rows of the sine, of 118 values each.
    assert mean[near].sum() * about["stepHz"] == pytest.approx(amplitude**2 / 2, rel=0.15)
    # White noise of variance 1 is spread over 0 to 50 Hz; the lowest colour may lie in it, at 2 per cent.
    assert np.median(mean[~near]) == pytest.approx(1 / 50, rel=0.15)


def test_signal_at_a_higher_rate_is_shown_at_100_hz_and_keeps_its_shape():
    time = np.arange(4 * 30 * 256) / 256
    signal = 30 * np.sin(2 * np.pi * 5 * time)
    scored, _ = make_scored([N2] * 4, rate=256.0, signal=signal.reshape(1, 4, -1))
    packed, about = signal_of(scored)
    assert (about["rate"], about["samples"], len(packed)) == (100, 3000, 2 * 4 * 3000)
    code = np.frombuffer(packed, np.uint8).astype(np.int64)
    zigzag = code[:12000] | code[12000:] << 8
    shown = np.cumsum(np.where(zigzag % 2, -(zigzag + 1) // 2, zigzag // 2)) * about["stepUv"]
    expected = 30 * np.sin(2 * np.pi * 5 * np.arange(12000) / 100)
    np.testing.assert_allclose(shown[100:-100], expected[100:-100], atol=0.5)


def test_page_is_the_same_each_time_and_small_enough(tmp_path):
    scored, detail = make_scored(a_night(960), human=a_night(960, 1))
    write_page(scored, detail, tmp_path / "a.html")
    write_page(scored, detail, tmp_path / "b.html")
    content = (tmp_path / "a.html").read_bytes()
    assert content == (tmp_path / "b.html").read_bytes()
    assert len(content) < 8e6  # white noise; an EEG takes two thirds


def test_page_needs_nothing_from_elsewhere(tmp_path):
    scored, detail = make_scored(a_night(10))
    write_page(scored, detail, tmp_path / "a.html")

    class Addresses(HTMLParser):
        found: tuple[str, ...] = ()

        def handle_starttag(self, tag, attrs):
            self.found += tuple(value or "" for name, value in attrs if name in ("src", "href", "action", "srcset"))

    parser = Addresses()
    parser.feed((tmp_path / "a.html").read_text(encoding="utf-8"))
    assert parser.found == ("data:,",)


def test_policy_allows_its_own_scripts_and_style_and_no_text_becomes_an_element(tmp_path):
    scored, detail = make_scored([N2] * 12, human=a_night(12, 1), unusable={3: BAD}, name=BAD, source=BAD)
    scored = replace(scored, warnings=(BAD + " too",), card=stager_card(BAD, caution=BAD))
    write_page(scored, Detail(BAD, detail.maps, detail.events.assign(kind=BAD)), tmp_path / "a.html")

    class Elements(HTMLParser):
        policy, tag, attributes = "", "", ()
        texts, tags = (), set()

        def handle_starttag(self, tag, attrs):
            self.tag, self.attributes = tag, attrs
            self.tags.add(tag)
            self.policy += dict(attrs).get("content", "") if ("http-equiv", "Content-Security-Policy") in attrs else ""

        def handle_data(self, data):
            if self.tag in ("script", "style") and not self.attributes:
                self.texts += (data,)
            self.tag = ""

    parser = Elements()
    parser.feed((tmp_path / "a.html").read_text(encoding="utf-8"))
    hashes = [f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'" for text in parser.texts]
    style, *scripts = hashes
    assert len(scripts) == 2
    assert f"default-src 'none'; script-src {' '.join(scripts)}; style-src {style};" in parser.policy
    assert "img" not in parser.tags and "unsafe" not in parser.policy


def test_maps_in_page_are_shares_of_each_epochs_maximum(tmp_path):
    scored, detail = make_scored(a_night(6), unusable={2: "flat"})
    write_page(scored, detail, tmp_path / "a.html")
    packed = re.search(r'id="data-maps">([^<]*)<', (tmp_path / "a.html").read_text(encoding="utf-8"))
    levels = np.frombuffer(gzip.decompress(b64decode(packed[1])), np.uint8).reshape(6, 300)
    assert (levels[2] == 255).all()
    good = np.arange(6) != 2
    expected = detail.maps[good] / detail.maps[good].max(axis=1, keepdims=True)
    np.testing.assert_allclose(levels[good] / 254, expected, atol=0.5 / 254 + 1e-6)


# What it shows, and does.


def test_click_opens_the_epoch_that_lies_there(look):
    scored, detail = make_scored(a_night(), human=a_night(120, 1))
    page = look(scored, detail)
    for canvas, epoch in (
        ("hypnogram", 17),
        ("human", 60),
        ("hypnodensity", 119),
        ("spectrogram", 0),
        ("confidence", 83),
    ):
        click(page, canvas, 30 * epoch + 15)
        assert epoch_of(page) == epoch + 1
        assert text(page, "#badge") == STAGES[scored.stage[epoch]]
        assert text(page, "#side-time b") == f"Epoch {epoch + 1}"


def test_probabilities_confidence_and_human_stage_are_those_that_were_scored(look):
    scored, detail = make_scored(a_night(), human=a_night(120, 1), unusable={5: "clipped"})
    page = look(scored, detail)
    for epoch in (0, 31, 5):
        page.fill("#jump", str(epoch + 1))
        page.press("#jump", "Enter")
        for code, stage in enumerate(STAGES):
            expected = "–" if epoch == 5 else f"{100 * scored.probability[epoch, code]:.1f} %"
            assert text(page, f'[data-stage="{stage}"]') == expected
        if epoch == 5:
            assert "clipped" in text(page, "#verdict")
        else:
            assert f"{100 * scored.confidence[epoch]:.1f} %" in text(page, "#verdict")
            agrees = scored.night.human[epoch] == scored.stage[epoch]
            assert ("agrees" if agrees else "differs") in text(page, "#side-human")
        assert STAGES[scored.night.human[epoch]] in text(page, "#side-human")


def test_keys_go_from_epoch_to_epoch(look):
    human = a_night(120, 1)
    human[3] = MOVEMENT
    scored, detail = make_scored(a_night(), human=human)
    page = look(scored, detail, fragment="#epoch=51")
    assert epoch_of(page) == 51

    def after(key):
        page.keyboard.press(key)
        return epoch_of(page) - 1

    assert [after(key) for key in ("ArrowRight", "ArrowRight", "ArrowLeft")] == [51, 52, 51]
    low = np.flatnonzero(scored.probability.max(axis=1) < 0.6)
    later = low[low > 51]
    assert [after("n"), after("n")] == list(later[:2])
    assert after("p") == later[0]
    assert after("Shift+N") == low[low < later[0]][-1]
    here = epoch_of(page) - 1
    differs = np.flatnonzero((human != scored.stage) & (human < 5))
    assert after("d") == differs[differs > here][0]
    assert after("Home") == 0
    assert after("ArrowLeft") == 0
    assert after("p") == 0
    assert "no earlier" in text(page, "#say")
    assert after("End") == 119
    page.wait_for_url("**#epoch=120")


def test_buttons_and_lists_do_as_keys_do(look):
    scored, detail = make_scored(a_night(), human=a_night(120, 1))
    page = look(scored, detail)
    page.click('[data-do="next"]')
    page.click('[data-do="next-low"]')
    low = scored.review
    assert epoch_of(page) - 1 == low[low > 1][0]
    page.click(f'.go[data-epoch="{low[-1]}"]')
    assert epoch_of(page) - 1 == low[-1]
    assert 40 < page.locator("#nights").bounding_box()["y"] < 130  # in sight, below caution and buttons
    page.locator("#around button", has_text=str(low[-1])).first.click()
    assert epoch_of(page) == low[-1]  # the label of the tile counts from 1: the one before
    before = text(page, "#scale")
    page.click('[data-do="larger"]')
    larger = text(page, "#scale")
    page.keyboard.press("ArrowDown")
    assert text(page, "#scale") == before != larger
    page.keyboard.press("?")
    assert page.locator("#help").is_visible()
    page.keyboard.press("Escape")
    assert not page.locator("#help").is_visible()
    unnamed = page.locator("button:not([aria-label])").evaluate_all(
        "(all) => all.filter((one) => !one.innerText.trim())"
    )
    assert unnamed == []


def test_zoom_and_move(look):
    scored, detail = make_scored(a_night())
    page = look(scored, detail)
    assert view_of(page) == (0, 3600)
    box = page.locator("#hypnogram").bounding_box()
    width = box["width"] - LEFT - RIGHT
    page.mouse.move(box["x"] + LEFT + 0.25 * width, box["y"] + 40)
    page.mouse.wheel(0, -300)
    page.wait_for_function("() => Number(document.getElementById('nights').dataset.to) < 3600")
    begin, end = view_of(page)
    assert end - begin < 2500
    assert begin + 0.25 * (end - begin) == pytest.approx(900, abs=15)  # what is under the pointer stays there
    click(page, "confidence", 30 * 34 + 15)
    assert epoch_of(page) == 35
    page.mouse.move(box["x"] + LEFT + 0.5 * width, box["y"] + 40)
    page.mouse.down()
    page.mouse.move(box["x"] + LEFT + 0.4 * width, box["y"] + 40, steps=4)
    page.mouse.up()
    page.wait_for_timeout(100)
    moved = view_of(page)
    assert moved[0] - begin == pytest.approx(0.1 * (end - begin), abs=15)
    assert moved[1] - moved[0] == pytest.approx(end - begin)
    assert epoch_of(page) == 35  # a drag is no click
    page.keyboard.press("0")
    page.wait_for_timeout(100)
    assert view_of(page) == (0, 3600)
    page.keyboard.press("+")
    page.wait_for_timeout(100)
    assert np.ptp(view_of(page)) == 1800
    page.keyboard.press("End")
    page.wait_for_timeout(100)
    assert view_of(page) == (1800, 3600)  # the view follows
    page.keyboard.press("-")
    page.wait_for_timeout(100)
    assert view_of(page) == (0, 3600)


def test_wheel_that_scrolls_the_page_does_not_zoom(look):
    scored, detail = make_scored(a_night())
    page = look(scored, detail)
    box = page.locator("#hypnogram").bounding_box()
    page.mouse.move(box["x"] + 300, box["y"] + 40)
    page.mouse.wheel(0, 300)  # all is shown: nothing to zoom out to
    page.wait_for_function("() => window.scrollY > 100")
    assert view_of(page) == (0, 3600)


def test_fragment_opens_an_epoch_and_a_wrong_one_does_no_harm(look):
    scored, detail = make_scored(a_night(50))
    page = look(scored, detail, fragment="#epoch=33")
    assert epoch_of(page) == 33
    for fragment, epoch in (("#epoch=999", 50), ("#epoch=7", 7), ("#epoch=x", 7), ("#", 7), ("#epoch=0", 1)):
        page.evaluate("(fragment) => { location.hash = fragment; }", fragment)
        page.wait_for_timeout(50)
        assert epoch_of(page) == epoch
    assert epoch_of(look(scored, detail, fragment="#epoch=x")) == 1


def test_tables_show_the_statistics(look):
    human = a_night(120, 1)
    human[:4] = UNSCORED
    scored, detail = make_scored(a_night(), human=human, lights=(300.0, 3300.0))
    page = look(scored, detail)
    theirs, _ = statistics_of(human, first_s=0.0, lights=(300.0, 3300.0))
    for name in ("tib_min", "tst_min", "se_percent", "waso_min", "sol_min", "N2_min", "R_percent", "lat_N3_min"):
        assert text(page, f'.hypnolens[data-statistic="{name}"]') == f"{scored.statistics[name]:.1f}"
        assert text(page, f'.human[data-statistic="{name}"]') == f"{theirs[name]:.1f}"
    assert text(page, '.hypnolens[data-statistic="tib_min"]') == "50.0"  # from lights off to lights on
    both = human < 5
    accuracy = np.mean(human[both] == scored.stage[both])
    assert f"{100 * accuracy:.1f} %" in page.locator(".figures").inner_text()
    confusion = page.locator(".matrix").last.locator("td.cell").all_inner_texts()
    order = (W, R, N1, N2, N3)
    expected = [int(np.sum((human == row) & (scored.stage == column))) for row in order for column in order]
    assert [int(cell.split("\n")[0].split()[0]) for cell in confusion] == expected
    listed = page.locator(".card.list").first.locator(".go").all_inner_texts()
    assert listed == [str(place + 1) for place in np.flatnonzero(scored.probability.max(axis=1) < 0.6)]


def test_undefined_values_are_dashes(look):
    scored, detail = make_scored([W] * 12, human=[UNSCORED] * 12)
    page = look(scored, detail)
    body = text(page, "body")
    assert "nan" not in body.casefold().split() and "NaN" not in body and "undefined" not in body
    assert text(page, '.hypnolens[data-statistic="tst_min"]') == "0.0"
    assert text(page, '.hypnolens[data-statistic="rem_latency_min"]') == "–"
    assert "No epoch has a stage of both" in body


# What the pictures show.


def test_hypnodensity_has_stage_colours_in_proportion(look):
    probability = np.tile([0.5, 0.0, 0.3, 0.2, 0.0], (60, 1))
    probability[30:] = [0.0, 0.25, 0.0, 0.0, 0.75]
    scored, detail = make_scored(np.zeros(60), probability=probability)
    page = look(scored, detail)
    image = pixels(page, "hypnodensity")[4:-4, LEFT:-RIGHT, :3]
    middle = image.shape[1] // 2
    # The frame lies around, the cursor is above the picture, not in it.
    for half, shares in (
        (image[:, : middle - 2], (0.5, 0, 0.3, 0.2, 0)),
        (image[:, middle + 2 :], (0, 0.25, 0, 0, 0.75)),
    ):
        for stage, share in zip(STAGES, shares, strict=True):
            found = np.mean((half == plain(STAGE_COLOURS[stage])).all(axis=2))
            assert found == pytest.approx(share, abs=0.02)


def test_hypnogram_has_each_stage_at_its_height_and_hatching_where_there_is_none(look):
    stages = np.repeat([W, R, N1, N2, N3, W], 10)
    scored, detail = make_scored(stages, unusable=dict.fromkeys(range(50, 60), "flat"))
    image = pixels(look(scored, detail), "hypnogram")[4:-4, LEFT:-RIGHT, :3]
    heights = []
    for block, stage in enumerate(("W", "R", "N1", "N2", "N3")):
        part = image[:, int((block + 0.3) * image.shape[1] / 6) : int((block + 0.7) * image.shape[1] / 6)]
        rows = np.flatnonzero((part == plain(STAGE_COLOURS[stage])).all(axis=2).any(axis=1))
        heights.append(rows.mean() / image.shape[0])
    np.testing.assert_allclose(heights, [0.1, 0.3, 0.5, 0.7, 0.9], atol=0.03)
    last = image[:, int(5.1 * image.shape[1] / 6) : int(5.9 * image.shape[1] / 6)]
    assert not any((last == plain(colour)).all(axis=2).any() for colour in STAGE_COLOURS.values())


def test_attribution_is_shaded_where_the_map_has_it(look):
    scored, detail = make_scored([N3] * 3, signal=np.zeros((1, 3, 3000)))
    maps = np.zeros((3, 300), dtype=np.float32)
    maps[1, 200:210] = 0.02  # from 20 to 21 s
    page = look(scored, replace(detail, maps=maps, events=detail.events[:0]), fragment="#epoch=2")
    image = pixels(page, "signal").astype(int)
    row = image[80, LEFT:-RIGHT]  # above the trace, below the labels
    red = np.flatnonzero((row[:, 3] > 0) & (row[:, 0] - row[:, 2] > 60))
    per_second = len(row) / 30
    assert red.min() / per_second == pytest.approx(20, abs=0.1)
    assert red.max() / per_second == pytest.approx(21, abs=0.1)
    assert "adds 0.0200 to the log-odds of N3" in text(page, "#peak")
    page.keyboard.press("ArrowRight")
    row = pixels(page, "signal").astype(int)[80, LEFT:-RIGHT]
    assert not ((row[:, 3] > 0) & (row[:, 0] - row[:, 2] > 60)).any()


def test_signal_and_event_are_drawn_where_they_are(look):
    signal = np.zeros((1, 3, 3000))
    signal[0, 1, 1500:1600] = 60.0
    scored, detail = make_scored([N2] * 3, signal=signal)
    maps = np.full((3, 300), np.nan, dtype=np.float32)
    events = pd.DataFrame({"onset_s": [45.0], "duration_s": [1.0], "kind": ["k-complex"]})
    page = look(scored, replace(detail, maps=maps, events=events), fragment="#epoch=2")
    for _ in range(10):  # to ±75 µV or so, whatever the first scale is
        if "±100" in text(page, "#scale"):
            break
        page.keyboard.press("ArrowDown")
    image = pixels(page, "signal")[:, LEFT:-RIGHT].astype(int)
    ink = (255 - image[:, :, :3].mean(axis=2)) * image[:, :, 3]  # on white
    per_second = image.shape[1] / 30
    flat, high = (int(ink[60:-70, int(second * per_second)].argmax()) for second in (5.5, 15.5))
    height = image.shape[0] - 62 - 34 - 24 - 8  # without labels, attribution and axis
    assert flat - high == pytest.approx(60 / 200 * height, abs=2)  # upwards is positive
    assert "K-complex" in text(page, "#side-events")
    box = page.locator("#signal").bounding_box()
    page.mouse.move(box["x"] + LEFT + 15.5 * per_second, box["y"] + 120)
    assert "60 µV" in text(page, "#tip") and "K-complex" in text(page, "#tip") and "22:30:45" in text(page, "#tip")
    page.mouse.move(box["x"] + LEFT + 20 * per_second, box["y"] + 120)
    assert "K-complex" not in text(page, "#tip")


def test_spectrogram_is_bright_where_the_power_is(look):
    time = np.arange(40 * 3000) / 100
    noise = np.random.default_rng(2).normal(0, 3, len(time))
    signal = np.where(time >= 600, 40 * np.sin(2 * np.pi * 20 * time), 0) + noise
    scored, detail = make_scored([N2] * 40, signal=signal.reshape(1, 40, 3000))
    image = pixels(look(scored, detail), "spectrogram")[4:-4, LEFT:-RIGHT, :3].astype(int)
    row = round((30 - 20) / 29.5 * image.shape[0])
    middle = image.shape[1] // 2
    bright = image[row - 1 : row + 2, :, 1].max(axis=0)  # green rises along the colour scale
    assert bright[middle + 20 :].min() > 200
    assert bright[: middle - 20].mean() < 150


# Nights that are not as others.


def test_texts_of_files_are_texts(look):
    bad = BAD
    scored, detail = make_scored(
        [N2] * 12, human=a_night(12, 1), unusable={3: bad}, name=bad, source=bad, channels=(bad,), notes=(bad,)
    )
    scored = replace(scored, warnings=(f"{bad} too",), card=stager_card(bad, caution=bad))
    events = detail.events.assign(kind=bad)
    page = look(scored, Detail(bad, detail.maps, events), fragment="#epoch=4")
    assert text(page, "h1") == bad
    assert page.locator("img").count() == 0
    assert page.title().startswith(bad)
    assert bad in text(page, "#caution") and bad in text(page, ".warnings") and bad in text(page, ".notes")
    assert bad in text(page, "#verdict") and bad in text(page, "#kinds") and bad in text(page, "#trace-title")
    click(page, "hypnogram", 105)
    assert bad in text(page, "#tip")


def test_caution_stays_in_sight(look):
    scored, detail = make_scored(a_night())
    page = look(scored, detail)
    page.mouse.wheel(0, 5000)
    page.wait_for_function("() => window.scrollY > 300")
    box = page.locator("#caution").bounding_box()
    assert 0 <= box["y"] < 5 and text(page, "#caution").endswith(CAUTION)
    assert page.locator("#tools").bounding_box()["y"] >= box["y"] + box["height"] - 1
    quiet = replace(scored, card=stager_card("m"))
    assert look(quiet, detail).locator("#caution").count() == 0


def test_one_epoch(look):
    scored, detail = make_scored([N2])
    page = look(scored, detail)
    for key in ("ArrowRight", "ArrowLeft", "n", "p", "d", "End", "Home", "+", "-", "0"):
        page.keyboard.press(key)
    assert (epoch_of(page), view_of(page)) == (1, (0, 30))
    click(page, "hypnodensity", 15)
    assert text(page, "#badge") == "N2"
    assert colours_of(page, "hypnogram") > 5


@pytest.mark.parametrize("kind", ["nothing usable", "no maps, no events", "22 h", "low rate", "not a number"])
def test_odd_nights(look, kind):
    if kind == "nothing usable":
        scored, detail = make_scored([W] * 8, unusable=dict.fromkeys(range(8), "flat"), signal=np.zeros((1, 8, 3000)))
    elif kind == "22 h":
        scored, detail = make_scored(a_night(2640), rate=50.0, lights=(-300.0, 81_000.0))
    elif kind == "low rate":
        scored, detail = make_scored(a_night(30), rate=25.6)
    else:
        scored, detail = make_scored(a_night(30))
    if kind == "not a number":
        scored.signal[0, 3] = np.nan
        scored.signal[0, 5, 100:200] = np.inf
    if kind == "no maps, no events":
        detail = Detail("occlusion", np.full((30, 300), np.nan, dtype=np.float32), detail.events[:0])
    page = look(scored, detail)
    for canvas in ("hypnogram", "hypnodensity", "spectrogram", "confidence", "axis", "signal"):
        assert colours_of(page, canvas) > 3
    click(page, "hypnogram", 30 * (scored.n_epochs - 1) + 15)
    assert epoch_of(page) == scored.n_epochs
    for problem in ("NaN", "undefined", "Infinity", "null"):
        assert problem not in text(page, "body")


def test_unknown_start_shows_hours_from_the_beginning(look):
    scored, detail = make_scored(a_night(130), start=datetime(1, 1, 1), lights=(300.0, None))
    page = look(scored, detail, fragment="#epoch=121")
    assert "unknown" in text(page, "header") and "1:00:00 h" in text(page, "#side-time")
    assert "0001" not in text(page, "body")
    scored, detail = make_scored(a_night(130), start=datetime(1, 1, 1, 23, 30))
    page = look(scored, detail, fragment="#epoch=121")
    assert "00:30:00" in text(page, "#side-time") and "0001" not in text(page, "body")


def test_clock_counts_from_the_first_sample_and_grid_begins_later(look):
    scored, detail = make_scored(a_night(20), start=datetime(2020, 2, 2, 23, 59, 30), first_s=15.0)
    page = look(scored, detail, fragment="#epoch=2")
    assert "00:00:15" in text(page, "#side-time")
    assert view_of(page) == (15, 615)


def test_printing_leaves_the_page_as_it_was(look):
    scored, detail = make_scored(a_night(), human=a_night(120, 1))
    page = look(scored, detail)
    before = pixels(page, "hypnodensity")
    assert page.pdf(prefer_css_page_size=True).startswith(b"%PDF")
    page.wait_for_timeout(100)
    np.testing.assert_array_equal(pixels(page, "hypnodensity"), before)


@pytest.mark.parametrize("width", [400, 1000, 1600])
def test_nothing_sticks_out(look, width):
    scored, detail = make_scored(a_night(), human=a_night(120, 1), source="a" * 300, notes=("b" * 300,))
    page = look(scored, detail, width=width)
    assert page.evaluate("() => document.documentElement.scrollWidth") <= width
    assert (
        width < 1000
        or page.evaluate(
            "() => [...document.querySelectorAll('.scroll')].filter((e) => e.scrollWidth > e.clientWidth + 1).length"
        )
        == 0
    )


def test_browser_without_decompression_is_told(tab, tmp_path):
    scored, detail = make_scored(a_night(30))
    write_page(scored, detail, tmp_path / "a.html")
    page = tab.context.new_page()
    page.add_init_script("delete globalThis.DecompressionStream")
    page.goto((tmp_path / "a.html").as_uri())
    page.wait_for_selector("html[data-ready=true]", state="attached")
    assert "DecompressionStream" in text(page, "#problem")
    click(page, "hypnogram", 75)
    assert text(page, "#badge") == STAGES[scored.stage[2]]
    page.close()
