"""Which class a track is of when its detections disagree: that of most of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tracker.core.detections import IntArray
from tracker.core.state import NONE


class ClassVotes:
    """How often each track was found as what: one row a track, one column a class.

    Attributes:
        class_ids: [C], ascending; only those that some track was found as.
        counts: [M, C].
    """

    def __init__(self) -> None:
        self.class_ids: IntArray = np.zeros(0, np.int64)
        self.counts: IntArray = np.zeros((0, 0), np.int64)

    def append(self, count: int) -> None:
        """Add `count` tracks that were never found."""
        self.counts = np.concatenate((self.counts, np.zeros((count, len(self.class_ids)), np.int64)))

    def keep(self, rows: NDArray[np.generic]) -> None:
        """Drop every track but `rows` (indices or a mask)."""
        self.counts = self.counts[rows]

    def update(self, rows: IntArray, current: IntArray, found: IntArray) -> IntArray:
        """The classes [K] of the tracks `rows` [K], `current` until now, that were `found` as these; NONE: unknown.

        The track's class changes when another one was found more often.
        """
        self._make_room(found[found != NONE])
        classes = current.copy()
        for_class = np.flatnonzero(found != NONE)
        rows, found = rows[for_class], found[for_class]
        columns = np.searchsorted(self.class_ids, found)
        self.counts[rows, columns] += 1
        is_new = current[for_class] == NONE
        held = np.searchsorted(self.class_ids, np.where(is_new, found, current[for_class]))
        wins = is_new | (self.counts[rows, columns] > self.counts[rows, held])
        classes[for_class[wins]] = found[wins]
        return classes

    def _make_room(self, found: IntArray) -> None:
        """Columns for the classes `found`, and no more for those that only ended tracks had."""
        if np.isin(found, self.class_ids).all():
            return
        used = self.counts.any(axis=0)
        old, counts = self.class_ids[used], self.counts[:, used]
        self.class_ids = np.union1d(old, found)
        self.counts = np.zeros((len(counts), len(self.class_ids)), np.int64)
        self.counts[:, np.searchsorted(self.class_ids, old)] = counts
