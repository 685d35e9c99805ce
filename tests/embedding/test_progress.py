"""Progress where nobody watches, on lines, and to a reader that has gone away."""

from __future__ import annotations

import subprocess
import sys

import pytest

from embedding import progress
from embedding.progress import progress_shown, say, unseen


def test_lines_come_now_and_then_and_say_how_far_it_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = iter([0.0, 0.0, 1.0, 4.0, 5.5, 5.5, 6.0, 20.0, 20.0, 25.0, 25.0, 30.0])
    monkeypatch.setattr(progress.time, "perf_counter", lambda: next(now))
    with progress_shown() as show:
        for frame in (1, 20, 55):
            show("A", frame, 110)
        show("A", 60, 110)
        show("B, cutting", 1, None)
        show("learning", 0.25, 1)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("A: frame 55/110, ")
    assert "B, cutting: frame 1, " in lines[1]
    assert lines[-1] == "learning, 25%"


@pytest.mark.parametrize("setting", ["sys.stderr = None", "sys.stderr.close()", "import os; os.close(2)"])
def test_work_goes_on_where_nobody_listens(setting: str) -> None:
    program = (
        f"import sys; {setting}; from embedding.progress import say, progress_shown\n"
        "with progress_shown() as show:\n    show('A', 1, 2)\n"
        "say('gone'); print('done')"
    )
    done = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert done.stdout == "done\n"


def test_a_line_and_no_line(capsys: pytest.CaptureFixture[str]) -> None:
    unseen("A", 1, 2)
    say("said")
    assert capsys.readouterr().err == "said\n"
