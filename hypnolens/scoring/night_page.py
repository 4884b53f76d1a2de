"""The page of a scored night: one HTML file that needs no network, no server and no other file.

Tables are in the page as such. What it draws (stages, signal, spectrogram, attribution) is in it as data: numbers as
JSON, arrays as gzip in base64, which browsers since 2023 unpack (``DecompressionStream``). The script and the style are
allowed by their hashes and nothing else is (Content Security Policy), so that no text of a recording can become code,
and no request can leave the page.
"""

import base64
import gzip
import html
import json
from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any

import numpy as np
from scipy.fft import rfft
from scipy.signal.windows import hann

from hypnolens.evaluation.metrics import confusion_matrix, scores, without_nan
from hypnolens.io.checksums import sha256
from hypnolens.plots.colours import HYPNOGRAM_ORDER, STAGE_COLOURS
from hypnolens.recordings.extraction import resample
from hypnolens.scoring.night_statistics import LATENCIES, names, statistics_of, unit, with_latencies
from hypnolens.scoring.scored import Detail, Scored
from hypnolens.scoring.summaries import clock, has_clock, summary
from hypnolens.stages import EPOCH_S, MOVEMENT, STAGES

SHOWN_HZ = 100.0
"""Highest rate at which the signal is kept in the page: a screen has fewer dots than 30 s have samples."""

STEP_UV, FINEST = 0.25, 40
"""Step of the signal in the page in µV; finer where the signal is small: its spread has at least so many steps."""

GAP = np.iinfo(np.int16).min
"""Stands for a sample that is not a number."""

HALF_UV = (1, 2, 5, 10, 20, 30, 50, 75, 100, 150, 200, 300, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000)
"""What the amplitude scale can reach up and down, in µV."""

FIRST_SCALE = 99.5
"""Per cent of samples that the scale shows at first."""

SPECTRUM_HZ, SPECTRUM_STEP_HZ = (0.5, 30.0), 0.5
"""Band of the spectrogram, and its step."""

WINDOW_S, COLUMN_S = 4.0, 5.0
"""Window of a spectrum, and width of a column, the mean of the spectra of its seconds."""

CHUNK = 2048
"""Spectra made at a time."""

LEVELS_DB = (2.0, 99.0)
"""Per cent of the spectrogram's values between which its colours lie."""

NO_SHARE, WHOLE_SHARE = 255, 254
"""Bytes of a map: no value, and the epoch's maximum."""

METHODS = {
    "layer-integrated-gradients": "layer integrated gradients",
    "grad-cam": "Grad-CAM",
    "layer-cam": "layer-CAM",
    "integrated-gradients": "integrated gradients",
    "occlusion": "occlusion",
}
"""Methods of attribution in words."""

EVENTS = {
    "spindle": ("spindle", "sp", "#0072B2"),
    "k-complex": ("K-complex", "K", "#7B2D8B"),
    "slow-wave": ("slow wave", "SW", "#0B7A75"),
    "alpha": ("alpha", "α", "#A65E00"),
    "vertex": ("vertex wave", "V", "#B0004E"),
    "theta": ("theta", "θ", "#4B6B00"),
    "sawtooth": ("sawtooth waves", "saw", "#5A5A5A"),
}
"""Kinds of events: name, short name, and a colour dark enough to read on white."""

ABBREVIATIONS = {
    "tib_min": "TIB", "spt_min": "SPT", "tst_min": "TST", "se_percent": "SE", "waso_min": "WASO", "sol_min": "SOL",
    "sme_percent": "SME",  # codespell:ignore
}  # fmt: skip
"""What sleep laboratories call statistics; those of single stages have tables of their own."""

FIRST_STATISTICS = ("tib_min", "unscored_min", "spt_min", "tst_min", "se_percent", "sme_percent", "waso_min", "sol_min")
"""The table of the night as a whole, in its order."""

NONE = "–"
"""Shown for what is undefined."""

TOP_DOWN = tuple(reversed(HYPNOGRAM_ORDER))
"""Stages from top to bottom of a hypnogram."""


