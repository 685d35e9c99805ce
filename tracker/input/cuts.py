"""Where a video is cut: from one frame to the next nearly everything is another picture."""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

from tracker.core.detections import Image

ACROSS = 48  # places that are compared in a row
LEAST = 25.0  # mean difference in grey levels; people who walk by change a picture by 2 to 8
TIMES = 4.0  # as much as lately; a camera that is carried changes it by up to 30 from frame to frame, again and again
LATELY = 20  # frames
MOST = 10_000  # cuts that are noted: a stream goes on for ever


class CutWatch:
    """Look at each frame of a video and note where it was cut.

    Attributes:
        cuts: numbers of the frames that begin something new, the first `MOST`.
        count: of all.
    """

    def __init__(self) -> None:
        self.cuts: list[int] = []
        self.count = 0
        self._last: NDArray[np.int16] | None = None
        self._lately: deque[float] = deque(maxlen=LATELY)

    def see(self, frame_index: int, image: Image) -> None:
        """Compare a frame with the one before, at a few hundred places."""
        places = places_of(image)
        if self._last is not None and self._last.shape == places.shape:
            self.note(frame_index, change_between(self._last, places))
        self._last = places

    def note(self, frame_index: int, change: float) -> None:
        """Take in how much a frame differs from the one before."""
        usual = float(np.median(self._lately)) if self._lately else change
        if change > LEAST and change > TIMES * usual:
            self.count += 1
            if self.count <= MOST:
                self.cuts.append(frame_index)
        else:
            self._lately.append(change)


def places_of(image: Image) -> NDArray[np.int16]:
    """What is compared of a picture: the green of some hundred places."""
    stride = max(1, image.shape[1] // ACROSS)
    return image[stride // 2 :: stride, stride // 2 :: stride, 1].astype(np.int16)


def change_between(before: NDArray[np.int16], after: NDArray[np.int16]) -> float:
    """Mean difference of two pictures' places, grey levels."""
    return float(np.abs(after - before).mean())
