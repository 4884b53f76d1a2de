"""Cards that say something else: each is refused in one line, or loads as if it did not; none takes the machine."""

import hashlib
import json
import os
import random
import re
import subprocess
import sys
from contextlib import suppress
from copy import deepcopy

import numpy as np
import pytest
import torch
from safetensors.torch import load, save

from hypnolens.errors import DamagedError, HypnolensError
from hypnolens.io.checksums import sealed
from hypnolens.network.cards import CHOSEN, SEAL, model_card, read_card
from hypnolens.network.files import SHIPPED, load_models, read_model, untrained
from hypnolens.network.release import RELEASED
from hypnolens.reports import cite, paper
from hypnolens.reports.pages import note
from hypnolens.scoring.staging import detail_of, stage_night
from hypnolens.scoring.summaries import summary
from hypnolens.stagers.networks import NetworkStager
from tests.conftest import ROOT, pink
from tests.unit.test_staging import night

CARD = json.loads((SHIPPED / "fold-0" / "model.json").read_text())
WEIGHTS = (SHIPPED / "fold-0" / "model.safetensors").read_bytes()
NIGHT = night(pink(12, seed=3, rate=50.0), rate=50.0, channels=("EEG Fpz-Cz",))

WRONG = (
    None, True, False, 0, -1, 0.5, 2, 8.0, 10**6, 10**30, -(10**400), 1e308, -1e-308, "", "8", "²", "none", "x" * 5000,
    "a\nb", "\x1b[2J", "\u202e", "\ud800", "\x00", [], [0], ["a"], [[]], [1e308, 1], [10**30] * 3, ["a"] * 5000, {},
    {"a": 1}, {"mean": "0"}, {"width": {}}, {"": []},
)  # fmt: skip
"""Values of other types and ranges than those of a card."""

PREPARES = ("highpass_hz", "experiment.normalisation", "experiment.across_gaps")
"""Where another value of the right kind is another preparation of a night, so that stages may differ."""

GONE = object()


def _places(value, path=()):
    """Paths to all that a card holds, objects and lists too."""
    yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inner:
        yield from _places(one, (*path, key))


def _changed(chance):
    """A card with one value that is another, or gone, and where it stands."""
    card = deepcopy(CARD)
    *way, last = chance.choice(list(_places(card))[1:])
    outer = card
    for key in way:
        outer = outer[key]
    value = chance.choice([*WRONG, GONE])
    if value is GONE:
        del outer[last]
    else:
        outer[last] = value
    return card, f"{'.'.join(map(str, [*way, last]))}: {repr(value)[:60]}"


def _one_line(error):
    assert str(error).isprintable() and len(str(error)) < 1000, str(error)[:300]


def _staged(scorer, *, explained=False):
    """A night's probabilities, once all that is said of it was said."""
    stager = NetworkStager([scorer])
    scored = stage_night(NIGHT, stager, below=0.6)
    if explained:
        detail_of(scored, stager)
    json.dumps(summary(scored), ensure_ascii=False, allow_nan=False).encode()
    return scored.probability


