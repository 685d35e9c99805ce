"""What each identity did: when it was there, for how long, where it came from and went."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tracker.core.detections import FloatArray, IntArray

SIDES = ("left", "right", "bottom", "top")  # looked at in this order: who walks in from the side is cut below, too
MARGIN = 0.015  # of the shorter side: a box that reaches so near to the border touches it
AT_ONCE = 0.5  # seconds within which a track begins that was there when the recording began
AT_BEGINNING, AT_END, INSIDE = "there at the beginning", "there at the end", "inside the picture"


@dataclass(frozen=True)
class Rows:
    """The tracks of a whole run, a row a track and frame, sorted by id, then frame.

    Attributes:
        frames, ids: [K].
        boxes: [K, 4] corners in pixels.
        class_ids: [K], -1 where unknown.
    """

    frames: IntArray
    ids: IntArray
    boxes: NDArray[np.float32]
    class_ids: IntArray

    @classmethod
    def sorted(cls, frames: IntArray, ids: IntArray, boxes: NDArray[np.float32], class_ids: IntArray) -> Rows:
        """Rows in any order."""
        order = np.lexsort((frames, ids))
        return cls(frames[order], ids[order], boxes[order], class_ids[order])

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def feet(self) -> FloatArray:
        """The middle of each box's lower edge [K, 2]."""
        middle: FloatArray = np.stack((self.boxes[:, [0, 2]].mean(axis=1), self.boxes[:, 3]), axis=1).astype(float)
        return middle


@dataclass(frozen=True)
class Film:
    """When each frame was and where it is in the annotated video.

    Attributes:
        frames: [F] ascending numbers of the frames that were written.
        seconds: [F] since the beginning of the recording.
        places: [F] seconds in the video; the same as `seconds` where every frame is there.
        rate: frames a second.
        size: width and height of the picture in pixels; None where nobody knows.
    """

    frames: IntArray
    seconds: FloatArray
    places: FloatArray
    rate: float
    size: tuple[int, int] | None

    def second(self, frames: IntArray | int) -> FloatArray:
        """When frames were."""
        return self._at(frames, self.seconds)

    def place(self, frames: IntArray | int) -> FloatArray:
        """Where frames are in the video; one that is missing is where the one before it is."""
        return self._at(frames, self.places)

    def _at(self, frames: IntArray | int, values: FloatArray) -> FloatArray:
        found = np.searchsorted(self.frames, frames, side="right") - 1
        result: FloatArray = np.asarray(values[np.clip(found, 0, None)])
        return result

    @property
    def length(self) -> float:
        """Seconds of the video."""
        return float(self.places[-1]) + 1 / self.rate if len(self.places) else 0.0


@dataclass(frozen=True)
class Identity:
    """One of those who were tracked.

    Attributes:
        number: its id.
        class_name: empty where nobody knows.
        start, end: seconds in the recording, of the beginning of its first and the end of its last frame.
        spans: stretches of the video it is in, seconds from and to.
        came, went: a side of the picture, `INSIDE`, or that it was there at the beginning or end.
        first_feet, last_feet: where, in pixels.
    """

    number: int
    class_name: str
    start: float
    end: float
    spans: tuple[tuple[float, float], ...]
    came: str
    went: str
    first_feet: tuple[float, float]
    last_feet: tuple[float, float]

    @property
    def stay(self) -> float:
        """Seconds from its first to its last frame, with those between in which it was not seen."""
        return self.end - self.start


def identities(rows: Rows, film: Film, class_names: Mapping[int, str]) -> list[Identity]:
    """All of them, in the order of their first frames."""
    if not len(rows):
        return []
    starts = np.flatnonzero(np.diff(rows.ids, prepend=rows.ids[0] - 1))
    stops = np.append(starts[1:], len(rows))
    feet, step = rows.feet, int(np.median(np.diff(film.frames))) if len(film.frames) > 1 else 1
    found = []
    for start, stop in zip(starts.tolist(), stops.tolist(), strict=True):
        frames = rows.frames[start:stop]
        kinds, times = np.unique(rows.class_ids[start:stop], return_counts=True)
        found.append(
            Identity(
                number=int(rows.ids[start]),
                class_name=class_names.get(int(kinds[times.argmax()]), ""),
                start=float(film.second(frames[0])),
                end=float(film.second(frames[-1])) + 1 / film.rate,
                spans=_spans(frames, film, step),
                came=_came(frames, rows.boxes[start], film),
                went=_went(frames, rows.boxes[stop - 1], film),
                first_feet=(float(feet[start, 0]), float(feet[start, 1])),
                last_feet=(float(feet[stop - 1, 0]), float(feet[stop - 1, 1])),
            )
        )
    return sorted(found, key=lambda one: (one.start, one.number))


def _spans(frames: IntArray, film: Film, step: int) -> tuple[tuple[float, float], ...]:
    """Stretches without a gap of more than `step` frames."""
    breaks = np.flatnonzero(np.diff(frames) > step)
    firsts, lasts = frames[np.append(0, breaks + 1)], frames[np.append(breaks, len(frames) - 1)]
    ends = film.place(lasts) + 1 / film.rate
    return tuple(zip(film.place(firsts).tolist(), ends.tolist(), strict=True))


def _came(frames: IntArray, box: NDArray[np.float32], film: Film) -> str:
    if film.second(frames[0]) - film.seconds[0] < AT_ONCE:
        return AT_BEGINNING
    return side_of(box, film.size)


def _went(frames: IntArray, box: NDArray[np.float32], film: Film) -> str:
    if film.seconds[-1] - film.second(frames[-1]) < AT_ONCE:
        return AT_END
    return side_of(box, film.size)


def side_of(box: NDArray[np.floating], size: tuple[int, int] | None) -> str:
    """The side of the picture that a box [4] touches, or `INSIDE`.

    Example:
        >>> side_of(np.array([2.0, 50, 40, 150]), (640, 480)), side_of(np.array([90.0, 50, 140, 150]), (640, 480))
        ('left', 'inside the picture')
    """
    if size is None:
        return INSIDE
    width, height = size
    near = MARGIN * min(size)
    left, top, right, bottom = box.tolist()
    touched = {
        "left": left <= near,
        "right": right >= width - near,
        "top": top <= near,
        "bottom": bottom >= height - near,
    }
    return next((side for side in SIDES if touched[side]), INSIDE)


def numbers_present(rows: Rows, film: Film, bins: int) -> tuple[FloatArray, FloatArray, IntArray]:
    """How many are there over time.

    Returns:
        seconds [B + 1], the edges of at most `bins` stretches of the recording; the mean number [B] in each, and the
        largest [B].
    """
    place = np.searchsorted(film.frames, rows.frames, side="right") - 1
    present = np.bincount(np.clip(place, 0, None), minlength=len(film.frames))[: len(film.frames)]
    edges = np.unique(np.linspace(0, len(present), min(bins, max(len(present), 1)) + 1).round().astype(int))
    if len(present) == 0:
        return np.zeros(1), np.zeros(0), np.zeros(0, np.int64)
    sums, largest = np.add.reduceat(present, edges[:-1]), np.maximum.reduceat(present, edges[:-1])
    seconds = np.append(film.seconds, film.seconds[-1] + 1 / film.rate)[edges]
    return seconds, sums / np.diff(edges), largest
