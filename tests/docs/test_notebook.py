"""The notebooks run, and their outputs are those that they were committed with."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

CHECKOUT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((CHECKOUT / "docs/notebooks").glob("*.ipynb"))


def kinds(cell: Any) -> list[str]:
    """Of what a cell gave: texts without their numbers, pictures by their format."""
    found = []
    for output in cell.get("outputs", []):
        data = output.get("data", {"text": "".join(output.get("text", ""))})
        pictures = [kind for kind in data if kind.startswith("image/")]
        found += pictures or [re.sub(r"[\d.]+", "#", str(data.get("text", data.get("text/plain"))))]
    return found


def numbers(notebook: Any) -> list[float]:
    texts = ["".join(output.get("text", "")) for cell in notebook["cells"] for output in cell.get("outputs", [])]
    return [float(number) for text in texts for number in re.findall(r"\d+\.\d+|\d+", text)]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_it_runs(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nbformat = pytest.importorskip("nbformat", reason="needs nbclient")
    pytest.importorskip("nbclient", reason="needs nbclient")
    pytest.importorskip("ipykernel", reason="needs ipykernel")
    from tools.site.notebook import run_notebook

    monkeypatch.setenv("PYTHONPATH", os.pathsep.join((str(CHECKOUT), os.environ.get("PYTHONPATH", ""))))
    committed, now = nbformat.read(path, as_version=4), run_notebook(path, tmp_path)
    assert [kinds(cell) for cell in now.cells] == [kinds(cell) for cell in committed.cells]
    assert numbers(now) == pytest.approx(numbers(committed), rel=0.05, abs=1)
    assert path.stat().st_size < 400_000
