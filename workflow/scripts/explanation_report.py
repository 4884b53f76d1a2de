"""Execute the notebook of measured explanations and export it as one page."""

from pathlib import Path

from hypnolens.pipeline.logs import logged
from hypnolens.plots.catalogue import FIGURES
from hypnolens.reports.pages import execute, export

with logged(snakemake.log[0]):
    wildcards, params = snakemake.wildcards, snakemake.params
    notebook = Path(snakemake.output.notebook)
    given = {"dataset": wildcards.dataset, "experiment": wildcards.experiment, "kind": params.kind}
    figures = [figure.name for figure in FIGURES if figure.of == "explanations"]
    execute("explanations", {**given, "sample": dict(params.sample), "figures": figures}, notebook)
    title = f"hypnolens: explanations of {wildcards.dataset}, {wildcards.experiment}"
    export(notebook, Path(snakemake.output.html), title=title)
