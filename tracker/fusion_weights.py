"""How to weigh descriptors against each other: pairs of crops from tracklets, and what tells the two kinds apart.

A fused similarity is a mean of the parts', weighted with the squares of their weights (`embedding.fusion`). Tracklets
say, without labels, which crops show one person and which show two; a logistic regression on the parts' similarities
tells these kinds of pairs apart, and its coefficients are the squares. A part without which the gate would let in as
many of the pairs of one person is left out.

Measured on the SDP boxes of MOT16-09 and -11. From halves of the tracklets the regression finds weights of `colour`
beside OSNet between 0.40 and 1.12, and 0.48 and 0.75 (0.66 from all of them, in both); maximising the share of pairs
that the gate lets in finds 0.42 to 1.67, and 0.25 to 0.71. HOTA is too noisy to choose by: with pure noise of weight
0.25 beside OSNet, three seeds, it was 55.3 to 56.7 on MOT16-09.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tracker.appearance import prepare
from tracker.calibration import LAG
from tracker.detections import FloatArray, IntArray
from tracker.motchallenge import DetectionTable
from tracker.tracklets import link

MOST_CROPS = 2_000  # described to decide; by every part
CROPS_OF_ONE = 8  # at least, before fewer tracklets are taken
MOST_PAIRS = 100_000  # of two people
MIN_CONFIDENCE = 0.6  # score from which a detection is linked; where none reaches it, every one is
PENALTY = 1e-3  # on squared coefficients of standardised similarities; with 1e-5 weights varied more over half samples
FALSE_ACCEPTS = 0.003  # share of pairs of two that the gate lets in

# Share of the pairs of one person that all parts together must gain over fewer. Pairs that complement each other gained
# 0.009 to 0.054 (OSNet and `colour` 0.03), a part beside an adapted descriptor, which lets in 0.99 and more, 0.0002.
MIN_GAIN = 0.005

RULES = (LAG, MOST_CROPS, CROPS_OF_ONE, MOST_PAIRS, MIN_CONFIDENCE, PENALTY, FALSE_ACCEPTS, MIN_GAIN)  # for digests


@dataclass(frozen=True)
class CropSample:
    """Detections to compare the parts on.

    Attributes:
        rows: [M] of the table, ascending.
        tracklets: [M], from 0.
        spans: [T, 2] first and last frame of each tracklet, which has a detection in every frame between.
    """

    rows: IntArray
    tracklets: IntArray
    spans: IntArray


@dataclass(frozen=True)
class Pairs:
    """Positions in a sample, [S, 2] of one person and [P, 2] of two; the tracklet [S] of each of the former."""

    same: IntArray
    different: IntArray
    tracklets: IntArray


def sample_crops(table: DetectionTable) -> CropSample:
    """At most some `MOST_CROPS` detections, spread over the tracklets that last, and over each of them."""
    good = np.flatnonzero(table.scores >= (MIN_CONFIDENCE if (table.scores >= MIN_CONFIDENCE).any() else -np.inf))
    frames = table.frames[good]
    tracklets = link(frames, table.boxes[good])
    order = np.argsort(tracklets, kind="stable")  # frames ascend within each
    length = np.bincount(tracklets)
    start = np.cumsum(length) - length
    lasting = np.flatnonzero(length > LAG)
    lasting = lasting[_spread(len(lasting), MOST_CROPS // CROPS_OF_ONE)]
    each = max(CROPS_OF_ONE, MOST_CROPS // max(len(lasting), 1))
    chosen = [order[start[k] + _spread(length[k], each)] for k in lasting.tolist()]
    rows = np.concatenate(chosen) if chosen else np.zeros(0, np.int64)
    spans = np.stack((frames[order[start[lasting]]], frames[order[(start + length - 1)[lasting]]]), axis=1)
    owner = np.repeat(np.arange(len(lasting)), [len(one) for one in chosen])
    by_frame = np.argsort(rows, kind="stable")
    return CropSample(good[rows[by_frame]], owner[by_frame], spans)


def pair_up(sample: CropSample, frames: IntArray) -> Pairs:
    """Pairs of one tracklet, `LAG` frames apart or more, and of two tracklets that share a frame."""
    first, second = np.triu_indices(len(frames), 1)
    owner, other = sample.tracklets[first], sample.tracklets[second]
    is_same = (owner == other) & (np.abs(frames[first] - frames[second]) >= LAG)
    start, end = sample.spans.T
    are_two = (owner != other) & (start[owner] <= end[other]) & (start[other] <= end[owner])
    two = np.flatnonzero(are_two)
    two = two[_spread(len(two), MOST_PAIRS)]
    places = np.stack((first, second), axis=1)
    return Pairs(places[is_same], places[two], owner[is_same])


def weigh(features: list[NDArray[np.float32]], pairs: Pairs) -> FloatArray:
    """Weights [K] for K parts from their features [M, D1], [M, D2], ... of a sample.

    Of each tracklet the pairs weigh together the root of their number: who stands still for long shall not decide
    alone.
    """
    units = [prepare(part, "cosine") for part in features]
    similarity = [part @ part.T for part in units]
    same, different = (
        np.stack([matrix[tuple(places.T)] for matrix in similarity], axis=1).astype(np.float64)
        for places in (pairs.same, pairs.different)
    )
    return choose_weights(same, different, 1 / np.sqrt(np.bincount(pairs.tracklets)[pairs.tracklets]))


def choose_weights(same: FloatArray, different: FloatArray, importance: FloatArray) -> FloatArray:
    """Weights [K] of as few parts as let in, but for `MIN_GAIN`, as many pairs of one person as all together.

    Args:
        same: similarities [S, K] of pairs of one person.
        different: [P, K] of pairs of two.
        importance: [S] of the former.

    Returns:
        Weights relative to the first part that is kept; 0 for one that is not.
    """

    def try_with(parts: list[int]) -> tuple[float, list[int], FloatArray]:
        weights = np.zeros(same.shape[1])
        weights[parts] = separating_weights(same[:, parts], different[:, parts], importance)
        return true_accepts(same, different, importance, weights), parts, weights

    accepted, kept, weights = try_with(list(range(same.shape[1])))
    enough = accepted - MIN_GAIN
    while len(kept) > 1:
        trials = [try_with([part for part in kept if part != left_out]) for left_out in reversed(kept)]
        best = max(trials, key=lambda trial: trial[0])  # of equal ones that without the last
        if best[0] < enough:
            break
        _, kept, weights = best
    return weights / weights[np.flatnonzero(weights)[0]]


def true_accepts(same: FloatArray, different: FloatArray, importance: FloatArray, weights: FloatArray) -> float:
    """Share of the pairs of one person that are more alike than all but `FALSE_ACCEPTS` of the pairs of two."""
    squares = np.square(weights)
    gate = np.quantile(different @ squares, 1 - FALSE_ACCEPTS)
    return float(importance @ (same @ squares > gate) / importance.sum())


def separating_weights(same: FloatArray, different: FloatArray, importance: FloatArray) -> FloatArray:
    """Weights [K] whose squares are the coefficients of a logistic regression; all 1 where nothing tells kinds apart.

    Both kinds of pairs count alike in total, no coefficient is negative. The penalty keeps the coefficients finite
    where the kinds are wholly apart, as an adapted descriptor has them, and shares them out between parts that say the
    same. Arguments as of `choose_weights`.
    """
    from scipy.optimize import minimize

    both = np.concatenate((same, different))
    middle, spread = both.mean(axis=0), np.maximum(both.std(axis=0), 1e-6)
    one, two = (same - middle) / spread, (different - middle) / spread
    importance = importance / importance.sum()

    def loss(parameters: FloatArray) -> tuple[float, FloatArray]:
        offset, slopes = parameters[0], parameters[1:]
        of_one, of_two = one @ slopes + offset, two @ slopes + offset
        value = importance @ np.logaddexp(0, -of_one) + np.logaddexp(0, of_two).mean() + PENALTY * slopes @ slopes
        pull = importance * (np.tanh(of_one / 2) - 1) / 2  # derivatives by the logits
        push = (np.tanh(of_two / 2) + 1) / (2 * len(two))
        gradient = pull @ one + push @ two + 2 * PENALTY * slopes
        return float(value), np.concatenate(([pull.sum() + push.sum()], gradient))

    count = same.shape[1]
    bounds = [(None, None), *[(0, None)] * count]
    start = np.concatenate(([0.0], np.ones(count)))
    slopes = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds).x[1:] / spread
    weights: FloatArray = np.sqrt(np.maximum(slopes, 0))
    return weights if weights.any() else np.ones(count)


def _spread(count: int, most: int) -> IntArray:
    """At most `most` of the numbers below `count`, evenly spread, the first and the last among them."""
    return np.linspace(0, count - 1, min(count, most)).round().astype(np.int64)
