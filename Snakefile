# The workflow is in workflow/; this file lets a bare `snakemake` in a clone run the paper.
include: "workflow/Snakefile"


# An include leaves the default target as it was before: none.
workflow.default_target = "all"
