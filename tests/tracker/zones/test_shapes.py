"""Where boxes are: against supervision on random shapes and boxes, and by hand where it matters."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tracker.zones.streams import Stream, line_events, streams, zone_hits, zones
from tracker.zones import ANCHORS, Line, Zone
from tracker.zones.shapes import IN, OUT, UNDECIDED, anchor_points


@pytest.mark.parametrize(
    ("box", "side"),
    [
        ((10, 20, 30, 90), IN),  # above a line that goes to the right
        ((10, 110, 30, 190), OUT),  # below it
        ((10, 50, 30, 150), UNDECIDED),  # across it
        ((-5, 20, 30, 90), UNDECIDED),  # a corner before its start
        ((190, 20, 205, 90), UNDECIDED),  # a corner behind its end
        ((0, 20, 200, 90), IN),  # from end to end
        ((10, 20, 30, 100), UNDECIDED),  # touches it: what lies on it is out
        ((10, 100, 30, 150), OUT),
    ],
)
def test_the_side_of_a_line(box: tuple[float, ...], side: int) -> None:
    assert Line("door", (0, 100), (200, 100)).sides(np.array([box], float)).tolist() == [side]


def test_a_line_drawn_the_other_way_round_turns_in_and_out() -> None:
    boxes = np.array([[10.0, 20, 30, 90], [10, 110, 30, 190]])
    assert Line("door", (200, 100), (0, 100)).sides(boxes).tolist() == [OUT, IN]
    assert Line("door", (0, 100), (200, 100)).towards_in == (0, -1)  # upwards
    assert Line("door", (200, 100), (0, 100)).towards_in == (0, 1)


@settings(deadline=None)  # supervision is imported in the first
@given(st.sampled_from([(0, 30, 60, 30), (60, 30, 0, 30), (30, 0, 30, 60), (30, 60, 30, 0)]), streams(longest=8))
def test_boxes_exactly_on_a_line_fall_on_supervisions_side(line: tuple[int, ...], stream: Stream) -> None:
    stream.boxes = np.floor(stream.boxes)
    place = Line("line", line[:2], line[2:], ("bottom_center", "top_left"))
    from tracker.zones import ZoneCounter

    counter = ZoneCounter([place])
    found = [
        (0, int(frame), int(one), int(kind), bool(into))
        for part in counter.count(stream.frames, stream.ids, stream.boxes, stream.class_ids)
        for frame, one, kind, into in zip(part.frames, part.ids, part.class_ids, part.into, strict=True)
    ]
    assert sorted(found) == line_events(stream, [place])[0]


@settings(deadline=None)
@given(streams(longest=8), zones(), st.booleans())
def test_a_zone_holds_what_supervisions_does(stream: Stream, zone: Zone, whole: bool) -> None:
    if whole:  # anchors half-way between two pixels
        stream.boxes = np.floor(stream.boxes)
    assert (zone.sides(stream.boxes) == IN).tolist() == zone_hits(stream, zone)[0].tolist()


def test_anchors_are_supervisions() -> None:
    sv = pytest.importorskip("supervision", reason="needs supervision")
    boxes = np.array([[1.0, 2.0, 5.0, 12.0], [-3.5, 0, 4, 9]])
    theirs = [sv.Detections(boxes).get_anchors_coordinates(sv.Position[name.upper()]) for name in ANCHORS]
    np.testing.assert_array_equal(anchor_points(boxes, tuple(ANCHORS)), theirs)
    assert {name.upper() for name in ANCHORS} == {one.name for one in sv.Position} - {"CENTER_OF_MASS"}  # of a mask


@pytest.mark.parametrize(
    ("point", "inside"),
    [
        ((-20, -20), True),  # a zone may reach over the picture's edge
        ((-50.4, -50.4), True),  # the border is inside, and rounding to it
        ((-51, -20), False),
        ((1e9, 1e9), False),  # far away is outside, not an overflow
        ((-1e9, 5), False),
    ],
)
def test_zones_beyond_the_picture(point: tuple[float, float], inside: bool) -> None:
    zone = Zone("yard", ((-50, -50), (50, -50), (50, 50), (-50, 50)), ("top_left",))
    assert zone.sides(np.array([[*point, point[0] + 1, point[1] + 1]])).tolist() == [int(inside)]


def test_no_boxes() -> None:
    nobody = np.zeros((0, 4))
    assert Line("line", (0, 0), (1, 1)).sides(nobody).tolist() == []
    assert Zone("zone", ((0, 0), (9, 0), (0, 9))).sides(nobody).tolist() == []
