"""The pictures of one camera as they come: connected again, thinned out, dropped where nobody takes them in time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

from tracker.core.detections import Image
from tracker.input.ahead import Ahead
from tracker.input.frames import open_camera
from tracker.input.live.connections import Connection, Stream
from tracker.input.live.source import SHORTEST_MEASURE, USUAL_RATE, LiveSource
from tracker.serve.config import CameraConfig

CLOSING = 1.0  # seconds that a read which nobody can interrupt is waited for


class Picture(NamedTuple):
    """A picture, its number by the clock, and when it came: `time.time()`."""

    frame: int
    image: Image
    came: float


class Paced:
    """A recording that is played at its own pace, as if a camera sent it.

    Args:
        recording: a connection that gives pictures as fast as they are taken.
    """

    def __init__(self, recording: Connection) -> None:
        self._recording = recording
        self.frame_rate = recording.frame_rate

    def pictures(self) -> Iterator[Image | None]:
        due = time.monotonic()
        for picture in self._recording.pictures():
            time.sleep(max(due - time.monotonic(), 0.0))
            due += 1 / (self.frame_rate or USUAL_RATE)
            yield picture

    def close(self) -> None:
        self._recording.close()


class CameraSource:
    """The pictures of a camera, the newest ones where they come faster than they are taken.

    Args:
        name: of the camera, for lines on standard error.
        camera: its configuration.
        now: the clock.

    Attributes:
        live: what connects again, and counts what was lost.
        latest: when the latest picture came, whether or not anybody looked at it.
        received: pictures that came whole.
        skipped: of them, those that came faster than `max_rate`.

    Raises:
        InputError: no first picture comes.
    """

    def __init__(self, name: str, camera: CameraConfig, now: Callable[[], float] = time.time) -> None:
        self.live = LiveSource(name, connector(camera), camera.patience)
        self._now = now
        self._step = 0.0 if camera.max_rate is None else 1 / camera.max_rate
        self.latest = now()
        self.received = self.skipped = 0
        self._measured = False
        self._ahead = Ahead(self._stamped(), camera.queue, live=True, name=f"decode {name}")

    @property
    def dropped(self) -> int:
        """Pictures that waited too long."""
        return self._ahead.dropped

    @property
    def rate(self) -> float | None:
        """Frames a second, by which frames are numbered, once they have been counted for long enough."""
        return self.live.frame_rate if self._measured else None

    def __iter__(self) -> Iterator[Picture]:
        return iter(self._ahead)

    def close(self) -> None:
        """Let go of the camera; the pictures end."""
        self.live.stop()
        self._ahead.close(CLOSING)

    def _stamped(self) -> Iterator[Picture]:
        due: float | None = None
        started = time.monotonic()
        for frame, image in self.live.frames():
            self.latest = self._now()
            self.received += 1
            here = time.monotonic()
            self._measured = self._measured or here - started > SHORTEST_MEASURE
            if due is not None and here < due - self._step / 2:  # half a step is the camera's own unevenness
                self.skipped += 1
                continue
            due = here + self._step if due is None else max(due, here - self._step) + self._step
            yield Picture(frame, image, self.latest)


def connector(camera: CameraConfig) -> Callable[[], Connection]:
    """What opens a camera's source, again and again."""
    source = camera.source
    if isinstance(source, int) or source.isdecimal():
        return partial(open_camera, int(source))
    return partial(_open, source)


def _open(address: str) -> Connection:
    stream = Stream(address)
    return Paced(stream) if stream.is_recording else stream
