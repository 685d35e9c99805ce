"""Which pieces are one person: joined best first, never two that are seen at once."""

from __future__ import annotations

import heapq
import math
from itertools import pairwise

import numpy as np

from tracker.core.detections import FloatArray, IntArray
from tracker.linking.evidence import MOST_MOTION, Ends, Evidence
from tracker.linking.pieces import Pieces

LEAST = 0.5  # log-odds of a join; 0 to 1 is flat on the videos that are not quoted, -1 and 2 lose
BONUS = 1.0  # where the online tracker joined both ends

Join = tuple[float, int, int, int, int]  # -odds, two clusters, their versions when it was offered


def cluster(
    pieces: Pieces,
    sums: FloatArray,
    ends: Ends,
    evidence: Evidence,
    online: IntArray,
    kinds: IntArray,
    max_absence: float,
    settled: IntArray | None = None,
) -> Clusters:
    """Which pieces are one person.

    The evidence for joining two clusters is that of their looks, each the sum of its pieces', and of the new ways from
    piece to piece, less that of the ways which they replace. The best join comes first, while one has `LEAST`.

    Args:
        sums: [P, D] of each piece's looks.
        online: [P, 2] the online tracker's identity at either end of each piece, -1 for none.
        kinds: [P] classes, of which nobody has two.
        max_absence: frames after which somebody who comes back is somebody else.
        settled: [P] identity that an earlier window gave each piece, -1 for none; those stay together, and apart.
    """
    clusters = Clusters(pieces, sums, ends, evidence, online, kinds, max_absence)
    if settled is not None:
        clusters.settle(settled)
    clusters.join()
    return clusters


class Clusters:
    """Pieces in clusters, a person each; begins with one piece in each.

    Attributes:
        members: cluster -> its pieces, in order of time.
    """

    def __init__(
        self,
        pieces: Pieces,
        sums: FloatArray,
        ends: Ends,
        evidence: Evidence,
        online: IntArray,
        kinds: IntArray,
        max_absence: float,
    ) -> None:
        self.pieces, self.ends, self.evidence, self.online, self.kinds = pieces, ends, evidence, online, kinds
        self.max_absence = max_absence
        self.members: dict[int, list[int]] = {piece: [piece] for piece in range(len(pieces))}  # in order of time
        self.first, self.last = pieces.first.copy(), pieces.last.copy()
        self.sums, self.sizes = sums.copy(), pieces.lengths.astype(np.float64)
        self.version = np.zeros(len(pieces), np.int64)  # grows with each join; a cluster that was joined to another: -1
        self.settled = np.full(len(pieces), -1)
        self.ways = self._all_ways()
        self.worth = np.zeros(len(pieces))  # of each cluster's ways

    def settle(self, settled: IntArray) -> None:
        """Begin with the identities that are known, one after the other in time."""
        self.settled = settled.copy()
        holder: dict[int, int] = {}
        for piece in np.flatnonzero(settled >= 0).tolist():
            one = holder.setdefault(int(settled[piece]), piece)
            if one == piece:
                continue
            if self.pieces.first[piece] > self.last[one]:
                self._merge(one, piece)
            else:  # two of one identity at once: the earlier one has it
                self.settled[piece] = -1

    def join(self) -> None:
        """Join until nothing is worth it."""
        offers: list[Join] = []
        for one in self.members:
            self._offer(offers, one, from_piece=one + 1)
        while offers:
            _, one, other, version, other_version = heapq.heappop(offers)
            if self.version[one] == version and self.version[other] == other_version:
                self._merge(one, other)
                self._offer(offers, one)

    @property
    def identity(self) -> IntArray:
        """Identity [P] of each piece, numbered from 0 in the order of their first frames."""
        identity = np.zeros(len(self.pieces), np.int64)
        for number, members in enumerate(sorted(self.members.values())):
            identity[members] = number
        return identity

    def odds(self, one: int, other: int) -> float:
        """Log-odds of two clusters being one person; -inf where they cannot."""
        return float(self._by_looks(one, np.array([other]))[0]) + self._way_gain(one, other)

    def _by_looks(self, one: int, others: IntArray) -> FloatArray:
        lengths = np.linalg.norm(self.sums[others], axis=1) * np.linalg.norm(self.sums[one])
        distance = 1 - self.sums[others] @ self.sums[one] / np.maximum(lengths, 1e-12)
        return self.evidence.of_looks(distance, np.minimum(self.sizes[others], self.sizes[one]))

    def _offer(self, offers: list[Join], one: int, from_piece: int = 0) -> None:
        """Note every join of a cluster that is worth it."""
        near = (self.first <= self.last[one] + self.max_absence) & (self.last >= self.first[one] - self.max_absence)
        near &= (self.version >= 0) & (self.kinds == self.kinds[one])
        near &= (self.settled < 0) | (self.settled[one] < 0)  # who was told apart stays apart
        near[one], near[:from_piece] = False, False
        others = near.nonzero()[0]
        looks = self._by_looks(one, others)
        likely = looks >= LEAST - MOST_MOTION - BONUS
        for other, by_looks in zip(others[likely].tolist(), looks[likely].tolist(), strict=True):
            odds = by_looks + self._way_gain(one, other)
            if odds >= LEAST:
                heapq.heappush(offers, (-odds, one, other, int(self.version[one]), int(self.version[other])))

    def _way_gain(self, one: int, other: int) -> float:
        """What the ways of the joined cluster are worth beyond those of both; -inf where they cannot be one person."""
        joined = sorted(self.members[one] + self.members[other])
        return self._worth(joined) - float(self.worth[one]) - float(self.worth[other])

    def _worth(self, members: list[int]) -> float:
        return sum(self._way(a, b) for a, b in pairwise(members))

    def _way(self, a: int, b: int) -> float:
        """Log-odds of the way from piece `a` to piece `b`, the next in order of time; -inf where there is none."""
        first, odds = self.ways[a]
        return odds[b - first] if 0 <= b - first < len(odds) else -math.inf

    def _all_ways(self) -> list[tuple[int, list[float]]]:
        """Of each piece, the first piece that begins after its end, and log-odds of the ways to that one and the next,
        as long as nobody is away for too long: pieces are in the order of their first frames.
        """
        first, last = self.pieces.first, self.pieces.last
        begins = np.searchsorted(first, last, side="right")
        counts = np.searchsorted(first, last + self.max_absence, side="right") - begins
        a = np.repeat(np.arange(len(first)), counts)
        b = np.arange(len(a)) + np.repeat(begins - np.cumsum(counts) + counts, counts)
        is_online = (self.online[a, 1] >= 0) & (self.online[a, 1] == self.online[b, 0])
        odds = self.evidence.of_ways(self.ends, a, b) + BONUS * is_online
        parts = np.split(odds, np.cumsum(counts)[:-1]) if len(first) else []
        return [(int(begin), part.tolist()) for begin, part in zip(begins, parts, strict=True)]

    def _merge(self, one: int, other: int) -> None:
        self.members[one] = sorted(self.members[one] + self.members.pop(other))
        self.worth[one] = self._worth(self.members[one])
        self.first[one], self.last[one] = min(self.first[one], self.first[other]), max(self.last[one], self.last[other])
        self.sums[one] += self.sums[other]
        self.sizes[one] += self.sizes[other]
        self.settled[one] = max(self.settled[one], self.settled[other])
        self.version[one] += 1
        self.version[other] = -1
