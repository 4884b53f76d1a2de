"""A night from signal to stages, with networks whose answers are known."""

from datetime import datetime

import numpy as np
import pytest
import torch

from hypnolens.errors import RecordingError
from hypnolens.network.files import Scorer
from hypnolens.network.model import Architecture, SEResNetBiLSTM
from hypnolens.network.training_range import training_range_of
from hypnolens.scoring.scored import Night
from hypnolens.scoring.staging import MAP_BINS, detail_of, stage_night
from hypnolens.stagers.networks import NetworkStager
from hypnolens.stages import CODE, UNSCORED
from tests.conftest import make_epochs, pink

RATE = 100.0


class Loudness(SEResNetBiLSTM):
    """Stages by amplitude alone: below 20 µV N3, else W; as sure as the signal is loud."""

    def features(self, x):
        return x.std(dim=1, keepdim=True)

    def classify(self, windows):
        loud = windows[:, windows.shape[1] // 2, 0]
        logits = torch.zeros(len(loud), 5)
        logits[:, CODE["W"]], logits[:, CODE["N3"]] = loud / 10, (40 - loud) / 10
        return logits


def scorer(kind=Loudness, **experiment):
    torch.manual_seed(0)
    network = kind(Architecture(width=1, lstm_layers=1, lstm_hidden=4, head_hidden=(), window=3)).eval()
    card = {
        "name": "test", "caution": "of a test", "sampling_rate_hz": RATE,
        "experiment": {"normalisation": "none", "across_gaps": False, "window": 3, **experiment},
        "usual": training_range_of([make_epochs([0] * 20)]),
    }  # fmt: skip
    return Scorer(network, card, "here")


def night(signal, *, rate=RATE, channels=("EEG",), first_s=0.0, lights=(None, None), human=None, limits=None):
    signals = np.atleast_2d(np.asarray(signal, dtype=np.float32))
    return Night(
        name="N", source="N.edf", sha256="0", place="0", channels=channels, signals=signals, rate=rate,
        limits=limits or (None,) * len(signals), start=datetime(2020, 1, 1, 22), first_s=first_s, human=human,
        lights=lights, notes=(), warnings=(),
    )  # fmt: skip


def staged(one, *scorers, below=0.6):
    return stage_night(one, NetworkStager(scorers or [scorer()]), below=below)


def test_each_epoch_gets_the_stage_of_its_own_signal():
    uv = np.tile([10.0, 60.0], 20)
    scored = staged(night(pink(40, uv=uv)))
    assert scored.stage.tolist() == [CODE["N3"], CODE["W"]] * 20
    assert scored.statistics["tst_min"] == 10 and scored.transitions.loc["W", "N3"] == 19
    assert np.allclose(scored.probability.sum(axis=1), 1)


class Unsure(Loudness):
    """Gives what is no number where the signal is loud."""

    def classify(self, windows):
        loud = windows[:, windows.shape[1] // 2, 0]
        return super().classify(windows).where((loud < 40)[:, None], torch.nan)


def test_a_night_for_which_a_network_gives_no_numbers_is_refused_with_its_name_and_the_networks():
    uv = np.array([10.0, 60.0, 10.0, 10.0])
    assert np.isfinite(staged(night(pink(4, uv=uv)), scorer()).probability).all()
    words = "^N: here gives values that are not finite .* in 1 of 4 epochs; take another network"
    with pytest.raises(RecordingError, match=words):
        staged(night(pink(4, uv=uv)), scorer(), scorer(Unsure))


def test_a_signal_of_another_rate_gets_the_same_stages():
    uv = np.tile([10.0, 10.0, 60.0], 10)
    expected = staged(night(pink(30, uv=uv))).stage
    for rate in (50.0, 128.0, 199.5, 256.0, 512.0):
        assert staged(night(pink(30, uv=uv, rate=rate), rate=rate)).stage.tolist() == expected.tolist(), rate


def test_the_grid_begins_where_the_human_one_does():
    uv = np.tile([10.0, 60.0], 10)
    signal = np.concatenate([pink(1)[:1234], pink(20, uv=uv)])
    scored = staged(night(signal, first_s=12.34))
    assert scored.stage.tolist() == [CODE["N3"], CODE["W"]] * 10 and scored.onset_s[1] == pytest.approx(42.34)


def test_epochs_without_eeg_get_no_stage_and_no_part_in_statistics():
    signal = pink(240, uv=np.tile([10.0, 60.0], 120)).reshape(240, -1)
    signal[60:180] = 0.0
    scored = staged(night(signal.ravel()))
    assert (scored.stage[60:180] == UNSCORED).all() and (scored.stage[:60] != UNSCORED).all()
    assert set(scored.unusable[60:180]) == {"flat"} and scored.unusable[0] == ""
    assert np.isnan(scored.confidence[60:180]).all() and not np.isin(np.arange(60, 180), scored.review).any()
    assert scored.statistics["unscored_min"] == 60 and scored.statistics["tst_min"] == 30
    assert any(
        "120 of 240 epochs carry no EEG (flat)" in sentence and "doubtful" in sentence for sentence in scored.warnings
    )


def test_a_sample_that_is_no_number_costs_its_own_epoch_only():
    signal = pink(20, uv=20.0, rate=128.0)
    signal[5 * 3840 - 1] = np.nan
    signal[9 * 3840] = np.inf
    scored = staged(night(signal, rate=128.0))
    assert np.flatnonzero(scored.stage == UNSCORED).tolist() == [4, 9]
    assert scored.unusable[4] == scored.unusable[9] == "not finite" and np.isfinite(scored.signal).all()


def test_a_night_without_any_eeg_is_refused_in_one_line():
    with pytest.raises(RecordingError, match=r"^N: no epoch of EEG carries an EEG \(flat\); .*--channel"):
        staged(night(np.zeros(60_000)))


def test_a_channel_that_is_off_has_no_vote():
    good, other = pink(60, uv=10.0), pink(60, uv=60.0, seed=1).reshape(60, -1)
    other[30:] = 0.0
    scored = staged(night([good, other.ravel()], channels=("A", "B")))
    one = staged(night(good, channels=("A",)))
    assert np.allclose(scored.probability[30:], one.probability[30:]) and not np.allclose(
        scored.probability[:30], one.probability[:30]
    )
    assert any("B is unusable in 30 of 60 epochs" in sentence for sentence in scored.warnings)
    two = staged(night(other.ravel(), channels=("B",)))
    assert np.allclose(scored.probability[:30], (one.probability[:30] + two.probability[:30]) / 2, atol=1e-6)


def test_an_ensemble_is_the_mean_of_its_networks():
    class Other(Loudness):
        def classify(self, windows):
            return -super().classify(windows)

    one = night(pink(10, uv=25.0))
    both = staged(one, scorer(), scorer(Other))
    mean = (staged(one).probability + staged(one, scorer(Other)).probability) / 2
    assert np.allclose(both.probability, mean, atol=1e-6)


@pytest.mark.parametrize("n_epochs", [1, 2, 3])
def test_a_recording_shorter_than_a_window_is_staged_and_said(n_epochs):
    scored = staged(night(pink(n_epochs)), scorer(SEResNetBiLSTM))
    assert scored.n_epochs == n_epochs and (scored.stage != UNSCORED).all()
    assert any("fewer than the 3" in sentence for sentence in scored.warnings) == (n_epochs < 3)


def test_low_confidence_is_listed():
    uv = np.full(20, 60.0)
    uv[[4, 7]] = 20.5  # as near to W as to N3
    assert staged(night(pink(20, uv=uv))).review.tolist() == [4, 7]


def test_the_detail_leaves_out_what_is_unusable_and_explains_the_rest():
    signal = pink(30).reshape(30, -1)
    signal[10:12] = 0.0
    one = scorer(SEResNetBiLSTM)
    scored = staged(night(signal.ravel()), one)
    detail = detail_of(scored, NetworkStager([one]))
    assert detail.maps.shape == (30, MAP_BINS)
    assert np.isnan(detail.maps[10:12]).all() and np.isfinite(np.delete(detail.maps, [10, 11], axis=0)).all()
    assert (np.nan_to_num(detail.maps) >= 0).all()
    inside = detail.events[detail.events["onset_s"].between(300, 359)]
    assert len(inside) == 0