def write_page(scored: Scored, detail: Detail, path: Path) -> None:
    """Write the page of a night.

    The same night gives the same bytes.

    Parameters
    ----------
    scored
        The night, of at least one epoch.
    detail
        What is shown of single epochs.
    path
        The HTML file, overwritten if it is there.

    Raises
    ------
    OSError
        The file cannot be written.
    """
    signal, about_signal = _signal(scored)
    power, about_power = _spectrogram(scored)
    shares, about_maps = _maps(scored, detail)
    told = summary(scored)
    data = _data(scored, detail) | {"signal": about_signal, "spectrogram": about_power, "maps": about_maps}
    script, style = _template("page.js"), _template("page.css")
    page = Template(_template("page.html")).substitute(
        policy=f"default-src 'none'; script-src '{_hash(script)}'; style-src '{_hash(style)}'; img-src data:; "
        "base-uri 'none'; form-action 'none'",
        style=style,
        script=script,
        title=html.escape(f"{scored.night.name} · hypnolens"),
        head=_head(scored, told),
        statistics=_statistics(scored, told),
        legend=_legend(scored, detail),
        foot=_foot(scored, about_signal, about_power),
        night=_json(data),
        signal=_packed(signal),
        spectrogram=_packed(power),
        maps=_packed(shares),
    )
    # Names of files may hold what UTF-8 cannot (bytes that the system could not decode).
    path.write_bytes(page.encode("utf-8", "replace"))


# What the page draws.


def _data(scored: Scored, detail: Detail) -> dict[str, Any]:
    """All that is no array of many samples."""
    night, human = scored.night, scored.night.human
    events = detail.events.sort_values("onset_s", kind="stable")
    kinds = sorted({str(kind) for kind in events["kind"]})
    start = night.start
    since_midnight = start.hour * 3600 + start.minute * 60 + start.second + start.microsecond / 1e6
    both = _both(scored)
    return {
        "n": scored.n_epochs,
        "epochS": EPOCH_S,
        "channel": night.channels[0],
        "nChannels": len(night.channels),
        "firstS": float(night.first_s),
        "startS": since_midnight if has_clock(night) else None,
        "lights": list(night.lights),
        "stages": list(STAGES),
        "topDown": [STAGES.index(stage) for stage in TOP_DOWN],
        "colours": [STAGE_COLOURS[stage] for stage in STAGES],
        "movement": MOVEMENT,
        "stage": scored.stage.tolist(),
        "probability": without_nan(np.round(scored.probability.astype(np.float64), 5).tolist()),
        "confidence": without_nan(np.round(scored.confidence.astype(np.float64), 5).tolist()),
        "unusable": list(scored.unusable),
        "below": float(scored.below),
        "review": scored.review.tolist(),
        "human": None if human is None else human.tolist(),
        "differs": [] if human is None else np.flatnonzero(both & (human != scored.stage)).tolist(),
        "kinds": [EVENTS.get(kind, (kind, kind[:3], "#444444")) for kind in kinds],
        "events": [
            [round(float(onset), 3), round(float(duration), 3), kinds.index(str(kind))]
            for onset, duration, kind in zip(events["onset_s"], events["duration_s"], events["kind"], strict=True)
        ],
    }


