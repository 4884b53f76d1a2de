"""Before a run: what it needs and what there is; and what a folder of one's own holds."""

import json
import sys

import numpy as np
import pytest
import yaml

from hypnolens.cli import main
from hypnolens.errors import ConfigurationError
from hypnolens.io.shipped import HOME, TABLES
from hypnolens.network.model import build, n_parameters
from hypnolens.pipeline import configuration, gpus
from hypnolens.plan import Plan
from hypnolens.preflight import folder, machine, run
from hypnolens.preflight.needs import epochs_mb, fetches, networks_mb, trainings
from hypnolens.preflight.speed import Speed, measure
from tests.conftest import ROOT, write_hypnogram, write_pair, write_psg

FIRST = ROOT / "config" / "first-nights.yaml"
SPEED = Speed(window_s=0.001, epoch_s=0.0001, window_gflop=10.0, parameters=10_000_000)


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty folder on a machine with nothing: no GPU, no conda, no token; networks are not timed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.delenv("NSRR_TOKEN", raising=False)
    monkeypatch.setattr(gpus, "found", tuple)
    monkeypatch.setattr(run, "measure", lambda experiment, rate: SPEED)
    return tmp_path


def _plan(*paths):
    return Plan(configuration.load(run.read_configuration(paths), HOME), TABLES, lambda _: None)


def _lines(*paths, cores=2):
    lines, good = run.preflight(paths, cores=cores)
    return {line[:10].strip(): line for line in lines if line[:10].strip()}, lines, good


def test_a_dozen_lines_say_what_three_real_nights_need(here):
    heads, lines, good = _lines(FIRST)
    assert good and len(lines) <= 12
    assert heads["data"].endswith("first-nights: 6 recordings of 3 subjects, 3 folds")
    assert "6 of 6 recordings, about 0.3 GB, from https://physionet-open" in heads["to fetch"]
    assert "free in" in heads["disk"] and "too little" not in heads["disk"]
    assert "none found" in heads["GPU"] and "CPU" in heads["GPU"]
    assert heads["conda"].split(maxsplit=1)[1].startswith("none") and "--use-conda" in heads["conda"]
    assert heads["token"].endswith("NSRR_TOKEN is not set")
    assert any("demo: 3 trainings, at most 10 passes each" in line for line in lines)


def test_the_papers_trainings_are_counted_by_experiment(here, monkeypatch):
    monkeypatch.setenv("NSRR_TOKEN", "abc")
    heads, lines, _ = _lines()
    counts = {words[0].strip(): int(words[1].split()[0]) for line in lines if len(words := line.split(": ")) > 1
              and " trainings" in words[1]}  # fmt: skip
    # Twenty folds of Sleep-EDF-20, ten of Sleep-EDF-78, ten of SHHS; two seeds more; strides on the first only.
    each, twenty = 20 + 10 + 10, 20
    assert counts == {
        "paper": each, "paper-again": 2 * each, "paper-test-selected": each, "chambon2018": each, "deepsleepnet": each,
        "usleep": each, "attnsleep": each, "paper-stride1": twenty, "paper-stride2": twenty, "paper-stride4": twenty,
        "paper-stride8": twenty,
    }  # fmt: skip
    assert "(2 seeds)" in next(line for line in lines if "paper-again" in line)
    assert "sleepedf: 153 of 153" in heads["to fetch"] and "shhs: 329 of 329" in heads["to fetch"]
    assert heads["token"].endswith("NSRR_TOKEN is set") and "abc" not in "".join(lines)


def test_time_is_windows_and_staged_epochs_by_the_speed_of_each(here):
    (one,) = [one for one in trainings(_plan(FIRST)) if one.run == "demo"]
    training, validation, test = np.array(one.sizes).sum(axis=0)
    passes = one.options["passes"]
    assert one.windows == pytest.approx(passes * training) and one.staged == pytest.approx(passes * validation + test)
    seconds = one.windows * SPEED.window_s + one.staged * SPEED.epoch_s
    assert run.hours(one, SPEED) == pytest.approx(seconds / 3600)
    assert run.side_by_side(one, 8) == 8 // one.options["torch_threads"]
    # All recordings are on one side of each fold, and each is tested once.
    sizes = _plan(FIRST).recordings_by_side("first-nights")
    assert [sum(side) for side in sizes] == [6, 6, 6] and sum(test for _, _, test in sizes) == 6


