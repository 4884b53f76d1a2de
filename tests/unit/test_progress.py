"""Where training is: what it says there and back, each state of a fold, and estimates checked by hand."""

import errno
import json
import os
import re
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch

from hypnolens.cli import main
from hypnolens.errors import HypnolensError, RecordingError
from hypnolens.network.model import Architecture, SEResNetBiLSTM
from hypnolens.pipeline.logs import logged
from hypnolens.pipeline.progress import (
    ALIVE,
    PROGRESS,
    RECENT,
    RULES,
    SILENT_S,
    duration,
    is_alive,
    makespan,
    progress_lines,
    read_runs,
    time_left,
    write_progress,
)
from hypnolens.training.checkpoints import read_checkpoint, write_checkpoint
from hypnolens.training.engine import Engine, TrainingOptions
from hypnolens.training.fold import SAVE_S, train
from tests.conftest import ROOT, make_epochs
from tests.planning import rules, script_of
from tests.rules.conftest import run_script

NOW = 1.8e9
STAGES = np.repeat([0, 1, 2, 3, 4], 6)


def _folds(folder, dataset="sim", n_folds=4):
    path = folder / "results" / dataset / "folds.tsv"
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = "".join(f"r{n}\ts{n}\t{fold}\ttest\n" for fold in range(n_folds) for n in range(n_folds))
    path.write_text("recording\tsubject\tfold\tsplit\n" + rows)
    return path.parent


def _log(dataset, fold, lines=(), *, age=1.0, run="net", rule="train"):
    path = dataset / "logs" / rule / run / f"fold-{fold}.log"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines))
    os.utime(path, (NOW - age, NOW - age))


def _says(dataset, fold, passes, *, of=10, made=None, f1=0.5, age=1.0, run="net", rule="train"):
    """A training that began before, and made passes of so many seconds; the last ended as long ago as its age says."""
    _log(dataset, fold, age=age, run=run, rule=rule)
    checkpoint = dataset / run / f"fold-{fold}" / "checkpoint.pt"
    rows = [{"seconds": seconds, "train_loss": 1.5, "validation_macro_f1": f1} for seconds in passes]
    write_progress(checkpoint, rows, made=len(rows) if made is None else made, of=of, since=NOW - age)
    file = checkpoint.with_name(PROGRESS)
    os.utime(file, (NOW - age, NOW - age))
    return file


def _done(dataset, fold, *, passes=10, seconds=20.0, around=0.0, run="net"):
    folder = dataset / run / f"fold-{fold}"
    folder.mkdir(parents=True, exist_ok=True)
    rows = [{"pass": n, "validation_macro_f1": n / 100, "best": float(n <= 3), "seconds": seconds}
            for n in range(1, passes + 1)]  # fmt: skip
    pd.DataFrame(rows).to_csv(folder / "history.tsv", sep="\t", index=False)
    (folder / "model.json").write_text("{}")
    benchmark = dataset / "benchmarks" / "train" / run / f"fold-{fold}.tsv"
    benchmark.parent.mkdir(parents=True, exist_ok=True)
    benchmark.write_text(f"s\tmax_rss\tcpu_time\n{passes * seconds + around:.2f}\t1.00\t1.00\n")


def _read(folder, now=NOW):
    """Folds of the one run."""
    (folds,) = read_runs(folder, now).values()
    return folds


def _states(folder):
    return [fold.state for fold in _read(folder)]


@pytest.mark.parametrize("number, of, seconds, f1", [(3, 60, 17.0, 0.731), (60, 60, 1234.5, 0.0), (1, 1, 0.1, 1.0)])
def test_what_a_training_says_is_read_back(tmp_path, number, of, seconds, f1):
    _says(_folds(tmp_path, n_folds=1), 0, [seconds] * number, of=of, f1=f1, age=0.0)
    (fold,) = _read(tmp_path)
    assert (fold.made, fold.of, fold.macro_f1) == (number, of, f1)
    assert fold.pass_s == pytest.approx(seconds) and fold.left_s == pytest.approx((of - number) * seconds)


