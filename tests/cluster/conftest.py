"""A cluster for the tests of this folder, where there can be one."""

from importlib.util import find_spec

import pytest

from tests.cluster.chain import Chain
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
        cluster = Cluster()
        with cluster:
            yield cluster
    except Unavailable as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def on_one_core(cluster, tmp_path_factory) -> Chain:
    """The chain to its tables on one core of this machine."""
    return _run(Chain.made(tmp_path_factory.mktemp("one")), cores=1)


@pytest.fixture(scope="session")
def on_the_cluster(cluster, tmp_path_factory) -> Chain:
    """The chain to its report through the profile, with the site's file as it is shipped."""
    return _run(Chain.made(tmp_path_factory.mktemp("cluster"), cluster), targets=())


def _run(chain: Chain, *, targets=None, **options) -> Chain:
    from tests.cluster.chain import TABLES

    run = chain.run(*(TABLES if targets is None else targets), **options)
    assert run.returncode == 0, run.stdout[-5000:]
    (chain.folder / "snakemake.txt").write_text(run.stdout)
    return chain
