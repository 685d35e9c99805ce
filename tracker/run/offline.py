"""The tracks of a whole sequence in columns, and what can be done to them once all frames are known."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace

import numpy as np

from tracker.core.detections import Detections, FloatArray, IntArray, Tracks
from tracker.core.state import NONE

LONGEST_GAP = 10_000  # frames that are filled at most, whatever is asked for
SMOOTHED = 2.0  # frames, deviation of the Gaussian; 1 to 4 gain, by less
AGREED = 1.0  # heights that a way misses another one by
REACH = 6  # frames on either side
ROWS_AT_ONCE = 200_000  # that are smoothed: 50 MB


@dataclass(slots=True)
class TrackRecord:
    """One row a track and frame, sorted by frame, then id.

    Attributes:
        frames, ids: [K].
        boxes: [K, 4] corners in pixels.
        scores: [K].
        detection: [K] row of the detection among those of its frame, -1 where there was none.
        measured: [K, 4] the box of that detection, NaN where there was none.
        class_ids: [K], -1 where unknown.
    """

    frames: IntArray
    ids: IntArray
    boxes: FloatArray
    scores: FloatArray
    detection: IntArray
    measured: FloatArray
    class_ids: IntArray

    @classmethod
    def of_frame(cls, frame_index: int, tracks: Tracks, detections: Detections) -> TrackRecord:
        """The rows of one frame."""
        measured = np.full((len(tracks), 4), np.nan)
        seen = tracks.detection != NONE
        source = tracks.detection[seen]
        if detections.rows is not None:  # some rows were dropped
            source = np.searchsorted(detections.rows, source)
        measured[seen] = detections.boxes[source]
        frames = np.full(len(tracks), frame_index)
        return cls(frames, tracks.ids, tracks.boxes, tracks.scores, tracks.detection, measured, tracks.class_ids)

    @classmethod
    def concatenate(cls, records: Iterable[TrackRecord]) -> TrackRecord:
        """All rows in one record, sorted."""
        parts = [cls.empty(), *records]

        def joined(name: str) -> np.ndarray:
            return np.concatenate([getattr(part, name) for part in parts])

        order = np.lexsort((joined("ids"), joined("frames")))
        return cls(*[joined(column.name)[order] for column in fields(cls)])  # never two copies of a long record

    @classmethod
    def empty(cls) -> TrackRecord:
        none = np.zeros(0, np.int64)
        return cls(none, none, np.zeros((0, 4)), np.zeros(0), none, np.zeros((0, 4)), none)

    def __len__(self) -> int:
        return len(self.frames)

    def select(self, rows: np.ndarray) -> TrackRecord:
        """The rows of `rows` (indices or a mask)."""
        return TrackRecord(*[getattr(self, column.name)[rows] for column in fields(self)])

    def sorted(self) -> TrackRecord:
        return self.select(np.lexsort((self.ids, self.frames)))

    def numbered(self) -> TrackRecord:
        """The same with ids from 1 in the order of their first rows."""
        values, first, place = np.unique(self.ids, return_index=True, return_inverse=True)
        number = np.empty(len(values), np.int64)
        number[np.argsort(first)] = np.arange(1, len(values) + 1)
        return replace(self, ids=number[place]).sorted()

    def at(self, frame_index: int) -> Tracks:
        """The tracks of one frame."""
        start, stop = np.searchsorted(self.frames, (frame_index, frame_index + 1))
        rows = slice(start, stop)
        return Tracks(self.ids[rows], self.boxes[rows], self.scores[rows], self.detection[rows], self.class_ids[rows])


def interpolate(record: TrackRecord, max_gap: int, agreed_gap: int = 0, rate: float = 30.0) -> TrackRecord:
    """Fill gaps of at most `max_gap` frames between two detections of a track by a straight line.

    Boxes that the tracker wrote while coasting through such a gap are replaced; longer gaps, and those of more than
    `LONGEST_GAP`, stay as they are.

    Args:
        agreed_gap: frames; longer ones than `max_gap`, up to this, are filled where the ways before and behind agree:
            one of them, followed through the gap, meets the other to within a person's height.
        rate: frames a second.
    """
    seen = np.lexsort((record.frames, record.ids))
    seen = seen[record.detection[seen] != NONE]
    gap, same = np.diff(record.frames[seen]) - 1, np.diff(record.ids[seen]) == 0
    ends = np.flatnonzero(~same | (gap > 0))  # of what was seen frame by frame
    filled_gap = same[ends] & (gap[ends] <= min(max_gap, LONGEST_GAP))
    doubtful = np.flatnonzero(same[ends] & (gap[ends] > max_gap) & (gap[ends] <= agreed_gap))
    if len(doubtful):
        filled_gap[doubtful] = _ways_agree(record, np.split(seen, ends + 1), doubtful, rate)
    starts = ends[filled_gap]
    if not len(starts):
        return record
    place = np.repeat(starts, gap[starts])
    before, after = seen[place], seen[place + 1]
    step = np.arange(len(place)) - np.repeat(np.cumsum(gap[starts]) - gap[starts], gap[starts]) + 1
    part = step / (gap[place] + 1)
    filled = record.select(before)
    filled.frames = filled.frames + step
    filled.boxes = (1 - part)[:, None] * record.boxes[before] + part[:, None] * record.boxes[after]
    filled.scores = (1 - part) * record.scores[before] + part * record.scores[after]
    filled.detection = np.full(len(filled), NONE)
    filled.measured = np.full((len(filled), 4), np.nan)
    replaced = np.isin(_keys(record), _keys(filled))
    return TrackRecord.concatenate((record.select(~replaced) if replaced.any() else record, filled))


def _ways_agree(record: TrackRecord, runs: list[IntArray], before: IntArray, rate: float) -> np.ndarray:
    """Whether [G] the ways of runs `before` and of those behind them, each given by its rows, agree."""
    from tracker.linking.evidence import ends_of, ways_apart

    runs_of = [runs[run] for pair in zip(before, before + 1, strict=True) for run in pair]
    ends = ends_of(runs_of, record.frames, record.measured, rate)
    first = 2 * np.arange(len(before))
    return ways_apart(ends, ends, first, first + 1)[0] <= AGREED


def _keys(record: TrackRecord) -> IntArray:
    """One number a (frame, id)."""
    return record.frames * (1 << 32) + record.ids


def smooth(record: TrackRecord) -> TrackRecord:
    """Replace every box by what the boxes of its track around it say, weighted by a Gaussian of `SMOOTHED` frames.

    A straight line is fitted to each edge over the frames nearby and read off in the middle (local linear regression,
    Cleveland, 1979), so that who walks on keeps pace to the very ends. What the detector measured counts where it did,
    not the filter's estimate; rows keep their frames and ids, only the boxes move.
    """
    order, boxes = np.lexsort((record.frames, record.ids)), np.empty_like(record.boxes)
    for start in range(0, len(order), ROWS_AT_ONCE):
        margin = min(start, REACH)  # rows before and behind that have a say
        rows = order[start - margin : start + ROWS_AT_ONCE + REACH]
        seen = record.detection[rows] != NONE
        edges = np.where(seen[:, None], record.measured[rows], record.boxes[rows])
        now = order[start : start + ROWS_AT_ONCE]
        boxes[now] = _lines_through(record.frames[rows], record.ids[rows], edges)[margin : margin + len(now)]
    return replace(record, boxes=boxes)


def _lines_through(frames: IntArray, ids: IntArray, edges: FloatArray) -> FloatArray:
    """The edges [K, 4] of lines through those of the same track nearby; rows are sorted by id, then frame."""
    count = len(frames)
    moments, sums, slopes = np.zeros((3, count)), np.zeros((count, 4)), np.zeros((count, 4))
    reach = min(REACH, count - 1)
    for step in range(-reach, reach + 1):  # the row so many rows on, which is as many frames away or more
        here, there = slice(max(0, -step), count - max(0, step)), slice(max(0, step), count - max(0, -step))
        away = frames[there] - frames[here]
        weight = np.where((ids[there] == ids[here]) & (np.abs(away) <= REACH), np.exp(-0.5 * (away / SMOOTHED) ** 2), 0)
        moments[:, here] += weight * np.stack((np.ones(len(away)), away, away**2))
        sums[here] += weight[:, None] * edges[there]
        slopes[here] += (weight * away)[:, None] * edges[there]
    determinant = moments[0] * moments[2] - moments[1] ** 2
    alone = determinant < 1e-9
    found = moments[2][:, None] * sums - moments[1][:, None] * slopes
    return np.asarray(np.where(alone[:, None], edges, found / np.where(alone, 1, determinant)[:, None]))
