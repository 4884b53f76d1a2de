# Enters: the predictions of all folds. Leaves: scores over all epochs and by recording, with intervals; tables.
# Why: every number that a figure or a report shows comes from these files.


rule evaluate:
    input:
        predictions=of_each_fold("predictions.parquet"),
    output:
        metrics="results/{dataset}/{experiment}/metrics.json",
        by_recording="results/{dataset}/{experiment}/metrics_by_recording.tsv",
        by_fold="results/{dataset}/{experiment}/metrics_by_fold.tsv",
        by_subject="results/{dataset}/{experiment}/confusion_by_subject.tsv",
    log:
        "results/{dataset}/logs/evaluate/{experiment}.log",
    benchmark:
        "results/{dataset}/benchmarks/evaluate/{experiment}.tsv"
    conda:
        "../../envs/figures.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(10),
    params:
        seed=lambda wildcards: experiment_options(wildcards).get("seed", 0),
        protocol=protocol_of,
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
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        code=code_version("tables"),
    script:
        "../scripts/tables.py"


rule cost:
    input:
        histories=histories_of_dataset,
        metrics=metrics_of_own,
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
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        experiments=samplings_of_dataset,
        code=code_version("cost"),
    script:
        "../scripts/cost.py"


rule compare:
    input:
        by_subject=of_each_experiment("results/{dataset}/{experiment}/confusion_by_subject.tsv"),
        by_fold=of_each_experiment("results/{dataset}/{experiment}/metrics_by_fold.tsv"),
    output:
        families=report(
            "reports/{dataset}/tables/families.tsv",
            caption="../report/families.rst",
            category="{dataset}",
            labels={"experiment": "all", "what": "scores with intervals, seeds together"},
        ),
        paired=report(
            "reports/{dataset}/tables/paired.tsv",
            caption="../report/paired.rst",
            category="{dataset}",
            labels={"experiment": "all", "what": "paired comparison"},
        ),
        optimism="reports/{dataset}/tables/optimism.tsv",
        optimism_by_fold="reports/{dataset}/tables/optimism_by_fold.tsv",
        published="reports/{dataset}/tables/paper.tsv",
    log:
        "results/{dataset}/logs/compare.log",
    benchmark:
        "results/{dataset}/benchmarks/compare.tsv"
    conda:
        "../../envs/figures.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(30),
    params:
        families=families_in_order,
        pairs=protocol_pairs,
        code=code_version("compare", "config/tables/paper.tsv"),
    script:
        "../scripts/compare.py"


rule calibration:
    input:
        predictions=of_each_fold("predictions.parquet"),
    output:
        reliability="reports/{dataset}/{experiment}/tables/reliability.tsv",
        calibration="reports/{dataset}/{experiment}/tables/calibration.tsv",
    log:
        "results/{dataset}/logs/calibration/{experiment}.log",
    benchmark:
        "results/{dataset}/benchmarks/calibration/{experiment}.tsv"
    conda:
        "../../envs/figures.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(10),
    params:
        code=code_version("calibration"),
    script:
        "../scripts/calibration.py"


rule transitions:
    input:
        predictions=of_each_fold("predictions.parquet"),
    output:
        transitions="reports/{dataset}/{experiment}/tables/transitions.tsv",
        pairs="reports/{dataset}/{experiment}/tables/transition_pairs.tsv",
    log:
        "results/{dataset}/logs/transitions/{experiment}.log",
    benchmark:
        "results/{dataset}/benchmarks/transitions/{experiment}.tsv"
    conda:
        "../../envs/figures.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(10),
    params:
        code=code_version("transitions"),
    script:
        "../scripts/transitions.py"


rule statistics:
    input:
        predictions=of_each_fold("predictions.parquet"),
    output:
        statistics="reports/{dataset}/{experiment}/tables/statistics.tsv",
        agreement="reports/{dataset}/{experiment}/tables/agreement.tsv",
    log:
        "results/{dataset}/logs/statistics/{experiment}.log",
    benchmark:
        "results/{dataset}/benchmarks/statistics/{experiment}.tsv"
    conda:
        "../../envs/yasa.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(30),
    params:
        lights_off=lights_off_of,
        epochs="results/{dataset}/epochs",
        code=code_version("statistics"),
    script:
        "../scripts/statistics.py"
