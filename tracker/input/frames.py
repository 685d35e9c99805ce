"""One way to get frames from anywhere: a folder of images, a video file, a camera, a stream.

Decoding runs ahead of the reader in a background thread (OpenCV releases the interpreter's lock), so that decoding and
tracking overlap.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tracker.core.detections import Image
from tracker.errors import InputError
from tracker.input.ahead import Ahead

if TYPE_CHECKING:
    import cv2

Frame = tuple[int, Image]

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp", ".ppm"})
READ_AHEAD = 4  # decoded frames waiting at most: 25 MB at 1920x1080
SHORTFALL = 0.1  # part of a file's declared frames that may be hidden, as by the edit list of a trimmed clip

logger = logging.getLogger(__name__)


class Frames:
    """The frames of one source, in order, to be read once: `for frame_index, image in frames`.

    `frame_index` counts from 1 and skips what is missing; `image` is BGR uint8 [H, W, 3]. Iterating raises `InputError`
    at a frame that cannot be read and at the end of a file that is cut short. Use as a context manager, or `close()`.

    Attributes:
        name: what the source is called in messages.
        length: number of frames, as far as the source knows it; None for a camera or stream.
        frame_rate: frames a second, or None where the source does not say.
        size: width and height in pixels.
    """

    def __init__(
        self,
        name: str,
        decoded: Generator[Frame, None, None],
        size: tuple[int, int],
        length: int | None = None,
        frame_rate: float | None = None,
        live: bool = False,
        release: Callable[[], None] = lambda: None,
    ) -> None:
        self.name = name
        self.length = length
        self.frame_rate = frame_rate
        self.size = size
        self._release = release
        self._ahead = Ahead(decoded, READ_AHEAD, live, f"decode {name}")

    def __iter__(self) -> Iterator[Frame]:
        if self._ahead.was_taken:
            raise RuntimeError(f"{self.name}: frames can be read only once; call open_frames again")
        return self._take(iter(self._ahead))

    def _take(self, frames: Iterator[Frame]) -> Iterator[Frame]:
        try:
            yield from frames
        finally:
            self.close()

    def close(self) -> None:
        """Stop decoding and let go of the source; safe to call again."""
        self._ahead.close()
        self._release()

    def __enter__(self) -> Frames:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_frames(source: Path | str | int) -> Frames:
    """Open a folder of images, a video file, a camera (its number) or a stream (its URL).

    In a folder the last number in a file's name is its frame (000001.jpg is frame 1; where numbering starts at 0, all
    are shifted by one), missing numbers are missing frames; names without numbers are counted in order.

    Raises:
        InputError: it does not exist, cannot be opened or decoded, or holds no frame.
    """
    if isinstance(source, str) and source.isdecimal() and not Path(source).exists():
        source = int(source)
    if isinstance(source, int):
        return _open_capture(source, f"camera {source}")
    if isinstance(source, str) and "://" in source:
        return _open_capture(source, source)
    path = Path(source)
    try:
        if path.is_dir():
            return _open_folder(path)
        with path.open("rb"):
            pass
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error
    return _open_capture(str(path), str(path), _declared_frames(path))


def _open_folder(folder: Path) -> Frames:
    numbered = _numbered_images(folder)
    height, width = _read_image(numbered[0][1]).shape[:2]

    def decoded() -> Generator[Frame, None, None]:
        for frame_index, path in numbered:
            image = _read_image(path)
            if image.shape[:2] != (height, width):
                found = f"{image.shape[1]}x{image.shape[0]}"
                raise InputError(f"{path}: is {found} pixels, expected {width}x{height} like {numbered[0][1].name}")
            yield frame_index, image

    return Frames(str(folder), decoded(), (width, height), length=len(numbered))


def _numbered_images(folder: Path) -> list[tuple[int, Path]]:
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES and path.name[0] != ".")
    if not paths:
        hint = f" (did you mean {folder / 'img1'}?)" if (folder / "img1").is_dir() else ""
        raise InputError(f"{folder}: holds no images, expected {' '.join(sorted(IMAGE_SUFFIXES))}{hint}")
    numbers = [re.findall(r"\d+", path.stem) for path in paths]
    if not all(numbers):
        return list(enumerate(paths, start=1))
    numbered = sorted((int(found[-1]), path) for found, path in zip(numbers, paths, strict=True))
    for (frame_index, path), (following, other) in pairwise(numbered):
        if frame_index == following:
            raise InputError(f"{folder}: {path.name} and {other.name} are both frame {frame_index}, expected one")
    first = 1 if numbered[0][0] == 0 else 0
    return [(frame_index + first, path) for frame_index, path in numbered]


def _read_image(path: Path) -> Image:
    import cv2

    try:
        encoded = np.fromfile(path, np.uint8)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error
    image = cv2.imdecode(encoded, cv2.IMREAD_COLOR) if encoded.size else None
    if image is None:
        raise InputError(f"{path}: cannot be decoded as an image ({encoded.size} bytes): cut short or corrupt?")
    return np.asarray(image, np.uint8)


def _open_capture(source: str | int, name: str, declared: int | None = None) -> Frames:
    import cv2

    with _quiet_opencv():
        capture = cv2.VideoCapture(source)
        first = capture.read()[1] if capture.isOpened() else None
    if first is None:
        capture.release()
        expected = "no such camera, or no permission" if isinstance(source, int) else "no video this OpenCV can decode"
        raise InputError(f"{name}: cannot be opened: {expected}")
    rate = capture.get(cv2.CAP_PROP_FPS)
    estimate = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
    length = declared or (estimate if estimate > 0 else None)
    return Frames(
        name,
        _decode(capture, np.asarray(first, np.uint8), name, declared, length),
        size=(first.shape[1], first.shape[0]),
        length=length,
        frame_rate=rate if 0 < rate <= 1000 else None,
        live=length is None and not (isinstance(source, str) and Path(source).exists()),
        release=capture.release,
    )


def _decode(
    capture: cv2.VideoCapture, first: Image, name: str, declared: int | None, length: int | None
) -> Generator[Frame, None, None]:
    count = 1
    yield count, first
    while (decoded := capture.read())[0]:
        count += 1
        yield count, np.asarray(decoded[1], np.uint8)
    if length is not None and count < (1 - SHORTFALL) * length:
        message = f"{name}: ends after frame {count}, expected {length}: cut short or corrupt?"
        if declared:
            raise InputError(message)
        logger.warning(message)  # a length estimated from duration and frame rate proves nothing


def _declared_frames(path: Path) -> int | None:
    """Frames a file's header promises, where it does (mp4, avi; not Matroska)."""
    import av

    try:
        with av.open(str(path)) as container:
            return container.streams.video[0].frames or None
    except (av.FFmpegError, IndexError, ValueError):
        return None  # OpenCV has the last word on whether it can be read


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
