# Enters: networks, predictions, epochs and events. Leaves: maps of attribution by all methods, and how far they can be believed.
# Why: a picture of a map proves nothing. This is a target of its own, `snakemake explanations`, as it takes its time.


rule attribute:
    input:
        folds="results/{dataset}/folds/fold-{fold}.tsv",
        model="results/{dataset}/{experiment}/fold-{fold}/model.safetensors",
        card="results/{dataset}/{experiment}/fold-{fold}/model.json",
        predictions="results/{dataset}/{experiment}/fold-{fold}/predictions.parquet",
    output:
        "results/{dataset}/{experiment}/fold-{fold}/maps.safetensors",
    log:
        "results/{dataset}/logs/attribute/{experiment}/fold-{fold}.log",
    benchmark:
        "results/{dataset}/benchmarks/attribute/{experiment}/fold-{fold}.tsv"
    conda:
        "../../envs/explain.yaml"
    threads: ask(PLAN.threads)
    resources:
        **scaled_by_attempt(mem_mb=4000, runtime=120),
    params:
        options=ask(PLAN.predict_options),
        epochs="results/{dataset}/epochs",
        sample=EXPLAINED,
        code=code_version("attribute"),
    script:
        "../scripts/attribute.py"


rule faithfulness:
    input:
        folds="results/{dataset}/folds/fold-{fold}.tsv",
        model="results/{dataset}/{experiment}/fold-{fold}/model.safetensors",
        card="results/{dataset}/{experiment}/fold-{fold}/model.json",
        maps="results/{dataset}/{experiment}/fold-{fold}/maps.safetensors",
        events="results/{dataset}/event_counts.tsv",
    output:
        curves="results/{dataset}/{experiment}/fold-{fold}/curves.tsv",
        removal="results/{dataset}/{experiment}/fold-{fold}/removal.tsv",
    log:
        "results/{dataset}/logs/faithfulness/{experiment}/fold-{fold}.log",
    benchmark:
        "results/{dataset}/benchmarks/faithfulness/{experiment}/fold-{fold}.tsv"
    conda:
        "../../envs/explain.yaml"
    threads: ask(PLAN.threads)
    resources:
        **scaled_by_attempt(mem_mb=4000, runtime=120),
    params:
        options=ask(PLAN.predict_options),
        epochs="results/{dataset}/epochs",
        events="results/{dataset}/events",
        code=code_version("faithfulness"),
    script:
        "../scripts/faithfulness.py"


rule sanity:
    input:
        folds="results/{dataset}/folds/fold-{fold}.tsv",
        model="results/{dataset}/{experiment}/fold-{fold}/model.safetensors",
        card="results/{dataset}/{experiment}/fold-{fold}/model.json",
        maps="results/{dataset}/{experiment}/fold-{fold}/maps.safetensors",
        label_shuffled=each("results/{dataset}/{other}/fold-{fold}/model.safetensors", other=PLAN.label_shuffled),
        label_shuffled_cards=each("results/{dataset}/{other}/fold-{fold}/model.json", other=PLAN.label_shuffled),
    output:
        table="results/{dataset}/{experiment}/fold-{fold}/sanity.tsv",
        controls="results/{dataset}/{experiment}/fold-{fold}/control_maps.safetensors",
    log:
        "results/{dataset}/logs/sanity/{experiment}/fold-{fold}.log",
    benchmark:
        "results/{dataset}/benchmarks/sanity/{experiment}/fold-{fold}.tsv"
    conda:
        "../../envs/explain.yaml"
    threads: ask(PLAN.threads)
    resources:
        **scaled_by_attempt(mem_mb=4000, runtime=120),
    params:
        options=ask(PLAN.predict_options),
        epochs="results/{dataset}/epochs",
        code=code_version("sanity"),
    script:
        "../scripts/sanity.py"


rule align:
    input:
        folds=each("results/{dataset}/folds/fold-{fold}.tsv", fold=PLAN.folds),
        maps=each("results/{dataset}/{experiment}/fold-{fold}/maps.safetensors", fold=PLAN.folds),
        controls=each("results/{dataset}/{experiment}/fold-{fold}/control_maps.safetensors", fold=PLAN.folds),
        # Made after all recordings have their events; naming each of thousands would slow the planning.
        events="results/{dataset}/event_counts.tsv",
    output:
        alignment="results/{dataset}/{experiment}/explanations/alignment.tsv",
        contrasts="results/{dataset}/{experiment}/explanations/contrasts.tsv",
        detectors="results/{dataset}/{experiment}/explanations/detectors.tsv",
        bands="results/{dataset}/{experiment}/explanations/bands.tsv",
    log:
        "results/{dataset}/logs/align/{experiment}.log",
    benchmark:
        "results/{dataset}/benchmarks/align/{experiment}.tsv"
    conda:
        "../../envs/explain.yaml"
    resources:
        **scaled_by_attempt(mem_mb=4000, runtime=60),
    params:
        epochs="results/{dataset}/epochs",
        events="results/{dataset}/events",
        code=code_version("align"),
    script:
        "../scripts/align.py"


