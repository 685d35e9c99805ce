"""Frames as seconds: where the frame rate is known, or every frame's own time; as frames where neither is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from tracker.core.detections import FloatArray, IntArray

ASSUMED_RATE = 30.0  # frames a second, where something has to be assumed


@dataclass(frozen=True)
class Times:
    """When frames are shown, counted from the first, which is frame 1.

    Attributes:
        rate: frames a second; None where nobody knows.
        time_of: gives the seconds of one frame, None where it has no time of its own; else they follow evenly.

    Example:
        >>> Times(25.0).between(np.array([1]), np.array([51])).tolist()
        [2.0]
        >>> Times().between(np.array([1]), np.array([51])).tolist()
        [50.0]
    """

    rate: float | None = None
    time_of: Callable[[int], float | None] | None = None

    @property
    def unit(self) -> Literal["seconds", "frames"]:
        return "frames" if self.rate is None else "seconds"

    def seconds(self, frames: IntArray) -> FloatArray | None:
        """Seconds [K] of frames [K]; None where the frame rate is not known."""
        if self.rate is None:
            return None
        regular = (frames - 1) / self.rate
        if self.time_of is None:
            return regular
        return np.array([self._own(*pair) for pair in zip(frames.tolist(), regular.tolist(), strict=True)], np.float64)

    def _own(self, frame: int, regular: float) -> float:
        """A frame's own time; of one that has none, such as that behind the last, a frame after the one before."""
        assert self.time_of is not None and self.rate is not None
        found = self.time_of(frame)
        if found is None and (before := self.time_of(frame - 1)) is not None:
            found = before + 1 / self.rate
        return regular if found is None else float(found)

    def between(self, since: IntArray, until: IntArray) -> FloatArray:
        """How long [K] it is from frames to others, in `unit`."""
        start, end = self.seconds(since), self.seconds(until)
        return (until - since).astype(np.float64) if start is None or end is None else end - start

    def frames_in(self, seconds: float) -> int:
        """How many frames there are in so many seconds, one at least."""
        return max(1, round(seconds * (self.rate or ASSUMED_RATE)))
