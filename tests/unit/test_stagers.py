"""Stagers: what they are given, what is taken from them, YASA as by hand and on the span of the night, names."""

import json
import re
import subprocess
import sys
import warnings
from dataclasses import replace
from datetime import datetime
from importlib.metadata import version

import mne
import numpy as np
import pytest
from scipy.signal import butter, sosfiltfilt

from hypnolens.errors import HypnolensError, RecordingError
from hypnolens.recordings.extraction import extract
from hypnolens.recordings.hypnogram import read_stages
from hypnolens.recordings.vocabulary import AFTER_STAGE
from hypnolens.scoring.reading import read_night
from hypnolens.scoring.staging import detail_of, stage_night
from hypnolens.simulation.night import simulate_night
from hypnolens.stagers.interface import Stager, StagerCard
from hypnolens.stagers.known import load_stager
from hypnolens.stagers.yasa_stager import GROUPS, StagedNight, YasaStager, features_of, of_recording, span_of_night
from hypnolens.stages import STAGES
from tests.conftest import ROOT, pink, write_hypnogram, write_psg
from tests.nights import stager_card
from tests.unit.test_staging import night

# YASA


def _extract(psg, hypnogram, channel, **options):
    name = psg.name.removesuffix("-PSG.edf")
    options = {"sampling_rate_hz": 100, "highpass_hz": None, "trim_wake_min": 5, **options}
    return extract(
        psg, hypnogram, recording=name, subject=name, night=1, source="-", rates=(), sha1={},
        channel=[channel], trim_rule="drop-then-trim", **options,
    )  # fmt: skip


def _yasa(raw, channel):
    """Stages and probabilities of a whole recording, as YASA's documentation does it."""
    import yasa

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        hypnogram = yasa.SleepStaging(raw, eeg_name=channel).predict()
    stages = hypnogram.hypno.astype(str).replace({"WAKE": "W", "REM": "R"}).to_numpy()
    return stages, hypnogram.proba.rename(columns={"WAKE": "W", "REM": "R"})[list(STAGES)].to_numpy()


def _alike(found, by_hand, most=0.01):
    """YASA is not continuous: see `hypnolens.stagers.yasa_stager`. Most epochs are the same to single precision."""
    off = np.abs(found - by_hand).max(axis=1)
    return off.max() < most and np.mean(off < 1e-6) > 0.8


