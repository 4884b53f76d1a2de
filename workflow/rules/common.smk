# Enters: the configuration and the names of files. Leaves: what rules ask for with `input:` and `params:`.
# Why: thin adapters of hypnolens/plan.py, which knows the answers and can be tested without Snakemake; no rules.
import atexit
import inspect
import math
import os
import shlex
import sys
from contextlib import contextmanager
from pathlib import Path

CLONE = Path(workflow.current_basedir.get_path_or_uri(secret_free=True)).parents[1]
if (CLONE / "hypnolens").is_dir():
    sys.path.insert(0, str(CLONE))

try:
    from hypnolens import plan
except ModuleNotFoundError as error:
    sys.exit(
        f"hypnolens: there is no Python package '{error.name}' beside Snakemake; clone the whole repository, or "
        "`pip install` the release of hypnolens whose rules these are"
    )

from hypnolens.errors import HypnolensError
from hypnolens.io.shipped import HOME, TABLES, search_path
from hypnolens.pipeline import configuration, gpus, keys, provenance
from hypnolens.pipeline.logs import failures
from hypnolens.pipeline.progress import stay_alive
from hypnolens.pipeline.slurm import check_programs
from hypnolens.plots.catalogue import FIGURES
from hypnolens.terminal import say

# Scripts run in environments that hold their tools but not hypnolens itself.
os.environ.update(PYTHONPATH=os.pathsep.join(filter(None, [search_path(), os.getenv("PYTHONPATH")])))
# What pip adds to the pins of a conda environment comes in the versions that the tests run, too.
if (HOME / "requirements.lock").is_file():
    os.environ.setdefault("PIP_CONSTRAINT", (HOME / "requirements.lock").as_uri())

# What the page over all datasets quotes. Jobs are processes of their own, which inherit it.
os.environ.setdefault("HYPNOLENS_COMMAND", shlex.join(["snakemake", *sys.argv[1:]]))

PAPER_TABLES = (
    "overall", "stages", "methods", "protocols", "seeds", "ablations", "paired", "stride", "calibration", "transitions",
    "sleep_statistics",
)  # fmt: skip
EXPLANATION_TABLES = (
    "alignment",
    "contrasts",
    "faithfulness",
    "spectrum",
    "removal",
    "sanity",
    "bands",
    "detectors",
    "context",
)
# What every page is made of, besides its notebook.
CAPTIONS = [f"workflow/report/figures/{figure.name}.rst" for figure in FIGURES]
# What a release holds of the project itself.
RELEASED = [
    path for path in [*sorted(HOME.glob("envs/*.yaml")), HOME / "requirements.lock", HOME / "LICENSE"] if path.is_file()
]
# What every method explains: correctly staged epochs of each stage of a recording, recordings of a fold, and the seed of
# their draw.
EXPLAINED = {"sample": 20, "recordings": 40, "seed": 0}


@contextmanager
def one_line():
    """End a run whose configuration or data cannot be used with the one line that says so."""
    try:
        yield
    except HypnolensError as error:
        sys.exit(str(error))


with one_line():
    PLAN = plan.Plan(configuration.load(config, HOME), TABLES, logger.warning)
# What download scripts read, with its defaults; see workflow/rules/download.smk.
config["download"] = PLAN.configuration.download
# Rules of a workflow of which this one is a module.
OTHERS = {other.name for other in workflow.rules}


wildcard_constraints:
    dataset="[A-Za-z0-9_-]+",
    experiment="[A-Za-z0-9_-]+",
    recording=r"[A-Za-z0-9._-]+",
    fold="[0-9]{1,9}",


# Given once, as Snakemake asks for it ten times a job.
OF_WILDCARDS = inspect.signature(lambda wildcards: None)


def code_version(script, *more):
    """Content hash of a script and of all of hypnolens that it runs, and of more modules or files."""
    return provenance.code_version(HOME, script, *more)


def ask(method):
    """Input or params function: what a method of the plan answers for the wildcards that its parameters are called like."""

    def answer(wildcards):
        with one_line():
            return plan.ask(method, dict(wildcards.items()))

    answer.method, answer.__signature__ = method, OF_WILDCARDS
    return answer


def each(pattern, **over):
    """Input function: files of a pattern, one for each value of more wildcards, see `hypnolens.plan.files_of`."""

    def files(wildcards):
        with one_line():
            return plan.files_of(pattern, dict(wildcards.items()), over)

    files.over, files.__signature__ = over, OF_WILDCARDS
    return files


def key_of(rule):
    """Input function: the file that says how a rule is made, see `hypnolens.pipeline.keys`."""
    params = {name: getattr(value, "method", value) for name, value in rule.params.items()}
    overs = [item.over for item in rule.input if hasattr(item, "over")]
    done = set()

    def key(wildcards):
        known = {name: value for name, value in wildcards.items() if name in ("dataset", "experiment")}
        path = keys.place(rule.name, **known)
        if path not in done:
            with one_line():
                keys.keep(path, plan.said(params, overs, known))
            # Snakemake may have listed the folder before, and would take the file for missing.
            workflow.iocache.exists_local[str(path)] = True
            done.add(path)
        return str(path)

    key.__signature__ = OF_WILDCARDS
    return key


def runs_with_model(*models):
    """Constraint of the wildcard `experiment`: the runs of some models."""
    return PLAN.runs_with_model(*models)


def scaled_by_attempt(**amounts):
    """Memory and minutes that a job asks for: as much again at each attempt, of which profiles/slurm makes several.

    A day at most: a partition that allows a day would let a job wait for ever that asks for more. Checkpoints outlive it.
    """
    most = {"mem_mb": math.inf, "runtime": 24 * 60}
    return {name: lambda wildcards, attempt, name=name: min(amounts[name] * attempt, most[name]) for name in amounts}


def begin():
    """Before the first job, and before outputs are deleted that it makes anew: see that jobs can be submitted."""
    if workflow.executor_plugin.name == "slurm":
        with one_line():
            check_programs(job.resources for job in workflow.dag.needrun_jobs() if not job.is_local)
    elif any(job.rule.resources.get("gpu") for job in workflow.dag.needrun_jobs()):
        say(f"GPU: {gpus.sentence()}", file=sys.stderr)
    stay_alive(Path())
    # Snakemake 9 limits jobs to a hundred a second, and for that wakes its scheduler a second after each time that it
    # woke: every finished job adds one more such chain, until the scheduler of a run of thousands of steps fills a core.
    workflow.scheduler.job_rate_limiter = None


def caption_of(figure):
    """File of a figure's caption; a figure without one ends the run."""
    with one_line():
        return str(figure.caption)
