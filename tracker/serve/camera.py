"""One camera from its pictures to its rows, for as long as it lives; it needs no Ray."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import replace
from itertools import chain
from pathlib import Path

from embedding.progress import say
from tracker.core.detections import Detections, Image
from tracker.core.tracker import Tracker
from tracker.errors import InputError
from tracker.input.live.source import PAUSES, USUAL_RATE
from tracker.run.account import Tracked
from tracker.run.clock import Clock
from tracker.run.identities import in_order
from tracker.run.second_pass import delayed
from tracker.serve.config import CameraConfig
from tracker.serve.hours import HourlyTracks, Last
from tracker.serve.places import PlaceCounts
from tracker.serve.rows import lines_of
from tracker.serve.source import CameraSource
from tracker.serve.status import Recent, Report, Status

LINES_KEPT = 4_000_000  # bytes of JSON lines that wait to be taken, at most

Look = Callable[[Image], Detections]


class Camera:
    """Tracks what one camera sees, in a thread of its own, and begins anew whatever happens to it.

    Args:
        name, config: as in `cameras.yaml`.
        look: the detections of a picture, with features where the configuration compares looks. Where it
            raises, the picture is left out.
        folder: where its Parquet files go; None writes none.
        class_names: by class id.
        with_lines: whether somebody takes JSON lines.
        now: the clock.
    """

    def __init__(
        self,
        name: str,
        config: CameraConfig,
        look: Look,
        folder: Path | None,
        class_names: Mapping[int, str],
        with_lines: bool = True,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._config, self._look, self._folder, self._class_names = config, look, folder, class_names
        self._tracker_config = config.tracker_config()
        self._with_lines, self._now = with_lines, now
        self._status = Status(name)
        self._places = PlaceCounts(config.zones)
        self._last = Last(0, 0)
        self._source: CameraSource | None = None
        self._hours: HourlyTracks | None = None
        self._earlier: dict[str, float] = {}  # what was counted of sources that were begun anew
        self._lines: deque[bytes] = deque()
        self._lines_bytes = 0
        self._lock = threading.Lock()
        self._recent = Recent()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"track {name}", daemon=True)

    def start(self) -> None:
        """Begin; returns at once."""
        self._thread.start()

    def stop(self, patience: float | None = None) -> bool:
        """End in good order, with everything on the disk.

        Args:
            patience: seconds to wait for it; None: as long as it takes.

        Returns:
            Whether it has ended.
        """
        self._stopped.set()
        if (source := self._source) is not None:
            source.close()
        if self._thread.is_alive():
            self._thread.join(patience)
        return not self._thread.is_alive()

    def report(self) -> Report:
        """How it goes, and the rows since the last report; an hour that is over is ended by this, too."""
        if (hours := self._hours) is not None:
            with suppress(OSError):  # of a full disk; the hour is made whole with the next one
                hours.tell_time(self._now())
        with self._lock:
            lines, self._lines, self._lines_bytes = list(self._lines), deque(), 0
            for name, count in _counts(self._source).items():
                setattr(self._status, name, count + self._earlier.get(name, 0))
            self._status.rate, self._status.worst_lag = self._recent.rate(), self._recent.worst()
            if self._source is not None:
                self._status.latest = self._source.latest
            self._status.places = self._places.counts
            return Report(replace(self._status), lines)

    def _run(self) -> None:
        """Begin anew until it is told to stop, or the source ends."""
        status, tries, since = self._status, 0, time.monotonic()
        while not self._stopped.is_set():
            before = status.frames
            why = self._attempt()
            if why is None:
                return
            if status.frames > before:
                tries, since = 0, time.monotonic()
            if why != status.why:
                say(f"{status.name}: {why}; trying again")
            status.state, status.why = "failing", why
            if time.monotonic() - since >= self._config.patience:
                status.state = "given up"
                say(f"{status.name}: given up")
                return
            self._stopped.wait(PAUSES[min(tries, len(PAUSES) - 1)])
            tries += 1
        status.state = "stopped"

    def _attempt(self) -> str | None:
        """Track what comes from the source until it ends; what went wrong, None where nothing did."""
        try:
            self._track_source()
        except Exception as error:  # of whatever kind: the other cameras go on, and this one begins anew
            return _told(error).removeprefix(f"{self._status.name}: ")
        finally:
            with self._lock:
                for name, count in _counts(self._source).items():
                    self._earlier[name] = count + self._earlier.get(name, 0)
                    setattr(self._status, name, self._earlier[name])
                self._source = None
            self._hours = None
        return None

    def _track_source(self) -> None:
        status = self._status
        with ExitStack() as stack:
            if self._folder is not None:
                self._hours = stack.enter_context(HourlyTracks(self._folder))
                self._last = self._hours.last
            source = CameraSource(status.name, self._config, self._now)
            stack.callback(source.close)
            self._source = source
            if not self._stopped.is_set():
                status.state, status.why = "running", ""
                self._track(source, self._last)
        status.state = "stopped" if self._stopped.is_set() else "ended"
        if source.live.given_up is not None:
            status.state, status.why = "given up", source.live.given_up

    def _track(self, source: CameraSource, first: Last) -> None:
        """Write the tracks of every picture that comes.

        Args:
            first: frames and identities are numbered on from there.
        """
        status = self._status
        self._places.begin()
        came: deque[float] = deque()  # of the frames that are tracked and not yet written
        patience = None if self._config.delay is not None else 2 * self._tracker_config.max_age + 100
        for frame, _, _, tracks in in_order(self._settled(source, came), patience):
            lines = lines_of(
                status.name, seconds := came.popleft(), first.frame + frame, first.id, tracks, self._class_names
            )
            if self._hours is not None:
                self._hours.write(seconds, lines)
            self._places.update(frame, tracks, source.rate)
            newest = first.id + int(tracks.ids.max(initial=0))
            status.tracks += max(newest - self._last.id, 0)
            self._last = Last(first.frame + frame, max(newest, self._last.id))
            status.visible = len(tracks)
            status.rows += len(tracks)
            if self._with_lines and lines:
                self._keep(lines)

    def _settled(self, source: CameraSource, came: deque[float]) -> Iterator[Tracked]:
        """The tracks of each frame; with a delay, when nothing changes them any more."""
        tracked, delay = self._updated(source, came), self._config.delay
        if delay is None:
            return tracked
        early = []
        for frame in tracked:
            early.append(frame)
            if source.rate is not None:  # what a camera says before it is measured is mostly wrong
                break
        rate = source.rate or source.live.frame_rate or USUAL_RATE
        return delayed(chain(early, tracked), self._tracker_config.high_confidence, rate, delay, Clock())

    def _updated(self, source: CameraSource, came: deque[float]) -> Iterator[Tracked]:
        """The tracks of each frame, without its picture: those that wait for a delay would fill the memory."""
        tracker, status = Tracker(self._tracker_config), self._status
        for picture in source:
            try:
                detections = self._look(picture.image)
            except Exception as error:  # of one picture; who tracked before it lives on behind it
                status.unlooked += 1
                if (why := f"nobody looks at its pictures: {error}") != status.why:
                    say(f"{status.name}: {why}")
                status.why = why
                continue
            tracks = tracker.update(detections, picture.frame)
            came.append(picture.came)
            status.frames += 1
            status.tracked, status.why = self._now(), ""
            status.lag = status.tracked - picture.came
            self._recent.add(status.lag)
            yield picture.frame, None, detections, tracks

    def _keep(self, lines: bytes) -> None:
        """Hold rows for who asks for them; where nobody does, the oldest go."""
        with self._lock:
            self._lines.append(lines)
            self._lines_bytes += len(lines)
            while self._lines_bytes > LINES_KEPT:
                oldest = self._lines.popleft()
                self._lines_bytes -= len(oldest)
                self._status.lines_dropped += oldest.count(b"\n")


def _told(error: Exception) -> str:
    """An error in one line; what nobody expected with its kind."""
    if isinstance(error, InputError):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def _counts(source: CameraSource | None) -> dict[str, float]:
    """What a source has counted, by the names of `Status`."""
    if source is None:
        return {}
    return {
        "received": source.received,
        "skipped": source.skipped,
        "dropped": source.dropped,
        "broken": source.live.broken,
        "reconnects": source.live.reconnections,
        "seconds_lost": source.live.seconds_lost,
    }
