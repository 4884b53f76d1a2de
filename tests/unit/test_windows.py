"""Windows: right places, edges, gaps, and every target once a pass."""

import numpy as np
import pytest

from hypnolens.network.windows import Windows, window_positions


def _by_hand(index, window, across_gaps):
    """What `window_positions` says it does, spelled out."""
    place = list(range(len(index))) if across_gaps else list(index)
    rows = []
    for centre in place:
        wanted = [centre + step for step in range(-(window // 2), window // 2 + 1)]
        rows.append([place.index(w) if w in place else -1 for w in wanted])
    return rows


@pytest.mark.parametrize("window", [1, 3, 9])
@pytest.mark.parametrize("index", [[0], [0, 1, 2, 3], [2, 3, 7, 8, 9, 30], list(range(5, 25))])
@pytest.mark.parametrize("across_gaps", [False, True])
def test_positions_by_hand(index, window, across_gaps):
    positions = window_positions(np.array(index), window, across_gaps=across_gaps)
    assert positions.tolist() == _by_hand(index, window, across_gaps)
    assert (positions[:, window // 2] == np.arange(len(index))).all()


def test_a_window_without_a_middle_is_refused():
    with pytest.raises(ValueError, match="no middle"):
        window_positions(np.arange(5), 4)


INDICES = [np.arange(33), np.array([0, 1, 2, 5, 6, 9, 20])]
STARTS = [0, 33]


def _pass(indices=INDICES, *, seed=0, window=5, across_gaps=False, **given):
    windows = Windows(indices, window=window, across_gaps=across_gaps)
    options = {"stride": 1, "stretch": 4, "batch_windows": 10, **given}
    return list(windows.batches(**options, generator=np.random.default_rng(seed)))


def _by_recording(row):
    """Recording and row within it."""
    recording = int(row >= STARTS[1])
    return recording, row - STARTS[recording]


def _check(step):
    assert (np.diff(step.rows) > 0).all()  # the CNN reads no epoch twice
    for target, places in zip(step.targets, step.positions, strict=True):
        recording, row = _by_recording(target)
        by_hand = window_positions(INDICES[recording], 5)[row]
        found = [_by_recording(step.rows[place]) if place >= 0 else None for place in places]
        assert found == [(recording, wanted) if wanted >= 0 else None for wanted in by_hand]


@pytest.mark.parametrize("stride", [1, 3])
@pytest.mark.parametrize("stretch", [1, 4])
@pytest.mark.parametrize("batch_windows", [3, 10, 1000])
def test_every_target_is_seen_once_with_its_own_window(stride, stretch, batch_windows):
    steps = _pass(stride=stride, stretch=stretch, batch_windows=batch_windows)
    targets = np.concatenate([step.targets for step in steps])
    assert sorted(targets) == [
        s + row for s, i in zip(STARTS, INDICES, strict=True) for row in range(0, len(i), stride)
    ]
    assert all(len(step.targets) <= batch_windows for step in steps)
    for step in steps:
        _check(step)


def test_passes_that_begin_an_epoch_later_each_have_every_epoch_once_as_a_target():
    passes = [np.concatenate([step.targets for step in _pass(stride=3, offset=offset)]) for offset in range(3)]
    assert [_by_recording(targets.min()) for targets in passes] == [(0, 0), (0, 1), (0, 2)]
    assert sorted(np.concatenate(passes)) == list(range(40))
    assert _pass([np.arange(2), np.arange(9)], stride=4, offset=3)[0].targets.tolist() == [
        2 + 3,
        2 + 7,
    ]  # one is too short


def test_a_part_of_a_batch_has_its_own_windows():
    (step,) = _pass(batch_windows=1000)
    parts = [step.part(slice(begin, begin + 7)) for begin in range(0, len(step.targets), 7)]
    assert np.concatenate([part.targets for part in parts]).tolist() == step.targets.tolist()
    for part in parts:
        _check(part)
        assert len(part.rows) <= 7 * 5


def test_passes_differ_by_seed_only():
    order = [np.concatenate([s.targets for s in _pass(seed=seed)]).tolist() for seed in (0, 0, 1)]
    assert order[0] == order[1] != order[2]


def test_stretches_are_shuffled_across_recordings_and_share_their_epochs():
    first = _pass([np.arange(40)] * 4, batch_windows=16)[0]
    assert len({target // 40 for target in first.targets}) > 1
    assert len(first.rows) < 16 * 5 / 2
    assert np.diff(np.sort(_pass([np.arange(400)] * 4, batch_windows=16, stretch=1)[0].targets)).min() > 0
