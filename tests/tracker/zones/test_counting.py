"""Counts against supervision's counters and against the rule written down one by one, however the rows come."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tracker.zones.streams import (
    Event,
    Stream,
    line_events,
    lines,
    stays_one_by_one,
    streams,
    zone_hits,
    zones,
)
from tracker.core.detections import Tracks
from tracker.zones import Line, Place, Times, Zone, ZoneCounter
from tracker.zones.crossings import Crossings
from tracker.zones.timeline import MOST_STEPS

RATE = 5.0
SQUARE = Zone("square", ((0, 0), (100, 0), (100, 100), (0, 100)))


def counted(stream: Stream, places: list[Place], cuts: list[int] | None = None) -> tuple[ZoneCounter, Crossings]:
    """All events of a stream, taken in frame by frame, or in parts that begin at `cuts`."""
    counter, found = ZoneCounter(places, Times(RATE)), [Crossings.none()]
    if cuts is None:
        numbers = range(1, stream.length + 1)
        found += [counter.update(frame, tracks_of(stream, stream.at(frame))) for frame in numbers]
    else:
        for rows in np.split(np.arange(len(stream.frames)), np.searchsorted(stream.frames, cuts)):
            columns = (stream.frames, stream.ids, stream.boxes, stream.class_ids)
            found += counter.count(*(column[rows] for column in columns))
    found.append(counter.finish(stream.length))
    return counter, Crossings.concatenate(found)


def tracks_of(stream: Stream, rows: np.ndarray) -> Tracks:
    return Tracks(stream.ids[rows], stream.boxes[rows], np.ones(len(rows)), rows, stream.class_ids[rows])


def as_events(found: Crossings) -> list[Event]:
    columns = (found.places, found.frames, found.ids, found.class_ids, found.into)
    return sorted(zip(*(column.tolist() for column in columns), strict=True))


def per_class(counter: ZoneCounter, place: int) -> tuple[dict[int, int], dict[int, int]]:
    found = (counter.totals.into, counter.totals.out)
    return tuple({kind: count for (row, kind), count in counts.items() if row == place} for counts in found)


@settings(deadline=None)  # supervision is imported in the first
@given(streams(), lines("a"), lines("b"))
def test_lines_count_what_supervision_counts(stream: Stream, a: Line, b: Line) -> None:
    counter, found = counted(stream, [a, b])
    events, counts = line_events(stream, [a, b])
    assert as_events(found) == events
    assert [per_class(counter, place) for place in (0, 1)] == counts
    assert counter.totals.of(0, into=True) == sum(counts[0][0].values())


@settings(deadline=None)
@given(streams(), zones(), st.integers(1, 3), st.sampled_from([0.2, 0.6, None]))
def test_zones_hold_whom_supervision_holds(stream: Stream, zone: Zone, threshold: int, patience: float | None) -> None:
    zone = Zone(zone.name, zone.points, zone.anchors, zone.require_all_anchors, threshold, patience)
    counter, inside = ZoneCounter([zone], Times(RATE)), []
    for frame in range(1, stream.length + 1):
        counter.update(frame, tracks_of(stream, stream.at(frame)))
        inside.append(int(counter.inside[0]))
    hits, counts = zone_hits(stream, zone)
    assert inside == counts
    counter, found = counted(stream, [zone])
    events, stays = stays_one_by_one(stream, hits, threshold, round(RATE * (2.0 if patience is None else patience)))
    assert [(frame, one, into) for _, frame, one, _, into in as_events(found)] == events
    over = counter.stays(found)[~found.into] * RATE
    told = Counter(zip(found.ids[~found.into].tolist(), np.round(over).astype(int).tolist(), strict=True))
    assert told == Counter((one, stay) for one, all_of in stays.items() for stay in all_of)
    assert counter.totals.of(0, True) - counter.totals.of(0, False) == len(counter.still_inside())
    assert counter.totals.visits[0] == sum(map(len, stays.values()))
    np.testing.assert_allclose(counter.totals.stayed[0] * RATE, sum(map(sum, stays.values())))


@settings(deadline=None)
@given(streams(), zones(), lines(), st.lists(st.integers(1, 25), max_size=4), st.integers(1, 3))
def test_it_does_not_matter_how_rows_come(
    stream: Stream, zone: Zone, line: Line, cuts: list[int], threshold: int
) -> None:
    places = [line, Zone("again", zone.points, minimum_crossing_threshold=threshold, patience=0.5), zone]
    one, found = counted(stream, places)
    other, same = counted(stream, places, sorted(cuts))
    assert as_events(same) == as_events(found)
    assert same.since[~same.into].tolist() == found.since[~found.into].tolist()
    assert (other.totals.into, other.totals.out) == (one.totals.into, one.totals.out)
    np.testing.assert_allclose(other.totals.stayed, one.totals.stayed)
    for name in ("into", "out", "most_inside"):
        np.testing.assert_array_equal(getattr(other.timeline, name), getattr(one.timeline, name))
    np.testing.assert_array_equal(other.looked_at(), one.looked_at())


@settings(deadline=None)
@given(streams(), zones())
def test_the_timeline_adds_up(stream: Stream, zone: Zone) -> None:
    counter, _ = counted(stream, [zone])
    _, counts = zone_hits(stream, zone)
    steps = [counts[start : start + round(RATE)] for start in range(0, stream.length, round(RATE))]
    assert counter.looked_at().tolist() == [len(step) for step in steps]
    np.testing.assert_allclose(counter.timeline.mean_inside(counter.looked_at())[0], [np.mean(s) for s in steps])
    assert counter.timeline.most_inside[0].tolist() == [max(step) for step in steps]
    assert counter.timeline.into[0].sum() == counter.totals.of(0, True)


def box_at(x: float, y: float) -> list[float]:
    """A box whose feet are there."""
    return [x - 5, y - 20, x + 5, y]


def walk(frames: list[int], feet: list[tuple[float, float]], last: int) -> tuple[ZoneCounter, Crossings]:
    """One object through the square, 10 frames a second."""
    counter = ZoneCounter([SQUARE], Times(10.0))
    rows = np.array([box_at(*point) for point in feet])
    found = list(counter.count(np.array(frames), np.ones(len(frames), np.int64), rows))
    return counter, Crossings.concatenate([*found, counter.finish(last)])


@pytest.mark.parametrize(
    ("frames", "feet", "last", "events", "seconds"),
    [
        ([1, 2, 3], [(150, 50), (50, 50), (150, 50)], 3, [(2, True), (3, False)], [0.1]),
        ([1, 2, 3], [(50, 50)] * 3, 3, [(1, True)], []),  # still there
        ([1, 2, 3], [(50, 50)] * 3, 9, [(1, True), (4, False)], [0.3]),  # gone before the end
        ([1, 19, 20], [(50, 50), (50, 50), (150, 50)], 20, [(1, True), (20, False)], [1.9]),  # unseen, and still there
        # away for two seconds: left, and came again
        ([1, 22, 23], [(50, 50)] * 3, 23, [(1, True), (2, False), (22, True)], [0.1]),
    ],
)
def test_entries_and_stays(
    frames: list[int],
    feet: list[tuple[float, float]],
    last: int,
    events: list[tuple[int, bool]],
    seconds: list[float],
) -> None:
    counter, found = walk(frames, feet, last)
    assert list(zip(found.frames.tolist(), found.into.tolist(), strict=True)) == events
    np.testing.assert_allclose(counter.stays(found)[~found.into], seconds)


def test_every_fifth_frame_is_nobodys_absence() -> None:
    """Where a detector looks at every fifth frame, those between do not count as away."""
    door = Line("door", (0, 50), (100, 50), ("bottom_center",))
    frames = np.arange(3, 43, 5)
    boxes = np.array([box_at(50, 90 - 10 * row) for row in range(len(frames))])
    for step, crossings in ((5, 1), (1, 0)):
        counter = ZoneCounter([door], first=3, step=step)
        list(counter.count(frames, np.ones(len(frames), np.int64), boxes))
        assert counter.totals.of(0, into=True) == crossings


def test_patience_at_a_line_bridges_what_supervision_forgets() -> None:
    frames, boxes = np.array([1, 2, 8, 9]), np.array([box_at(50, y) for y in (70, 60, 40, 30)])
    for patience, crossings in ((None, 0), (1.0, 1)):
        door = Line("door", (0, 50), (100, 50), ("bottom_center",), patience=patience)
        counter = ZoneCounter([door], Times(10.0))
        list(counter.count(frames, np.ones(4, np.int64), boxes))
        assert counter.totals.of(0, into=True) == crossings


def test_memory_is_that_of_the_identities_alive() -> None:
    counter = ZoneCounter([SQUARE, Line("door", (0, 50), (100, 50))], Times(10.0))
    sizes = []
    for frame in range(1, 4001):
        boxes = np.array([box_at(50, 50), box_at(frame % 100, 60)])
        ids = np.array([frame, frame + 1])  # each lives for two frames
        counter.update(frame, Tracks(ids, boxes, np.ones(2), ids, np.zeros(2, np.int64)))
        sizes.append(len(counter._watch))
    assert max(sizes) <= 25
    assert counter.timeline.length <= MOST_STEPS
    assert counter.totals.of(0, into=True) == 4001


def test_a_timeline_grows_no_longer_than_its_steps() -> None:
    counter = ZoneCounter([SQUARE], Times(1.0))
    frames = np.arange(1, 5001)
    boxes = np.repeat([box_at(50, 50)], 5000, axis=0)
    list(counter.count(frames, np.ones(5000, np.int64), boxes))
    assert counter.timeline.width == 8
    assert counter.timeline.length == 625
    assert counter.timeline.mean_inside(counter.looked_at())[0].tolist() == [1.0] * 625
    counter.finish(10**9)  # a stream whose numbers ran away
    assert counter.looked_at().sum() == 10**9
    assert counter.timeline.into.sum() == 1


def test_frames_have_their_own_times() -> None:
    own = {1: 0.0, 2: 0.5, 3: 3.0}
    counter = ZoneCounter([SQUARE], Times(10.0, own.get))
    list(counter.count(np.array([1, 2, 3]), np.ones(3, np.int64), np.array([box_at(50, 50)] * 3)))
    np.testing.assert_allclose(counter.stays(counter.still_inside()), [3.1])  # the last one lasts a tenth
    assert Times(10.0, own.get).seconds(np.array([3, 4, 9])).tolist() == [3.0, 3.1, 0.8]


def test_a_line_that_no_box_fits_is_doubtful() -> None:
    counter = ZoneCounter([Line("slit", (0, 0), (5, 0)), Line("wall", (0, 0), (500, 0))])
    list(counter.count(np.array([1, 2]), np.ones(2, np.int64), np.array([box_at(50, 50)] * 2)))
    assert [doubt[:11] for doubt in counter.doubts()] == ["line 'slit'"]


def test_frames_go_forward() -> None:
    counter = ZoneCounter([SQUARE])
    nobody = tracks_of(
        Stream(1, *(np.zeros(0, np.int64),) * 2, np.zeros((0, 4)), np.zeros(0, np.int64)), np.zeros(0, int)
    )
    counter.update(5, nobody)
    with pytest.raises(ValueError, match="expected more than 5, found 5"):
        counter.update(5, nobody)
    with pytest.raises(ValueError, match="ascending"):
        list(counter.count(np.array([7, 6]), np.array([1, 1]), np.zeros((2, 4))))
