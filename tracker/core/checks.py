"""What `Tracker.update` refuses, told before anything has changed: one line that says what was found and expected."""

from __future__ import annotations

from typing import SupportsInt

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tracker.core.appearance import Features, Metric, prepare, squared_length
from tracker.errors import InputError

LARGEST_INDEX = 2**53  # beyond it a float is no exact whole number
LONGEST_FEATURE = 1e18  # float32 cannot hold the squared distance of longer ones
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