@pytest.mark.parametrize("text", ["", "{", "[3]", "\0", "{}", '{"made": 3, "of": 7}', None])
def test_what_cannot_be_read_was_not_said(tmp_path, text):
    file = _says(_folds(tmp_path, n_folds=1), 0, [20.0])
    file.unlink() if text is None else file.write_text(text)
    (fold,) = _read(tmp_path)
    assert (fold.state, fold.made, fold.left_s) == ("running", 0, None)


def _train(dataset, passes):
    """A training with the log of its step, as the step has it; its history."""
    sides = [[make_epochs(STAGES, name=name, rate=20)] for name in "ab"]
    architecture = Architecture(width=1, dropout=0.0, lstm_layers=1, lstm_hidden=4, head_hidden=(), window=3)
    checkpoint = dataset / "net" / "fold-0" / "checkpoint.pt"
    with logged(dataset / "logs/train/net/fold-0.log"):
        model, history = train(
            *sides, build=lambda: SEResNetBiLSTM(architecture), fold=0, checkpoint=checkpoint, key="k",
            options=TrainingOptions(passes=passes, patience=None, batch_windows=16, stretch=8, torch_threads=1),
            name="sim/net",
        )  # fmt: skip
    return model, history


@pytest.fixture
def said(monkeypatch):
    """All that trainings say, in order."""
    lines = []

    def write(checkpoint, *args, **kwargs):
        write_progress(checkpoint, *args, **kwargs)
        lines.append(json.loads(checkpoint.with_name(PROGRESS).read_text()))

    monkeypatch.setattr("hypnolens.training.fold.write_progress", write)
    return lines


def test_what_training_writes_is_what_is_read(tmp_path, said):
    dataset = _folds(tmp_path, n_folds=1)
    _, history = _train(dataset, 3)
    assert [(one["made"], one["of"]) for one in said] == [(0, 3), (1, 3), (2, 3), (3, 3)]
    assert said[0]["pass_s"] is said[0]["loss"] is said[0]["macro_f1"] is None
    for number, (one, row) in enumerate(zip(said[1:], history, strict=True), start=1):
        assert (one["macro_f1"], one["loss"]) == (row["validation_macro_f1"], row["train_loss"])
        assert one["pass_s"] == pytest.approx(np.mean([row["seconds"] for row in history[:number]]))
    (fold,) = _read(tmp_path, (dataset / "net/fold-0" / PROGRESS).stat().st_mtime)
    assert (fold.made, fold.left_s, fold.state) == (3, 0.0, "running")
    assert fold.macro_f1 == history[-1]["validation_macro_f1"]
    # People read the log.
    log = (dataset / "logs/train/net/fold-0.log").read_text()
    form = r": pass (\d) of 3 in \d+\.\d s, loss (\S+), validation macro-F1 (\S+), at most \d+ s left$"
    rows = [(f"{row['pass']}", f"{row['train_loss']:.3f}", f"{row['validation_macro_f1']:.3f}") for row in history]
    assert re.findall(form, log, flags=re.M) == rows


def test_a_state_that_is_kept_within_a_pass_is_told_too(tmp_path, said, monkeypatch):
    monkeypatch.setattr("hypnolens.training.fold.SAVE_S", 0.0)
    _train(_folds(tmp_path, n_folds=1), 2)
    assert [one["made"] for one in said] == sorted(one["made"] for one in said)
    within = [one for one in said if one["made"] == 1]
    assert len(within) > 2 and all(one == within[0] for one in within)  # the pass under way began when it began


