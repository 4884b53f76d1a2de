# Enters: networks, predictions and epochs. Leaves: explained epochs to look at; t-SNE of features.
# Why: computed apart from the figures, so that a change of a drawing computes nothing again.


rule explain:
    input:
        folds=each("results/{dataset}/folds/fold-{fold}.tsv", fold=PLAN.folds),
        models=each("results/{dataset}/{experiment}/fold-{fold}/model.safetensors", fold=PLAN.folds),
        cards=each("results/{dataset}/{experiment}/fold-{fold}/model.json", fold=PLAN.folds),
        predictions=each("results/{dataset}/{experiment}/fold-{fold}/predictions.parquet", fold=PLAN.folds),
    output:
        "results/{dataset}/{experiment}/explained.safetensors",
    log:
        "results/{dataset}/logs/explain/{experiment}.log",
    benchmark:
        "results/{dataset}/benchmarks/explain/{experiment}.tsv"
    conda:
        "../../envs/explain.yaml"
    threads: ask(PLAN.threads)
    resources:
        **scaled_by_attempt(mem_mb=4000, runtime=60),
    params:
        options=ask(PLAN.predict_options),
        epochs="results/{dataset}/epochs",
        code=code_version("explain"),
    script:
        "../scripts/explain.py"


rule embedding:
    input:
        folds="results/{dataset}/folds/fold-0.tsv",
        model="results/{dataset}/{experiment}/fold-0/model.safetensors",
        card="results/{dataset}/{experiment}/fold-0/model.json",
    output:
        "results/{dataset}/{experiment}/embedding.tsv",
    log:
        "results/{dataset}/logs/embedding/{experiment}.log",
    benchmark:
        "results/{dataset}/benchmarks/embedding/{experiment}.tsv"
    conda:
        "../../envs/train.yaml"
    threads: ask(PLAN.threads)
    resources:
        **scaled_by_attempt(mem_mb=4000, runtime=60),
    params:
        options=ask(PLAN.predict_options),
        epochs="results/{dataset}/epochs",
        code=code_version("embedding"),
    script:
        "../scripts/embedding.py"


rule architecture:
    input:
        card="results/{dataset}/{experiment}/fold-0/model.json",
    output:
        "results/{dataset}/{experiment}/architecture.json",
    log:
        "results/{dataset}/logs/architecture/{experiment}.log",
    benchmark:
        "results/{dataset}/benchmarks/architecture/{experiment}.tsv"
    conda:
        "../../envs/train.yaml"
    resources:
        **scaled_by_attempt(mem_mb=2000, runtime=10),
    params:
        code=code_version("architecture"),
    script:
        "../scripts/architecture.py"
