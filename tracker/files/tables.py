"""Detections and tracks of a sequence in memory, and the rows that any format is read into and checked in."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tracker.core.boxes import tlwh_to_xyxy
from tracker.core.detections import LIMIT, Detections, FloatArray, IntArray
from tracker.errors import InputError

FIELDS = ("frame", "id", "left", "top", "width", "height", "score")
EXACT = 2.0**53  # integers below it are exact in float64

Where = Callable[[int], str]  # row of a table -> "FILE, line 17"


@dataclass(slots=True)
class Rows:
    """What a file holds, before anything is checked or sorted.

    Attributes:
        values: [N, C >= 6] frame, id, left, top, width, height, score; 1 for each score if there are six columns.
        where: how to name a row in messages.
        features: [N, D], or None.
        class_ids: [N], or None.
        class_names: by class id; empty where the file has none.
    """

    values: FloatArray
    where: Where
    features: NDArray[np.floating] | None = None
    class_ids: IntArray | None = None
    class_names: Mapping[int, str] = field(default_factory=dict)


@dataclass(slots=True)
class DetectionTable:
    """All detections of a sequence, stably sorted by frame.

    Attributes:
        frames: [N] frame numbers, ascending, the first frame of a sequence is 1.
        boxes: [N, 4] corners in pixels.
        scores: [N] confidences; 1 where the file has none.
        features: [N, D] float32 descriptors, or None.
        class_ids: [N], or None.
        dropped: how many rows had no area and were left out.
        class_names: by class id; empty where the file has none.
    """

    frames: IntArray
    boxes: FloatArray
    scores: FloatArray
    features: NDArray[np.float32] | None = None
    class_ids: IntArray | None = None
    dropped: int = 0
    class_names: Mapping[int, str] = field(default_factory=dict)

    @classmethod
    def of_frames(cls, found: Sequence[tuple[int, Detections]]) -> DetectionTable:
        """The detections of frames in ascending order, with features and classes where every frame has them."""
        frames = np.repeat([frame for frame, _ in found], [len(here) for _, here in found]).astype(np.int64)
        full = [here for _, here in found if len(here)]
        features = [here.features for here in full if here.features is not None]
        class_ids = [here.class_ids for here in full if here.class_ids is not None]
        return cls(
            frames,
            np.concatenate([np.zeros((0, 4)), *(here.boxes for here in full)]),
            np.concatenate([np.zeros(0), *(here.scores for here in full)]),
            np.concatenate(features) if full and len(features) == len(full) else None,
            np.concatenate(class_ids) if full and len(class_ids) == len(full) else None,
        )

    def __len__(self) -> int:
        return len(self.frames)

    @property
    def first_frame(self) -> int:
        """Number of the first frame with a detection; 1 if there is none."""
        return int(self.frames[0]) if len(self) else 1

    @property
    def last_frame(self) -> int:
        """Number of the last frame with a detection; 0 if there is none."""
        return int(self.frames[-1]) if len(self) else 0

    def select(self, index: NDArray[np.generic]) -> DetectionTable:
        """The rows of `index` (ascending integers or a mask)."""
        return DetectionTable(
            self.frames[index],
            self.boxes[index],
            self.scores[index],
            None if self.features is None else self.features[index],
            None if self.class_ids is None else self.class_ids[index],
            self.dropped,
            self.class_names,
        )

    def at(self, frame: int) -> Detections:
        """The detections of one frame, possibly none; views of this table, checked when it was read."""
        start, stop = np.searchsorted(self.frames, (frame, frame + 1))
        return Detections.checked(
            self.boxes[start:stop],
            self.scores[start:stop],
            None if self.features is None else self.features[start:stop],
            None if self.class_ids is None else self.class_ids[start:stop],
        )


@dataclass(slots=True)
class TrackTable:
    """Ground truth or results of a sequence, stably sorted by frame; an id occurs once a frame.

    Attributes:
        frames, ids: [N].
        boxes: [N, 4] corners in pixels.
        scores: [N]; in ground truth the flag: 0 means "do not count".
        class_ids: [N] MOT16 classes (1 is pedestrian) where there are no names, or None where the file says no classes.
        class_names: by class id; empty where the file has none.

    A box may be without area: it is still one to be found, or one too many.
    """

    frames: IntArray
    ids: IntArray
    boxes: FloatArray
    scores: FloatArray
    class_ids: IntArray | None = None
    class_names: Mapping[int, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.frames)

    @property
    def has_area(self) -> NDArray[np.bool_]:
        """Mask [N] of the boxes that others can overlap."""
        size = self.boxes[:, 2:] - self.boxes[:, :2]
        return (size > 0).all(axis=1) & (size.prod(axis=1) > np.finfo(float).eps)

    def select(self, rows: NDArray[np.generic]) -> TrackTable:
        """The rows of `rows` (integers or a mask)."""
        class_ids = None if self.class_ids is None else self.class_ids[rows]
        chosen = (self.frames[rows], self.ids[rows], self.boxes[rows], self.scores[rows])
        return TrackTable(*chosen, class_ids, self.class_names)


def detections_of(rows: Rows, strict: bool = False) -> DetectionTable:
    """Checked, sorted detections; those without area are left out and counted.

    Args:
        strict: refuse rows without area.

    Raises:
        InputError: a row is malformed.
    """
    frames, boxes, scores = _checked_columns(rows.values, rows.where, empty_boxes=not strict)
    features = rows.features
    if features is not None:
        with np.errstate(over="ignore"):
            features = np.asarray(features, np.float32)
        finite = _are_finite(features)
        if not finite.all():
            raise InputError(f"{rows.where(int(np.argmin(finite)))}: a feature is not finite, expected numbers")
    table = DetectionTable(frames, boxes, scores, features, rows.class_ids, 0, rows.class_names)
    del rows, frames, boxes, scores, features  # a million rows: what is not needed any more goes now
    has_area = (table.boxes[:, 2] > table.boxes[:, 0]) & (table.boxes[:, 3] > table.boxes[:, 1])
    if (table.frames[1:] >= table.frames[:-1]).all():
        if has_area.all():
            return table  # as it is: the features may be a file that is larger than the memory
        order: NDArray[np.generic] = has_area
    else:
        order = np.argsort(table.frames, kind="stable")
        order = order[has_area[order]]
    chosen = table.select(order)
    chosen.dropped = len(table) - len(chosen)
    return chosen


def tracks_of(rows: Rows) -> TrackTable:
    """Checked, sorted tracks.

    Raises:
        InputError: a row is malformed, or an id occurs twice in a frame.
    """
    values, where = rows.values, rows.where
    frames, boxes, scores = _checked_columns(values, where, largest=EXACT, empty_boxes=True)
    whole = (values[:, 1] >= 0) & (values[:, 1] == np.floor(values[:, 1]))
    _require(whole, values, 1, "an integer from 0 (is this a file of detections?)", where)
    ids = values[:, 1].astype(np.int64)
    order = np.lexsort((ids, frames))
    twice = np.flatnonzero((np.diff(frames[order]) == 0) & (np.diff(ids[order]) == 0))
    if len(twice):
        row = int(order[twice + 1].min())
        raise InputError(f"{where(row)}: id {ids[row]} occurs twice in frame {frames[row]}, expected once")
    class_ids = None if rows.class_ids is None else rows.class_ids[order]
    return TrackTable(frames[order], ids[order], boxes[order], scores[order], class_ids, rows.class_names)


def _are_finite(features: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Mask [N] of the rows that are numbers, a part at a time."""
    parts = [np.isfinite(features[first : first + 65_536]).all(axis=1) for first in range(0, len(features), 65_536)]
    return np.concatenate([np.zeros(0, bool), *parts])


