"""Pages without a kernel: the cells of a notebook run one after the other, and what they show, as text."""

import json

from hypnolens.io.shipped import NOTEBOOKS


def shown(name, monkeypatch, **parameters):
    """What the page of a notebook shows, in order: words and tables as text, pictures as bytes.

    Parameters are those that papermill would write into its first cell; files are read in the current folder.
    """
    parts = []
    monkeypatch.setattr("hypnolens.reports.pages.display", lambda thing: parts.append(getattr(thing, "data", thing)))
    namespace, given = {}, json.loads(json.dumps(parameters))
    for number, cell in enumerate(json.loads((NOTEBOOKS / f"{name}.ipynb").read_text())["cells"]):
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(source)
        elif "parameters" in cell["metadata"].get("tags", ()):
            exec(source, namespace)
            assert set(given) == {key for key in namespace if not key.startswith("__")}, "parameters of the first cell"
            namespace.update(given)
        else:
            exec(compile(source, f"{name}, cell {number}", "exec"), namespace)
    return parts
