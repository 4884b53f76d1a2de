# Enters: what a dataset holds, and results of an experiment. Leaves: figures, each as PNG and SVG, with a caption for Snakemake's report.
# Why: a rule a figure, each with the hash of its own code, so that a change of one redraws that one only.


rule figure_recordings:
    input:
        hypnograms="results/{dataset}/hypnograms.safetensors",
        recordings="results/{dataset}/recordings.tsv",
    output:
        png=report(
            "reports/{dataset}/figures/recordings.png",
            caption="../report/recordings.rst",
            category="{dataset}",
            labels={"experiment": "all", "what": "recordings"},
        ),
        svg="reports/{dataset}/figures/recordings.svg",
    log:
        "results/{dataset}/logs/figures/recordings.log",
    benchmark:
        "results/{dataset}/benchmarks/figures/recordings.tsv"
    conda:
        "../../envs/figures.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        figure="recordings",
        code=code_version("figure", "hypnolens.plots.recordings"),
    script:
        "../scripts/figure.py"


rule figure_stages:
    input:
        counts="reports/{dataset}/tables/counts.tsv",
    output:
        png=report(
            "reports/{dataset}/figures/stages.png",
            caption="../report/distribution.rst",
            category="{dataset}",
            labels={"experiment": "all", "what": "distribution of stages"},
        ),
        svg="reports/{dataset}/figures/stages.svg",
    log:
        "results/{dataset}/logs/figures/stages.log",
    benchmark:
        "results/{dataset}/benchmarks/figures/stages.tsv"
    conda:
        "../../envs/figures.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        figure="stages",
        code=code_version("figure", "hypnolens.plots.stages"),
    script:
        "../scripts/figure.py"


rule figure_cost:
    input:
        cost="reports/{dataset}/tables/cost.tsv",
    output:
        png=report(
            "reports/{dataset}/figures/cost.png",
            caption="../report/cost.rst",
            category="{dataset}",
            labels={"experiment": "all", "what": "time and score"},
        ),
        svg="reports/{dataset}/figures/cost.svg",
    log:
        "results/{dataset}/logs/figures/cost.log",
    benchmark:
        "results/{dataset}/benchmarks/figures/cost.tsv"
    conda:
        "../../envs/figures.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        figure="cost",
        code=code_version("figure", "hypnolens.plots.cost"),
    script:
        "../scripts/figure.py"


rule figure_confusion_matrix:
    input:
        metrics="results/{dataset}/{experiment}/metrics.json",
    output:
        png=report(
            "reports/{dataset}/{experiment}/figures/confusion_matrix.png",
            caption="../report/confusion_matrix.rst",
            category="{dataset}",
            subcategory="{experiment}",
            labels={"experiment": "{experiment}", "what": "confusion matrix"},
        ),
        svg="reports/{dataset}/{experiment}/figures/confusion_matrix.svg",
    log:
        "results/{dataset}/logs/figures/{experiment}/confusion_matrix.log",
    benchmark:
        "results/{dataset}/benchmarks/figures/{experiment}/confusion_matrix.tsv"
    conda:
        "../../envs/figures.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        figure="confusion_matrix",
        code=code_version("figure", "hypnolens.plots.confusion_matrix"),
    script:
        "../scripts/figure.py"


rule figure_hypnograms:
    input:
        predictions=of_each_fold("predictions.parquet"),
        by_recording="results/{dataset}/{experiment}/metrics_by_recording.tsv",
    output:
        png=report(
            "reports/{dataset}/{experiment}/figures/hypnograms.png",
            caption="../report/hypnograms.rst",
            category="{dataset}",
            subcategory="{experiment}",
            labels={"experiment": "{experiment}", "what": "hypnograms"},
        ),
        svg="reports/{dataset}/{experiment}/figures/hypnograms.svg",
    log:
        "results/{dataset}/logs/figures/{experiment}/hypnograms.log",
    benchmark:
        "results/{dataset}/benchmarks/figures/{experiment}/hypnograms.tsv"
    conda:
        "../../envs/figures.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        figure="hypnograms",
        code=code_version("figure", "hypnolens.plots.hypnograms"),
    script:
        "../scripts/figure.py"


