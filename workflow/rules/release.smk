# Enters: networks, predictions and scores of all folds. Leaves: an archive from which others can stage nights.
# Why: what a paper promises and a reader needs: weights, cards, who was tested where, environments, checksums.


rule pack:
    input:
        models=each("results/{dataset}/{experiment}/fold-{fold}/model.safetensors", fold=PLAN.folds),
        cards=each("results/{dataset}/{experiment}/fold-{fold}/model.json", fold=PLAN.folds),
        predictions=each("results/{dataset}/{experiment}/fold-{fold}/predictions.parquet", fold=PLAN.folds),
        metrics="results/{dataset}/{experiment}/metrics.json",
        folds="results/{dataset}/folds.tsv",
        recordings="results/{dataset}/recordings.tsv",
        project=RELEASED,
    output:
        "reports/{dataset}/{experiment}/release.zip",
    log:
        "results/{dataset}/logs/pack/{experiment}.log",
    benchmark:
        "results/{dataset}/benchmarks/pack/{experiment}.tsv"
    wildcard_constraints:
        experiment=runs_with_model(plan.OWN),
    conda:
        "../../envs/train.yaml"
    resources:
        **scaled_by_attempt(mem_mb=2000, runtime=10),
    params:
        code=code_version("release", "hypnolens/data/model_card.md"),
    script:
        "../scripts/release.py"
