"""Draw one figure, as PNG and SVG."""

from importlib import import_module

from hypnolens.pipeline.logs import logged
from hypnolens.plots.style import save

with logged(snakemake.log[0]):
    draw = import_module(f"hypnolens.plots.{snakemake.params.figure}").draw
    inputs = {name: given for name, given in snakemake.input.items() if name != "key"}
    save(draw(**inputs), png=snakemake.output.png, svg=snakemake.output.svg)
