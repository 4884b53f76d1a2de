"""Snakemake's own view of the workflow, without starting it: its rules, and the jobs that it would run."""

import contextlib
import io
import os
import re
import signal
from collections import Counter
from functools import cache
from pathlib import Path
from types import SimpleNamespace

from snakemake.api import SnakemakeApi
from snakemake.settings.types import ConfigSettings, DAGSettings, OutputSettings, Quietness, ResourceSettings

from hypnolens.pipeline.provenance import sources
from tests.conftest import ROOT


def _workflow(folder, *targets, configfiles=(), config=None, snakefile=ROOT / "Snakefile"):
    """The workflow after its plan was made in a folder; what it prints goes nowhere."""
    before, environment = Path.cwd(), dict(os.environ)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    os.chdir(folder)
    try:
        with (
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()),
            SnakemakeApi(OutputSettings(dryrun=True, quiet={Quietness.ALL})) as api,
        ):
            workflow = api.workflow(
                resource_settings=ResourceSettings(cores=2),
                config_settings=ConfigSettings(configfiles=[*map(Path, configfiles)], config=config or {}),
                snakefile=snakefile,
            )
            workflow.dag(dag_settings=DAGSettings(targets=set(targets))).execute_workflow(executor="dryrun")
            return workflow._workflow
    finally:
        os.chdir(before)
        os.environ.clear()
        os.environ.update(environment)
        for number, handler in handlers.items():
            signal.signal(number, handler)


def planned(folder, *targets, **given):
    """Jobs that would run in a folder.

    Raises
    ------
    SystemExit
        The configuration cannot be used; with the line that a user sees.
    """
    return [job for job in _workflow(folder, *targets, **given).dag.jobs if job.rule.name]


def begin(folder, *, executor="local", **given):
    """Do what is done before the first job of a run.

    Raises
    ------
    SystemExit
        It cannot begin; with the line that a user sees.
    """
    workflow = _workflow(folder, **given)
    workflow._executor_plugin = SimpleNamespace(name=executor)
    with contextlib.chdir(folder):
        workflow._onstart("log")


def counted(jobs):
    """Jobs by rule."""
    return Counter(job.rule.name for job in jobs)


@cache
def rules():
    """All rules of the workflow, by name."""
    workflow = _workflow("/tmp", config={"run": ["sim"]})
    return {rule.name: rule for rule in workflow.rules}


def script_of(rule):
    """Name of a rule's script; `None` for a target."""
    return rule.script and Path(str(rule.script)).stem


def environment_of(rule):
    """Name of a rule's environment; `None` for a target."""
    return rule.conda_env and Path(str(rule.conda_env)).stem


def sources_of(rule):
    """Files of the project that a rule runs: its script, what that imports, and what it is told to import by name."""
    params = dict(rule.params.items())
    named = [params["networks"]] if "networks" in params else []
    script = (ROOT / "workflow" / "scripts" / f"{script_of(rule)}.py").read_text()
    named += [f"workflow/notebooks/{notebook}.ipynb" for notebook in re.findall(r'\bexecute\("(\w+)"', script)]
    named += [f"hypnolens.plots.{params['figure']}"] if "figure" in params else []
    return sources(ROOT, script_of(rule), *named)
