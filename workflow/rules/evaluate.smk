# Enters: the predictions of all folds. Leaves: scores over all epochs and by recording, with intervals; tables.
# Why: every number that a figure or a report shows comes from these files.


rule evaluate:
    input:
        predictions=of_each_fold("predictions.parquet"),
    output:
        metrics="results/{dataset}/{experiment}/metrics.json",
        by_recording="results/{dataset}/{experiment}/metrics_by_recording.tsv",
    log:
        "results/{dataset}/logs/evaluate/{experiment}.log",
    benchmark:
        "results/{dataset}/benchmarks/evaluate/{experiment}.tsv"
    conda:
        "../../envs/figures.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=10,
    params:
        seed=lambda wildcards: experiment_options(wildcards)["seed"],
        code=code_version("evaluate"),
    script:
        "../scripts/evaluate.py"


rule tables:
    input:
        metrics="results/{dataset}/{experiment}/metrics.json",
        by_recording="results/{dataset}/{experiment}/metrics_by_recording.tsv",
    output:
        scores=report(
            "reports/{dataset}/{experiment}/tables/scores.tsv",
            caption="../report/scores.rst",
            category="{dataset}",
            subcategory="{experiment}",
            labels={"experiment": "{experiment}", "what": "scores, pooled"},
        ),
        stages=report(
            "reports/{dataset}/{experiment}/tables/stages.tsv",
            caption="../report/stages.rst",
            category="{dataset}",
            subcategory="{experiment}",
            labels={"experiment": "{experiment}", "what": "scores by stage"},
        ),
        confusion="reports/{dataset}/{experiment}/tables/confusion_matrix.tsv",
        recordings="reports/{dataset}/{experiment}/tables/recordings.tsv",
    log:
        "results/{dataset}/logs/tables/{experiment}.log",
    benchmark:
        "results/{dataset}/benchmarks/tables/{experiment}.tsv"
    conda:
        "../../envs/figures.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        code=code_version("tables"),
    script:
        "../scripts/tables.py"


rule cost:
    input:
        histories=histories_of_dataset,
        metrics=of_each_experiment("results/{dataset}/{experiment}/metrics.json"),
    output:
        report(
            "reports/{dataset}/tables/cost.tsv",
            caption="../report/cost.rst",
            category="{dataset}",
            labels={"experiment": "all", "what": "time and score"},
        ),
    log:
        "results/{dataset}/logs/cost.log",
    benchmark:
        "results/{dataset}/benchmarks/cost.tsv"
    conda:
        "../../envs/figures.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        experiments=samplings_of_dataset,
        code=code_version("cost"),
    script:
        "../scripts/cost.py"
