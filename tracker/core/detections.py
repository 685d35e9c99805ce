"""What goes into the tracker and what comes out: plain arrays, one row an object."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tracker.core.compiled import are_sound

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Image = NDArray[np.uint8]  # [H, W, 3], blue, green, red as OpenCV reads them

LIMIT = 1e9  # no frame, pixel or score is that large; it also keeps areas far from overflow
MOST_SHOWN = 10  # numbers in a description
SMALLEST_SIDE = 1e-6  # pixels; less is no area: rounding at LIMIT would eat it, and variances of it underflow


@dataclass(slots=True)
class Detections:
    """The detections of one frame.

    Args:
        boxes: [N, 4] corners (left, top, right, bottom) in pixels; finite. A row without area, right <= left or
            bottom <= top, as detectors give that clip boxes to the picture, is dropped with all that belongs to it.
        scores: [N] confidences, higher is surer; 1 for each if not given.
        features: [N, D] appearance descriptors, or None. They need not be normalised.
        class_ids: [N] whole numbers from 0, -1 where unknown, or None. Where given, a track only takes detections of
            its own class, unless the configuration says `class_gating: false`.

    Attributes:
        boxes, scores, features, class_ids: as above, without the rows that were dropped.
        rows: [N] their rows in the arrays that were passed, which `Tracks.detection` counts too; None: the same.
        dropped: how many rows had no area. Many of them mean that the boxes are left, top, width, height.

    Raises:
        ValueError: an array has the wrong shape, a box, score or feature is not finite, or a class no whole number.

    Example:
        >>> found = Detections([[10, 20, 40, 100], [50, 20, 50, 90]], scores=[0.9, 0.8])
        >>> len(found), found.dropped  # the second box has no width
        (1, 1)
        >>> found
        Detections(1 box, scores 0.9 to 0.9)
    """

    boxes: FloatArray
    scores: FloatArray
    features: NDArray[np.float32] | None
    class_ids: IntArray | None
    rows: IntArray | None
    dropped: int

    def __init__(
        self,
        boxes: ArrayLike,
        scores: ArrayLike | None = None,
        features: ArrayLike | None = None,
        class_ids: ArrayLike | None = None,
    ) -> None:
        if class_ids is None and are_sound(boxes, scores, features):
            self.boxes, self.scores, self.features = boxes, scores, features  # type: ignore[assignment]
            self.class_ids, self.rows, self.dropped = None, None, 0
            return
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
        self.class_ids = None if class_ids is None else _whole_numbers(class_ids)
        if self.class_ids is not None and self.class_ids.shape != (count,):
            raise ValueError(f"class_ids: expected shape [{count}], found {self.class_ids.shape}")
        self._check_values()
        self._drop_rows_without_area()

    @classmethod
    def checked(
        cls,
        boxes: FloatArray,
        scores: FloatArray,
        features: NDArray[np.float32] | None,
        class_ids: IntArray | None,
    ) -> Detections:
        """From arrays that were checked before: nothing is converted, checked or dropped."""
        made = object.__new__(cls)
        made.boxes, made.scores, made.features, made.class_ids = boxes, scores, features, class_ids
        made.rows, made.dropped = None, 0
        return made

    def _check_values(self) -> None:
        boxes = self.boxes
        # One cheap pass: where the sum of all magnitudes is a number within the limit, so is every one of them.
        if not np.abs(boxes).sum() + np.abs(self.scores).sum() < LIMIT:
            bad = np.flatnonzero(~((np.abs(boxes) < LIMIT).all(1) & (np.abs(self.scores) < LIMIT)))
            if len(bad):
                row, found = bad[0], [*boxes[bad[0]].tolist(), float(self.scores[bad[0]])]
                raise ValueError(f"boxes/scores: row {row} is not finite or beyond {LIMIT:g}: {found}")
        if self.features is not None and not np.isfinite(self.features).all():
            row = int(np.flatnonzero(~np.isfinite(self.features).all(1))[0])
            raise ValueError(f"features: row {row} is not finite")

    def _drop_rows_without_area(self) -> None:
        self.rows, self.dropped = None, 0
        has_area = self.boxes[:, 2:] - self.boxes[:, :2] >= SMALLEST_SIDE
        if has_area.all():
            return
        rows = has_area.all(axis=1).nonzero()[0]
        chosen, self.rows, self.dropped = self.select(rows), rows, len(self.boxes) - len(rows)
        self.boxes, self.scores = chosen.boxes, chosen.scores
        self.features, self.class_ids = chosen.features, chosen.class_ids

    def __len__(self) -> int:
        return len(self.boxes)

    def __repr__(self) -> str:
        return f"Detections({', '.join(self._told())})"

    def _told(self) -> Iterator[str]:
        yield f"{len(self)} box{'' if len(self) == 1 else 'es'}"
        if len(self):
            yield f"scores {self.scores.min():.3g} to {self.scores.max():.3g}"
        if self.features is not None:
            yield f"features of {self.features.shape[1]} numbers"
        if self.class_ids is not None:
            yield f"classes {_listed(np.unique(self.class_ids))}"

    def select(self, index: NDArray[np.generic]) -> Detections:
        """The rows of `index` (integers or a mask), as detections of their own: their rows count from 0 again."""
        return Detections.checked(
            self.boxes[index],
            self.scores[index],
            None if self.features is None else self.features[index],
            None if self.class_ids is None else self.class_ids[index],
        )

    def with_features(self, features: ArrayLike) -> Detections:
        """The same detections with features [N, D]; ValueError as for new ones."""
        described = Detections(self.boxes, self.scores, features, self.class_ids)
        described.rows, described.dropped = self.rows, self.dropped
        return described


def _listed(numbers: IntArray) -> str:
    shown = ", ".join(map(str, numbers[:MOST_SHOWN].tolist()))
    return shown + (", ..." if len(numbers) > MOST_SHOWN else "")


def _whole_numbers(class_ids: ArrayLike) -> IntArray:
    """As int64, or ValueError: 1.7 is no class, and nothing but -1 stands for an unknown one."""
    found = np.asarray(class_ids)
    valid = np.zeros(found.shape, bool)
    if found.dtype.kind in "iuf":
        valid = (found >= -1) & (found < LIMIT) & (found == np.floor(found))
    if not valid.all():
        bad = found.reshape(-1)[int(np.argmin(valid))]
        raise ValueError(f"class_ids: expected whole numbers from 0, -1 where unknown, found {bad}")
    return found.astype(np.int64)


@dataclass(slots=True)
class Tracks:
    """The tracks reported for one frame, one row a track.

    Attributes:
        ids: [K] positive integers, unique within the life of a tracker.
        boxes: [K, 4] corners in pixels: the filter's estimate, not the detection. One that coasts may be turned
            inside out (right < left) with `keep_shrunk: true`, as the authors of DeepSORT write it.
        scores: [K] score of the track's last detection.
        detection: [K] row of the detection behind the track in the arrays that the caller passed, -1 while it coasts.
        class_ids: [K] class of the track, -1 where its first detection carried none; with `class_gating: false` the
            class of most of its detections so far.

    Example:
        >>> Tracks(np.array([1, 4]), np.zeros((2, 4)), np.ones(2), np.array([0, -1]), np.array([-1, -1]))
        Tracks(2 tracks, ids 1, 4, 1 without a detection)
    """

    ids: IntArray
    boxes: FloatArray
    scores: FloatArray
    detection: IntArray
    class_ids: IntArray

    def __len__(self) -> int:
        return len(self.ids)

    def __repr__(self) -> str:
        coasting = int(np.count_nonzero(self.detection < 0))
        shown = f", ids {_listed(self.ids)}" if len(self) else ""
        shown += f", {coasting} without a detection" if coasting else ""
        return f"Tracks({len(self)} track{'' if len(self) == 1 else 's'}{shown})"

    def to_supervision(self) -> Any:
        """`supervision.Detections` of the same rows, with `tracker_id`; needs `pip install supervision`.

        Its `data["detection"]` is `detection`: who knows masks or key points of the detections takes them by it.
        """
        import supervision

        return supervision.Detections(
            xyxy=self.boxes.astype(np.float32).reshape(-1, 4),
            confidence=self.scores.astype(np.float32),
            class_id=self.class_ids.astype(int),
            tracker_id=self.ids.astype(int),
            data={"detection": self.detection},
        )
