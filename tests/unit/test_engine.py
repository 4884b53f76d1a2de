"""The engine: the same windows and gradients by either sampling, and what happens when memory runs out."""

import logging
import subprocess
import sys

import numpy as np
import pytest
import torch

from hypnolens.io.tensors import Stored
from hypnolens.network.devices import claim, pick_device
from hypnolens.network.model import Architecture, BasicBlock, SEResNetBiLSTM
from hypnolens.recordings.epochs import read_epochs, write_epochs
from hypnolens.training.engine import Engine, Progress, TrainingError, TrainingOptions
from hypnolens.training.store import Store
from tests.conftest import ROOT, make_epochs

ARCHITECTURE = Architecture(width=4, lstm_layers=2, lstm_hidden=6, head_hidden=(7,), window=5)
RECORDINGS = [
    make_epochs(np.arange(30) % 5, name="a", seed=0, rate=20),
    make_epochs(np.arange(9) % 5, index=[0, 1, 2, 5, 6, 9, 20, 21, 22], name="b", seed=1, rate=20),
]
CPU = torch.device("cpu")


def _engine(sampling="shared", *, seed=0, stride=1, batch_windows=16, store=None, weights=None, rate=0.0, **more):
    torch.manual_seed(seed)
    model = SEResNetBiLSTM(ARCHITECTURE)
    for module in model.modules():
        if isinstance(module, BasicBlock):
            torch.nn.init.ones_(module.norm2.weight)  # at zero, as they begin, they hide what is before them
    optimiser = torch.optim.SGD(model.parameters(), lr=rate)
    options = TrainingOptions(
        sampling=sampling, stride=stride, stretch=6, batch_windows=batch_windows, precision="fp32", **more
    )
    weights = torch.tensor(weights or [1.0] * 5)
    return Engine(model, optimiser, store or Store(RECORDINGS, CPU), weights, options, name="t")


def _batches(engine, seed=0):
    options, generator = engine.options, np.random.default_rng(seed)
    sizes = {"stride": options.stride, "stretch": options.stretch, "batch_windows": options.batch_windows}
    return list(engine.windows.batches(**sizes, generator=generator))


@pytest.mark.parametrize("stride", [1, 3])
def test_both_samplings_give_the_same_logits(stride):
    shared, windows = _engine("shared", stride=stride), _engine("windows", stride=stride)
    for engine in (shared, windows):
        engine.model.eval()
    with torch.no_grad():
        for batch in _batches(shared):
            torch.testing.assert_close(shared.logits(batch), windows.logits(batch), atol=1e-5, rtol=1e-5)


def _gradients(engine, batches):
    engine.model.eval()  # no dropout, and batch norm frozen: the statistics of a step differ by sampling
    engine.optimiser.zero_grad(set_to_none=True)
    for batch in batches:
        engine._gradients(batch, None)
    return torch.cat([parameter.grad.flatten() for parameter in engine.model.parameters()])


@pytest.mark.parametrize("weights", [None, [0.5, 2.0, 1.0, 3.0, 0.1]])
def test_both_samplings_give_the_same_gradients(weights):
    shared, windows = _engine("shared", weights=weights), _engine("windows", weights=weights)
    one, other = _gradients(shared, _batches(shared)), _gradients(windows, _batches(shared))
    assert (one - other).norm() < 1e-4 * one.norm() and one.norm() > 0


@pytest.mark.parametrize("sampling", ["shared", "windows"])
def test_every_window_is_seen_once_a_pass(sampling, monkeypatch):
    engine, seen = _engine(sampling, stride=2), []
    step = engine.step
    monkeypatch.setattr(engine, "step", lambda batch, fetched: seen.extend(batch.targets) or step(batch, fetched))
    progress = Progress()
    n_steps = sum(1 for _ in engine.one_pass(progress, [0, 1], 0.1))
    assert sorted(seen) == [*range(0, 30, 2), *range(30, 39, 2)] and progress.windows == 20
    assert n_steps == progress.step == 2 and progress.loss > 0


def test_single_windows_come_from_everywhere():
    engine = _engine("windows", batch_windows=8, store=Store([make_epochs([0] * 400, rate=1)] * 3, CPU))
    targets = []
    step, engine.step = engine.step, lambda batch, _: targets.append(batch.targets) or torch.zeros(())
    for _ in engine.one_pass(Progress(), [0, 1], 0.1):
        pass
    assert step and np.mean([np.diff(np.sort(t)).min() > 4 for t in targets]) > 0.5


@pytest.mark.parametrize("parts", [2, 3, 16])
def test_the_gradients_of_parts_add_up_to_the_batches(parts):
    whole, engine = _engine(weights=[0.5, 2.0, 1.0, 3.0, 0.1]), _engine(weights=[0.5, 2.0, 1.0, 3.0, 0.1])
    engine.parts = parts
    one, other = _gradients(whole, _batches(whole)), _gradients(engine, _batches(whole))
    assert (one - other).norm() < 1e-4 * one.norm()