@pytest.fixture
def model(tmp_path, monkeypatch):
    """The folder of the first fold of a run."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "results" / "d" / "m" / "fold-0"
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(WEIGHTS)
    return folder


def test_a_card_with_a_wrong_value_is_refused_or_scores_as_before(model):
    chance, expected, refused = random.Random(15), _staged(load_models(None, ensemble=False)[0]), 0
    for number in range(500):
        card, what = _changed(chance)
        (model / "model.json").write_text(json.dumps(card))
        try:
            (scorer,) = load_models(model, ensemble=False)
        except HypnolensError as error:
            _one_line(error)
            refused += 1
            continue
        found = _staged(scorer, explained=number % 20 == 0)
        if not what.startswith(PREPARES):
            np.testing.assert_allclose(found, expected, atol=1e-5, err_msg=what)
    assert refused > 200


def _by_all_readers(folder):
    """What the pipeline makes of a card, besides scores."""
    path = folder / "model.json"
    read_model(folder / "model.safetensors", path)
    untrained(path)
    card = read_card(path, needed=RELEASED)
    number = {"precision": 0.5, "recall": None, "f1": 0.5, "support": 3}
    keys = ("accuracy", "macro_f1", "kappa")
    metrics = {
        **dict.fromkeys(keys, 0.5), "ci95": {**dict.fromkeys(keys), "f1_W": [0.1, 0.9]}, "per_class": {"W": number},
        "protocol": next(iter(CHOSEN)), "n_epochs": 1, "n_subjects": 1,
    }  # fmt: skip
    texts = [model_card(card, metrics, n_folds=1, use="", also="")]
    card = read_card(path, needed=("experiment", "sampling_rate_hz", "cell_step", "cell_field"))
    texts += [note("training_curves", card), note("gradcam", card)]
    dataset = {"trim_wake_min": 30, "folds": "published", "channel": ["EEG"], "trim_rule": "-"}
    study = paper.Study("d", {"m": ["m"]}, {"m": CARD["experiment"]}, {"m": "clean"}, [])
    texts += cite.methods(dataset, paper.card_of(study), n_seeds=1)
    assert all(text.encode() for text in texts if text)


def test_a_sealed_card_with_a_wrong_value_is_refused_or_read_by_all_readers_of_the_pipeline(model):
    chance, refused, path = random.Random(16), 0, model / "model.json"
    for _ in range(250):
        card, what = _changed(chance)
        path.write_text(json.dumps(sealed({key: value for key, value in card.items() if key != SEAL}, SEAL)))
        try:
            _by_all_readers(model)
        except DamagedError as error:
            _one_line(error)
            refused += 1
        except Exception as error:
            raise AssertionError(what) from error
    assert refused > 100


# Extremes, in a process whose memory is limited


def _with(path, value):
    """A case: a card with one value that is another; its path has points."""

    def write(folder):
        card = deepcopy(CARD)
        *way, last = path.split(".")
        outer = card
        for key in way:
            outer = outer[key]
        outer[last] = value
        (folder / "model.json").write_text(json.dumps(card))

    return write


def _text(**parts):
    """A case: a card in which parts of its text are others."""

    def write(folder):
        text = json.dumps(CARD)
        for before, after in parts.items():
            assert f'"{before}": ' in text
            text = re.sub(rf'"{before}": [^,}}]+', lambda _, key=before, new=after: f'"{key}": {new}', text, count=1)
        (folder / "model.json").write_text(text)

    return write


def _card(content):
    return lambda folder: (folder / "model.json").write_bytes(content)


def _weights(change):
    """A case: other tensors, which the card knows."""

    def write(folder):
        tensors = load(WEIGHTS)
        change(tensors)
        content = save(tensors)
        (folder / "model.safetensors").write_bytes(content)
        sha256 = hashlib.sha256(content).hexdigest()
        (folder / "model.json").write_text(json.dumps({**CARD, "weights_sha256": sha256}))

    return write


def _header(header, length=None, size=0):
    """A case: a file of weights with a header of one's own, and a hole behind it."""

    def write(folder):
        text = json.dumps(header).encode()
        path = folder / "model.safetensors"
        path.write_bytes((len(text) if length is None else length).to_bytes(8, "little") + text)
        with path.open("r+b") as file:
            file.truncate(max(size, path.stat().st_size))

    return write


def _in_place(name, make):
    def write(folder):
        (folder / name).unlink()
        make(folder / name)

    return write


def _set(name, change):
    return _weights(lambda tensors: tensors.update({name: change(tensors[name])}))


