"""The second pass of a run: identities from all frames at once, where looks say who is who."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from tracker.core.config import TrackerConfig
from tracker.core.detections import Detections, IntArray, Tracks
from tracker.core.state import NONE
from tracker.run.offline import TrackRecord, interpolate, smooth

if TYPE_CHECKING:
    from tracker.linking.link import Linked
    from tracker.linking.windows import Settled

WINDOW = 120.0  # seconds that are linked at once
OVERLAP = 30.0  # seconds of a window that the next one sees again


class SecondPass:
    """The detections of every frame and the identities that the tracker gave them as it went.

    Long recordings are linked window by window, so that time is linear in their length, and features are kept for no
    longer than a window.

    Args:
        rate: frames a second.
        window, overlap: seconds.
    """

    def __init__(self, config: TrackerConfig, rate: float, window: float = WINDOW, overlap: float = OVERLAP) -> None:
        from tracker.linking.windows import LinkingWindows  # with it comes SciPy: a third of a second

        self._windows = LinkingWindows(rate, config.high_confidence, overlap)
        self._rate = rate
        self._window, self._overlap = round(window * rate), round(overlap * rate)
        self._rows: dict[int, IntArray] = {}  # frame -> rows of its detections among the caller's
        self._online: list[TrackRecord] = []  # the tracker's own
        self._linked: list[TrackRecord] = []
        self._found: list[Linked] = []  # of each window, without its identities

    def add(self, frame_index: int, detections: Detections, tracks: Tracks) -> None:
        """Take in one frame."""
        online = np.full(len(detections), NONE)
        matched = tracks.detection != NONE
        online[_positions(detections, tracks.detection[matched])] = tracks.ids[matched]
        self._windows.add(frame_index, detections, online)
        self._rows[frame_index] = np.arange(len(detections)) if detections.rows is None else detections.rows
        self._online.append(TrackRecord.of_frame(frame_index, tracks, detections))
        first = self._windows.first_open
        if first is not None and frame_index - first >= self._window:
            self._settle(frame_index - self._overlap)

    def finish(self) -> tuple[TrackRecord, str]:
        """Linked tracks, without gaps of up to `MAX_GAP` and smoothed; and a line about it.

        Where nothing can be linked they are the online tracker's, but for gaps and smoothing.
        """
        from tracker.linking.link import MAX_GAP

        if self._rows:
            self._settle(max(self._rows))
        linked = [found for found in self._found if not found.why_not]
        reasons = sorted({found.why_not for found in self._found} - {""})
        record = TrackRecord.concatenate(self._linked if linked else self._online)
        if not linked:
            said = f"nothing linked, gaps filled: {', '.join(reasons) or 'no frames'}"
        else:
            record = record.numbered()
            pieces = sum(found.pieces for found in linked)
            least = min(found.separation for found in linked)
            said = f"{pieces} pieces linked to {record.ids.max(initial=0)} identities (separation {least:.3f})"
            if reasons:
                said += f"; {len(self._found) - len(linked)} of {len(self._found)} windows not: {', '.join(reasons)}"
        return smooth(interpolate(record, round(MAX_GAP * self._rate))), said

    def _settle(self, until: int) -> None:
        first, settled = self._windows.first_open, self._windows.settle(until)
        assert first is not None
        now = self._record(settled)
        self._linked.append(now.select((now.frames >= first) & (now.frames <= until)))
        self._found.append(replace(settled.found, identities=None))
        self._online = [TrackRecord.concatenate(self._online)]
        self._rows = {frame: rows for frame, rows in self._rows.items() if frame > until - self._overlap}

    def _record(self, settled: Settled) -> TrackRecord:
        """All that is known of the window, a row a box."""
        table = settled.table
        unknown = np.full(len(table), NONE)
        rows = np.concatenate([unknown[:0], *(self._rows[frame] for frame in np.unique(table.frames).tolist())])
        record = TrackRecord(
            table.frames,
            settled.identities,
            table.boxes,
            table.scores,
            rows,
            table.boxes,
            unknown if table.class_ids is None else table.class_ids,
        )
        return record.select(np.flatnonzero(settled.identities != NONE)).sorted()


def _positions(detections: Detections, rows: IntArray) -> IntArray:
    """Where the caller's rows lie among the detections, of which those without area were dropped."""
    return rows if detections.rows is None else np.searchsorted(detections.rows, rows)
