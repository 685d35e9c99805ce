"""Counts as sinks: what a recording and a stream write, and what their footage tells of times."""

from __future__ import annotations

import csv
import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tracker.core.detections import Tracks
from tracker.errors import InputError
from tracker.input.frames import open_frames
from tracker.input.sequences import Sequence
from tracker.output.counts import Counting, EventsSink, count_sinks, counting_at
from tracker.output.video import VideoWriter
from tracker.zones import Times, Zone, ZoneCounter

SQUARE = Zone("square", ((0, 0), (100, 0), (100, 100), (0, 100)), patience=0.5)


def tracks(*feet: tuple[int, float]) -> Tracks:
    """Identities, and how far to the right their feet are, 50 from the top."""
    ids = np.array([one for one, _ in feet], np.int64)
    boxes = np.array([(x - 5, 10, x + 5, 50) for _, x in feet], float).reshape(-1, 4)
    return Tracks(ids, boxes, np.ones(len(ids)), ids, np.full(len(ids), -1))


WALKS = [  # one leaves, one vanishes
    tracks((1, 50), (2, 60)),
    tracks((1, 80), (2, 60)),
    tracks((1, 110)),
    *[tracks((3, 500))] * 6,
    tracks((4, 50)),
]
EVENTS = [
    ("1", "1", "enter", ""),
    ("1", "2", "enter", ""),
    ("3", "1", "leave", "0.200"),
    ("3", "2", "leave", "0.200"),
    ("10", "4", "enter", ""),
]


def rows(path: Path) -> list[tuple[str, ...]]:
    with path.open(encoding="utf-8") as file:
        return [(row["frame"], row["id"], row["event"], row["dwell"]) for row in csv.DictReader(file)]


def written(folder: Path, is_live: bool) -> tuple[list[tuple[str, ...]], dict[str, Any]]:
    counting = Counting(ZoneCounter([SQUARE], Times(10.0)), "walks", {}, is_live)
    sinks = count_sinks(counting, (folder / "counts.csv", folder / "counts.json"))
    for sink in sinks:
        sink.__enter__()
    for frame, here in enumerate(WALKS, start=1):
        for sink in sinks:
            sink.write(frame, None, here)
    for sink in reversed(sinks):
        sink.__exit__(None, None, None)
    return rows(folder / "counts.csv"), json.loads((folder / "counts.json").read_text("utf-8"))


def test_a_recording_has_sorted_events_and_its_identities(tmp_path: Path) -> None:
    events, content = written(tmp_path, is_live=False)
    assert events == EVENTS
    assert {one["id"]: one["dwell"] for one in content["identities"]} == {1: 0.2, 2: 0.2, 4: 0.1}


def test_a_stream_tells_events_as_they_are_known(tmp_path: Path) -> None:
    events, content = written(tmp_path, is_live=True)
    assert sorted(events) == sorted(EVENTS)
    assert events.index(EVENTS[3]) > events.index(EVENTS[2])
    assert content["identities"] is None
    assert content["zones"][0]["dwell"]["visits"] == 2


def test_the_events_of_a_stream_can_be_read_meanwhile(tmp_path: Path) -> None:
    counting = Counting(ZoneCounter([SQUARE], Times(10.0)), "walks", {}, is_live=True)
    with EventsSink(tmp_path / "counts.csv", counting) as sink:
        sink._pace._last -= 10  # it is time
        counting.write(1, None, WALKS[0])
        sink.write(1, None, WALKS[0])
        assert rows(tmp_path / "counts.csv.partial") == EVENTS[:2]


def test_a_run_that_fails_leaves_no_counts(tmp_path: Path) -> None:
    counting = Counting(ZoneCounter([SQUARE]), "walks", {})
    with (
        pytest.raises(RuntimeError),
        count_sinks(counting, (tmp_path / "a.csv",))[1],
        count_sinks(counting, (tmp_path / "a.json",))[1],
    ):
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_frames_say_when_they_are_shown(tmp_path: Path) -> None:
    """A video in unequal steps: each frame counts by its own time."""
    clip, zones = tmp_path / "clip.mp4", tmp_path / "zones.json"
    with VideoWriter(clip, 10, (64, 48), time_base=Fraction(1, 100)) as video:
        for time in (0, 10, 20, 200):
            video.write(np.zeros((48, 64, 3), np.uint8), Fraction(time, 100))
    zones.write_text(json.dumps({"type": "Polygon", "coordinates": [[[0, 0], [900, 0], [900, 900]]]}))
    with open_frames(clip) as frames:
        counting = counting_at(zones, Sequence("clip", frames=clip), frames, {}, (1, 1))
        for frame, _ in frames:
            counting.write(frame, None, tracks((1, 500)) if frame < 4 else tracks())
    (zone,) = counting.content()["zones"]
    assert zone["dwell"]["longest"] == 2.0
    assert "far outside the picture of 64x48" in counting.doubts()[0]


def test_a_recording_tells_what_its_sequence_does_not(tmp_path: Path) -> None:
    clip, zones = tmp_path / "clip.mp4", tmp_path / "zones.json"
    with VideoWriter(clip, 12.5, (64, 48)) as video:
        video.write(np.zeros((48, 64, 3), np.uint8))
    zones.write_text(json.dumps([{"type": "LineString", "coordinates": [[0, 0], [30, 30]]}]))
    assert counting_at(zones, Sequence("clip", frames=clip), None, {}, (1, 1)).counter.times.rate == 12.5
    assert counting_at(zones, Sequence("nothing"), None, {}, (1, 1)).counter.times.rate is None
    with pytest.raises(InputError, match="cannot be read"):
        counting_at(tmp_path / "none.json", Sequence("clip"), None, {}, (1, 1))
