"""A notebook as a page, and run anew."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

TEXT, PICTURES = "text/plain", ("image/jpeg", "image/png")


def notebook_page(path: Path) -> str:
    """Markdown of a notebook that was run: its text, its code, what came out."""
    import json

    cells = json.loads(path.read_text("utf-8"))["cells"]
    parts = []
    for cell in cells:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(re.sub(r"\A# .*\n*", "", source))  # the page has its own title
            continue
        parts.append(f"```python\n{source}\n```")
        parts += [_shown(output) for output in cell["outputs"]]
    return "\n\n".join(part for part in parts if part)


def _shown(output: dict[str, Any]) -> str:
    if output["output_type"] == "stream":
        return f"```text\n{''.join(output['text']).rstrip()}\n```"
    data = output.get("data", {})
    for kind in PICTURES:
        if kind in data:
            encoded = "".join(data[kind]).replace("\n", "")
            return f'<img class="output" alt="what the cell above draws" src="data:{kind};base64,{encoded}">'
    return f"```text\n{''.join(data[TEXT]).rstrip()}\n```" if TEXT in data else ""


def run_notebook(path: Path, folder: Path) -> Any:
    """The notebook with the outputs of a fresh run in the folder.

    Raises:
        nbclient.exceptions.CellExecutionError: a cell fails.
    """
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(folder)}}).execute()
    for cell in notebook.cells:
        cell.metadata = {}  # times of the run: nothing that a reader needs
    return notebook


def write_notebook(path: Path, folder: Path) -> None:
    """Run the notebook in the folder and keep its outputs in the file."""
    import nbformat

    from embedding.files import atomic_path

    notebook = run_notebook(path, folder)
    notebook.metadata = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    with atomic_path(path) as temporary:
        nbformat.write(notebook, temporary)
