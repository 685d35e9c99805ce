"""What happened when: numbers over time in a fixed number of steps, which grow as a stream goes on."""

from __future__ import annotations

import numpy as np

from tracker.core.detections import FloatArray, IntArray

MOST_STEPS = 1024  # an even number


class Timeline:
    """Sums and maxima at P places over equal steps of frames, from frame 1 on.

    Memory does not grow: where there are more than `MOST_STEPS` steps, each becomes twice as long.

    Attributes:
        width: frames of a step.
        length: steps so far.
    """

    def __init__(self, places: int, width: int) -> None:
        self.width, self.length = width, 0
        self._inside = np.zeros((places, MOST_STEPS), np.int64)
        self._most = np.zeros((places, MOST_STEPS), np.int64)
        self._into = np.zeros((places, MOST_STEPS), np.int64)
        self._out = np.zeros((places, MOST_STEPS), np.int64)

    def reach(self, frame: int) -> None:
        """Make room for frames up to this one."""
        while (frame - 1) // self.width >= MOST_STEPS:
            for name, fold in (("_inside", np.add), ("_most", np.maximum), ("_into", np.add), ("_out", np.add)):
                whole = getattr(self, name)
                halved = np.zeros_like(whole)
                halved[:, : MOST_STEPS // 2] = fold(whole[:, ::2], whole[:, 1::2])
                setattr(self, name, halved)
            self.width *= 2
        self.length = max(self.length, (frame - 1) // self.width + 1)

    def add_inside(self, frames: IntArray, counts: IntArray) -> None:
        """Add how many [P, F] were inside in frames [F], each of which comes once."""
        step = (frames - 1) // self.width
        for place, here in enumerate(counts):
            np.add.at(self._inside[place], step, here)
            np.maximum.at(self._most[place], step, here)

    def add_crossings(self, places: IntArray, frames: IntArray, into: np.ndarray) -> None:
        """Add crossings [E] at places in frames, some of them into."""
        step = (frames - 1) // self.width
        np.add.at(self._into, (places[into], step[into]), 1)
        np.add.at(self._out, (places[~into], step[~into]), 1)

    def starts(self) -> IntArray:
        """The first frame [T] of each step."""
        return 1 + self.width * np.arange(self.length)

    def mean_inside(self, looked: IntArray) -> FloatArray:
        """How many [P, T] were inside on average, of so many frames [T] that were looked at in each step."""
        return self._inside[:, : self.length] / np.maximum(looked, 1)

    @property
    def most_inside(self) -> IntArray:
        """How many [P, T] were inside at most."""
        return self._most[:, : self.length]

    @property
    def into(self) -> IntArray:
        """How often [P, T] somebody came in."""
        return self._into[:, : self.length]

    @property
    def out(self) -> IntArray:
        """How often [P, T] somebody came out."""
        return self._out[:, : self.length]
