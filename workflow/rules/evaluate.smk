# Enters: the predictions of all folds. Leaves: scores over all epochs and by recording, with intervals; tables.
# Why: every number that a figure or a report shows comes from these files.


rule evaluate:
    input:
        predictions=each("results/{dataset}/{experiment}/fold-{fold}/predictions.parquet", fold=PLAN.folds),
        folds=each("results/{dataset}/folds/fold-{fold}.tsv", fold=PLAN.folds),
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
    resources:
        **scaled_by_attempt(mem_mb=4000, runtime=10),
    params:
        seed=ask(PLAN.seed),
        protocol=ask(PLAN.protocol),
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
    resources:
        **scaled_by_attempt(mem_mb=1000, runtime=10),
    params:
        code=code_version("tables"),
    script:
        "../scripts/tables.py"


rule cost:
    input:
        histories=each(
            "results/{dataset}/{experiment}/fold-{fold}/history.tsv", experiment=PLAN.own_runs, fold=PLAN.folds
        ),
        metrics=each("results/{dataset}/{experiment}/metrics.json", experiment=PLAN.own_runs),
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
    resources:
        **scaled_by_attempt(mem_mb=1000, runtime=10),
    params:
        experiments=ask(PLAN.samplings),
        code=code_version("cost"),
    script:
        "../scripts/cost.py"


rule compare:
    input:
        by_subject=each("results/{dataset}/{experiment}/confusion_by_subject.tsv", experiment=PLAN.runs),
        by_fold=each("results/{dataset}/{experiment}/metrics_by_fold.tsv", experiment=PLAN.runs),
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
    resources:
        **scaled_by_attempt(mem_mb=2000, runtime=30),
    params:
        families=ask(PLAN.families),
        pairs=ask(PLAN.protocol_pairs),
        papers=ask(PLAN.is_the_papers),
        code=code_version("compare", "config/tables/paper.tsv"),
    script:
        "../scripts/compare.py"


rule calibration:
    input:
        predictions=each("results/{dataset}/{experiment}/fold-{fold}/predictions.parquet", fold=PLAN.folds),
        folds=each("results/{dataset}/folds/fold-{fold}.tsv", fold=PLAN.folds),
        cards=each("results/{dataset}/{experiment}/fold-{fold}/model.json", fold=PLAN.folds),
    output:
        reliability="reports/{dataset}/{experiment}/tables/reliability.tsv",
        calibration="reports/{dataset}/{experiment}/tables/calibration.tsv",
        abstention="reports/{dataset}/{experiment}/tables/abstention.tsv",
    log:
        "results/{dataset}/logs/calibration/{experiment}.log",
    benchmark:
        "results/{dataset}/benchmarks/calibration/{experiment}.tsv"
    conda:
        "../../envs/figures.yaml"
    resources:
        **scaled_by_attempt(mem_mb=4000, runtime=10),
    params:
        code=code_version("calibration"),
    script:
        "../scripts/calibration.py"


rule transitions:
    input:
        predictions=each("results/{dataset}/{experiment}/fold-{fold}/predictions.parquet", fold=PLAN.folds),
        folds=each("results/{dataset}/folds/fold-{fold}.tsv", fold=PLAN.folds),
    output:
        transitions="reports/{dataset}/{experiment}/tables/transitions.tsv",
        pairs="reports/{dataset}/{experiment}/tables/transition_pairs.tsv",
    log:
        "results/{dataset}/logs/transitions/{experiment}.log",
    benchmark:
        "results/{dataset}/benchmarks/transitions/{experiment}.tsv"
    conda:
        "../../envs/figures.yaml"
    resources:
        **scaled_by_attempt(mem_mb=4000, runtime=10),
    params:
        code=code_version("transitions"),
    script:
        "../scripts/transitions.py"


rule statistics:
    input:
        predictions=each("results/{dataset}/{experiment}/fold-{fold}/predictions.parquet", fold=PLAN.folds),
        folds=each("results/{dataset}/folds/fold-{fold}.tsv", fold=PLAN.folds),
    output:
        statistics="reports/{dataset}/{experiment}/tables/statistics.tsv",
        agreement="reports/{dataset}/{experiment}/tables/agreement.tsv",
    log:
        "results/{dataset}/logs/statistics/{experiment}.log",
    benchmark:
        "results/{dataset}/benchmarks/statistics/{experiment}.tsv"
    conda:
        "../../envs/yasa.yaml"
    resources:
        **scaled_by_attempt(mem_mb=4000, runtime=30),
    params:
        lights_off=ask(PLAN.lights_off),
        trimmed=ask(PLAN.trimmed),
        epochs="results/{dataset}/epochs",
        code=code_version("statistics"),
    script:
        "../scripts/statistics.py"
