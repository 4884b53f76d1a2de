# Enters: nights of one's own, and a model. Leaves: for each night what `hypnolens score` leaves; a table of all nights.
# Why: a folder of nights on a cluster is one job a night; the command does the same on one machine.


rule score_night:
    input:
        unpack(ask(PLAN.night_files)),
    output:
        summary="reports/scores/{night}/{night}.json",
        stages="reports/scores/{night}/{night}-stages.tsv",
        hypnogram="reports/scores/{night}/{night}-hypnogram.edf",
        yasa="reports/scores/{night}/{night}-yasa.json",
        statistics="reports/scores/{night}/{night}-statistics.tsv",
        transitions="reports/scores/{night}/{night}-transitions.tsv",
        page=report(
            "reports/scores/{night}/{night}.html",
            caption="../report/score.rst",
            category="scored nights",
            labels={"night": "{night}", "what": "page"},
        ),
    log:
        "results/logs/score/{night}.log",
    benchmark:
        "results/benchmarks/score/{night}.tsv"
    conda:
        "../../envs/score.yaml"
    threads: ask(PLAN.score_threads)
    resources:
        **scaled_by_attempt(mem_mb=4000, runtime=30),
    params:
        options=ask(PLAN.score_options),
        code=code_version(
            "score",
            "hypnolens/data/demo-SIMULATED-NIGHTS-not-for-real-use/fold-0/model.safetensors",
            "hypnolens/data/demo-SIMULATED-NIGHTS-not-for-real-use/fold-0/model.json",
            "hypnolens/data/demo-SIMULATED-NIGHTS-not-for-real-use/fold-1/model.safetensors",
            "hypnolens/data/demo-SIMULATED-NIGHTS-not-for-real-use/fold-1/model.json",
            "hypnolens/scoring/page/page.js",
            "hypnolens/scoring/page/edit.js",
            "hypnolens/scoring/page/page.html",
            "hypnolens/scoring/page/tables.html",
            "hypnolens/scoring/page/page.css",
        ),
    script:
        "../scripts/score.py"


rule scores:
    input:
        summaries=each("reports/scores/{night}/{night}.json", night=PLAN.nights),
    output:
        report(
            "reports/scores/scores.tsv",
            caption="../report/scores_of_nights.rst",
            category="scored nights",
            labels={"night": "all", "what": "statistics"},
        ),
    log:
        "results/logs/scores.log",
    benchmark:
        "results/benchmarks/scores.tsv"
    conda:
        "../../envs/figures.yaml"
    resources:
        **scaled_by_attempt(mem_mb=1000, runtime=10),
    params:
        code=code_version("scores"),
    script:
        "../scripts/scores.py"