def test_what_is_there_is_not_counted_again(here):
    before = _plan(FIRST)
    wanted = trainings(before)
    whole = epochs_mb(before), networks_mb({one.run: 10**6 for one in wanted}, wanted)
    for name in ("data/sleepedf/SC4001EC/SC4001E0-PSG.edf", "results/first-nights/epochs/SC4001E0.safetensors",
                 "results/first-nights/demo/fold-1/model.safetensors"):  # fmt: skip
        (here / name).parent.mkdir(parents=True)
        (here / name).touch()
    plan = _plan(FIRST)
    assert fetches(plan)["sleepedf"].absent == 5 and fetches(plan)["sleepedf"].recordings == 6
    wanted = trainings(plan)
    now = epochs_mb(plan), networks_mb({one.run: 10**6 for one in wanted}, wanted)
    assert now == pytest.approx((whole[0] * 5 / 6, whole[1] * 2 / 3))
    assert [(one.folds, len(one.sizes)) for one in wanted] == [(3, 2)]
    assert "2 still to be made" in "\n".join(_lines(FIRST)[1])


def test_a_disk_that_is_too_small_is_said_and_ends_with_1(here, monkeypatch, capsys):
    monkeypatch.setattr(machine, "free_mb", lambda folder: 50.0)
    assert main(["check", "--configfile", str(FIRST)]) == 1
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("disk")]
    assert "50 MB free" in line and "too little; make room" in line


