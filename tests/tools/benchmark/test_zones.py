"""The comparison with supervision's counters, as a reader of docs/zones.md runs it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[3]


@pytest.mark.slow
def test_counts_are_compared(tmp_path: Path) -> None:
    pytest.importorskip("supervision", reason="needs supervision")
    rows = [f"{frame},{one},{12 * frame + one},20,10,40,1,-1,-1,-1" for frame in range(1, 31) for one in (1, 2, 3)]
    (tmp_path / "walk.txt").write_text("\n".join(rows))
    (tmp_path / "zones.json").write_text(
        json.dumps(
            [
                {"type": "LineString", "name": "door", "coordinates": [[100, 100], [100, 0]]},
                {"type": "Polygon", "name": "hall", "coordinates": [[[50, 0], [150, 0], [150, 100], [50, 100]]]},
            ]
        )
    )
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "tools.benchmark.zones",
            str(tmp_path / "walk.txt"),
            "--zones",
            str(tmp_path / "zones.json"),
        ],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "the counts are the same" in done.stdout
    assert done.stdout.count("0 / 3") == 3
    inside = sum(50 <= 12 * frame + one + 5 <= 150 for frame in range(1, 31) for one in (1, 2, 3))  # feet
    assert done.stdout.count(f"{inside} / 3") == 3
