"""Find the events of a recording, and put those that are known beside them."""

from pathlib import Path

from hypnolens.explanations.detectors import detect
from hypnolens.explanations.events import known_events, write_found
from hypnolens.pipeline.logs import logged
from hypnolens.recordings.epochs import read_epochs

with logged(snakemake.log[0]) as log:
    found = {"detected": detect(read_epochs(Path(snakemake.input.epochs)))}
    if known := snakemake.input.get("known"):
        found |= known_events(Path(known))
    write_found(found, Path(snakemake.output[0]))
    log.info("%s", ", ".join(f"{len(events)} {source}" for source, events in found.items()))
