"""What each track looks like: a bounded gallery of past features, or one exponentially averaged feature.

Both keep their state in preallocated arrays and answer one question: the distance of given tracks to given
detections, computed only for the pairs that passed the gate. Features are normalised once on entry for the cosine
metric and left as they are for the Euclidean one.
"""

from __future__ import annotations

from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

Features = NDArray[np.float32]
Metric = Literal["cosine", "euclidean"]


def prepare(features: NDArray[np.generic], metric: Metric) -> Features:
    """Features [N, D] as the metric compares them: unit length for cosine, float32 as they are for Euclidean."""
    prepared = np.asarray(features, dtype=np.float32)
    if metric == "cosine":
        norm = np.sqrt(np.einsum("ij,ij->i", prepared, prepared))
        prepared = prepared / np.maximum(norm, 1e-12)[:, None]
    return prepared


def pairwise_distance(a: Features, b: Features, metric: Metric) -> Features:
    """Distances [A, B] of prepared features: 1 - cos in [0, 2], or the Euclidean length."""
    product = a @ b.T
    if metric == "cosine":
        return np.subtract(np.float32(1), product, out=product)
    product *= -2
    product += np.einsum("ij,ij->i", a, a)[:, None]
    product += np.einsum("ij,ij->i", b, b)
    return np.sqrt(np.maximum(product, 0, out=product), out=product)


class AppearanceMemory(Protocol):
    """One row a track, in the tracker's order. A track without a feature is infinitely far from everything."""

    def append(self, count: int) -> None:
        """Add `count` tracks that have no feature yet."""

    def keep(self, rows: NDArray[np.generic]) -> None:
        """Drop every track but `rows` (indices or a mask)."""

    def update(self, rows: NDArray[np.int64], features: Features) -> None:
        """Let the tracks `rows` [K] see the prepared features [K, D]."""

    def distance(self, rows: NDArray[np.int64], features: Features, wanted: NDArray[np.bool_]) -> Features:
        """Distances [R, N] of the tracks `rows` to prepared features [N, D]; inf where not `wanted` [R, N]."""


class AveragedFeature:
    """One feature a track: f <- momentum f + (1 - momentum) new, renormalised for the cosine metric."""

    def __init__(self, metric: Metric, momentum: float) -> None:
        self.metric: Metric = metric
        self.momentum = np.float32(momentum)
        self.features: Features = np.zeros((0, 0), np.float32)
        self.known: NDArray[np.bool_] = np.zeros(0, bool)

    def append(self, count: int) -> None:
        self.features = np.concatenate((self.features, np.zeros((count, self.features.shape[1]), np.float32)))
        self.known = np.concatenate((self.known, np.zeros(count, bool)))

    def keep(self, rows: NDArray[np.generic]) -> None:
        self.features, self.known = self.features[rows], self.known[rows]

    def update(self, rows: NDArray[np.int64], features: Features) -> None:
        if not self.known.any() and self.features.shape[1] != features.shape[1]:
            self.features = np.zeros((len(self.known), features.shape[1]), np.float32)
        momentum = np.where(self.known[rows], self.momentum, np.float32(0))[:, None]
        blend = momentum * self.features[rows] + (1 - momentum) * features
        self.features[rows] = prepare(blend, self.metric)
        self.known[rows] = True

    def distance(self, rows: NDArray[np.int64], features: Features, wanted: NDArray[np.bool_]) -> Features:
        known = self.known[rows]
        if not known.any():
            return np.full(wanted.shape, np.inf, np.float32)
        distance = pairwise_distance(self.features[rows], features, self.metric)
        distance[~wanted] = np.inf
        distance[~known] = np.inf
        return distance


class Gallery:
    """The last `budget` features of each track; the distance is the smallest to any of them (Wojke et al. 2017, Eq. 2).

    One ring buffer [capacity, budget, D] for all tracks. A track owns a slot of it; slots are handed on when tracks
    end, so memory is bounded by the largest number of tracks alive at once.
    """

    def __init__(self, metric: Metric, budget: int) -> None:
        self.metric: Metric = metric
        self.budget = budget
        self.ring: Features = np.zeros((0, budget, 0), np.float32)
        self.seen: NDArray[np.int64] = np.zeros(0, np.int64)  # features ever written, a slot
        self.slots: NDArray[np.int64] = np.zeros(0, np.int64)  # slot of each track
        self.free: list[int] = []

    def append(self, count: int) -> None:
        if len(self.free) < count:
            capacity = len(self.ring)
            grown = max(16, 2 * capacity, capacity + count)
            ring = np.zeros((grown, *self.ring.shape[1:]), np.float32)
            ring[:capacity] = self.ring
            self.ring = ring
            self.seen = np.concatenate((self.seen, np.zeros(grown - capacity, np.int64)))
            self.free.extend(range(grown - 1, capacity - 1, -1))
        taken = np.array([self.free.pop() for _ in range(count)], dtype=np.int64)
        self.seen[taken] = 0
        self.slots = np.concatenate((self.slots, taken))

    def keep(self, rows: NDArray[np.generic]) -> None:
        kept = self.slots[rows]
        self.free.extend(np.setdiff1d(self.slots, kept)[::-1].tolist())
        self.slots = kept

    def update(self, rows: NDArray[np.int64], features: Features) -> None:
        if self.ring.shape[2] != features.shape[1] and not self.seen.any():
            self.ring = np.zeros((len(self.ring), self.budget, features.shape[1]), np.float32)
        slots = self.slots[rows]
        self.ring[slots, self.seen[slots] % self.budget] = features
        self.seen[slots] += 1

    def distance(self, rows: NDArray[np.int64], features: Features, wanted: NDArray[np.bool_]) -> Features:
        distance = np.full(wanted.shape, np.inf, np.float32)
        slots = self.slots[rows]
        filled = np.minimum(self.seen[slots], self.budget)
        for row in np.flatnonzero(wanted.any(axis=1) & (filled > 0)):
            columns = np.flatnonzero(wanted[row])
            gallery = self.ring[slots[row], : filled[row]]
            distance[row, columns] = pairwise_distance(gallery, features[columns], self.metric).min(axis=0)
        return distance
