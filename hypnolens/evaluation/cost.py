"""What a training pass costs, and what it brings: experiments on a dataset side by side."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from hypnolens.io.frames import read_table
from hypnolens.io.tables import read_json


def cost_table(
    experiments: Mapping[str, Mapping[str, Any]], histories: Mapping[str, Sequence[Path]], metrics: Mapping[str, Path]
) -> pd.DataFrame:
    """A line an experiment: sampling, stride, windows and seconds of a pass, passes, macro-F1 with its interval.

    Parameters
    ----------
    experiments
        ``sampling`` and ``stride`` of each experiment, by name.
    histories
        ``history.tsv`` of each fold.
    metrics
        ``metrics.json``.

    Returns
    -------
    pandas.DataFrame
        Windows and seconds are medians over all passes of all folds; seconds hold the validation after a pass, and
        depend on what else the machine did.
    """
    rows = []
    for name, options in experiments.items():
        passes = pd.concat([read_table(path) for path in histories[name]])
        scores = read_json(metrics[name])
        low, high = scores["ci95"]["macro_f1"]
        rows.append(
            {
                "experiment": name,
                "sampling": options["sampling"],
                "stride": options["stride"],
                "windows_a_pass": int(passes["windows"].median()),
                "seconds_a_pass": round(float(passes["seconds"].median()), 2),
                "passes_a_fold": round(len(passes) / len(histories[name]), 1),
                "macro_f1": scores["macro_f1"],
                "macro_f1_low": low,
                "macro_f1_high": high,
            }
        )
    return pd.DataFrame(rows).round(4)
