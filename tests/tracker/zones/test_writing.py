"""Counts as CSV and JSON: what is in them, told from an independent count of the same events."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

from tests.tracker.zones.streams import Stream, lines, stays_one_by_one, streams, zone_hits, zones
from tracker.zones import Line, Times, Zone, ZoneCounter
from tracker.zones.crossings import Crossings
from tracker.zones.writing import COLUMNS, event_rows, lines_about, summary, write_events, write_summary

NAMES = {0: "person", 2: "car"}
RATE = 5.0


def written(stream: Stream, line: Line, zone: Zone, times: Times) -> tuple[list[dict[str, str]], dict[str, Any]]:
    counter = ZoneCounter([line, zone], times)
    parts = counter.count(stream.frames, stream.ids, stream.boxes, stream.class_ids)
    events = Crossings.concatenate([Crossings.none(), *parts, counter.finish(stream.length)])
    file = io.StringIO()
    write_events(file, event_rows(counter, events, NAMES), header=True)
    return list(csv.DictReader(io.StringIO(file.getvalue()))), summary(counter, "clip", NAMES, events)


@settings(deadline=None)
@given(streams(), lines(), zones())
def test_both_files_say_the_same(stream: Stream, line: Line, zone: Zone) -> None:
    rows, content = written(stream, line, zone, Times(RATE))
    hits, counts = zone_hits(stream, zone)
    events, stays = stays_one_by_one(stream, hits, 1, round(2 * RATE))
    (crossed,), (held,) = content["lines"], content["zones"]
    told = {event: sum(row["event"] == event for row in rows) for event in ("in", "out", "enter", "leave")}
    assert told == {"in": crossed["in"], "out": crossed["out"], "enter": held["entries"], "leave": held["exits"]}
    assert held["entries"] == sum(into for _, _, into in events)
    assert held["most_inside"] == max(counts, default=0)
    assert held["mean_inside"] == pytest.approx(np.mean(counts), abs=1e-4)
    assert sum(one["in"] for one in crossed["per_class"].values()) == crossed["in"]
    over = sorted(round(stay / RATE, 3) for all_of in stays.values() for stay in all_of)
    assert sorted(float(row["dwell"]) for row in rows if row["dwell"]) == over
    assert held["dwell"]["visits"] == len(over)
    if over:
        assert held["dwell"]["mean"] == pytest.approx(np.mean(over), abs=1e-3)
        assert held["dwell"]["median"] == pytest.approx(np.median(over), abs=1e-3)
        assert held["dwell"]["longest"] == max(over)
    of_all = [stay for one in content["identities"] for stay in one["stays"]]
    assert len(of_all) == len(over) + held["inside_at_end"]
    assert sum(one["inside_at_end"] for one in content["identities"]) == held["inside_at_end"]
    assert sum(content["over_time"]["zones"]["zone"]["entries"]) == held["entries"]
    assert all(float(row["seconds"]) == pytest.approx((int(row["frame"]) - 1) / RATE) for row in rows)


def made_up() -> Stream:
    """A person who walks up through the square, and a car that stands in it."""
    feet = [(frame, 1, 50.0, 150.0 - 20 * frame, 0) for frame in range(1, 8)]
    feet += [(frame, 2, 80.0, 60.0, 2) for frame in range(3, 8)]
    table = np.array(sorted(feet))
    boxes = np.stack((table[:, 2] - 5, table[:, 3] - 20, table[:, 2] + 5, table[:, 3]), axis=1)
    frames, ids, kinds = (table[:, column].astype(np.int64) for column in (0, 1, 4))
    return Stream(7, frames, ids, boxes, kinds)


def test_a_small_example() -> None:
    hall = Zone("hall", ((0, 40), (100, 40), (100, 100), (0, 100)))
    door = Line("door", (0, 70), (100, 70), ("bottom_center",))
    rows, content = written(made_up(), door, hall, Times(10.0))
    assert tuple(rows[0]) == COLUMNS
    assert [tuple(row.values()) for row in rows] == [
        ("3", "0.200", "hall", "1", "0", "person", "enter", ""),
        ("3", "0.200", "hall", "2", "2", "car", "enter", ""),
        ("5", "0.400", "door", "1", "0", "person", "in", ""),
        ("6", "0.500", "hall", "1", "0", "person", "leave", "0.300"),
    ]
    assert content["identities"] == [
        {"zone": "hall", "id": 1, "class": "person", "dwell": 0.3, "stays": [0.3], "inside_at_end": False},
        {"zone": "hall", "id": 2, "class": "car", "dwell": 0.5, "stays": [0.5], "inside_at_end": True},
    ]
    assert list(lines_about(content)) == [
        "line 'door': 1 in, 0 out",
        "zone 'hall': 2 entries, on average 0.3 s, 0.3 at most; 2 inside at most, 1 at the end (person 1/1, car 1/0)",
    ]


def test_without_a_frame_rate_dwell_is_in_frames() -> None:
    hall = Zone("hall", ((0, 40), (100, 40), (100, 100), (0, 100)))
    rows, content = written(made_up(), Line("door", (0, 70), (100, 70)), hall, Times())
    assert {row["seconds"] for row in rows} == {""}
    assert [row["dwell"] for row in rows if row["event"] == "leave"] == ["3"]
    assert (content["unit"], content["frame_rate"]) == ("frames", None)
    assert content["over_time"]["start_seconds"] is None


def test_a_stream_has_no_list_of_identities(tmp_path: Path) -> None:
    counter = ZoneCounter([Zone("hall", ((0, 0), (9, 0), (9, 9)))])
    counter.finish()
    content = summary(counter, "camera0", {})
    write_summary(tmp_path / "deep" / "counts.json", content)
    assert json.loads((tmp_path / "deep" / "counts.json").read_text("utf-8")) == content
    assert content["identities"] is None
    assert content["zones"][0]["dwell"] == {"visits": 0, "mean": None, "median": None, "longest": None}
