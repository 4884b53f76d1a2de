"""How good are stagers on real people? Prints JSON, and with `--out` a table for docs/stagers.md.

What `NAME-PSG.edf` of a folder hold (half-hours of DREAMS, 84 minutes of pyDYNAM-O; not part of this repository) is
staged by every stager that is there, as `hypnolens score` does. Intervals are Student's t over people. Time is of one
process with all its cores, imports apart; memory is the highest of the process so far.

    python benchmarks/stagers.py --data FOLDER --out benchmarks/results/stagers.tsv > benchmarks/results/stagers.json
"""

import argparse
import json
import resource
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
from real import interval, scores, true_stages
from sklearn.metrics import f1_score

from hypnolens.scoring.reading import read_night
from hypnolens.scoring.staging import detail_of, stage_night
from hypnolens.stagers.interface import Reasons
from hypnolens.stagers.known import cards, load_stager
from hypnolens.stages import CODE, STAGES

ALWAYS = "always N2"


def of_stager(name: str, folder: Path) -> dict[str, object]:
    """Scores of a stager by person, pooled and by stage; minutes of each stage, and seconds."""
    stager, found, seconds, spoken = load_stager(name), {}, [], []
    for psg in sorted(folder.glob("*-PSG.edf")):
        began = time.perf_counter()
        scored = stage_night(read_night(psg), stager, below=0.6)
        seconds.append(time.perf_counter() - began)
        reasons = detail_of(scored, stager).reasons
        spoken += [] if reasons is None else [(scored.stage, reasons)]
        person = psg.name.removesuffix("-PSG.edf")
        truth = true_stages(psg.with_name(f"{person}-Hypnogram.edf"), scored.n_epochs)
        kept = (truth >= 0) & scored.usable
        found[person] = truth[kept], scored.probability[kept]
    by_person = {person: scores(*one) for person, one in found.items()}
    truth, probability = (np.concatenate(parts) for parts in zip(*found.values(), strict=True))
    f1 = f1_score(truth, probability.argmax(axis=1), labels=range(5), average=None, zero_division=0)
    given = np.bincount(probability.argmax(axis=1), minlength=5) / 2
    return {
        "models": list(stager.card.models),
        "by_person": by_person,
        "pooled": scores(truth, probability),
        "of_people": {key: interval([one[key] for one in by_person.values()]) for key in ("accuracy", "kappa")},
        "f1": dict(zip(STAGES, map(float, f1), strict=True)),
        "minutes": {
            stage: {"expert": float((truth == code).sum() / 2), "stager": float(given[code])}
            for stage, code in CODE.items()
        },
        "reasons": of_stages(spoken),
        "seconds_of_all": float(sum(seconds)),
        "seconds_of_the_last": seconds[-1],
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def of_stages(spoken: list[tuple[np.ndarray, Reasons]]) -> dict[str, object]:
    """What spoke for each stage against the second one, in log-odds, means of the epochs that got it."""
    if not spoken:
        return {}
    first = spoken[0][1]
    stage = np.concatenate([codes for codes, _ in spoken])
    share = np.concatenate([reasons.share for _, reasons in spoken]).astype(float)
    table = pd.DataFrame(share, columns=list(first.features)).groupby(stage).mean()
    groups = table.T.groupby(list(first.groups)).sum().T
    words = [f"{word} ({group})" for word, group in zip(first.words, first.groups, strict=True)]
    table.columns = words
    return {
        STAGES[code]: {
            "epochs": int((stage == code).sum()),
            "groups": groups.loc[code].to_dict(),
            "strongest": table.loc[code].nlargest(4).to_dict(),
        }
        for code in table.index
        if code < len(STAGES)
    }


def table_of(found: dict[str, dict]) -> pd.DataFrame:
    """A row each stager: accuracy by person, pooled scores, and confidence."""
    rows = []
    for one in found.values():
        people = {person: round(its["accuracy"], 2) for person, its in one["by_person"].items()}
        low, high = (f"{end:.2f}" for end in one["of_people"]["kappa"][1:])
        pooled = {key: round(one["pooled"][key], 2) for key in ("accuracy", "kappa", "macro_f1", "confidence")}
        rows.append({"stager": one["models"][0], **people, **pooled, "kappa of people": f"{low} to {high}"})
    share = {person: round(its["always_n2"], 2) for person, its in one["by_person"].items()}
    rows.append({"stager": ALWAYS, **share, "accuracy": round(one["pooled"]["always_n2"], 2), "kappa": 0.0})
    return pd.DataFrame(rows)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--stager", nargs="+", metavar="NAME", help="default: all that can be used here")
    parser.add_argument("--out", type=Path, metavar="TSV")
    given = parser.parse_args()
    names = given.stager or [name for name, card in cards().items() if not isinstance(card, str)]
    found = {name: of_stager(name, given.data) for name in names}
    print(json.dumps(json.loads(json.dumps(found), parse_float=lambda text: round(float(text), 3)), indent=1))
    if given.out:
        table_of(found).to_csv(given.out, sep="\t", index=False)
    return 0


if __name__ == "__main__":
    sys.exit(main())
