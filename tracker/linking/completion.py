"""What is known once identities are: boxes that were missed lie on somebody's way; who was seen twice was no one."""

from __future__ import annotations

import numpy as np

from tracker.core.boxes import iou
from tracker.core.detections import FloatArray, IntArray

NOBODY = -1
FEWEST = 3  # boxes of an identity
ON_THE_WAY = 0.5  # IoU with the straight line between two boxes


def drop_short(identity: IntArray, settled: int = NOBODY) -> IntArray:
    """Identities [N] without those of fewer than `FEWEST` boxes; those up to `settled` stay."""
    counts = np.bincount(identity[identity >= 0], minlength=1)
    return np.where((identity > settled) & (counts[identity] < FEWEST), NOBODY, identity)


def recover(frames: IntArray, boxes: FloatArray, identity: IntArray, longest: int) -> IntArray:
    """Identities [N] with the unused boxes that lie on somebody's way through a gap.

    Args:
        frames: [N] ascending.
        identity: [N], -1 for unused boxes.
        longest: gap, frames.
    """
    way_frames, way_boxes, way_of = _ways(frames, boxes, identity, longest)
    found = identity.copy()
    order = np.argsort(way_frames, kind="stable")
    unused = np.flatnonzero(identity == NOBODY)
    for frame in np.intersect1d(way_frames, frames[unused]):
        rows = unused[slice(*np.searchsorted(frames[unused], (frame, frame + 1)))]
        ways = order[slice(*np.searchsorted(way_frames[order], (frame, frame + 1)))]
        overlap = iou(boxes[rows], way_boxes[ways])
        while overlap.size and overlap.max() >= ON_THE_WAY:
            row, way = np.unravel_index(overlap.argmax(), overlap.shape)
            found[rows[row]] = way_of[ways[way]]
            overlap[row], overlap[:, way] = 0, 0
    return found


def _ways(
    frames: IntArray, boxes: FloatArray, identity: IntArray, longest: int
) -> tuple[IntArray, FloatArray, IntArray]:
    """Frames, boxes and identities on the straight lines through gaps of at most `longest` frames."""
    rows = np.flatnonzero(identity >= 0)
    rows = rows[np.lexsort((frames[rows], identity[rows]))]
    gap = np.diff(frames[rows]) - 1
    starts = np.flatnonzero((np.diff(identity[rows]) == 0) & (gap > 0) & (gap <= longest))
    before = np.repeat(starts, gap[starts])
    step = np.arange(len(before)) - np.repeat(np.cumsum(gap[starts]) - gap[starts], gap[starts]) + 1
    part = (step / (gap[before] + 1))[:, None]
    between = (1 - part) * boxes[rows[before]] + part * boxes[rows[before + 1]]
    return frames[rows[before]] + step, between, identity[rows[before]]