def _signal(scored: Scored) -> tuple[bytes, dict[str, Any]]:
    """The first channel as bytes, and what they are.

    Steps are differences from sample to sample, zigzag-coded (0, -1, 1, -2 … as 0, 1, 2, 3 …), first the lower bytes
    of all, then the higher ones: an EEG packs to half of what its samples do.
    """
    whole = scored.signal[0].reshape(-1)
    rate = min(SHOWN_HZ, scored.rate)
    n_samples = round(rate * EPOCH_S)
    missing = ~np.isfinite(whole)
    shown = resample(np.where(missing, 0, whole), scored.rate, rate)[: scored.n_epochs * n_samples]
    if missing.any():
        places = np.minimum(np.round(np.arange(len(shown)) * scored.rate / rate).astype(int), len(whole) - 1)
        missing = missing[places]
    else:
        missing = np.zeros(len(shown), dtype=bool)
    amplitude = np.abs(_off_centre(shown, missing, scored))
    spread = float(np.median(amplitude)) if len(amplitude) else 0.0
    most = float(np.abs(shown).max(initial=0.0))
    step = max(min(STEP_UV, spread / FINEST) or STEP_UV, most / -(GAP + 1))
    steps = np.where(missing, GAP, np.round(shown / step)).astype(np.int16)
    difference = np.diff(steps, prepend=np.int16(0))  # wraps around, and back again in the browser
    zigzag = ((difference << 1) ^ (difference >> 15)).view(np.uint16)
    reach = float(np.percentile(amplitude, FIRST_SCALE)) if len(amplitude) else 0.0
    about = {
        "rate": n_samples / EPOCH_S,
        "samples": n_samples,
        "stepUv": step,
        "gap": int(GAP),
        "halves": HALF_UV,
        "half": next((half for half in HALF_UV if half >= reach), HALF_UV[-1]),
    }
    return np.concatenate([zigzag & 0xFF, zigzag >> 8]).astype(np.uint8).tobytes(), about


def _off_centre(shown: np.ndarray, missing: np.ndarray, scored: Scored) -> np.ndarray:
    """Samples of usable epochs, of all where there are none, each without the median of its epoch."""
    epochs = np.where(missing, np.nan, shown).reshape(scored.n_epochs, -1)
    chosen = epochs[scored.usable] if scored.usable.any() else epochs
    there = chosen[np.isfinite(chosen).any(axis=1)]
    centred = (there - np.nanmedian(there, axis=1, keepdims=True)).ravel()
    return centred[np.isfinite(centred)]


