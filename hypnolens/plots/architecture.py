"""The network as a picture: from a window of epochs to a stage, layer by layer, and a residual block from within.

All that depends on options is read from the description of `hypnolens.network.architecture`. The traces are no data.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyArrowPatch, FancyBboxPatch

from hypnolens.io.tables import read_json
from hypnolens.plots.colours import STAGE_COLOURS
from hypnolens.plots.style import FULL_WIDTH, new

CNN, CONTEXT, HEAD, SQUEEZE, PLAIN, FRAME = "#A6CDE8", "#FBE6B4", "#BFA8CE", "#EE9A57", "white", "#F3F3F3"
"""Colours of the parts; what a colour stands for is also written on it."""

SIZE, SMALL = 6.8, 6.2
"""Points of the text."""

CENTRE, OUTER, INNER = 1.88, 1.2, 0.57
"""Inches: the middle epoch's column, and how far the columns of other epochs are from it."""

TABLE = 3.55
"""Inches: left side of the table of layers."""

CELL = 0.43
"""Inches: width of what stands in a column."""

STRIP, BRANCH = 1.06, 0.44
"""Inches at the bottom for the residual block, and what its squeeze-and-excitation adds."""

ALL_LAYERS = 3
"""Layers of the BiLSTM up to which all are drawn; of more, the first and the last."""


@dataclass(frozen=True)
class _Row:
    """A line of the table of layers; texts that do not apply are empty."""

    name: str
    colour: str
    kernel: str = ""
    output: str = ""
    field: str = ""
    parameters: str = ""
    macs: str = ""
    se: bool = False


@dataclass(frozen=True)
class _Pen:
    """Draws in inches from the lower left corner of a figure."""

    axis: Axes

    def box(
        self, x: float, y: float, width: float, height: float, words: str = "", *, colour: str = PLAIN,
        size: float = SIZE, edge: float = 0.6,
    ) -> None:  # fmt: skip
        """Box around a point, with text in its middle."""
        shape = "round,pad=0,rounding_size=0.03"
        corner = (x - width / 2, y - height / 2)
        style: dict[str, Any] = {"facecolor": colour, "edgecolor": "black", "linewidth": edge}
        self.axis.add_patch(FancyBboxPatch(corner, width, height, boxstyle=shape, **style))
        self.words(x, y, words, size=size)

    def circle(self, x: float, y: float, radius: float, words: str, *, colour: str = PLAIN, ink: str = "black") -> None:
        """Circle around a point, with text in its middle."""
        self.axis.add_patch(Circle((x, y), radius, facecolor=colour, edgecolor="black", linewidth=0.6))
        self.words(x, y, words, ink=ink)

    def words(
        self, x: float, y: float, words: str, *, at: str = "center", size: float = SIZE, ink: str = "black",
        bold: bool = False, upwards: bool = False,
    ) -> None:  # fmt: skip
        """Text, with ``at`` saying which of its sides lies at the point."""
        # Single lines are centred without what hangs below their letters, so that those of a row stand equally high.
        height = "center" if upwards or "\n" in words else "center_baseline"
        self.axis.text(
            x, y, words, ha=at, va=height, fontsize=size, color=ink, fontweight="bold" if bold else "normal",
            rotation=90 if upwards else 0, linespacing=1.15, parse_math=False,
        )  # fmt: skip

    def arrow(self, *points: tuple[float, float], line: str = "-") -> None:
        """Line through points, with a head at the last."""
        for start, end in pairwise(points[:-1]):
            self.line(start, end)
        style: dict[str, Any] = {
            "arrowstyle": "-|>",
            "mutation_scale": 5,
            "shrinkA": 0,
            "shrinkB": 0,
            "linestyle": line,
        }
        self.axis.add_patch(FancyArrowPatch(*points[-2:], color="black", linewidth=0.7, **style))

    def line(self, start: tuple[float, float], end: tuple[float, float], *, style: str = "-") -> None:
        """Line between two points, behind everything else."""
        xs, ys = zip(start, end, strict=True)
        self.axis.plot(xs, ys, color="black", linewidth=0.7, linestyle=style, zorder=0.9)

    def frame(self, bottom: float, top: float, words: str) -> None:
        """Shade behind a part of the left picture, with what the part is called."""
        left, right = CENTRE - OUTER - 0.28, CENTRE + OUTER + 0.28
        style: dict[str, Any] = {"facecolor": FRAME, "edgecolor": "none", "zorder": 0}
        shape = "round,pad=0,rounding_size=0.06"
        self.axis.add_patch(FancyBboxPatch((left, bottom), right - left, top - bottom, boxstyle=shape, **style))
        self.words(left - 0.1 - 0.055 * words.count("\n"), (bottom + top) / 2, words, upwards=True)