FIRST, LAST = "stem.0.weight", "head.0.bias"
ONE = {"a": {"dtype": "F32", "shape": [10**12], "data_offsets": [0, 4 * 10**12]}}
EXTREME = {
    **{f"{key} of {n:.0e}": _with(f"experiment.{key}", n)
       for key in ("width", "lstm_layers", "lstm_hidden", "window", "passes") for n in (10**30, 2**63, 2**31 + 1)},
    "all at their limits": lambda folder: (folder / "model.json").write_text(json.dumps({**CARD, "experiment": {
        **CARD["experiment"], "width": 1024, "lstm_layers": 16, "lstm_hidden": 8192, "head_hidden": [65536] * 16,
        "window": 999}})),
    "a head of billions": _with("experiment.head_hidden", [10**9] * 3),
    "a head of thousands of layers": _with("experiment.head_hidden", [1] * 100_000),
    "a wide head": _with("experiment.head_hidden", [65536] * 2),
    "a long window": _with("experiment.window", 999),
    "rate of 1e9": _with("sampling_rate_hz", 1e9),
    "rate of 1e308": _with("sampling_rate_hz", 1e308),
    "another rate": _with("sampling_rate_hz", 5000),
    "no whole epoch": _with("sampling_rate_hz", 50.0001),
    "usual of no night": _with("usual.recordings", 0),
    "amplitude of 1e300": _with("usual.amplitude.low", 1e300),
    "bands without end": _with("usual.bands_hz", {str(n): [0, 1] for n in range(100_000)}),
    "bands without frequencies": _with("usual.bands_hz", {"delta": [1e-9, 1e-8]}),
    "bands upside down": _with("usual.bands_hz", {"delta": [4, 0.5]}),
    "unknown bands": _with("usual", {**CARD["usual"], "bands_hz": {"x": [1, 2]}, "x": CARD["usual"]["delta"]}),
    "a million channels": _with("usual.channels", ["a"] * 300_000),
    "a million recordings": _with("recordings.train", ["R"] * 300_000),
    "seeds that are hard to compare": _with("experiment.seeds", [n if n % 2 else {"a": n} for n in range(100_000)]),
    "a caution of megabytes": _with("caution", "x" * 3_000_000),
    "a value of megabytes": _with("experiment.width", ["x" * 1_000_000] * 3),
    "escapes": _with("caution", "\x1b]0;title\x07"),
    "NaN": _text(width="NaN"),
    "Infinity": _text(learning_rate="-Infinity"),
    "1e999": _text(sampling_rate_hz="1e999"),
    "thousands of digits": _text(fold="9" * 5000),
    "many digits": _text(width="9" * 4000),
    "twice": _text(width='4, "width": 8'),
    "a deep list": _text(fold="[" * 100_000 + "]" * 100_000),
    "a less deep list": _text(fold="[" * 500 + "]" * 500),
    "deep objects": _text(fold='{"a":' * 100_000 + "1" + "}" * 100_000),
    "many lists": _text(fold="[" + "[]," * 1_300_000 + "[]]"),
    "many objects": _text(fold="[" + '{"a":0},' * 500_000 + "{}]"),
    "more than a card": _text(fold=" " * 5_000_000 + "1"),
    "half a character": _text(name='"\\ud800"'),
    "no text": _card(b"\xff\xfe{\x00}\x00"),
    "zeros": _card(bytes(4_000_000)),
    "a file of 200 GB": _header({}, size=200 * 10**9),
    "a header of 200 GB": _header({}, length=200 * 10**9, size=200 * 10**9),
    "a header of 2**63 bytes": _header({}, length=2**63),
    "a tensor of 4 TB": _header(ONE),
    "NaN in a weight": _set(FIRST, lambda tensor: tensor.fill_(float("nan"))),
    "infinity in a weight": _set(LAST, lambda tensor: tensor.index_fill_(0, torch.tensor(3), float("-inf"))),
    "half the precision": _set(FIRST, lambda tensor: tensor.half()),
    "another shape": _set(FIRST, lambda tensor: tensor.flatten()),
    "one tensor more": _weights(lambda tensors: tensors.update(more=torch.zeros(3))),
    "one tensor less": _weights(lambda tensors: tensors.pop(LAST)),
    **{f"{what} as {name}": _in_place(name, make) for name in ("model.safetensors", "model.json") for what, make in {
        "a pipe": os.mkfifo, "a folder": os.mkdir, "a device": lambda path: path.symlink_to("/dev/zero"),
        "a loop": lambda path: path.symlink_to(path), "a file without end": lambda path: path.symlink_to("/proc/kmsg"),
    }.items()},
}  # fmt: skip
"""Cards and weights that would take all memory or for ever, or be no files."""

CHILD = """
import json, resource, sys
from pathlib import Path
from hypnolens.errors import HypnolensError
from hypnolens.network.files import load_models, read_model
from tests.fuzz.test_cards import _staged

_staged(load_models(None, ensemble=False)[0], explained=True)
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 2**30, used + 2**30))
for line in sys.stdin:
    folder = Path(line.strip())
    for read in (
        lambda: _staged(load_models(folder, ensemble=False)[0], explained=True),
        lambda: read_model(folder / "model.safetensors", folder / "model.json"),
    ):
        try:
            read()
            said = None
        except HypnolensError as error:
            said = str(error)
        print(json.dumps([folder.name, said, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss]), flush=True)
"""

LOADED = {"passes of 2e+09", "a long window", "usual of no night", "bands without frequencies", "unknown bands"}
LOADED |= {"passes of 1e+30", "passes of 9e+18", "seeds that are hard to compare"}
"""What means nothing for scores, or can be."""


@pytest.mark.skipif(sys.platform != "linux", reason="limits of memory are Linux's")
def test_extremes_are_refused_in_one_line_at_once_and_in_a_gigabyte(tmp_path):
    folders = {}
    for number, write in enumerate(EXTREME.values()):
        folder = folders[str(number)] = tmp_path / str(number)
        folder.mkdir()
        (folder / "model.safetensors").write_bytes(WEIGHTS)
        (folder / "model.json").write_text(json.dumps(CARD))
        write(folder)
        # The pipeline's reader wants a seal, which says nothing of what is under it.
        path = folder / "model.json"
        if path.is_file() and not path.is_symlink():
            with suppress(ValueError, RecursionError):
                text = path.read_text()
                seal = sealed(json.loads(text), SEAL)[SEAL]
                path.write_text(f'{text.rstrip()[:-1]}, "{SEAL}": "{seal}"}}')
    lines = "".join(f"{folder}\n" for folder in folders.values())
    command = [sys.executable, "-c", CHILD]
    run = subprocess.run(command, cwd=ROOT, input=lines, capture_output=True, text=True, timeout=540)
    assert run.returncode == 0, run.stderr[-3000:]
    names, wrong = list(EXTREME), []
    answers = [json.loads(line) for line in run.stdout.splitlines()]
    assert len(answers) == 2 * len(EXTREME) > 100
    for number, said, peak_kb in answers:
        name = names[int(number)]
        if (said is None) != (name in LOADED) or (said and not (said.isprintable() and len(said) < 1000)):
            wrong.append((name, said))
        assert peak_kb < 10**6, name
    assert wrong == []
