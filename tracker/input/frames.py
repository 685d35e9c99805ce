"""One way to get frames from anywhere: a folder of images, a video file, a camera, a stream.

Decoding runs ahead of the reader in a background thread (OpenCV and PyAV release the interpreter's lock), so that
decoding and tracking overlap. Files are decoded by PyAV; cameras, streams, and what PyAV cannot open, by OpenCV.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tracker.core.detections import Image
from tracker.errors import InputError
from tracker.input.ahead import Ahead
from tracker.input.images import IMAGE_SUFFIXES, read_image
from tracker.input.live.address import is_address, shown
from tracker.input.live.source import RECONNECT, LiveSource
from tracker.input.numbering import image_files, numbered

if TYPE_CHECKING:
    import cv2

    from tracker.input.live.connections import Connection
    from tracker.input.sequences import Sequence
    from tracker.input.video_file import VideoFile

Frame = tuple[int, Image]

LIVE_PATIENCE = 1.0  # seconds that a read which nobody can interrupt is waited for
READ_AHEAD = 4  # decoded frames waiting at most: 25 MB at 1920x1080


class Frames:
    """The frames of one source, in order, to be read once: `for frame_index, image in frames`.

    `frame_index` counts from 1 and skips what is missing; `image` is BGR uint8 [H, W, 3]. Iterating raises `InputError`
    at a frame that cannot be read and at the end of a file of which much is missing; where little is, a line says it.
    Use as a context manager, or `close()`.

    Attributes:
        name: what the source is called in messages.
        length: number of frames, as far as the source knows it; None for a camera or stream.
        frame_rate: frames a second, or None where the source does not say.
        size: width and height in pixels.
        video: the video file that is read; None for any other source.
        live: the camera or stream, which says what was lost of it; None for what has an end.
    """

    def __init__(
        self,
        name: str,
        decoded: Iterator[Frame],
        size: tuple[int, int],
        length: int | None = None,
        frame_rate: float | None = None,
        live: LiveSource | None = None,
        release: Callable[[], None] = lambda: None,
        video: VideoFile | None = None,
    ) -> None:
        self.name = name
        self.length = length
        self.frame_rate = frame_rate
        self.size = size
        self._release = release
        self.video = video
        self.live = live
        self._ahead = Ahead(decoded, READ_AHEAD, live is not None, f"decode {name}")

    def __iter__(self) -> Iterator[Frame]:
        if self._ahead.was_taken:
            raise RuntimeError(f"{self.name}: frames can be read only once; call open_frames again")
        return self._take(iter(self._ahead))

    def time_of(self, frame_index: int) -> Fraction | None:
        """Seconds from the first frame to one that has been read; None where the source is no video file."""
        return None if self.video is None else self.video.time_of(frame_index)

    def _take(self, frames: Iterator[Frame]) -> Iterator[Frame]:
        try:
            yield from frames
        finally:
            self.close()

    @property
    def seconds(self) -> float:
        """Of the clock, spent decoding so far."""
        return self._ahead.seconds

    def close(self) -> None:
        """Stop decoding and let go of the source; safe to call again."""
        if self.live is not None:
            self.live.stop()
        self._ahead.close(None if self.live is None else LIVE_PATIENCE)
        self._release()

    def __enter__(self) -> Frames:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_frames(source: Path | str | int, reconnect: float = RECONNECT) -> Frames:
    """Open a folder of images, a video file, a camera (its number) or a stream (its URL).

    In a folder the number in a name is its frame (000001.jpg is frame 1; `tracker.input.numbering` says which number
    of several), missing numbers are missing frames; names without numbers, and times, are counted in order.

    Args:
        reconnect: seconds to try again for where a camera or stream is lost; its frames are numbered on by the clock.

    Raises:
        InputError: it does not exist, cannot be opened or decoded, or holds no frame.
    """
    if isinstance(source, str) and source.isdecimal() and not Path(source).exists():
        source = int(source)
    if isinstance(source, int):
        return _live(f"camera {source}", partial(open_camera, source), reconnect)
    if is_address(str(source)) and not isinstance(source, Path):
        return _open_address(source, reconnect)
    path = Path(source)
    try:
        if path.is_dir():
            return _open_folder(path)
        with path.open("rb"):
            pass
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error
    return _open_file(path)


def picture_size(sequence: Sequence) -> tuple[int, int]:
    """Width and height of a sequence's pictures, as it says or as its first one shows.

    Raises:
        InputError: it says nothing and has no frames that can be read again.
    """
    if sequence.width and sequence.height:
        return sequence.width, sequence.height
    if not isinstance(sequence.frames, Path):
        raise InputError(f"{sequence.name}: neither frames nor seqinfo.ini, which say the size of its pictures")
    with open_frames(sequence.frames) as frames:
        return frames.size


def _open_folder(folder: Path) -> Frames:
    images = _numbered_images(folder)
    height, width = read_image(images[0][1]).shape[:2]

    def decoded() -> Generator[Frame, None, None]:
        for frame_index, path in images:
            image = read_image(path)
            if image.shape[:2] != (height, width):
                found = f"{image.shape[1]}x{image.shape[0]}"
                raise InputError(f"{path}: is {found} pixels, expected {width}x{height} like {images[0][1].name}")
            yield frame_index, image

    return Frames(str(folder), decoded(), (width, height), length=len(images))


def _numbered_images(folder: Path) -> list[tuple[int, Path]]:
    paths = image_files(folder)
    if not paths:
        hint = f" (did you mean {folder / 'img1'}?)" if (folder / "img1").is_dir() else ""
        raise InputError(f"{folder}: holds no images, expected {' '.join(sorted(IMAGE_SUFFIXES))}{hint}")
    return numbered(paths)


def _open_file(path: Path) -> Frames:
    from tracker.input.video_file import VideoFile  # with it comes PyAV

    video = VideoFile.open(path)
    if video is None:
        return _open_capture(str(path), str(path))  # OpenCV has the last word on whether it can be read
    return Frames(
        str(path), video.frames(), video.size, video.length, video.frame_rate, release=video.close, video=video
    )


def _open_address(address: str, reconnect: float) -> Frames:
    """A stream; or a recording on a server, which has an end."""
    from tracker.input.live.connections import Lost, Stream

    name = shown(address)
    try:
        stream = Stream(address)
    except Lost as error:
        raise InputError(f"{name}: cannot be opened: {error}") from None
    if stream.is_recording:
        stream.close()
        return _open_capture(address, name)
    opened = [stream]
    return _live(name, lambda: opened.pop() if opened else Stream(address), reconnect)


def open_camera(number: int) -> Connection:
    """A camera of this machine.

    Raises:
        Lost: there is none of that number, or it cannot be opened.
    """
    from tracker.input.live.connections import Camera

    with _quiet_opencv():
        return Camera(number)


def _live(name: str, connect: Callable[[], Connection], reconnect: float) -> Frames:
    source = LiveSource(name, connect, reconnect)
    return Frames(name, source.frames(), source.size, frame_rate=source.frame_rate, live=source)


def _open_capture(source: str, name: str) -> Frames:
    import cv2

    with _quiet_opencv():
        capture = cv2.VideoCapture(source)
        first = capture.read()[1] if capture.isOpened() else None
    if first is None:
        capture.release()
        raise InputError(f"{name}: cannot be opened: no video that can be decoded")
    rate = capture.get(cv2.CAP_PROP_FPS)
    estimate = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
    length = estimate if estimate > 0 else None
    return Frames(
        name,
        _decode(capture, np.asarray(first, np.uint8)),
        size=(first.shape[1], first.shape[0]),
        length=length,
        frame_rate=rate if 0 < rate <= 1000 else None,
        release=capture.release,
    )


def _decode(capture: cv2.VideoCapture, first: Image) -> Generator[Frame, None, None]:
    count = 1
    yield count, first
    while (decoded := capture.read())[0]:
        count += 1
        yield count, np.asarray(decoded[1], np.uint8)


@contextmanager
def _quiet_opencv() -> Iterator[None]:
    """Our one line says what is wrong; OpenCV and FFmpeg would add theirs on stderr."""
    import cv2

    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    logging_of_opencv = cv2.utils.logging
    before = logging_of_opencv.setLogLevel(logging_of_opencv.LOG_LEVEL_SILENT)
    try:
        yield
    finally:
        logging_of_opencv.setLogLevel(before)
