# Enters: epochs, folds, and what a baseline needs besides. Leaves: predictions of each fold's test recordings, as a network's.
# Why: a comparison says something only if both sides were trained and tested on the same recordings, by the same code.


use rule train as train_published with:
    log:
        "results/{dataset}/logs/train_published/{experiment}/fold-{fold}.log",
    benchmark:
        "results/{dataset}/benchmarks/train_published/{experiment}/fold-{fold}.tsv"
    wildcard_constraints:
        experiment=runs_with_model(*configuration.NETWORKS),
    conda:
        "../../envs/published.yaml"
    params:
        networks="hypnolens.baselines.networks",
        code=code_version("train", "hypnolens.baselines.networks"),


use rule predict as predict_published with:
    log:
        "results/{dataset}/logs/predict_published/{experiment}/fold-{fold}.log",
    benchmark:
        "results/{dataset}/benchmarks/predict_published/{experiment}/fold-{fold}.tsv"
    wildcard_constraints:
        experiment=runs_with_model(*configuration.NETWORKS),
    conda:
        "../../envs/published.yaml"
    params:
        networks="hypnolens.baselines.networks",
        code=code_version("predict", "hypnolens.baselines.networks"),


rule features:
    input:
        recordings="results/{dataset}/recordings.tsv",
    output:
        "results/{dataset}/features.parquet",
    log:
        "results/{dataset}/logs/features.log",
    benchmark:
        "results/{dataset}/benchmarks/features.tsv"
    conda:
        "../../envs/boosting.yaml"
    resources:
        **scaled_by_attempt(mem_mb=4000, runtime=120),
    params:
        epochs="results/{dataset}/epochs",
        code=code_version("features"),
    script:
        "../scripts/features.py"


rule train_boosting:
    input:
        folds="results/{dataset}/folds/fold-{fold}.tsv",
        features="results/{dataset}/features.parquet",
    output:
        predictions="results/{dataset}/{experiment}/fold-{fold}/predictions.parquet",
        card="results/{dataset}/{experiment}/fold-{fold}/model.json",
    log:
        "results/{dataset}/logs/train_boosting/{experiment}/fold-{fold}.log",
    benchmark:
        "results/{dataset}/benchmarks/train_boosting/{experiment}/fold-{fold}.tsv"
    wildcard_constraints:
        experiment=runs_with_model("gradient-boosting"),
    conda:
        "../../envs/boosting.yaml"
    threads: 2
    resources:
        **scaled_by_attempt(mem_mb=8000, runtime=60),
    params:
        experiment=ask(PLAN.experiment),
        epochs="results/{dataset}/epochs",
        code=code_version("train_boosting"),
    script:
        "../scripts/train_boosting.py"


rule train_probe:
    input:
        unpack(ask(PLAN.source)),
        folds="results/{dataset}/folds/fold-{fold}.tsv",
    output:
        predictions="results/{dataset}/{experiment}/fold-{fold}/predictions.parquet",
        card="results/{dataset}/{experiment}/fold-{fold}/model.json",
    log:
        "results/{dataset}/logs/train_probe/{experiment}/fold-{fold}.log",
    benchmark:
        "results/{dataset}/benchmarks/train_probe/{experiment}/fold-{fold}.tsv"
    wildcard_constraints:
        experiment=runs_with_model("linear-probe"),
    conda:
        "../../envs/train.yaml"
    threads: 2
    resources:
        **scaled_by_attempt(mem_mb=8000, runtime=60),
    params:
        experiment=ask(PLAN.experiment),
        source=ask(PLAN.source_options),
        epochs="results/{dataset}/epochs",
        code=code_version("train_probe"),
    script:
        "../scripts/train_probe.py"


rule predict_yasa:
    input:
        folds="results/{dataset}/folds/fold-{fold}.tsv",
        psg=ask(PLAN.tested_signals),
    output:
        predictions="results/{dataset}/{experiment}/fold-{fold}/predictions.parquet",
        card="results/{dataset}/{experiment}/fold-{fold}/model.json",
    log:
        "results/{dataset}/logs/predict_yasa/{experiment}/fold-{fold}.log",
    benchmark:
        "results/{dataset}/benchmarks/predict_yasa/{experiment}/fold-{fold}.tsv"
    wildcard_constraints:
        experiment=runs_with_model("yasa"),
    conda:
        "../../envs/yasa.yaml"
    resources:
        **scaled_by_attempt(mem_mb=4000, runtime=120),
    params:
        experiment=ask(PLAN.experiment),
        recordings=ask(PLAN.tested),
        epochs="results/{dataset}/epochs",
        code=code_version("stage_yasa"),
    script:
        "../scripts/stage_yasa.py"


rule ensemble:
    input:
        folds="results/{dataset}/folds/fold-{fold}.tsv",
        predictions=ask(PLAN.member_predictions),
        card=ask(PLAN.member_card),
    output:
        predictions="results/{dataset}/{experiment}/fold-{fold}/predictions.parquet",
        card="results/{dataset}/{experiment}/fold-{fold}/model.json",
    log:
        "results/{dataset}/logs/ensemble/{experiment}/fold-{fold}.log",
    benchmark:
        "results/{dataset}/benchmarks/ensemble/{experiment}/fold-{fold}.tsv"
    wildcard_constraints:
        experiment=runs_with_model("ensemble"),
    conda:
        "../../envs/figures.yaml"
    resources:
        **scaled_by_attempt(mem_mb=4000, runtime=10),
    params:
        experiment=ask(PLAN.experiment),
        members=ask(PLAN.members),
        code=code_version("ensemble"),
    script:
        "../scripts/ensemble.py"
