"""What all pages are made by: a notebook executed by papermill, exported as one page that needs nothing from elsewhere.

The words of a page stand in the Markdown cells of its notebook in ``workflow/notebooks``; code cells read a table and
show it, and are folded away on the page. What is here are the few functions that they call.
"""

import json
import os
import re
from collections.abc import Mapping, Sequence
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
from hypnolens.evaluation.tables import readable
from hypnolens.io.frames import read_table
from hypnolens.io.shipped import NOTEBOOKS
from hypnolens.plots.catalogue import caption, path_of, titled
from hypnolens.stages import CODE

STYLE = (
    "main { max-width: 62rem; margin: auto } .wide { overflow-x: auto } "
    ".jp-RenderedHTMLCommon .wide table { table-layout: auto; width: auto; max-width: 100% } "
    ".jp-RenderedHTMLCommon .wide :is(td, th) { white-space: normal; font-size: 85%; padding: 0.25em 0.5em; "
    "overflow-wrap: break-word; vertical-align: top; max-width: 22rem } "
    ".jp-RenderedHTMLCommon .wide thead th { vertical-align: bottom } "
    ".jp-RenderedHTMLCommon img { max-width: 100%; height: auto } a.anchor-link { opacity: 0.25 } "
    ".jp-Cell { padding: 0 } details.code { color: #767676; font-size: 80%; margin: 0.2em 0 } "
    "details.code pre { font-size: 100%; overflow-x: auto } "
    "@media (max-width: 700px) { main { padding: 0 0.3rem } .jp-OutputArea-prompt, .jp-InputPrompt { display: none } }"
)
"""A line length that can be read, tables whose words wrap, and code that is folded away."""

TEMPLATE = """{% extends 'lab/index.html.j2' %}
{% block input_group %}{% if cell.outputs %}
<details class="code"><summary>code</summary><pre>{{ cell.source | escape }}</pre></details>
{% endif %}{% endblock input_group %}"""
"""nbconvert's page, with the code of a cell in a fold; of one that shows nothing it is in the notebook only."""

MOST_ROWS = 60
"""Rows of a table on the page; the whole table is in its file."""


def execute(page: str, given: Mapping[str, Any], notebook: Path) -> None:
    """Write a page's notebook: its cells executed in the folder in which this runs.

    Parameters
    ----------
    page
        Name of a notebook in ``workflow/notebooks``.
    given
        Parameters of its first cell, of what JSON knows: text, numbers, lists, dictionaries, true, false and none.
    notebook
        The file, overwritten if it is there.

    Raises
    ------
    TypeError
        A parameter is something else, such as a tuple, which would reach the notebook as text.
    HypnolensError
        A file that it shows is damaged.
    papermill.exceptions.PapermillExecutionError
        A cell failed for another reason; the notebook up to it is kept.
    """
    for name, value in given.items():
        if json.loads(json.dumps(value)) != value:
            raise TypeError(f"parameter {name} of the notebook {page} is not what JSON makes of it: {value!r}")
    # A kernel of the same name that the user installed elsewhere must not run in place of this environment's.
    os.environ["JUPYTER_PREFER_ENV_PATH"] = "1"
    # Snakemake hides PYTHONPATH from jobs in conda environments, and hypnolens is installed in none of them.
    path = [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH")]
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, path))
    # Nobody debugs the kernel, which warns that its frozen modules make that hard.
    os.environ["PYDEVD_DISABLE_FILE_VALIDATION"] = "1"
    run: dict[str, Any] = {"kernel_name": "python3", "progress_bar": False, "log_output": False}
    if zmq.has("curve"):  # else others on the machine could listen, of which the kernel warns
        run["config"] = Config(KernelManager={"transport_encryption": "required"})
    try:
        papermill.execute_notebook(NOTEBOOKS / f"{page}.ipynb", notebook, parameters=dict(given), **run)
    except PapermillExecutionError as error:  # which knows what the kernel raised by its name
        if error.ename in (DamagedError.__name__, HypnolensError.__name__):
            raise HypnolensError(error.evalue) from None
        raise


def export(notebook: Path, html: Path, *, title: str) -> None:
    """Export an executed notebook as one HTML page with its code folded away and every picture inside."""
    exporter = HTMLExporter(
        raw_template=TEMPLATE, exclude_input_prompt=True, exclude_output_prompt=True, embed_images=True
    )
    page, _ = exporter.from_notebook_node(
        nbformat.read(notebook, as_version=4), resources={"metadata": {"name": title}}
    )
    # nbconvert's page loads MathJax and require.js from the web; the report has nothing to run.
    page = re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL)
    page = page.replace("</head>", f"<style>{STYLE}</style></head>", 1)
    html.write_text(page, encoding="utf-8")


def say(*sentences: str, listed: bool = False) -> None:
    """Display words, if there are any, as Markdown; each sentence an item of a list, if ``listed``."""
    if not sentences:
        return
    display(Markdown("\n".join(f"- {sentence}" for sentence in sentences) if listed else " ".join(sentences)))


def show_heading(title: str, level: int = 2) -> None:
    """Display a heading that can be linked to, where Markdown cells cannot know it beforehand."""
    display(Markdown(f'<h{level} id="{anchor(title)}">{title}</h{level}>'))


def anchor(title: str) -> str:
    """What a link to a heading is called, as nbconvert calls those of Markdown cells."""
    return title.replace(" ", "-")


def read(path: Path) -> pd.DataFrame:
    """A table, with its stages in order."""
    table = read_table(path)
    if "stage" not in table:
        return table
    order = {**CODE, "all": len(CODE)}
    return table.sort_values("stage", key=lambda stages: stages.map(order), kind="stable", ignore_index=True)


def show_table(table: pd.DataFrame, columns: Sequence[str] | None = None) -> None:
    """Display a table: names in words, each value with its interval, decimals as far as that allows.

    Parameters
    ----------
    table
        What to show. A column whose neighbours are ``NAME_low`` and ``NAME_high`` is shown with them.
    columns
        Which of the columns; all by default.
    """
    shown = readable(table, columns)
    cells = shown.head(MOST_ROWS).map(lambda cell: printable(cell) if isinstance(cell, str) else cell)
    display(HTML(f'<div class="wide">{cells.to_html(index=False, border=0)}</div>'))
    if len(table) > MOST_ROWS:
        say(f"{MOST_ROWS} of {len(table):,} rows; all are in the table's file.")


def show_pairs(values: Mapping[str, Any]) -> None:
    """Display keys and values, such as those of a configuration."""
    show_table(pd.DataFrame({"key": list(values), "value": [str(value) for value in values.values()]}))


def show_figure(name: str, *, before: str = "", note: str = "", **wildcards: str) -> None:
    """Display a figure of the catalogue under its heading, which becomes a part of the page, and its caption.

    Parameters
    ----------
    name
        Of the figure, see `hypnolens.plots.catalogue`.
    before, note
        Words before and after its caption.
    wildcards
        Its ``dataset``, and ``experiment`` where it is of a run.
    """
    whose = ", ".join(wildcards.values())
    show_heading(f"{titled(name)} ({whose})", level=4)
    image = Image(filename=path_of(name).format(**wildcards))
    image.width = 0.6 * int.from_bytes(image.data[16:20], "big")  # 200 dots an inch of paper, 120 on a screen
    display(image)
    say(f"*{' '.join(filter(None, [before, caption(name), note]))}*")


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
