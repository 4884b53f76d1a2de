"""Where training is: the line of the log there and back, each state of a fold, and estimates checked by hand."""

import os
import re
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from hypnolens.cli import main
from hypnolens.errors import HypnolensError, RecordingError
from hypnolens.network.model import Architecture, SEResNetBiLSTM
from hypnolens.pipeline.logs import logged
from hypnolens.pipeline.passes import Pass, pass_line, read_pass
from hypnolens.pipeline.progress import RULES, SILENT_S, describe, duration, makespan, read_runs, time_left
from hypnolens.training.checkpoints import read_checkpoint, write_checkpoint
from hypnolens.training.engine import Engine, Options
from hypnolens.training.fold import SAVE_S, train
from tests.conftest import ROOT, make_epochs

NOW = 1.8e9
STAGES = np.repeat([0, 1, 2, 3, 4], 6)


def _line(number, of=10, seconds=20.0, left=None, f1=0.5):
    done = Pass(number, of, seconds, 1.0, f1, (of - number) * seconds if left is None else left)
    return f"2026-01-01 10:00:00,000 INFO sim/net fold 0: {pass_line(done)}"


def _folds(folder, dataset="sim", n_folds=4):
    path = folder / "results" / dataset / "folds.tsv"
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = "".join(f"r{n}\ts{n}\t{fold}\ttest\n" for fold in range(n_folds) for n in range(n_folds))
    path.write_text("recording\tsubject\tfold\tsplit\n" + rows)
    return path.parent


def _log(dataset, fold, lines, *, age=1.0, run="net", rule="train"):
    path = dataset / "logs" / rule / run / f"fold-{fold}.log"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines))
    os.utime(path, (NOW - age, NOW - age))


def _done(dataset, fold, *, passes=10, seconds=20.0, around=0.0, run="net"):
    folder = dataset / run / f"fold-{fold}"
    folder.mkdir(parents=True)
    rows = [{"pass": n, "validation_macro_f1": n / 100, "best": float(n <= 3), "seconds": seconds}
            for n in range(1, passes + 1)]  # fmt: skip
    pd.DataFrame(rows).to_csv(folder / "history.tsv", sep="\t", index=False)
    (folder / "model.json").write_text("{}")
    benchmark = dataset / "benchmarks" / "train" / run / f"fold-{fold}.tsv"
    benchmark.parent.mkdir(parents=True, exist_ok=True)
    benchmark.write_text(f"s\th:m:s\n{passes * seconds + around:.2f}\t0:00:01\n")


def _states(folder):
    (run,) = read_runs(folder, NOW)
    return [fold.state for fold in run.folds]


@pytest.mark.parametrize(
    "done",
    [Pass(3, 60, 17.0, 0.64, 0.731, 969.0), Pass(60, 60, 1234.5, 99.0, 0.0, 0.0), Pass(1, 1, 0.1, 1.5, 1.0, 0.0)],
)
def test_the_line_of_a_pass_is_read_back(done):
    assert read_pass(pass_line(done)) == done
    assert read_pass(f"2026-11-25 10:25:39,980 INFO a-b/c_d fold 7: {pass_line(done)}\n") == done


@pytest.mark.parametrize(
    "line",
    ["", "pass 3 of 7", "d/e fold 0: going on after pass 3, step 5 of a checkpoint", "WARNING checkpoint discarded",
     pass_line(Pass(1, 2, 1, 1, 1, 1)) + " and more"],
)  # fmt: skip
def test_other_lines_are_no_passes(line):
    assert read_pass(line) is None


def _train(folder, dataset, passes):
    """A training with the log of its step, as the step has it; its history."""
    sides = [[make_epochs(STAGES, name=name, rate=20)] for name in "ab"]
    architecture = Architecture(width=1, dropout=0.0, lstm_layers=1, lstm_hidden=4, head_hidden=(), window=3)
    with logged(dataset / "logs/train/net/fold-0.log"):
        _, history = train(
            *sides, build=lambda: SEResNetBiLSTM(architecture), fold=0, checkpoint=folder / "c.pt", key="k",
            options=Options(passes=passes, patience=None, batch_windows=16, stretch=8, torch_threads=1), name="sim/net",
        )  # fmt: skip
    return history


