"""Put the statistics of all scored nights into one table."""

import json
from pathlib import Path

import pandas as pd

from hypnolens.logs import logged

with logged(snakemake.log[0]):
    nights = [json.loads(Path(path).read_text(encoding="utf-8")) for path in snakemake.input.summaries]
    rows = [
        {
            "night": night["name"],
            "channels": " + ".join(night["channels"]),
            "epochs": night["n_epochs"],
            "unusable_min": night["minutes"]["unusable"],
            "to_review": len(night["review"]["epochs"]),
            **night["statistics"],
            "model": " + ".join(night["models"]),
            "warnings": " ".join(night["warnings"]) or "none",
        }
        for night in nights
    ]
    pd.DataFrame(rows).to_csv(snakemake.output[0], sep="\t", index=False, na_rep="n/a")