@pytest.mark.parametrize("name", ["dreams1", "dreams2", "dreams4", "dynamo1"])
@pytest.mark.parametrize("native", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_yasa_stages_real_recordings_as_by_hand(data, name, native, capfd):
    psg, hypnogram = (data / "real" / f"{name}-{kind}.edf" for kind in ("PSG", "Hypnogram"))
    raw = mne.io.read_raw_edf(psg, verbose="error")
    (channel,) = raw.ch_names
    epochs = _extract(psg, hypnogram, channel, **({"sampling_rate_hz": "native"} if native else {}))
    capfd.readouterr()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = of_recording(psg, epochs)
    assert capfd.readouterr() == ("", "")
    stages, by_hand = _yasa(raw, channel)
    assert found.shape == (len(epochs.stage), 5) and found.dtype == np.float32
    assert _alike(found, by_hand[epochs.epoch_index])
    assert np.array(STAGES)[found.argmax(axis=1)].tolist() == stages[epochs.epoch_index].tolist()


def test_yasa_gets_a_low_rate_brought_to_its_own_and_says_what_is_missing(data):
    night = read_night(data / "real" / "dreams3-PSG.edf")
    scored = stage_night(night, YasaStager(), below=0.6)
    assert night.rate == 50 and scored.usable.all()
    assert any("has 50 Hz and was brought to 100 Hz for YASA" in sentence for sentence in scored.warnings)
    truth = read_stages(
        data / "real" / "dreams3-Hypnogram.edf", start=night.start, duration_s=1800.0, recording="dreams3"
    ).stages
    assert (scored.stage == truth).mean() > 0.4  # as by hand on a file that was resampled before


@pytest.mark.parametrize("late", [0.0, 7.0, 67.5])
def test_yasa_begins_where_the_hypnogram_does(data, tmp_path, late):
    """The hypnogram begins later than the signal, and of an epoch only the grid of the hypnogram counts."""
    raw = mne.io.read_raw_edf(data / "real" / "dynamo1-PSG.edf", verbose="error")
    signal = raw.get_data()[0, :90_000] * 1e6
    psg = write_psg(tmp_path / "late-PSG.edf", {"EEG": signal}, limits=(signal.min(), signal.max()))
    start = datetime(1989, 4, 24, 16, 13, int(late) % 60).replace(minute=13 + int(late) // 60)
    labels = "W122M33R" * 3
    hypnogram = write_hypnogram(tmp_path / "late-Hypnogram.edf", labels, start=start, onset=late % 1)
    epochs = _extract(psg, hypnogram, "EEG")
    cropped = mne.io.read_raw_edf(psg, verbose="error").crop(tmin=late % 30)
    rows = np.round((epochs.onset_s - late % 30) / 30).astype(int)
    assert len(rows) == 21 and not np.array_equal(np.diff(rows), np.ones(20))
    stages, by_hand = _yasa(cropped, "EEG")
    found = of_recording(psg, epochs)
    assert _alike(found, by_hand[rows])
    assert np.array(STAGES)[found.argmax(axis=1)].tolist() == stages[rows].tolist()


def test_yasa_says_so_where_epochs_are_not_of_the_file(data):
    psg = data / "real" / "dreams1-PSG.edf"
    epochs = _extract(psg, data / "real" / "dreams1-Hypnogram.edf", "C3-A1")
    with pytest.raises(RecordingError, match="^dreams1: dreams1-PSG.edf ends before its last kept epoch; delete"):
        of_recording(psg, replace(epochs, epoch_index=epochs.epoch_index + 1))


@pytest.mark.parametrize("dead", [slice(30_000, 36_000), slice(None)], ids=["two minutes", "throughout"])
def test_yasa_stages_a_flat_signal_too(dead):
    signal = np.random.default_rng(0).normal(0, 20, 100 * 600)
    signal[dead] = 0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = StagedNight(signal, 100.0, "E", first_s=0.0, usable=np.ones(20, dtype=bool)).probability
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-5)


def _whole(signal, **options):
    n_epochs = len(signal) // 3000
    return StagedNight(signal, 100.0, "E", first_s=0.0, usable=np.ones(n_epochs, dtype=bool), **options)


@pytest.fixture(scope="module")
def simulated():
    """A night as it was simulated, µV ``(n_epochs, 3000)``."""
    made = simulate_night(seed=77, subject=2, night=1, hours=8)
    return made.signals["EEG Fpz-Cz"].astype(np.float32).reshape(-1, 3000), np.array(made.stages)


def test_features_of_a_night_that_is_all_night_are_yasas(simulated):
    import yasa

    signal = simulated[0].ravel()
    raw = mne.io.RawArray(signal[None] * 1e-6, mne.create_info(["E"], 100.0, "eeg", verbose="error"), verbose="error")
    theirs = yasa.SleepStaging(raw, eeg_name="E").get_features()
    own = theirs[[name for name in theirs if name.startswith("eeg_") and "_norm" not in name]].astype(np.float64)
    ours = features_of(own, np.ones(len(own), dtype=bool), {})
    assert set(ours) == set(theirs)
    for name in theirs:
        np.testing.assert_allclose(ours[name], theirs[name], rtol=1e-3, atol=1e-4, err_msg=name)


@pytest.mark.slow
def test_hours_of_wake_around_a_night_change_nothing_in_it(simulated):
    epochs, stages = simulated
    wake = np.resize(np.flatnonzero(stages == "W"), 14 * 120)
    padded = np.concatenate([epochs[wake[:960]], epochs, epochs[wake[960:]]])
    alone, inside = _whole(epochs.ravel()), _whole(padded.ravel())
    found = inside.probability[960 : 960 + len(epochs)].argmax(axis=1)
    truth = np.array([AFTER_STAGE[stage.lower()] for stage in stages])
    correct = [(given == truth)[truth < len(STAGES)].mean() for given in (alone.probability.argmax(axis=1), found)]
    assert abs(correct[0] - correct[1]) < 0.02


def test_a_span_is_the_longest_sleep_and_all_of_what_has_little_around_it():
    def spindly(n, seed):
        """Sleep, as the span is looked for: sigma above what is fast."""
        x = pink(n, uv=20.0, seed=seed)
        return x + 20 * np.sin(2 * np.pi * 13 * np.arange(len(x)) / 100)

    wake = pink(400, uv=20.0, seed=1) + np.random.default_rng(0).normal(0, 20, 400 * 3000)
    signal = np.concatenate([wake, spindly(300, 2), wake, spindly(100, 3)]).reshape(-1, 3000)
    span = span_of_night(signal, 100.0)
    assert span[400:700].all() and 300 <= span.sum() <= 460
    assert span_of_night(signal[380:720], 100.0).all()


def test_epochs_without_an_eeg_have_no_part_in_what_a_night_is_like(simulated):
    epochs, loud = simulated[0], simulated[0].copy()
    expected = _whole(epochs.ravel()).probability
    loud[50:110] = 2000 * np.random.default_rng(0).standard_normal((60, 3000))
    usable = np.ones(len(epochs), dtype=bool)
    usable[50:110] = False
    found = StagedNight(loud.ravel(), 100.0, "E", first_s=0.0, usable=usable).probability
    naive = _whole(loud.ravel()).probability
    far = np.r_[0:40, 120 : len(epochs)]
    same = [(given.argmax(axis=1) == expected.argmax(axis=1))[far].mean() for given in (found, naive)]
    assert same[0] > 0.95 and same[0] > same[1] + 0.05


def test_shapley_values_add_up_to_the_log_odds_and_say_their_words(simulated):
    one, stager = night(simulated[0][:240].ravel()), YasaStager()
    scored = stage_night(one, stager, below=0.6)
    detail = detail_of(scored, stager)
    reasons, rows = detail.reasons, np.arange(scored.n_epochs)
    logarithm = np.log(stager.probabilities(scored.channels[0]).astype(np.float64))
    expected = logarithm[rows, scored.stage] - logarithm[rows, reasons.second]
    np.testing.assert_allclose(reasons.share.sum(axis=1) + reasons.base, expected, atol=1e-4)
    assert (expected >= 0).all() and detail.maps is None
    assert set(reasons.groups) == set(GROUPS[:4]) and "sigma power" in reasons.words
    # The level is that of the feature itself, in robust standard deviations of the night.
    place = reasons.features.index("eeg_sigma")
    quartiles = np.percentile(stager._last[1].features["eeg_sigma"], [25, 50, 75])
    given = (stager._last[1].features["eeg_sigma"] - quartiles[1]) / (quartiles[2] - quartiles[0]) * 1.349
    np.testing.assert_allclose(reasons.level[:, place], given, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    "change, words",
    [
        (lambda x: x, None),
        (lambda x: x / 4, "median amplitude"),
        (lambda x: 4 * x, "a gain or unit that is not right would change stages"),
        (lambda x: sosfiltfilt(butter(2, 15, fs=100, output="sos"), x), "another low-pass filter"),
        (lambda x: sosfiltfilt(butter(2, 1, "high", fs=100, output="sos"), x), "another high-pass filter"),
        (lambda x: x + np.random.default_rng(0).normal(0, 15, len(x)), ": noise$"),
        (lambda x: x + 60 * np.sin(2 * np.pi * 0.3 * np.arange(len(x)) / 100), "slow artefacts"),
    ],
    ids=["as it is", "a quarter", "four times", "low-pass", "high-pass", "noise", "slow"],
)
def test_what_yasa_may_not_know_is_said(simulated, change, words):
    one = night(change(simulated[0][::8].ravel().astype(np.float64)))
    said = [
        sentence for sentence in stage_night(one, YasaStager(), below=0.6).warnings if "sleep that is known" in sentence
    ]
    assert any(re.search(words, sentence) for sentence in said) if words else not said


def test_eog_emg_age_and_sex_reach_yasa_as_its_documentation_gives_them(tmp_path):
    import yasa

    rng = np.random.default_rng(0)
    signals = {"EEG C4": pink(40, seed=1), "EOG L": pink(40, seed=2), "EMG chin": rng.normal(0, 5, 120_000)}
    path = write_psg(tmp_path / "n.edf", {name: one.clip(-190, 190) for name, one in signals.items()})
    one = read_night(path, beside={"eog": "EOG L", "emg": "EMG chin"})
    person = {"age": 30.0, "male": 1.0}
    scored = stage_night(one, YasaStager(), below=0.6, person=person)
    raw = mne.io.read_raw_edf(path, verbose="error")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        names = {"eeg_name": "EEG C4", "eog_name": "EOG L", "emg_name": "EMG chin"}
        by_hand = yasa.SleepStaging(raw, **names, metadata={"age": 30, "male": True}).predict().proba
    theirs = by_hand.rename(columns={"WAKE": "W", "REM": "R"})[list(STAGES)].to_numpy()
    assert _alike(scored.probability, theirs, most=0.05)  # crossings of zero are counted
    alone = stage_night(read_night(path), YasaStager(), below=0.6)
    assert np.abs(alone.probability - scored.probability).max() > 0.01


# Others


class Own(Stager):
    """Gives what it is told to."""

    def __init__(self, give):
        self.card, self.give = stager_card("own 1.0"), give

    def probabilities(self, channel):
        return self.give(len(channel.epochs.stage))


def _fails(n):
    raise KeyError("a\nb")


@pytest.mark.parametrize(
    "give, words",
    [
        (lambda n: np.full((n, 4), 0.25), r"gives an array of shape \(20, 4\) in place of \(20, 5\)"),
        (lambda n: np.full((n - 1, 5), 0.2), r"in place of \(20, 5\)"),
        (lambda n: np.full((n, 5), np.nan), "not finite in place of probabilities in 20 of 20 epochs"),
        (lambda n: np.full((n, 5), 0.3), "negative, or are not 1 together"),
        (lambda n: np.tile([2.0, -1.0, 0.0, 0.0, 0.0], (n, 1)), "negative, or are not 1 together"),
        (lambda n: None, "in place of"),
        (lambda n: [["x"] * 5] * n, "failed .ValueError"),
        (_fails, r"failed \(KeyError: 'a.*b'\)"),
    ],
    ids=["shape", "rows", "nan", "sums", "negative", "nothing", "texts", "exception"],
)
def test_rubbish_of_a_stager_is_refused_by_its_name(give, words):
    with pytest.raises(RecordingError, match=f"^N: the stager own 1.0 .*{words}.*--model") as refused:
        stage_night(night(pink(20)), Own(give), below=0.6)
    assert str(refused.value).count("\n") == 0


def test_what_a_stager_gives_is_what_is_written():
    given = np.random.default_rng(0).dirichlet(np.ones(5), 20)
    scored = stage_night(night(pink(20)), Own(lambda n: given), below=0.6)
    np.testing.assert_allclose(scored.probability, given, atol=1e-6)
    assert scored.models == ("own 1.0",) and detail_of(scored, Own(lambda n: given)).maps is None


def test_names_come_before_paths(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "yasa").mkdir()
    assert load_stager("yasa").card.models == load_stager(None).card.models == (f"YASA {version('yasa')}",)
    with pytest.raises(HypnolensError, match="no model there"):
        load_stager("./yasa")
    assert all("DEMO" in name for name in load_stager("demo").card.models)


def test_a_stager_of_the_documentation_is_installed_and_used(tmp_path):
    """The package of docs/stagers.md, as it stands there, beside this one."""
    text = (ROOT / "docs" / "stagers.md").read_text(encoding="utf-8")
    site = tmp_path / "site"
    blocks = [block.split("```")[0] for block in text.split("```python\n")[1:]]
    (site / "loudness-1.0.dist-info").mkdir(parents=True)
    (site / "loudness.py").write_text(blocks[0])
    assert len(blocks[0].splitlines()) <= 25
    (site / "loudness-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: loudness\nVersion: 1.0\n")
    points = text.split("```toml\n")[1].split("```")[0]
    assert '[project.entry-points."hypnolens.stagers"]' in points
    own = points.split('stagers"]\n')[1].replace('"', "")
    points = f"[hypnolens.stagers]\n{own}broken = loudness:no\n"
    (site / "loudness-1.0.dist-info" / "entry_points.txt").write_text(points)
    path = write_psg(tmp_path / "n.edf", {"EEG C4": pink(20, uv=np.repeat([10.0, 40.0], 10)).clip(-190, 190)})

    def command(*arguments):
        made = [sys.executable, "-m", "hypnolens.cli", *map(str, arguments)]
        return subprocess.run(
            made, cwd=tmp_path, capture_output=True, text=True, check=False, env={"PYTHONPATH": f"{site}:{ROOT}"}
        )

    listed = command("models")
    assert listed.returncode == 0 and "loudness: Loudness 1.0; trained on nothing" in listed.stdout, listed.stderr
    assert "broken: cannot be used here: " in listed.stdout
    run = command("score", path, "--model", "loudness", "--no-page")
    assert run.returncode == 0, run.stderr
    said = json.loads((tmp_path / "scores" / "n.json").read_text())
    assert said["models"] == ["Loudness 1.0"] and said["stager"]["trained_on"] == "nothing"
    assert said["minutes"]["W"] == 5 and said["minutes"]["N3"] == 5
    broken = command("score", path, "--model", "broken", "--no-page")
    assert broken.returncode == 1 and broken.stderr.count("\n") == 1 and "tell its maker" in broken.stderr


def test_words_of_a_card_are_clean():
    card = StagerCard(models=("a\x1b[2J",), trained_on="b\nc", licence="", citation="", caution="", needs="")
    assert card.models[0].isprintable() and card.trained_on.isprintable()
    assert replace(card, caution="\u202e").caution.isprintable()
