"""The section about zones: figures of the counts, drawings where there are seconds; part of a page of a run."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tracker.commands.main import run
from tracker.demo.render import render_demo
from tracker.output.counts import Counting
from tracker.report.zones import zones_section
from tracker.zones import Line, Times, Zone, ZoneCounter

DOOR = Line("<door>", (0, 50), (100, 50), ("bottom_center",))
HALL = Zone("hall", ((0, 0), (100, 0), (100, 49), (0, 49)))


def counted(times: Times, class_names: dict[int, str]) -> dict[str, Any]:
    """Three people and a car walk up through the door into the hall, one of them goes on."""
    counting = Counting(ZoneCounter([DOOR, HALL], times), "clip", class_names)
    rows = [
        (frame, one, 80 - frame * 2 * one) for frame in range(1, 21) for one in (1, 2, 3, 4) if one < 4 or frame > 9
    ]
    table = np.array(sorted(rows))
    feet = table[:, 2].astype(float)
    boxes = np.stack((np.full(len(feet), 40.0), feet - 30, np.full(len(feet), 60.0), feet), axis=1)
    kinds = np.where(table[:, 1] == 3, 2, 0)
    counting.take_all(table[:, 0], table[:, 1], boxes, kinds)
    return counting.content()


def cells(body: str) -> list[list[str]]:
    """Texts of the rows of all tables."""
    rows = re.findall(r"<tr>(.*?)</tr>", body, re.DOTALL)
    return [
        [re.sub(r"<[^>]+>", "", cell).strip() for cell in re.findall(r"<td[^>]*>(.*?)</td>", row, re.DOTALL)]
        for row in rows
    ]


def test_the_section_says_what_was_counted() -> None:
    content = counted(Times(10.0), {0: "person", 2: "car"})
    section = zones_section(content)
    rows = cells(section.body)
    (door,), (hall,) = content["lines"], content["zones"]
    assert ["&lt;door&gt;", str(door["in"]), str(door["out"]), "person 2 / 0, car 1 / 0"] in rows
    stays = [f"{hall['dwell'][key]:.1f} s" for key in ("mean", "median", "longest")]
    assert ["hall", str(hall["entries"]), str(hall["exits"])] == next(row for row in rows if row[:1] == ["hall"])[:3]
    assert stays == next(row for row in rows if row[:1] == ["hall"])[6:9]
    assert section.body.count("<svg") == 2
    assert "still there at the end" in section.body


def test_without_seconds_nothing_is_drawn_and_stays_are_in_frames() -> None:
    section = zones_section(counted(Times(), {}))
    assert "<svg" not in section.body and " frames</td>" in section.body


def test_nothing_happened() -> None:
    counting = Counting(ZoneCounter([DOOR, HALL], Times(10.0)), "clip", {})
    assert "–" in zones_section(counting.content()).body


@pytest.mark.slow
def test_a_run_has_it_in_its_page(tmp_path: Path) -> None:
    sequence = render_demo(tmp_path, 20)
    zones = Path(__file__).resolve().parents[3] / "docs/zones/example.json"
    source = [str(sequence), "--det", "det.txt", "--descriptor", "none", "--raw", "--out", str(tmp_path / "r.txt")]
    with pytest.raises(SystemExit) as ended:
        run("track", [*source, "--zones", str(zones), "--report", str(tmp_path / "report")])
    assert ended.value.code == 0
    page = (tmp_path / "report/index.html").read_text("utf-8")
    assert '<h2 id="zones">Zones and lines</h2>' in page and "<td>pillar</td>" in page
