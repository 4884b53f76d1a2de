"""A chain that nothing happens to, with which those that are disturbed are compared."""

import pytest

from tests.cluster.chain import TABLES, Chain


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory) -> Chain:
    chain = Chain.made(tmp_path_factory.mktemp("faults") / "undisturbed")
    run = chain.run(*TABLES)
    assert run.returncode == 0, run.stdout[-5000:]
    return chain
