"""Windows: right places, edges, gaps, and every target once a pass."""

import numpy as np
import pytest

from hypnolens.windows import batches, window_positions
from tests.conftest import make_epochs


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


def _pass(recordings, *, seed=0, window=5, stride=1, stretch=4, batch_windows=10, across_gaps=False):
    return list(
        batches(recordings, window=window, stride=stride, stretch=stretch, batch_windows=batch_windows,
                across_gaps=across_gaps, generator=np.random.default_rng(seed))
    )  # fmt: skip


RECORDINGS = [make_epochs([0] * 33, rate=1), make_epochs([1] * 7, index=[0, 1, 2, 5, 6, 9, 20], rate=1)]


@pytest.mark.parametrize("stride", [1, 3])
@pytest.mark.parametrize("batch_windows", [3, 10, 1000])
def test_every_target_is_seen_once_with_its_own_window(stride, batch_windows):
    steps = _pass(RECORDINGS, stride=stride, batch_windows=batch_windows)
    targets = np.concatenate([step.targets for step in steps])
    wanted = [[r, row] for r, e in enumerate(RECORDINGS) for row in range(0, len(e.stage), stride)]
    assert sorted(targets.tolist()) == wanted
    assert all(len(step.targets) <= batch_windows for step in steps)
    for step in steps:
        flat = [(recording, row) for recording, rows in step.rows for row in rows]
        assert len(flat) == len(set(flat))  # the CNN reads no epoch twice
        for (recording, row), places in zip(step.targets.tolist(), step.positions, strict=True):
            by_hand = window_positions(RECORDINGS[recording].epoch_index, 5)[row]
            assert [flat[place][1] if place >= 0 else -1 for place in places] == by_hand.tolist()
            assert all(flat[place][0] == recording for place in places if place >= 0)


def test_passes_differ_by_seed_only():
    order = [np.concatenate([s.targets for s in _pass(RECORDINGS, seed=seed)]).tolist() for seed in (0, 0, 1)]
    assert order[0] == order[1] != order[2]


def test_stretches_are_shuffled_across_recordings():
    many = [make_epochs([0] * 40, rate=1) for _ in range(4)]
    first = _pass(many, batch_windows=16)[0]
    assert len({recording for recording, _ in first.targets.tolist()}) > 1
