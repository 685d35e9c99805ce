"""Ground truth answers the suggestions on the demo: what `tools.suggestions` prints."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tools.suggestions.__main__ import main


@pytest.mark.slow
def test_answers_make_a_result_better(demo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(demo / "sort.txt", str(demo / "demo"), answers=8)
    said = capsys.readouterr().out
    answers, same = re.search(r"(\d+) answers, (\d+) of them", said).groups()  # type: ignore[union-attr]
    assert int(answers) == 8 and int(same) >= 7
    before, after = (float(figure) for figure in re.findall(r"IDF1 ([\d.]+)", said))
    assert after > before + 5
