"""Describe the network of a run, as it was trained."""

import json
from pathlib import Path

from hypnolens.architecture import describe
from hypnolens.logs import logged
from hypnolens.model import build

with logged(snakemake.log[0]):
    card = json.loads(Path(snakemake.input.card).read_text(encoding="utf-8"))
    rate = card["sampling_rate_hz"]
    described = describe(build(card["experiment"], rate), rate)
    Path(snakemake.output[0]).write_text(json.dumps(described, indent=2) + "\n", encoding="utf-8")
