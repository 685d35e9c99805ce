"""The shift of the picture, told from boxes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracker.core.camera_shift import shift_from_boxes
from tracker.core.detections import FloatArray


def crowd(count: int, seed: int = 0) -> FloatArray:
    """Boxes 40 x 80 that do not touch, in a row."""
    left = np.arange(count) * 200.0 + np.random.default_rng(seed).uniform(0, 50, count)
    return np.stack((left, np.full(count, 100.0), left + 40, np.full(count, 180.0)), axis=1)


def moved(boxes: FloatArray, x: float, y: float = 0.0) -> FloatArray:
    return boxes + np.array([x, y, x, y])


@given(x=st.floats(-15, 15), y=st.floats(-30, 30), count=st.integers(3, 12), seed=st.integers(0, 1000))
@pytest.mark.slow
def test_a_common_shift_is_found_exactly(x: float, y: float, count: int, seed: int) -> None:
    boxes = crowd(count, seed)
    detected = np.random.default_rng(seed).permutation(moved(boxes, x, y))
    np.testing.assert_allclose(shift_from_boxes(boxes, detected), [x, y], atol=1e-9)


@pytest.mark.parametrize(
    ("predicted", "detected"),
    [
        (0, 5),  # no track yet
        (5, 0),  # no detection
        (2, 9),  # a median of two is no median
        (9, 2),
    ],
)
def test_too_few_pairs_say_nothing(predicted: int, detected: int) -> None:
    assert shift_from_boxes(crowd(predicted), crowd(detected) + 5.0).tolist() == [0, 0]


def test_boxes_that_hardly_overlap_say_nothing() -> None:
    assert shift_from_boxes(crowd(6), moved(crowd(6), 30)).tolist() == [0, 0]  # IoU 0.14


def test_who_walks_alone_does_not_move_the_camera() -> None:
    detected = crowd(7)
    detected[:3] = moved(detected[:3], 12)
    assert shift_from_boxes(crowd(7), detected).tolist() == [0, 0]


def test_a_change_of_size_is_no_shift() -> None:
    np.testing.assert_allclose(shift_from_boxes(crowd(5), crowd(5) + np.array([-4.0, -8, 4, 8])), [0, 0], atol=1e-12)


def test_only_mutual_best_overlaps_count() -> None:
    """Two tracks see one detection; the better one is its partner."""
    predicted = np.concatenate((crowd(3), moved(crowd(3), 15)))
    np.testing.assert_allclose(shift_from_boxes(predicted, moved(crowd(3), 2)), [2, 0])
