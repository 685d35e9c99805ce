"""What each track looks like: a bounded gallery of past features, or one exponentially averaged feature.

Both keep their state in preallocated arrays and answer one question: the distance of given tracks to given
detections, computed only for the pairs that passed the gate. Features are normalised once on entry for the cosine
metric and left as they are for the Euclidean one. Features are float32; what is summed over them is summed in float64
and rounded once, so that the compiled core, which sums in another order, finds the same distances.
"""

from __future__ import annotations

from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

Features = NDArray[np.float32]
Metric = Literal["cosine", "euclidean"]

ONE_THREAD = 200_000  # multiplications of a product that OpenBLAS (from 262,144) and MKL leave to one thread
PAIRS_AT_ONCE = 4096
ROUNDING = 1e-13  # a difference of products that is less than this share of them is none


def prepare(features: NDArray[np.generic], metric: Metric) -> Features:
    """Features [N, D] as the metric compares them: unit length for cosine, float32 as they are for Euclidean."""
    prepared = np.asarray(features, dtype=np.float32)
    if metric == "cosine":
        norm = np.sqrt(squared_length(prepared)).astype(np.float32)
        prepared = prepared / np.maximum(norm, np.float32(1e-12))[:, None]
    return prepared


def squared_length(features: Features) -> NDArray[np.float64]:
    """[N] of features [N, D]."""
    return row_products(features, features)


def row_products(a: Features, b: Features) -> NDArray[np.float64]:
    """Inner products [N] of row with row of [N, D]: sums of doubles, so that their order hardly matters."""
    return np.einsum("ij,ij->i", a.astype(np.float64), b.astype(np.float64))


