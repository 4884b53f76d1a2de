# Enters: the table of recordings. Leaves: who trains, validates and is tested in each fold, by subject.
# Why: all experiments on a dataset are judged on the same folds, and no subject is ever on two sides of one.


rule folds:
    input:
        recordings="results/{dataset}/recordings.tsv",
        table=ask(PLAN.fold_table),
    output:
        "results/{dataset}/folds.tsv",
    log:
        "results/{dataset}/logs/folds.log",
    benchmark:
        "results/{dataset}/benchmarks/folds.tsv"
    conda:
        "../../envs/signal.yaml"
    resources:
        **scaled_by_attempt(mem_mb=1000, runtime=10),
    params:
        options=ask(PLAN.fold_options),
        code=code_version("folds"),
    script:
        "../scripts/folds.py"


rule fold:
    # What reads epochs depends on this table: of thousands of recordings, an edge each to every step would slow the planning.
    input:
        folds="results/{dataset}/folds.tsv",
        recordings="results/{dataset}/recordings.tsv",
    output:
        "results/{dataset}/folds/fold-{fold}.tsv",
    log:
        "results/{dataset}/logs/fold/fold-{fold}.log",
    benchmark:
        "results/{dataset}/benchmarks/fold/fold-{fold}.tsv"
    conda:
        "../../envs/signal.yaml"
    resources:
        **scaled_by_attempt(mem_mb=1000, runtime=10),
    params:
        code=code_version("fold"),
    script:
        "../scripts/fold.py"
