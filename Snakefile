# The workflow is in workflow/; this file lets a bare `snakemake` in a clone run the paper.
include: "workflow/Snakefile"


# An include leaves the default target as it was before: none.
workflow.default_target = "all"


onstart:
    # Snakemake 9 limits jobs to a hundred a second, and for that wakes its scheduler a second after each time that it
    # woke: every finished job adds one more such chain, until the scheduler of a run of thousands of steps fills a core.
    workflow.scheduler.job_rate_limiter = None
