"""The project itself: pins that agree, code hashes that see what they should, a light Snakefile."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from hypnolens.pipeline import provenance
from hypnolens.pipeline.logs import NEVER, NO_WORD, failures, logged, logger
from hypnolens.pipeline.provenance import code_version, record
from tests.conftest import ROOT
from tests.planning import environment_of, rules, script_of, sources_of


def _lock():
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    return dict(line.lower().split("==") for line in lines if "==" in line)


@pytest.mark.parametrize("path", sorted((ROOT / "envs").glob("*.yaml")), ids=lambda path: path.stem)
def test_environments_pin_what_the_lock_file_pins(path):
    environment = yaml.safe_load(path.read_text())
    assert environment["channels"] == ["conda-forge", "nodefaults"]
    (pins,) = [entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict)]
    assert dict(pin.split("==") for pin in pins).items() <= _lock().items()


def test_the_lock_file_has_every_dependency_of_the_project():
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    optional = project["optional-dependencies"]
    wanted = [*project["dependencies"], *optional["test"], *optional["published"]]
    names = {re.split(r"[<>=\[]", entry)[0].lower() for entry in wanted}
    assert names <= _lock().keys()


TARGETS = {"all", "demo", "explanations", "release", "score"}


def test_every_rule_has_its_environment():
    used = {name: environment_of(rule) for name, rule in rules().items()}
    assert {name for name, environment in used.items() if environment is None} == TARGETS
    assert {*used.values()} - {None} == {path.stem for path in (ROOT / "envs").glob("*.yaml")}


def test_targets_say_what_they_are_for_and_are_told_from_the_rest():
    assert {name for name, rule in rules().items() if (rule.docstring or "").startswith("Target: ")} == TARGETS


def test_every_script_is_run_by_a_rule():
    scripts = {script_of(rule) for rule in rules().values()} - {None}
    assert scripts == {path.stem for path in (ROOT / "workflow" / "scripts").glob("*.py")}


COMES_WITH = {
    "IPython": "ipykernel", "nbformat": "nbconvert", "sklearn": "scikit-learn", "traitlets": "ipykernel",
    "yaml": "pyyaml", "zmq": "ipykernel",
}  # fmt: skip


def test_each_rule_finds_all_that_it_imports_in_its_environment():
    for name, rule in rules().items():
        if name in TARGETS:
            continue
        environment = yaml.safe_load((ROOT / "envs" / f"{environment_of(rule)}.yaml").read_text())
        (pins,) = [entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict)]
        given = {pin.split("==")[0] for pin in pins} | set(sys.stdlib_module_names) | {"hypnolens"}
        for source in sources_of(rule):
            nodes = list(ast.walk(ast.parse(source.read_text())))
            names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
            names += [node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module]
            top = {module.split(".")[0] for module in names}
            assert {COMES_WITH.get(module, module) for module in top} <= given, (name, source.name)


def test_a_rules_hash_is_of_all_that_it_runs():
    """What is imported by name at run time must be named to `code_version`, or an edit of it reruns nothing."""
    for name, rule in rules().items():
        if name not in TARGETS | {"download_sleepedf", "list_shhs", "download_shhs"}:
            version = dict(rule.params.items())["code"]
            assert re.fullmatch(r"[0-9a-f]{12}", version), name
    figures = [dict(rule.params.items())["code"] for name, rule in rules().items() if name.startswith("figure_")]
    assert len({*figures}) == len(figures)  # each of its own module


def test_what_the_snakefile_imports_needs_only_what_snakemake_brings():
    code = (
        "import sys; from hypnolens import plan; from hypnolens.pipeline import configuration, logs, provenance\n"
        "print(sorted({'numpy', 'pandas', 'torch', 'scipy', 'sklearn', 'edfio', 'matplotlib'} & sys.modules.keys()))"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def _project(tmp_path: Path) -> Path:
    for path, text in {
        "workflow/scripts/s.py": "from hypnolens.a import f\n",
        "hypnolens/__init__.py": "",
        "hypnolens/a.py": "from hypnolens import b\nimport json\n",
        "hypnolens/b.py": "import hypnolens.c\n",
        "hypnolens/c.py": "X = 1\n",
        "hypnolens/pipeline/logs.py": "",
        "hypnolens/unused.py": "X = 1\n",
    }.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    return tmp_path


@pytest.mark.parametrize("folder", ["hypnolens", "workflow/scripts"])
def test_imports_are_those_of_the_syntax_tree(folder):
    for path in sorted((ROOT / folder).rglob("*.py")):
        names = set()
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        there = {name for name in names if name.split(".")[0] == "hypnolens" and provenance._source(ROOT, name)}
        assert {name for name in provenance._imports(path) if provenance._source(ROOT, name)} == there, path


@pytest.mark.parametrize(
    "path, seen",
    [("workflow/scripts/s.py", True), ("hypnolens/a.py", True), ("hypnolens/c.py", True),
     ("hypnolens/unused.py", False), ("hypnolens/pipeline/logs.py", False)],
)  # fmt: skip
def test_a_code_version_sees_what_a_script_imports_through_others(tmp_path, path, seen):
    # In a process each time, as files are read once a process.
    root = _project(tmp_path)
    code = (
        "import sys; from pathlib import Path; from hypnolens.pipeline.provenance import code_version\n"
        "print(code_version(Path(sys.argv[1]), 's'))"
    )
    command = [sys.executable, "-c", code, str(root)]

    def version():
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout

    before = version()
    with (root / path).open("a") as file:
        file.write("Y = 2\n")
    assert (version() != before) == seen


@pytest.mark.parametrize(
    "text, same",
    [
        ("# A comment.\nX = 1  # another\n\n\ndef f(x):\n    return x + 1\n", True),
        ('"""Of all."""\nX = 1\n"""Of X,\nwith a # sign."""  # too\ndef f(x):\n    "d"\n    return x + 1\n', True),
        ("X = 1\ndef f(x):\n    return x + 2\n", False),
        ("X = '# 1'\ndef f(x):\n    return x + 1\n", False),
        ('X = """1"""\ndef f(x):\n    return x + 1\n', False),
    ],
)
def test_comments_and_docstrings_make_no_other_version(tmp_path, text, same):
    root, other = _project(tmp_path / "a"), _project(tmp_path / "b")
    (root / "hypnolens" / "c.py").write_text("X = 1\ndef f(x):\n    return x + 1\n")
    (other / "hypnolens" / "c.py").write_text(text)
    assert (code_version(root, "s") == code_version(other, "s")) == same


