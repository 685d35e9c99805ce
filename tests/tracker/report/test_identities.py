"""When identities were there, for how long, and where they came from, against counting by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracker.report.heat import WIDEST, heat_map
from tracker.report.identities import (
    AT_BEGINNING,
    AT_END,
    INSIDE,
    Film,
    Rows,
    identities,
    numbers_present,
    side_of,
)

SIZE = (640, 480)


def film(frames: list[int] | range, rate: float = 10.0) -> Film:
    numbers = np.array(frames)
    places = np.arange(len(numbers)) / rate  # in the video, frames that are missing leave no gap
    return Film(numbers, (numbers - 1) / rate, places, rate, SIZE)


def rows(*found: tuple[int, int, tuple[float, float, float, float]]) -> Rows:
    """Of (frame, id, box)."""
    frames, ids, boxes = zip(*found, strict=True)
    return Rows.sorted(
        np.array(frames), np.array(ids), np.array(boxes, np.float32).reshape(-1, 4), np.full(len(found), -1)
    )


@pytest.mark.parametrize(
    ("box", "side"),
    [
        ((0, 100, 40, 300), "left"),
        ((600, 100, 645, 300), "right"),
        ((300, -5, 340, 200), "top"),
        ((300, 300, 340, 478), "bottom"),
        ((300, 100, 340, 300), INSIDE),
        ((-3, 300, 40, 480), "left"),  # in from the side, cut below
        ((7, 100, 40, 300), "left"),  # 7 pixels are near enough
        ((8, 100, 40, 300), INSIDE),
    ],
)
def test_sides(box: tuple[float, ...], side: str) -> None:
    assert side_of(np.array(box, float), SIZE) == side


def test_what_an_identity_did() -> None:
    inside, right = (300, 100, 340, 300), (610, 100, 640, 300)
    walk = rows(*((frame, 4, inside) for frame in range(11, 21)), *((frame, 4, right) for frame in range(31, 36)))
    (one,) = identities(walk, film(range(1, 101)), {})
    assert (one.number, one.start, one.end) == (4, 1.0, 3.5)
    assert one.stay == pytest.approx(2.5)
    np.testing.assert_allclose(one.spans, [(1.0, 2.0), (3.0, 3.5)])
    assert (one.came, one.went, one.last_feet) == (INSIDE, "right", (625.0, 300.0))


def test_who_is_there_at_the_beginning_and_at_the_end() -> None:
    left = (0.0, 100.0, 40.0, 300.0)
    (one,) = identities(rows(*((frame, 1, left) for frame in range(3, 100))), film(range(1, 101)), {})
    assert (one.came, one.went) == (AT_BEGINNING, AT_END)


def test_frames_that_are_missing_are_no_gap_in_the_video_but_time_that_passes() -> None:
    here = [1, 2, 3, 21, 22, 23]
    (one,) = identities(rows(*((frame, 1, (300, 100, 340, 300)) for frame in here)), film(here), {})
    assert one.stay == pytest.approx(2.3)
    assert one.spans[-1][1] == pytest.approx(0.6)


def test_every_fifth_frame_is_one_span() -> None:
    here = range(1, 100, 5)
    (one,) = identities(rows(*((frame, 1, (300, 100, 340, 300)) for frame in here)), film(here), {})
    assert len(one.spans) == 1


def test_the_class_of_most_frames() -> None:
    table = Rows.sorted(np.arange(1, 4), np.ones(3, int), np.ones((3, 4), np.float32), np.array([2, 0, 2]))
    assert identities(table, film(range(1, 4)), {0: "person", 2: "car"})[0].class_name == "car"


def test_nobody() -> None:
    none = Rows.sorted(np.zeros(0, int), np.zeros(0, int), np.zeros((0, 4), np.float32), np.zeros(0, int))
    assert identities(none, film(range(1, 9)), {}) == []
    edges, mean, largest = numbers_present(none, film(range(1, 9)), 4)
    assert len(edges) == 5 and not mean.any() and not largest.any()


@given(st.lists(st.tuples(st.integers(1, 30), st.integers(1, 5)), unique=True, max_size=60), st.integers(1, 40))
def test_counts_are_those_of_counting(found: list[tuple[int, int]], bins: int) -> None:
    box = (1.0, 1.0, 2.0, 2.0)
    table = rows(*((frame, track, box) for frame, track in found)) if found else rows((1, 1, box))
    edges, mean, largest = numbers_present(table, film(range(1, 31)), bins)
    present = [
        len({int(i) for f, i in zip(table.frames, table.ids, strict=True) if f == frame}) for frame in range(1, 31)
    ]
    assert largest.max() == max(present)
    assert (mean * np.diff(edges)).sum() * 10 == pytest.approx(sum(present))
    assert edges[-1] == pytest.approx(3.0)


def test_heat_is_where_feet_were_and_nowhere_else() -> None:
    scene = np.full((480, 640, 3), 90, np.uint8)
    heat = heat_map(np.array([[100.0, 400.0]] * 50 + [[9999.0, -50.0]]), scene).astype(int)
    assert heat[400, 100].sum() > 600 and heat[200, 300].sum() == 3 * 45
    assert heat_map(np.zeros((0, 2)), scene).shape == scene.shape
    assert heat_map(np.array([[5.0, 5.0]]), np.zeros((1080, 1920, 3), np.uint8)).shape[1] == WIDEST
