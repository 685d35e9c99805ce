"""What a descriptor is worth for telling people apart, on crops of known identity.

Retrieval: every crop in turn is the query, the other crops of its sequence at least `GAP` frames away are the gallery,
ranked by similarity; rank-1 and mean average precision as in re-identification (Zheng et al. 2015). Verification: over
all pairs of a query and a gallery crop, how well does the similarity separate pairs of one person from the rest.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from embedding.errors import InputError

Metric = Literal["cosine", "euclidean"]
METRICS: tuple[Metric, ...] = ("cosine", "euclidean")

GAP = 30  # frames; nearer ones show the same pose before the same background
FALSE_ACCEPTS = 0.01  # share of the pairs of different people
NO_TRACKLET = -1
QUERIES_A_PASS = 256  # bounds memory
RESOLUTION = 1e-12  # of a squared distance, in the vectors' squared norms, which it is a small difference of

IntArray = NDArray[np.integer]
BoolArray = NDArray[np.bool_]


@dataclass(frozen=True)
class Labels:
    """Whose crops these are and where they come from.

    Attributes:
        identities: [N] who is seen, unique within a sequence.
        sequences: [N] number of the sequence.
        frames: [N] number of the frame.
        tracklets: [N] number of a label-free tracklet within the sequence, `NO_TRACKLET` where the crop is on none.
    """

    identities: IntArray
    sequences: IntArray
    frames: IntArray
    tracklets: IntArray

    def __len__(self) -> int:
        return len(self.identities)

    def same_person(self, rows: IntArray) -> BoolArray:
        """[Q, N] for the queries `rows` [Q]; means something within a sequence only."""
        return self.identities[rows, None] == self.identities

    def gallery(self, rows: IntArray, gap: int = GAP, off_tracklet: bool = False) -> BoolArray:
        """Which crops each of the queries `rows` [Q] is compared with: [Q, N].

        Args:
            gap: frames a gallery crop is away from the query at least.
            off_tracklet: leave out the query's own tracklet, on which motion alone finds the person again.
        """
        compared = np.abs(self.frames[rows, None] - self.frames) >= gap
        compared &= self.sequences[rows, None] == self.sequences
        if off_tracklet:
            own = self.tracklets[rows, None] == self.tracklets
            compared &= ~(own & (self.tracklets != NO_TRACKLET))
        return compared


@dataclass(frozen=True)
class Retrieval:
    """The figures of one descriptor; NaN where no query or no pair of a kind exists.

    Attributes:
        rank1: share of the queries whose most similar gallery crop shows the same person.
        mean_average_precision: over the queries.
        auc: probability that a pair of one person is more similar than a pair of two; ties count one half.
        true_accepts: share of the pairs of one person that are accepted by a threshold which accepts at most
            `FALSE_ACCEPTS` of the pairs of two.
        queries: crops with at least one true match in their gallery.
    """

    rank1: float
    mean_average_precision: float
    auc: float
    true_accepts: float
    queries: int

    def summary(self) -> dict[str, float | None]:
        """As written to JSON, which knows no NaN."""
        return {name: None if np.isnan(value) else value for name, value in asdict(self).items()}


def measure_retrieval(
    features: NDArray[np.floating],
    labels: Labels,
    metric: Metric = "cosine",
    gap: int = GAP,
    off_tracklet: bool = False,
) -> Retrieval:
    """Retrieval and verification figures of features [N, D], pooled over the sequences.

    Several sequences are pooled query by query and pair by pair; crops of different sequences are never compared. Of
    gallery crops that are equally similar the wrong ones come first, so that a descriptor which says nothing gains
    nothing. 10,000 crops take about 1 GB.

    Args:
        features: [N, D], finite.
        labels: of the same N crops.
        metric: `cosine` similarity, or `euclidean` distance, negated.
        gap, off_tracklet: as `Labels.gallery`.

    Raises:
        InputError: features and labels differ in number, or a feature is not finite.
        ValueError: an unknown metric.

    Example:
        >>> labels = Labels(np.array([1, 2, 1, 2]), np.zeros(4, int), np.array([1, 1, 90, 90]), np.full(4, NO_TRACKLET))
        >>> features = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.1], [0.1, 1.0]])
        >>> measure_retrieval(features, labels).rank1
        1.0
    """
    vectors = comparable(features, metric)
    if len(vectors) != len(labels):
        raise InputError(f"features: found {len(vectors)} rows, expected {len(labels)} as there are crops")
    firsts, precisions, same_scores, other_scores = [], [], [], []
    for rows in _chunks(len(labels)):
        score = similarity(vectors[rows], vectors, metric)
        compared = labels.gallery(rows, gap, off_tracklet)
        same = labels.same_person(rows)
        first, precision = _rank(score, same & compared, compared)
        firsts.append(first)
        precisions.append(precision)
        once = compared & (np.arange(len(labels)) > rows[:, None])  # each pair, not both of its orders
        same_scores.append(score[once & same])
        other_scores.append(score[once & ~same])
    first, precision = np.concatenate(firsts), np.concatenate(precisions)
    auc, true_accepts = verification(np.concatenate(same_scores), np.concatenate(other_scores))
    return Retrieval(_mean(first), _mean(precision), auc, true_accepts, len(first))


def average_precisions(
    features: NDArray[np.floating], labels: Labels, metric: Metric = "cosine", gap: int = GAP
) -> tuple[IntArray, NDArray[np.float64]]:
    """Rows [Q] of the queries that have a true match in their gallery, and the average precision [Q] of each."""
    vectors = comparable(features, metric)
    queries, precisions = [], []
    for rows in _chunks(len(labels)):
        compared = labels.gallery(rows, gap)
        same = labels.same_person(rows) & compared
        _, precision = _rank(similarity(vectors[rows], vectors, metric), same, compared)
        queries.append(rows[same.any(axis=1)])
        precisions.append(precision)
    return np.concatenate(queries), np.concatenate(precisions)


def comparable(features: NDArray[np.floating], metric: Metric) -> NDArray[np.float64]:
    """Features [N, D] in the form `similarity` takes: unit vectors for the cosine, centred ones for the distance.

    Raises:
        InputError: a feature is not finite.
        ValueError: an unknown metric.
    """
    vectors = np.asarray(features, np.float64)
    if not np.isfinite(vectors).all():
        row = int(np.argmin(np.isfinite(vectors).all(axis=1)))
        raise InputError(f"features: row {row} is not finite, expected numbers")
    if metric == "euclidean":
        return vectors - vectors.mean(axis=0)  # changes no distance and keeps its digits
    if metric == "cosine":
        return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), np.finfo(np.float64).tiny)
    raise ValueError(f"metric: found {metric!r}, expected one of {', '.join(METRICS)}")


def similarity(
    queries: NDArray[np.float64], gallery: NDArray[np.float64], metric: Metric = "cosine"
) -> NDArray[np.float32]:
    """Similarity [Q, N] of `comparable` vectors [Q, D] and [N, D]: larger is more alike.

    What differs by no more than rounding errors comes out equal, so that it is a tie.
    """
    products = queries @ gallery.T
    if metric == "cosine":
        return products.round(7).astype(np.float32)
    squares = np.square(queries).sum(axis=1)[:, None] + np.square(gallery).sum(axis=1)
    squared = squares - 2 * products
    squared[squared < RESOLUTION * squares] = 0
    return -np.sqrt(squared).astype(np.float32)


def verification(
    same: NDArray[np.floating], other: NDArray[np.floating], false_accepts: float = FALSE_ACCEPTS
) -> tuple[float, float]:
    """Area under the ROC curve, and true accepts at a share of false ones, from similarities of pairs.

    Args:
        same: [S] similarities of pairs of one person.
        other: [O] of pairs of different people.
        false_accepts: the largest share of `other` above the threshold.

    Returns:
        Both in [0, 1]; NaN where there is no pair of a kind.
    """
    if not len(same) or not len(other):
        return np.nan, np.nan
    same, other = np.sort(same), np.sort(other)
    below, up_to = np.searchsorted(other, same, "left"), np.searchsorted(other, same, "right")
    auc = (below.mean() + up_to.mean()) / (2 * len(other))
    threshold = other[len(other) - 1 - int(false_accepts * len(other))]
    return float(auc), float((same > threshold).mean())


def _rank(score: NDArray[np.float32], same: BoolArray, compared: BoolArray) -> tuple[BoolArray, NDArray[np.float64]]:
    """Whether the first is right, and average precision, of the queries that have a true match; all given [Q, N]."""
    asked = same.any(axis=1)
    score, same = np.where(compared, score, -np.inf)[asked], same[asked]  # what is not compared comes last
    order = np.lexsort((same, -score))
    hit = np.take_along_axis(same, order, axis=1)
    precision = np.cumsum(hit, axis=1) / np.arange(1, hit.shape[1] + 1)
    return hit[:, 0], (precision * hit).sum(axis=1) / hit.sum(axis=1)


def _chunks(count: int) -> Iterator[IntArray]:
    for start in range(0, count, QUERIES_A_PASS):
        yield np.arange(start, min(start + QUERIES_A_PASS, count))


def _mean(values: NDArray[np.generic]) -> float:
    return float(values.mean()) if len(values) else np.nan