def draw(architecture: str) -> Figure:
    """Draw from the file with what `hypnolens.network.architecture.describe_network` gives."""
    network = read_json(architecture)
    rows = _rows(network)
    recurrent = min(network["bilstm"]["layers"], ALL_LAYERS) if network["bilstm"] else 0
    linear = len(network["head"]["layers"])
    needed = 1.92 + (0.04 + 0.44 * recurrent if recurrent else 0) + 0.38 * linear
    panels = max(needed, 1.26 + 0.26 * len(rows))
    strip = STRIP + BRANCH * _has_se(network)
    height = strip + panels + 0.3
    figure, axis = new(height)
    # Coordinates are inches, so that boxes have the size that their text needs.
    figure.set_layout_engine("none")
    axis.set_position((0, 0, 1, 1))
    axis.set(xlim=(0, FULL_WIDTH), ylim=(0, height))
    axis.axis("off")
    pen = _Pen(axis)
    _title(pen, 0.06, height - 0.14, "a", "from the signal to the stage of the middle epoch")
    _title(pen, TABLE, height - 0.14, "b", "layer by layer")
    _overview(pen, network, strip, (panels - needed) / (2 + linear + (recurrent > 0)))
    _table(pen, network, rows, strip, panels)
    _residual_block(pen, network, strip)
    return figure


def _has_se(network: Mapping[str, Any]) -> bool:
    return any(block["se"] for block in network["blocks"])


def _title(pen: _Pen, x: float, y: float, letter: str, words: str) -> None:
    pen.words(x, y, letter, at="left", size=9, bold=True)
    pen.words(x + 0.17, y, words, at="left", size=7.5)


def _overview(pen: _Pen, network: Mapping[str, Any], y: float, slack: float) -> None:
    """From the signals of a window's epochs, at the bottom, to the stage of its middle; ``slack`` widens the gaps."""
    columns = _columns(network)
    gap = 0.16 + slack
    for x, name, place in columns:
        pen.words(x, y + 0.08, name)
        pen.box(x, y + 0.33, CELL, 0.3)
        t = np.linspace(-1, 1, 200)
        # A made-up signal, another one in each column.
        trace = sum(np.sin(f * (t + place)) / f**0.7 for f in (7.0, 11.0, 23.0, 41.0, 67.0))
        pen.axis.plot(x + 0.44 * CELL * t, y + 0.33 + 0.13 * trace / np.abs(trace).max(), color="black", linewidth=0.5)
    _dots(pen, columns, y + 0.33)
    y += 0.48
    start = y + 0.5 * gap
    _lift(pen, columns, y, gap)
    y += gap
    pen.line((columns[0][0], y + 0.21), (columns[-1][0], y + 0.21), style=":")
    for x, _, _ in columns:
        pen.box(x, y + 0.21, CELL, 0.42, "SE-\nResNet" if _has_se(network) else "ResNet", colour=CNN)
    y += 0.42
    _lift(pen, columns, y, 0.16)
    y += 0.16
    for x, _, _ in columns:
        pen.box(x, y + 0.13, CELL, 0.26, f"{network['features']:,}\nfeatures", colour=CNN, size=SMALL)
    _dots(pen, columns, y + 0.13)
    y += 0.26
    pen.frame(start, y + 0.07, "feature extractor" + (",\nshared weights" if len(columns) > 1 else ""))
    if network["bilstm"]:
        y = _context(pen, network["bilstm"]["layers"], columns, y, gap)
    _classification(pen, network, y, gap)


