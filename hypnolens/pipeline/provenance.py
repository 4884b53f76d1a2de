"""What made a result: a hash of the code that a step runs, and a record of versions, commit and machine."""

import io
import json
import os
import platform
import re
import subprocess
import sys
import tokenize
from datetime import UTC, datetime
from functools import cache
from importlib import metadata
from pathlib import Path

from hypnolens import __version__
from hypnolens.io.checksums import sha256_of_parts

# None can change a result: an edit to them must not retrain forty folds. Training gives `progress` numbers and takes
# nothing back, so what it writes and what a person is told of it can stand in one module.
WITHOUT_EFFECT = {"hypnolens", "hypnolens.errors", "hypnolens.pipeline.logs", "hypnolens.pipeline.progress"}

_IMPORT = re.compile(r"^[ \t]*(?:from|import)[ \t]+(hypnolens[\w.]*)(?:[ \t]+import[ \t]+(?:\(([^)]*)\)|(.*)))?", re.M)
_NAME = re.compile(r"(?:^|,)\s*(\w+)")


def code_version(root: Path, script: str, *more: str) -> str:
    """Content hash of a script and of all hypnolens modules that it imports, directly or through others.

    Snakemake compares scripts by modification time and does not see what they import. With this hash among a
    rule's ``params`` an edit to the library reruns what depends on it. A ``git checkout`` that touches files without
    changing them reruns nothing, and neither do comments, docstrings and empty lines.

    Parameters
    ----------
    root
        Folder that holds ``workflow/scripts``: beside the package ``hypnolens``, or the installed package itself.
    script
        Name of the script without ``.py``.
    more
        What cannot be found by reading import statements: modules that the script imports by name at run time, such as
        ``hypnolens.plots.tsne``, and other files that it reads, as paths from ``root``; of a notebook also what its
        cells import.

    Returns
    -------
    str
        Twelve hexadecimal digits.
    """
    base, files = _base(root), sorted(sources(root, script, *more))
    parts = (path.relative_to(base).as_posix().encode() + b"\0" + _effective(path) + b"\0" for path in files)
    return sha256_of_parts(parts)[:12]


def sources(root: Path, script: str, *more: str) -> set[Path]:
    """Files that `code_version` hashes: the script, what it imports of hypnolens, and more modules and files."""
    path = root / "workflow" / "scripts" / f"{script}.py"
    files = [(_base(root) if file.startswith("hypnolens/") else root) / file for file in more if "/" in file]
    found = {path, *files}
    of_notebooks = (module for file in files if file.suffix == ".ipynb" for module in _imports(file))
    for module in (*_imports(path), *of_notebooks, *(module for module in more if "/" not in module)):
        _follow(_base(root), module, found)
    return found


def record() -> dict[str, str]:
    """Versions, git commit, machine and time, to be written beside a result (never into ``params``)."""
    packages = ("torch", "numpy", "scipy", "scikit-learn", "pandas", "edfio", "snakemake")
    return {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _commit(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": f"{_processor()}, {os.cpu_count()} threads",
        "gpu": _gpu(),
        "version_hypnolens": __version__,
        **{f"version_{name}": _version(name) for name in packages},
    }


def _base(root: Path) -> Path:
    """Folder that holds the package."""
    return root if (root / "hypnolens").is_dir() else root.parent


def _follow(root: Path, module: str, found: set[Path]) -> None:
    path = _source(root, module)
    if module in WITHOUT_EFFECT or path is None or path in found:
        return
    found.add(path)
    for imported in _imports(path):
        _follow(root, imported, found)


@cache
def _source(root: Path, module: str) -> Path | None:
    base = root.joinpath(*module.split("."))
    return next((path for path in (base.with_suffix(".py"), base / "__init__.py") if path.is_file()), None)


@cache
def _bytes(path: Path) -> bytes:
    return path.read_bytes()


@cache
def _effective(path: Path) -> bytes:
    """What a file says to the program that reads it: of Python all but comments, docstrings and empty lines.

    By places in the text: the syntax tree of the same code differs between versions of Python.
    """
    if path.suffix != ".py":
        return _bytes(path)
    lines = io.StringIO(_bytes(path).decode("utf-8")).readlines()
    read = [token for token in tokenize.generate_tokens(iter(lines).__next__) if token.type != tokenize.NL]
    code = [token for token in read if token.type != tokenize.COMMENT]
    begins = {tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT}
    silent = {
        token
        for before, token, after in zip([None, *code], code, code[1:], strict=False)
        if token.type == tokenize.STRING and after.type == tokenize.NEWLINE and (not before or before.type in begins)
    }
    within = {row for token in code if token not in silent for row in range(token.start[0], token.end[0])}
    for token in sorted({*read} - {*code} | silent, key=lambda token: token.start, reverse=True):
        (first, start), (last, end) = token.start, token.end
        lines[first - 1 : last] = [lines[first - 1][:start] + lines[last - 1][end:], *[""] * (last - first)]
    # In a string of several lines spaces and empty lines say something.
    kept = (line if row in within else line.rstrip() for row, line in enumerate(lines, start=1))
    return "\0".join(filter(None, kept)).encode()


@cache
def _imports(path: Path) -> tuple[str, ...]:
    """Names of the hypnolens modules that a file imports (`from hypnolens.a import b` may name a module b).

    By pattern, as syntax trees of all files would take a second of each start; a test compares both.
    """
    names, text = [], _bytes(path).decode("utf-8")
    if path.suffix == ".ipynb":
        text = "\n".join("".join(cell["source"]) for cell in json.loads(text)["cells"] if cell["cell_type"] == "code")
    for module, several, one in _IMPORT.findall(text):
        imported = _NAME.findall(several or one)
        names += [module, *(f"{module}.{name}" for name in imported)]
    return tuple(names)


def _commit() -> str:
    root = Path(__file__).parents[2]
    try:
        answer = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=12"],
            cwd=root, capture_output=True, text=True, check=True,
        )  # fmt: skip
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return answer.stdout.strip()


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or "unknown"


def _gpu() -> str:
    """Name of the GPU that computes, in a process that has loaded torch anyway."""
    torch = sys.modules.get("torch")
    return torch.cuda.get_device_name() if torch is not None and torch.cuda.is_available() else "none"


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"