def _checked_columns(
    values: FloatArray, where: Where, largest: float = LIMIT, empty_boxes: bool = False
) -> tuple[IntArray, FloatArray, FloatArray]:
    """Frames [N], boxes [N, 4] xyxy and scores [N] of raw rows [N, C >= 6], or InputError.

    Frame numbers and ids lie below `largest`, everything else below LIMIT.
    """
    with np.errstate(over="ignore"):
        used = values[:, :7].astype(np.float64, copy=False)
    for column in range(used.shape[1]):
        _require(np.isfinite(used[:, column]), used, column, "a finite number", where)
        limit = largest if column < 2 else LIMIT
        _require(np.abs(used[:, column]) < limit, used, column, f"a number below {limit:.0f}", where)
    whole = (used[:, 0] >= 1) & (used[:, 0] == np.floor(used[:, 0]))
    _require(whole, used, 0, "an integer from 1 (MOTChallenge counts frames from 1)", where)
    boxes = tlwh_to_xyxy(used[:, 2:6])
    if not empty_boxes:
        for column, has_size in zip((4, 5), (boxes[:, 2:] > boxes[:, :2]).T, strict=True):
            _require(has_size, used, column, "a positive number of pixels", where)
    scores = used[:, 6].copy() if used.shape[1] == 7 else np.ones(len(used))
    return used[:, 0].astype(np.int64), boxes, scores


def _require(valid: NDArray[np.bool_], values: FloatArray, column: int, expected: str, where: Where) -> None:
    if not valid.all():
        row = int(np.argmin(valid))
        found = values[row, column]
        shown = f"{found:.0f}" if abs(found) < 1e20 and found == np.floor(found) else f"{found:.10g}"
        raise InputError(f"{where(row)}: {FIELDS[column]} is {shown}, expected {expected}")
