"""profiles/slurm on a real SLURM: what its jobs ask for, that results are those of one machine, and faults."""

import re

import pytest
import yaml

from tests.cluster import faults
from tests.cluster.chain import FOLDS, PROFILE, TABLES, Chain

SITE = (PROFILE / "site.yaml").read_text()
VARIANTS = re.findall(r"^  (?:# )?train: &network (\{.*?\}) *(?:# (.*))?$", SITE, re.M)


def _site(tmp_path, line: str):
    """The site's file with another line for the jobs of networks."""
    path = tmp_path / "site.yaml"
    path.write_text(re.sub(r"^  train: &network .*$", f"  train: &network {line}", SITE, count=1, flags=re.M))
    return path


def _planned(chain, *arguments) -> str:
    run = chain.run(*arguments, "--dry-run")
    assert run.returncode == 0, run.stdout
    return run.stdout


def _asked(text: str, rule: str) -> dict[str, str]:
    """Resources that a dry run shows for a rule."""
    (block,) = set(re.findall(rf"^rule {rule}:\n(?:    .*\n)*?    resources: (.*)$", text, re.M))
    return dict(pair.split("=", 1) for pair in block.split(", "))


# What can be seen without a cluster.


def test_thousands_of_extractions_are_some_hundred_entries_of_the_queue(plugin, tmp_path):
    folder = tmp_path / "shhs"
    folder.mkdir()
    for number in range(200001, 200001 + 5793):
        (folder / f"shhs1-{number}.edf").touch()
        (folder / f"shhs1-{number}-profusion.xml").touch()
    chain = Chain(tmp_path / "run", site=PROFILE / "site.yaml", profile=True)
    chain.configure(datasets={"shhs": {"kind": "shhs", "path": str(folder), "recordings": "all",
                                       "experiments": ["tiny"], "compared": []}})  # fmt: skip
    text = _planned(chain, "results/shhs/recordings.tsv")
    assert re.search(r"^epochs +5793$", text, re.M)
    assert len(re.findall(r"group job epochs ", text, re.I)) == -(-5793 // 50)


@pytest.mark.parametrize("line, remark", VARIANTS)
def test_each_line_of_the_sites_file_asks_for_what_it_says(plugin, tmp_path, line, remark):
    chain = Chain.made(tmp_path / "run", site=_site(tmp_path, line), profile=True)
    text = _planned(chain, *TABLES)
    wanted = {key: str(value) for key, value in yaml.safe_load(line).items() if key != "runtime"}
    for rule in ("train", "predict"):
        assert wanted.items() <= _asked(text, rule).items()
    assert "gpu" not in _asked(text, "evaluate") and _asked(text, "evaluate")["slurm_partition"] == "cpu"
    assert _asked(text, "train")["mem_mb"] == "8000" and _asked(text, "train")["runtime"] == "720"


def test_there_are_lines_for_gpus_by_gpu_and_by_gres_and_one_for_none():
    lines = [yaml.safe_load(line) for line, _ in VARIANTS]
    assert [line for line in lines if line.get("gpu") == 1 and "gres" not in line]
    assert [line for line in lines if line.get("gres") == "gpu:1" and line["gpu"] == 0]
    assert [line for line in lines if line == {"gpu": 0}]


# On a cluster.


def test_the_chain_gives_what_one_core_and_two_cores_give(on_the_cluster, on_one_core, tmp_path):
    on_two = Chain.made(tmp_path / "two")
    run = on_two.run(*TABLES, cores=2)
    assert run.returncode == 0, run.stdout
    assert len(on_one_core.tables()) == len(TABLES)
    assert on_the_cluster.differences(on_one_core) == [] == on_two.differences(on_one_core)
    assert (on_the_cluster.folder / "reports/mini/report.html").is_file()


def test_short_jobs_share_entries_of_the_queue_and_networks_go_to_the_gpus(cluster, on_the_cluster):
    name = re.search(r"SLURM run ID: (\S+)", (on_the_cluster.folder / "snakemake.txt").read_text())[1]
    jobs = [job for job in cluster.jobs() if job["name"] == name]
    assert name.startswith("hypnolens_") and {job["state"] for job in jobs} == {"COMPLETED"}
    of_rule = {stage: [job for job in jobs if faults.stage_of(job) == stage] for stage in faults.STAGES}
    assert {stage: len(of) for stage, of in of_rule.items()} == {
        "simulate": 1, "epochs": 1, "train": len(FOLDS), "predict": len(FOLDS), "evaluate": 1}  # fmt: skip
    assert {job["node"] for job in of_rule["train"] + of_rule["predict"]} == {"g1"}
    assert {job["partition"] for job in of_rule["simulate"] + of_rule["evaluate"]} == {"cpu"}
    asked = cluster.command("scontrol", "show", "job", of_rule["train"][0]["id"])
    assert "TresPerJob=gres:gpu:1" in asked and "MinMemoryNode=8000M" in asked and "TimeLimit=12:00:00" in asked


def test_output_of_slurms_jobs_is_in_one_place_and_goes_when_they_succeed(on_the_cluster):
    assert not list((on_the_cluster.folder / "results/logs/slurm").rglob("*.log"))
    assert not (on_the_cluster.folder / ".snakemake/slurm_logs").exists()


@pytest.mark.parametrize(
    "line",
    ["{gpu: 1, gpu_model: fake, slurm_partition: gpu}", '{gpu: 0, gres: "gpu:1", slurm_partition: gpu}', "{gpu: 0}"],
)
def test_a_network_scores_by_each_way_to_ask_for_a_gpu(cluster, on_the_cluster, tmp_path, line):
    predictions = "results/mini/tiny/fold-0/predictions.parquet"
    before = (on_the_cluster.folder / predictions).stat().st_mtime_ns
    chain = Chain(on_the_cluster.folder, cluster, site=_site(tmp_path, line))
    run = chain.run(predictions, "--force")
    assert run.returncode == 0, run.stdout
    assert (on_the_cluster.folder / predictions).stat().st_mtime_ns != before
    job = max((job for job in cluster.jobs() if faults.stage_of(job) == "predict"), key=lambda job: int(job["id"]))
    asked = cluster.command("scontrol", "show", "job", job["id"])
    wanted = {"gpu_model": "TresPerJob=gres:gpu:fake:1", "gres": "TresPerNode=gres:gpu:1"}
    expected = [text for key, text in wanted.items() if key in yaml.safe_load(line)]
    assert all(text in asked for text in expected) and (job["node"] == "g1") == bool(expected)


def test_faults_of_the_cluster_cost_time_and_nothing_else(cluster, on_one_core, tmp_path):
    named = {fault.name: fault for fault in faults.FAULTS}
    plan = {stage: named[fault] for stage, fault in faults.SHORT.items()}
    counts, words = faults.disturb(cluster, on_one_core, tmp_path / "run", plan, seed=0, starved="train")
    print("\n" + faults.table(counts) + f"\n{words}")
    assert set(counts) == {*faults.SHORT.values(), faults.OUT_OF_MEMORY}
    assert all(injected == recovered > 0 for injected, recovered in counts.values()), faults.table(counts) + words
    # What SLURM wrote of jobs that failed is kept.
    assert list((tmp_path / "run/results/logs/slurm").rglob("*.log"))
