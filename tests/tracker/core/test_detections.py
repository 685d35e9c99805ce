"""What goes in is checked: shapes, numbers, areas."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tracker import Detections
from tracker.core import detections

BOX = [10.0, 20, 30, 60]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"boxes": [1.0, 2, 3, 4]}, r"boxes: expected shape \[N, 4\].*found \(4,\)"),  # one box, not a list of one
        ({"boxes": [[1.0, 2, 3]]}, r"boxes: expected shape \[N, 4\].*found \(1, 3\)"),  # three numbers
        ({"boxes": [[[1.0, 2, 3, 4]]]}, r"boxes: expected shape \[N, 4\]"),  # a batch of frames
        ({"boxes": [BOX], "scores": [1.0, 2]}, r"scores: expected shape \[1\], one a box, found \(2,\)"),
        ({"boxes": [BOX], "scores": [[1.0]]}, r"scores: expected shape \[1\].*found \(1, 1\)"),  # a column
        ({"boxes": [BOX], "scores": 0.5}, r"scores: expected shape \[1\].*found \(\)"),  # one score for all
        ({"boxes": [BOX], "features": [1.0, 2]}, r"features: expected shape \[1, D\], found \(2,\)"),
        ({"boxes": [BOX], "features": np.zeros((2, 8))}, r"features: expected shape \[1, D\], found \(2, 8\)"),
        ({"boxes": [], "features": np.zeros((2, 8))}, r"features: expected shape \[0, D\], found \(2, 8\)"),
        ({"boxes": [BOX], "class_ids": [1, 2]}, r"class_ids: expected shape \[1\], found \(2,\)"),
        ({"boxes": [BOX, [np.nan, 0, 1, 1]]}, r"row 1 is not finite"),
        ({"boxes": [BOX, [0, 0, np.inf, 1]]}, r"row 1 is not finite"),
        ({"boxes": [[-np.inf, 0, np.inf, 1]]}, r"row 0 is not finite"),  # infinities that cancel in a sum
        ({"boxes": [BOX], "scores": [np.nan]}, r"row 0 is not finite"),
        ({"boxes": [BOX, BOX], "scores": [1, -np.inf]}, r"row 1 is not finite"),
        ({"boxes": [BOX, [0, 0, 1e308, 1e308]]}, r"row 1 is not finite or beyond 1e\+09"),  # its area overflows
        ({"boxes": [[-1e308, 0, 1, 1], [0, 0, 1e308, 1]]}, r"row 0 is not finite or beyond"),  # cancel in a sum
        ({"boxes": [[10, 20, 10, np.nan]]}, r"row 0 is not finite"),  # no width either
        ({"boxes": [BOX], "class_ids": [1.7]}, r"class_ids: expected whole numbers from 0, -1 where.*found 1.7"),
        ({"boxes": [BOX, BOX], "class_ids": [1, -7]}, r"class_ids: expected whole numbers from 0.*found -7"),
        ({"boxes": [BOX, BOX], "class_ids": [0, np.nan]}, r"class_ids: expected whole numbers from 0.*found nan"),
        ({"boxes": [BOX], "class_ids": [2**63]}, r"class_ids: expected whole numbers.*found 9223372036854775808"),
        ({"boxes": [BOX], "class_ids": ["car"]}, r"class_ids: expected whole numbers from 0.*found car"),
        ({"boxes": [BOX], "features": [[0, np.nan]]}, r"features: row 0 is not finite"),
        ({"boxes": [BOX], "features": [[0, 1e39]]}, r"features: row 0 is not finite"),  # no float32
    ],
)
@pytest.mark.filterwarnings("ignore:overflow encountered")
def test_bad_arrays_are_named(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Detections(**arguments)


@pytest.mark.parametrize("empty", [[], np.zeros((0, 4)), np.zeros(0), ()])
def test_every_spelling_of_nothing(empty: Any) -> None:
    for features in (None, [], np.zeros((0, 128))):
        detections = Detections(empty, [], features, [])
        assert len(detections) == 0
        assert detections.boxes.shape == (0, 4)
    assert Detections(empty).scores.shape == (0,)


def test_types_defaults_and_many_large_boxes() -> None:
    detections = Detections([[0, 0, 1, 2]], features=[[1, 2]], class_ids=[3])
    assert detections.boxes.dtype == detections.scores.dtype == np.float64
    assert detections.features is not None and detections.features.dtype == np.float32
    assert detections.class_ids is not None and detections.class_ids.dtype == np.int64
    assert detections.scores.tolist() == [1.0]
    assert len(Detections(np.tile([5e8, 5e8, 6e8, 6e8], (3, 1)))) == 3  # each is within the limit, their sum is not


def test_select_takes_rows_of_every_column() -> None:
    boxes = np.array([BOX, BOX, BOX]) + np.arange(3)[:, None]
    detections = Detections(boxes, [0.1, 0.2, 0.3], np.eye(3), [7, 8, 9])
    for rows in (np.array([2, 0]), np.array([False, True, False])):
        chosen = detections.select(rows)
        assert chosen.boxes.tolist() == boxes[rows].tolist()
        assert chosen.scores.tolist() == detections.scores[rows].tolist()
        assert chosen.features is not None and chosen.features.tolist() == np.eye(3)[rows].tolist()
        assert chosen.class_ids is not None and chosen.class_ids.tolist() == np.array([7, 8, 9])[rows].tolist()
    assert Detections(boxes).select(np.array([1])).features is None


@pytest.mark.parametrize(
    "flat",
    [
        [10, 20, 10, 60],  # no width
        [10, 60, 30, 60],  # no height
        [640, 480, 640, 480],  # clipped to a corner of the picture
        [10, 60, 30, 20],  # upside down
        [500, 300, 40, 80],  # left, top, width, height
        [10, 20, 10 + 1e-160, 60],  # in floats no width
        [0, 0, 1e-160, 1e-160],  # whose area is no number
    ],
)
def test_rows_without_area_are_dropped_and_counted(flat: list[float]) -> None:
    boxes = [flat, BOX, flat, [50, 60, 70, 80]]
    detections = Detections(boxes, [0.1, 0.2, 0.3, 0.4], np.eye(4), [5, 6, 7, -1])
    assert detections.boxes.tolist() == [BOX, [50, 60, 70, 80]]
    assert detections.scores.tolist() == [0.2, 0.4]
    assert detections.features is not None and detections.features.tolist() == np.eye(4)[[1, 3]].tolist()
    assert detections.class_ids is not None and detections.class_ids.tolist() == [6, -1]
    assert detections.rows is not None and detections.rows.tolist() == [1, 3]
    assert (len(detections), detections.dropped) == (2, 2)
    described = detections.with_features(np.ones((2, 3)))
    assert described.rows is not None and (described.rows.tolist(), described.dropped) == ([1, 3], 2)
    alone = Detections([flat])
    assert (len(alone), alone.dropped, alone.boxes.shape) == (0, 1, (0, 4))
    whole = Detections([BOX])
    assert (whole.rows, whole.dropped) == (None, 0)
    assert detections.select(np.array([1])).rows is None  # which counts from 0 again


BOXES = [BOX, [0, 0, 0, 5], [0, 0, 1e-6, 1], [np.nan, 0, 1, 1], [-np.inf, 0, 1, 1], [0, 0, 1e9, 1], [0, 0, 9e8, 9e8]]
FORMS = (
    np.asarray,
    np.asfortranarray,
    lambda array: np.matrix(array) if array.ndim == 2 else array,
    np.ma.masked_array,
    list,
    lambda array: array[::2],
    lambda array: array[..., :1],
    lambda array: array[0],
    lambda array: array.astype(">f8"),
    lambda array: array.astype(np.float64),
    lambda array: array.astype(np.float32),
    lambda array: np.frombuffer(array.tobytes(), array.dtype).reshape(array.shape),  # not to be written to
)


@settings(deadline=None, max_examples=300)
@given(st.data())
@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")  # np.matrix
def test_plain_arrays_are_taken_at_once_and_mean_the_same(data: st.DataObject) -> None:
    count = data.draw(st.integers(0, 6))
    mostly = st.sampled_from(FORMS[:1] * 30 + FORMS)
    box = st.sampled_from(BOXES[:1] * 10 + BOXES)
    score = st.sampled_from([0.5] * 20 + [np.nan, np.inf, -1e9, 1e9, -9e8])
    number = st.sampled_from([0.0] * 40 + [-1.5, 1e30, np.nan, -np.inf])
    boxes = np.array([data.draw(box) for _ in range(count)], np.float64).reshape(count, 4)
    scores = np.array([data.draw(score) for _ in range(count)], np.float64)
    width = data.draw(st.integers(0, 9))
    looks = np.array([data.draw(number) for _ in range(count * width)], np.float32).reshape(count, width)
    made = [data.draw(mostly)(array) if len(array) else array for array in (boxes, scores, looks)]
    arguments = made[0], data.draw(st.sampled_from([made[1], None])), data.draw(st.sampled_from([made[2], None]))
    outcomes = [outcome(arguments)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(detections, "are_sound", lambda *arrays: False)
        outcomes.append(outcome(arguments))
    assert outcomes[0] == outcomes[1]


def outcome(arguments: Any) -> Any:
    """All that comes of it, to compare."""
    try:
        made = Detections(*arguments)
    except (TypeError, ValueError) as error:
        return type(error), str(error)
    arrays = made.boxes, made.scores, made.features, made.class_ids, made.rows
    return made.dropped, [None if a is None else (type(a), a.dtype, a.shape, a.tobytes()) for a in arrays]
