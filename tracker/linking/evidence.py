"""How likely two pieces are one person: learnt on the video itself, without labels.

A long piece cut in two with an artificial gap is one person; the first part of one and the later part of another that
was there at the same time are two. On such pairs one logistic regression learns what the distance of looks is worth,
and one what the way is worth: how far a piece ends from where another one's way leads back to, and the reverse. Both
give log-odds, so that they add up.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from embedding.descriptors.whitening import fit_whitening
from tracker.core.detections import FloatArray, IntArray
from tracker.linking.pieces import Pieces

RIDGE = 0.1  # share of the mean variance in the whitening
LONG = 10  # boxes of a piece from which the video is learnt
DIMENSIONS = 64  # of looks; more are learnt by heart from few pieces
FEWEST = 5  # long pieces; from fewer nothing is learnt
SHARES = (3, 10, 1000)  # boxes of either part of a pair, at most
GAPS = (0.1, 0.3, 1.0, 2.0)  # seconds between the parts
WAY = 0.5  # seconds of a piece's end that tell its speed
PENALTY = 1e-2  # on the squared weights of standardised columns
MOST = 8.0  # log-odds either way
MOST_MOTION = 3.0  # log-odds for
FADING = 3.0  # seconds after which a way only speaks against, less and less


@dataclass(frozen=True)
class Logistic:
    """Log-odds linear in standardised columns, fitted with both kinds weighing alike."""

    mean: FloatArray
    scale: FloatArray
    weights: FloatArray  # the last one is the constant

    def __call__(self, columns: FloatArray) -> FloatArray:
        """Log-odds [...] of columns [..., C]."""
        standard = np.clip((columns - self.mean) / self.scale, -4, 4)
        return np.asarray(standard @ self.weights[:-1] + self.weights[-1])


def fit_logistic(columns: FloatArray, same: NDArray[np.bool_]) -> Logistic:
    """Newton's method on the penalised likelihood; columns [N, C], same [N]."""
    mean, scale = columns.mean(axis=0), columns.std(axis=0) + 1e-9
    rows = np.column_stack((np.clip((columns - mean) / scale, -4, 4), np.ones(len(columns))))
    balance = np.where(same, 0.5 / same.sum(), 0.5 / (~same).sum())
    penalty = PENALTY * np.eye(rows.shape[1])
    penalty[-1, -1] = 1e-6
    weights = np.zeros(rows.shape[1])
    for _ in range(30):
        likely = 1 / (1 + np.exp(-np.clip(rows @ weights, -30, 30)))
        slope = rows.T @ (balance * (likely - same)) + penalty @ weights
        curvature = (rows * (balance * likely * (1 - likely))[:, None]).T @ rows + penalty
        step = np.linalg.solve(curvature, slope)
        weights = weights - step
        if np.abs(step).max() < 1e-8:
            break
    return Logistic(mean, scale, weights)


@dataclass(frozen=True)
class Ends:
    """Both ends of parts of pieces: where they are, and how they move.

    Attributes:
        frames: [K, 2] of the first and the last box.
        centres, speeds: [K, 2, 2] at either end, pixels and pixels a frame.
        heights: [K, 2] pixels.
    """

    frames: FloatArray
    centres: FloatArray
    speeds: FloatArray
    heights: FloatArray


def ends_of(parts: list[IntArray], frames: IntArray, boxes: FloatArray, rate: float) -> Ends:
    """The ends of parts, each given by its rows."""
    span = max(3, round(WAY * rate))
    lengths = np.array([len(rows) for rows in parts], np.int64)
    rows, ends = np.concatenate([np.zeros(0, np.int64), *parts]), np.cumsum(lengths)
    step = np.arange(span)
    centres = np.column_stack(((boxes[:, 0] + boxes[:, 2]) / 2, boxes[:, 3]))  # feet move as people do
    sides = []
    for at, near in ((ends - lengths, step), (ends - 1, -step)):
        known = step < lengths[:, None]  # [K, span], of which a short part fills the beginning
        rows_near = rows[np.where(known, at[:, None] + near, at[:, None])]
        when = (frames[rows_near] - frames[rows[at], None]).astype(np.float64)
        heights = np.where(known, boxes[rows_near, 3] - boxes[rows_near, 1], np.inf)
        line = _lines(when, centres[rows_near], known)
        sides.append((frames[rows[at]], *line, _medians(heights, known.sum(axis=1))))
    first, last = sides
    return Ends(*(np.stack(pair, axis=1).astype(np.float64) for pair in zip(first, last, strict=True)))


