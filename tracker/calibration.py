"""Where to set the gate on appearance, without labels.

Two detections of one frame are two people; two detections of consecutive frames that overlap each other best, by much
and beyond doubt (`tracker.tracklets`), are one. The first kind of pair gives the distribution of distances between
different people, and the gate is the distance that lets through a small share of them. The second kind tells whether
the gate accepts anybody at all: where it does not, the descriptor does not separate people and should not be asked.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tracker.appearance import Features, Metric, pairwise_distance
from tracker.boxes import iou
from tracker.detections import FloatArray
from tracker.tracklets import mutual_overlaps

BINS = 4096


class Histogram:
    """Counts of distances in equal bins over [0, limit]; larger ones count in the last bin."""

    def __init__(self, limit: float) -> None:
        self.limit = limit
        self.counts = np.zeros(BINS, np.int64)

    def add(self, distances: NDArray[np.floating]) -> None:
        bins = np.clip(distances * (BINS / self.limit), 0, BINS - 1).astype(np.int64)
        self.counts += np.bincount(bins, minlength=BINS)

    @property
    def total(self) -> int:
        return int(self.counts.sum())

    def quantile(self, share: float) -> float:
        """The distance below which at most `share` of the counts lie: the lower edge of the bin that passes it."""
        passed = int(np.searchsorted(np.cumsum(self.counts), share * self.total, side="right"))
        return passed * self.limit / BINS

    def share_below(self, distance: float) -> float:
        """Share of the counts in bins that end at or below `distance`."""
        return float(self.counts[: int(distance * BINS / self.limit)].sum()) / max(self.total, 1)


class OnlineThreshold:
    """The gate from the frames seen so far.

    Args:
        metric: the metric of the distances.
        false_accepts: share of different-people pairs that the gate may let through.
        min_true_accepts: share of same-person pairs that it must let through for the descriptor to count.
        min_pairs: different-people pairs to see before there is a gate.
        max_detections: detections used a frame, evenly spread; bounds the cost in a crowd.
    """

    def __init__(
        self,
        metric: Metric,
        false_accepts: float = 0.003,
        min_true_accepts: float = 0.3,
        min_pairs: int = 300,
        max_detections: int = 64,
    ) -> None:
        self.metric: Metric = metric
        self.false_accepts = false_accepts
        self.min_true_accepts = min_true_accepts
        self.min_pairs = min_pairs
        self.max_detections = max_detections
        self.different: Histogram | None = None
        self.same: Histogram | None = None
        self.last: tuple[FloatArray, Features] | None = None
        self.value: float | None = None
        """The gate; None while too little was seen or the descriptor does not separate."""

    def observe(self, boxes: FloatArray, features: Features) -> None:
        """Take in one frame: boxes [N, 4] xyxy and prepared features [N, D] of its good detections."""
        if len(boxes) > self.max_detections:
            spread = np.linspace(0, len(boxes) - 1, self.max_detections).astype(np.int64)
            boxes, features = boxes[spread], features[spread]
        different = self._different_pairs(boxes, features)
        if self.different is None or self.same is None:
            if not len(different):
                return
            limit = 2.0 if self.metric == "cosine" else 2 * float(different.max()) + 1e-12
            self.different, self.same = Histogram(limit), Histogram(limit)
        self.different.add(different)
        if self.last is not None:
            self.same.add(self._same_pairs(*self.last, boxes, features))
        self.last = boxes, features
        self.value = self._gate(self.different, self.same)

    def _gate(self, different: Histogram, same: Histogram) -> float | None:
        if different.total < self.min_pairs or not same.total:
            return None
        gate = different.quantile(self.false_accepts)
        return gate if same.share_below(gate) >= self.min_true_accepts else None

    def _different_pairs(self, boxes: FloatArray, features: Features) -> Features:
        """Distances within the frame, without pairs that overlap so much that they may be one person found twice."""
        apart = np.triu(iou(boxes, boxes) < 0.3, 1)
        return pairwise_distance(features, features, self.metric)[apart]

    def _same_pairs(self, old: FloatArray, old_features: Features, new: FloatArray, new_features: Features) -> Features:
        """Distances of the pairs of consecutive frames that their boxes alone make one person's."""
        rows, columns = mutual_overlaps(old, new)
        a, b = old_features[rows], new_features[columns]
        if self.metric == "cosine":
            return 1 - np.einsum("ij,ij->i", a, b)
        return np.sqrt(np.square(a - b).sum(axis=1))
