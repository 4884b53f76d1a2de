"""Snakemake in a few lines: what it printed in a run of two rules, a fault, and where the log is."""

import sys

from hypnolens.pipeline.brief import main, told

OUTPUT = """\
Building DAG of jobs...
Provided cores: 1 (use --cores to define parallelism)
Job stats:
job              count
-------------  -------
counts               1
figure_stages        2
total                3

Select jobs to execute...
Execute 1 jobs...
[Sun Nov 29 20:19:54 2026]
Finished jobid: 1 (Rule: counts)
1 of 3 steps (33%) done
Select jobs to execute...
[Sun Nov 29 20:20:00 2026]
Finished jobid: 0 (Rule: figure_stages)
[Sun Nov 29 20:20:01 2026]
Finished jobid: 2 (Rule: figure_stages)
3 of 3 steps (100%) done
Complete log(s): /tmp/.snakemake/log/a.snakemake.log
Elapsed time: 0:00:12.475875
""".splitlines(keepends=True)
"""As Snakemake 9.27.1 prints it with `--quiet rules host reason`, shortened."""


def test_a_rule_is_told_when_its_last_job_is_done():
    assert list(told(OUTPUT)) == [
        "  1 of 3 steps done: counts",
        "  3 of 3 steps done: figure stages",
        "The whole log: /tmp/.snakemake/log/a.snakemake.log",
    ]


def test_a_fault_shows_what_was_said_and_its_status(capfd):
    assert main([sys.executable, "-c", "print('Error in rule train:'); raise SystemExit(3)"]) == 3
    said = capfd.readouterr()
    assert (said.out, said.err) == ("", "Error in rule train:\n")
    assert main([sys.executable, "-c", "print('fine')"]) == 0
    assert capfd.readouterr() == ("", "")
