"""profiles/slurm on a real SLURM: what its jobs ask for, that results are those of one machine, and faults."""

import re

import pytest
import yaml

from tests.cluster import faults
from tests.cluster.chain import FOLDS, SITE, TABLES, Chain
from tests.planning import rules

CONFIG = yaml.safe_load((SITE.parent / "config.yaml").read_text())
VARIANTS = re.findall(r"^  (?:# )?train: &network (\{.*?\})", SITE.read_text(), re.M)


def _site(tmp_path, line: str):
    """The site's file with another line for the jobs of networks."""
    path = tmp_path / "site.yaml"
    path.write_text(re.sub(r"^  train: &network .*$", f"  train: &network {line}", SITE.read_text(), flags=re.M))
    return path


def _planned(chain, *arguments) -> str:
    run = chain.run(*arguments, "--dry-run")
    assert run.returncode == 0, run.stdout
    return run.stdout


def _asked(text: str, rule: str) -> dict[str, str]:
    """Resources that a dry run shows for a rule."""
    (block,) = set(re.findall(rf"^rule {rule}:\n(?:    .*\n)*?    resources: (.*)$", text, re.M))
    return dict(pair.split("=", 1) for pair in block.split(", "))


def _by_stage(jobs) -> dict[str, list]:
    return {stage: [job for job in jobs if faults.stage_of(job) == stage] for stage in faults.STAGES}


# What can be seen without a cluster.


def test_many_extractions_are_few_entries_of_the_queue(plugin, tmp_path):
    recordings, at_most = 620, CONFIG["group-components"]["epochs"]
    folder = tmp_path / "shhs"
    folder.mkdir()
    for number in range(200001, 200001 + recordings):
        (folder / f"shhs1-{number}.edf").touch()
        (folder / f"shhs1-{number}-profusion.xml").touch()
    chain = Chain.made(tmp_path / "run", site=SITE)
    chain.configure(datasets={"shhs": {"kind": "shhs", "path": str(folder), "recordings": "all",
                                       "experiments": ["tiny"], "compared": []}})  # fmt: skip
    text = _planned(chain, "results/shhs/recordings.tsv")
    assert re.search(rf"^epochs +{recordings}$", text, re.M)
    assert len(re.findall(r"group job epochs ", text, re.I)) == -(-recordings // at_most) == 13
    assert -(-5793 // at_most) == 116


def test_all_figures_are_of_one_group():
    figures = {rule: "figures" for rule in rules() if rule.startswith("figure_")}
    assert figures.items() <= CONFIG["groups"].items() and CONFIG["groups"].keys() <= rules().keys()
    assert CONFIG["group-components"].keys() == set(CONFIG["groups"].values())


@pytest.mark.parametrize("line", VARIANTS)
def test_each_line_of_the_sites_file_asks_for_what_it_says(plugin, tmp_path, line):
    chain = Chain.made(tmp_path / "run", site=_site(tmp_path, line))
    text = _planned(chain, *TABLES)
    wanted = {key: str(value) for key, value in yaml.safe_load(line).items() if key != "runtime"}
    for rule in ("train", "predict"):
        assert wanted.items() <= _asked(text, rule).items()
    assert "gpu" not in _asked(text, "evaluate") and _asked(text, "evaluate")["slurm_partition"] == "cpu"
    assert _asked(text, "train")["mem_mb"] == "8000" and _asked(text, "train")["runtime"] == "720"


def test_there_are_lines_for_gpus_by_gpu_and_by_gres_and_one_for_none():
    lines = [yaml.safe_load(line) for line in VARIANTS]
    assert [line for line in lines if line.get("gpu") == 1 and "gres" not in line]
    assert [line for line in lines if line.get("gres") == "gpu:1" and line["gpu"] == 0]
    assert [line for line in lines if line == {"gpu": 0}]


# On a cluster.


def test_the_cluster_gives_what_one_core_and_two_cores_give(on_the_cluster, on_one_core, tmp_path):
    on_two = Chain.made(tmp_path / "two")
    run = on_two.run(*TABLES, cores=2)
    assert run.returncode == 0, run.stdout
    assert on_the_cluster.differences(on_one_core) == [] == on_two.differences(on_one_core)


def test_short_jobs_share_entries_of_the_queue_and_networks_go_to_the_gpus(cluster, on_the_cluster):
    jobs = [job for job in cluster.jobs() if job.folder == str(on_the_cluster.folder)]
    assert {job.state for job in jobs} == {"COMPLETED"} and {job.name[:10] for job in jobs} == {"hypnolens_"}
    of = _by_stage(jobs)
    entries = {"simulate": 1, "epochs": 1, "train": len(FOLDS), "predict": len(FOLDS), "evaluate": 1}
    assert {stage: len(of[stage]) for stage in entries} == entries
    assert {job.node for job in of["train"] + of["predict"]} == {"g1"}
    assert {job.partition for job in jobs if job.node != "g1"} == {"cpu"}
    asked = cluster.command("scontrol", "show", "job", of["train"][0].id)
    assert "TresPerJob=gres:gpu:1" in asked and "MinMemoryNode=8000M" in asked and "TimeLimit=12:00:00" in asked


def test_output_of_slurms_jobs_is_in_one_place_and_goes_when_they_succeed(on_the_cluster):
    text = (on_the_cluster.folder / "snakemake.txt").read_text()
    logs = re.findall(r"submitted with SLURM jobid \d+ \(log: (.*)\)", text)
    assert {log.startswith(f"{on_the_cluster.folder}/results/logs/slurm/") for log in logs} == {True}
    assert not list(on_the_cluster.folder.glob("results/logs/slurm/**/*.log"))
    assert not (on_the_cluster.folder / ".snakemake/slurm_logs").exists()


def test_faults_of_the_cluster_cost_time_and_nothing_else(cluster, on_one_core, tmp_path):
    disturbed = faults.Disturbed(tmp_path / "run", cluster, faults.ONCE, seed=0)
    disturbed.run(on_one_core)
    assert disturbed.wrong == []
    assert sorted(disturbed.hits) == sorted(faults.FAULTS)
    # What SLURM wrote of jobs that failed is kept.
    assert list(disturbed.chain.folder.glob("results/logs/slurm/**/*.log"))
    # Each rule had another way to ask for a GPU, or not to.
    of = _by_stage(disturbed.jobs())
    assert {job.partition for job in of["train"]} == {"gpu"} and {job.partition for job in of["predict"]} == {"cpu"}
    asked = {stage: cluster.command("scontrol", "show", "job", of[stage][0].id) for stage in ("train", "predict")}
    assert "TresPerNode=gres:gpu:1" in asked["train"] and "gpu" not in asked["predict"]
