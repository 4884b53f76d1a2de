"""Describe the network of a run, as it was trained."""

import json
from pathlib import Path

from hypnolens.network.architecture import describe_network
from hypnolens.network.files import read_card
from hypnolens.network.model import build
from hypnolens.pipeline.logs import logged

with logged(snakemake.log[0]):
    card = read_card(Path(snakemake.input.card))
    rate = card["sampling_rate_hz"]
    described = describe_network(build(card["experiment"], rate), rate)
    Path(snakemake.output[0]).write_text(json.dumps(described, indent=2) + "\n", encoding="utf-8")
