"""Counts at lines and zones as sinks: every frame's final tracks are counted once, then drawn and written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from embedding.files import atomic_path, growing_path, sync
from tracker.core.detections import FloatArray, Image, IntArray, Tracks
from tracker.errors import InputError
from tracker.input.frames import Frames, open_frames
from tracker.input.sequences import Sequence as Footage
from tracker.output.growing import Pace
from tracker.output.sinks import Sink
from tracker.zones.counting import ZoneCounter
from tracker.zones.crossings import Crossings
from tracker.zones.reading import doubts_about, read_zones
from tracker.zones.times import Times
from tracker.zones.writing import event_rows, summary, write_events, write_summary


class Counting(Sink):
    """Counts; writes nothing, and so never fails. It stands before the sinks that show what it counted.

    Args:
        name: of the sequence.
        is_live: whether there is no end to wait for: then no event is kept.
        doubts: what looks wrong with the lines and zones, a line each.

    Attributes:
        counter: as it stands behind the last frame.
        latest: the events that the last frame told.
        until: the last frame, where it may have had no tracks; None: the last one that came.
    """

    is_wanted = False

    def __init__(
        self,
        counter: ZoneCounter,
        name: str,
        class_names: Mapping[int, str],
        is_live: bool = False,
        doubts: Sequence[str] = (),
    ) -> None:
        self.counter, self.name, self.class_names, self.is_live = counter, name, class_names, is_live
        self._doubts = doubts
        self.latest = Crossings.none()
        self.until: int | None = None
        self._kept: list[Crossings] = []
        self._is_finished = False
        super().__init__()

    def write(self, frame_index: int, image: Image | None, tracks: Tracks) -> None:
        self.latest = self.counter.update(frame_index, tracks)
        self._keep()

    def take_all(self, frames: IntArray, ids: IntArray, boxes: FloatArray, class_ids: IntArray | None) -> None:
        """Count in a finished result: frames [K] ascending, ids [K], boxes [K, 4] xyxy, classes [K] or None."""
        self._kept += self.counter.count(frames, ids, boxes, class_ids)

    def finish(self) -> None:
        """No frame comes any more; `latest` are then the last events. Safe to call again."""
        if not self._is_finished:
            self._is_finished = True
            self.latest = self.counter.finish(self.until)
            self._keep()

    def events(self) -> Crossings:
        """All of a recording, sorted by frame."""
        return Crossings.concatenate([Crossings.none(), *self._kept])

    def content(self) -> dict[str, Any]:
        """What `tracker.zones.writing.summary` says of it."""
        self.finish()
        return summary(self.counter, self.name, self.class_names, None if self.is_live else self.events())

    def doubts(self) -> list[str]:
        """What looks wrong with the lines and zones, and with what came of them, a line each."""
        return [*self._doubts, *self.counter.doubts()]

    def _keep(self) -> None:
        if not self.is_live and len(self.latest):
            self._kept.append(self.latest)


class TotalsSink(Sink):
    """Totals and what happened when as JSON, once there is no frame left."""

    def __init__(self, path: Path, counting: Counting) -> None:
        self._path, self._counting = path, counting
        super().__init__()

    def write(self, frame_index: int, image: Image | None, tracks: Tracks) -> None:
        pass

    def __exit__(self, *error: Any) -> None:
        if error[0] is None:
            write_summary(self._path, self._counting.content())


class EventsSink(Sink):
    """A row an event as CSV: of a recording sorted, in the end; of a stream as they are told."""

    def __init__(self, path: Path, counting: Counting) -> None:
        self._path, self._counting = path, counting
        self._stack = ExitStack()
        self._pace = Pace()
        super().__init__(self._stack)

    def __enter__(self) -> EventsSink:
        with ExitStack() as stack:
            opened = growing_path if self._counting.is_live else atomic_path
            self._temporary = stack.enter_context(opened(self._path))
            self._file = stack.enter_context(self._temporary.open("w", encoding="utf-8", newline=""))
            write_events(self._file, (), header=True)
            self._stack.push(stack.pop_all())
        return self

    def write(self, frame_index: int, image: Image | None, tracks: Tracks) -> None:
        if self._counting.is_live:
            self._append(self._counting.latest)
            if self._pace.is_due():
                self._file.flush()
                sync(self._temporary)

    def __exit__(self, *error: Any) -> None:
        try:
            if error[0] is None:
                self._counting.finish()
                self._append(self._counting.latest if self._counting.is_live else self._counting.events())
        except BaseException as trouble:
            self._stack.__exit__(type(trouble), trouble, trouble.__traceback__)
            raise
        self._stack.__exit__(*error)

    def _append(self, events: Crossings) -> None:
        if len(events):
            write_events(self._file, event_rows(self._counting.counter, events, self._counting.class_names))


def count_sinks(counting: Counting, paths: tuple[Path, ...]) -> list[Sink]:
    """The counting and, by the ends of their names, the files of it."""
    files = [(EventsSink if path.suffix.lower() == ".csv" else TotalsSink)(path, counting) for path in paths]
    return [counting, *files]


def counting_at(
    zones: Path,
    sequence: Footage,
    frames: Frames | None,
    class_names: Mapping[int, str],
    looks: tuple[int, int],
) -> Counting:
    """What counts at the lines and zones of a file.

    Args:
        frames: of the sequence, where they are open anyway.
        looks: the first frame that is looked at, and the step to the next.

    Raises:
        InputError: the file cannot be read, or is damaged.
    """
    places = read_zones(zones)
    if frames is None:
        sequence = told_by_frames(sequence)
    own = None if frames is None or frames.video is None else partial(_time_of, frames)
    rate = sequence.frame_rate or (None if frames is None else frames.frame_rate)
    size = (sequence.width, sequence.height) if sequence.width and sequence.height else None
    is_live = frames is not None and frames.length is None
    doubts = list(doubts_about(places, size if frames is None else frames.size))
    return Counting(ZoneCounter(places, Times(rate, own), *looks), sequence.name, class_names, is_live, doubts)


def told_by_frames(sequence: Footage) -> Footage:
    """A recording with the frame rate, length and size of the picture that it does not say, but its frames do."""
    if not isinstance(sequence.frames, Path) or (sequence.frame_rate and sequence.length and sequence.width):
        return sequence
    try:
        with open_frames(sequence.frames) as frames:
            width, height = frames.size
            rate, length = sequence.frame_rate or frames.frame_rate, sequence.length or frames.length
            return replace(sequence, frame_rate=rate, length=length, width=width, height=height)
    except InputError:  # counting needs no pictures
        return sequence


def _time_of(frames: Frames, frame_index: int) -> float | None:
    try:
        found = frames.time_of(frame_index)
    except IndexError:  # behind the last
        return None
    return None if found is None else float(found)
