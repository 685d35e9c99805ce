"""The book-keeping of all tracks: one array a column, one row a track."""

from __future__ import annotations

from dataclasses import dataclass, field, fields

import numpy as np
from numpy.typing import NDArray

from tracker.core.detections import FloatArray, IntArray

NONE = -1  # no detection in this frame; no class


def _integers() -> IntArray:
    return np.zeros(0, np.int64)


@dataclass(slots=True)
class TrackState:
    """Columns [M]; rows are in the order in which tracks were born."""

    ids: IntArray = field(default_factory=_integers)
    hits: IntArray = field(default_factory=_integers)  # detections in all
    streak: IntArray = field(default_factory=_integers)  # detections in a row, the first one not counted
    age: IntArray = field(default_factory=_integers)  # frames since the last detection
    missed: IntArray = field(default_factory=_integers)  # the same, counting only frames that were seen
    detection: IntArray = field(default_factory=_integers)  # row in the frame's observations, or NONE
    class_ids: IntArray = field(default_factory=_integers)  # or NONE
    confirmed: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, bool))
    scores: FloatArray = field(default_factory=lambda: np.zeros(0))  # of the last detection

    def __len__(self) -> int:
        return len(self.ids)

    def keep(self, rows: NDArray[np.generic]) -> None:
        """Drop every track but `rows` (indices or a mask)."""
        for column in fields(self):
            setattr(self, column.name, getattr(self, column.name)[rows])

    def record(self, found: IntArray, scores: FloatArray, n_init: int) -> None:
        """Enter what matching found: `found` [M] is each track's detection or NONE, `scores` [N] the detections'."""
        hit = found != NONE
        self.detection = found
        self.scores[hit] = scores[found[hit]]
        self.hits += hit
        self.streak = (self.streak + 1) * hit
        self.missed = (self.missed + 1) * ~hit
        self.age *= ~hit
        self.confirmed |= self.hits >= n_init

    def append(self, ids: IntArray, detection: IntArray, scores: FloatArray, class_ids: IntArray, n_init: int) -> None:
        """Start a track for each row of the arguments [K]."""
        zeros = np.zeros(len(ids), np.int64)
        born = TrackState(
            ids=ids,
            hits=zeros + 1,
            streak=zeros,
            age=zeros,
            missed=zeros,
            detection=detection,
            class_ids=class_ids,
            confirmed=np.full(len(ids), n_init <= 1),
            scores=scores,
        )
        for column in fields(self):
            name = column.name
            setattr(self, name, np.concatenate((getattr(self, name), getattr(born, name))))
