"""A live source that outlives its connections: frames numbered by the clock across every gap."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator
from itertools import chain, repeat

import numpy as np

from embedding.progress import say
from tracker.core.detections import Image
from tracker.errors import InputError
from tracker.input.live.connections import STALL, Connection, Lost

PAUSES = (0.25, 0.5, 1.0, 2.0, 4.0)  # seconds between attempts to connect again; the last one from then on
USUAL_RATE = 25.0  # frames a second, where neither the source nor its pictures say
SHORTEST_MEASURE = 2.0  # seconds of pictures that tell their rate

RECONNECT = 30.0  # seconds to try again for, unless one is told otherwise


class LiveSource:
    """The pictures of a camera or stream, connected again where that is lost.

    Args:
        name: for lines on standard error.
        connect: opens a connection.
        reconnect: seconds to try again for after each loss; 0 gives up at once, infinity never.

    Attributes:
        size: width and height of the first picture, to which later ones of another size are scaled.
        frame_rate: as the source says, or its pictures; None where neither does yet.
        broken: pictures that could not be decoded.
        reconnections: connections after the first.
        seconds_lost: without a connection, or without a picture on one.
        given_up: why it ended, where that was no end; None while it goes on, and where the source said that it ends.

    Raises:
        InputError: no first picture comes.
    """

    def __init__(self, name: str, connect: Callable[[], Connection], reconnect: float) -> None:
        self.name = name
        self._connect, self._reconnect = connect, reconnect
        self._stopped = threading.Event()
        self.broken = self.reconnections = 0
        self.seconds_lost = 0.0
        self.given_up: str | None = None
        self._frame = 0  # number of the latest
        self._is_read = False
        try:
            self._connection = connect()
            self._pictures = self._connection.pictures()
            first = next((picture for picture in self._watched() if picture is not None), None)
        except Lost as error:
            raise InputError(f"{name}: cannot be opened: {error}") from None
        if first is None:
            self._connection.close()
            raise InputError(f"{name}: cannot be opened: it ends before its first picture")
        self._first = first
        self.size = first.shape[1], first.shape[0]
        self.frame_rate = self._connection.frame_rate

    def frames(self) -> Iterator[tuple[int, Image]]:
        """Number, from 1, and picture. Numbers go on as the clock does while there are none."""
        self._is_read = True
        yield self._frame, self._first
        while True:
            why = None
            try:
                for picture in self._watched():
                    if self._stopped.is_set():
                        return
                    if picture is not None:
                        yield self._frame, self._scaled(picture)
            except Lost as error:
                why = str(error)
            finally:
                self._connection.close()
            if self._stopped.is_set() or (why is None and not self._reconnect):
                return
            if not self._connect_again(why or "it ended"):
                return

    def stop(self) -> None:
        """End the frames, from another thread: soon, at the latest with the next picture or time-out."""
        self._stopped.set()
        if not self._is_read:
            self._connection.close()

    def _watched(self) -> Iterator[Image | None]:
        """The pictures of the connection, counted, broken ones too; Lost where they are nothing else for long."""
        started = last_good = time.monotonic()
        for count, picture in enumerate(self._pictures, start=1):
            now = time.monotonic()
            self._frame += 1
            if now - started >= SHORTEST_MEASURE:
                self.frame_rate = count / (now - started)
            if picture is None:
                self.broken += 1
                if now - last_good > STALL:
                    raise Lost("its pictures are broken")
            else:
                last_good = now
            self._last = now
            yield picture

    def _connect_again(self, why: str) -> bool:
        """Try for as long as was agreed; number on by the clock. Whether there is a picture again."""
        last = self._last
        lost = time.monotonic()
        if self._reconnect:
            long = "" if self._reconnect == math.inf else f" for {self._reconnect:g} s"
            say(f"{self.name}: lost after frame {self._frame} ({why}), trying again{long}")
        for pause in chain(PAUSES, repeat(PAUSES[-1])):
            left = lost + self._reconnect - time.monotonic()
            if left <= 0 or self._stopped.wait(min(pause, left)):
                break
            try:
                self._connection = self._connect()
            except Lost as error:
                why = str(error)
                continue
            self._pictures = self._connection.pictures()
            gap = time.monotonic() - last
            self.reconnections += 1
            self.seconds_lost += gap
            self._frame += max(round(gap * (self.frame_rate or USUAL_RATE)) - 1, 0)
            say(f"{self.name}: connected again after {gap:.1f} s, which is frame {self._frame + 1}")
            return True
        if not self._stopped.is_set():
            self.seconds_lost += time.monotonic() - last
            self.given_up = why
            tried = f"; given up after {self._reconnect:g} s" if self._reconnect else ""
            say(f"{self.name}: lost after frame {self._frame} ({why}){tried}")
        return False

    def _scaled(self, picture: Image) -> Image:
        if picture.shape[1::-1] == self.size:
            return picture
        import cv2

        return np.asarray(cv2.resize(picture, self.size, interpolation=cv2.INTER_AREA), np.uint8)
