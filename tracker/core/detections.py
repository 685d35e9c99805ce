"""What goes into the tracker and what comes out: plain arrays, one row an object."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Image = NDArray[np.uint8]  # [H, W, 3], blue, green, red as OpenCV reads them

LIMIT = 1e9  # no frame, pixel or score is that large; it also keeps areas far from overflow


@dataclass(slots=True)
class Detections:
    """The detections of one frame.

    Args:
        boxes: [N, 4] corners (left, top, right, bottom) in pixels; finite, right > left and bottom > top.
        scores: [N] confidences, higher is surer; 1 for each if not given.
        features: [N, D] appearance descriptors, or None. They need not be normalised.
        class_ids: [N] integers, or None. Where given, a track only takes detections of its own class.

    Raises:
        ValueError: an array has the wrong shape, or a box, score or feature is not finite or has no area.
    """

    boxes: FloatArray
    scores: FloatArray
    features: NDArray[np.float32] | None
    class_ids: IntArray | None

    def __init__(
        self,
        boxes: ArrayLike,
        scores: ArrayLike | None = None,
        features: ArrayLike | None = None,
        class_ids: ArrayLike | None = None,
    ) -> None:
        self.boxes = np.asarray(boxes, dtype=np.float64)
        if self.boxes.size == 0:
            self.boxes = self.boxes.reshape(0, 4)
        if self.boxes.ndim != 2 or self.boxes.shape[1] != 4:
            raise ValueError(f"boxes: expected shape [N, 4] (left, top, right, bottom), found {self.boxes.shape}")
        count = len(self.boxes)
        self.scores = np.ones(count) if scores is None else np.asarray(scores, dtype=np.float64)
        if self.scores.shape != (count,):
            raise ValueError(f"scores: expected shape [{count}], one a box, found {self.scores.shape}")
        self.features = None if features is None else np.asarray(features, dtype=np.float32)
        if self.features is not None:
            if count == 0 and self.features.size == 0 and self.features.ndim != 2:
                self.features = None
            elif self.features.ndim != 2 or len(self.features) != count:
                raise ValueError(f"features: expected shape [{count}, D], found {self.features.shape}")
        self.class_ids = None if class_ids is None else np.asarray(class_ids, dtype=np.int64)
        if self.class_ids is not None and self.class_ids.shape != (count,):
            raise ValueError(f"class_ids: expected shape [{count}], found {self.class_ids.shape}")
        self._check_values()

    def _check_values(self) -> None:
        boxes = self.boxes
        # One cheap pass: where the sum of all magnitudes is a number within the limit, so is every one of them.
        if not np.abs(boxes).sum() + np.abs(self.scores).sum() < LIMIT:
            bad = np.flatnonzero(~((np.abs(boxes) < LIMIT).all(1) & (np.abs(self.scores) < LIMIT)))
            if len(bad):
                row, found = bad[0], [*boxes[bad[0]].tolist(), float(self.scores[bad[0]])]
                raise ValueError(f"boxes/scores: row {row} is not finite or beyond {LIMIT:g}: {found}")
        if len(boxes) and not (boxes[:, 2:] > boxes[:, :2]).all():
            row = int(np.flatnonzero((boxes[:, 2:] <= boxes[:, :2]).any(1))[0])
            raise ValueError(
                f"boxes: row {row} has no area: {boxes[row].tolist()}; expected left, top, right, bottom "
                "with right > left and bottom > top (is this left, top, width, height?)"
            )
        if self.features is not None and not np.isfinite(self.features).all():
            row = int(np.flatnonzero(~np.isfinite(self.features).all(1))[0])
            raise ValueError(f"features: row {row} is not finite")

    def __len__(self) -> int:
        return len(self.boxes)

    def select(self, index: NDArray[np.generic]) -> Detections:
        """The rows of `index` (integers or a mask), already checked and so not checked again."""
        chosen = object.__new__(Detections)
        chosen.boxes = self.boxes[index]
        chosen.scores = self.scores[index]
        chosen.features = None if self.features is None else self.features[index]
        chosen.class_ids = None if self.class_ids is None else self.class_ids[index]
        return chosen


@dataclass(slots=True)
class Tracks:
    """The tracks reported for one frame, one row a track.

    Attributes:
        ids: [K] positive integers, unique within the life of a tracker.
        boxes: [K, 4] corners in pixels: the filter's estimate, not the detection.
        scores: [K] score of the track's last detection.
        detection: [K] row of the detection behind the track in this frame's input, -1 while it coasts.
        class_ids: [K] class of the track, -1 where its first detection carried none.
    """

    ids: IntArray
    boxes: FloatArray
    scores: FloatArray
    detection: IntArray
    class_ids: IntArray

    def __len__(self) -> int:
        return len(self.ids)
