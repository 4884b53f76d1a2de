"""How long the maps of a night take, by method. Prints one JSON object; fails if the bar is missed.

    python benchmarks/maps.py

Width 16, window 9, 1,000 epochs of noise; the fast methods explain every epoch, the others a few.
"""

import argparse
import json
import sys
import time

import numpy as np
import torch
from training import noise

from hypnolens.explanations.attributions import FAST_METHODS, METHODS, Decisions, attribute
from hypnolens.network.model import Architecture, SEResNetBiLSTM
from hypnolens.pipeline.provenance import record

MOST_S = 60.0
FEW = 8


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=1000)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    torch.manual_seed(0)
    decisions = Decisions(SEResNetBiLSTM(Architecture(width=16)), noise(given.epochs), across_gaps=False)
    seconds = {}
    for method in METHODS:
        n = given.epochs if method in FAST_METHODS else FEW
        began = time.perf_counter()
        attribute(decisions, np.arange(n), np.arange(n) % 5, method=method)
        seconds[method] = (time.perf_counter() - began) * given.epochs / n
    found = {
        "device": f"{record()['processor']}, {given.threads} threads",
        "seconds_a_night": {method: round(value, 1) for method, value in seconds.items()},
        "explained": {method: given.epochs if method in FAST_METHODS else FEW for method in METHODS},
        "missed": [method for method in FAST_METHODS if seconds[method] > MOST_S],
    }
    print(json.dumps(found, indent=1))
    return int(bool(found["missed"]))


if __name__ == "__main__":
    sys.exit(main())
