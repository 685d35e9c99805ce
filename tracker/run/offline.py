"""The tracks of a whole sequence in columns, and what can be done to them once all frames are known."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace

import numpy as np

from tracker.core.detections import Detections, FloatArray, IntArray, Tracks
from tracker.core.kalman import MOTION_MODELS, SeparableFilter
from tracker.core.state import NONE

LONGEST_GAP = 10_000  # frames without a row behind which a track is smoothed as another: nothing is known across it
MODEL = MOTION_MODELS["xyah"]
STEPS_AT_ONCE = 100_000  # frames of tracks that are smoothed side by side: 16 MB


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


def interpolate(record: TrackRecord, max_gap: int) -> TrackRecord:
    """Fill gaps of at most `max_gap` frames between two detections of a track by a straight line.

    Boxes that the tracker wrote while coasting through such a gap are replaced; longer gaps, and those of more than
    `LONGEST_GAP`, stay as they are.
    """
    seen = np.lexsort((record.frames, record.ids))
    seen = seen[record.detection[seen] != NONE]
    gap, same = np.diff(record.frames[seen]) - 1, np.diff(record.ids[seen]) == 0
    starts = np.flatnonzero(same & (gap > 0) & (gap <= min(max_gap, LONGEST_GAP)))
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


def _keys(record: TrackRecord) -> IntArray:
    """One number a (frame, id)."""
    return record.frames * (1 << 32) + record.ids


def smooth(record: TrackRecord) -> TrackRecord:
    """Replace every box by the Rauch-Tung-Striebel estimate from all detections of its track, past and future.

    The model is DeepSORT's constant-velocity one; rows keep their frames and ids, only the boxes move.
    """
    order = np.lexsort((record.frames, record.ids))
    frames = record.frames[order]
    begins = np.flatnonzero(
        (np.diff(record.ids[order], prepend=NONE) != 0) | (np.diff(frames, prepend=0) > LONGEST_GAP)
    )
    number = np.cumsum(np.isin(np.arange(len(order)), begins)) - 1
    seen = np.flatnonzero(record.detection[order] != NONE)
    enough = np.flatnonzero(np.bincount(number[seen], minlength=len(begins)) > 1)
    first = np.full(len(begins), np.iinfo(np.int64).max)
    np.minimum.at(first, number[seen], frames[seen])
    last = np.append(begins[1:], len(order)) - 1
    steps = frames[last[enough]] - first[enough] + 1
    boxes = record.boxes.copy()
    parts = np.split(enough, np.flatnonzero(np.diff(np.cumsum(steps) // STEPS_AT_ONCE)) + 1)
    for part in parts if len(enough) else ():
        wanted = np.flatnonzero(np.isin(number, part) & (frames >= first[number]))
        place = np.searchsorted(part, number[wanted])
        offset, rows = frames[wanted] - first[number[wanted]], order[wanted]
        measured = np.where((record.detection[rows] != NONE)[:, None], record.measured[rows], np.nan)
        boxes[rows] = _smoothed(place, offset, measured)
    return replace(record, boxes=boxes)


def _smoothed(track: IntArray, step: IntArray, measured: FloatArray) -> FloatArray:
    """Boxes [R, 4] of tracks that go forward, then back, side by side.

    A pair of position and velocity with covariance P and prediction F P F' + Q has the gain P F' (F P F' + Q)^-1, two
    by two, so that every pair of every track is smoothed by the same few products (Rauch et al., 1965).

    Args:
        track: [R] from 0.
        step: [R] frames since the first detection of the track, which is at step 0.
        measured: [R, 4] box of the detection, NaN where there is none.
    """
    length = np.zeros(track.max(initial=-1) + 1, np.int64)
    np.maximum.at(length, track, step + 1)
    longest_first = np.argsort(-length, kind="stable")
    place = np.argsort(longest_first)[track]  # so that those that still go on are the first ones
    going = np.searchsorted(-length[longest_first], -np.arange(length.max(initial=0)), side="left")
    order = np.lexsort((place, step))
    order = order[~np.isnan(measured[order, 0])]
    bounds = np.searchsorted(step[order], np.arange(len(going) + 1))
    kalman, filtered = SeparableFilter(MODEL), []
    for now, count in enumerate(going.tolist()):
        rows = order[bounds[now] : bounds[now + 1]]
        if now == 0:
            kalman.append(measured[rows])
        else:
            kalman.keep(np.arange(count))
            kalman.predict()
            kalman.update(place[rows], measured[rows])
        filtered.append(kalman.state.copy())
    smoothed = [state[:2] for state in filtered]
    for now in range(len(filtered) - 2, -1, -1):
        count = filtered[now + 1].shape[1]
        position, velocity, p_xx, p_xv, p_vv = filtered[now][:, :count]
        ahead_xv = p_xv + p_vv
        ahead_xx = p_xx + p_xv + ahead_xv + MODEL.process_position.at(position)
        ahead_vv = p_vv + MODEL.process_velocity.at(position)
        missed_x = smoothed[now + 1][0] - position - velocity
        missed_v = smoothed[now + 1][1] - velocity
        determinant = ahead_xx * ahead_vv - ahead_xv**2
        weight_x = (ahead_vv * missed_x - ahead_xv * missed_v) / determinant
        weight_v = (ahead_xx * missed_v - ahead_xv * missed_x) / determinant
        position += (p_xx + p_xv) * weight_x + p_xv * weight_v
        velocity += ahead_xv * weight_x + p_vv * weight_v
    found = [smoothed[now][0, row] for now, row in zip(step.tolist(), place.tolist(), strict=True)]
    return MODEL.to_boxes(np.stack(found))
