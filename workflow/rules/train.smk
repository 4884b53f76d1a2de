# Enters: epochs and folds. Leaves: for each fold a network, its history, and its predictions of the test recordings.
# Why: training is the costly step, so it is a job of its own a fold; scoring the test side is another, afterwards.


rule train:
    input:
        folds="results/{dataset}/folds/fold-{fold}.tsv",
    output:
        model="results/{dataset}/{experiment}/fold-{fold}/model.safetensors",
        card="results/{dataset}/{experiment}/fold-{fold}/model.json",
        history="results/{dataset}/{experiment}/fold-{fold}/history.tsv",
    log:
        "results/{dataset}/logs/train/{experiment}/fold-{fold}.log",
    benchmark:
        "results/{dataset}/benchmarks/train/{experiment}/fold-{fold}.tsv"
    wildcard_constraints:
        experiment=runs_with_model(plan.OWN),
    conda:
        "../../envs/train.yaml"
    threads: ask(PLAN.threads)
    resources:
        **scaled_by_attempt(mem_mb=8000, runtime=720),
        gpu=1,
    params:
        experiment=ask(PLAN.experiment),
        origin=ask(PLAN.origin),
        networks="hypnolens.network.model",
        # No declared output: Snakemake deletes those of a killed job, and this file is what the job goes on from.
        checkpoint="results/{dataset}/{experiment}/fold-{fold}/checkpoint.pt",
        epochs="results/{dataset}/epochs",
        code=code_version("train"),
    script:
        "../scripts/train.py"


rule predict:
    input:
        folds="results/{dataset}/folds/fold-{fold}.tsv",
        model="results/{dataset}/{experiment}/fold-{fold}/model.safetensors",
        card="results/{dataset}/{experiment}/fold-{fold}/model.json",
    output:
        "results/{dataset}/{experiment}/fold-{fold}/predictions.parquet",
    log:
        "results/{dataset}/logs/predict/{experiment}/fold-{fold}.log",
    benchmark:
        "results/{dataset}/benchmarks/predict/{experiment}/fold-{fold}.tsv"
    wildcard_constraints:
        experiment=runs_with_model(plan.OWN),
    conda:
        "../../envs/train.yaml"
    threads: ask(PLAN.threads)
    resources:
        **scaled_by_attempt(mem_mb=4000, runtime=60),
        gpu=1,
    params:
        options=ask(PLAN.predict_options),
        networks="hypnolens.network.model",
        epochs="results/{dataset}/epochs",
        code=code_version("predict"),
    script:
        "../scripts/predict.py"
