"""Execute the report's notebook and export it as one page."""

import json
from pathlib import Path

from hypnolens.logs import logged
from hypnolens.reporting import execute, export
from hypnolens.tables import score_table

with logged(snakemake.log[0]):
    names, dataset = list(snakemake.params.runs), snakemake.wildcards.dataset
    texts = [Path(path).read_text(encoding="utf-8") for path in snakemake.input.metrics]
    scores = score_table(dict(zip(names, map(json.loads, texts), strict=True)))
    scores.to_csv(snakemake.output.scores, sep="\t", index=False)
    notebook = Path(snakemake.output.notebook)
    parameters = {"dataset": dataset, "experiments": dict(snakemake.params.experiments), "runs": names}
    parameters["options"] = dict(snakemake.params.dataset)
    execute(Path(snakemake.scriptdir).parent / "notebooks" / "report.ipynb", notebook, parameters)
    export(notebook, Path(snakemake.output.html), title=f"hypnolens: {dataset}")
