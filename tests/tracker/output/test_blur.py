"""People who may not be shown: nothing of them is left, whoever found them; the rest of the picture stays."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from tracker.core.detections import Tracks
from tracker.output.blur import REACH, Blur, blurred, heads

NOISE = np.random.default_rng(0).integers(0, 256, (200, 300, 3)).astype(np.uint8)
BOX = [100.0, 40.0, 160.0, 190.0]


def tracks(*boxes: list[float], class_id: int = -1) -> Tracks:
    count = len(boxes)
    ones = np.ones(count)
    shape = np.array(boxes, float).reshape(-1, 4)
    return Tracks(np.arange(1, count + 1), shape, ones, np.arange(count), np.full(count, class_id))


def detail(image: np.ndarray, left: int, top: int, right: int, bottom: int) -> float:
    """How much neighbouring pixels differ; 85 in the noise."""
    return float(np.abs(np.diff(image[top:bottom, left:right].astype(float), axis=1)).mean())


def changed(image: np.ndarray) -> np.ndarray:
    return (image != NOISE).any(axis=2)


def test_whole_people_are_hidden_and_nothing_else() -> None:
    hidden = Blur("people", {})(1, NOISE, tracks(BOX))
    assert detail(hidden, 100, 40, 160, 190) < 3
    rows, columns = np.nonzero(changed(hidden))
    assert columns.min() >= 85 and columns.max() <= 175 and rows.min() >= 20


def test_heads_are_hidden_and_bodies_stay() -> None:
    hidden = Blur("faces", {})(1, NOISE, tracks(BOX))
    assert detail(hidden, 100, 40, 160, 73) < 10
    assert not changed(hidden)[90:].any()


@pytest.mark.parametrize(
    ("box", "lower"),
    [
        ([100, 100, 200, 400], 172.6),  # standing: the height decides, 66 of 300, and the margin
        ([100, 100, 200, 200], 166.0),  # the upper body alone
        ([100, 100, 300, 150], 155.0),  # lying: all of it
        ([100, 0, 150, 300], 72.6),  # slim: the height decides
    ],
)
def test_a_head_is_as_large_as_the_box_leaves_open(box: list[float], lower: float) -> None:
    assert heads(np.array([box], float))[0, 3] == pytest.approx(lower)


def test_who_is_no_track_is_hidden_too() -> None:
    blur = Blur("people", {})
    blur.see(1, np.array([BOX]), None)
    assert changed(blur(1, NOISE, tracks()))[60:180, 110:150].all()


@pytest.mark.parametrize("asked", range(1, 4 * REACH))
def test_who_is_missed_in_a_frame_is_hidden_by_those_around_it(asked: int) -> None:
    found = 2 * REACH
    blur = Blur("people", {})
    for frame in range(1, 4 * REACH):
        blur.see(frame, np.array([BOX] if frame == found else []).reshape(-1, 4), None)
    assert changed(blur(asked, NOISE, tracks())).any() == (abs(asked - found) <= REACH)


def test_cars_stay_and_who_has_no_class_does_not() -> None:
    names = {0: "person", 2: "car"}
    assert not changed(Blur("people", names)(1, NOISE, tracks(BOX, class_id=2))).any()
    assert changed(Blur("people", names)(1, NOISE, tracks(BOX, class_id=0))).any()
    assert changed(Blur("people", names)(1, NOISE, tracks(BOX))).any()
    blur = Blur("people", names)
    blur.see(1, np.array([BOX, [0, 0, 40, 40]]), np.array([2, 0]))
    hidden = changed(blur(1, NOISE, tracks()))
    assert hidden[:40, :40].any() and not hidden[60:, 110:].any()


def test_what_was_asked_for_is_forgotten() -> None:
    blur = Blur("people", {})
    for frame in range(1, 1000):
        blur.see(frame, np.array([BOX]), None)
        blur(frame, NOISE[:4, :4], tracks())
    assert len(blur._found) <= REACH + 1


@given(arrays.arrays(float, (3, 4), elements=st.floats(-1e9, 1e9)), st.integers(1, 8))
def test_any_boxes_can_be_blurred(boxes: np.ndarray, blocks: int) -> None:
    hidden = blurred(NOISE, boxes, blocks)
    assert hidden.shape == NOISE.shape and hidden.dtype == np.uint8


def test_few_colours_are_left() -> None:
    """Two pictures with the same few mean colours cannot be told apart afterwards."""
    other = NOISE.copy()
    other[:, 0:40] = NOISE[:, 0:40][:, ::-1]  # a cell's pixels in another order
    region = np.array([[0.0, 0.0, 160.0, 200.0]])
    np.testing.assert_allclose(blurred(NOISE, region, 4), blurred(other, region, 4), atol=1)