rule figure_training_curves:
    input:
        histories=of_each_fold("history.tsv"),
    output:
        png=report(
            "reports/{dataset}/{experiment}/figures/training_curves.png",
            caption="../report/training_curves.rst",
            category="{dataset}",
            subcategory="{experiment}",
            labels={"experiment": "{experiment}", "what": "training curves"},
        ),
        svg="reports/{dataset}/{experiment}/figures/training_curves.svg",
    log:
        "results/{dataset}/logs/figures/{experiment}/training_curves.log",
    benchmark:
        "results/{dataset}/benchmarks/figures/{experiment}/training_curves.tsv"
    conda:
        "../../envs/figures.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        figure="training_curves",
        code=code_version("figure", "hypnolens.plots.training_curves"),
    script:
        "../scripts/figure.py"


rule figure_gradcam:
    input:
        explained="results/{dataset}/{experiment}/explained.safetensors",
    output:
        png=report(
            "reports/{dataset}/{experiment}/figures/gradcam.png",
            caption="../report/gradcam.rst",
            category="{dataset}",
            subcategory="{experiment}",
            labels={"experiment": "{experiment}", "what": "explained epochs"},
        ),
        svg="reports/{dataset}/{experiment}/figures/gradcam.svg",
    log:
        "results/{dataset}/logs/figures/{experiment}/gradcam.log",
    benchmark:
        "results/{dataset}/benchmarks/figures/{experiment}/gradcam.tsv"
    conda:
        "../../envs/figures.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        figure="gradcam",
        code=code_version("figure", "hypnolens.plots.gradcam"),
    script:
        "../scripts/figure.py"


rule figure_gallery:
    input:
        explained="results/{dataset}/{experiment}/explained.safetensors",
    output:
        png=report(
            "reports/{dataset}/{experiment}/figures/gallery.png",
            caption="../report/gallery.rst",
            category="{dataset}",
            subcategory="{experiment}",
            labels={"experiment": "{experiment}", "what": "gallery of epochs"},
        ),
        svg="reports/{dataset}/{experiment}/figures/gallery.svg",
    log:
        "results/{dataset}/logs/figures/{experiment}/gallery.log",
    benchmark:
        "results/{dataset}/benchmarks/figures/{experiment}/gallery.tsv"
    conda:
        "../../envs/figures.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        figure="gallery",
        code=code_version("figure", "hypnolens.plots.gallery"),
    script:
        "../scripts/figure.py"


rule figure_tsne:
    input:
        embedding="results/{dataset}/{experiment}/embedding.tsv",
    output:
        png=report(
            "reports/{dataset}/{experiment}/figures/tsne.png",
            caption="../report/tsne.rst",
            category="{dataset}",
            subcategory="{experiment}",
            labels={"experiment": "{experiment}", "what": "t-SNE of features"},
        ),
        svg="reports/{dataset}/{experiment}/figures/tsne.svg",
    log:
        "results/{dataset}/logs/figures/{experiment}/tsne.log",
    benchmark:
        "results/{dataset}/benchmarks/figures/{experiment}/tsne.tsv"
    conda:
        "../../envs/figures.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        figure="tsne",
        code=code_version("figure", "hypnolens.plots.tsne"),
    script:
        "../scripts/figure.py"


