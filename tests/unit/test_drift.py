"""An electrode's offset and slow drift leave a recording before it is kept in 16 bits, normalised or staged."""

from dataclasses import replace

import numpy as np
import pytest

from hypnolens.recordings.drift import slow_part, without_drift
from hypnolens.recordings.extraction import extract
from hypnolens.scoring.reading import read_night
from hypnolens.scoring.staging import stage_night
from hypnolens.simulation.night import simulate_night
from hypnolens.stagers.known import load_stager
from hypnolens.stagers.names import DEMO
from tests.conftest import pink, write_hypnogram, write_psg

RATE = 100.0
OPTIONS = {"recording": "a", "subject": "s", "night": 1, "source": "-", "rates": (), "sha1": {}, "channel": ["EEG"],
           "sampling_rate_hz": 100, "trim_wake_min": None, "trim_rule": "drop-then-trim"}  # fmt: skip

T = np.arange(60_000) / RATE
"""Ten minutes in seconds."""

DRIFTS = {
    "a constant": np.full_like(T, 4000.0),
    "a ramp": np.linspace(-150, 150, len(T)),
    "a wave of ten minutes": 1000 * np.sin(2 * np.pi * T / 600),
    "an electrode that settles": 2000 * np.exp(-T / 120),
}


@pytest.mark.parametrize("rate", [100.0, 85.3333, 512.0])
def test_the_median_alone_goes_where_no_filter_is_asked_for(rate):
    signal = (pink(20, uv=30.0) + 77).astype(np.float32)
    found = without_drift(np.stack([signal, signal - 500]), rate, None)
    np.testing.assert_allclose(found, np.stack([signal - np.median(signal)] * 2), atol=1e-4)
    assert found.dtype == np.float32


@pytest.mark.parametrize("drift", DRIFTS.values(), ids=list(DRIFTS))
def test_drift_goes_and_the_eeg_stays(drift):
    eeg = pink(20, uv=30.0)
    plain, drifting = (without_drift(x.astype(np.float32), RATE, 0.1) for x in (eeg, eeg + drift))
    # What is left of drift is a hundredth of the EEG, but for the filter's length at both ends.
    rest = np.abs(drifting - plain)
    assert np.median(rest) < 0.3 and rest[1500:-1500].max() < 3.0


@pytest.mark.parametrize("hz", [0.5, 0.75, 1.0, 2.0, 12.0])
def test_slow_waves_and_spindles_keep_shape_and_place(hz):
    wave = 75 * np.sin(2 * np.pi * hz * T)
    found = without_drift(wave, RATE, 0.1)
    inner = slice(2000, -2000)
    # Of 0.5 Hz, (0.5 / 0.1) ** -4 is left in the low-pass, and nothing is delayed.
    assert np.abs(found - wave)[inner].max() < 75 * (hz / 0.1) ** -4 + 0.1


def test_half_of_the_amplitude_is_left_at_the_frequency_that_is_named():
    wave = np.sin(2 * np.pi * 0.1 * T)
    assert np.abs(without_drift(wave, RATE, 0.1)[3000:-3000]).max() == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize("n", [1, 10, 30, 100, 2999, 3000])
def test_short_signals_have_no_drift_that_could_be_found_and_keep_their_length(n):
    found = without_drift(np.full(n, 5.0, dtype=np.float32), RATE, 0.1)
    assert found.shape == (n,) and np.abs(found).max() < 1e-3
    assert slow_part(np.zeros(n), RATE, 0.1).shape == (n,)


def _extracted(folder, added, highpass_hz):
    signal = pink(12, uv=20.0) + added
    psg = write_psg(folder / "a-PSG.edf", {"EEG": signal}, limits=(-6000.0, 6000.0))
    return extract(psg, write_hypnogram(folder / "a-Hypnogram.edf", "W12233322RRW"), highpass_hz=highpass_hz, **OPTIONS)


@pytest.mark.parametrize("highpass_hz", [None, 0.1])
@pytest.mark.parametrize("added", [20.0, -200.0, 4000.0])
def test_stored_epochs_and_their_step_do_not_depend_on_an_offset(tmp_path, added, highpass_hz):
    without, offset = (_extracted(tmp_path, x, highpass_hz) for x in (0.0, added))
    step = 12_000 / 65_535  # of the file, in which both are rounded
    assert offset.scale_uv == pytest.approx(without.scale_uv, rel=0.01) and offset.highpass_hz == highpass_hz
    difference = offset.signal * offset.scale_uv - without.signal * without.scale_uv
    assert np.abs(difference).max() < 3 * step


@pytest.fixture(scope="module")
def night(tmp_path_factory):
    """Three hours of a simulated night, read from a file."""
    made = simulate_night(seed=1, subject=0, night=1, hours=3)
    path = tmp_path_factory.mktemp("night") / "n.edf"
    signals = {"EEG Fpz-Cz": made.signals["EEG Fpz-Cz"].clip(-190, 190)}
    return replace(read_night(write_psg(path, signals)), limits=(None,))


@pytest.mark.parametrize("drift", DRIFTS.values(), ids=list(DRIFTS))
def test_stages_do_not_depend_on_offset_and_drift(night, drift):
    stager = load_stager(DEMO)
    added = np.interp(np.linspace(0, 1, night.signals.shape[1]), np.linspace(0, 1, len(drift)), drift)
    plain, drifting = (
        stage_night(one, stager, below=0.5)
        for one in (night, replace(night, signals=night.signals + added.astype(np.float32)))
    )
    assert np.mean(plain.stage == drifting.stage) >= 0.99
    assert len(set(plain.stage.tolist())) >= 4
