"""Made-up tracks for the tests of zones, and supervision's counters on them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import strategies as st

from tracker.core.detections import FloatArray, IntArray
from tracker.zones import ANCHORS, Line, Zone

SIZE = 60  # pixels of the made-up picture's sides
ODD = 0.377  # what coordinates end in, so that none lies on a line or half-way between pixels
Event = tuple[int, int, int, int, bool]  # place, frame, identity, class, into


@dataclass
class Stream:
    """Rows sorted by frame: frames, ids, boxes [K, 4] xyxy, classes; `length` frames in all."""

    length: int
    frames: IntArray
    ids: IntArray
    boxes: FloatArray
    class_ids: IntArray

    def at(self, frame: int) -> np.ndarray:
        """Rows of a frame."""
        return np.flatnonzero(self.frames == frame)


@st.composite
def streams(draw: st.DrawFn, longest: int = 24) -> Stream:
    """A few objects that jump about, vanish, come back and change class."""
    length = draw(st.integers(1, longest))
    rows = []
    step = st.tuples(st.integers(-15, 15), st.integers(-15, 15))
    for identity in range(1, draw(st.integers(0, 4)) + 1):
        x, y = draw(st.integers(0, SIZE)), draw(st.integers(0, SIZE))
        width, height = draw(st.integers(1, 12)), draw(st.integers(1, 12))
        kinds = draw(st.lists(st.integers(-1, 2), min_size=1, max_size=3))
        walk = draw(st.lists(st.none() | step, min_size=length, max_size=length))
        for frame, move in enumerate(walk, start=1):
            if move is not None:  # else it is not seen
                x, y = (int(np.clip(one + by, -10, SIZE + 10)) for one, by in zip((x, y), move, strict=True))
                rows.append((frame, identity, x, y, x + width, y + height, kinds[frame % len(kinds)]))
    table = np.array(sorted(rows), np.float64).reshape(-1, 7)
    frames, ids, kinds_ = (table[:, column].astype(np.int64) for column in (0, 1, 6))
    return Stream(length, frames, ids, table[:, 2:6] + ODD, kinds_)


anchor_sets = st.lists(st.sampled_from(sorted(ANCHORS)), min_size=1, max_size=4, unique=True).map(tuple)
corners = st.tuples(st.integers(0, SIZE), st.integers(0, SIZE))


@st.composite
def lines(draw: st.DrawFn, name: str = "line") -> Line:
    start, end = draw(st.lists(corners, min_size=2, max_size=2, unique=True))
    return Line(name, start, end, draw(anchor_sets), draw(st.integers(1, 4)))


@st.composite
def zones(draw: st.DrawFn, name: str = "zone") -> Zone:
    points = draw(st.lists(corners, min_size=3, max_size=7, unique=True))
    return Zone(name, tuple(points), draw(anchor_sets), draw(st.booleans()))


def line_events(stream: Stream, places: Sequence[Line]) -> tuple[list[Event], list[tuple[dict, dict]]]:
    """What supervision's LineZone says crossed, and its counts per class, in and out, of each line."""
    sv = pytest.importorskip("supervision", reason="needs supervision")
    events, counts = [], []
    for number, line in enumerate(places):
        anchors = [sv.Position[anchor.upper()] for anchor in line.anchors]
        theirs = sv.LineZone(sv.Point(*line.start), sv.Point(*line.end), anchors, line.minimum_crossing_threshold)
        for frame, rows, detections in seen_by_supervision(stream):
            for into, crossed in zip((True, False), theirs.trigger(detections), strict=True):
                those = rows[crossed].tolist()
                events += [(number, frame, int(stream.ids[row]), int(stream.class_ids[row]), into) for row in those]
        counts.append((theirs.in_count_per_class, theirs.out_count_per_class))
    return sorted(events), counts


def zone_hits(stream: Stream, zone: Zone) -> tuple[np.ndarray, list[int]]:
    """Which rows supervision's PolygonZone says are inside, and its current count in each frame."""
    sv = pytest.importorskip("supervision", reason="needs supervision")
    anchors = [sv.Position[anchor.upper()] for anchor in zone.anchors]
    theirs = sv.PolygonZone(np.array(zone.points), anchors, zone.require_all_anchors)
    inside, counts = np.zeros(len(stream.frames), bool), []
    for _, rows, detections in seen_by_supervision(stream):
        inside[rows] = theirs.trigger(detections)
        counts.append(theirs.current_count)
    return inside, counts


def seen_by_supervision(stream: Stream) -> Iterator[tuple[int, np.ndarray, object]]:
    """Each frame, its rows, and those as supervision's Detections."""
    sv = pytest.importorskip("supervision", reason="needs supervision")
    for frame in range(1, stream.length + 1):
        rows = stream.at(frame)
        found = sv.Detections.empty()
        if len(rows):
            found = sv.Detections(stream.boxes[rows], tracker_id=stream.ids[rows], class_id=stream.class_ids[rows])
        yield frame, rows, found


def stays_one_by_one(
    stream: Stream, inside: np.ndarray, threshold: int, patience: int
) -> tuple[list[tuple[int, int, bool]], dict[int, list[int]]]:
    """Entries and exits (frame, identity, into) and the stays that are over, in frames, written down as the rule says.

    Args:
        inside: [K] of each row.
        threshold: sightings on the other side that make a change.
        patience: frames away after which an identity has gone.
    """
    events, stays = [], {}
    for identity in np.unique(stream.ids).tolist():
        is_in, waiting, since, last = False, 0, 0, None
        for row in np.flatnonzero(stream.ids == identity).tolist():
            frame = int(stream.frames[row])
            if last is not None and frame - last - 1 >= patience:
                if is_in:
                    events.append((last + 1, identity, False))
                    stays.setdefault(identity, []).append(last + 1 - since)
                is_in, waiting = False, 0
            waiting = waiting + 1 if bool(inside[row]) != is_in else 0
            if waiting >= threshold:
                is_in, waiting = not is_in, 0
                events.append((frame, identity, is_in))
                if is_in:
                    since = frame
                else:
                    stays.setdefault(identity, []).append(frame - since)
            last = frame
        if is_in and last is not None and last < stream.length:
            events.append((last + 1, identity, False))
            stays.setdefault(identity, []).append(last + 1 - since)
    return sorted(events), stays
