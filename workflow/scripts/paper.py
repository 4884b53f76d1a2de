"""Write the tables over all datasets, execute the notebook that shows them, and export it as one page."""

import json
import os
from pathlib import Path

from hypnolens.io.frames import read_table
from hypnolens.io.shipped import TABLES
from hypnolens.pipeline.logs import logged
from hypnolens.pipeline.provenance import record
from hypnolens.reports import paper_tables
from hypnolens.reports.pages import execute, export

with logged(snakemake.log[0]):
    params, output = snakemake.params, snakemake.output
    studies = [paper_tables.Study(**study) for study in params.studies]
    published = [read_table(TABLES / f"{name}.tsv") for name in ("paper", "methods")]
    tables = paper_tables.tables(studies, *published)
    for tsv, latex in zip(map(Path, output.tables), map(Path, output.latex), strict=True):
        tables[tsv.stem].to_csv(tsv, sep="\t", index=False, na_rep="-")
        paper_tables.write_latex(tables[tsv.stem], latex)
    Path(output.made).write_text(json.dumps(record(), indent=2) + "\n", encoding="utf-8")
    given = {"studies": params.studies, "datasets": params.datasets, "missing": params.missing}
    given |= {"tables": str(Path(output.made).parent), "command": os.environ["HYPNOLENS_COMMAND"]}
    execute("paper", given, Path(output.notebook))
    export(Path(output.notebook), Path(output.html), title="hypnolens: the paper's page")
