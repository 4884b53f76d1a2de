# Enters: a PSG and its hypnogram. Leaves: the scored 30-s epochs of one channel, and a table of all recordings.
# Why: every later step reads these files only; what was dropped, and what is odd, is written down here.


rule epochs:
    input:
        unpack(ask(PLAN.recording_files)),
    output:
        "results/{dataset}/epochs/{recording}.safetensors",
    log:
        "results/{dataset}/logs/epochs/{recording}.log",
    benchmark:
        "results/{dataset}/benchmarks/epochs/{recording}.tsv"
    conda:
        "../../envs/signal.yaml"
    resources:
        **scaled_by_attempt(mem_mb=2000, runtime=10),
    params:
        about=ask(PLAN.about_recording),
        options=ask(PLAN.signal_options),
        code=code_version("epochs"),
    script:
        "../scripts/epochs.py"


rule recordings:
    input:
        epochs=each("results/{dataset}/epochs/{recording}.safetensors", recording=PLAN.recordings),
    output:
        table="results/{dataset}/recordings.tsv",
        hypnograms="results/{dataset}/hypnograms.safetensors",
    log:
        "results/{dataset}/logs/recordings.log",
    benchmark:
        "results/{dataset}/benchmarks/recordings.tsv"
    conda:
        "../../envs/figures.yaml"
    resources:
        **scaled_by_attempt(mem_mb=1000, runtime=30),
    params:
        origin=ask(PLAN.origin),
        listed=ask(PLAN.listed),
        code=code_version("recordings"),
    script:
        "../scripts/recordings.py"


rule counts:
    input:
        recordings="results/{dataset}/recordings.tsv",
    output:
        stages=report(
            "reports/{dataset}/tables/counts.tsv",
            caption="../report/counts.rst",
            category="{dataset}",
            labels={"experiment": "all", "what": "epochs by stage"},
        ),
        differing="reports/{dataset}/tables/differing.tsv",
    log:
        "results/{dataset}/logs/counts.log",
    benchmark:
        "results/{dataset}/benchmarks/counts.tsv"
    conda:
        "../../envs/figures.yaml"
    resources:
        **scaled_by_attempt(mem_mb=1000, runtime=10),
    params:
        missing=ask(PLAN.missing_recordings),
        published=ask(PLAN.published_counts),
        code=code_version("counts"),
    script:
        "../scripts/counts.py"