def _columns(network: Mapping[str, Any]) -> list[tuple[float, str, int]]:
    """Where an epoch of the window stands, what it is called, and its place from the middle; some stand for more."""
    reach = network["window"] // 2 if network["bilstm"] else 0
    found = []
    for place in sorted({place for place in (-reach, -1, 0, 1, reach) if abs(place) <= reach}):
        away = (INNER + OUTER) / 2 if reach == 1 else INNER if abs(place) == 1 else OUTER
        name = f"x(t{place:+d})".replace("-", "−") if place else "x(t)"
        found.append((CENTRE + np.sign(place) * away, name, place))
    return found


def _apart(columns: Sequence[tuple[float, str, int]], number: int) -> bool:
    """Whether epochs are left out between a column and the next."""
    return columns[number + 1][2] - columns[number][2] > 1


def _dots(pen: _Pen, columns: Sequence[tuple[float, str, int]], y: float) -> None:
    """Dots where epochs are left out."""
    for number in range(len(columns) - 1):
        if _apart(columns, number):
            pen.words((columns[number][0] + columns[number + 1][0]) / 2, y, "…")


def _lift(pen: _Pen, columns: Sequence[tuple[float, str, int]], y: float, gap: float) -> None:
    """An arrow upwards in each column."""
    for x, _, _ in columns:
        pen.arrow((x, y), (x, y + gap))


def _context(pen: _Pen, layers: int, columns: Sequence[tuple[float, str, int]], y: float, gap: float) -> float:
    """Layers of cells that are linked both ways; gives the height at which they end."""
    start = y + gap - 0.07
    shown: list[int | None] = list(range(1, layers + 1)) if layers <= ALL_LAYERS else [1, None, layers]
    for layer in shown:
        below = gap if layer == 1 else 0.12
        if layer is None:
            for x, _, _ in columns:
                pen.words(x, y + 0.22, "⋮")
            y += 0.44
            continue
        _lift(pen, columns, y, below)
        y += below
        for x, _, _ in columns:
            pen.box(x, y + 0.24, CELL, 0.16, "LSTM", colour=CONTEXT, size=SMALL)
            pen.box(x, y + 0.08, CELL, 0.16, "LSTM", colour=CONTEXT, size=SMALL)
        for number in range(len(columns) - 1):
            left, right = columns[number][0] + CELL / 2, columns[number + 1][0] - CELL / 2
            line = ":" if _apart(columns, number) else "-"
            pen.arrow((left, y + 0.24), (right, y + 0.24), line=line)
            pen.arrow((right, y + 0.08), (left, y + 0.08), line=line)
        y += 0.32
    words = "temporal context\nencoder" if layers > 1 else "temporal\ncontext\nencoder"
    pen.frame(start, y + 0.07, words)
    return y


def _classification(pen: _Pen, network: Mapping[str, Any], y: float, gap: float) -> None:
    """Linear layers over the middle column, and an output a stage."""
    start = y + gap - 0.07
    for layer in network["head"]["layers"]:
        pen.arrow((CENTRE, y), (CENTRE, y + gap))
        y += gap
        words = f"linear {layer['inputs']:,} → {layer['outputs']:,}"
        words += f", {layer['activation']}" if layer["activation"] else ""
        pen.box(CENTRE, y + 0.11, 1.5, 0.22, words, colour=HEAD)
        y += 0.22
    for number, (stage, colour) in enumerate(STAGE_COLOURS.items()):
        x = CENTRE + 0.34 * (number - 2)
        pen.arrow((CENTRE + 0.25 * (number - 2), y), (x, y + gap))
        pen.circle(x, y + gap + 0.125, 0.125, stage, colour=colour, ink="white" if stage == "N3" else "black")
    pen.frame(start, y + gap + 0.32, "classification")


