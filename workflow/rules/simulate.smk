# Enters: nothing but a seed. Leaves: simulated nights as EDF+ files in Sleep-EDF's manner, with the true events.
# Why: the whole chain can run, and explanations can be tested against a known truth, where no real data is at hand.


rule simulate:
    output:
        psg="data/simulate/seed-{seed}_hours-{hours}{derivations}/SIM{subject}N{night}-PSG.edf",
        hypnogram="data/simulate/seed-{seed}_hours-{hours}{derivations}/SIM{subject}N{night}-Hypnogram.edf",
        events="data/simulate/seed-{seed}_hours-{hours}{derivations}/SIM{subject}N{night}-events.tsv",
    log:
        "data/simulate/seed-{seed}_hours-{hours}{derivations}/logs/SIM{subject}N{night}.log",
    benchmark:
        "data/simulate/seed-{seed}_hours-{hours}{derivations}/benchmarks/SIM{subject}N{night}.tsv"
    wildcard_constraints:
        seed=r"\d+",
        hours=r"[\d.]+",
        derivations=r"|_[\w.+-]+",
        subject=r"\d+",
        night=r"\d+",
    conda:
        "../../envs/signal.yaml"
    resources:
        **scaled_by_attempt(mem_mb=1500, runtime=10),
    params:
        code=code_version("simulate", "hypnolens/data/sleepedf_statistics.json"),
    script:
        "../scripts/simulate.py"
