# Enters: tables and figures of all experiments on a dataset. Leaves: one page that a person reads, and its notebook.
# Why: papermill keeps the executed notebook beside the page, so that every number on it can be traced.


rule jobs:
    # Benchmark files are no outputs, so that the rule names what the jobs made that it tells of.
    input:
        recordings="results/{dataset}/recordings.tsv",
        folds="results/{dataset}/folds.tsv",
        differing="reports/{dataset}/tables/differing.tsv",
        families="reports/{dataset}/tables/families.tsv",
        metrics=each("results/{dataset}/{experiment}/metrics.json", experiment=PLAN.runs),
        tables=each("reports/{dataset}/{experiment}/tables/stages.tsv", experiment=PLAN.shown),
        figures=ask(PLAN.figures_of_dataset),
    output:
        jobs=report(
            "reports/{dataset}/tables/jobs.tsv",
            caption="../report/jobs.rst",
            category="{dataset}",
            labels={"experiment": "all", "what": "time and memory by rule"},
        ),
        folds=report(
            "reports/{dataset}/tables/fold_costs.tsv",
            caption="../report/fold_costs.rst",
            category="{dataset}",
            labels={"experiment": "all", "what": "time and memory by fold"},
        ),
    log:
        "results/{dataset}/logs/jobs.log",
    benchmark:
        "results/{dataset}/benchmarks/jobs.tsv"
    conda:
        "../../envs/figures.yaml"
    resources:
        **scaled_by_attempt(mem_mb=1000, runtime=10),
    params:
        runs=ask(PLAN.runs),
        code=code_version("jobs"),
    script:
        "../scripts/jobs.py"


rule report:
    input:
        recordings="results/{dataset}/recordings.tsv",
        counts="reports/{dataset}/tables/counts.tsv",
        differing="reports/{dataset}/tables/differing.tsv",
        cost=ask(PLAN.cost_table),
        folds="results/{dataset}/folds.tsv",
        families="reports/{dataset}/tables/families.tsv",
        metrics=each("results/{dataset}/{experiment}/metrics.json", experiment=PLAN.runs),
        cards=each("results/{dataset}/{experiment}/fold-0/model.json", experiment=PLAN.runs),
        tables=each("reports/{dataset}/{experiment}/tables/stages.tsv", experiment=PLAN.shown),
        figures=ask(PLAN.figures_of_dataset),
        jobs="reports/{dataset}/tables/jobs.tsv",
        fold_costs="reports/{dataset}/tables/fold_costs.tsv",
    output:
        scores="reports/{dataset}/tables/scores.tsv",
        made="reports/{dataset}/tables/made.json",
        notebook="reports/{dataset}/report.ipynb",
        html=report(
            "reports/{dataset}/report.html",
            caption="../report/report.rst",
            category="{dataset}",
            labels={"experiment": "all", "what": "report"},
        ),
    log:
        "results/{dataset}/logs/report.log",
    benchmark:
        "results/{dataset}/benchmarks/report.tsv"
    conda:
        "../../envs/figures.yaml"
    resources:
        **scaled_by_attempt(mem_mb=2000, runtime=10),
    params:
        dataset=ask(PLAN.options),
        figures=ask(PLAN.names_of_figures),
        experiments=ask(PLAN.figures_of_runs),
        runs=ask(PLAN.options_of_runs),
        code=code_version("report", "workflow/notebooks/report.ipynb", "hypnolens/data/references.bib", *CAPTIONS),
    script:
        "../scripts/report.py"


rule paper:
    input:
        tables=each(
            "reports/{dataset}/tables/{table}.tsv",
            dataset=PLAN.runnable,
            table=("families", "paired", "optimism", "jobs"),
        ),
        costs=ask(PLAN.cost_tables),
        shown=each(
            "reports/{dataset}/{experiment}/tables/{table}.tsv",
            dataset=PLAN.runnable,
            experiment=PLAN.shown,
            table=("stages", "calibration", "transitions", "agreement"),
        ),
        reports=each("reports/{dataset}/report.html", dataset=PLAN.runnable),  # after all figures
    output:
        tables=expand("{folder}/{table}.tsv", folder=PLAN.page_tables, table=PAPER_TABLES),
        latex=expand("{folder}/{table}.tex", folder=PLAN.page_tables, table=PAPER_TABLES),
        made=f"{PLAN.page_tables}/made.json",
        notebook=f"reports/{PLAN.configuration.page}.ipynb",
        html=report(
            f"reports/{PLAN.configuration.page}.html",
            caption="../report/paper.rst",
            category="all datasets",
            labels={"experiment": "all", "what": "the paper's page"},
        ),
    log:
        "results/logs/paper.log",
    benchmark:
        "results/benchmarks/paper.tsv"
    conda:
        "../../envs/figures.yaml"
    resources:
        **scaled_by_attempt(mem_mb=2000, runtime=10),
    params:
        studies=ask(PLAN.studies),
        datasets=ask(PLAN.options_of_datasets),
        missing=ask(PLAN.missing_datasets),
        code=code_version(
            "paper",
            "workflow/notebooks/paper.ipynb",
            "hypnolens/data/references.bib",
            *CAPTIONS,
            "config/tables/paper.tsv",
            "config/tables/methods.tsv",
        ),
    script:
        "../scripts/paper.py"
