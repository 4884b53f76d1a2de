"""GPUs are found by asking CUDA's driver; here a library stands in for it."""

import shutil
import subprocess
import sys

import pytest
import yaml

from hypnolens.pipeline import gpus
from tests.conftest import ROOT

DRIVER = """
#include <stdlib.h>
#include <stdio.h>
int cuInit(unsigned flags) { return getenv("BROKEN") ? 999 : 0; }
int cuDeviceGetCount(int *n) { *n = getenv("COUNT") ? atoi(getenv("COUNT")) : 2; return 0; }
int cuDeviceGet(int *device, int place) { *device = place; return 0; }
int cuDeviceGetName(char *name, int size, int device) { snprintf(name, size, "Card %d", device); return 0; }
"""


@pytest.fixture
def driver(tmp_path, monkeypatch):
    """A driver that says what the environment tells it to; nothing is remembered of other tests."""
    compiler = shutil.which("cc")
    if compiler is None or not sys.platform.startswith("linux"):
        pytest.skip("no C compiler, or no Linux, for a library that stands in for the driver")
    source = tmp_path / "driver.c"
    source.write_text(DRIVER)
    subprocess.run([compiler, "-shared", "-fPIC", "-o", tmp_path / "libcuda.so.1", source], check=True)
    monkeypatch.setenv("LD_LIBRARY_PATH", str(tmp_path))
    gpus.found.cache_clear()
    yield monkeypatch
    gpus.found.cache_clear()


def test_gpus_are_those_of_the_driver_whatever_their_device_files_are_called(driver):
    assert gpus.found() == ("Card 0", "Card 1") and gpus.wanted() == 1
    assert gpus.sentence() == "2 (Card 0, Card 1)"


@pytest.mark.parametrize("told", [{"COUNT": "0"}, {"BROKEN": "1"}])
def test_a_driver_without_gpus_or_out_of_order_is_none(driver, told):
    for name, value in told.items():
        driver.setenv(name, value)
    assert gpus.found() == () and gpus.wanted() == 0
    assert "none found" in gpus.sentence() and "CPU" in gpus.sentence()


def test_where_there_is_no_driver_there_is_no_gpu(monkeypatch):
    monkeypatch.setattr(gpus, "_ASK", 'import ctypes; ctypes.CDLL("libnothing-of-the-kind.so")')
    gpus.found.cache_clear()
    assert gpus.found() == ()
    gpus.found.cache_clear()


def test_on_a_mac_its_gpu_is_said_not_to_be_used(monkeypatch):
    monkeypatch.setattr(gpus, "found", tuple)
    monkeypatch.setattr(gpus.platform, "system", lambda: "Darwin")
    monkeypatch.setattr(gpus.platform, "machine", lambda: "arm64")
    assert "Apple's is not" in gpus.sentence()


def test_the_default_profile_asks_for_one_where_there_is_one(monkeypatch):
    profile = yaml.safe_load((ROOT / "profiles/default/config.yaml").read_text())
    asked = {rule: entry["gpu"] for rule, entry in profile["set-resources"].items()}
    assert set(asked) == {"train", "predict", "train_published", "predict_published"}
    for names, wanted in (((), 0), (("one", "another"), 1)):
        monkeypatch.setattr(gpus, "found", lambda names=names: names)
        assert {eval(expression) for expression in asked.values()} == {wanted}
