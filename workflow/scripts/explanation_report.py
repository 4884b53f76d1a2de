"""Execute the notebook of measured explanations and export it as one page."""

from pathlib import Path

from hypnolens.io.shipped import NOTEBOOKS
from hypnolens.pipeline.logs import logged
from hypnolens.reports.dataset import execute, export

with logged(snakemake.log[0]):
    wildcards, params = snakemake.wildcards, snakemake.params
    notebook = Path(snakemake.output.notebook)
    parameters = {"dataset": wildcards.dataset, "experiment": wildcards.experiment}
    parameters |= {"kind": params.kind, "sample": params.sample["sample"]}
    execute(NOTEBOOKS / "explanations.ipynb", notebook, parameters)
    title = f"hypnolens: explanations of {wildcards.dataset}, {wildcards.experiment}"
    export(notebook, Path(snakemake.output.html), title=title)
