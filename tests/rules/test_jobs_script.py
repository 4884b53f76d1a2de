"""The script that puts together what jobs took, on files as Snakemake writes them."""

import pandas as pd
from snakemake.benchmark import BenchmarkRecord, write_benchmark_records

from tests.rules.conftest import run_script


def _benchmark(path, seconds, *, memory=None, cpu=None):
    record = BenchmarkRecord(running_time=seconds, max_rss=memory, max_vms=1.0, max_uss=1.0, max_pss=1.0, io_in=0.0,
                             io_out=0.0, cpu_usage=50.0, cpu_time=cpu)  # fmt: skip
    record.data_collected, record.process_gone = memory is not None, memory is None
    path.parent.mkdir(parents=True, exist_ok=True)
    write_benchmark_records([record], str(path), extended_fmt=False)


def test_what_jobs_took_by_rule_and_by_fold(tmp_path):
    dataset = tmp_path / "results" / "d"
    for name, seconds in (("a", 2.0), ("b", 3.0), ("gone", 100.0)):
        _benchmark(dataset / f"benchmarks/epochs/{name}.tsv", seconds, memory=80.0, cpu=1.5)
    _benchmark(dataset / "benchmarks/folds.tsv", 0.1)
    for fold in (0, 1):
        _benchmark(dataset / f"benchmarks/train/net/fold-{fold}.tsv", 50.0 + fold, memory=900.0, cpu=40.0)
        _benchmark(dataset / f"benchmarks/train/old/fold-{fold}.tsv", 500.0, memory=9000.0, cpu=400.0)
    (dataset / "recordings.tsv").write_text("recording\tepochs\na\t5\nb\t5\n")
    (dataset / "folds.tsv").write_text("recording\tsubject\tfold\tsplit\n" + "a\ta\t0\ttest\nb\tb\t1\ttest\n")
    files = {name: str(dataset / f"{name}.tsv") for name in ("recordings", "folds")}
    out = {name: str(tmp_path / f"{name}.tsv") for name in ("jobs", "folds")}
    run_script("jobs", tmp_path, input=files, output=out, params={"runs": ["net", "trees"]})
    jobs = pd.read_table(out["jobs"]).set_index("rule")
    assert jobs["jobs"].to_dict() == {"train": 2, "epochs": 2, "folds": 1}
    assert jobs["wall_s"].astype(float).to_dict() == {"train": 101.0, "epochs": 5.0, "folds": 0.1}
    assert jobs["memory_mb"].to_dict() == {"train": "900.0", "epochs": "80.0", "folds": "-"}
    folds = pd.read_table(out["folds"])
    assert folds[["experiment", "fold"]].values.tolist() == [["net", 0], ["net", 1], ["trees", 0], ["trees", 1]]
    assert folds["train_wall_s"].tolist() == ["50.0", "51.0", "-", "-"] and set(folds["predict_wall_s"]) == {"-"}
