"""The house: rooms in one direction, nothing in their doors, few modules at the top."""

import ast
import tomllib
from pathlib import Path

import pytest

from tests.conftest import ROOT

PACKAGE = ROOT / "hypnolens"

ROOMS = (
    "stages", "errors", "bands", "terminal", "io", "recordings", "datasets", "pipeline", "evaluation", "simulation",
    "network", "training", "baselines", "explanations", "stagers", "plots", "reports", "scoring", "plan", "preflight",
    "cli",
)  # fmt: skip
"""From what everything stands on to what a person sees: a room imports only from rooms before it. See HOUSE in
docs/architecture.md."""


def room_of(module):
    """The room of a dotted name; `None` for the package itself, which holds its version only."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else None


def against_the_direction(package):
    """Imports of a package that go from a room to one above it, as ``file: room imports room``."""
    found = []
    for path in sorted(package.rglob("*.py")):
        own = path.relative_to(package).with_suffix("").parts[0]
        if own == "__init__":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module:
                names = [f"{node.module}.{alias.name}" for alias in node.names]
            for name in names:
                room = room_of(name) if name.split(".")[0] == "hypnolens" else None
                if room in ROOMS and ROOMS.index(room) > ROOMS.index(own):
                    found.append(f"{path.relative_to(package)}: {own} imports {room}")
    return found


def test_no_room_imports_from_one_above_it():
    assert against_the_direction(PACKAGE) == []


@pytest.mark.parametrize(
    "room, line, seen",
    [
        ("io", "from hypnolens.network.model import Network", True),
        ("network", "from hypnolens import plan", True),
        ("network", "import hypnolens.cli", True),
        ("network", "def f():\n    from hypnolens.reports import paper", True),
        ("reports", "from hypnolens.network import model", False),
        ("io", "from hypnolens import __version__", False),
    ],
)
def test_the_test_sees_an_import_against_the_direction(tmp_path, room, line, seen):
    (tmp_path / room).mkdir()
    (tmp_path / room / "a.py").write_text(line)
    assert bool(against_the_direction(tmp_path)) == seen


def test_every_room_is_in_the_list_and_there_are_few_at_the_top():
    modules = {path.stem for path in PACKAGE.glob("*.py")} - {"__init__"}
    folders = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert modules | folders == set(ROOMS) and len(modules) <= 7


def test_every_room_is_in_the_package_that_pip_installs():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    folders = {f"hypnolens.{path.parent.name}" for path in PACKAGE.glob("*/__init__.py")}
    beside = {"hypnolens", "hypnolens.config", "hypnolens.envs", "hypnolens.workflow"}
    assert set(settings["tool"]["setuptools"]["packages"]) == folders | beside


@pytest.mark.parametrize("path", sorted(PACKAGE.glob("*/__init__.py")), ids=lambda path: path.parent.name)
def test_doors_are_empty_but_for_what_the_room_is_for(path: Path):
    """What stands in a package's own file runs whenever one of its modules is imported, and no hash of code sees it."""
    (docstring,) = ast.parse(path.read_text(encoding="utf-8")).body
    assert isinstance(docstring, ast.Expr) and isinstance(docstring.value, ast.Constant)
