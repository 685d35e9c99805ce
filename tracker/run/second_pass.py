"""The second pass of a run: identities from all frames at once, where looks say who is who.

Of a recording that is after its last frame; of a stream, some seconds late, over a window that slides along.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from tracker.core.detections import Detections, IntArray, Tracks
from tracker.core.state import NONE
from tracker.run.account import Tracked
from tracker.run.clock import Clock
from tracker.run.offline import TrackRecord, interpolate, smooth

if TYPE_CHECKING:
    from tracker.linking.explanation import Explanation
    from tracker.linking.link import Linked
    from tracker.linking.windows import Settled

MAX_GAP = 2.0  # seconds that a straight line fills
AGREED_GAP = 3.0  # the same where the ways on either side agree
WINDOW = 120.0  # seconds that are linked at once
OVERLAP = 30.0  # seconds of a window that the next one sees again


class SecondPass:
    """The detections of every frame and the identities that the tracker gave them as it went.

    Long recordings are linked window by window, so that time is linear in their length, and features are kept for no
    longer than a window.

    Args:
        least_score: of a detection that starts a piece.
        rate: frames a second.
        window, overlap: seconds.
        explained: keep why pieces were joined, for `explanation`.
    """

    def __init__(
        self,
        least_score: float,
        rate: float,
        window: float = WINDOW,
        overlap: float = OVERLAP,
        explained: bool = False,
    ) -> None:
        from tracker.linking.windows import LinkingWindows  # with it comes SciPy: a third of a second

        self._windows = LinkingWindows(rate, least_score, overlap, explained)
        self._rate = rate
        self._window, self._overlap = window * rate, round(overlap * rate)
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
        if self._windows.first_open is not None:
            self._settle(max(self._rows))
        linked = [found for found in self._found if not found.why_not]
        reasons = sorted({found.why_not for found in self._found} - {""})
        parts, self._linked, self._online = self._linked if linked else self._online, [], []  # large: kept once
        record = TrackRecord.concatenate(parts)
        del parts
        if not linked:
            said = f"nothing linked, gaps filled: {', '.join(reasons) or 'no frames'}"
        else:
            record = record.numbered()
            pieces = sum(found.pieces for found in linked)
            least = min(found.separation for found in linked)
            said = f"{pieces} pieces linked to {record.ids.max(initial=0)} identities (separation {least:.3f})"
            if reasons:
                said += f"; {len(self._found) - len(linked)} of {len(self._found)} windows not: {', '.join(reasons)}"
        return completed(record, self._rate), said

    @property
    def explanation(self) -> Explanation:
        """Of all frames that are settled."""
        from tracker.linking.explanation import Explanation

        return Explanation.concatenate(found.explanation for found in self._found)

    def settle(self, until: int) -> TrackRecord:
        """Settle the frames up to `until` now: their tracks, with the gaps that are known to end."""
        first = self._windows.first_open
        if first is None:
            return TrackRecord.empty()
        known = interpolate(self._record(self._settled(until)), round(MAX_GAP * self._rate))
        self._online = []
        return known.select((known.frames >= first) & (known.frames <= until))

    def _settle(self, until: int) -> None:
        first = self._windows.first_open or 0
        now = self._record(self._settled(until))
        self._linked.append(now.select((now.frames >= first) & (now.frames <= until)))
        if all(found.why_not for found in self._found):
            self._online = [TrackRecord.concatenate(self._online)]
        else:  # what the linked windows say is what is told in the end
            self._online = []

    def _settled(self, until: int) -> Settled:
        settled = self._windows.settle(until)
        self._found.append(replace(settled.found, identities=None))
        return settled

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
        self._rows = {frame: rows for frame, rows in self._rows.items() if frame > settled.until - self._overlap}
        return record.select(np.flatnonzero(settled.identities != NONE)).sorted()


def completed(record: TrackRecord, rate: float) -> TrackRecord:
    """Finished tracks without gaps of up to `MAX_GAP`, or `AGREED_GAP`, and smoothed."""
    return smooth(interpolate(record, round(MAX_GAP * rate), round(AGREED_GAP * rate), rate))


def delayed(
    tracked: Iterable[Tracked], least_score: float, rate: float, delay: float, clock: Clock
) -> Iterator[Tracked]:
    """The same frames, `delay` seconds later, with identities that nothing changes any more.

    Args:
        least_score: of a detection that starts a piece.
        rate: frames a second.
        delay: seconds. A quarter of them passes between two looks at the window.
    """
    second_pass = SecondPass(least_score, rate, window=math.inf)
    step = max(1, round(delay * rate / 4))
    lag = max(0, round(delay * rate) - step)
    waiting: deque[Tracked] = deque()
    interruption = None
    try:
        for frame in tracked:
            waiting.append(frame)
            with clock.measure("linking"):
                second_pass.add(frame[0], frame[2], frame[3])
            if frame[0] - waiting[0][0] >= lag + step:
                yield from _released(second_pass, waiting, frame[0] - lag, clock)
    except KeyboardInterrupt as caught:  # what was seen is still told
        interruption = caught
    if waiting:
        yield from _released(second_pass, waiting, waiting[-1][0], clock)
    if interruption is not None:
        raise interruption


def _released(second_pass: SecondPass, waiting: deque[Tracked], until: int, clock: Clock) -> Iterator[Tracked]:
    with clock.measure("linking"):
        record = second_pass.settle(until)
    while waiting and waiting[0][0] <= until:
        frame_index, image, detections, _ = waiting.popleft()
        yield frame_index, image, detections, record.at(frame_index)


def _positions(detections: Detections, rows: IntArray) -> IntArray:
    """Where the caller's rows lie among the detections, of which those without area were dropped."""
    return rows if detections.rows is None else np.searchsorted(detections.rows, rows)
