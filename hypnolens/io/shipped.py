"""Where the files lie that come with hypnolens: beside the package in a clone, inside it where pip installed it."""

from contextlib import suppress
from pathlib import Path

PACKAGE = Path(__file__).parents[1]

HOME = PACKAGE if (PACKAGE / "workflow").is_dir() else PACKAGE.parent
"""Folder that holds ``config/`` and ``workflow/``."""

TABLES = HOME / "config" / "tables"
"""Recordings, folds and published figures of the datasets."""

NOTEBOOKS = HOME / "workflow" / "notebooks"
"""What papermill executes: a notebook a page."""

CAPTIONS = HOME / "workflow" / "report" / "figures"
"""A caption a figure, for Snakemake's report and for the pages."""


def search_path() -> str:
    """Folder for ``PYTHONPATH`` in which hypnolens can be imported, and nothing else.

    In a clone it is the clone. Beside an installed package lie all others of its environment, which must not get into
    those of single steps, so that a folder of the current one holds a link to it.
    """
    if HOME != PACKAGE:
        return str(HOME)
    link = Path(".snakemake/hypnolens", PACKAGE.name).absolute()
    link.parent.mkdir(parents=True, exist_ok=True)
    with suppress(FileExistsError):  # made by another run, or by Snakemake, whose jobs read the rules again
        link.symlink_to(PACKAGE, target_is_directory=True)
    return str(link.parent)