def _spectrogram(scored: Scored) -> tuple[bytes, dict[str, Any]]:
    """Power of the first channel as bytes, row by row from the lowest frequency on, and what they are.

    Spectra of Hann windows of `WINDOW_S` around the middle of each second, their mean over `COLUMN_S`, in dB of
    1 µV²/Hz. 0 stands for no value, 1 to 255 for the range of the colours.
    """
    signal, rate = scored.signal[0].reshape(-1), scored.rate
    length = round(WINDOW_S * rate)
    n_columns = round(EPOCH_S / COLUMN_S) * scored.n_epochs
    margin = length // 2
    padded = np.pad(signal, (margin, margin + 1), mode="reflect").astype(np.float32)
    window = hann(length, sym=False).astype(np.float32)
    middle = (np.arange(n_columns * round(COLUMN_S)) + 0.5) * rate
    begins = np.minimum(np.round(middle).astype(int), len(padded) - length)
    rows, centres = _rows(length, rate)
    power = np.empty((len(begins), len(centres)), dtype=np.float32)
    for first in range(0, len(begins), CHUNK):
        part = slice(first, first + CHUNK)
        cut = padded[begins[part, None] + np.arange(length)]
        with np.errstate(invalid="ignore"):  # a sample that is no number spoils its window, as it must
            centred = cut - cut.mean(axis=1, keepdims=True)
            density = 2 * np.abs(rfft(centred * window, axis=1)) ** 2 / (rate * np.sum(window**2))
            power[part] = density @ rows
    power = power.reshape(n_columns, -1, len(centres)).mean(axis=1)
    there = np.isfinite(power).all(axis=1)
    decibels = 10 * np.log10(np.maximum(np.where(there[:, None], power, 1), 1e-6))
    usable = there & scored.usable.repeat(n_columns // scored.n_epochs)
    typical = decibels[usable if usable.any() else there]
    low, high = (float(level) for level in np.percentile(typical, LEVELS_DB)) if typical.size else (0.0, 1.0)
    low, high = float(np.floor(low)), float(np.ceil(high))
    high = max(high, low + 1)
    levels = 1 + np.round(254 * np.clip((decibels - low) / (high - low), 0, 1))
    about = {
        "perEpoch": n_columns // scored.n_epochs,
        "rows": len(centres),
        "lowHz": float(centres[0]) - SPECTRUM_STEP_HZ / 2,
        "stepHz": SPECTRUM_STEP_HZ,
        "lowDb": low,
        "highDb": high,
    }
    return np.where(there[:, None], levels, 0).astype(np.uint8).T.tobytes(), about


def _rows(length: int, rate: float) -> tuple[np.ndarray, np.ndarray]:
    """Weights that average frequencies of a spectrum into rows ``(n_frequencies, n_rows)``, and the rows' middles."""
    frequency = np.arange(length // 2 + 1) * rate / length
    top = min(SPECTRUM_HZ[1], rate / 2)
    edges = np.arange(SPECTRUM_HZ[0], top + 1e-9, SPECTRUM_STEP_HZ)
    inside = (frequency[:, None] >= edges[:-1] - 1e-9) & (frequency[:, None] < edges[1:] - 1e-9)
    return (inside / inside.sum(axis=0)).astype(np.float32), (edges[:-1] + edges[1:]) / 2


def _maps(scored: Scored, detail: Detail) -> tuple[bytes, dict[str, Any]]:
    """Maps as bytes, shares of their epoch's maximum, and what they are."""
    maps = np.asarray(detail.maps, dtype=np.float64)
    there = np.isfinite(maps)
    peak = np.where(there, maps, 0).max(axis=1, initial=0.0)
    shares = np.divide(maps, peak[:, None], out=np.zeros_like(maps), where=there & (peak[:, None] > 0))
    levels = np.where(there, np.round(WHOLE_SHARE * shares), NO_SHARE).astype(np.uint8)
    known = [bool(row.any()) for row in there]
    peaks = [float(f"{value:.4g}") if is_known else None for value, is_known in zip(peak, known, strict=True)]
    return levels.tobytes(), {"bins": maps.shape[1], "none": NO_SHARE, "whole": WHOLE_SHARE, "peak": peaks}


# What the page says.


def _head(scored: Scored, told: Mapping[str, Any]) -> str:
    """Name, file, time, channel and model, and what a person must know before believing the stages."""
    night = scored.night
    date, time = told["start_date"], told["start_time"]
    minutes = EPOCH_S * scored.n_epochs / 60
    length = f"{minutes:g} min" if minutes < 60 else f"{int(minutes // 60)} h {int(minutes % 60):02} min"
    entries = [
        ("file", night.source),
        ("start", " ".join(filter(None, (date, time and time[:8]))) or "unknown"),
        ("length", f"{length}, {_many(scored.n_epochs)}"),
        (f"channel{_s(len(night.channels))}", ", ".join(night.channels)),
        ("rate", f"{night.rate:g} Hz" + (f", staged at {scored.rate:g} Hz" if scored.rate != night.rate else "")),
        (f"model{_s(len(scored.cards))}", ", ".join(dict.fromkeys(told["models"]))),
        ("hypnolens", told["hypnolens"]),
    ]
    for name, when, at in zip(("off", "on"), night.lights, (told["lights_off"], told["lights_on"]), strict=True):
        if when is not None:
            entries.insert(-2, (f"lights {name}", at[:8] if at else f"{_duration(when)} from the start"))
    facts = "".join(f"<div><dt>{_text(key)}</dt><dd>{_text(value)}</dd></div>" for key, value in entries)
    caution = ""
    if scored.caution:
        sign = '<span class="sign" aria-hidden="true">!</span>'
        caution = f'<div id="caution" role="alert">{sign}{_text(scored.caution)}</div>'
    warnings = [sentence for sentence in scored.warnings if sentence != scored.caution]
    said = _list("warnings", "Warnings", warnings) + _list("notes", "Notes", night.notes)
    return (
        f'{caution}<header><h1>{_text(night.name)}</h1><dl class="facts">{facts}</dl>'
        f'<div class="said">{said}</div></header>'
    )


def _statistics(scored: Scored, told: Mapping[str, Any]) -> str:
    """All tables; values are those of `summary` before they are rounded."""
    night = scored.night
    values, human = with_latencies(scored.statistics), None
    if night.human is not None:
        human = with_latencies(statistics_of(night.human, first_s=night.first_s, lights=night.lights)[0])
    cards = [
        _card("Night", f"{_capital(told['statistics_span'])}.", _night_table(values, human, names(night.lights))),
        _card(
            "Stages",
            "Minutes in the time in bed; per cent of the total sleep time; latencies from "
            f"{'the start of the recording' if night.lights[0] is None else 'lights off'} and from sleep onset.",
            _stage_table(values, human),
        ),
        _card(
            "Transitions",
            "Epochs of one stage (row) that are followed by an epoch of another (column): counts, and per cent of the "
            "row.",
            _matrix(scored.transitions.loc[list(STAGES), list(STAGES)].to_numpy(dtype=np.int64), "from", "to"),
        ),
    ]
    if night.human is not None:
        cards.append(_card("Agreement with the human stages", *_agreement(scored, night.human)))
    cards.append(_card(f"For review: {_many(len(scored.review))}", *_review(scored), kind="list"))
    cards.append(_card("Unusable signal", *_unusable(scored, told["unusable"]), kind="list"))
    return "".join(cards)


def _night_table(values: Mapping[str, float], human: Mapping[str, float] | None, words: Mapping[str, str]) -> str:
    head = ["", "", "hypnolens", *(["human"] if human else []), ""]
    rows = []
    for name in FIRST_STATISTICS:
        row = [
            f'<th scope="row">{_text(_capital(words[name]))}</th>',
            f"<td>{ABBREVIATIONS.get(name, '')}</td>",
            _value(name, values[name]),
        ]
        row += [_value(name, human[name], human=True)] if human else []
        rows.append([*row, f'<td class="unit">{unit(name)}</td>'])
    return _table(head, rows, "statistics")


def _stage_table(values: Mapping[str, float], human: Mapping[str, float] | None) -> str:
    columns = (("min", "{}_min"), ("% of TST", "{}_percent"), ("latency, min", "lat_{}_min"), ("from onset, min", ""))
    since_onset = {stage: name for name, stage in LATENCIES.items()} | {"R": "rem_latency_min"}
    scorers = [("hypnolens", values, False), *([("human", human, True)] if human else [])]
    head = ["", *([""] if human else []), *(title for title, _ in columns)]
    rows = []
    for stage in TOP_DOWN:
        for scorer, those, of_human in scorers:
            row = []
            if not of_human:
                span = f' rowspan="{len(scorers)}"' if human else ""
                row.append(f'<th scope="row"{span}><span class="stage s-{stage}">{stage}</span></th>')
            if human:
                row.append(f"<td>{scorer}</td>")
            for _, pattern in columns:
                name = pattern.format(stage) or since_onset.get(stage, "")
                row.append(_value(name, those[name], human=of_human) if name in those else "<td></td>")
            rows.append(row)
    return _table(head, rows, "stages")


def _agreement(scored: Scored, human: np.ndarray) -> tuple[str, str]:
    """A sentence, and scores with the confusion matrix."""
    both = _both(scored)
    n = int(both.sum())
    sentence = (
        f"Over the {_many(n)} that both scored. Rows: human; columns: hypnolens; counts, and per cent of the row."
        if n
        else "No epoch has a stage of both."
    )
    confusion = confusion_matrix(human[both], scored.stage[both])
    found = scores(confusion)
    figures = (
        ("accuracy", _percent(found["accuracy"])),
        ("Cohen's κ", _decimal(found["kappa"])),
        ("macro-F1", _decimal(found["macro_f1"]) if n else NONE),
    )
    numbers = "".join(f'<div class="figure"><b>{value}</b>{_text(name)}</div>' for name, value in figures)
    extra = ("F1", [_decimal(found[f"f1_{stage}"]) for stage in TOP_DOWN])
    return sentence, f'<div class="figures">{numbers}</div>{_matrix(confusion, "human", "hypnolens", extra)}'


def _matrix(counts: np.ndarray, rows: str, columns: str, extra: tuple[str, Sequence[str]] | None = None) -> str:
    """Counts ``(5, 5)`` in the order of `STAGES`, shown in that of a hypnogram, shaded by their share of the row."""
    order = [STAGES.index(stage) for stage in TOP_DOWN]
    head = [f"{rows} ↓<br>{columns} →", *(f'<span class="stage s-{stage}">{stage}</span>' for stage in TOP_DOWN)]
    body = []
    for place, code in enumerate(order):
        total = int(counts[code].sum())
        cells = []
        for to in order:
            count, share = int(counts[code, to]), counts[code, to] / total if total else 0.0
            per_cent = f"{100 * share:.0f} %" if total else NONE
            strength = int(np.ceil(10 * share))
            cells.append(f'<td class="cell h{strength}">{count:,}<small>{per_cent}</small></td>')
        name = STAGES[code]
        row = [f'<th scope="row"><span class="stage s-{name}">{name}</span></th>', *cells]
        body.append([*row, f"<td>{extra[1][place]}</td>"] if extra else row)
    return _table([*head, *([extra[0]] if extra else [])], body, "matrix", raw=True)


def _review(scored: Scored) -> tuple[str, str]:
    sentence = f"Confidence, the probability of the stage, below {_percent(scored.below)}."
    human = scored.night.human
    head = ["epoch", "time", "stage", "confidence", *(["human"] if human is not None else [])]
    rows = []
    for place in scored.review:
        row = [
            f"<td>{_go(int(place), int(place) + 1)}</td>",
            f"<td>{_when(scored, float(scored.onset_s[place]))}</td>",
            f"<td>{_stage(int(scored.stage[place]))}</td>",
            f"<td>{_percent_below(float(scored.confidence[place]), scored.below)}</td>",
        ]
        rows.append([*row, f"<td>{_stage(int(human[place]))}</td>"] if human is not None else row)
    return sentence, _table(head, rows, "epochs") if rows else '<p class="none">None.</p>'


def _unusable(scored: Scored, stretches: Sequence[Mapping[str, Any]]) -> tuple[str, str]:
    rows = [
        [
            f"<td>{_go(one['first_epoch'] - 1, _range(one['first_epoch'], one['last_epoch']))}</td>",
            f"<td>{_when(scored, one['onset_s'])}</td>",
            f"<td>{_decimal(one['duration_s'] / 60, 1)} min</td>",
            f"<td>{_text(one['reason'])}</td>",
        ]
        for one in stretches
    ]
    table = _table(["epochs", "time", "length", "reason"], rows, "epochs")
    return "Stretches that have no stage, and why.", table if rows else '<p class="none">None.</p>'


def _legend(scored: Scored, detail: Detail) -> str:
    """What the shading behind the signal means."""
    several = [f"of the channel {scored.night.channels[0]} alone"] if len(scored.night.channels) > 1 else []
    several += [f"of one of the {len(scored.cards)} networks"] if len(scored.cards) > 1 else []
    limits = f" The map is {' and '.join(several)}; the stage is the mean of all." if several else ""
    method = METHODS.get(detail.method, detail.method)
    return _text(
        f"Attribution ({method}): how much each moment of this epoch speaks for the stage that the network gave it, in "
        f"log-odds, as a share of the epoch's maximum. It tells what the network went by, not whether it is "
        f"right.{limits}"
    )


def _foot(scored: Scored, about_signal: Mapping[str, Any], about_power: Mapping[str, Any]) -> str:
    night = scored.night
    sentences = (
        f"Signal shown: {night.channels[0]} at {about_signal['rate']:g} Hz in steps of {about_signal['stepUv']:.3g} "
        "µV, positive up.",
        f"Spectrogram: Hann windows of {WINDOW_S:g} s, mean over {COLUMN_S:g} s, {SPECTRUM_STEP_HZ:g} Hz a row, "
        f"{about_power['lowDb']:g} to {about_power['highDb']:g} dB of 1 µV²/Hz.",
        "Confidence: the network's probability of the stage that it gives.",
        "Epochs of 30 s are counted from 1.",
        "Events are found by rules in the signal, each kind in its own stages; the network does not see them.",
        f"SHA-256 of {night.source}: {night.sha256}.",
    )
    return "".join(f"<p>{_text(sentence)}</p>" for sentence in sentences)


# How it is written.


def _card(title: str, sentence: str, content: str, *, kind: str = "") -> str:
    return (
        f'<section class="card {kind}"><h2>{_text(title)}</h2><p class="about">{_text(sentence)}</p>'
        f'<div class="scroll">{content}</div></section>'
    )


def _table(head: Iterable[str], rows: Iterable[Iterable[str]], kind: str, *, raw: bool = False) -> str:
    """A table of cells that are HTML already; the head is text unless ``raw``."""
    cells = (title if raw else _text(title) for title in head)
    titles = "".join(f'<th scope="col">{title}</th>' if title else "<td></td>" for title in cells)
    body = "".join(f"<tr>{''.join(row)}</tr>" for row in rows)
    return f'<table class="{kind}"><thead><tr>{titles}</tr></thead><tbody>{body}</tbody></table>'


def _value(statistic: str, value: float | None, *, human: bool = False) -> str:
    """A cell with a statistic."""
    scorer = "human" if human else "hypnolens"
    return f'<td class="number {scorer}" data-statistic="{statistic}">{_decimal(value, 1)}</td>'


def _list(kind: str, title: str, sentences: Sequence[str]) -> str:
    if not sentences:
        return ""
    entries = "".join(f"<li>{_text(sentence)}</li>" for sentence in sentences)
    return f'<section class="{kind}" aria-label="{title}"><h2>{title}</h2><ul>{entries}</ul></section>'


def _go(place: int, text: object) -> str:
    """A button that opens an epoch."""
    return f'<button type="button" class="go" data-epoch="{place}">{_text(text)}</button>'


def _stage(code: int) -> str:
    if code < len(STAGES):
        return f'<span class="stage s-{STAGES[code]}">{STAGES[code]}</span>'
    return "movement" if code == MOVEMENT else NONE


def _when(scored: Scored, seconds: float) -> str:
    """Time of day, or hours from the start where that is unknown."""
    return clock(scored.night.start, seconds)[:8] if has_clock(scored.night) else _duration(seconds)


def _duration(seconds: float) -> str:
    whole = round(abs(seconds))
    sign = "−" if seconds < 0 and whole else ""
    return f"{sign}{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02} h"


def _range(first: int, last: int) -> str:
    return str(first) if first == last else f"{first}–{last}"


def _decimal(value: float | None, places: int = 3) -> str:
    return NONE if value is None or not np.isfinite(value) else f"{value:.{places}f}"


def _percent(value: float | None) -> str:
    return NONE if value is None or not np.isfinite(value) else f"{100 * value:.1f} %"


def _percent_below(value: float, below: float) -> str:
    """Per cent with as many digits as it takes to see that it is less than a threshold."""
    return _percent(value) if _percent(value) != _percent(below) else f"{100 * value:.3f} %"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _many(n: int) -> str:
    return f"{n:,} epoch{_s(n)}"


def _s(n: int) -> str:
    return "" if n == 1 else "s"


def _text(text: object) -> str:
    return html.escape(str(text))


def _both(scored: Scored) -> np.ndarray:
    """Epochs that have a stage of both, bool ``(n_epochs,)``; none where nobody else staged."""
    human = scored.night.human
    return np.zeros(scored.n_epochs, dtype=bool) if human is None else scored.usable & (human < len(STAGES))


def _json(data: Mapping[str, Any]) -> str:
    """JSON for the inside of a script element, which the first ``<`` of a text could end."""
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _packed(content: bytes) -> str:
    return base64.b64encode(gzip.compress(content, 6, mtime=0)).decode("ascii")


def _hash(text: str) -> str:
    """Hash of a script or style, as a Content Security Policy wants it."""
    return f"sha256-{base64.b64encode(bytes.fromhex(sha256(text.encode()))).decode('ascii')}"


def _template(name: str) -> str:
    return (files("hypnolens.scoring") / "page" / name).read_text(encoding="utf-8")
