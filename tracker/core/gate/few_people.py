"""The gate on appearance where few people are seen, before there are pairs enough for a share of 0.3 % of them.

Two or three people give one to three pairs a frame, all of the same people: minutes pass until many are seen, and they
are no sample of all people. What can be had in seconds is an answer to two simpler questions.

Does the descriptor know people at all? Follow K people by their boxes for `SPAN` frames and ask in each frame whether
everybody is nearer to his own first look than to anybody else's. A descriptor that says nothing about who is who gives
the frame's features to the people at random, whatever came before, so it succeeds with a chance of at most 1 / K!. Bet
a share `STAKE` of a capital of 1 on success in every frame at these fair odds. Such a descriptor can make nothing of
it: the chance that the capital ever reaches `CAPITAL` is at most 1 / CAPITAL, however long one plays and looks (Ville's
inequality; Ville 1939, Shafer 2021 "Testing by betting"). One that is always right has it after eight frames of two
people, or three of three. Nobody who is lost, or taken for somebody else, can help it there: that costs the stake.

Is it people that it knows, and not places or moments? Frames in a row are alike, so a feature that drifts wins its
bets, too. But its distances change while we follow: one person's grow, and those of two people who come nearer
shrink. Distances in the first and in the second half of a span, means of the frame's farthest own and of its nearest
two people, tell where both will be after another span, at the same pace. Own ones that then reach the others' are no
ground to stand on.
"""

from __future__ import annotations

import math

import numpy as np

from tracker.core.appearance import Features, Metric, pairwise_distance
from tracker.core.detections import FloatArray, IntArray
from tracker.core.tracklets import mutual_overlaps

SPAN = 10  # frames
STAKE = 0.9
CAPITAL = 100.0

# Three people, and now and then one more. With five there are 300 pairs in a second, and nothing is gained.
MAX_MEAN_PAIRS = 4.5

# Among few people boxes are followed more boldly than in a crowd: a mistake loses a bet.
MIN_OVERLAP = 0.3
MAX_SECOND = 0.5


class FewPeople:
    """The gate while few people were seen for a short time.

    Args:
        metric: the metric of the distances.
    """

    def __init__(self, metric: Metric) -> None:
        self.metric: Metric = metric
        self.knows_people = False
        self.capital = 1.0
        self.pairs = self.frames = 0  # of two people in one frame, and frames that have such pairs
        self.nearest = math.inf  # smallest distance of two people
        self.sums = np.zeros((2, 2))  # of the frames' [farthest own, nearest two], in a span's [first, second half]
        self.counts = np.zeros((2, 2), np.int64)
        self.boxes: FloatArray = np.zeros((0, 4))  # [K, 4] of the people followed, where they are now
        self.looks: Features = np.zeros((0, 0), np.float32)  # [K, D] what they looked like `age` frames ago
        self.age = 0

    def observe(self, boxes: FloatArray, features: Features, different: Features) -> None:
        """Take in one frame.

        Args:
            boxes, features: [N, 4] xyxy and [N, D], prepared, of its good detections.
            different: distances [P] of its pairs of two people.
        """
        if len(different):
            self.pairs += len(different)
            self.frames += 1
            self.nearest = min(self.nearest, float(different.min()))
        if not self._are_few:
            self.boxes = self.boxes[:0]
            return
        columns = self.follow(boxes)
        if len(columns):
            self._compare(pairwise_distance(self.looks, features[columns], self.metric), different)
        if self.age >= SPAN or len(columns) < min(2, len(boxes)):
            self.boxes, self.looks, self.age = boxes, features, 0

    def follow(self, boxes: FloatArray) -> IntArray:
        """Follow the people into a frame with boxes [N, 4]; the rows [K] of those still followed."""
        rows, columns = mutual_overlaps(self.boxes, boxes, MIN_OVERLAP, MAX_SECOND)
        self.boxes, self.looks = boxes[columns], self.looks[rows]
        self.age += 1
        return columns

    def _compare(self, distance: Features, different: Features) -> None:
        """Bet on distances [K, K] of first looks and present ones, and note how far they have come."""
        own = distance.diagonal().copy()
        half = int(2 * self.age > SPAN)
        self.sums[0, half] += own.max()
        self.counts[0, half] += 1
        if len(different):
            self.sums[1, half] += different.min()
            self.counts[1, half] += 1
        people = len(own)
        if people > 1 and not self.knows_people:
            np.fill_diagonal(distance, np.inf)
            known = (own < 0.9999 * distance.min(axis=1) - 1e-6).all()  # by more than rounding
            odds = math.factorial(min(people, 9))  # less than fair is on the safe side
            self.capital *= 1 + STAKE * (odds - 1) if known else 1 - STAKE
            self.knows_people = self.capital >= CAPITAL

    @property
    def _are_few(self) -> bool:
        return self.pairs <= MAX_MEAN_PAIRS * self.frames

    @property
    def gate(self) -> float | None:
        """The smallest distance of two people, seen or to come; None while one person's may become as large."""
        if not self._are_few or not self.knows_people or not self.counts.all():
            return None
        (own, own_later), (nearest, nearest_later) = (self.sums / self.counts).tolist()
        # The halves' middles are half a span apart, the end of the next span one and a half from the later one's:
        # two steps of a half bring us to the middle of its second half.
        own_to_come = own_later + 2 * max(own_later - own, 0.0)
        nearest_to_come = min(self.nearest, nearest_later - 2 * max(nearest - nearest_later, 0.0))
        return nearest_to_come if own_to_come < nearest_to_come else None
