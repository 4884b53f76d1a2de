"""hypnolens as a part of another workflow: a clone as Snakemake's module, and rules that are fetched file by file."""

import shutil
import subprocess
import sys
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest
import yaml

from tests.conftest import ROOT
from tests.planning import counted, planned
from tests.workflow.conftest import SIMULATED, TINY

CONFIG = {"run": ["mini"], "datasets": {"mini": SIMULATED}, "experiments": {"tiny": TINY}}

IMPORTING = """\
configfile: "mine.yaml"


module hypnolens:
    snakefile:
        "{snakefile}"
    config:
        config


use rule * from hypnolens{renamed}


rule mine:
    default_target: True
    input:
        rules.{all}.input,
    output:
        "mine.txt",
    shell:
        "touch {{output}}"
"""


def _importing(folder, snakefile=ROOT / "workflow" / "Snakefile", prefix=""):
    """A workflow of somebody's own that uses hypnolens as a module."""
    renamed = f" as {prefix}*" if prefix else ""
    path = folder / "Snakefile"
    path.write_text(IMPORTING.format(snakefile=snakefile, renamed=renamed, all=f"{prefix}all"))
    (folder / "mine.yaml").write_text(yaml.safe_dump(CONFIG))
    return path


@pytest.mark.parametrize("prefix", ["", "hypnolens_"])
def test_all_of_a_clone_is_planned_from_another_folder(tmp_path, prefix):
    own = counted(planned(tmp_path, config=CONFIG))
    jobs = planned(tmp_path, snakefile=_importing(tmp_path, prefix=prefix))
    found = counted(jobs)
    assert found.pop("mine") == own.pop("all") == 1
    assert found == {f"{prefix}{rule}": number for rule, number in own.items()}
    (mine,) = (job for job in jobs if job.rule.name == "mine")
    assert set(mine.input) == {"reports/mini/report.html", "reports/paper.html"}


def test_a_module_without_a_configuration_of_its_own_runs_the_paper(tmp_path):
    path = _importing(tmp_path)
    path.write_text(
        path.read_text().replace('configfile: "mine.yaml"\n', "").replace("    config:\n        config\n", "")
    )
    assert counted(planned(tmp_path, snakefile=path))["download_sleepedf"] == 153


def test_a_bare_snakemake_in_a_clone_runs_the_paper(tmp_path):
    jobs = planned(tmp_path, config=CONFIG)
    assert counted(jobs)["all"] == 1 and "reports/paper.html" in {str(file) for job in jobs for file in job.output}


def _run(folder, *targets, code="from snakemake.cli import main; main()", **environment):
    command = [sys.executable, "-c", code, *targets, "--cores", "1"]
    given = {"PATH": "/usr/bin:/bin", "HOME": str(folder), **environment}
    run = subprocess.run(command, cwd=folder, env=given, text=True, capture_output=True, timeout=600)
    return run.returncode, run.stdout + run.stderr


@pytest.fixture
def fetched():
    """Address of a server that hands out the project file by file, as a hosting provider does."""
    handler = partial(SimpleHTTPRequestHandler, directory=ROOT)
    handler.log_message = lambda *_: None
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/workflow/Snakefile"
        server.shutdown()


def test_rules_that_are_fetched_run_with_the_installed_package(tmp_path, fetched):
    source, site = tmp_path / "source", tmp_path / "site"
    kept = shutil.ignore_patterns("__pycache__")
    for name in ("hypnolens", "workflow", "config", "envs"):
        shutil.copytree(ROOT / name, source / name, ignore=kept)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source / name)
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--target"]
    subprocess.run([*install, str(site), str(source)], check=True, capture_output=True, timeout=300)
    shutil.rmtree(source)  # what was built from is gone, as on a user's machine
    folder = tmp_path / "run"
    folder.mkdir()
    _importing(folder, snakefile=fetched)
    status, printed = _run(folder, "results/mini/recordings.tsv", PYTHONPATH=str(site))
    assert status == 0, printed
    assert (folder / "results/mini/recordings.tsv").is_file()
    # Steps see the package by a link, as what lies beside it would get into their environments.
    link = folder / ".snakemake" / "hypnolens"
    assert [path.name for path in link.iterdir()] == ["hypnolens"] and (link / "hypnolens").resolve().parent == site


def test_rules_that_are_fetched_without_the_package_end_in_one_line(tmp_path, fetched):
    _importing(tmp_path, snakefile=fetched)
    without = "import sys; sys.modules['hypnolens'] = None; from snakemake.cli import main; main()"
    status, printed = _run(tmp_path, "--dry-run", code=without)
    last = printed.strip().splitlines()[-1]
    assert status != 0 and "Traceback" not in printed
    assert last == (
        "hypnolens: there is no Python package 'hypnolens' beside Snakemake; clone the whole repository, or "
        "`pip install` the release of hypnolens whose rules these are"
    )