rule figure_calibration:
    input:
        reliability="reports/{dataset}/{experiment}/tables/reliability.tsv",
        calibration="reports/{dataset}/{experiment}/tables/calibration.tsv",
    output:
        png=report(
            "reports/{dataset}/{experiment}/figures/calibration.png",
            caption="../report/calibration.rst",
            category="{dataset}",
            subcategory="{experiment}",
            labels={"experiment": "{experiment}", "what": "calibration"},
        ),
        svg="reports/{dataset}/{experiment}/figures/calibration.svg",
    log:
        "results/{dataset}/logs/figures/{experiment}/calibration.log",
    benchmark:
        "results/{dataset}/benchmarks/figures/{experiment}/calibration.tsv"
    conda:
        "../../envs/figures.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        figure="calibration",
        code=code_version("figure", "hypnolens.plots.calibration"),
    script:
        "../scripts/figure.py"


rule figure_transitions:
    input:
        transitions="reports/{dataset}/{experiment}/tables/transitions.tsv",
    output:
        png=report(
            "reports/{dataset}/{experiment}/figures/transitions.png",
            caption="../report/transitions.rst",
            category="{dataset}",
            subcategory="{experiment}",
            labels={"experiment": "{experiment}", "what": "accuracy around transitions"},
        ),
        svg="reports/{dataset}/{experiment}/figures/transitions.svg",
    log:
        "results/{dataset}/logs/figures/{experiment}/transitions.log",
    benchmark:
        "results/{dataset}/benchmarks/figures/{experiment}/transitions.tsv"
    conda:
        "../../envs/figures.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        figure="transitions",
        code=code_version("figure", "hypnolens.plots.transitions"),
    script:
        "../scripts/figure.py"


rule figure_agreement:
    input:
        statistics="reports/{dataset}/{experiment}/tables/statistics.tsv",
        agreement="reports/{dataset}/{experiment}/tables/agreement.tsv",
    output:
        png=report(
            "reports/{dataset}/{experiment}/figures/agreement.png",
            caption="../report/agreement.rst",
            category="{dataset}",
            subcategory="{experiment}",
            labels={"experiment": "{experiment}", "what": "sleep statistics"},
        ),
        svg="reports/{dataset}/{experiment}/figures/agreement.svg",
    log:
        "results/{dataset}/logs/figures/{experiment}/agreement.log",
    benchmark:
        "results/{dataset}/benchmarks/figures/{experiment}/agreement.tsv"
    conda:
        "../../envs/figures.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        figure="agreement",
        code=code_version("figure", "hypnolens.plots.agreement"),
    script:
        "../scripts/figure.py"


rule figure_architecture:
    input:
        architecture="results/{dataset}/{experiment}/architecture.json",
    output:
        png=report(
            "reports/{dataset}/{experiment}/figures/architecture.png",
            caption="../report/architecture.rst",
            category="{dataset}",
            subcategory="{experiment}",
            labels={"experiment": "{experiment}", "what": "architecture"},
        ),
        svg="reports/{dataset}/{experiment}/figures/architecture.svg",
    log:
        "results/{dataset}/logs/figures/{experiment}/architecture.log",
    benchmark:
        "results/{dataset}/benchmarks/figures/{experiment}/architecture.tsv"
    conda:
        "../../envs/figures.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        figure="architecture",
        code=code_version("figure", "hypnolens.plots.architecture"),
    script:
        "../scripts/figure.py"


rule figure_f1_bars:
    input:
        families="reports/{dataset}/tables/families.tsv",
        paper="reports/{dataset}/tables/paper.tsv",
    output:
        png=report(
            "reports/{dataset}/figures/f1_bars.png",
            caption="../report/f1_bars.rst",
            category="{dataset}",
            labels={"experiment": "all", "what": "F1 by stage, the paper's and ours"},
        ),
        svg="reports/{dataset}/figures/f1_bars.svg",
    log:
        "results/{dataset}/logs/figures/f1_bars.log",
    benchmark:
        "results/{dataset}/benchmarks/figures/f1_bars.tsv"
    conda:
        "../../envs/figures.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        figure="f1_bars",
        code=code_version("figure", "hypnolens.plots.f1_bars"),
    script:
        "../scripts/figure.py"
