"""Counts at lines and zones: frame by frame as tracks come, or all at once of a finished result."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from tracker.core.detections import FloatArray, IntArray, Tracks
from tracker.core.state import NONE
from tracker.zones.crossings import Crossings, SideWatch
from tracker.zones.shapes import IN, UNDECIDED, Line, Place, SideArray
from tracker.zones.timeline import Timeline
from tracker.zones.times import Times

ZONE_PATIENCE = 2.0  # seconds that who is inside may go unseen and stays inside: gaps that are filled are as long
ROWS_AT_ONCE = 100_000  # of a finished result, and of as many places as there are; 20 MB each


@dataclass(slots=True)
class Totals:
    """What came of each place so far.

    Attributes:
        into, out: (place, class) -> how often.
        visits: [P] of zones, that are over.
        stayed, longest: [P] how long these took all together, and the longest, in seconds, or frames where nobody knows
            how long these are.
        sighted: [P] rows that said on which side somebody was.
        rows: all of them.
    """

    into: dict[tuple[int, int], int]
    out: dict[tuple[int, int], int]
    visits: IntArray
    stayed: FloatArray
    longest: FloatArray
    sighted: IntArray
    rows: int = 0

    @classmethod
    def nothing(cls, places: int) -> Totals:
        count = np.zeros(places, np.int64)
        return cls({}, {}, count, np.zeros(places), np.zeros(places), count.copy())

    def add(self, crossings: Crossings, stays: FloatArray) -> None:
        """Take in crossings [E]; `stays` [E] is how long those who come out of a zone were inside, NaN elsewhere."""
        keys = zip(crossings.places.tolist(), crossings.class_ids.tolist(), crossings.into.tolist(), strict=True)
        for place, kind, into in keys:
            counts = self.into if into else self.out
            counts[place, kind] = counts.get((place, kind), 0) + 1
        over = ~np.isnan(stays)
        np.add.at(self.visits, crossings.places[over], 1)
        np.add.at(self.stayed, crossings.places[over], stays[over])
        np.maximum.at(self.longest, crossings.places[over], stays[over])

    def of(self, place: int, into: bool) -> int:
        """How often, whatever the class."""
        counts = self.into if into else self.out
        return sum(count for (where, _), count in counts.items() if where == place)


class ZoneCounter:
    """Counts who crosses lines and who is in zones, on arrays of rows; memory is that of the identities alive.

    Args:
        places: lines and zones.
        times: when frames are shown.
        first, step: the frames that are looked at: each `step`-th from the first on.

    Attributes:
        inside: [P] how many are in each zone in the last frame; 0 for lines.
        totals: what came of each place so far.
        timeline: what happened when.
        last: the last frame.

    Example:
        >>> from tracker import Detections, Tracker
        >>> from tracker.zones import Line, Zone, ZoneCounter
        >>> door = Line("door", (0, 100), (200, 100))                 # in is upwards: left of the way from start to end
        >>> hall = Zone("hall", ((0, 0), (200, 0), (200, 100), (0, 100)))
        >>> counter, tracker = ZoneCounter([door, hall]), Tracker("sort", min_hits=1)
        >>> for frame in range(1, 21):
        ...     top = 160 - 10 * frame
        ...     tracks = tracker.update([[90, top, 110, top + 40, 0.9]], frame)
        ...     crossed = counter.update(frame, tracks)
        >>> counter.totals.of(0, into=True), counter.totals.of(1, into=True), counter.inside.tolist()
        (1, 1, [0, 1])
    """

    def __init__(self, places: Sequence[Place], times: Times | None = None, first: int = 1, step: int = 1) -> None:
        self.places, self.times = tuple(places), times or Times()
        self._first, self._step = first, step
        self.is_zone = np.array([place.kind == "zone" for place in self.places], bool)
        thresholds = np.array([place.minimum_crossing_threshold for place in self.places], np.int64)
        patience = [self._patience(place) for place in self.places]
        self._watch = SideWatch(thresholds, np.array(patience, np.int64), self.is_zone, step)
        self.inside = np.zeros(len(self.places), np.int64)
        self.totals = Totals.nothing(len(self.places))
        self.timeline = Timeline(len(self.places), self.times.frames_in(1.0))
        self.last = 0

    def update(self, frame: int, tracks: Tracks) -> Crossings:
        """Take in the tracks of the next frame; who crossed in it. Who vanished in a zone is told of when it is sure.

        Raises:
            ValueError: the frame does not come after the last one.
        """
        if frame <= self.last:
            raise ValueError(f"frame: expected more than {self.last}, found {frame}")
        frames = np.full(len(tracks), frame, np.int64)
        return self._take(frames, tracks.ids, tracks.boxes, tracks.class_ids, frame)

    def count(
        self, frames: IntArray, ids: IntArray, boxes: FloatArray, class_ids: IntArray | None = None
    ) -> Iterator[Crossings]:
        """Take in rows of many frames: frames [K] ascending, ids [K], boxes [K, 4] xyxy, classes [K] or None.

        Yields:
            The crossings, part by part.

        Raises:
            ValueError: the frames do not ascend, or not from behind the last one on.
        """
        if len(frames) and (frames[0] <= self.last or (frames[1:] < frames[:-1]).any()):
            raise ValueError(f"frames: expected ascending numbers above {self.last}")
        kinds = np.full(len(frames), NONE) if class_ids is None else class_ids
        start = 0
        while start < len(frames):
            stop = int(np.searchsorted(frames, frames[min(start + ROWS_AT_ONCE, len(frames)) - 1], side="right"))
            rows = slice(start, stop)
            yield self._take(frames[rows], ids[rows], boxes[rows], kinds[rows], int(frames[stop - 1]))
            start = stop

    def finish(self, last: int | None = None) -> Crossings:
        """Say that no frame comes any more; who was in a zone, but not in the last frame, left.

        Args:
            last: number of the last frame, where that had no tracks.
        """
        if last is not None and last > self.last:
            self.timeline.reach(last)
            self.last = last
            self.inside[:] = 0
        return self._told(self._watch.finish(self.last))

    def still_inside(self) -> Crossings:
        """Who is in a zone in the last frame: rows as if they came out in the next one."""
        found = self._watch.inside()
        here = found.frames > self.last
        return Crossings(*(getattr(found, name)[here] for name in Crossings.__slots__))

    def looked_at(self) -> IntArray:
        """How many frames [T] were looked at in each step of the timeline."""
        start = self.timeline.starts()
        end = np.minimum(start + self.timeline.width, self.last + 1)
        until = [-(-(bound - self._first) // self._step) for bound in (np.maximum(start, self._first), end)]
        return np.maximum(until[1] - until[0], 0)

    def doubts(self) -> Iterator[str]:
        """What looks wrong, a line each."""
        for row, place in enumerate(self.places):
            if isinstance(place, Line) and self.totals.rows and not self.totals.sighted[row]:
                advice = " (anchors: bottom_center?)" if len(place.anchors) > 1 else ""
                yield f"line {place.name!r}: no box ever lay between its ends with all its anchors on one side{advice}"

    def stays(self, crossings: Crossings) -> FloatArray:
        """How long [E] those who come out of a zone were inside, in the unit of `times`; NaN elsewhere."""
        over = self.is_zone[crossings.places] & ~crossings.into
        stays = np.full(len(crossings), np.nan)
        stays[over] = self.times.between(crossings.since[over], crossings.frames[over])
        return stays

    def _take(self, frames: IntArray, ids: IntArray, boxes: FloatArray, class_ids: IntArray, last: int) -> Crossings:
        self.timeline.reach(last)
        sides = np.empty((len(self.places), len(frames)), np.int8)
        for row, place in enumerate(self.places):
            sides[row] = place.sides(boxes)
        self.totals.rows += len(frames)
        self.totals.sighted += np.count_nonzero(sides != UNDECIDED, axis=1)
        self._see(frames, sides, last)
        self.last = last
        if not len(frames):
            return self._told(self._watch.advance(last))
        return self._told(self._watch.take(frames, ids, class_ids, sides))

    def _see(self, frames: IntArray, sides: SideArray, last: int) -> None:
        """How many are inside, frame by frame."""
        begins = np.flatnonzero(np.append(True, frames[1:] != frames[:-1])[: len(frames)])
        inside = (sides == IN) & self.is_zone[:, None]
        if not len(begins):
            self.inside = np.zeros(len(self.places), np.int64)
            return
        counts = np.add.reduceat(inside, begins, axis=1, dtype=np.int64)
        self.timeline.add_inside(frames[begins], counts)
        self.inside = counts[:, -1] if frames[-1] == last else np.zeros(len(self.places), np.int64)

    def _told(self, crossings: Crossings) -> Crossings:
        if len(crossings):
            self.totals.add(crossings, self.stays(crossings))
            self.timeline.add_crossings(crossings.places, crossings.frames, crossings.into)
        return crossings

    def _patience(self, place: Place) -> int:
        """Frames that are looked at: supervision's memory at a line, the time that gaps are filled over in a zone."""
        if place.patience is not None:
            seconds = place.patience
        elif place.kind == "line":
            return max(2, place.minimum_crossing_threshold + 1)
        else:
            seconds = ZONE_PATIENCE
        return max(1, self.times.frames_in(seconds) // self._step)