def pairwise_distance(a: Features, b: Features, metric: Metric) -> Features:
    """Distances [A, B] of prepared features: 1 - cos in [0, 2], or the Euclidean length.

    The product is made of pieces that BLAS leaves to one thread: waking others, which then spin beside a detector,
    costs more than they bring.
    """
    wide, other = a.astype(np.float64), b.astype(np.float64).T
    product = np.empty((len(a), len(b)))
    step = max(1, ONE_THREAD // max(other.size, 1))
    columns = max(1, ONE_THREAD // max(len(other), 1))
    for start in range(0, len(a), step):
        for first in range(0, len(b), columns):
            rows, few = slice(start, start + step), slice(first, first + columns)
            np.matmul(wide[rows], other[:, few], out=product[rows, few])
    if metric == "cosine":
        return np.subtract(1.0, product, out=product).astype(np.float32)
    terms = np.einsum("ij,ij->i", wide, wide)[:, None] + np.einsum("ji,ji->i", other, other)
    squared = terms - 2 * product
    squared[squared <= ROUNDING * terms] = 0
    return np.sqrt(squared).astype(np.float32)


def paired_distance(a: Features, b: Features, metric: Metric) -> Features:
    """Distances [N] of row to row of prepared features [N, D], as in `pairwise_distance`."""
    if metric == "cosine":
        return (1.0 - row_products(a, b)).astype(np.float32)
    difference = a.astype(np.float64) - b
    return np.sqrt(np.einsum("ij,ij->i", difference, difference)).astype(np.float32)


def distances_of_pairs(
    a: Features, rows: NDArray[np.int64], b: Features, columns: NDArray[np.int64], metric: Metric
) -> Features:
    """`paired_distance` [P] of `a[rows]` and `b[columns]`, some at a time: features of all pairs would fill memory."""
    found = np.empty(len(rows), np.float32)
    for start in range(0, len(rows), PAIRS_AT_ONCE):
        few = slice(start, start + PAIRS_AT_ONCE)
        found[few] = paired_distance(a[rows[few]], b[columns[few]], metric)
    return found


class AppearanceMemory(Protocol):
    """One row a track, in the tracker's order. A track without a feature is infinitely far from everything."""

    def advance(self, steps: int) -> None:
        """Let `steps` frames pass; like `keep`, it writes into no array that a shallow copy of the memory holds."""

    def append(self, count: int) -> None:
        """Add `count` tracks that have no feature yet."""

    def keep(self, rows: NDArray[np.generic]) -> None:
        """Drop every track but `rows` (indices or a mask)."""

    def update(self, rows: NDArray[np.int64], features: Features) -> None:
        """Let the tracks `rows` [K] see the prepared features [K, D]."""

    def distance(
        self, rows: NDArray[np.int64], features: Features, wanted: NDArray[np.bool_], limit: float
    ) -> NDArray[np.float64]:
        """Distances [R, N] of the tracks `rows` to prepared features [N, D].

        Inf where not `wanted` [R, N]; distances above `limit` may come out as inf too, since nobody asks for them.
        """


class AveragedFeature:
    """One feature a track: f <- m f + (1 - m) new, renormalised for the cosine metric.

    m is `momentum` to the power of the frames since the track's last feature, at most `longest` of them: what came
    rarely counts for more, what comes after a long absence does not wipe out the rest.
    """

    def __init__(self, metric: Metric, momentum: float, longest: int = 1) -> None:
        self.metric: Metric = metric
        self.momentum = momentum
        self.longest = longest
        self.features: Features = np.zeros((0, 0), np.float32)
        self.known: NDArray[np.bool_] = np.zeros(0, bool)
        self.age: NDArray[np.int64] = np.zeros(0, np.int64)  # frames since the last feature

    def advance(self, steps: int) -> None:
        self.age = self.age + steps

    def append(self, count: int) -> None:
        self.features = np.concatenate((self.features, np.zeros((count, self.features.shape[1]), np.float32)))
        self.known = np.concatenate((self.known, np.zeros(count, bool)))
        self.age = np.concatenate((self.age, np.zeros(count, np.int64)))

    def keep(self, rows: NDArray[np.generic]) -> None:
        self.features, self.known, self.age = self.features[rows], self.known[rows], self.age[rows]

    def update(self, rows: NDArray[np.int64], features: Features) -> None:
        if not self.known.any() and self.features.shape[1] != features.shape[1]:
            self.features = np.zeros((len(self.known), features.shape[1]), np.float32)
        kept = (self.known[rows] * self.momentum ** np.clip(self.age[rows], 1, self.longest)).astype(np.float32)[
            :, None
        ]
        blend = kept * self.features[rows] + (1 - kept) * features
        self.features[rows] = prepare(blend, self.metric)
        self.known[rows] = True
        self.age[rows] = 0

    def distance(
        self, rows: NDArray[np.int64], features: Features, wanted: NDArray[np.bool_], limit: float
    ) -> NDArray[np.float64]:
        distance = np.full(wanted.shape, np.inf)
        pair_rows, pair_columns = np.nonzero(wanted & self.known[rows][:, None])
        if len(pair_rows):
            found = distances_of_pairs(self.features, rows[pair_rows], features, pair_columns, self.metric)
            distance[pair_rows, pair_columns] = found
        return distance


class Gallery:
    """The last `budget` features of each track; the distance is the smallest to any of them (Wojke et al. 2017, Eq. 2).

    One ring buffer [capacity, budget, D] for all tracks. A track owns a slot of it; slots are handed on when tracks
    end, so memory is bounded by the largest number of tracks alive at once.

    Most pairs need no look at the gallery: every feature of a slot lies within a known radius of the slot's anchor, so
    by the triangle inequality a detection farther from the anchor than radius + limit is farther than the limit from
    all of them. The result is exact. Radii are angles for the cosine metric (1 - cos is no metric, the angle is).
    """

    def __init__(self, metric: Metric, budget: int) -> None:
        self.metric: Metric = metric
        self.budget = budget
        self.slots: NDArray[np.int64] = np.zeros(0, np.int64)  # slot of each track
        self.free: list[int] = []
        self.seen: NDArray[np.int64] = np.zeros(0, np.int64)  # features ever written to a slot
        self._allocate(0, 0)

    def advance(self, steps: int) -> None:
        """A gallery does not care when its features came."""

    def _allocate(self, capacity: int, dimension: int) -> None:
        """Make the arrays [capacity, ...], keeping what fits into them."""
        old = vars(self).copy()
        self.ring: Features = np.zeros((capacity, self.budget, dimension), np.float32)
        self.half_norm: Features = np.zeros((capacity, self.budget), np.float32)  # |feature|^2 / 2, Euclidean only
        self.anchor: Features = np.zeros((capacity, dimension), np.float32)
        self.radius: Features = np.zeros(capacity, np.float32)
        self.seen = np.zeros(capacity, np.int64)
        kept = len(old["seen"])
        self.seen[:kept] = old["seen"]
        if kept and old["ring"].shape[2] == dimension:
            for name in ("ring", "half_norm", "anchor", "radius"):
                getattr(self, name)[:kept] = old[name]

    def append(self, count: int) -> None:
        if len(self.free) < count:
            capacity = len(self.seen)
            grown = max(16, 2 * capacity, capacity + count)
            self._allocate(grown, self.ring.shape[2])
            self.free.extend(range(grown - 1, capacity - 1, -1))
        taken = np.array([self.free.pop() for _ in range(count)], dtype=np.int64)
        self.seen[taken] = 0
        self.slots = np.concatenate((self.slots, taken))

    def keep(self, rows: NDArray[np.generic]) -> None:
        kept = self.slots[rows]
        self.free = self.free + np.setdiff1d(self.slots, kept)[::-1].tolist()
        self.slots = kept

    def update(self, rows: NDArray[np.int64], features: Features) -> None:
        if not len(rows):
            return
        if self.ring.shape[2] != features.shape[1]:
            if self.seen[self.slots].any():
                raise ValueError(
                    f"features: expected {self.ring.shape[2]} columns as before, found {features.shape[1]}"
                )
            self._allocate(len(self.seen), features.shape[1])
        slots = self.slots[rows]
        half_norm = 0.5 * np.einsum("ij,ij->i", features, features) if self.metric == "euclidean" else None
        new = self.seen[slots] == 0
        if new.any():  # a first feature fills the whole ring: unused places need no mask
            self.ring[slots[new]] = features[new, None]
            if half_norm is not None:
                self.half_norm[slots[new]] = half_norm[new, None]
        place = self.seen[slots] % self.budget
        self.ring[slots, place] = features
        if half_norm is not None:
            self.half_norm[slots, place] = half_norm
        self.seen[slots] += 1
        self.radius[slots] = np.maximum(self.radius[slots], self._reach(self.anchor[slots], features))
        for slot in slots[place == 0]:  # a new track, or a ring gone round: the old anchor may be far by now
            filled = min(self.seen[slot], self.budget)
            self.anchor[slot] = self.ring[slot, 0]
            self.radius[slot] = self._reach(self.anchor[slot], self.ring[slot, :filled]).max()

    def _reach(self, anchor: Features, features: Features) -> Features:
        """How far [K] features [K, D] are from anchors, in a distance that obeys the triangle inequality."""
        if self.metric == "cosine":
            return np.arccos(np.clip((anchor * features).sum(axis=-1), -1, 1))
        return np.sqrt(np.square(anchor - features).sum(axis=-1))

    def _within_reach(self, slots: NDArray[np.int64], features: Features, limit: float) -> NDArray[np.bool_]:
        """Pairs [R, N] that the triangle inequality does not rule out; 1e-3 covers the rounding of float32."""
        distance = pairwise_distance(self.anchor[slots], features, self.metric)
        if self.metric == "euclidean":
            return distance <= (self.radius[slots] * 1.001 + limit)[:, None] + 1e-3 * distance
        angle = np.minimum(self.radius[slots] + np.arccos(max(1 - limit, -1)) + 1e-3, np.pi)
        return distance <= (1 - np.cos(angle) + 1e-5)[:, None]

    def distance(
        self, rows: NDArray[np.int64], features: Features, wanted: NDArray[np.bool_], limit: float
    ) -> NDArray[np.float64]:
        distance = np.full(wanted.shape, np.inf)
        slots = self.slots[rows]
        filled = np.minimum(self.seen[slots], self.budget)
        if not filled.any():
            return distance
        possible = wanted & self._within_reach(slots, features, limit) & (filled > 0)[:, None]
        pair_rows, pair_columns = np.nonzero(possible)
        candidates = features[pair_columns]
        nearest = self._nearest(slots[pair_rows], candidates)
        distance[pair_rows, pair_columns] = paired_distance(nearest, candidates, self.metric)
        return distance

    def _nearest(self, slots: NDArray[np.int64], candidates: Features) -> Features:
        """Of the gallery of each pair's slot [P] the feature [P, D] with the largest g . f - |g|^2 / 2 (cosine: g . f),
        candidates f [P, D].

        In rounds, each with one pair a slot. A round over much of the ring is one batched product with it as it lies:
        several times faster than gathering galleries, which would copy them, or going through them one by one.
        """
        place = np.empty(len(slots), np.int64)
        left = np.arange(len(slots))
        while len(left):
            used, first = np.unique(slots[left], return_index=True)
            pairs = left[first]
            stop = int(used[-1]) + 1
            if stop <= 4 * len(used):
                asked = np.zeros((stop, candidates.shape[1]), np.float32)
                asked[used] = candidates[pairs]
                product = np.matmul(self.ring[:stop], asked[:, :, None])[used, :, 0]
            else:
                product = np.matmul(self.ring[used], candidates[pairs, :, None])[:, :, 0]
            if self.metric == "euclidean":
                product -= self.half_norm[used]
            place[pairs] = product.argmax(axis=1)
            left = np.delete(left, first)
        return self.ring[slots, place]
