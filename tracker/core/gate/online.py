"""Where to set the gate on appearance, without labels.

Two detections of one frame are two people; detections of consecutive frames that overlap each other best, by much and
beyond doubt (`tracker.core.tracklets`), are one. The first kind of pair gives the distribution of distances between
different people, and the gate is the distance that lets through a small share of them. Chains of the second kind give
pairs of one person some frames apart, which tell whether the gate lets people in who have moved on a little: where it
does not, the descriptor does not separate people and should not be asked. Few people give such shares after minutes
only; until then `tracker.core.gate.few_people` may have a gate.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tracker.core.appearance import Features, Metric, paired_distance, pairwise_distance
from tracker.core.boxes import iou
from tracker.core.detections import FloatArray, IntArray
from tracker.core.gate.few_people import FewPeople
from tracker.core.tracklets import mutual_overlaps

BINS = 4096

# Neighbouring frames show a person almost unchanged, which even a few pixels recognise. What a tracker needs is to know
# somebody who has been away. LAG frames later the gate still lets in 0.8 and more of the pairs of descriptors that
# improve on motion (colour, supervised, ours) and less than 0.5 of those that are worse than motion (pixels, plain
# VAEs), on the SDP boxes of MOT16-09 and -11; one frame later it was 0.98 and 0.64 to 0.92.
LAG = 10
MIN_TRUE_ACCEPTS = 0.65
MIN_SAME_PAIRS = 10


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


@dataclass(slots=True)
class Followed:
    """People followed by their boxes alone."""

    boxes: FloatArray  # [K, 4] where they are now
    features: Features  # [K, D] what they looked like `age` frames ago
    detections: IntArray  # [K] their rows in the present frame
    age: int = 0


class OnlineThreshold:
    """The gate from the frames seen so far.

    Args:
        metric: the metric of the distances.
        false_accepts: share of different-people pairs that the gate may let through.
        min_true_accepts: share of same-person pairs that it must let through for the descriptor to count.
        min_pairs: different-people pairs to see before there is a gate.
        max_detections: detections used a frame, evenly spread; bounds the cost in a crowd.

    Attributes:
        different, same: distances of pairs of different people in one frame, and of one person `LAG` frames apart;
            None before the first pair.
        value: the gate; None while too little was seen or the descriptor does not separate. Until there are `min_pairs`
            it is that of `FewPeople`.
    """

    def __init__(
        self,
        metric: Metric,
        false_accepts: float = 0.003,
        min_true_accepts: float = MIN_TRUE_ACCEPTS,
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
        self.value: float | None = None
        self.followed: Followed | None = None
        self.few: FewPeople | None = FewPeople(metric)  # until there are pairs enough

    @property
    def gate(self) -> float | None:
        """The distance that lets through `false_accepts` of the different pairs, whatever it is worth."""
        if self.different is None or self.different.total < self.min_pairs:
            return None
        return self.different.quantile(self.false_accepts)

    @property
    def true_accepts(self) -> float | None:
        """Share of same-person pairs that the gate lets through; None while too few pairs were seen."""
        return self._share_let_in(self.gate)

    def _share_let_in(self, gate: float | None) -> float | None:
        if gate is None or self.same is None or self.same.total < MIN_SAME_PAIRS:
            return None
        return self.same.share_below(gate)

    def observe(self, boxes: FloatArray, features: Features) -> None:
        """Take in one frame: boxes [N, 4] xyxy and prepared features [N, D] of its good detections."""
        spread = np.linspace(0, len(boxes) - 1, min(len(boxes), self.max_detections)).astype(np.int64)
        distances = self._different_pairs(boxes[spread], features[spread])
        if self.different is None or self.same is None:
            if not len(distances):
                return
            limit = 2.0 if self.metric == "cosine" else 2 * float(distances.max()) + 1e-12
            self.different, self.same = Histogram(limit), Histogram(limit)
        self.different.add(distances)
        self._follow(boxes)
        self._compare(features)
        if self.followed is None:
            self.followed = Followed(boxes[spread], features[spread], spread)
        gate = self.gate
        accepted = self._share_let_in(gate)
        self.value = gate if accepted is not None and accepted >= self.min_true_accepts else None
        if accepted is not None:
            self.few = None
        elif self.few is not None:
            self.few.observe(boxes, features, distances)
            self.value = self.few.gate

    def follow(self, boxes: FloatArray) -> None:
        """Take in a frame whose detections were not described: boxes [N, 4] of the good ones."""
        self._follow(boxes)
        if self.few is not None:
            self.few.follow(boxes)

    def _follow(self, boxes: FloatArray) -> None:
        followed = self.followed
        if followed is None:
            return
        rows, columns = mutual_overlaps(followed.boxes, boxes)
        self.followed = Followed(boxes[columns], followed.features[rows], columns, followed.age + 1)

    def _compare(self, features: Features) -> None:
        """Compare whom we have followed for long enough with what they looked like; features [N, D] of this frame."""
        followed, same = self.followed, self.same
        if followed is None or same is None:
            return
        if followed.age >= LAG:
            same.add(paired_distance(followed.features, features[followed.detections], self.metric))
        if followed.age >= LAG or not len(followed.boxes):
            self.followed = None

    def _different_pairs(self, boxes: FloatArray, features: Features) -> Features:
        """Distances within the frame, without pairs that overlap so much that they may be one person found twice."""
        apart = np.triu(iou(boxes, boxes) < 0.3, 1)
        return pairwise_distance(features, features, self.metric)[apart]
