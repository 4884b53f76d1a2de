"""Describe the network of a run, as it was trained."""

import json
from pathlib import Path

from hypnolens.network.architecture import describe_network
from hypnolens.network.files import read_card, untrained
from hypnolens.pipeline.logs import logged

with logged(snakemake.log[0]):
    path = Path(snakemake.input.card)
    described = describe_network(untrained(path), read_card(path)["sampling_rate_hz"])
    Path(snakemake.output[0]).write_text(json.dumps(described, indent=2) + "\n", encoding="utf-8")
