"""Why pieces are one identity and others are not: for a person who wants to know."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from tracker.core.detections import FloatArray, IntArray
from tracker.linking.clustering import LEAST, Clusters
from tracker.linking.evidence import Ends, Evidence, ways_apart

JOINED = "joined"
AT_ONCE = "refused: their identities are seen at once"
MOST_REFUSED = 100  # of a window; the nearest ones


@dataclass(frozen=True)
class Place:
    """A box that ends or begins a piece: frame, and [4] corners in pixels."""

    frame: int
    box: FloatArray


@dataclass(frozen=True)
class Junction:
    """Two pieces, one after the other, and what speaks for their being one person.

    Attributes:
        before, after: where the first one ends and the second one begins.
        distance: of their looks, 0 the same to 2 the opposite.
        miss: how far the nearer of both ways leads past the other piece, in heights of the person.
        by_looks, by_way: log-odds of the two pieces alone.
        decision: `JOINED`, or why not.
    """

    before: Place
    after: Place
    distance: float
    miss: float
    by_looks: float
    by_way: float
    decision: str

    @property
    def odds(self) -> float:
        """Log-odds of the pieces alone; what decided were the identities they belonged to by then."""
        return self.by_looks + self.by_way

    @property
    def is_joined(self) -> bool:
        return self.decision == JOINED


@dataclass(frozen=True)
class Explanation:
    """What became of the pieces.

    Attributes:
        pieces: the first and the last box of each.
        junctions: the joined ones; and of those that were refused the nearest.
    """

    pieces: list[tuple[Place, Place]] = field(default_factory=list)
    junctions: list[Junction] = field(default_factory=list)

    def between(self, first: float, last: float) -> Explanation:
        """The part whose pieces begin from frame `first` to frame `last`."""
        return Explanation(
            [piece for piece in self.pieces if first <= piece[0].frame <= last],
            [one for one in self.junctions if first <= one.after.frame <= last],
        )

    @classmethod
    def concatenate(cls, parts: Iterable[Explanation]) -> Explanation:
        """Of several windows, one."""
        whole = cls()
        for part in parts:
            whole.pieces.extend(part.pieces)
            whole.junctions.extend(part.junctions)
        return whole


def explain(
    clusters: Clusters, ends: Ends, evidence: Evidence, frames: IntArray, boxes: FloatArray, looks: FloatArray
) -> Explanation:
    """Every join, and the pairs that were refused though they were as near.

    Args:
        clusters: joined.
        ends: of the pieces.
        frames, boxes: [N] and [N, 4] of the detections that the pieces' rows count.
        looks: [P, D] sums of each piece.
    """
    pieces = clusters.pieces
    parts = [pieces.of(piece) for piece in range(len(pieces))]
    places = [(_place(frames, boxes, rows[0]), _place(frames, boxes, rows[-1])) for rows in parts]
    cluster_of = np.empty(len(parts), np.int64)
    for one, members in clusters.members.items():
        cluster_of[members] = one
    joined = [pair for members in clusters.members.values() for pair in pairwise(members)]
    later = pieces.first[None, :] - pieces.last[:, None]
    apart = cluster_of[:, None] != cluster_of[None, :]
    near = np.nonzero((later >= 1) & (later <= clusters.max_absence) & apart)
    found = []
    for (a, b), refused in ((np.array(joined, np.int64).reshape(-1, 2).T, False), (near, True)):
        lengths = np.linalg.norm(looks[a], axis=1) * np.linalg.norm(looks[b], axis=1)
        distance = 1 - np.einsum("ij,ij->i", looks[a], looks[b]) / np.maximum(lengths, 1e-12)
        by_looks = evidence.of_looks(distance, np.minimum(pieces.lengths[a], pieces.lengths[b]).astype(np.float64))
        by_way, miss = evidence.of_ways(ends, a, b), ways_apart(ends, ends, a, b)[0]
        order = np.argsort(by_looks + by_way)[::-1]
        if refused:
            order = order[: np.count_nonzero((by_looks + by_way)[order[:MOST_REFUSED]] >= LEAST)]
        for row in order.tolist():
            first, second = int(a[row]), int(b[row])
            decision = _refusal(clusters, int(cluster_of[first]), int(cluster_of[second])) if refused else JOINED
            found.append(
                Junction(
                    places[first][1],
                    places[second][0],
                    distance=float(distance[row]),
                    miss=float(miss[row]),
                    by_looks=float(by_looks[row]),
                    by_way=float(by_way[row]),
                    decision=decision,
                )
            )
    return Explanation(places, found)


def _place(frames: IntArray, boxes: FloatArray, row: int) -> Place:
    return Place(int(frames[row]), boxes[row])


def _refusal(clusters: Clusters, one: int, other: int) -> str:
    """Why two clusters are not one."""
    odds = clusters.odds(one, other)
    if clusters.kinds[one] != clusters.kinds[other]:
        return "refused: of two classes"
    if np.isneginf(odds):
        return AT_ONCE
    return f"refused: {odds:+.1f} for their identities"
