"""Programs of SLURM that are looked for before the first job."""

import pytest

from hypnolens.errors import HypnolensError
from hypnolens.pipeline.slurm import check_programs

NOBODY, SOMEBODY = {"mem_mb": 1}, {"slurm_account": "a"}


@pytest.fixture
def there(tmp_path, monkeypatch):
    """Puts programs where they are looked for, and nothing else."""
    monkeypatch.setenv("PATH", str(tmp_path))

    def put(*names):
        for name in names:
            (tmp_path / name).write_text("#!/bin/sh\n")
            (tmp_path / name).chmod(0o755)

    return put


@pytest.mark.parametrize("missing", ["sbatch", "squeue", "scancel"])
def test_a_program_that_every_run_needs_is_named(there, missing):
    there(*{"sbatch", "squeue", "scancel", "sacct", "sacctmgr"} - {missing})
    with pytest.raises(HypnolensError, match=f"no program `{missing}`, which .*; start snakemake on a login node"):
        check_programs([NOBODY, SOMEBODY])


@pytest.mark.parametrize("resources, program", [([NOBODY], "sacct"), ([SOMEBODY], "sacctmgr")])
def test_who_pays_is_asked_of_one_program_or_the_other(there, resources, program):
    there("sbatch", "squeue", "scancel")
    check_programs([])
    with pytest.raises(HypnolensError, match=f"no program `{program}`"):
        check_programs(resources)
    there(program)
    check_programs(resources)
