# Enters: networks, predictions, epochs and events. Leaves: maps of attribution by all methods, and how far they can be believed.
# Why: a picture of a map proves nothing. This is a target of its own, `snakemake explanations`, as it takes its time.


rule attribute:
    input:
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
    threads: torch_threads
    resources:
        mem_mb=growing(4000),
        runtime=growing(120),
    params:
        options=predict_options,
        epochs="results/{dataset}/epochs",
        sample=EXPLAINED,
        code=code_version("attribute"),
    script:
        "../scripts/attribute.py"


rule faithfulness:
    input:
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
    threads: torch_threads
    resources:
        mem_mb=growing(4000),
        runtime=growing(120),
    params:
        options=predict_options,
        epochs="results/{dataset}/epochs",
        events="results/{dataset}/events",
        code=code_version("faithfulness"),
    script:
        "../scripts/faithfulness.py"


rule sanity:
    input:
        model="results/{dataset}/{experiment}/fold-{fold}/model.safetensors",
        card="results/{dataset}/{experiment}/fold-{fold}/model.json",
        maps="results/{dataset}/{experiment}/fold-{fold}/maps.safetensors",
        twins=twins("model.safetensors"),
        twin_cards=twins("model.json"),
    output:
        "results/{dataset}/{experiment}/fold-{fold}/sanity.tsv",
    log:
        "results/{dataset}/logs/sanity/{experiment}/fold-{fold}.log",
    benchmark:
        "results/{dataset}/benchmarks/sanity/{experiment}/fold-{fold}.tsv"
    conda:
        "../../envs/explain.yaml"
    threads: torch_threads
    resources:
        mem_mb=growing(4000),
        runtime=growing(120),
    params:
        options=predict_options,
        epochs="results/{dataset}/epochs",
        code=code_version("sanity"),
    script:
        "../scripts/sanity.py"


rule align:
    input:
        maps=of_each_fold("maps.safetensors"),
        # Made after all recordings have their events; naming each of thousands would slow the planning.
        events="results/{dataset}/event_counts.tsv",
    output:
        alignment="results/{dataset}/{experiment}/explanations/alignment.tsv",
        detectors="results/{dataset}/{experiment}/explanations/detectors.tsv",
        bands="results/{dataset}/{experiment}/explanations/bands.tsv",
    log:
        "results/{dataset}/logs/align/{experiment}.log",
    benchmark:
        "results/{dataset}/benchmarks/align/{experiment}.tsv"
    conda:
        "../../envs/explain.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(60),
    params:
        epochs="results/{dataset}/epochs",
        events="results/{dataset}/events",
        code=code_version("align"),
    script:
        "../scripts/align.py"


rule night:
    input:
        maps=of_each_fold("maps.safetensors"),
        bands="results/{dataset}/{experiment}/explanations/bands.tsv",
        predictions=of_each_fold("predictions.parquet"),
        by_recording="results/{dataset}/{experiment}/metrics_by_recording.tsv",
    output:
        "results/{dataset}/{experiment}/explanations/night.safetensors",
    log:
        "results/{dataset}/logs/night/{experiment}.log",
    benchmark:
        "results/{dataset}/benchmarks/night/{experiment}.tsv"
    conda:
        "../../envs/explain.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(10),
    params:
        epochs="results/{dataset}/epochs",
        code=code_version("night"),
    script:
        "../scripts/night.py"


rule explanation_tables:
    input:
        alignment="results/{dataset}/{experiment}/explanations/alignment.tsv",
        detectors="results/{dataset}/{experiment}/explanations/detectors.tsv",
        bands="results/{dataset}/{experiment}/explanations/bands.tsv",
        curves=of_each_fold("curves.tsv"),
        removal=of_each_fold("removal.tsv"),
        sanity=of_each_fold("sanity.tsv"),
        maps=of_each_fold("maps.safetensors"),
        predictions=of_each_fold("predictions.parquet"),
    output:
        alignment="reports/{dataset}/{experiment}/explanations/tables/alignment.tsv",
        faithfulness="reports/{dataset}/{experiment}/explanations/tables/faithfulness.tsv",
        curves="reports/{dataset}/{experiment}/explanations/tables/curves.tsv",
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
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(10),
    params:
        code=code_version("explanation_tables"),
    script:
        "../scripts/explanation_tables.py"


