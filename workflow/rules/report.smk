# Enters: tables and figures of all experiments on a dataset. Leaves: one page that a person reads, and its notebook.
# Why: papermill keeps the executed notebook beside the page, so that every number on it can be traced.


rule report:
    input:
        recordings="results/{dataset}/recordings.tsv",
        counts="reports/{dataset}/tables/counts.tsv",
        differing="reports/{dataset}/tables/differing.tsv",
        cost="reports/{dataset}/tables/cost.tsv",
        folds="results/{dataset}/folds.tsv",
        metrics=of_each_experiment("results/{dataset}/{experiment}/metrics.json"),
        cards=of_each_experiment("results/{dataset}/{experiment}/fold-0/model.json"),
        tables=of_each_experiment("reports/{dataset}/{experiment}/tables/stages.tsv"),
        figures=figures_of_dataset,
    output:
        scores="reports/{dataset}/tables/scores.tsv",
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
        mem_mb=2000,
        runtime=10,
    params:
        dataset=lambda wildcards: dataset_of(wildcards.dataset),
        experiments=lambda wildcards: dataset_of(wildcards.dataset)["experiments"],
        code=code_version("report", "workflow/notebooks/report.ipynb"),
    script:
        "../scripts/report.py"
