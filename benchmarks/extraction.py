"""Is extraction fast and small enough for whole collections? Prints JSON; fails if a bar is missed.

Twelve nights are simulated as files of Sleep-EDF's length and layout (22 h, seven channels, 48 MB; 0.6 GB in the
temporary folder) and extracted twice: each in a Python process of its own, for its time (the interpreter's start and
imports included) and its peak memory; then all of them by the pipeline on two cores, its planning included. The bars
are 15 nights a minute on two cores and less than 400 MB a job.

Both projections are from the pipeline's nights a minute: 153 recordings are Sleep-EDF-78, 5,793 the first visit of
SHHS, whose nights are shorter, so that theirs is an upper bound, save that Snakemake takes longer to choose the next of
thousands of jobs than of twelve. The files, just written, come from memory rather than from a disk. Simulated people
sleep through most of the 22 h, so that about twice as many epochs are kept as of real nights.

    python benchmarks/extraction.py --out benchmarks/results/extraction.tsv
"""

import argparse
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import yaml
from edfio import EdfSignal, read_edf

from hypnolens.io.tables import read_rows, write_rows
from hypnolens.simulation.files import write_night
from hypnolens.simulation.night import simulate_night

ROOT = Path(__file__).resolve().parents[1]
RECORDINGS, HOURS, CORES = 12, 22, 2
SLOW = {"Resp oro-nasal": "", "EMG submental": "uV", "Temp rectal": "DegC", "Event marker": ""}
SIGNAL = {"channel": ["EEG Fpz-Cz"], "sampling_rate_hz": 100, "highpass_hz": None, "trim_wake_min": 30,
          "trim_rule": "drop-then-trim"}  # fmt: skip

LEAST_NIGHTS_A_MINUTE, BELOW_MB = 15, 400

# The peak is that of /proc: `ru_maxrss` of a child begins with its parent's.
ALONE = """
import json, sys, time
from pathlib import Path
from hypnolens.recordings.epochs import write_epochs
from hypnolens.recordings.extraction import extract

psg, hypnogram, out, options = sys.argv[1:]
begun = time.perf_counter()
epochs = extract(Path(psg), Path(hypnogram), source=psg, **json.loads(options))
write_epochs(epochs, Path(out))
peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
print(len(epochs.stage), int(peak.split()[1]) * 1024 / 1e6, time.perf_counter() - begun)
"""


def make_recording(folder: Path, subject: int) -> str:
    """Write a night of a subject, and return its name."""
    name = f"SIM{subject:03d}N1"
    night = simulate_night(seed=0, subject=subject, night=1, hours=HOURS)
    # edfio reads signals when it needs them, so that a file cannot be written over itself.
    three = folder.parent / "three.edf"
    events = folder.parent / "events.tsv"
    write_night(night, psg=three, hypnogram=folder / f"{name}-Hypnogram.edf", events=events, subject=name[:6])
    rng = np.random.default_rng(subject)
    slow = {label: rng.normal(size=HOURS * 3600) for label in SLOW}
    edf = read_edf(three)
    edf.append_signals([EdfSignal(x, 1, label=label, physical_dimension=SLOW[label]) for label, x in slow.items()])
    edf.write(folder / f"{name}-PSG.edf")
    return name


def extract_alone(folder: Path, name: str) -> dict:
    psg, hypnogram = folder / f"{name}-PSG.edf", folder / f"{name}-Hypnogram.edf"
    options = {"recording": name, "subject": name, "night": 1, "rates": [], "sha1": {}, **SIGNAL}
    command = [sys.executable, "-c", ALONE, psg, hypnogram, folder.parent / "alone.safetensors", json.dumps(options)]
    begun = time.perf_counter()
    said = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    seconds = time.perf_counter() - begun
    kept, peak_mb, own_seconds = said.split()
    return {
        "recording": name,
        "hours": HOURS,
        "megabytes": round(psg.stat().st_size / 1e6, 1),
        "epochs_kept": int(kept),
        "seconds": round(seconds, 2),
        "without_imports": round(float(own_seconds), 2),
        "peak_mb": round(float(peak_mb), 1),
    }


def extract_by_pipeline(folder: Path) -> tuple[float, dict[str, int]]:
    """Seconds of the whole call, and the epochs kept of each recording."""
    configuration = folder.parent / "bench.yaml"
    configuration.write_text(yaml.safe_dump({"datasets": {"bench": {"kind": "folder", "path": str(folder), **SIGNAL}}}))
    target = "results/bench/recordings.tsv"
    # The target comes first, as several options take all words that follow them.
    command = [sys.executable, "-m", "snakemake", target, "--snakefile", ROOT / "Snakefile", "--cores", str(CORES)]
    command += ["--configfile", configuration]
    begun = time.perf_counter()
    subprocess.run(command, check=True, cwd=folder.parent, stdout=sys.stderr)
    seconds = time.perf_counter() - begun
    return seconds, {row["recording"]: int(row["epochs"]) for row in read_rows(folder.parent / target)}


def device() -> str:
    cpuinfo = Path("/proc/cpuinfo").read_text()
    name = re.search(r"model name\s*: (.*)", cpuinfo)
    return f"{name[1] if name else platform.machine()}, {os.cpu_count()} cores"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="table to write; the JSON is written beside it")
    out = parser.parse_args().out
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary).resolve() / "recordings"
        folder.mkdir()
        names = [make_recording(folder, subject) for subject in range(RECORDINGS)]
        # Else the disk is still busy with these files while the first ones are timed.
        os.sync()
        rows = [extract_alone(folder, name) for name in names]
        seconds, kept = extract_by_pipeline(folder)
    if kept != {row["recording"]: row["epochs_kept"] for row in rows}:
        sys.exit("the pipeline kept other epochs than extraction alone")
    rate, peak_mb = 60 * RECORDINGS / seconds, max(row["peak_mb"] for row in rows)
    bars = {"nights_a_minute_two_cores": rate >= LEAST_NIGHTS_A_MINUTE, "max_peak_mb": peak_mb < BELOW_MB}
    result = {
        "device": device(),
        "n_recordings": RECORDINGS,
        "megabytes_each": statistics.median(row["megabytes"] for row in rows),
        "median_seconds": round(statistics.median(row["seconds"] for row in rows), 2),
        "median_seconds_without_imports": round(statistics.median(row["without_imports"] for row in rows), 2),
        "max_peak_mb": peak_mb,
        "nights_a_minute_two_cores": round(rate, 1),
        "projected_minutes_153": round(153 / rate, 1),
        "projected_hours_5793": round(5793 / rate / 60, 1),
        "missed": [bar for bar, reached in bars.items() if not reached],
    }
    said = json.dumps(result, indent=1)
    print(said)
    if out:
        write_rows(out, list(rows[0]), rows)
        out.with_suffix(".json").write_text(said + "\n")
    return int(bool(result["missed"]))


if __name__ == "__main__":
    sys.exit(main())
