"""The demo's scene and a result of it that leaves much to correct."""

from __future__ import annotations

from pathlib import Path

import pytest

from tracker.commands.main import run
from tracker.demo.render import render_demo


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with demo/ (the sequence) and sort.txt: every absence ends an identity."""
    folder = tmp_path_factory.mktemp("demo")
    sequence = render_demo(folder, frames=120)
    options = ["--seq", str(sequence), "--det", "det.txt", "--config", "sort", "--raw", "--descriptor", "none"]
    with pytest.raises(SystemExit) as ended:
        run("track", [*options, "--out", str(folder / "sort.txt")])
    assert ended.value.code == 0
    return folder
