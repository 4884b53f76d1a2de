"""A cluster for the tests of this folder, where there can be one, and the chain on it and beside it."""

from importlib.util import find_spec

import pytest

from tests.cluster.chain import TABLES, Chain
from tests.cluster.slurm import Cluster, Unavailable, install


@pytest.fixture(scope="session")
def plugin() -> None:
    """Snakemake's executor plugin, without which its profile cannot be read."""
    if find_spec("snakemake_executor_plugin_slurm") is None:
        pytest.skip("snakemake-executor-plugin-slurm is not installed; pip install '.[cluster]' does that")


@pytest.fixture(scope="session")
def cluster(plugin):
    try:
        install()
    except Unavailable as error:
        pytest.skip(str(error))
    with Cluster() as cluster:
        yield cluster


@pytest.fixture(scope="session")
def undisturbed(cluster, tmp_path_factory) -> tuple[Chain, Chain]:
    """The chain on one core, and at the same time on the cluster through the profile, all as it is shipped."""
    folder = tmp_path_factory.mktemp("undisturbed")
    here, there = Chain.made(folder / "here"), Chain.made(folder / "there", cluster)
    logs = [chain.folder / "snakemake.txt" for chain in (here, there)]
    runs = [here.start(*TABLES, log=logs[0], cores=1), there.start(*TABLES, log=logs[1])]
    try:
        for run, log in zip(runs, logs, strict=True):
            assert run.wait(timeout=600) == 0, log.read_text()[-5000:]
    finally:
        for run in runs:
            run.kill()
    return here, there


@pytest.fixture(scope="session")
def on_one_core(undisturbed) -> Chain:
    return undisturbed[0]


@pytest.fixture(scope="session")
def on_the_cluster(undisturbed) -> Chain:
    return undisturbed[1]
