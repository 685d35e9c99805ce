"""What goes in is checked: shapes, numbers, areas."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tracker import Detections

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