rule night:
    input:
        folds=each("results/{dataset}/folds/fold-{fold}.tsv", fold=PLAN.folds),
        maps=each("results/{dataset}/{experiment}/fold-{fold}/maps.safetensors", fold=PLAN.folds),
        bands="results/{dataset}/{experiment}/explanations/bands.tsv",
        predictions=each("results/{dataset}/{experiment}/fold-{fold}/predictions.parquet", fold=PLAN.folds),
        by_recording="results/{dataset}/{experiment}/metrics_by_recording.tsv",
    output:
        "results/{dataset}/{experiment}/explanations/night.safetensors",
    log:
        "results/{dataset}/logs/night/{experiment}.log",
    benchmark:
        "results/{dataset}/benchmarks/night/{experiment}.tsv"
    conda:
        "../../envs/explain.yaml"
    resources:
        **scaled_by_attempt(mem_mb=4000, runtime=10),
    params:
        epochs="results/{dataset}/epochs",
        code=code_version("night"),
    script:
        "../scripts/night.py"


rule explanation_tables:
    input:
        folds=each("results/{dataset}/folds/fold-{fold}.tsv", fold=PLAN.folds),
        alignment="results/{dataset}/{experiment}/explanations/alignment.tsv",
        contrasts="results/{dataset}/{experiment}/explanations/contrasts.tsv",
        detectors="results/{dataset}/{experiment}/explanations/detectors.tsv",
        bands="results/{dataset}/{experiment}/explanations/bands.tsv",
        curves=each("results/{dataset}/{experiment}/fold-{fold}/curves.tsv", fold=PLAN.folds),
        removal=each("results/{dataset}/{experiment}/fold-{fold}/removal.tsv", fold=PLAN.folds),
        sanity=each("results/{dataset}/{experiment}/fold-{fold}/sanity.tsv", fold=PLAN.folds),
        maps=each("results/{dataset}/{experiment}/fold-{fold}/maps.safetensors", fold=PLAN.folds),
        predictions=each("results/{dataset}/{experiment}/fold-{fold}/predictions.parquet", fold=PLAN.folds),
    output:
        alignment="reports/{dataset}/{experiment}/explanations/tables/alignment.tsv",
        contrasts="reports/{dataset}/{experiment}/explanations/tables/contrasts.tsv",
        faithfulness="reports/{dataset}/{experiment}/explanations/tables/faithfulness.tsv",
        curves="reports/{dataset}/{experiment}/explanations/tables/curves.tsv",
        spectrum="reports/{dataset}/{experiment}/explanations/tables/spectrum.tsv",
        removal="reports/{dataset}/{experiment}/explanations/tables/removal.tsv",
        sanity="reports/{dataset}/{experiment}/explanations/tables/sanity.tsv",
        bands="reports/{dataset}/{experiment}/explanations/tables/bands.tsv",
        detectors="reports/{dataset}/{experiment}/explanations/tables/detectors.tsv",
        context="reports/{dataset}/{experiment}/explanations/tables/context.tsv",
    log:
        "results/{dataset}/logs/explanation_tables/{experiment}.log",
    benchmark:
        "results/{dataset}/benchmarks/explanation_tables/{experiment}.tsv"
    conda:
        "../../envs/figures.yaml"
    resources:
        **scaled_by_attempt(mem_mb=4000, runtime=10),
    params:
        code=code_version("explanation_tables"),
    script:
        "../scripts/explanation_tables.py"


rule explanation_report:
    input:
        tables=expand(
            "reports/{dataset}/{experiment}/explanations/tables/{table}.tsv",
            table=EXPLANATION_TABLES,
            allow_missing=True,
        ),
        figures=[figure.png for figure in FIGURES if figure.of == "explanations"],
        gradcam="reports/{dataset}/{experiment}/figures/gradcam.png",
        gallery="reports/{dataset}/{experiment}/figures/gallery.png",
        metrics="results/{dataset}/{experiment}/metrics.json",
        card="results/{dataset}/{experiment}/fold-0/model.json",
    output:
        notebook="reports/{dataset}/{experiment}/explanations.ipynb",
        html=report(
            "reports/{dataset}/{experiment}/explanations.html",
            caption="../report/explanations.rst",
            category="{dataset}",
            subcategory="{experiment}",
            labels={"experiment": "{experiment}", "what": "explanations"},
        ),
    log:
        "results/{dataset}/logs/explanation_report/{experiment}.log",
    benchmark:
        "results/{dataset}/benchmarks/explanation_report/{experiment}.tsv"
    conda:
        "../../envs/figures.yaml"
    resources:
        **scaled_by_attempt(mem_mb=2000, runtime=10),
    params:
        kind=ask(PLAN.kind),
        sample=EXPLAINED,
        code=code_version("explanation_report", "workflow/notebooks/explanations.ipynb", *CAPTIONS),
    script:
        "../scripts/explanation_report.py"
