# Enters: the epochs of a recording, and its known events if there are some. Leaves: its events, found and known.
# Why: maps of attribution are drawn beside events and measured against them; finding them needs no network.


rule events:
    input:
        epochs="results/{dataset}/epochs/{recording}.safetensors",
        known=ask(PLAN.known_events),
    output:
        "results/{dataset}/events/{recording}.tsv",
    log:
        "results/{dataset}/logs/events/{recording}.log",
    benchmark:
        "results/{dataset}/benchmarks/events/{recording}.tsv"
    conda:
        "../../envs/explain.yaml"
    resources:
        **scaled_by_attempt(mem_mb=2000, runtime=20),
    params:
        code=code_version("events"),
    script:
        "../scripts/events.py"


rule count_events:
    input:
        events=each("results/{dataset}/events/{recording}.tsv", recording=PLAN.recordings),
    output:
        "results/{dataset}/event_counts.tsv",
    log:
        "results/{dataset}/logs/count_events.log",
    benchmark:
        "results/{dataset}/benchmarks/count_events.tsv"
    conda:
        "../../envs/figures.yaml"
    resources:
        **scaled_by_attempt(mem_mb=1000, runtime=30),
    params:
        code=code_version("count_events"),
    script:
        "../scripts/count_events.py"
