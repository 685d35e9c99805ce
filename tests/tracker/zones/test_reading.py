"""Zone files: what is taken, what is refused and how, what is doubtful."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tracker.errors import InputError
from tracker.zones import Line, Zone, read_zones
from tracker.zones.reading import MOST_BYTES, doubts_about, places_of

RING = [[0, 0], [100, 0], [100, 50], [0, 0]]
POINTS = ((0.0, 0.0), (100.0, 0.0), (100.0, 50.0))
POLYGON = {"type": "Polygon", "coordinates": [RING]}
LINE = {"type": "LineString", "coordinates": [[0, 10], [90, 10]]}


def feature(geometry: Any = POLYGON, **properties: Any) -> dict[str, Any]:
    return {"type": "Feature", "geometry": geometry, "properties": properties}


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (
            {"type": "FeatureCollection", "features": [feature(name="hall"), feature(LINE, name="door")]},
            [Zone("hall", POINTS), Line("door", (0, 10), (90, 10))],
        ),
        ([feature(name="hall")], [Zone("hall", POINTS)]),  # a bare list
        (feature(name="hall"), [Zone("hall", POINTS)]),  # one feature
        (POLYGON, [Zone("zone 1", POINTS)]),  # a bare geometry
        ({"type": "GeometryCollection", "geometries": [LINE]}, [Line("line 1", (0, 10), (90, 10))]),
        ([{**LINE, "name": "door"}], [Line("door", (0, 10), (90, 10))]),  # a name outside properties
        ([{"geometry": POLYGON, "properties": None, "id": 7}], [Zone("7", POINTS)]),  # its id in place of a name
        ([POLYGON, LINE, POLYGON], [Zone("zone 1", POINTS), Line("line 1", (0, 10), (90, 10)), Zone("zone 2", POINTS)]),
        ([{"type": "polygon", "coordinates": [RING[:3]]}], [Zone("zone 1", POINTS)]),  # not closed
        ([{"type": "Polygon", "coordinates": RING}], [Zone("zone 1", POINTS)]),  # points without a ring around them
        ([{"type": "Polygon", "coordinates": [[*RING[:2], *RING[1:]]]}], [Zone("zone 1", POINTS)]),  # a point twice
        ([{"type": "Polygon", "coordinates": [[[*point, 3] for point in RING]]}], [Zone("zone 1", POINTS)]),  # heights
        (
            [feature(name="hall", anchors="Center", require_all_anchors=False, colour="red", patience=1)],
            [Zone("hall", POINTS, ("center",), require_all_anchors=False, patience=1.0)],
        ),
        (
            [feature(LINE, name="door", anchors=["BOTTOM_CENTER", "top-left"], minimum_crossing_threshold=3)],
            [Line("door", (0, 10), (90, 10), ("bottom_center", "top_left"), minimum_crossing_threshold=3)],
        ),
        ([feature(name="  Großer\nHof ")], [Zone("Großer Hof", POINTS)]),
    ],
)
def test_what_is_taken(content: Any, expected: list[Any], tmp_path: Path) -> None:
    path = tmp_path / "zones.json"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps(content, ensure_ascii=False).encode())
    assert read_zones(path) == expected


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ([], "holds no line and no zone"),
        ({"features": []}, "holds no line and no zone"),
        ({"zones": {}}, "holds an object with zones, expected GeoJSON"),
        (7, "holds a number, expected GeoJSON"),
        ([7], "feature 1: is a number, expected a feature"),
        ([feature(None)], "feature 1: has no geometry"),
        ([feature({"type": "Point", "coordinates": [1, 2]})], "type is 'Point', expected Polygon or LineString"),
        ([feature({"type": "MultiPolygon", "coordinates": []})], "type is 'MultiPolygon', expected"),
        ([feature({"type": "Polygon", "coordinates": []}, name="a")], "feature 1 ('a'): has no coordinates"),
        ([feature({"type": "Polygon", "coordinates": [RING, RING]})], "has 2 rings, expected one"),
        (
            [feature({"type": "Polygon", "coordinates": [[[0, 0], [9, 9], [0, 0]]]})],
            "has 2 different points, expected 3",
        ),
        ([feature({"type": "Polygon", "coordinates": [[[0, 0], [9, 9], [5, 5]]]})], "has all its points on one line"),
        (
            [feature({"type": "Polygon", "coordinates": [[[0, 0], [0.5, 0], [0.4, 0.9]]]})],
            "0.5 pixels wide and 0.9 high",
        ),
        ([feature({"type": "Polygon", "coordinates": [[[0, 0], [1e6, 0], [1e6, 1e6]]]})], "1000000 pixels wide"),
        (
            [feature({"type": "Polygon", "coordinates": [[[0, 0], [1], [2, 2]]]})],
            "point 2 is [1], expected two numbers",
        ),
        ([feature({"type": "Polygon", "coordinates": [[[0, 0], ["1", 1], [2, 2]]]})], "point 2 is ['1', 1]"),
        ([feature({"type": "Polygon", "coordinates": [[[0, 0], [True, 1], [2, 2]]]})], "point 2 is [True, 1]"),
        ([feature({"type": "Polygon", "coordinates": [[[0, 0], [float("nan"), 1], [2, 2]]]})], "point 2 is [nan, 1]"),
        ([feature({"type": "Polygon", "coordinates": [[[0, 0], [float("inf"), 1], [2, 2]]]})], "point 2 is [inf, 1]"),
        ([feature({"type": "LineString", "coordinates": [[0, 0], [10**400, 1]]})], "point 2 is [1000"),
        ([feature({"type": "LineString", "coordinates": [[0, 0]]})], "has 1 points, expected 2"),
        ([feature({"type": "LineString", "coordinates": [[0, 0], [1, 1], [2, 0]]})], "has 3 points, expected 2"),
        ([feature({"type": "LineString", "coordinates": [[4, 4], [4, 4]]})], "starts where it ends"),
        ([feature(name="a"), feature(LINE, name="a")], "feature 2: is called 'a' like feature 1"),
        ([feature(name="x" * 99)], "expected up to 80 characters"),
        ([feature(name="a\x07b")], "that can be printed"),
        ([feature(name=["a"])], "name is ['a'], expected a text"),
        ([feature(name=True)], "name is True, expected a text"),
        ([{"geometry": POLYGON, "properties": 4}], "properties are 4, expected an object"),
        ([feature(anchors=[])], "anchors are [], expected a list of center"),
        ([feature(anchors=["bottom_centre"])], "anchor 'bottom_centre' is not known; did you mean bottom_center?"),
        ([feature(anchors=["feet"])], "anchor 'feet' is not known; expected one of center"),
        ([feature(anchor="center")], "property 'anchor' is not known; did you mean anchors?"),
        (
            [feature(minimum_crossing_threshold=0)],
            "minimum_crossing_threshold is 0, expected a number of frames from 1",
        ),
        ([feature(minimum_crossing_threshold=1.5)], "minimum_crossing_threshold is 1.5"),
        ([feature(require_all_anchors="no")], "require_all_anchors is 'no', expected true or false"),
        ([feature(patience=-1)], "patience is -1, expected seconds from 0"),
        ([feature(patience=float("nan"))], "patience is nan"),
        ([feature()] * 1001, "holds 1001 features, expected at most 1000"),
    ],
)
def test_what_is_refused(content: Any, said: str) -> None:
    with pytest.raises(InputError) as refused:
        places_of(content, "z.json")
    message = str(refused.value)
    assert message.startswith("z.json") and said in message and "\n" not in message
    assert len(message) < 300


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is no JSON"),
        (b"{", "is no JSON"),
        (b"\xff\xfe{}", "is no JSON"),
        (b"[" * 100_000, "is no JSON"),  # deep
        (b" " * (MOST_BYTES + 1), "is larger than 10 MB"),
        (
            b'{"type": "Polygon", "coordinates": [[[0, 0], [9' + b"9" * 5000 + b", 1], [2, 2]]]}",
            "z.json",
        ),  # a long number
    ],
)
def test_damaged_files(content: bytes, said: str, tmp_path: Path) -> None:
    path = tmp_path / "z.json"
    path.write_bytes(content)
    with pytest.raises(InputError, match=said):
        read_zones(path)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none.json"):
        with pytest.raises(InputError, match="cannot be read"):
            read_zones(path)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just("Polygon"),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["type", "features", "geometry", "coordinates", "properties", "name", "id"]), inner
        )
    ),
    max_leaves=20,
)


@settings(deadline=None)
@given(json_values)
def test_anything_else_ends_in_one_line(content: Any) -> None:
    try:
        places = places_of(content, "z.json")
    except InputError as error:
        assert "\n" not in str(error)
    else:
        assert places


@pytest.mark.parametrize(
    ("points", "size", "said"),
    [
        (POINTS, (640, 480), None),
        (((-20, -20), (660, -20), (660, 500)), (640, 480), None),  # drawn over the edge
        (((0, 0), (1900, 0), (1900, 1000)), (640, 480), "(1900, 0) is far outside the picture of 640x480"),
        (((700, 0), (1900, 0), (1900, 1000)), (640, 480), "lies outside the picture of 640x480"),
        (((-9, -9), (-5, -9), (-5, -2)), (640, 480), "lies outside"),
        (((700, 0), (1900, 0), (1900, 1000)), None, None),  # nobody knows
        (((0, 0), (100, 100), (100, 0), (0, 100)), None, "crosses its own border"),
        (((0, 0), (100, 0), (50, 50), (100, 100), (0, 100)), None, None),  # a dent is none
    ],
)
def test_doubts(points: tuple[tuple[float, float], ...], size: tuple[int, int] | None, said: str | None) -> None:
    doubts = list(doubts_about([Zone("hall", points)], size))
    assert len(doubts) == (said is not None)
    assert not said or said in doubts[0]