rule figure_faithfulness:
    input:
        curves="reports/{dataset}/{experiment}/explanations/tables/curves.tsv",
    output:
        png=report(
            "reports/{dataset}/{experiment}/explanations/figures/faithfulness.png",
            caption="../report/faithfulness.rst",
            category="{dataset}",
            subcategory="{experiment}",
            labels={"experiment": "{experiment}", "what": "explanations: faithfulness"},
        ),
        svg="reports/{dataset}/{experiment}/explanations/figures/faithfulness.svg",
    log:
        "results/{dataset}/logs/figure_faithfulness/{experiment}.log",
    benchmark:
        "results/{dataset}/benchmarks/figure_faithfulness/{experiment}.tsv"
    conda:
        "../../envs/figures.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        figure="faithfulness",
        code=code_version("figure", "hypnolens.plots.faithfulness"),
    script:
        "../scripts/figure.py"


rule figure_sanity:
    input:
        sanity="reports/{dataset}/{experiment}/explanations/tables/sanity.tsv",
    output:
        png=report(
            "reports/{dataset}/{experiment}/explanations/figures/sanity.png",
            caption="../report/sanity.rst",
            category="{dataset}",
            subcategory="{experiment}",
            labels={"experiment": "{experiment}", "what": "explanations: sanity"},
        ),
        svg="reports/{dataset}/{experiment}/explanations/figures/sanity.svg",
    log:
        "results/{dataset}/logs/figure_sanity/{experiment}.log",
    benchmark:
        "results/{dataset}/benchmarks/figure_sanity/{experiment}.tsv"
    conda:
        "../../envs/figures.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        figure="sanity",
        code=code_version("figure", "hypnolens.plots.sanity"),
    script:
        "../scripts/figure.py"


rule figure_bands:
    input:
        bands="reports/{dataset}/{experiment}/explanations/tables/bands.tsv",
    output:
        png=report(
            "reports/{dataset}/{experiment}/explanations/figures/bands.png",
            caption="../report/bands.rst",
            category="{dataset}",
            subcategory="{experiment}",
            labels={"experiment": "{experiment}", "what": "explanations: bands"},
        ),
        svg="reports/{dataset}/{experiment}/explanations/figures/bands.svg",
    log:
        "results/{dataset}/logs/figure_bands/{experiment}.log",
    benchmark:
        "results/{dataset}/benchmarks/figure_bands/{experiment}.tsv"
    conda:
        "../../envs/figures.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        figure="bands",
        code=code_version("figure", "hypnolens.plots.bands"),
    script:
        "../scripts/figure.py"


rule figure_night:
    input:
        night="results/{dataset}/{experiment}/explanations/night.safetensors",
    output:
        png=report(
            "reports/{dataset}/{experiment}/explanations/figures/night.png",
            caption="../report/night.rst",
            category="{dataset}",
            subcategory="{experiment}",
            labels={"experiment": "{experiment}", "what": "explanations: night"},
        ),
        svg="reports/{dataset}/{experiment}/explanations/figures/night.svg",
    log:
        "results/{dataset}/logs/figure_night/{experiment}.log",
    benchmark:
        "results/{dataset}/benchmarks/figure_night/{experiment}.tsv"
    conda:
        "../../envs/figures.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        figure="night",
        code=code_version("figure", "hypnolens.plots.night"),
    script:
        "../scripts/figure.py"


rule explanation_report:
    input:
        tables=expand(
            "reports/{dataset}/{experiment}/explanations/tables/{table}.tsv",
            table=EXPLANATION_TABLES,
            allow_missing=True,
        ),
        figures=explanation_figures,
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
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        kind=lambda wildcards: dataset_of(wildcards.dataset)["kind"],
        sample=EXPLAINED,
        code=code_version("explanation_report", "workflow/notebooks/explanations.ipynb"),
    script:
        "../scripts/explanation_report.py"
