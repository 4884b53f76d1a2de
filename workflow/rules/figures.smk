# Enters: what a dataset holds, results of a run, and measured explanations. Leaves: figures, each as PNG and SVG, with a caption.
# Why: a rule a row of hypnolens/plots/catalogue.py, each with the hash of its own module, so that a change of one figure
# redraws that one only.


for figure in FIGURES:

    rule:
        name:
            f"figure_{figure.name}"
        input:
            **{
                name: each(pattern, fold=PLAN.folds) if "{fold}" in pattern else pattern
                for name, pattern in figure.inputs.items()
            },
        output:
            png=report(
                figure.png,
                caption=caption_of(figure),
                category="{dataset}",
                subcategory=None if figure.of == "dataset" else "{experiment}",
                labels={"experiment": "all" if figure.of == "dataset" else "{experiment}", "what": figure.what},
            ),
            svg=f"{figure.stem}.svg",
        log:
            f"results/{{dataset}}/logs/figures/{figure.label}.log",
        benchmark:
            f"results/{{dataset}}/benchmarks/figures/{figure.label}.tsv"
        conda:
            "../../envs/figures.yaml"
        resources:
            **scaled_by_attempt(mem_mb=2000, runtime=10),
        params:
            figure=figure.name,
            code=code_version("figure", f"hypnolens.plots.{figure.name}"),
        script:
            "../scripts/figure.py"