def test_what_training_writes_is_what_is_read(tmp_path):
    dataset = _folds(tmp_path, n_folds=1)
    history = _train(tmp_path, dataset, 3)
    log = dataset / "logs/train/net/fold-0.log"
    found = [each for line in log.read_text().splitlines() if (each := read_pass(line))]
    assert [(each.number, each.of) for each in found] == [(1, 3), (2, 3), (3, 3)]
    for each, row in zip(found, history, strict=True):
        assert each.macro_f1 == pytest.approx(row["validation_macro_f1"], abs=6e-4)
        assert each.loss == pytest.approx(row["train_loss"], abs=6e-4)
        assert each.seconds == pytest.approx(row["seconds"], abs=0.051)
    (run,) = read_runs(tmp_path, log.stat().st_mtime)
    assert run.folds[0].made == 3 and run.folds[0].left_s == 0.0 and run.folds[0].state == "running"


def test_a_training_that_goes_on_is_in_the_pass_after_its_checkpoints(tmp_path, monkeypatch):
    dataset = _folds(tmp_path, n_folds=1)
    monkeypatch.setattr("hypnolens.training.fold._enough", lambda history, options: len(history) >= 2)
    _train(tmp_path, dataset, 5)
    state = read_checkpoint(tmp_path / "c.pt", "k", "sim/net")
    write_checkpoint(tmp_path / "c.pt", {**state, "finished": False})

    def killed(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(Engine, "restore", killed)
    with pytest.raises(KeyboardInterrupt):
        _train(tmp_path, dataset, 5)
    log = dataset / "logs/train/net/fold-0.log"
    (run,) = read_runs(tmp_path, log.stat().st_mtime)
    assert (run.folds[0].state, run.folds[0].made, run.folds[0].of) == ("running", 2, None)
    assert "in pass 3" in describe([run], NOW)[1]


def test_each_state_of_a_fold(tmp_path):
    dataset = _folds(tmp_path, n_folds=5)
    _done(dataset, 0)
    _log(dataset, 1, [_line(1), _line(2, f1=0.25)], age=5.0)
    _log(dataset, 2, [_line(1)], age=61.0)  # three passes are 60 s
    with pytest.raises(SystemExit), logged(dataset / "logs/train/net/fold-3.log") as log:
        log.info("begun")
        raise RecordingError("a", "is empty", "delete it")
    assert _states(tmp_path) == ["done", "running", "silent", "failed", "waits"]
    lines = describe(read_runs(tmp_path, NOW), NOW)
    assert lines[0] == "sim/net"
    assert lines[1] == "  fold 0  done, 10 passes, validation macro-F1 0.030, took 3 min"
    assert lines[2] == (
        "  fold 1  pass 2 of 10 made, validation macro-F1 0.250, at most 3 min left; last sign of life 5 s ago"
    )
    assert "silent" in lines[3] and lines[4].endswith("; a: is empty; delete it") and lines[5] == "  fold 4  waits"
    assert "1 of 5 folds trained, 1 running, 1 waiting, 1 failed" in lines[7]


@pytest.mark.parametrize("sign", ["checkpoint.pt", "checkpoint.partial"])
def test_a_state_that_is_kept_is_a_sign_of_life_and_a_pass_of_minutes_may_be_silent(tmp_path, sign):
    dataset = _folds(tmp_path, n_folds=1)
    _log(dataset, 0, [_line(1, seconds=7200.0)], age=7000.0)
    assert _states(tmp_path) == ["silent"]
    kept = dataset / "net" / "fold-0" / sign
    kept.parent.mkdir(parents=True)
    kept.write_bytes(b"")
    os.utime(kept, (NOW - 800.0, NOW - 800.0))
    (run,) = read_runs(tmp_path, NOW)
    assert run.folds[0].state == "running" and run.folds[0].silent_s == pytest.approx(800.0)
    # Nine passes are left, 7,000 s of the first of them gone.
    assert run.folds[0].left_s == pytest.approx(9 * 7200 - 7000)


def test_before_its_first_pass_a_training_is_silent_for_as_long_as_it_keeps_nothing(tmp_path):
    dataset = _folds(tmp_path, n_folds=2)
    _log(dataset, 0, ["2026-01-01 10:00:00,000 WARNING w.py:1: UserWarning: slow", "  torch.f()"], age=SILENT_S[1] - 1)
    _log(dataset, 1, [], age=SILENT_S[1] + 1)
    assert _states(tmp_path) == ["running", "silent"]
    assert SILENT_S[1] > 1.5 * SAVE_S
    assert "not known before a pass" in describe(read_runs(tmp_path, NOW), NOW)[-1]


def test_time_left_of_two_at_once(tmp_path):
    dataset = _folds(tmp_path, n_folds=5)
    for fold in (0, 1):
        _log(dataset, fold, [_line(n) for n in range(1, 6 + fold)], age=0.0)  # 100 s and 80 s left
    # Fold 2 begins after 80 s and takes 200 s, fold 3 after 100 s, fold 4 after 280 s.
    assert time_left(read_runs(tmp_path, NOW)) == pytest.approx(480.0)


def test_folds_that_wait_stop_as_early_as_those_that_are_done_and_start_as_slowly(tmp_path):
    dataset = _folds(tmp_path, n_folds=3)
    _done(dataset, 0, passes=4, seconds=10.0, around=5.0)
    assert time_left(read_runs(tmp_path, NOW)) == pytest.approx(2 * 45.0)  # one after the other
    _log(dataset, 1, [_line(1, seconds=30.0)], age=0.0)  # slower now
    assert time_left(read_runs(tmp_path, NOW)) == pytest.approx(9 * 30.0 + 4 * 30.0 + 5.0)


def test_only_recent_passes_say_how_fast_it_is_now(tmp_path):
    dataset = _folds(tmp_path, n_folds=1)
    _log(dataset, 0, [_line(n, of=20, seconds=100.0 if n < 6 else 10.0) for n in range(1, 11)], age=0.0)
    assert time_left(read_runs(tmp_path, NOW)) == pytest.approx(100.0)


def test_a_fold_that_went_on_has_its_checkpoints_passes_behind_it(tmp_path):
    dataset = _folds(tmp_path, n_folds=2)
    _done(dataset, 0)
    _log(dataset, 1, ["2026-01-01 10:00:00,000 INFO x: going on after pass 7, step 2 of a checkpoint"], age=0.0)
    assert time_left(read_runs(tmp_path, NOW)) == pytest.approx(3 * 20.0)


def test_runs_of_which_nothing_has_begun_are_not_there_and_others_are(tmp_path):
    for name in ("sim", "other"):
        dataset = _folds(tmp_path, name, n_folds=2)
    assert describe(read_runs(tmp_path, NOW), NOW) == ["No training has begun."]
    _done(dataset, 0, run="one")
    _log(dataset, 1, [_line(2)], run="two", rule="train_published", age=0.0)
    assert [(run.dataset, run.experiment) for run in read_runs(tmp_path, NOW)] == [("other", "one"), ("other", "two")]


def test_all_done_is_said(tmp_path):
    dataset = _folds(tmp_path, n_folds=2)
    _done(dataset, 0)
    _done(dataset, 1)
    _done(dataset, 2)  # of an earlier table of folds
    assert describe(read_runs(tmp_path, NOW), NOW)[-1].startswith("All 2 folds are trained.")
    assert time_left(read_runs(tmp_path, NOW)) == 0.0


@pytest.mark.parametrize(
    "history", ["pass\tseconds\n1\t2.0\n", "", "pass\tseconds\tvalidation_macro_f1\tbest\n1\tx\ty\tz"]
)
def test_a_fold_whose_history_cannot_be_read_is_not_done(tmp_path, history):
    dataset = _folds(tmp_path, n_folds=1)
    _done(dataset, 0)
    (dataset / "net/fold-0/history.tsv").write_text(history)
    _log(dataset, 0, [_line(1)])
    assert _states(tmp_path) == ["running"]


def _brute(slots, waiting):
    """Second by second."""
    busy, waiting, time = list(slots), list(waiting), 0
    while True:
        for place, left in enumerate(busy):
            if left == 0 and waiting:
                busy[place] = waiting.pop(0)
        if not any(busy) and not waiting:
            return time
        busy, time = [max(left - 1, 0) for left in busy], time + 1


def test_the_last_to_end_is_the_last_of_a_clock_that_ticks():
    random = np.random.default_rng(0)
    for _ in range(50):
        slots, waiting = random.integers(1, 30, random.integers(1, 5)), random.integers(1, 30, random.integers(0, 9))
        assert makespan(slots.tolist(), waiting.tolist()) == _brute(slots.tolist(), waiting.tolist())


@pytest.mark.parametrize(
    "seconds, words",
    [(0.4, "0 s"), (99.4, "99 s"), (100, "2 min"), (3569, "59 min"), (3570, "1 h"), (12_000, "3 h 20 min"),
     (86_400, "24 h"), (187_200, "2 d 4 h"), (172_800, "2 d")],
)  # fmt: skip
def test_durations_have_two_units_at_most(seconds, words):
    assert duration(seconds) == words


def test_rules_that_train_in_passes_are_those_that_are_looked_for():
    found = {}
    for path in (ROOT / "workflow/rules").glob("*.smk"):
        for rule in re.split(r"^rule ", path.read_text(), flags=re.M)[1:]:
            if "scripts/train.py" in rule:
                found[rule.split(":")[0]] = re.findall(r'"(results/[^"]+)"', rule)
    assert set(found) == set(RULES)
    for rule, files in found.items():
        assert f"results/{{dataset}}/logs/{rule}/{{experiment}}/fold-{{fold}}.log" in files
        assert f"results/{{dataset}}/benchmarks/{rule}/{{experiment}}/fold-{{fold}}.tsv" in files
        folder = "results/{dataset}/{experiment}/fold-{fold}"
        assert {f"{folder}/{name}" for name in ("history.tsv", "model.json", "checkpoint.pt")} <= set(files)


def test_the_command_says_where_training_is(tmp_path, capsys, monkeypatch):
    _done(_folds(tmp_path, n_folds=1), 0)
    assert main(["progress", str(tmp_path)]) == 0
    there = capsys.readouterr().out
    assert there.startswith("sim/net\n  fold 0  done")
    monkeypatch.chdir(tmp_path)
    assert main(["progress"]) == 0 and capsys.readouterr().out == there


def test_a_folder_without_results_is_one_line_and_status_1(tmp_path, capsys):
    assert main(["progress", str(tmp_path)]) == 1
    said = capsys.readouterr()
    assert said.out == "" and said.err.count("\n") == 1 and "there is no folder results/" in said.err
    with pytest.raises(HypnolensError):
        read_runs(tmp_path, NOW)


def test_the_command_starts_without_the_heavy_libraries(tmp_path):
    _done(_folds(tmp_path, n_folds=1), 0)
    code = (
        "import sys; from hypnolens.cli import main; main(['progress', sys.argv[1]])\n"
        "print(sorted({'torch', 'pandas', 'scipy', 'mne', 'matplotlib'} & sys.modules.keys()))"
    )
    run = subprocess.run([sys.executable, "-c", code, tmp_path], cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stdout.splitlines()[-1] == "[]"
