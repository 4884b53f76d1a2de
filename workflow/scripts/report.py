"""Execute the report's notebook and export it as one page."""

from pathlib import Path

from hypnolens.logs import logged
from hypnolens.reporting import execute, export
from hypnolens.tables import score_table
from hypnolens.tsv import read_json

with logged(snakemake.log[0]):
    names, dataset = list(snakemake.params.runs), snakemake.wildcards.dataset
    scores = score_table(dict(zip(names, map(read_json, snakemake.input.metrics), strict=True)))
    scores.to_csv(snakemake.output.scores, sep="\t", index=False)
    notebook = Path(snakemake.output.notebook)
    parameters = {"dataset": dataset, "experiments": dict(snakemake.params.experiments), "runs": names}
    parameters["options"] = dict(snakemake.params.dataset)
    execute(Path(snakemake.scriptdir).parent / "notebooks" / "report.ipynb", notebook, parameters)
    export(notebook, Path(snakemake.output.html), title=f"hypnolens: {dataset}")
