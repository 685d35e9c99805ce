"""Boxes and the forms trackers write them in. Every function is vectorised over rows and works in float64.

xyxy: left, top, right, bottom. tlwh: left, top, width, height (MOTChallenge). xyah: centre, width/height, height
(DeepSORT's measurement). xysr: centre, area, width/height (SORT's measurement). All in pixels.
"""

from __future__ import annotations

import numpy as np

from tracker.core.detections import FloatArray, IntArray


def xyxy_to_tlwh(boxes: FloatArray) -> FloatArray:
    """[N, 4] corners to [N, 4] left, top, width, height.

    Example:
        >>> xyxy_to_tlwh(np.array([[10.0, 20, 40, 100]])).tolist()
        [[10.0, 20.0, 30.0, 80.0]]
    """
    return np.concatenate((boxes[:, :2], boxes[:, 2:] - boxes[:, :2]), axis=1)


def tlwh_to_xyxy(boxes: FloatArray) -> FloatArray:
    """[N, 4] left, top, width, height to [N, 4] corners."""
    return np.concatenate((boxes[:, :2], boxes[:, :2] + boxes[:, 2:]), axis=1)


def xyxy_to_xyah(boxes: FloatArray) -> FloatArray:
    """[N, 4] corners to [N, 4] centre x, centre y, width/height, height (Wojke et al. 2017)."""
    size = boxes[:, 2:] - boxes[:, :2]
    measurement = np.empty_like(boxes)
    measurement[:, :2] = boxes[:, :2] + 0.5 * size
    measurement[:, 2] = size[:, 0] / size[:, 1]
    measurement[:, 3] = size[:, 1]
    return measurement


def _from_centre(centre: FloatArray, width: FloatArray, height: FloatArray) -> FloatArray:
    boxes = np.empty((len(centre), 4))
    boxes[:, 0], boxes[:, 1], boxes[:, 2], boxes[:, 3] = -width, -height, width, height
    boxes *= 0.5
    boxes[:, :2] += centre
    boxes[:, 2:] += centre
    return boxes


def xyah_to_xyxy(measurement: FloatArray) -> FloatArray:
    """Inverse of `xyxy_to_xyah`."""
    height = measurement[:, 3]
    return _from_centre(measurement[:, :2], measurement[:, 2] * height, height)


def xyxy_to_xysr(boxes: FloatArray) -> FloatArray:
    """[N, 4] corners to [N, 4] centre x, centre y, area, width/height (Bewley et al. 2016)."""
    size = boxes[:, 2:] - boxes[:, :2]
    measurement = np.empty_like(boxes)
    measurement[:, :2] = boxes[:, :2] + 0.5 * size
    measurement[:, 2] = size[:, 0] * size[:, 1]
    measurement[:, 3] = size[:, 0] / size[:, 1]
    return measurement


def xysr_to_xyxy(measurement: FloatArray) -> FloatArray:
    """Inverse of `xyxy_to_xysr`; rows whose area or ratio is not positive come out as NaN."""
    squared_width = measurement[:, 2] * measurement[:, 3]
    if not (squared_width > 0).all():
        squared_width = np.where(squared_width > 0, squared_width, np.nan)
    width = np.sqrt(squared_width)
    return _from_centre(measurement[:, :2], width, measurement[:, 2] / width)


def intersection(a: FloatArray, b: FloatArray) -> FloatArray:
    """Area [A, B] shared by each pair of xyxy boxes [A, 4], [B, 4], square pixels."""
    width = np.minimum(a[:, 2, None], b[:, 2])
    width -= np.maximum(a[:, 0, None], b[:, 0])
    height = np.minimum(a[:, 3, None], b[:, 3])
    height -= np.maximum(a[:, 1, None], b[:, 1])
    np.maximum(width, 0.0, out=width)
    np.maximum(height, 0.0, out=height)
    width *= height
    return width


def area(boxes: FloatArray) -> FloatArray:
    """Area [N] of xyxy boxes [N, 4], square pixels."""
    return (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])


def iou(a: FloatArray, b: FloatArray) -> FloatArray:
    """Intersection over union [A, B] of xyxy boxes [A, 4] and [B, 4].

    Example:
        >>> iou(np.array([[0.0, 0, 10, 10]]), np.array([[0.0, 5, 10, 15], [20, 20, 30, 30]])).round(3)
        array([[0.333, 0.   ]])
    """
    shared = intersection(a, b)
    union = area(a)[:, None] + area(b)
    union -= shared
    shared /= union
    return shared


def non_maximum_suppression(boxes: FloatArray, scores: FloatArray, max_overlap: float) -> IntArray:
    """Indices, ascending, of the boxes that survive greedy suppression.

    A box goes when a better one (higher score, earlier row on a tie) that survives overlaps it by more than
    `max_overlap` (IoU).

    Example:
        >>> boxes = np.array([[0.0, 0, 10, 10], [1, 0, 11, 10], [20, 0, 30, 10]])
        >>> non_maximum_suppression(boxes, np.array([0.6, 0.9, 0.3]), max_overlap=0.5).tolist()
        [1, 2]
    """
    everything = np.arange(len(boxes))
    if max_overlap >= 1.0 or len(boxes) < 2:
        return everything
    overlaps = iou(boxes, boxes) > max_overlap
    if np.count_nonzero(overlaps) == len(boxes):  # each box with itself
        return everything
    order = np.argsort(-scores, kind="stable")
    overlaps = np.triu(overlaps[np.ix_(order, order)], 1)
    alive = np.ones(len(boxes), dtype=bool)
    for rank in np.flatnonzero(overlaps.any(axis=1)):  # only boxes that could suppress another
        if alive[rank]:
            alive &= ~overlaps[rank]
    return np.sort(order[alive])
