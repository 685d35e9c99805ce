"""The second pass of a run: identities from all frames at once, where looks say who is who."""

from __future__ import annotations

import numpy as np

from tracker.core.config import TrackerConfig
from tracker.core.detections import Detections, IntArray, Tracks
from tracker.core.state import NONE
from tracker.files.motchallenge import DetectionTable
from tracker.run.offline import TrackRecord, interpolate, smooth


class Seen:
    """The detections of every frame and the identities that the tracker gave them as it went."""

    def __init__(self) -> None:
        self._found: list[tuple[int, Detections]] = []
        self._online: list[IntArray] = []

    def add(self, frame_index: int, detections: Detections, tracks: Tracks) -> None:
        """Take in one frame."""
        online = np.full(len(detections), NONE)
        matched = tracks.detection != NONE
        online[_positions(detections, tracks.detection[matched])] = tracks.ids[matched]
        self._found.append((frame_index, detections))
        self._online.append(online)

    def link(self, record: TrackRecord, config: TrackerConfig, rate: float) -> tuple[TrackRecord, str]:
        """Linked tracks, without gaps of up to `MAX_GAP` and smoothed; and a line about it.

        Args:
            record: the online tracker's, which stay where nothing can be linked, but for gaps and smoothing.
            rate: frames a second.
        """
        from tracker.linking.link import MAX_GAP, link_identities  # with it comes SciPy: a third of a second

        table = DetectionTable.of_frames(self._found)
        online = np.concatenate([np.zeros(0, np.int64), *self._online])
        linked = link_identities(table, online, rate, config.high_confidence)
        said = linked.said
        if linked.identities is None:
            said = f"nothing linked, gaps filled: {said}"
        else:
            record = self._record(table, linked.identities)
        return smooth(interpolate(record, round(MAX_GAP * rate))), said

    def _record(self, table: DetectionTable, identities: IntArray) -> TrackRecord:
        given = [here.rows if here.rows is not None else np.arange(len(here)) for _, here in self._found]
        rows = np.flatnonzero(identities != NONE)
        unknown = np.full(len(table), -1)
        return (
            TrackRecord(
                table.frames,
                identities,
                table.boxes,
                table.scores,
                np.concatenate([np.zeros(0, np.int64), *given]),
                table.boxes,
                unknown if table.class_ids is None else table.class_ids,
            )
            .select(rows)
            .sorted()
        )


def _positions(detections: Detections, rows: IntArray) -> IntArray:
    """Where the caller's rows lie among the detections, of which those without area were dropped."""
    return rows if detections.rows is None else np.searchsorted(detections.rows, rows)