def test_without_a_token_shhs_is_left_out_and_alone_it_is_an_error(here, capsys):
    (here / "shhs.yaml").write_text("run: [shhs]")
    assert main(["check", "--configfile", "shhs.yaml"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("nothing to run: shhs: 329 of 329") and "NSRR_TOKEN" in line
    lines = _lines()[1]
    assert any("left out: shhs" in line for line in lines) and "sleep-edf-78" in lines[1]


@pytest.mark.parametrize("names, built, said", [
    (("H200",), True, "1 (H200)"), (("H200",), False, "built for the CPU and uses none"), ((), False, "none found"),
])  # fmt: skip
def test_a_gpu_is_seen_and_whether_torch_uses_it(here, monkeypatch, names, built, said):
    monkeypatch.setattr(gpus, "found", lambda: names)
    monkeypatch.setattr(machine.torch.cuda, "is_available", lambda: built)
    assert said in _lines(FIRST)[0]["GPU"]


def test_conda_is_named_with_its_version(here):
    (here / "bin").mkdir()
    program = here / "bin" / "conda"
    program.write_text(f"#!{sys.executable}\nprint('conda 25.1.0')")
    program.chmod(0o755)
    assert "conda 25.1.0, for --use-conda" in _lines(FIRST)[0]["conda"]


@pytest.mark.parametrize("text, said", [
    (None, "no configuration that can be read"), ("run: [", "no configuration that can be read"),
    ("- a", "is a mapping of keys"), ("run: [nothing]", "nothing"),
])  # fmt: skip
def test_a_configuration_that_cannot_be_used_is_one_line(here, capsys, text, said):
    if text is not None:
        (here / "mine.yaml").write_text(text)
    assert main(["check", "--configfile", "mine.yaml"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line


def test_files_of_configuration_go_over_each_other_at_all_depths(here):
    (here / "one.yaml").write_text("run: [sim]\ndatasets: {sim: {hours: 2, nights: 3}}")
    (here / "two.yaml").write_text("datasets: {sim: {hours: 1}}")
    options = _plan(here / "one.yaml", here / "two.yaml").options("sim")
    assert (options["hours"], options["nights"], options["subjects"]) == (1, 3, 9)


@pytest.mark.parametrize("name", ["demo", "chambon2018"])
def test_networks_are_timed_by_the_steps_that_train_them(name):
    experiment = _plan().experiments[name]
    speed = measure(experiment, 100.0)
    assert min(speed.epoch_s, speed.window_s, speed.window_gflop) > 0
    if name == "demo":
        assert speed.parameters == n_parameters(build(experiment, 100.0))


@pytest.fixture
def nights(tmp_path):
    """Four usable recordings, and what people have beside them."""
    path = tmp_path / "psg"
    for number, name in enumerate(("anna", "ben", "cleo", "dora")):
        write_pair(path, name, "W1223R" * 2, seed=number, rate=128.0 if name == "dora" else 100.0)
    write_psg(path / "alone-PSG.edf", {"EEG Fpz-Cz": np.zeros(3000)})
    write_pair(path, "eve", "W1223R")
    write_hypnogram(path / "eve-Hypnogram.edf", "W2", texts={"W": "Wach", "2": "Stadium 2"})
    write_pair(path, "fay", "W1223R")
    file = path / "fay-PSG.edf"
    file.write_bytes(file.read_bytes()[:-100])
    write_psg(path / "gil-PSG.edf", {"Chin": np.zeros(30000)})
    write_hypnogram(path / "gil-Hypnogram.edf", "W1223R")
    write_psg(path / "Night 1.EDF", {"EEG": np.zeros(3000)})
    return path


def test_a_folder_is_told_with_what_would_be_refused_and_a_configuration_to_start_from(nights, capsys):
    assert main(["check", str(nights)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("8 recordings of 8 subjects")
    rows = {line.split()[0]: line.split() for line in lines[2:6]}
    assert rows["anna"][2:7] == ["2", "2", "4", "2", "2"] and rows["dora"][-1] == "128" and rows["anna"][-1] == "100"
    refused = [line.removeprefix("would be refused: ") for line in lines if line.startswith("would be refused")]
    assert [line.split(":")[0] for line in refused] == ["alone", "eve", "fay", "gil"]
    assert "no hypnogram" in refused[0] and "'Stadium 2'" in refused[1] and "cut short" in refused[2]
    assert "'Chin'" in refused[3]
    (texts,) = [line for line in lines if line.startswith("texts")]
    assert "'Sleep stage 2'" in texts and "'Wach'" in texts
    (others,) = [line for line in lines if line.startswith("not used")]
    assert "Night 1.EDF" in others and "recordings:" in others
    # What it proposes can be run, with all that is good and nothing else.
    start = next(number for number, line in enumerate(lines) if line.startswith("run:"))
    proposed = configuration.load(yaml.safe_load("\n".join(lines[start:])), HOME)
    plan = Plan(proposed, TABLES, lambda _: None)
    assert plan.recordings("mine") == ["anna", "ben", "cleo", "dora"] and len(plan.folds("mine")) == 4
    assert plan.options("mine")["channel"] == ["EEG Fpz-Cz"]


def test_a_good_folder_ends_with_0_and_many_subjects_are_grouped(tmp_path, capsys):
    for number in range(10):
        write_pair(tmp_path, f"p{number}", "W12R")
    assert main(["check", str(tmp_path)]) == 0
    assert "k: 5" in capsys.readouterr().out


def test_too_few_subjects_and_no_pairs_are_said(tmp_path, capsys):
    write_pair(tmp_path, "only", "W12R")
    assert main(["check", str(tmp_path)]) == 0
    assert "1 subjects can be used, and training needs 3" in capsys.readouterr().out
    other = tmp_path / "other"
    other.mkdir()
    write_psg(other / "night.edf", {"EEG": np.zeros(3000)})
    with pytest.raises(ConfigurationError, match="expected are pairs.*night.edf"):
        folder.look(other)
    with pytest.raises(ConfigurationError, match="there is no folder"):
        folder.look(tmp_path / "nowhere")


def test_a_folder_and_a_configuration_are_not_checked_together(tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["check", str(tmp_path), "--configfile", str(FIRST)])
    assert ended.value.code == 2 and "not both" in capsys.readouterr().err


def test_paths_in_the_proposed_configuration_may_hold_anything(tmp_path):
    path = tmp_path / "nights: ä 'x' #1"
    for name in ("a", "b", "c"):
        write_pair(path, name, "W12R")
    lines, _ = folder.look(path)
    start = next(number for number, line in enumerate(lines) if line.startswith("run:"))
    assert yaml.safe_load("\n".join(lines[start:]))["datasets"]["mine"]["path"] == str(path)
    assert json.dumps(lines)
