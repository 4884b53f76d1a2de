"""Put time and score of all experiments on a dataset side by side."""

from pathlib import Path

from hypnolens.evaluation.cost import cost_table
from hypnolens.pipeline.logs import logged

with logged(snakemake.log[0]):
    experiments = snakemake.params.experiments
    histories = {name: [] for name in experiments}
    for path in map(Path, snakemake.input.histories):
        histories[path.parent.parent.name].append(path)
    metrics = {Path(path).parent.name: Path(path) for path in snakemake.input.metrics}
    cost_table(experiments, histories, metrics).to_csv(snakemake.output[0], sep="\t", index=False)
