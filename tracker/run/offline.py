"""The tracks of a whole sequence in columns, and what can be done to them once all frames are known."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields

import numpy as np

from tracker.core.detections import Detections, FloatArray, IntArray, Tracks
from tracker.core.kalman import MOTION_MODELS
from tracker.core.kalman_full import TRANSITION
from tracker.core.state import NONE

LONGEST_GAP = 10_000  # frames without a row behind which a track is smoothed as another: nothing is known across it
MODEL = MOTION_MODELS["xyah"]


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
        columns = [np.concatenate([getattr(part, column.name) for part in parts]) for column in fields(cls)]
        return cls(*columns).sorted()

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
    seen = record.select(np.lexsort((record.frames, record.ids)))
    seen = seen.select(seen.detection != NONE)
    if len(seen) < 2:
        return record
    gap = np.diff(seen.frames) - 1
    starts = np.flatnonzero((seen.ids[1:] == seen.ids[:-1]) & (gap > 0) & (gap <= min(max_gap, LONGEST_GAP)))
    before = np.repeat(starts, gap[starts])
    step = np.arange(len(before)) - np.repeat(np.cumsum(gap[starts]) - gap[starts], gap[starts]) + 1
    part = step / (gap[before] + 1)
    filled = seen.select(before)
    filled.frames = filled.frames + step
    filled.boxes = (1 - part)[:, None] * seen.boxes[before] + part[:, None] * seen.boxes[before + 1]
    filled.scores = (1 - part) * seen.scores[before] + part * seen.scores[before + 1]
    filled.detection = np.full(len(filled), NONE)
    filled.measured = np.full((len(filled), 4), np.nan)
    replaced = np.isin(_keys(record), _keys(filled))
    return TrackRecord.concatenate((record.select(~replaced), filled))


def _keys(record: TrackRecord) -> IntArray:
    """One number a (frame, id)."""
    return record.frames * (1 << 32) + record.ids


def smooth(record: TrackRecord) -> TrackRecord:
    """Replace every box by the Rauch-Tung-Striebel estimate from all detections of its track, past and future.

    The model is DeepSORT's constant-velocity one; rows keep their frames and ids, only the boxes move.
    """
    order = np.lexsort((record.frames, record.ids))
    tracks = record.select(order)
    boxes = tracks.boxes.copy()
    ends = (np.diff(tracks.ids) != 0) | (np.diff(tracks.frames) > LONGEST_GAP)
    for rows in np.split(np.arange(len(tracks)), np.flatnonzero(ends) + 1):
        seen = rows[tracks.detection[rows] != NONE]
        if len(seen) > 1:
            boxes[rows] = _smooth_track(tracks.frames[seen], tracks.measured[seen], tracks.frames[rows])
    tracks.boxes = boxes
    return tracks.sorted()


def _smooth_track(frames: IntArray, measured: FloatArray, wanted: IntArray) -> FloatArray:
    """Boxes [W, 4] at the frames `wanted` [W] of a track that was measured [S, 4] at `frames` [S]."""
    from filterpy.kalman import KalmanFilter

    measurement = MODEL.to_measurement(measured)
    kalman = KalmanFilter(dim_x=8, dim_z=4)
    kalman.F, kalman.H = TRANSITION, np.eye(4, 8)
    kalman.x[:4, 0] = measurement[0]
    first = measurement[:1]
    kalman.P = np.diag(np.concatenate((MODEL.initial_position.at(first)[0], MODEL.initial_velocity.at(first)[0])))
    at_frame = dict(zip(frames.tolist(), measurement, strict=True))
    means, covariances, noises = [], [], []
    for frame in range(int(frames[0]), int(max(frames[-1], wanted[-1])) + 1):
        mean = kalman.x[None, :4, 0]
        noise = np.diag(np.concatenate((MODEL.process_position.at(mean)[0], MODEL.process_velocity.at(mean)[0])))
        if frame > frames[0]:
            kalman.predict(Q=noise)
            if frame in at_frame:
                kalman.update(at_frame[frame], R=np.diag(MODEL.measurement.at(kalman.x[None, :4, 0])[0]))
        means.append(kalman.x.copy())
        covariances.append(kalman.P.copy())
        noises.append(noise)
    # filterpy's smoother takes the noise of the step k -> k+1 at position k + 1
    smoothed, *_ = kalman.rts_smoother(np.array(means), np.array(covariances), Qs=noises)
    return MODEL.to_boxes(smoothed[wanted - frames[0], :4, 0])