def test_modules_named_at_run_time_are_part_of_the_version():
    versions = {code_version(ROOT, "figure", f"hypnolens.plots.{name}") for name in ("tsne", "gradcam")}
    assert len({*versions, code_version(ROOT, "figure")}) == 3


def test_the_record_names_versions_commit_and_machine():
    made = record()
    assert made["version_torch"].startswith(_lock()["torch"]) and made["commit"] and made["processor"]


def test_failures_are_the_last_lines_of_the_logs_of_failed_jobs(tmp_path):
    (tmp_path / "a.log").write_text("2026 INFO x\nA: what; remedy\n\n")
    marker = "(check log file(s) for error details)"
    with logged(tmp_path / "killed.log"):
        logger.info("on the way")
    log = tmp_path / "snakemake.log"
    log.write_text("other\n".join(f"    log: {tmp_path}/{name}.log {marker}\n" for name in ("a", "gone", "killed")))
    *silent, last = failures(log)
    assert last == "A: what; remedy"
    assert silent == [f"{tmp_path}/gone.log: {NEVER}", f"{tmp_path}/killed.log: {NO_WORD}"]


def test_a_step_waits_for_an_earlier_process_of_the_same_step(tmp_path):
    """And for no other; Snakemake removes its log meanwhile."""
    code = (
        "import sys, time; from hypnolens.pipeline.logs import logged\n"
        "with logged(sys.argv[1]): print('in', flush=True); time.sleep(float(sys.argv[2])); print('out', flush=True)"
    )

    def start(name, seconds):
        command = [sys.executable, "-c", code, str(tmp_path / name), str(seconds)]
        return subprocess.Popen(command, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    first = start("a.log", 60)
    assert first.stdout.readline() == "in\n"
    (tmp_path / "a.log").unlink()
    second = start("a.log", 0)
    assert "a.log: an earlier process of this step still runs" in second.stderr.readline()
    assert start("b.log", 0).communicate()[0] == "in\nout\n"
    assert second.poll() is None
    first.kill()
    assert second.communicate(timeout=30)[0] == "in\nout\n"


def test_nothing_in_the_project_names_a_folder_of_the_machine_it_was_written_on():
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a git checkout")
    for name in listed.stdout.splitlines():
        text = (ROOT / name).read_bytes().decode("utf-8", errors="replace")
        assert not re.search(r"(?<![\w.])/(?:work|root)/", text.replace("(?:work|root)", "")), name


def test_tables_of_the_docs_have_as_many_cells_in_each_row():
    for path in (
        *ROOT.glob("*.md"),
        *ROOT.glob("docs/*.md"),
        ROOT / "config" / "README.md",
        ROOT / "reports" / "README.md",
    ):
        text = re.sub(r"`[^`\n]*`", "", path.read_text())
        for table in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
            rows = table.splitlines()
            odd = [row for row in rows if row.count("|") != rows[0].count("|") or not row.rstrip().endswith("|")]
            assert not odd, (path.name, odd)
