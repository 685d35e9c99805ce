"""Frames and crops of a video as JPEG, any of them at any time.

A folder of JPEGs is handed out as it is. A video file is decoded once, from its beginning, into a hidden folder that
goes with the review: so frame numbers are those of every other command, and going back costs nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

import numpy as np

from tracker.core.detections import FloatArray, Image
from tracker.errors import InputError
from tracker.files.folders import hidden_folder
from tracker.files.tables import TrackTable
from tracker.input.frames import Frames, open_frames
from tracker.input.images import read_image
from tracker.input.numbering import image_files, numbered
from tracker.input.sequences import Sequence

QUALITY = 85
MOST_FRAMES = 20_000  # of a video that are kept: 2 to 4 GB at 1920x1080; of longer ones every second, third, ...
MARGIN = 0.08  # of a box around a crop
CROP_HEIGHT = 220  # pixels
KEPT_CROPS, KEPT_FRAMES, KEPT_IMAGES = 2000, 600, 8
WIDE = 900  # pixels, that a frame on the page keeps at least
SLACK = 1.1  # a container's count of frames is an estimate


class Pictures:
    """Frames of one source.

    Attributes:
        last: number of the last frame, as far as the source knows it.
        size: width and height in pixels.
        rate: frames a second; None where the source does not say.
    """

    def __init__(self, last: int, size: tuple[int, int], rate: float | None) -> None:
        self.last, self.size, self.rate = last, size, rate
        self._image = lru_cache(KEPT_IMAGES)(read_image)
        self._whole = lru_cache(KEPT_FRAMES)(self._reduced)
        self._crop = lru_cache(KEPT_CROPS)(self._cut)

    @property
    def reduction(self) -> int:
        """How many times smaller a frame is shown than it is."""
        return next((part for part in (8, 4, 2) if self.size[0] >= part * WIDE), 1)

    def path(self, frame: int) -> Path | None:
        """File of a frame, or of the nearest one before it that is kept; None where there is none (yet)."""
        raise NotImplementedError

    def jpeg(self, frame: int) -> bytes | None:
        """A whole frame, large ones reduced; None where there is none (yet)."""
        path = self.path(frame)
        return None if path is None else self._whole(path)

    def crop(self, frame: int, box: FloatArray) -> bytes | None:
        """A box [4] of a frame, with a margin; None where the frame is not there (yet)."""
        path = self.path(frame)
        return None if path is None else self._crop(path, tuple(box.tolist()))

    def _reduced(self, path: Path) -> bytes:
        """A half, a quarter or an eighth as wide, as long as it is wide enough: what is scrubbed through is small."""
        import cv2

        reduction = self.reduction
        if path.suffix.lower() in (".jpg", ".jpeg"):
            if reduction == 1:
                return path.read_bytes()
            image = cv2.imread(
                str(path), getattr(cv2, f"IMREAD_REDUCED_COLOR_{reduction}")
            )  # decodes no more than is wanted
            if image is not None:
                return encoded(np.asarray(image, np.uint8))
        image = self._image(path)
        size = image.shape[1] // reduction, image.shape[0] // reduction
        return encoded(np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8))

    def _cut(self, path: Path, box: tuple[float, ...]) -> bytes:
        import cv2

        image, corners = self._image(path), np.array(box)
        height, width = image.shape[:2]
        margin = MARGIN * (corners[2:] - corners[:2])
        left, top = np.clip(np.floor(corners[:2] - margin), 0, (width - 1, height - 1)).astype(int)
        right, bottom = np.clip(np.ceil(corners[2:] + margin), (left + 1, top + 1), (width, height)).astype(int)
        part = image[top:bottom, left:right]
        shape = max(1, round(part.shape[1] * CROP_HEIGHT / len(part))), CROP_HEIGHT
        return encoded(np.asarray(cv2.resize(part, shape, interpolation=cv2.INTER_AREA), np.uint8))


class _Folder(Pictures):
    def __init__(self, folder: Path, rate: float | None) -> None:
        self._files = dict(numbered(image_files(folder)))
        first = read_image(self._files[min(self._files)])
        super().__init__(max(self._files), (first.shape[1], first.shape[0]), rate)

    def path(self, frame: int) -> Path | None:
        return self._files.get(frame)


class _Video(Pictures):
    """A video file that a thread decodes into a folder."""

    def __init__(self, frames: Frames, last: int, folder: Path) -> None:
        super().__init__(last, frames.size, frames.frame_rate)
        self._frames, self._folder = frames, folder
        self._step = -(-last // MOST_FRAMES)
        self._done, self._ended = 0, False
        self._thread = threading.Thread(target=self._decode, name="pictures", daemon=True)
        self._thread.start()

    def path(self, frame: int) -> Path | None:
        kept = (frame - 1) // self._step * self._step + 1
        return self._place(kept) if 1 <= kept <= self._done else None

    def close(self) -> None:
        self._ended = True
        self._thread.join()

    def _place(self, frame: int) -> Path:
        return self._folder / f"{frame:08}.jpg"

    def _decode(self) -> None:
        with self._frames as frames:
            for frame, image in frames:
                if self._ended:
                    return
                if (frame - 1) % self._step == 0:
                    self._place(frame).write_bytes(encoded(image))
                self._done = frame


@contextmanager
def opened(sequence: Sequence, table: TrackTable, name: str, beside: Path) -> Iterator[Pictures]:
    """The frames of a sequence while the block lasts.

    Args:
        table: of the result that is reviewed.
        name: of the result, for messages.
        beside: file beside which frames of a video are kept.

    Raises:
        InputError: there are none that can be read more than once, or the result has boxes in frames beyond the last.
    """
    source = sequence.frames
    if source is None:
        place = "" if sequence.image_folder is None else f", looked for images in {sequence.image_folder}"
        raise InputError(f"{sequence.name}: has no frames to look at{place}")
    if not isinstance(source, Path):
        raise InputError(f"{sequence.name}: a camera or stream, expected a folder of images or a video file")
    needed = int(table.frames.max(initial=0))
    if source.is_dir():
        pictures = _Folder(source, sequence.frame_rate)
        _require_within(sequence, pictures.last, needed, name)
        yield pictures
        return
    frames = open_frames(source)
    with frames, hidden_folder(beside) as folder:
        _require_within(sequence, None if frames.length is None else int(SLACK * frames.length) + 1, needed, name)
        video = _Video(frames, max(frames.length or 0, needed), folder)
        try:
            yield video
        finally:
            video.close()


def _require_within(sequence: Sequence, last: int | None, needed: int, name: str) -> None:
    if last is not None and needed > last:
        known = sequence.length or last
        raise InputError(
            f"{name}: has boxes in frame {needed}, but {sequence.name} has {known} frames; of another video?"
        )


def encoded(image: Image) -> bytes:
    """A picture as JPEG."""
    import cv2

    _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    return data.tobytes()
