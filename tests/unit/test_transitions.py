"""Epochs by their distance from the expert's changes of stage, by hand and by walking from each epoch."""

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt
from sklearn.metrics import cohen_kappa_score

from hypnolens.evaluation.metrics import subject_interval
from hypnolens.evaluation.transitions import AT, DISTANCES, INSIDE, NEVER, distances, transition_pairs, transition_table
from hypnolens.plots import transitions as plot
from hypnolens.stages import STAGES

NAMES = [*DISTANCES, AT, INSIDE]


def _night(true, predicted=None, *, index=None, recording="R1", subject="a"):
    return pd.DataFrame({
        "recording": recording, "subject": subject, "epoch_index": range(len(true)) if index is None else index,
        "stage_true": true, "stage_pred": true if predicted is None else predicted,
    })  # fmt: skip


def _random(n_recordings, *, n=200, seed=0):
    """Nights of bouts, two a subject, with gaps and errors, in an order that is not that of time."""
    rng = np.random.default_rng(seed)
    nights = []
    for number in range(n_recordings):
        true = np.repeat(rng.choice(STAGES, n), rng.integers(1, 15, n))[:n]
        predicted = np.where(rng.random(n) < 0.3, rng.choice(STAGES, n), true)
        index = 7 + np.cumsum(1 + (rng.random(n) < 0.03) * rng.integers(1, 4, n))
        nights.append(_night(true, predicted, index=index, recording=f"R{number}", subject=f"S{number // 2}"))
    return pd.concat(nights).sample(frac=1, random_state=seed)  # its index is neither unique nor in order


def _walk(frame):
    """Distance of each row, by steps from its epoch to either side until the stage has changed."""
    stages = {(row.recording, row.epoch_index): row.stage_true for row in frame.itertuples()}
    found = []
    for row in frame.itertuples():
        steps = []
        for side in (1, -1):
            at, here = row.epoch_index, row.stage_true
            while (other := stages.get((row.recording, at + side))) is not None:
                if other != here:
                    steps.append(abs(at - row.epoch_index))
                    break
                at += side
        found.append(min(steps, default=NEVER))
    return np.array(found)


def test_distances_by_hand():
    #                      0    1    2    3    4     5     6     7     8     9
    frame = _night(["W", "W", "W", "W", "N1", "N2", "N2", "N2", "N2", "N2"])
    assert distances(frame).tolist() == [3, 2, 1, 0, 0, 0, 1, 2, 3, 4]


def test_a_gap_is_no_transition_and_hides_those_behind_it():
    frame = _night(["W", "N1", "N1", "N2", "N2", "R", "R"], index=[0, 1, 2, 4, 5, 6, 7])
    # Positions 2 and 4 differ in stage, but 3 is missing; 2 is 1 from the change into N1, 4 is 1 from that into R.
    assert distances(frame).tolist() == [0, 0, 1, 1, 0, 0, 1]
    alone = _night(["W", "N1", "N2"], index=[0, 2, 4])
    assert (distances(alone) == NEVER).all()
    two = pd.concat([_night(["W", "W"]), _night(["N2", "N2"], index=[2, 3], recording="R2")])
    assert (distances(two) == NEVER).all()  # the end of a recording is none either


@pytest.mark.parametrize("seed", range(4))
def test_distances_are_those_of_a_walk(seed):
    frame = _random(3, seed=seed)
    np.testing.assert_array_equal(distances(frame), _walk(frame))
    assert len(distances(frame[:0])) == 0 and distances(frame[:1]).tolist() == [NEVER]


def test_scores_of_each_distance():
    frame = _random(8)
    table = transition_table(frame, seed=3)
    assert list(table.columns) == [
        "distance", "epochs", "subjects", "share", "accuracy", "accuracy_low", "accuracy_high", "kappa"
    ]  # fmt: skip
    assert table["distance"].tolist() == NAMES
    walked = _walk(frame)
    chosen = [walked == 0, walked == 1, walked == 2, walked == 3, walked == 4, walked >= 5, walked <= 1, walked >= 2]
    for row, of in zip(table.itertuples(), chosen, strict=True):
        part = frame[of]
        right = (part["stage_true"] == part["stage_pred"]).to_numpy(dtype=float)
        assert (row.epochs, row.subjects) == (len(part), part["subject"].nunique())
        assert row.share == pytest.approx(len(part) / len(frame), abs=1e-4)
        assert row.accuracy == pytest.approx(right.mean(), abs=1e-4)
        assert row.kappa == pytest.approx(cohen_kappa_score(part["stage_true"], part["stage_pred"]), abs=1e-4)
        interval = subject_interval(right, part["subject"].to_numpy(), seed=3, limits=(0.0, 1.0))
        assert (row.accuracy_low, row.accuracy_high) == pytest.approx(interval, abs=1e-4)
        assert row.accuracy_low < row.accuracy < row.accuracy_high
    epochs = table.set_index("distance")["epochs"]
    assert epochs[list(DISTANCES)].sum() == epochs[[AT, INSIDE]].sum() == len(frame)


