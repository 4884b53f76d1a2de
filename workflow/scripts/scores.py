"""Put the statistics of all scored nights into one table."""

import pandas as pd

from hypnolens.io.tables import read_json
from hypnolens.pipeline.logs import logged

with logged(snakemake.log[0]):
    nights = [read_json(path) for path in snakemake.input.summaries]
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
