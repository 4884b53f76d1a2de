# Enters: epochs, folds, and what a baseline needs besides. Leaves: predictions of each fold's test recordings, as a network's.
# Why: a comparison says something only if both sides were trained and tested on the same recordings, by the same code.


rule train_published:
    input:
        folds="results/{dataset}/folds.tsv",
    output:
        model="results/{dataset}/{experiment}/fold-{fold}/model.safetensors",
        card="results/{dataset}/{experiment}/fold-{fold}/model.json",
        history="results/{dataset}/{experiment}/fold-{fold}/history.tsv",
    log:
        "results/{dataset}/logs/train_published/{experiment}/fold-{fold}.log",
    benchmark:
        "results/{dataset}/benchmarks/train_published/{experiment}/fold-{fold}.tsv"
    wildcard_constraints:
        experiment=running(*configuration.NETWORKS),
    conda:
        "../../envs/published.yaml"
    threads: torch_threads
    resources:
        mem_mb=growing(8000),
        # A partition that allows a day would let a job wait for ever that asks for more. Checkpoints outlive it.
        runtime=growing(720, most=1440),
        gpu=1,
    params:
        experiment=experiment_options,
        origin=origin_of,
        networks="hypnolens.baselines.networks",
        # As in `train`: what a killed job goes on from.
        checkpoint="results/{dataset}/{experiment}/fold-{fold}/checkpoint.pt",
        epochs="results/{dataset}/epochs",
        code=code_version("train", "hypnolens.baselines.networks"),
    script:
        "../scripts/train.py"


rule predict_published:
    input:
        folds="results/{dataset}/folds.tsv",
        model="results/{dataset}/{experiment}/fold-{fold}/model.safetensors",
        card="results/{dataset}/{experiment}/fold-{fold}/model.json",
    output:
        "results/{dataset}/{experiment}/fold-{fold}/predictions.parquet",
    log:
        "results/{dataset}/logs/predict_published/{experiment}/fold-{fold}.log",
    benchmark:
        "results/{dataset}/benchmarks/predict_published/{experiment}/fold-{fold}.tsv"
    wildcard_constraints:
        experiment=running(*configuration.NETWORKS),
    conda:
        "../../envs/published.yaml"
    threads: torch_threads
    resources:
        mem_mb=growing(4000),
        runtime=growing(60),
        gpu=1,
    params:
        options=predict_options,
        networks="hypnolens.baselines.networks",
        epochs="results/{dataset}/epochs",
        code=code_version("predict", "hypnolens.baselines.networks"),
    script:
        "../scripts/predict.py"


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
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(120),
    params:
        epochs="results/{dataset}/epochs",
        code=code_version("features"),
    script:
        "../scripts/features.py"


rule train_boosting:
    input:
        folds="results/{dataset}/folds.tsv",
        features="results/{dataset}/features.parquet",
    output:
        predictions="results/{dataset}/{experiment}/fold-{fold}/predictions.parquet",
        card="results/{dataset}/{experiment}/fold-{fold}/model.json",
    log:
        "results/{dataset}/logs/train_boosting/{experiment}/fold-{fold}.log",
    benchmark:
        "results/{dataset}/benchmarks/train_boosting/{experiment}/fold-{fold}.tsv"
    wildcard_constraints:
        experiment=running("gradient-boosting"),
    conda:
        "../../envs/boosting.yaml"
    threads: 2
    resources:
        mem_mb=growing(8000),
        runtime=growing(60),
    params:
        experiment=experiment_options,
        epochs="results/{dataset}/epochs",
        code=code_version("train_boosting"),
    script:
        "../scripts/train_boosting.py"


rule train_probe:
    input:
        unpack(source_of),
        folds="results/{dataset}/folds.tsv",
    output:
        predictions="results/{dataset}/{experiment}/fold-{fold}/predictions.parquet",
        card="results/{dataset}/{experiment}/fold-{fold}/model.json",
    log:
        "results/{dataset}/logs/train_probe/{experiment}/fold-{fold}.log",
    benchmark:
        "results/{dataset}/benchmarks/train_probe/{experiment}/fold-{fold}.tsv"
    wildcard_constraints:
        experiment=running("linear-probe"),
    conda:
        "../../envs/train.yaml"
    threads: 2
    resources:
        mem_mb=growing(8000),
        runtime=growing(60),
    params:
        experiment=experiment_options,
        source=source_options,
        epochs="results/{dataset}/epochs",
        code=code_version("train_probe"),
    script:
        "../scripts/train_probe.py"


rule predict_yasa:
    input:
        folds="results/{dataset}/folds.tsv",
        psg=tested_signals,
    output:
        predictions="results/{dataset}/{experiment}/fold-{fold}/predictions.parquet",
        card="results/{dataset}/{experiment}/fold-{fold}/model.json",
    log:
        "results/{dataset}/logs/predict_yasa/{experiment}/fold-{fold}.log",
    benchmark:
        "results/{dataset}/benchmarks/predict_yasa/{experiment}/fold-{fold}.tsv"
    wildcard_constraints:
        experiment=running("yasa"),
    conda:
        "../../envs/yasa.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(120),
    params:
        experiment=experiment_options,
        recordings=tested_names,
        epochs="results/{dataset}/epochs",
        code=code_version("stage_yasa"),
    script:
        "../scripts/stage_yasa.py"