@pytest.mark.filterwarnings("error")
def test_a_night_without_a_transition_is_all_inside():
    frame = _night(["N2"] * 4, ["N2", "N2", "N3", "N2"])
    table = transition_table(frame, seed=0).set_index("distance")
    assert table["epochs"].tolist() == [0, 0, 0, 0, 0, 4, 0, 4]
    assert table.loc["5+", "accuracy"] == table.loc[INSIDE, "accuracy"] == 0.75
    assert table.loc[AT, ["accuracy", "accuracy_low", "kappa"]].isna().all() and table.loc[AT, "share"] == 0
    assert transition_pairs(frame).empty
    assert list(transition_pairs(frame).columns) == ["from", "to", "epochs", "accuracy", "before", "after", "both"]


def test_pairs_by_hand():
    true = ["W", "N1", "N2", "N2", "N1", "N2"]
    predicted = ["W", "N2", "N2", "N2", "N1", "N1"]
    table = transition_pairs(_night(true, predicted))
    assert [tuple(row) for row in table.itertuples(index=False)] == [
        ("W", "N1", 2, 0.5, 1.0, 0.0, 0.0),
        # N1 to N2 twice: wrong then right, right then wrong.
        ("N1", "N2", 4, 0.5, 0.5, 0.5, 0.0),
        ("N2", "N1", 2, 1.0, 1.0, 1.0, 1.0),
    ]


def test_pairs_are_those_of_a_loop_over_neighbours():
    frame = _random(5, seed=9)
    rows = {(row.recording, row.epoch_index): (row.stage_true, row.stage_pred) for row in frame.itertuples()}
    found = {}
    for (recording, at), (one, one_predicted) in rows.items():
        other, other_predicted = rows.get((recording, at + 1), (one, None))
        if other != one:
            found.setdefault((one, other), []).append((one_predicted == one, other_predicted == other))
    table = transition_pairs(frame)
    order = [(one, other) for one in STAGES for other in STAGES if (one, other) in found]
    assert list(zip(table["from"], table["to"], strict=True)) == order
    for row, key in zip(table.to_dict("records"), order, strict=True):
        right = np.array(found[key])
        assert row["epochs"] == right.size and row["accuracy"] == pytest.approx(right.mean(), abs=1e-4)
        assert (row["before"], row["after"]) == pytest.approx(tuple(right.mean(axis=0)), abs=1e-4)
        assert row["both"] == pytest.approx(right.all(axis=1).mean(), abs=1e-4)


@pytest.mark.parametrize("n_recordings", [1, 6, 100])
def test_the_figure_says_of_how_many_epochs_and_subjects_it_is(tmp_path, n_recordings):
    table, path = transition_table(_random(n_recordings), seed=0), str(tmp_path / "transitions.tsv")
    table.to_csv(path, sep="\t", index=False, na_rep="nan")
    figure = plot.draw(transitions=path)
    figure.canvas.draw()
    above, below = figure.axes
    subjects = -(-n_recordings // 2)
    words = f"n = {200 * n_recordings:,} epochs, {subjects} subject" + ("s" if subjects > 1 else "")
    assert above.get_title(loc="left").startswith(words + ";")
    assert [text.get_text() for text in below.texts] == [f"{epochs:,}" for epochs in table["epochs"]]
    assert [label.get_text() for label in below.get_xticklabels()][:6] == list(DISTANCES)
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert ("accuracy, 95 % interval over subjects" in legend) == (subjects > 1) and len(legend) == 2
    plt.close(figure)


def test_the_figure_of_a_night_without_a_transition(tmp_path):
    path = str(tmp_path / "transitions.tsv")
    transition_table(_night(["N2"] * 4), seed=0).to_csv(path, sep="\t", index=False, na_rep="nan")
    figure = plot.draw(transitions=path)
    figure.canvas.draw()
    plt.close(figure)
