"""Execute the report's notebook and export it as one page."""

import json
from pathlib import Path

from hypnolens.evaluation.tables import score_table
from hypnolens.io.tables import read_json
from hypnolens.pipeline.logs import logged
from hypnolens.pipeline.provenance import record
from hypnolens.reports.pages import execute, export

with logged(snakemake.log[0]):
    runs, dataset = dict(snakemake.params.runs), snakemake.wildcards.dataset
    names, options = list(runs), dict(snakemake.params.dataset)
    scores = score_table(dict(zip(names, map(read_json, snakemake.input.metrics), strict=True)))
    scores.to_csv(snakemake.output.scores, sep="\t", index=False)
    made = {**record(), "dataset": options, "experiments": runs}
    Path(snakemake.output.made).write_text(json.dumps(made, indent=2) + "\n", encoding="utf-8")
    notebook = Path(snakemake.output.notebook)
    given = {"dataset": dataset, "options": options, "runs": names, "figures": snakemake.params.figures}
    execute("report", {**given, "figures_of_runs": snakemake.params.experiments}, notebook)
    export(notebook, Path(snakemake.output.html), title=f"hypnolens: {dataset}")
