"""Count epochs by stage, beside the published counts where there are some."""

from pathlib import Path

from hypnolens.datasets.published import Published, differing, stage_counts
from hypnolens.io.tables import read_rows, write_rows
from hypnolens.pipeline.logs import logged

with logged(snakemake.log[0]) as log:
    recordings = read_rows(Path(snakemake.input.recordings))
    reference = Published(**snakemake.params.published) if snakemake.params.published else None
    counts = stage_counts(recordings, reference)
    write_rows(Path(snakemake.output.stages), list(counts[0]), counts)
    rows = differing(recordings, snakemake.params.missing, reference)
    write_rows(Path(snakemake.output.differing), ("recording", "what"), rows)
    if reference and (difference := counts[-1]["difference"]):
        log.warning("%+d epochs against the published %s of %s", difference, counts[-1]["published"], reference.name)
