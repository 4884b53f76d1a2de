"""Are maps of networks that have learnt nothing said to point to events? Prints JSON; fails if the bar is missed.

    python benchmarks/random_networks.py > benchmarks/results/random_networks.json

Random networks explain simulated nights, and their maps are judged as those of a trained network are, by
`hypnolens.explanations.verdicts.map_verdicts`: against their own maps of other epochs, and against five other random
networks. `before` is the rule that stood until November 2026: the map's share at events over an even share, its lower
limit above 1 and above the shuffled map's estimate, and an area under the ROC curve of more than 0.5.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator

import numpy as np
import pandas as pd
import torch

from hypnolens.explanations.alignment import (
    N_BINS,
    SHUFFLED,
    align_recording,
    alignment_table,
    contrast_table,
    pooled,
)
from hypnolens.explanations.attributions import Decisions, attribute
from hypnolens.explanations.maps import LAYER_IG, RecordingMaps, binned
from hypnolens.explanations.sanity import control_maps, untrained
from hypnolens.explanations.verdicts import map_verdicts
from hypnolens.network.model import Architecture, SEResNetBiLSTM
from hypnolens.pipeline.provenance import record
from hypnolens.recordings.epochs import Epochs
from hypnolens.simulation.night import simulate_night
from hypnolens.stages import CODE, STAGES

CHANNEL, SCALE_UV = "EEG Fpz-Cz", 0.05

MOST = 0.05
"""Share of verdicts that may be positive."""

FIRST = 1000
"""Seed of the first network that is judged; those that it is compared with have seeds of their own."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", type=int, default=20)
    parser.add_argument("--subjects", type=int, default=6)
    parser.add_argument("--sample", type=int, default=20, help="epochs of each stage of a night")
    parser.add_argument("--width", type=int, default=8)
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    began = time.perf_counter()
    torch.manual_seed(0)
    model = SEResNetBiLSTM(Architecture(width=given.width, lstm_layers=1, lstm_hidden=16, head_hidden=()))
    nights = [_night(subject) for subject in range(given.subjects)]
    known = [_drawn(model, *night, given.sample) for night in nights]
    verdicts, before, hits = [], [], []
    for number in range(given.networks):
        aligned = []
        for (epochs, events), (decisions, sample, others) in zip(nights, known, strict=True):
            own = untrained(decisions, across_gaps=False, seed=FIRST + number)
            maps = binned(attribute(own, sample, epochs.stage[sample].astype(np.int64)), N_BINS)
            of_night = RecordingMaps(
                epochs.recording, epochs.subject, np.empty((0, 1)), sample, {LAYER_IG: sample}, {LAYER_IG: maps}
            )
            aligned.append((epochs.subject, align_recording(epochs, of_night, others, events)))
        found = pooled(aligned)
        table = alignment_table(found)
        verdicts.append(map_verdicts(contrast_table(found), sign=True))
        before += list(_before(table[table["sign"]]))
        spindles = table.query(f"stage == 'N2' and kind == 'spindle' and map == '{LAYER_IG}'")
        hits.append(round(float(spindles["hit"].iloc[0]), 3))
    judged = pd.concat(verdicts)
    positive = float(judged["points"].mean())
    print(json.dumps({
        "device": f"{record()['processor']}, {given.threads} threads", "seconds": round(time.perf_counter() - began),
        **vars(given), "rows": len(judged), "positive": int(judged["points"].sum()),
        "positive_share": round(positive, 4),
        "positive_before": sum(before), "positive_share_before": round(float(np.mean(before)), 4),
        "hits_of_n2_spindles": hits, "base_rate_of_n2_spindles": round(float(spindles["base"].iloc[0]), 3),
        "missed": ["positive_share"] * (positive > MOST),
    }, indent=1))  # fmt: skip
    return int(positive > MOST)


def _night(subject: int) -> tuple[Epochs, pd.DataFrame]:
    """A simulated night of a subject, in epochs, with its true events."""
    night = simulate_night(seed=0, subject=subject, night=0, hours=8, derivations=[CHANNEL])
    codes = np.array(
        [CODE.get({"1": "N1", "2": "N2", "3": "N3", "4": "N3"}.get(label, label), -1) for label in night.stages]
    )
    (kept,) = np.nonzero(codes >= 0)
    microvolts = night.signals[CHANNEL].reshape(len(codes), -1)[kept]
    epochs = Epochs(
        signal=np.clip(np.round(microvolts / SCALE_UV), -32768, 32767).astype(np.int16),
        stage=codes[kept].astype(np.int8),
        epoch_index=kept.astype(np.int32), scale_uv=SCALE_UV, rate=100.0, first_s=0.0, recording=f"S{subject}",
        subject=f"S{subject}", night=1, channel=CHANNEL, start_time="2001-01-01T22:00:00", source="",
        source_sha256="", dropped={}, flags=[],
    )  # fmt: skip
    events = pd.DataFrame([(event.onset_s, event.duration_s, event.kind) for event in night.events],
                          columns=["onset_s", "duration_s", "kind"])  # fmt: skip
    return epochs, events.assign(source="true")


def _drawn(
    model: SEResNetBiLSTM, epochs: Epochs, events: pd.DataFrame, most: int
) -> tuple[Decisions, np.ndarray, RecordingMaps]:
    """A night, a sample of each of its stages, and maps of the sample by the networks that are compared with."""
    rng, decisions = np.random.default_rng(0), Decisions(model, epochs, across_gaps=False)
    of_stages = [np.flatnonzero(epochs.stage == CODE[stage]) for stage in STAGES]
    sample = np.sort(np.concatenate([rng.choice(rows, min(most, len(rows)), replace=False) for rows in of_stages]))
    nothing = RecordingMaps(epochs.recording, epochs.subject, np.empty((0, 1)), sample, {}, {})
    return decisions, sample, control_maps(decisions, nothing, {}, across_gaps=False)


def _before(rows: pd.DataFrame) -> Iterator[bool]:
    for _, part in rows.groupby(["stage", "kind"]):
        of = part.set_index("map")
        own, other = of.loc[LAYER_IG], of.loc[SHUFFLED + LAYER_IG, "ratio"]
        yield bool(own["ratio_low"] > max(1.0, np.nan_to_num(other)) and own["auroc"] > 0.5)


if __name__ == "__main__":
    sys.exit(main())