def _full(monkeypatch, file):
    def write_text(path, *args, **kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_text", write_text)


@pytest.mark.parametrize(
    "obstacle",
    [_full, lambda _, file: file.mkdir(parents=True), lambda _, file: file.with_suffix(".partial").mkdir(parents=True)],
    ids=["full disk", "folder", "folder for a part"],
)
def test_a_training_that_cannot_say_where_it_is_ends_with_the_same_bits(tmp_path, monkeypatch, obstacle):
    model, history = _train(_folds(tmp_path / "a", n_folds=1), 2)
    dataset = _folds(tmp_path / "b", n_folds=1)
    obstacle(monkeypatch, dataset / "net/fold-0" / PROGRESS)
    mute, same = _train(dataset, 2)
    assert not (dataset / "net/fold-0" / PROGRESS).is_file()
    for first, second in zip(model.state_dict().values(), mute.state_dict().values(), strict=True):
        assert torch.equal(first, second)
    assert [row["train_loss"] for row in same] == [row["train_loss"] for row in history]


def test_a_training_that_goes_on_is_in_the_pass_after_its_checkpoints(tmp_path, monkeypatch):
    dataset = _folds(tmp_path, n_folds=1)
    monkeypatch.setattr("hypnolens.training.fold._enough", lambda history, options: len(history) >= 2)
    _train(dataset, 5)
    checkpoint = dataset / "net/fold-0/checkpoint.pt"
    write_checkpoint(checkpoint, {**read_checkpoint(checkpoint, "k", "sim/net"), "finished": False})

    def killed(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr("hypnolens.training.fold._enough", lambda history, options: False)
    monkeypatch.setattr(Engine, "one_pass", killed)
    monkeypatch.setattr(Engine, "restore", lambda *args: None)
    with pytest.raises(KeyboardInterrupt):
        _train(dataset, 5)
    (fold,) = _read(tmp_path, (dataset / "net/fold-0" / PROGRESS).stat().st_mtime)
    assert (fold.state, fold.made, fold.of, fold.pass_s) == ("running", 2, 5, None)
    assert "in pass 3" in progress_lines({"sim/net": [fold]}, NOW)[1]


def test_a_step_that_begins_takes_back_what_an_earlier_one_said(tmp_path):
    """Reading may take minutes, in which a pass of seconds would look silent, and a training made anew nearly done."""
    dataset = _folds(tmp_path, n_folds=1)
    file = _says(dataset, 0, [20.0] * 10)
    checkpoint = str(file.with_name("checkpoint.pt"))
    params = {"experiment": {"passes": 7, "protocol": "clean"}, "checkpoint": checkpoint, "epochs": str(tmp_path)}
    folds = {"folds": str(tmp_path / "gone.tsv")}
    with pytest.raises(FileNotFoundError):
        run_script("train", tmp_path, input=folds, params=params, wildcards={"fold": "0"})
    (fold,) = _read(tmp_path)
    assert (fold.made, fold.of, fold.pass_s) == (0, 7, None)


ODD = ("Infinity", "-Infinity", "NaN", "1e400", "-1", "1e300", "9" * 5000, "1" + "0" * 400, '"²"', "true", "[]", "{}")
"""Numbers that no training says."""


@pytest.mark.parametrize("key", ["made", "of", "pass_s", "macro_f1", "time"])
@pytest.mark.parametrize("value", ODD)
def test_numbers_that_no_training_says_were_not_said(tmp_path, capsys, key, value):
    said = {"made": "3", "of": "7", "pass_s": "20.0", "macro_f1": "0.5", "time": f"{NOW}", key: value}
    file = _says(_folds(tmp_path, n_folds=2), 0, [20.0])
    file.write_text("{" + ", ".join(f'"{name}": {number}' for name, number in said.items()) + "}\n")
    assert main(["progress", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    assert "inf" not in shown and "nan" not in shown and len(max(shown.splitlines(), key=len)) < 250


@pytest.mark.parametrize("value", ["inf", "-inf", "nan", "1e300", "-5", "²", ""])
@pytest.mark.parametrize("column", ["seconds", "validation_macro_f1", "best"])
def test_a_history_of_odd_numbers_ends_nothing(tmp_path, capsys, column, value):
    dataset = _folds(tmp_path, n_folds=1)
    _done(dataset, 0, passes=1)
    row = {"pass": "1", "validation_macro_f1": "0.5", "best": "1.0", "seconds": "2.0", column: value}
    (dataset / "net/fold-0/history.tsv").write_text("\t".join(row) + "\n" + "\t".join(row.values()) + "\n")
    assert main(["progress", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    assert "inf" not in shown and "nan" not in shown and len(max(shown.splitlines(), key=len)) < 250


@pytest.mark.parametrize("wall", ["inf", "1e308", "nan", "-1e308", "²"])
def test_a_benchmark_of_odd_numbers_ends_nothing(tmp_path, wall):
    dataset = _folds(tmp_path, n_folds=2)
    _done(dataset, 0)
    (dataset / "benchmarks/train/net/fold-0.tsv").write_text(f"s\tmax_rss\tcpu_time\n{wall}\t1.00\t1.00\n")
    assert _read(tmp_path)[0].took_s == pytest.approx(200.0)


@pytest.mark.parametrize("fold", ["99999999999", "²", "inf", "-1", "", "٣", "9" * 5000, "1.0", "01"])
def test_a_table_of_odd_folds_is_one_line_and_others_are_told(tmp_path, capsys, fold):
    _done(_folds(tmp_path, "good", n_folds=1), 0)
    bad = _folds(tmp_path, "bad", n_folds=1)
    _log(bad, 0)
    with (bad / "folds.tsv").open("a") as file:
        file.write(f"r9\ts9\t{fold}\ttest\n")
    assert main(["progress", str(tmp_path)]) == 1
    said = capsys.readouterr()
    assert said.out.startswith("good/net\n  fold 0  done") and "bad/net" not in said.out
    assert said.err.count("\n") == 1 and f"{bad}/folds.tsv: damaged" in said.err and "snakemake --force" in said.err


@pytest.mark.parametrize("name", ["folds.tsv", "net/fold-0/progress.json", "net/fold-0/history.tsv",
                                  "logs/train/net/fold-0.log", "benchmarks/train/net/fold-0.tsv"])  # fmt: skip
@pytest.mark.parametrize("kind", ["pipe", "folder", "loop"])
def test_what_stands_in_place_of_a_file_is_not_waited_for(tmp_path, capsys, name, kind):
    dataset = _folds(tmp_path, n_folds=1)
    _done(dataset, 0)
    _says(dataset, 0, [20.0])
    path = dataset / name
    path.unlink()
    {"pipe": os.mkfifo, "folder": os.mkdir, "loop": lambda path: path.symlink_to(path)}[kind](path)
    assert main(["progress", str(tmp_path)]) == (name == "folds.tsv" and kind != "loop")
    assert len(capsys.readouterr().err.splitlines()) == (name == "folds.tsv" and kind != "loop")


def test_odd_names_of_folders_are_no_folds(tmp_path, capsys):
    dataset = _folds(tmp_path, n_folds=1)
    for name in ("fold-²", "fold-99999999999", "fold-" + "9" * 200, "fold-"):
        (dataset / "net" / name).mkdir(parents=True)
        (dataset / "net" / name / "history.tsv").write_text("seconds\ninf\n")
    _done(dataset, 0)
    assert main(["progress", str(tmp_path)]) == 0
    assert capsys.readouterr().out.count("  fold ") == 1


def _snakemake(folder):
    """A process that lives in a folder as Snakemake does."""
    code = (
        "import sys; from pathlib import Path; from hypnolens.pipeline.progress import stay_alive\n"
        "stay_alive(Path(sys.argv[1])); print('up', flush=True); sys.stdin.read()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(folder)], cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout.readline() == "up\n"
    return process


def test_folds_wait_as_long_as_a_snakemake_lives(tmp_path):
    dataset = _folds(tmp_path, n_folds=3)
    _done(dataset, 0)
    _log(dataset, 1, age=3600.0)
    with _snakemake(tmp_path) as process:
        assert is_alive(tmp_path) is True
        assert _states(tmp_path) == ["done", "silent", "waits"]
        assert ", until " in "".join(progress_lines(read_runs(tmp_path, NOW), NOW))
        process.kill()
        process.wait()
    assert is_alive(tmp_path) is False
    assert _states(tmp_path) == ["done", "silent", "not begun"]
    lines = progress_lines(read_runs(tmp_path, NOW), NOW)
    assert not [line for line in lines if "wait" in line or ", until " in line]
    assert "1 not begun (run snakemake, unless it runs)" in lines[-3] and "once snakemake runs" in lines[-2]


def test_of_a_snakemake_on_another_machine_nothing_is_claimed(tmp_path):
    """Its lock may not reach this one."""
    with _snakemake(tmp_path) as process:
        process.kill()
    (tmp_path / ALIVE).write_text("another-machine")
    assert is_alive(tmp_path) is None
    (tmp_path / ALIVE).unlink()
    assert is_alive(tmp_path) is None


def test_each_state_of_a_fold(tmp_path):
    dataset = _folds(tmp_path, n_folds=5)
    _done(dataset, 0)
    _says(dataset, 1, [20.0, 20.0], f1=0.25, age=5.0)
    _says(dataset, 2, [20.0], age=61.0)  # three passes are 60 s
    with pytest.raises(SystemExit), logged(dataset / "logs/train/net/fold-3.log") as log:
        log.info("begun")
        raise RecordingError("a", "is empty", "delete it")
    assert _states(tmp_path) == ["done", "running", "silent", "failed", "not begun"]
    with _snakemake(tmp_path):
        lines = progress_lines(read_runs(tmp_path, NOW), NOW)
    assert lines[0] == "sim/net"
    assert lines[1] == "  fold 0  done, 10 passes, validation macro-F1 0.030, took 3 min"
    assert lines[2] == (
        "  fold 1  pass 2 of 10 made, validation macro-F1 0.250, at most 3 min left; last sign of life 5 s ago"
    )
    assert "silent" in lines[3] and lines[4].endswith("; a: is empty; delete it") and lines[5] == "  fold 4  waits"
    assert "1 of 5 folds trained, 1 running, 1 waiting, 1 failed" in lines[7]


@pytest.mark.parametrize("sign", ["net/fold-0/progress.json", "logs/train/net/fold-0.log"])
def test_a_file_that_is_written_is_a_sign_of_life_and_a_pass_of_minutes_may_be_silent(tmp_path, sign):
    dataset = _folds(tmp_path, n_folds=1)
    _says(dataset, 0, [7200.0], age=7000.0)
    assert _states(tmp_path) == ["silent"]
    os.utime(dataset / sign, (NOW - 800.0, NOW - 800.0))
    (fold,) = _read(tmp_path)
    assert fold.state == "running" and fold.silent_s == pytest.approx(800.0)
    # Nine passes are left, 7,000 s of the first of them gone.
    assert fold.left_s == pytest.approx(9 * 7200 - 7000)


def test_before_its_first_pass_a_training_is_silent_for_as_long_as_it_keeps_nothing(tmp_path):
    dataset = _folds(tmp_path, n_folds=2)
    _log(dataset, 0, ["2026-01-01 10:00:00,000 WARNING w.py:1: UserWarning: slow", "  torch.f()"], age=SILENT_S[1] - 1)
    _log(dataset, 1, age=SILENT_S[1] + 1)
    assert _states(tmp_path) == ["running", "silent"]
    assert SILENT_S[1] > 1.5 * SAVE_S
    assert "not known before a pass" in progress_lines(read_runs(tmp_path, NOW), NOW)[-1]


def test_time_left_of_two_at_once(tmp_path):
    dataset = _folds(tmp_path, n_folds=5)
    for fold in (0, 1):
        _says(dataset, fold, [20.0] * (5 + fold), age=0.0)  # 100 s and 80 s left
    # Fold 2 begins after 80 s and takes 200 s, fold 3 after 100 s, fold 4 after 280 s.
    assert time_left(read_runs(tmp_path, NOW)) == pytest.approx(480.0)


def test_folds_that_wait_stop_as_early_as_those_that_are_done_and_start_as_slowly(tmp_path):
    dataset = _folds(tmp_path, n_folds=3)
    _done(dataset, 0, passes=4, seconds=10.0, around=5.0)
    assert time_left(read_runs(tmp_path, NOW)) == pytest.approx(2 * 45.0)  # one after the other
    _says(dataset, 1, [30.0], age=0.0)  # slower now
    assert time_left(read_runs(tmp_path, NOW)) == pytest.approx(9 * 30.0 + 4 * 30.0 + 5.0)


def test_only_recent_passes_say_how_fast_it_is_now(tmp_path):
    dataset = _folds(tmp_path, n_folds=1)
    _says(dataset, 0, [100.0] * 5 + [10.0] * RECENT, of=20, age=0.0)
    assert time_left(read_runs(tmp_path, NOW)) == pytest.approx(100.0)


def test_a_fold_that_went_on_has_its_checkpoints_passes_behind_it(tmp_path):
    dataset = _folds(tmp_path, n_folds=2)
    _done(dataset, 0)
    _says(dataset, 1, [], made=7, age=0.0)
    assert time_left(read_runs(tmp_path, NOW)) == pytest.approx(3 * 20.0)


def test_runs_of_which_nothing_has_begun_are_not_there_and_others_are(tmp_path):
    for name in ("sim", "other"):
        dataset = _folds(tmp_path, name, n_folds=2)
    assert progress_lines(read_runs(tmp_path, NOW), NOW) == ["No training has begun."]
    _done(dataset, 0, run="one")
    _says(dataset, 1, [20.0], run="two", rule="train_published", age=0.0)
    assert list(read_runs(tmp_path, NOW)) == ["other/one", "other/two"]


def test_all_done_is_said(tmp_path):
    dataset = _folds(tmp_path, n_folds=2)
    _done(dataset, 0)
    _done(dataset, 1)
    _done(dataset, 2)  # of an earlier table of folds
    assert progress_lines(read_runs(tmp_path, NOW), NOW)[-1].startswith("All 2 folds are trained.")
    assert time_left(read_runs(tmp_path, NOW)) == 0.0


@pytest.mark.parametrize(
    "history", ["pass\tseconds\n1\t2.0\n", "", "pass\tseconds\tvalidation_macro_f1\tbest\n1\tx\ty\tz"]
)
def test_a_fold_whose_history_cannot_be_read_is_not_done(tmp_path, history):
    dataset = _folds(tmp_path, n_folds=1)
    _done(dataset, 0)
    (dataset / "net/fold-0/history.tsv").write_text(history)
    _says(dataset, 0, [20.0])
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
    found = {name: rule for name, rule in rules().items() if script_of(rule) == "train"}
    assert set(found) == set(RULES)
    for name, rule in found.items():
        asked = [*rule.log, rule.benchmark, *rule.output, rule.params.checkpoint]
        files = {re.sub(r"\{(\w+),(?:[^{}]|\{[^}]*\})*\}", r"{\1}", str(file)) for file in asked}
        assert f"results/{{dataset}}/logs/{name}/{{experiment}}/fold-{{fold}}.log" in files
        assert f"results/{{dataset}}/benchmarks/{name}/{{experiment}}/fold-{{fold}}.tsv" in files
        folder = "results/{dataset}/{experiment}/fold-{fold}"
        assert {f"{folder}/{file}" for file in ("history.tsv", "model.json", "checkpoint.pt")} <= files


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
