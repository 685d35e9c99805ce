"""What `Tracker.update` takes, and what it refuses before anything has changed: one line says what was expected.

Detections may come as other libraries hand them over, told by what they have; none of those libraries is imported:

| what                        | known by                                                 |
| --------------------------- | -------------------------------------------------------- |
| `supervision.Detections`    | `xyxy`, `confidence`, `class_id`                         |
| Ultralytics' `Results`      | `boxes`, which have `xyxy`, `conf`, `cls`                |
| torchvision's dictionaries  | keys `boxes`, `scores`, `labels`; `features`, if any     |
| arrays [N, 4], [N, 5], [N, 6] | left, top, right, bottom, then the score, then the class |

Tensors are taken from whatever device they are on.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, SupportsInt

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tracker.core.appearance import Features, Metric, prepare, squared_length
from tracker.core.detections import Detections
from tracker.errors import InputError

LARGEST_INDEX = 2**53  # beyond it a float is no exact whole number
LONGEST_FEATURE = 1e18  # float32 cannot hold the squared distance of longer ones
KNOWN = "Detections, an array [N, 4 to 6], supervision's Detections, Ultralytics' Results or torchvision's dictionary"
SMALLEST_SCALE, LARGEST_SCALE = 1e-3, 1e3  # of a warp in any direction; no camera zooms like that between two frames


def checked_frame_index(frame_index: SupportsInt | None, last: int | None) -> int:
    """The number of the next frame after `last` (None: this is the first).

    Raises:
        ValueError: it is no whole number, or does not grow.
    """
    if frame_index is None:
        return 1 if last is None else last + 1
    try:
        index = int(frame_index)
        is_whole = bool(index == frame_index) and abs(index) < LARGEST_INDEX
    except (TypeError, ValueError, OverflowError):
        is_whole = False
    if not is_whole:
        raise ValueError(f"frame_index: expected a whole number below 2**53, found {frame_index!r}")
    if last is not None and index <= last:
        raise ValueError(f"frame_index: expected more than the last frame's {last}, found {index}")
    return index


def checked_warp(warp: ArrayLike | None) -> NDArray[np.float64] | None:
    """The affine motion [2, 3] of the camera.

    Raises:
        ValueError: it has another shape, is not finite, or cannot be inverted: it scales by less than 1e-3 or more than
            1e3 in some direction.
    """
    if warp is None:
        return None
    expected = "expected a finite, invertible [2, 3] affine matrix"
    try:
        affine = np.asarray(warp, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"warp: {expected}, found {type(warp).__name__}") from None
    if affine.shape != (2, 3) or not (np.abs(affine) < 1e9).all():
        raise ValueError(f"warp: {expected}, found {affine.tolist()}")
    largest, smallest = np.linalg.svd(affine[:, :2], compute_uv=False)
    if smallest < SMALLEST_SCALE or largest > LARGEST_SCALE:
        scales = f"scales by {smallest:.3g} to {largest:.3g}, expected {SMALLEST_SCALE:g} to {LARGEST_SCALE:g}"
        raise ValueError(f"warp: {expected}, found {affine.tolist()}: {scales}")
    return affine


def checked_features(
    features: ArrayLike, count: int, dimension: int | None, metric: Metric, source: str = "features"
) -> Features:
    """Features [count, D], prepared for the metric.

    Args:
        features: as they were given.
        count: how many there should be.
        dimension: D in earlier frames; None: any.
        source: where they come from, for the message.

    Raises:
        ValueError: they are not numbers of that shape.
        InputError: a row is not finite, or too long to be compared: the descriptor is damaged.
    """
    expected = f"expected [{count}, {dimension or 'D'}] numbers, one row a box"
    try:
        with np.errstate(over="ignore"):
            found = np.asarray(features, dtype=np.float32)
    except (TypeError, ValueError):
        raise ValueError(f"{source}: {expected}, found {type(features).__name__}") from None
    if found.ndim != 2 or len(found) != count or not found.shape[1]:
        raise ValueError(f"{source}: {expected}, found {'None' if features is None else list(found.shape)}")
    if dimension is not None and found.shape[1] != dimension:
        raise ValueError(f"{source}: expected {dimension} columns as in earlier frames, found {found.shape[1]}")
    valid = squared_length(found) < LONGEST_FEATURE**2
    if not valid.all():
        row = int(np.argmin(valid))
        if not np.isfinite(found[row]).all():
            raise InputError(f"{source}: row {row} is not finite, expected numbers")
        raise InputError(f"{source}: row {row} is longer than {LONGEST_FEATURE:g}, expected a shorter feature")
    return prepare(found, metric)


def as_detections(found: Any) -> Detections:
    """What `Tracker.update` was given, as `Detections`.

    Raises:
        TypeError: it is none of what is known.
        ValueError: as of `Detections`.

    Example:
        >>> as_detections([[10, 20, 40, 100, 0.9]]).scores.tolist()
        [0.9]
    """
    if isinstance(found, Detections):
        return found
    if isinstance(found, Mapping):
        if "boxes" not in found:
            raise TypeError(f"detections: a dictionary with {', '.join(map(str, found))[:80]}, expected boxes in it")
        return Detections(*(_array(found.get(key)) for key in ("boxes", "scores", "features", "labels")))
    if hasattr(found, "xyxy"):
        kinds = found.class_id if hasattr(found, "class_id") else getattr(found, "cls", None)
        scores = found.confidence if hasattr(found, "confidence") else getattr(found, "conf", None)
        return Detections(_array(found.xyxy), _array(scores), None, _array(kinds))
    if hasattr(getattr(found, "boxes", None), "xyxy"):
        return as_detections(found.boxes)
    return _of_array(found)


def _of_array(found: Any) -> Detections:
    try:
        rows = np.asarray(_array(found), np.float64)
    except (TypeError, ValueError):
        raise TypeError(f"detections: found {type(found).__name__}, expected {KNOWN}") from None
    if rows.size == 0:
        return Detections(np.zeros((0, 4)))
    if rows.ndim != 2 or not 4 <= rows.shape[1] <= 6:
        raise TypeError(f"detections: found an array of shape {rows.shape}, expected {KNOWN}")
    scores, kinds = (rows[:, column] if rows.shape[1] > column else None for column in (4, 5))
    return Detections(rows[:, :4], scores, None, kinds)


def _array(value: Any) -> Any:
    """A tensor as an array; anything else as it is."""
    for step in ("detach", "cpu", "numpy"):
        if hasattr(value, step):
            value = getattr(value, step)()
    return value