def _lines(when: FloatArray, where: FloatArray, known: NDArray[np.bool_]) -> tuple[FloatArray, FloatArray]:
    """Least squares: where [K, 2] at 0, and speeds [K, 2], of points where [K, S, 2] at times when [K, S]."""
    count = known.sum(axis=1, keepdims=True)
    weights = known / count
    time, place = (weights * when).sum(axis=1, keepdims=True), np.einsum("ks,ksd->kd", weights, where)
    off = np.where(known, when - time, 0)
    speeds = np.einsum("ks,ksd->kd", off, where - place[:, None]) / np.maximum((off**2).sum(axis=1), 1e-12)[:, None]
    return place - time * speeds, speeds


def _medians(values: FloatArray, counts: IntArray) -> FloatArray:
    """[K] of the first values in each row [K, S]; the rest is infinite."""
    ordered, row = np.sort(values, axis=1), np.arange(len(values))
    return (ordered[row, (counts - 1) // 2] + ordered[row, counts // 2]) / 2


def way_columns(before: Ends, after: Ends, a: IntArray, b: IntArray, rate: float) -> FloatArray:
    """Columns [..., 5] of the way from the end of parts `a` to the beginning of parts `b`."""
    seconds = (after.frames[b, 0] - before.frames[a, 1]) / rate
    ratio = np.abs(np.log(after.heights[b, 0] / before.heights[a, 1]))
    near, far, still = ways_apart(before, after, a, b)
    return np.stack((np.log1p(near), np.log1p(far), np.log1p(still), np.log1p(seconds), ratio), axis=-1)


def ways_apart(before: Ends, after: Ends, a: IntArray, b: IntArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """How far [...] the way of one part misses the other, in heights: the nearer of forward and backward, the farther,
    and by standing still.
    """
    gap = after.frames[b, 0] - before.frames[a, 1]
    height = (before.heights[a, 1] + after.heights[b, 0]) / 2
    jump = after.centres[b, 0] - before.centres[a, 1]
    forward = np.linalg.norm(jump - gap[..., None] * before.speeds[a, 1], axis=-1) / height
    backward = np.linalg.norm(jump - gap[..., None] * after.speeds[b, 0], axis=-1) / height
    return np.minimum(forward, backward), np.maximum(forward, backward), np.linalg.norm(jump, axis=-1) / height


def look_columns(distance: FloatArray, boxes: FloatArray) -> FloatArray:
    """Columns [..., 3] of the distance of looks and the number of boxes of the smaller side."""
    size = np.log(np.minimum(boxes, 100.0))
    return np.stack((distance, size, distance * size), axis=-1)


def whitened(features: FloatArray, pieces: Pieces, learnt_from: IntArray) -> FloatArray:
    """Features [N, D], whitened by the covariance within the pieces `learnt_from`, of unit length."""
    owner = pieces.owners(len(features))
    owner[~np.isin(owner, learnt_from)] = -1
    return _unit(np.asarray(fit_whitening(features, owner, RIDGE)(features), np.float64))


def compressed(features: FloatArray) -> FloatArray:
    """Features [N, D] of unit length on their own first `DIMENSIONS` principal directions."""
    rows = _unit(features)
    rows = rows - rows.mean(axis=0)
    if rows.shape[1] <= DIMENSIONS:
        return rows
    _, directions = np.linalg.eigh(rows.T @ rows)
    return np.asarray(rows @ directions[:, -DIMENSIONS:])


def _unit(rows: FloatArray) -> FloatArray:
    return rows / np.maximum(np.linalg.norm(rows, axis=-1, keepdims=True), 1e-12)


@dataclass(frozen=True)
class Evidence:
    """What looks and ways are worth on this video.

    Attributes:
        looks, ways: log-odds from columns.
        separation: area under the curve of looks on the pairs that were learnt from; 0.5 says nothing.
        rate: frames a second.
    """

    looks: Logistic
    ways: Logistic
    separation: float
    rate: float

    def of_looks(self, distance: FloatArray, boxes: FloatArray) -> FloatArray:
        """Log-odds of distances [...] between sums of that many boxes [...] (of the smaller side)."""
        return np.clip(self.looks(look_columns(distance, boxes)), -MOST, MOST)

    def of_ways(self, ends: Ends, a: IntArray, b: IntArray) -> FloatArray:
        """Log-odds of the ways from pieces `a` to pieces `b` that begin later."""
        odds = np.clip(self.ways(way_columns(ends, ends, a, b, self.rate)), -MOST, MOST_MOTION)
        seconds = (ends.frames[b, 0] - ends.frames[a, 1]) / self.rate
        return np.where(seconds > FADING, np.minimum(odds, 0) * FADING / np.maximum(seconds, FADING), odds)


def learn(
    pieces: Pieces, frames: IntArray, boxes: FloatArray, features: FloatArray, shown: FloatArray, rate: float
) -> tuple[Evidence, FloatArray] | None:
    """Learn from the video's own long pieces; None where there are too few of them.

    A whitening knows the pieces it was fitted to better than any others. So what looks are worth is learnt on each half
    of the pieces with the whitening of the other half.

    Args:
        features: [N, D].
        shown: [N] weight of each box's look.

    Returns:
        The evidence, and the looks [N, D'] whose sums are compared.
    """
    long = np.flatnonzero(pieces.lengths >= LONG)
    if len(long) < 2 * FEWEST:
        return None
    small = compressed(features)
    columns, ways, same = [], [], []
    for own, other in ((long[::2], long[1::2]), (long[1::2], long[::2])):
        looks = whitened(small, pieces, other) * shown[:, None]
        before, after, pairs, is_same = _pairs(pieces, own, frames, rate)
        if not len(pairs):
            continue
        sums = [_unit(np.stack([looks[rows].sum(axis=0) for rows in parts])) for parts in (before, after)]
        sizes = [np.array([len(rows) for rows in parts]) for parts in (before, after)]
        a, b = pairs.T
        distance = 1 - np.einsum("ij,ij->i", sums[0][a], sums[1][b])
        columns.append(look_columns(distance, np.minimum(sizes[0][a], sizes[1][b]).astype(np.float64)))
        ends = [ends_of(parts, frames, boxes, rate) for parts in (before, after)]
        ways.append(way_columns(ends[0], ends[1], a, b, rate))
        same.append(is_same)
    all_same = np.concatenate([np.zeros(0, bool), *same])
    if not all_same.any() or all_same.all():
        return None
    by_looks = fit_logistic(np.concatenate(columns), all_same)
    by_ways = fit_logistic(np.concatenate(ways), all_same)
    likely = by_looks(np.concatenate(columns))
    area = separation(likely[all_same], likely[~all_same])
    return Evidence(by_looks, by_ways, area, rate), whitened(small, pieces, long) * shown[:, None]


def separation(same: FloatArray, other: FloatArray) -> float:
    """Share of pairs of one of each in which the first is larger, ties by half (Mann and Whitney, 1947)."""
    ascending = np.sort(other)
    below, not_above = (np.searchsorted(ascending, same, side) for side in ("left", "right"))
    return float((below + not_above).sum() / (2 * len(same) * len(other)))


def _pairs(
    pieces: Pieces, long: IntArray, frames: IntArray, rate: float
) -> tuple[list[IntArray], list[IntArray], IntArray, NDArray[np.bool_]]:
    """Parts before and after artificial gaps, and which of them make pairs [K, 2]: of one person, or of two."""
    before: list[IntArray] = []
    after: list[IntArray] = []
    pairs: list[tuple[int, int]] = []
    same: list[bool] = []
    for gap in sorted({max(1, round(seconds * rate)) for seconds in GAPS}):
        for one in long.tolist():
            middle = (pieces.first[one] + pieces.last[one]) // 2
            rows = pieces.of(one)
            early = rows[frames[rows] <= middle - gap // 2]
            if len(early) < SHARES[0]:
                continue
            then = frames[early[-1]] + gap
            there = long[(pieces.first[long] <= pieces.last[one]) & (pieces.last[long] >= pieces.first[one])]
            for share in SHARES:
                before.append(early[-share:])
                for other in there.tolist():
                    rows_then = pieces.of(other)
                    late = rows_then[frames[rows_then] >= then]
                    if len(late) >= SHARES[0]:
                        after.append(late[:share])
                        pairs.append((len(before) - 1, len(after) - 1))
                        same.append(other == one)
    return before, after, np.array(pairs, np.int64).reshape(-1, 2), np.array(same, bool)
