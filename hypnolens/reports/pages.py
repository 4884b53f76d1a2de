"""What all pages are made by: a notebook executed by papermill, exported as one page that needs nothing from elsewhere.

There is one notebook. It makes the class ``Page`` of one of this room's modules, and lets it show itself.
"""

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nbformat
import pandas as pd
import papermill
import zmq
from IPython.display import HTML, Image, Markdown, display
from nbconvert import HTMLExporter
from papermill.exceptions import PapermillExecutionError
from traitlets.config import Config

from hypnolens.errors import DamagedError, HypnolensError, printable
from hypnolens.io.shipped import NOTEBOOK
from hypnolens.plots.catalogue import caption, path_of

STYLE = (
    "main { max-width: 62rem; margin: auto } .wide { overflow-x: auto } "
    ".wide td, .wide th { white-space: nowrap !important } "
    ".wrapped td, .wrapped th { white-space: normal !important; font-size: 85%; padding: 0.3em !important }"
)
"""A line length that can be read, and tables that scroll by themselves where they are wider."""

MOST_ROWS = 60
"""Rows of a table on the page; the whole table is in its file."""


def execute(page: str, given: Mapping[str, Any], notebook: Path) -> None:
    """Write a page's notebook: its cells executed in the folder in which this runs.

    Parameters
    ----------
    page
        Module of `hypnolens.reports` whose class ``Page`` shows it.
    given
        What that class is made of.
    notebook
        The file, overwritten if it is there.

    Raises
    ------
    HypnolensError
        A file that it shows is damaged.
    papermill.exceptions.PapermillExecutionError
        A cell failed for another reason; the notebook up to it is kept.
    """
    # A kernel of the same name that the user installed elsewhere must not run in place of this environment's.
    os.environ["JUPYTER_PREFER_ENV_PATH"] = "1"
    # Snakemake hides PYTHONPATH from jobs in conda environments, and hypnolens is installed in none of them.
    path = [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH")]
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, path))
    # Nobody debugs the kernel, which warns that its frozen modules make that hard.
    os.environ["PYDEVD_DISABLE_FILE_VALIDATION"] = "1"
    # papermill writes into the notebook what JSON has; of anything else, such as a tuple, it makes a text.
    plain = json.loads(json.dumps(given))
    run: dict[str, Any] = {"kernel_name": "python3", "progress_bar": False, "log_output": False}
    if zmq.has("curve"):  # else others on the machine could listen, of which the kernel warns
        run["config"] = Config(KernelManager={"transport_encryption": "required"})
    try:
        papermill.execute_notebook(NOTEBOOK, notebook, parameters={"page": page, "given": plain}, **run)
    except PapermillExecutionError as error:  # which knows what the kernel raised by its name
        if error.ename in (DamagedError.__name__, HypnolensError.__name__):
            raise HypnolensError(error.evalue) from None
        raise


def export(notebook: Path, html: Path, *, title: str) -> None:
    """Export an executed notebook as one HTML page without code, with every picture inside."""
    exporter = HTMLExporter(
        exclude_input=True,
        exclude_input_prompt=True,
        exclude_output_prompt=True,
        embed_images=True,
    )
    page, _ = exporter.from_notebook_node(
        nbformat.read(notebook, as_version=4), resources={"metadata": {"name": title}}
    )
    # nbconvert's page loads MathJax and require.js from the web; the report has nothing to run.
    page = re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL)
    page = page.replace("</head>", f"<style>{STYLE}</style></head>", 1)
    html.write_text(page, encoding="utf-8")


def show_heading(title: str) -> None:
    """Display a heading that can be linked to."""
    display(Markdown(f'<h2 id="{anchor(title)}">{title}</h2>'))


def anchor(title: str) -> str:
    """What a link to a heading is called."""
    return title.lower().replace(" ", "-")


def show_table(table: pd.DataFrame, *, wrapped: bool = False) -> None:
    """Display a table, which scrolls by itself where it is wide, or has its words wrapped."""
    kind = "wide wrapped" if wrapped else "wide"
    shown = table.head(MOST_ROWS).map(lambda cell: printable(cell) if isinstance(cell, str) else cell)
    display(HTML(f'<div class="{kind}">{shown.to_html(index=False, border=0)}</div>'))
    if len(table) > MOST_ROWS:
        display(Markdown(f"{MOST_ROWS} of {len(table):,} rows; all are in the table's file."))


def show_figure(name: str, *, before: str = "", note: str = "", **wildcards: str) -> None:
    """Display a figure of the table, which becomes a part of the page, and its caption.

    Parameters
    ----------
    name
        Of the figure, see `hypnolens.plots.catalogue`.
    before, note
        Words before and after its caption.
    wildcards
        Its ``dataset``, and ``experiment`` where it is of a run.
    """
    image = Image(filename=path_of(name).format(**wildcards))
    image.width = 0.6 * int.from_bytes(image.data[16:20], "big")  # 200 dots an inch of paper, 120 on a screen
    display(image)
    display(Markdown(f"*{' '.join(filter(None, [before, caption(name), note]))}*"))


def note(figure: str, card: Mapping[str, Any]) -> str:
    """What a run's figure says of the network's card, after its caption."""
    if figure == "training_curves":
        selected = card["experiment"].get("protocol") == "test-selected"
        where = (
            "on the test fold itself, which flatters" if selected else "on validation subjects, never on test subjects"
        )
        return f"It is chosen {where}."
    if figure == "gradcam":
        step, field = (card[key] / card["sampling_rate_hz"] for key in ("cell_step", "cell_field"))
        return f"A cell of Grad-CAM steps {step:.2f} s and sees {field:.1f} s."
    return ""
