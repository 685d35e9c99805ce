"""What looks are worth between videos: learnt on the videos themselves, without labels.

The beginning and the end of a long track are one person; the beginning of one and the end of another that was there at
the same time are two. On such pairs a logistic regression learns what a distance is worth, as `tracker.linking` does
within one video. The light of cameras is not made alike: to take out the mean look of each camera's people took away
more on the halves of MOT16-11 (3 of 13 pairs found in place of 5) than it gave anywhere.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tracker.core.detections import FloatArray, IntArray
from tracker.linking.evidence import (
    FEWEST,
    LONG,
    Logistic,
    compressed,
    fit_logistic,
    look_columns,
    separation,
    whitened,
)
from tracker.linking.pieces import Pieces

APART = 3  # of the boxes of a track, the first third is compared with the last one


@dataclass(frozen=True)
class Gallery:
    """The tracks of all videos, to be told apart.

    Attributes:
        video: [T] which one each track is of.
        first, last: [T] seconds, by the clock that its camera shares with others, or its own.
        sums: [T, D] of the whitened looks of each, weighed by how much of the person shows.
        boxes: [T] that were looked at.
    """

    video: IntArray
    first: FloatArray
    last: FloatArray
    sums: FloatArray
    boxes: IntArray

    def __len__(self) -> int:
        return len(self.video)

    @property
    def directions(self) -> FloatArray:
        """The looks [T, D] at unit length."""
        return self.sums / np.maximum(np.linalg.norm(self.sums, axis=1, keepdims=True), 1e-12)


@dataclass(frozen=True)
class Worth:
    """What a distance of looks is worth.

    Attributes:
        odds: log-odds from columns.
        separation: area under the curve on the pairs that were learnt from; 0.5 says nothing.
    """

    odds: Logistic
    separation: float

    def __call__(self, distance: FloatArray, boxes: FloatArray) -> FloatArray:
        """Log-odds [...] of one person against two, before anything is known of how many there are."""
        return np.asarray(self.odds(look_columns(distance, boxes)))


def learn(tracks: Pieces, features: FloatArray, shown: FloatArray) -> tuple[Worth, FloatArray] | None:
    """Learn from the long tracks of all videos; None where there are too few of them.

    A whitening knows the tracks that it was fitted to better than others: what looks are worth is learnt on each half
    of the tracks with the whitening of the other half.

    Args:
        tracks: of all videos, whose frame numbers no two videos share.
        features: [N, D].
        shown: [N] weight of each box's look.

    Returns:
        What looks are worth, and the looks [N, D'] whose sums are compared.
    """
    long = np.flatnonzero(tracks.lengths >= LONG)
    if len(long) < 2 * FEWEST:
        return None
    small = compressed(features)
    columns, same = [], []
    for own, other in ((long[::2], long[1::2]), (long[1::2], long[::2])):
        looks = whitened(small, tracks, other) * shown[:, None]
        before, after = (_sums(tracks, own, looks, part) for part in (0, 1))
        size = np.maximum(tracks.lengths[own] // APART, 1)
        at_once = (tracks.first[own][:, None] <= tracks.last[own]) & (tracks.last[own][:, None] >= tracks.first[own])
        a, b = np.nonzero(at_once)
        columns.append(look_columns(1 - np.einsum("ij,ij->i", before[a], after[b]), np.minimum(size[a], size[b])))
        same.append(a == b)
    is_same = np.concatenate(same)
    if not is_same.any() or is_same.all():
        return None
    odds = fit_logistic(np.concatenate(columns), is_same)
    likely = odds(np.concatenate(columns))
    return Worth(odds, separation(likely[is_same], likely[~is_same])), whitened(small, tracks, long) * shown[:, None]


def _sums(tracks: Pieces, chosen: IntArray, looks: FloatArray, part: int) -> FloatArray:
    """Unit looks [C, D] of the first (0) or the last third of the boxes of each track."""
    found = []
    for track in chosen.tolist():
        rows = tracks.of(track)
        third = max(len(rows) // APART, 1)
        found.append(looks[rows[:third] if part == 0 else rows[-third:]].sum(axis=0))
    sums = np.stack(found)
    return sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-12)
