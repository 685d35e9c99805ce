"""What an adaptation is judged by: tracklets held back, on which candidates are compared without a label."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from embedding.data.crop_pack import CropIndex
from embedding.data.dataset import spread
from embedding.errors import InputError
from embedding.retrieval import comparable, similarity, verification

CROPS_A_TRACKLET = 12  # that a comparison looks at: long tracklets must not decide alone
APART = 10  # frames between two crops of a tracklet that are compared
MIN_PAIRS = 200  # of each kind, for a comparison to mean anything


@dataclass(frozen=True)
class Separation:
    """How a descriptor tells apart people of tracklets it has not learnt from.

    Attributes:
        auc: probability that two crops of one tracklet are more similar than two of tracklets seen together.
        true_accepts: share of the first kind accepted where 1 % of the second are.
    """

    auc: float
    true_accepts: float


@dataclass(frozen=True)
class AdaptationReport:
    """What came of it.

    Attributes:
        chosen: "shipped", "whitened" (a new whitening only) or "adapted".
        reason: one sentence.
        separation: of each candidate that was compared, by its name.
        tracklets, held_out: long enough to learn from, and those of them that were held back.
        steps, minutes: of training.
    """

    chosen: str
    reason: str
    separation: dict[str, Separation]
    tracklets: int = 0
    held_out: int = 0
    steps: int = 0
    minutes: float = 0.0


class HeldBackPairs:
    """The known pairs of held-back crops: with each other, or with anybody who is seen with them.

    Args:
        index: of the crops [N] that are compared.
        held: [N] which are held back.

    Raises:
        InputError: there are too few.
    """

    def __init__(self, index: CropIndex, held: NDArray[np.bool_]) -> None:
        self.same, self.different = (pairs & (held[:, None] | held) for pairs in known_pairs(index))
        counts = int(self.same.sum()), int(self.different.sum())
        if min(counts) < MIN_PAIRS:
            raise InputError(
                f"too few people to tell whether it would help: {counts[0]} pairs of one person and {counts[1]} of two "
                f"with crops that were held back, expected {MIN_PAIRS}"
            )

    def separation(self, features: NDArray[np.floating]) -> Separation:
        """How well features [N, D] tell them apart, by cosine."""
        vectors = comparable(features, "cosine")
        score = similarity(vectors, vectors)
        return Separation(*verification(score[self.same], score[self.different]))


def known_pairs(index: CropIndex) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Pairs [N, N], each once, of one tracklet (at least `APART` frames apart) and of two that share a frame."""
    names, label = np.unique(index.tracklet, return_inverse=True)
    first, last = np.full(len(names), np.iinfo(np.int64).max), np.zeros(len(names), np.int64)
    np.minimum.at(first, label, index.frame)
    np.maximum.at(last, label, index.frame)
    start, end = first[label], last[label]  # a tracklet has no gaps
    once = np.triu(index.sequence[:, None] == index.sequence, 1)
    same = label[:, None] == label
    together = (start[:, None] <= end) & (start <= end[:, None])
    apart = np.abs(index.frame[:, None] - index.frame) >= APART
    return once & same & apart, once & ~same & together


def held_back(index: CropIndex, share: float, seed: int) -> NDArray[np.bool_]:
    """[N] the crops of a random share of the tracklets that are long enough to be compared on."""
    labels, lengths = np.unique(index.tracklet, return_counts=True)
    long = labels[lengths > APART]
    random = np.random.default_rng(seed)
    return np.isin(index.tracklet, random.permutation(long)[: round(share * len(long))])


def evenly(labels: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """Rows of at most `most` crops of each label, evenly spread over its crops, which are in the order of time."""
    order = np.argsort(labels, kind="stable")
    groups = np.split(order, np.flatnonzero(np.diff(labels[order])) + 1)
    return np.sort(np.concatenate([group[spread(len(group), most)] for group in groups])) if len(order) else order


def reason(chosen: str, separation: dict[str, Separation]) -> str:
    """One sentence."""
    before, after = separation["shipped"].true_accepts, separation[chosen].true_accepts
    if chosen == "shipped":
        return f"nothing was better than before ({before:.1%} true accepts at 1 % false ones)"
    return f"true accepts at 1 % false ones rose from {before:.1%} to {after:.1%} on tracklets held back"
