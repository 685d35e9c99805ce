"""Box forms, overlaps and suppression against counting pixels and plain loops."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as stnp

from tracker.core import boxes as forms
from tracker.core.boxes import area, intersection, iou, non_maximum_suppression
from tracker.core.detections import FloatArray

GRID = 12  # whole pixels a side: small enough to count

Conversion = Callable[[FloatArray], FloatArray]
CONVERSIONS = [
    (forms.xyxy_to_tlwh, forms.tlwh_to_xyxy),
    (forms.xyxy_to_xyah, forms.xyah_to_xyxy),
    (forms.xyxy_to_xysr, forms.xysr_to_xyxy),
]


def box_arrays(extent: float = 4000.0, max_count: int = 8) -> st.SearchStrategy[FloatArray]:
    """Boxes [N, 4] xyxy of at least 0.5 pixels a side, also off the picture."""
    corner, side = st.floats(-extent, extent, width=32), st.floats(0.5, extent, width=32)
    box = st.tuples(corner, corner, side, side).map(lambda b: (b[0], b[1], b[0] + b[2], b[1] + b[3]))
    return st.lists(box, max_size=max_count).map(lambda rows: np.array(rows, float).reshape(-1, 4))


def whole_boxes() -> st.SearchStrategy[FloatArray]:
    """Boxes [N, 4] xyxy on whole pixels of the grid."""
    side = st.tuples(st.integers(0, GRID - 1), st.integers(1, GRID)).map(lambda s: (s[0], min(GRID, s[0] + s[1])))
    box = st.tuples(side, side).map(lambda b: (b[0][0], b[1][0], b[0][1], b[1][1]))
    return st.lists(box, max_size=6).map(lambda rows: np.array(rows, float).reshape(-1, 4))


@pytest.mark.parametrize(
    ("convert", "expected"),
    [
        (forms.xyxy_to_tlwh, [10, 20, 30, 60]),  # left, top, width, height
        (forms.xyxy_to_xyah, [25, 50, 0.5, 60]),  # centre, width / height, height
        (forms.xyxy_to_xysr, [25, 50, 1800, 0.5]),  # centre, width * height, width / height
    ],
)
def test_each_form_by_hand(convert: Conversion, expected: list[float]) -> None:
    assert convert(np.array([[10.0, 20, 40, 80]])).tolist() == [expected]


@pytest.mark.parametrize(("there", "back"), CONVERSIONS)
@given(boxes=box_arrays())
def test_every_form_comes_back(there: Conversion, back: Conversion, boxes: FloatArray) -> None:
    given_boxes = boxes.copy()
    np.testing.assert_allclose(back(there(boxes)), boxes, rtol=1e-9, atol=1e-6)
    np.testing.assert_array_equal(boxes, given_boxes)  # the argument is left alone


@pytest.mark.parametrize(
    "state",
    [
        [5.0, 5, -4, 1],  # negative area
        [5.0, 5, 4, -1],  # negative ratio
        [5.0, 5, 0, 1],  # no area
        [5.0, 5, np.nan, 1],  # not a number
    ],
)
def test_a_state_that_is_no_box_is_nan_and_spoils_no_other(state: list[float]) -> None:
    converted = forms.xysr_to_xyxy(np.array([state, [5.0, 5, 4, 1]]))
    assert np.isnan(converted[0]).any()
    assert converted[1].tolist() == [4, 4, 6, 6]


@given(a=whole_boxes(), b=whole_boxes())
def test_overlap_is_what_counting_pixels_says(a: FloatArray, b: FloatArray) -> None:
    def pixels(box: FloatArray) -> set[tuple[int, int]]:
        left, top, right, bottom = box.astype(int)
        return {(x, y) for x in range(left, right) for y in range(top, bottom)}

    shared, overlap = intersection(a, b), iou(a, b)
    assert shared.shape == overlap.shape == (len(a), len(b))
    assert area(a).tolist() == [len(pixels(box)) for box in a]
    for i, first in enumerate(map(pixels, a)):
        for j, second in enumerate(map(pixels, b)):
            assert shared[i, j] == len(first & second)
            assert overlap[i, j] == pytest.approx(len(first & second) / len(first | second), abs=1e-15)


@given(a=box_arrays(), b=box_arrays())
def test_iou_is_symmetric_and_within_zero_and_one(a: FloatArray, b: FloatArray) -> None:
    overlap = iou(a, b)
    np.testing.assert_allclose(overlap, iou(b, a).T, rtol=1e-12)
    assert ((overlap >= 0) & (overlap <= 1 + 1e-12)).all()
    np.testing.assert_allclose(np.diag(iou(a, a)), 1.0, rtol=1e-12)


def naive_suppression(boxes: FloatArray, scores: FloatArray, max_overlap: float) -> list[int]:
    survivors: list[int] = []
    for candidate in sorted(range(len(boxes)), key=lambda row: (-scores[row], row)):
        overlaps = iou(boxes[[candidate]], boxes[survivors])[0]
        if not (overlaps > max_overlap).any():
            survivors.append(candidate)
    return sorted(survivors)


@settings(max_examples=200)
@given(
    boxes=whole_boxes(),
    max_overlap=st.sampled_from([0.0, 0.25, 0.5, 0.7, 0.99, 1.0]),
    data=st.data(),
)
def test_suppression_is_the_greedy_loop(boxes: FloatArray, max_overlap: float, data: st.DataObject) -> None:
    scores = data.draw(stnp.arrays(float, len(boxes), elements=st.sampled_from([0.1, 0.5, 0.5001, 0.9])))
    kept = non_maximum_suppression(boxes, scores, max_overlap)
    if max_overlap == 1.0:
        assert kept.tolist() == list(range(len(boxes)))  # 1 switches suppression off, even for twins
    else:
        assert kept.tolist() == naive_suppression(boxes, scores, max_overlap)


def test_suppression_of_a_crowd_is_the_greedy_loop() -> None:
    random = np.random.default_rng(0)
    corner = random.uniform(0, 200, (300, 2))
    boxes = np.concatenate((corner, corner + random.uniform(20, 60, (300, 2))), axis=1)
    scores = random.random(300).round(1)  # many ties
    for max_overlap in (0.1, 0.5, 0.7):
        kept = non_maximum_suppression(boxes, scores, max_overlap)
        assert 0 < len(kept) < 300
        assert kept.tolist() == naive_suppression(boxes, scores, max_overlap)


def test_a_suppressed_box_suppresses_nobody() -> None:
    chain = np.array([[0.0, 0, 10, 10], [4.0, 0, 14, 10], [8.0, 0, 18, 10]])  # each overlaps the next by 3/7
    assert non_maximum_suppression(chain, np.array([0.9, 0.8, 0.7]), 0.4).tolist() == [0, 2]
