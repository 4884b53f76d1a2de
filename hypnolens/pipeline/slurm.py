"""SLURM's programs: Snakemake misses them only when outputs of jobs that it cannot submit are deleted."""

import shutil
from collections.abc import Iterable, Mapping
from typing import Any

from hypnolens.errors import HypnolensError

ALWAYS = {"sbatch": "submits jobs", "squeue": "tells how they are", "scancel": "cancels them"}
"""Programs that Snakemake's plugin calls in every run, and what each is for."""

ELSEWHERE = "start snakemake on a login node, after what puts SLURM in the PATH there (such as `module load slurm`)"

ACCOUNT = "name slurm_account: under default-resources: in site.yaml"


def check_programs(resources: Iterable[Mapping[str, Any]]) -> None:
    """Refuse to begin where a program is missing that Snakemake's plugin for SLURM calls.

    Parameters
    ----------
    resources
        Of each job that is to be submitted.

    Raises
    ------
    HypnolensError
        One is missing.

    References
    ----------
    snakemake-executor-plugin-slurm 2.8.0: ``accounts.py`` asks ``sacct`` who pays, and ``sacctmgr`` whether somebody
    who is named may.
    """
    missing = [(program, what, ELSEWHERE) for program, what in ALWAYS.items() if not shutil.which(program)]
    if not missing:
        payers = {bool(of.get("slurm_account")) for of in resources}
        if False in payers and not shutil.which("sacct"):
            missing.append(("sacct", "tells who pays where nobody is named", f"{ACCOUNT}, or {ELSEWHERE}"))
        if True in payers and not shutil.which("sacctmgr"):
            missing.append(("sacctmgr", "tells whether slurm_account: may pay", ELSEWHERE))
    for program, what, remedy in missing[:1]:
        raise HypnolensError(f"SLURM: there is no program `{program}`, which {what}; {remedy}")