def _rows(network: Mapping[str, Any]) -> list[_Row]:
    """Lines of the table, from the signal on."""
    rows = [_Row(f"x(t), {network['epoch_s']} s", PLAIN, output=f"1 × {network['samples']:,}")]
    parts = {part["name"]: part for part in network["parts"]}
    for block in network["blocks"]:
        part = parts.get(block["part"])
        if block["part"] == "features":
            name = block["name"].replace("mean", "mean over cells")
            rows.append(_row({**block, "kernel": None}, name, CNN))  # a kernel as long as the epoch says nothing
        elif block["kind"] != "residual block":
            # The stem's field is that of its last block.
            ends = part is not None and block["output"] == part["output"]
            rows.append(_row({**block, **({"field_s": part["field_s"]} if part and ends else {})}, block["name"], CNN))
        elif block["name"].endswith("block 1") and part:
            number = part["blocks"]
            rows.append(_row(part, f"{part['name']}, {number} block{'s' * (number != 1)}", CNN))
    recurrent = network["bilstm"]
    if recurrent:
        name = f"BiLSTM, {recurrent['layers']} layer{'s' * (recurrent['layers'] != 1)}"
        rows.append(_row({**recurrent, "output": [recurrent["outputs"], network["window"]]}, name, CONTEXT))
    for layer in network["head"]["layers"]:
        name = "linear" + (f", {layer['activation']}" if layer["activation"] else "")
        rows.append(_row({**layer, "output": [layer["outputs"], 1]}, name, HEAD))
    return rows


def _row(part: Mapping[str, Any], name: str, colour: str) -> _Row:
    """A line of the table, of a block, a stage, the BiLSTM or a layer."""
    channels, cells = part["output"]
    return _Row(
        name,
        colour,
        kernel=f"{part['kernel']} / {part['stride']}" if part.get("kernel") else "",
        output=f"{channels:,} × {cells:,}" if cells > 1 else f"{channels:,}",
        field=f"{part['field_s']:.2f}" if "field_s" in part else "",
        parameters=f"{part['parameters']:,}" if part["parameters"] else "–",
        macs=_short(part["macs"]),
        se=bool(part.get("se")),
    )


def _short(number: int, digits: int = 3) -> str:
    """A number with a few digits and a unit."""
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if number >= 0.9995 * size:
            return f"{number / size:#.{digits}g}".rstrip(".") + f" {unit}"
    return f"{number}" if number else "–"


def _table(pen: _Pen, network: Mapping[str, Any], rows: Sequence[_Row], bottom: float, height: float) -> None:
    """Boxes from the signal, at the bottom, to the outputs, with their numbers beside them."""
    left, width = TABLE, 1.2
    centre = left + width / 2
    places = {"kernel": 4.97, "output": 5.46, "field": 6.05, "parameters": 6.65, "macs": 7.14}
    sides = {"kernel": "center", "output": "center", "field": "right", "parameters": "right", "macs": "right"}
    heads = {"kernel": "kernel/\nstride", "output": "channels\n× cells", "field": "field\n(s)",
             "parameters": "para-\nmeters", "macs": "MACs"}  # fmt: skip
    first = bottom + 0.75
    pitch = (height - 0.75 - 0.36) / len(rows)
    top = first + pitch * len(rows)
    for column, x in places.items():
        pen.words(x, top + 0.17, heads[column], at=sides[column])
    pen.line((left, top + 0.02), (places["macs"], top + 0.02))
    for number, row in enumerate(rows):
        y = first + pitch * (number + 0.5)
        if number:
            pen.arrow((centre, y - pitch + 0.1), (centre, y - 0.1))
        pen.box(centre, y, width, 0.2, colour=row.colour)
        if row.se:
            pen.box(left + width - 0.15, y, 0.3, 0.2, "SE", colour=SQUEEZE)
        pen.words(centre - (0.14 if row.se else 0), y, row.name)
        for column, x in places.items():
            pen.words(x, y, getattr(row, column), at=sides[column])
    pen.line((left, first - 0.02), (places["macs"], first - 0.02))
    totals, cell = network["totals"], network["cell"]
    pen.words(left, first - 0.12, "the whole network", at="left", bold=True)
    pen.words(places["parameters"], first - 0.12, f"{totals['parameters']:,}", at="right", bold=True)
    pen.words(places["macs"], first - 0.12, _short(totals["macs_stage"], 4), at="right", bold=True)
    notes = [
        f"At {network['sampling_rate_hz']:g} Hz. A cell of the last stage sees {cell['field_s']:.2f} s, one every "
        f"{cell['step_s']:.3g} s.",
        f"MACs: multiply-accumulates; of the CNN for an epoch (in all {_short(totals['macs_epoch'], 4)}),",
    ]
    if network["bilstm"]:
        notes += [
            f"of the rest for a window of {network['window']} epochs. BiLSTM: {network['bilstm']['hidden']:,} units in "
            "each direction."
        ]
    else:
        notes += ["of the rest for a stage."]
    pen.words(left, first - 0.42, "\n".join(notes), at="left", size=SMALL)


