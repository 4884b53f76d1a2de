"""Score one night of a user's."""

from pathlib import Path

from hypnolens.pipeline.logs import logged
from hypnolens.scoring.run import ScoringOptions, score_file

with logged(snakemake.log[0]) as log:
    given = dict(snakemake.params.options)
    options = ScoringOptions(
        model=given["model"],
        ensemble=given["ensemble"],
        channels=tuple(given["channel"]),
        lights=(given["lights_off"], given["lights_on"]),
        below=given["review_below"],
        precision=given["precision"],
        method=given["method"],
    )
    out = Path(snakemake.output.summary).parent
    night = score_file(Path(snakemake.input.night), out, options, threads=snakemake.threads)
    by = f"stages by {', '.join(dict.fromkeys(night['models']))} ({night['stager']['citation']})"
    for sentence in (by, night["caution"], *night["warnings"], *night["notes"]):
        log.info("%s: %s", night["name"], sentence)