def test_out_of_memory_halves_the_steps_and_goes_on_with_a_warning(monkeypatch, caplog):
    engine, sizes = _engine(), []
    forward = engine.model.forward

    def too_small(x, positions):
        sizes.append(len(positions))
        if len(positions) > 4:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return forward(x, positions)

    monkeypatch.setattr(engine.model, "forward", too_small)
    with caplog.at_level(logging.WARNING, logger="hypnolens"):
        for _ in engine.one_pass(Progress(), [0, 1], 0.1):
            pass
    assert engine.parts == 4 and sizes[:3] == [16, 8, 4] and max(sizes[3:]) <= 4
    assert [record.getMessage().split(";")[0] for record in caplog.records] == [
        "t: out of memory", "t: out of memory"]  # fmt: skip


def test_a_memory_for_not_even_one_window_is_an_error(monkeypatch):
    engine = _engine()

    def never(x, positions):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(engine.model, "forward", never)
    with pytest.raises(TrainingError, match="t: not even one window fits into memory; lower width:"):
        list(engine.one_pass(Progress(), [0, 1], 0.1))


@pytest.fixture
def mapped(tmp_path):
    paths = [tmp_path / f"{epochs.recording}.safetensors" for epochs in RECORDINGS]
    for epochs, path in zip(RECORDINGS, paths, strict=True):
        write_epochs(epochs, path)
    return [read_epochs(path, mapped=True) for path in paths]


def test_mapped_files_and_a_resident_table_give_the_same_epochs(mapped):
    assert isinstance(mapped[0].signal, Stored)
    rows = np.array([38, 0, 31, 5, 29, 30, 5])
    expected = np.concatenate([epochs.signal * np.float32(epochs.scale_uv) for epochs in RECORDINGS])[rows]
    for store in (Store(mapped, CPU), Store(mapped, CPU, resident=True), Store(RECORDINGS, CPU)):
        np.testing.assert_array_equal(store.take(rows).numpy(), expected)
        np.testing.assert_array_equal(store.take(rows, store.fetch(rows)).numpy(), expected)
    assert store.stage.tolist() == [*RECORDINGS[0].stage, *RECORDINGS[1].stage]


@pytest.mark.slow
def test_every_process_has_a_device_of_its_own_until_there_are_more_than_devices(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    code = (
        "import sys; from hypnolens.network.devices import claim\n"
        "print(*claim(['a', 'b']), flush=True); sys.stdin.read()"
    )
    holders = []
    try:
        for _ in range(3):
            holders.append(subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, text=True,
                                            stdin=subprocess.PIPE, stdout=subprocess.PIPE))  # fmt: skip
            holders[-1].line = holders[-1].stdout.readline().split()
        assert [holder.line for holder in holders] == [["0", "0"], ["1", "0"], ["0", "1"]]
        holders[1].kill()  # its lock goes with it
        holders[1].wait()
        again = subprocess.run([sys.executable, "-c", code], cwd=ROOT, text=True, input="", capture_output=True)
        assert again.stdout.split() == ["1", "0"]
    finally:
        for holder in holders:
            holder.kill()
            holder.communicate()


def test_without_a_gpu_the_cpu_is_taken_and_nothing_is_locked():
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    assert pick_device() == CPU and claim([]) == (0, 16)


def test_targets_rotate_with_the_passes_only_where_that_is_asked_for():
    for targets, expected in (("fixed", [0, 0, 0]), ("rotated", [0, 1, 0])):
        engine, progress = _engine(stride=2, targets=targets), Progress()
        seen = []
        step, engine.step = engine.step, lambda batch, _, seen=seen: seen.extend(batch.targets) or torch.zeros(())
        first = []
        for number in range(3):
            seen.clear()
            for _ in engine.one_pass(Progress(history=progress.history), [0, number], 0.1):
                pass
            first.append(min(seen))
            progress.history.append({})
        assert step and first == expected


def test_the_average_is_a_moving_one_of_weights_and_statistics_and_is_what_is_kept():
    engine = _engine(rate=0.1, weight_average=0.8)
    assert engine.kept is not engine.model and _engine().kept.__class__ is SEResNetBiLSTM
    expected = None
    for batch in _batches(engine):
        engine.step(batch)
        now = {name: tensor.detach().clone() for name, tensor in engine.model.state_dict().items()}
        if expected is None:
            expected = now
        else:
            expected = {
                name: 0.8 * expected[name] + 0.2 * tensor if tensor.is_floating_point() else tensor
                for name, tensor in now.items()
            }
    found = engine.kept.state_dict()
    assert any("running_mean" in name for name in found)
    for name, tensor in expected.items():
        if tensor.is_floating_point():
            torch.testing.assert_close(found[name], tensor, rtol=1e-4, atol=1e-5)
    assert any(not torch.equal(found[name], tensor) for name, tensor in engine.model.state_dict().items())


def test_a_smoothed_label_goes_to_all_stages_alike():
    plain, smoothed = _engine(), _engine(label_smoothing=0.3)
    (batch, *_) = _batches(plain)
    for engine in (plain, smoothed):
        engine.model.eval()
    with torch.no_grad():
        logs = plain.logits(batch).log_softmax(dim=1)
    own = plain.store.stage[torch.from_numpy(batch.targets)]
    expected = -(0.7 * logs[torch.arange(len(own)), own] + 0.3 * logs.mean(dim=1)).mean()
    assert float(smoothed._gradients(batch, None)) == pytest.approx(float(expected), rel=1e-5)
