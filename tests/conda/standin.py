"""A stand-in for `conda`, as no channel can be reached where the tests run.

It answers the calls that Snakemake makes, refuses all others, and writes each down. An environment becomes a virtual
environment of exactly the pins in its file and what they require: see `venvs`. What it cannot say is whether
the channel carries `python` and `pip` in the versions that are asked for.
"""

import json
import os
import sys
from pathlib import Path

import yaml

sys.path.insert(0, str(Path(__file__).parent))
from venvs import PinError, build

CHANNELS = ["conda-forge", "nodefaults"]
OF_CONDA = {"python", "pip"}
"""What the environments take from the channel."""

ACTIVATE = """\
# Sourced by Snakemake: source activate ENVIRONMENT
export CONDA_PREFIX="$1"
export PATH="$1/bin:$PATH"
"""


def install(prefix: Path, python: Path) -> Path:
    """Lay out a folder like that of a conda installation; returns the folder to put on the PATH."""
    folder = prefix / "bin"
    folder.mkdir(parents=True)
    command = folder / "conda"
    command.write_text(f'#!/bin/sh\nSTANDIN_PREFIX="{prefix}" exec "{python}" "{__file__}" "$@"\n')
    command.chmod(0o755)
    (folder / "activate").write_text(ACTIVATE)
    return folder


def calls(prefix: Path) -> list[dict]:
    """Calls so far: arguments, and the variables of pip's that were set."""
    return [json.loads(line) for line in (prefix / "calls.jsonl").read_text().splitlines()]


def main(arguments: list[str], prefix: Path) -> int:
    """Answer one call."""
    with (prefix / "calls.jsonl").open("a") as file:
        pip = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
        file.write(json.dumps({"arguments": arguments, "pip": pip}) + "\n")
    match arguments:
        case ["--version"]:
            print("conda 24.7.1")
        case ["info", "--json"]:
            print(json.dumps({"conda_prefix": str(prefix), "platform": "linux-64"}))
        case ["config", "--get", "channel_priority", "--json"]:
            print(json.dumps({"get": {"channel_priority": "strict"}}))
        case ["env", "create", "--quiet", "--no-default-packages", "--file", file, "--prefix", folder]:
            try:
                print("\n".join(create(Path(file), Path(folder))))
            except PinError as error:
                print(f"PackagesNotFoundError: {error}", file=sys.stderr)
                return 1
        case ["clean", "-y", "--tarballs", *_]:
            pass
        case _:
            print(f"the stand-in does not know: conda {' '.join(arguments)}", file=sys.stderr)
            return 2
    return 0


def create(file: Path, folder: Path) -> list[str]:
    """Build the environment of a file; returns what it holds."""
    environment = yaml.safe_load(file.read_text())
    if environment["channels"] != CHANNELS:
        raise PinError(f"channels are {environment['channels']}, not {CHANNELS}")
    *of_conda, last = environment["dependencies"]
    versions = dict(spec.split("=") for spec in of_conda)
    if versions.keys() != OF_CONDA:
        raise PinError(f"{sorted(versions)} from conda-forge, where the stand-in has {sorted(OF_CONDA)}")
    if versions["python"].split(".")[:2] != [str(part) for part in sys.version_info[:2]]:
        raise PinError(f"python={versions['python']}, where the tests run Python {sys.version.split()[0]}")
    return build(folder, last["pip"])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], Path(os.environ["STANDIN_PREFIX"])))
