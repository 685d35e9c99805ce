"""One connection to a camera or stream: its pictures until it is lost, and why it was."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np

from tracker.core.detections import Image

OPENING = 5.0  # seconds within which a server has to answer
STALL = 3.0  # seconds without a whole picture that are taken for a lost connection
OPTIONS = {"rtsp_transport": "tcp", "rtsp_flags": "prefer_tcp"}  # over UDP a lost packet is a damaged picture


class Lost(Exception):
    """A read failed; the message says how, without the address."""


class Connection(Protocol):
    """Pictures of one connection.

    Attributes:
        frame_rate: frames a second, as far as the source says it.
    """

    frame_rate: float | None

    def pictures(self) -> Iterator[Image | None]:
        """Each picture, BGR uint8 [H, W, 3]; None for one that cannot be decoded. Ends where the source says so.

        Raises:
            Lost: a read failed.
        """

    def close(self) -> None:
        """Let go of the source."""


class Stream:
    """A stream over the network, decoded by PyAV.

    Raises:
        Lost: nobody answers, or with something else than a stream.
    """

    def __init__(self, address: str) -> None:
        import av

        try:
            self._container = av.open(address, options=_options(address), timeout=(OPENING, STALL))
        except (av.FFmpegError, ValueError) as error:
            raise Lost(_reason(error)) from None
        if not self._container.streams.video:
            self._container.close()
            raise Lost("no video in it")
        self._stream = self._container.streams.video[0]
        self._stream.thread_type = "AUTO"
        self._stream.codec_context.thread_count = 1  # each more delays a picture by one
        rate = self._stream.average_rate or self._stream.guessed_rate
        self.frame_rate = float(rate) if rate and 0 < rate <= 1000 else None

    @property
    def is_recording(self) -> bool:
        """Whether it has an end that the source knows, as a file on a server has."""
        return bool(self._container.duration or self._stream.duration or self._stream.frames)

    def pictures(self) -> Iterator[Image | None]:
        import av

        try:
            for packet in self._container.demux(self._stream):
                try:
                    decoded = self._stream.codec_context.decode(packet) if packet.size else []
                except av.FFmpegError:
                    yield None
                    continue
                for frame in decoded:
                    yield None if frame.is_corrupt else _image(frame)
        except av.FFmpegError as error:
            raise Lost(_reason(error)) from None

    def close(self) -> None:
        self._container.close()


class Camera:
    """A camera of this machine, read by OpenCV.

    Raises:
        Lost: there is none of that number, or it cannot be opened.
    """

    def __init__(self, number: int) -> None:
        import cv2

        self._capture = cv2.VideoCapture(number)
        if not self._capture.isOpened():
            self._capture.release()
            raise Lost("no such camera, or no permission")
        rate = self._capture.get(cv2.CAP_PROP_FPS)
        self.frame_rate = rate if 0 < rate <= 1000 and math.isfinite(rate) else None

    def pictures(self) -> Iterator[Image | None]:
        while (read := self._capture.read())[0]:
            yield np.asarray(read[1], np.uint8)
        raise Lost("it gives no picture any more")

    def close(self) -> None:
        self._capture.release()


def _options(address: str) -> dict[str, str]:
    return OPTIONS if address.lower().startswith("rtsp") else {}


def _image(frame: Any) -> Image:
    return np.asarray(frame.reformat(format="bgr24", interpolation="BICUBIC").to_ndarray(), np.uint8)


def _reason(error: Exception) -> str:
    """In the system's words; the error's own would name the address."""
    from av.error import ExitError

    if isinstance(error, ExitError):
        return "no answer in time"
    return str(getattr(error, "strerror", None) or type(error).__name__)
