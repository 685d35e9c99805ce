"""How the picture moved as a whole, told from the boxes alone.

When a camera pans or shakes, all predictions miss in the same direction. The median of what they miss by is the shift
of the picture; it needs no frames and costs one overlap matrix. Rotation and zoom need the frames: `camera_motion`.
"""

from __future__ import annotations

import numpy as np

from tracker.core.boxes import iou
from tracker.core.detections import FloatArray

MIN_OVERLAP = 0.2  # IoU of a prediction and the detection it is compared with
MIN_PAIRS = 3  # fewer pairs have no meaningful median


def shift_from_boxes(predicted: FloatArray, detected: FloatArray) -> FloatArray:
    """Median displacement [2], pixels, from predicted to detected boxes that overlap each other best.

    Args:
        predicted: [M, 4] xyxy, tracks seen in the last frame.
        detected: [N, 4] xyxy.

    Returns:
        (x, y); zero where fewer than three pairs overlap by 0.2.
    """
    if min(len(predicted), len(detected)) < MIN_PAIRS:
        return np.zeros(2)
    overlap = iou(predicted, detected)
    best = overlap.argmax(axis=1)
    rows = np.arange(len(predicted))
    mutual = (overlap.argmax(axis=0)[best] == rows) & (overlap[rows, best] > MIN_OVERLAP)
    if np.count_nonzero(mutual) < MIN_PAIRS:
        return np.zeros(2)
    missed_by = detected[best[mutual]] - predicted[mutual]
    return np.median(0.5 * (missed_by[:, :2] + missed_by[:, 2:]), axis=0)
