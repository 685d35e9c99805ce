"""What smells is said, and what does not is not."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tracker.core.boxes import tlwh_to_xyxy
from tracker.run.doubts import about_boxes, about_cuts, about_scores, about_tracks, outside

SIZE = (1920, 1080)
RANDOM = np.random.default_rng(0)
LEFT_TOP = RANDOM.uniform((0, 0), (1800, 800), (200, 2))
PEOPLE = np.column_stack((LEFT_TOP, RANDOM.uniform((30, 80), (120, 280), (200, 2))))  # left, top, width, height


def doubts(rows: np.ndarray, size: tuple[int, int] | None = SIZE) -> str:
    boxes = tlwh_to_xyxy(rows)
    away = 0 if size is None else int(outside(boxes, *size).sum())
    return " ".join(about_boxes(boxes, size, len(boxes), away))


@pytest.mark.parametrize("size", [SIZE, None])
def test_good_boxes_are_in_no_doubt(size: tuple[int, int] | None) -> None:
    assert doubts(PEOPLE, size) == ""
    assert doubts(PEOPLE[:0], size) == ""
    assert doubts(np.tile([2.0, 3.0, 40.0, 90.0], (50, 1)), SIZE) == ""  # one who stands in the corner


@pytest.mark.parametrize("size", [SIZE, None])
def test_corners_are_told(size: tuple[int, int] | None) -> None:
    corners = tlwh_to_xyxy(PEOPLE)
    assert "are these corners?" in doubts(corners, size)
    assert "corners" not in doubts(corners[:5], size)  # a coincidence


@pytest.mark.parametrize("size", [SIZE, None])
def test_fractions_are_told(size: tuple[int, int] | None) -> None:
    assert "fractions of the picture" in doubts(PEOPLE / (*SIZE, *SIZE), size)


def test_boxes_of_another_size_are_told() -> None:
    assert "200 of 200 boxes lie outside the picture of 1920x1080" in doubts(PEOPLE + np.array([1920, 0, 0, 0]))
    assert "lie outside" in doubts(PEOPLE - np.array([2000, 0, 0, 0]))
    assert doubts(PEOPLE - np.array([600, 0, 0, 0])) == ""  # a third has left


@pytest.mark.parametrize(
    ("box", "away"),
    [
        ((0, 0, 10, 10), False),
        ((-5, -5, 1, 1), False),  # a corner shows
        ((-5, 0, 0, 10), True),
        ((0, -5, 10, 0), True),
        ((1920, 0, 1930, 10), True),
        ((0, 1080, 10, 1090), True),
        ((1919, 1079, 1930, 1090), False),
    ],
)
def test_outside(box: tuple[float, ...], away: bool) -> None:
    assert outside(np.array([box], float), *SIZE).tolist() == [away]


@pytest.mark.parametrize(
    ("start", "seen", "starting", "largest", "said"),
    [
        (0.6, 90, 0, 0.5, "no score reaches 0.6, from which tracks start; the largest is 0.5"),
        (0.6, 1000, 3, 0.7, "3 of 1000 scores reach 0.6"),
        (0.6, 1000, 300, 0.9, ""),
        (0.6, 10, 1, 0.9, ""),  # too few to say anything
        (-math.inf, 90, 90, 0.5, ""),
        (0.6, 0, 0, -math.inf, ""),
    ],
)
def test_a_threshold_that_leaves_nothing(start: float, seen: int, starting: int, largest: float, said: str) -> None:
    told = " ".join(about_scores(start, seen, starting, largest))
    assert told.startswith(said) and bool(told) == bool(said)


@pytest.mark.parametrize(
    ("tracks", "seen", "starting", "said"),
    [
        (1, 90, 90, ""),
        (0, 0, 0, "no track: no detection in 30 frames"),
        (0, 90, 90, "no track: nothing was detected in 3 frames in a row"),
        (0, 90, 0, ""),  # the scores are why
    ],
)
def test_nobody_is_explained(tracks: int, seen: int, starting: int, said: str) -> None:
    told = " ".join(about_tracks(tracks, 30, seen, starting, 3))
    assert told.startswith(said) and bool(told) == bool(said)


def test_cuts_are_named_up_to_five() -> None:
    assert list(about_cuts([], 1000)) == []
    assert "in frame 7, 9: if" in next(about_cuts([7, 9], 1000))
    assert "in frame 1, 2, 3, 4, 5 and 2 more: if" in next(about_cuts([1, 2, 3, 4, 5, 6, 7], 1000))
    assert list(about_cuts([7, 9], 30)) == []  # flicker


def test_a_class_that_flickers_is_why() -> None:
    assert "class_gating=false" in next(about_tracks(0, 30, 90, 90, 3, classes_matter=True))
