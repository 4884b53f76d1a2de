"""The National Sleep Research Resource: its list of files, and addresses that hold a user's token.

The interface is that of its own client (the nsrr gem) and of SleepECG: lists of files with MD5 are public, and a file's
address holds the token. See https://github.com/nsrr/sleepdata.org/wiki/api-v1-datasets.
"""

import csv
import os
import re
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import quote

from hypnolens.datasets.fetch import Address, Patience, get_json
from hypnolens.datasets.shhs import TOKEN
from hypnolens.errors import DatasetError, RecordingError
from hypnolens.io.tables import read_rows, write_rows

COLUMNS = ("path", "bytes", "md5")
LOCAL_COPY = "try again later, or set path: of the dataset to a local copy"


def list_files(server: str, dataset: str, folders: Iterable[str], path: Path, *, patience: Patience) -> int:
    """Write the table of all files of some folders, with size and MD5; returns how many there are. Needs no token.

    Raises
    ------
    RecordingError
        The server cannot be reached, or its list has another form.
    """
    rows = []
    for folder in folders:
        address = f"{server.rstrip('/')}/api/v1/datasets/{dataset}/files.json?path={quote(folder)}"
        found = get_json(address, name=dataset, remedy=LOCAL_COPY, patience=patience)
        try:
            rows += [
                {
                    "path": entry["full_path"],
                    "bytes": int(entry["file_size"]),
                    "md5": entry["file_checksum_md5"].lower(),
                }
                for entry in found
                if entry["is_file"]
            ]
            if not rows or not all(re.fullmatch("[0-9a-f]{32}", row["md5"]) for row in rows):
                raise ValueError
        except (AttributeError, KeyError, TypeError, ValueError):
            raise DatasetError(
                dataset, f"the list of files at {address} has another form than it had", LOCAL_COPY
            ) from None
    write_rows(path, COLUMNS, rows)
    return len(rows)


def read_list(path: Path, recording: str) -> dict[str, dict[str, str]]:
    """Rows of the table that `list_files` wrote, by the name of the file.

    Raises
    ------
    RecordingError
        The table is damaged.
    """
    try:
        return {Path(row["path"]).name: row for row in read_rows(path) if row["md5"]}
    except (KeyError, TypeError, ValueError, csv.Error) as error:
        raise RecordingError(recording, f"{path} is damaged", "delete it and run again") from error


def addresses(server: str, dataset: str, path: str, *, recording: str) -> list[Address]:
    """Where a file is, with the token of the environment in it.

    Raises
    ------
    RecordingError
        There is no token, or it cannot be one. The message does not contain it.
    """
    token = os.environ.get(TOKEN, "").strip()
    if not re.fullmatch(r"[!-~]+", token):
        what = f"{TOKEN} is not set" if not token else f"{TOKEN} holds spaces or letters that no token has"
        raise RecordingError(recording, what, "set it to the token that https://sleepdata.org/token shows")
    files = f"{server.rstrip('/')}/datasets/{dataset}/files"
    return [Address(f"{files}/{path}", f"{files}/a/{quote(token, safe='')}/m/hypnolens/{path}")]
