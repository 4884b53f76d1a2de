"""Scoring a night of 1,000 epochs: the published way against hypnolens, in one process. Prints one JSON object.

    python benchmarks/scoring.py

Width 64, window 9. The published way (benchmarks/published.py) leaves out the four epochs at either end, which have no
whole window; on the others both must give the same stages.
"""

import argparse
import json
import tempfile
from pathlib import Path

import numpy as np
import torch
from published import WindowFiles, bf16_pays, median_seconds, peak_memory_mb, published_logits
from training import engine, noise, steps

from hypnolens.network.devices import pick_device
from hypnolens.network.inference import probabilities
from hypnolens.pipeline.provenance import record
from hypnolens.training.store import Store


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=1000)
    parser.add_argument("--repeats", type=int, default=2, help="nights the published way; ours are repeated five times")
    parser.add_argument("--steps", type=int, default=20, help="steps of training on noise before")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    device = pick_device()
    night = noise(given.epochs)
    trained = engine(Store([noise(600, 1)], device), "bf16" if bf16_pays(device) else "fp32", 64)
    step = steps(trained)
    for _ in range(given.steps):  # without which all epochs would get the same stage
        step()
    model = trained.model.eval()
    stages = []
    with tempfile.TemporaryDirectory() as folder, torch.no_grad():
        files = WindowFiles(Path(folder), night, 9)

        def published() -> None:
            batches = files.batches(shuffle=False)
            stages[:] = [published_logits(model, x.to(device)).argmax(dim=1).cpu() for x, _ in batches]

        x, _ = next(iter(files.batches(shuffle=False)))
        published_logits(model, x.to(device))  # warms up; a whole night is too long for that
        found = {"published_fp32_s_per_night": median_seconds(published, repeats=given.repeats, warm_up=0)}
    expected = torch.cat(stages).numpy()
    for precision in ("fp32", "bf16"):
        if precision == "bf16" and not bf16_pays(device):
            found |= {"shared_bf16_s_per_night": None, "ratio_bf16": None}
            continue
        given_out = probabilities(model, night, across_gaps=False, precision=precision)
        seconds = median_seconds(
            lambda p=precision: probabilities(model, night, across_gaps=False, precision=p), repeats=5
        )
        found[f"shared_{precision}_s_per_night"] = seconds
        found[f"ratio_{precision}"] = found["published_fp32_s_per_night"] / seconds
        found[f"same_stages_{precision}"] = float((given_out.argmax(axis=1)[4:-4] == expected).mean())
    found |= {
        "n_stages": len(np.unique(expected)),
        "accuracy": float((night.stage[4:-4] == expected).mean()),
        "peak_memory_mb": peak_memory_mb(device),
    }
    made = record()
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else made["processor"]
    rounded = {key: round(value, 4) if isinstance(value, float) else value for key, value in found.items()}
    print(
        json.dumps({"device": f"{name}, {given.threads} threads", "torch": made["version_torch"], **rounded}, indent=1)
    )


if __name__ == "__main__":
    main()
