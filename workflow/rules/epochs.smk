# Enters: a PSG and its hypnogram. Leaves: the scored 30-s epochs of one channel, and a table of all recordings.
# Why: every later step reads these files only; what was dropped, and what is odd, is written down here.


rule epochs:
    input:
        psg=psg_file,
        hypnogram=hypnogram_file,
    output:
        "results/{dataset}/epochs/{recording}.safetensors",
    log:
        "results/{dataset}/logs/epochs/{recording}.log",
    benchmark:
        "results/{dataset}/benchmarks/epochs/{recording}.tsv"
    conda:
        "../../envs/signal.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        options=recording_options,
        code=code_version("epochs"),
    script:
        "../scripts/epochs.py"


rule recordings:
    input:
        epochs=epochs_files,
    output:
        "results/{dataset}/recordings.tsv",
    log:
        "results/{dataset}/logs/recordings.log",
    benchmark:
        "results/{dataset}/benchmarks/recordings.tsv"
    conda:
        "../../envs/signal.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        code=code_version("recordings"),
    script:
        "../scripts/recordings.py"