def _residual_block(pen: _Pen, network: Mapping[str, Any], top: float) -> None:
    """The first block of the last stage, from within."""
    block = next(b for b in network["blocks"] if b["part"] == network["parts"][-1]["name"])
    _title(pen, 0.06, top - 0.24, "c", f"a residual block: {block['name']}")
    path = [layer for layer in block["layers"] if layer["kind"] == "convolution" and layer["kernel"] > 1]
    first, second = (f"convolution\n{layer['kernel']}, stride {layer['stride']}" for layer in path)
    chain = [(first, 0.66), ("batch norm\nReLU", 0.63)]
    chain += [(f"dropout\n{block['dropout']:g}", 0.44)] if block["dropout"] else []
    chain += [(second, 0.66), ("batch\nnorm", 0.38)]
    y, low, step, radius = 0.5, 0.15, 0.12, 0.09
    # In the middle of the figure, whatever the block has.
    branch = 2.62 if block["se"] else 0.0
    length = sum(width + step for _, width in chain) + branch + 3 * step + 2 * radius + 0.38
    x = start = (FULL_WIDTH - length) / 2
    pen.words(x - 0.05, y, "x", at="right", size=8)
    for words, width in chain:
        pen.arrow((x, y), (x + step, y))
        pen.box(x + step + width / 2, y, width, 0.32, words, colour=CNN)
        x += step + width
    if block["se"]:
        x = _squeeze(pen, block, x, y, x + branch)
    plus = x + step + radius
    pen.arrow((x, y), (plus - radius, y))
    pen.circle(plus, y, radius, "+")
    fork = start + step / 3
    pen.arrow((fork, y), (fork, low), (plus, low), (plus, y - radius))
    words, width = "shortcut", 0.7
    if block["shortcut"] == "convolution":
        taken = f"every {_nth(path[0]['stride'])} cell, " if path[0]["stride"] > 1 else ""
        words, width = f"shortcut: {taken}convolution 1, batch norm", 2.75
    pen.box((fork + plus) / 2, low, width, 0.2, words, colour=CNN)
    x = plus + radius
    pen.arrow((x, y), (x + step, y))
    pen.box(x + step + 0.19, y, 0.38, 0.32, "ReLU", colour=CNN)
    pen.arrow((x + step + 0.38, y), (x + 2 * step + 0.38, y))
    pen.words(x + 2 * step + 0.42, y, "y", at="left", size=8)


def _squeeze(pen: _Pen, block: Mapping[str, Any], left: float, y: float, right: float) -> float:
    """Weights of channels, made above the path and multiplied with it at its right end, which is given back."""
    squeezed, channels = (layer["channels"] for layer in block["layers"] if layer["kind"] == "linear")
    high, step, radius, fork = y + 0.55, 0.12, 0.09, left + 0.08
    times = right - radius
    pen.arrow((left, y), (times - radius, y))
    pen.arrow((fork, y), (fork, high), (fork + step, high))
    x = fork + step
    words = f"mean over cells\nlinear {channels:,} → {squeezed:,}, ReLU"
    pen.box(x + 0.61, high, 1.22, 0.32, words, colour=SQUEEZE, size=SMALL)
    pen.arrow((x + 1.22, high), (x + 1.22 + step, high))
    x += 1.22 + step
    width = times - step - x
    words = f"linear {squeezed:,} → {channels:,}\nsigmoid"
    pen.box(x + width / 2, high, width, 0.32, words, colour=SQUEEZE, size=SMALL)
    pen.arrow((x + width, high), (times, high), (times, y + radius))
    pen.circle(times, y, radius, "×")
    pen.words((fork + times) / 2, y + 0.24, "squeeze-and-excitation (SE)")
    return right


def _nth(number: int) -> str:
    """A number's ordinal, as a word where it is small."""
    return {2: "second", 3: "third"}.get(number, f"{number}th")
