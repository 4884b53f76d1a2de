# Enters: addresses, checksums and, for SHHS, a token from the environment. Leaves: files as published, verified.
# Why: a file is fetched once, whichever dataset asks for it. No hash of the code is among the params, as a checksum says
# all there is to say of a file that is here; for the same reason outputs are `update`, which Snakemake does not delete
# before a job, so that whatever makes it run again fetches nothing that is verified. No rule names the token, which
# scripts take from the environment.


# On a cluster these run beside Snakemake itself, four at a time: compute nodes often have no way to the internet.
localrules:
    download_sleepedf,
    list_shhs,
    download_shhs,


rule download_sleepedf:
    output:
        psg=update("data/sleepedf/{night}{scorer}/{night}0-PSG.edf"),
        hypnogram=update("data/sleepedf/{night}{scorer}/{night}{scorer}-Hypnogram.edf"),
        source=update("data/sleepedf/{night}{scorer}/source.tsv"),
    log:
        "data/sleepedf/logs/{night}{scorer}.log",
    benchmark:
        "data/sleepedf/benchmarks/{night}{scorer}.tsv"
    wildcard_constraints:
        night=r"SC4\d{3}[A-Z]",
        scorer="[A-Z]",
    conda:
        "../../envs/download.yaml"
    resources:
        **scaled_by_attempt(mem_mb=500, runtime=240),
        downloads=1,
    params:
        checksums=ask(PLAN.checksums),
    script:
        "../scripts/download_sleepedf.py"


rule list_shhs:
    output:
        "data/shhs/files.tsv",
    log:
        "data/shhs/logs/files.log",
    benchmark:
        "data/shhs/benchmarks/files.tsv"
    conda:
        "../../envs/download.yaml"
    resources:
        **scaled_by_attempt(mem_mb=500, runtime=30),
        downloads=1,
    script:
        "../scripts/list_shhs.py"


rule download_shhs:
    input:
        files=ancient("data/shhs/files.tsv"),
    output:
        psg=update("data/shhs/{recording}.edf"),
        hypnogram=update("data/shhs/{recording}-profusion.xml"),
        source=update("data/shhs/{recording}-source.tsv"),
    log:
        "data/shhs/logs/{recording}.log",
    benchmark:
        "data/shhs/benchmarks/{recording}.tsv"
    wildcard_constraints:
        recording=r"shhs1-\d{6}",
    conda:
        "../../envs/download.yaml"
    resources:
        **scaled_by_attempt(mem_mb=500, runtime=240),
        downloads=1,
    script:
        "../scripts/download_shhs.py"
