# Enters: tables and figures of all experiments on a dataset. Leaves: one page that a person reads, and its notebook.
# Why: papermill keeps the executed notebook beside the page, so that every number on it can be traced.


rule jobs:
    # Benchmark files are no outputs, so that the rule names what the jobs made that it tells of.
    input:
        recordings="results/{dataset}/recordings.tsv",
        folds="results/{dataset}/folds.tsv",
        differing="reports/{dataset}/tables/differing.tsv",
        families="reports/{dataset}/tables/families.tsv",
        metrics=of_each_experiment("results/{dataset}/{experiment}/metrics.json"),
        tables=of_each_shown("reports/{dataset}/{experiment}/tables/stages.tsv"),
        figures=figures_of_dataset,
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
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        runs=lambda wildcards: runs_of(wildcards.dataset),
        code=code_version("jobs"),
    script:
        "../scripts/jobs.py"


rule report:
    input:
        recordings="results/{dataset}/recordings.tsv",
        counts="reports/{dataset}/tables/counts.tsv",
        differing="reports/{dataset}/tables/differing.tsv",
        cost=cost_of,
        folds="results/{dataset}/folds.tsv",
        families="reports/{dataset}/tables/families.tsv",
        metrics=of_each_experiment("results/{dataset}/{experiment}/metrics.json"),
        cards=of_each_experiment("results/{dataset}/{experiment}/fold-0/model.json"),
        tables=of_each_shown("reports/{dataset}/{experiment}/tables/stages.tsv"),
        figures=figures_of_dataset,
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
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        dataset=lambda wildcards: dataset_of(wildcards.dataset),
        experiments=lambda wildcards: {run: figures_of(run) for run in shown_of(wildcards.dataset)},
        runs=lambda wildcards: {run: CONFIGURATION.experiments[run] for run in runs_of(wildcards.dataset)},
        code=code_version("report", "workflow/notebooks/report.ipynb"),
    script:
        "../scripts/report.py"


rule paper:
    input:
        tables=of_all_datasets("families", "paired", "optimism", "jobs"),
        costs=costs_of_all,
        shown=shown_of_all(
            "reports/{dataset}/{experiment}/tables/stages.tsv",
            "reports/{dataset}/{experiment}/tables/calibration.tsv",
            "reports/{dataset}/{experiment}/tables/transitions.tsv",
            "reports/{dataset}/{experiment}/tables/agreement.tsv",
        ),
        reports=dataset_reports,  # after all figures
    output:
        tables=expand("reports/tables/{table}.tsv", table=PAPER_TABLES),
        latex=expand("reports/tables/{table}.tex", table=PAPER_TABLES),
        made="reports/tables/made.json",
        notebook="reports/paper.ipynb",
        html=report(
            "reports/paper.html",
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
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        studies=studies_of_all,
        datasets=datasets_of_all,
        missing=missing_of_all,
        code=code_version(
            "paper", "workflow/notebooks/paper.ipynb", "config/tables/paper.tsv", "config/tables/methods.tsv"
        ),
    script:
        "../scripts/paper.py"
