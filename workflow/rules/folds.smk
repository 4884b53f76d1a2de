# Enters: the table of recordings. Leaves: who trains, validates and is tested in each fold, by subject.
# Why: all experiments on a dataset are judged on the same folds, and no subject is ever on two sides of one.


rule folds:
    input:
        recordings="results/{dataset}/recordings.tsv",
        table=fold_table,
    output:
        "results/{dataset}/folds.tsv",
    log:
        "results/{dataset}/logs/folds.log",
    benchmark:
        "results/{dataset}/benchmarks/folds.tsv"
    conda:
        "../../envs/signal.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        options=fold_options,
        code=code_version("folds"),
    script:
        "../scripts/folds.py"
