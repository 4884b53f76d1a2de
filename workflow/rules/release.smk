# Enters: networks, predictions and scores of all folds. Leaves: an archive from which others can stage nights.
# Why: what a paper promises and a reader needs: weights, cards, who was tested where, environments, checksums.


rule pack:
    input:
        models=of_each_fold("model.safetensors"),
        cards=of_each_fold("model.json"),
        predictions=of_each_fold("predictions.parquet"),
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
        experiment=running(OWN),
    conda:
        "../../envs/train.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        code=code_version("release", "hypnolens/data/model_card.md"),
    script:
        "../scripts/release.py"
