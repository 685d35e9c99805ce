"""A stretch of a recording: some of its frames, without decoding all that come before."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tracker.core.detections import Image
from tracker.input.frames import Frames
from tracker.input.images import read_image
from tracker.input.numbering import image_files, numbered
from tracker.input.video_file import NotAsListed, VideoFile


@dataclass(frozen=True)
class Listing:
    """The frames of a recording, 1 to `length`, as far as can be told without decoding them.

    Attributes:
        source: image folder or video file.
        length: frames.
        size: width and height, pixels.
        frame_rate: frames a second; None where the source does not say.
        times: [length] of a video's frames, in its own unit; None for a folder.
    """

    source: Path
    length: int
    size: tuple[int, int]
    frame_rate: float | None = None
    times: NDArray[np.int64] | None = None


def listing(source: Path) -> Listing | None:
    """What there is to be cut into stretches; None where frames are missing or cannot be told apart without decoding.

    Raises:
        InputError: the source cannot be read, or much of it is missing.
    """
    if source.is_dir():
        images = numbered(image_files(source))
        if not images or [frame for frame, _ in images] != list(range(1, len(images) + 1)):
            return None
        height, width = read_image(images[0][1]).shape[:2]
        return Listing(source, len(images), (width, height))
    video = VideoFile.open(source)
    if video is None:
        return None
    try:
        times = video.listed()
    finally:
        video.close()
    return None if times is None else Listing(source, len(times), video.size, video.frame_rate, times)


def open_stretch(listed: Listing, first: int, last: int) -> Frames:
    """Frames `first` to `last`, the same pictures that `open_frames` gives under the same numbers.

    Iterating raises `NotAsListed` where a video's frames are not those that it lists.
    """
    name, length = f"{listed.source}, {first} to {last}", last - first + 1
    if listed.times is None:
        images = numbered(image_files(listed.source))[first - 1 : last]
        return Frames(name, _pictures(images, listed.size), listed.size, length)
    video = VideoFile.open(listed.source)
    if video is None:
        raise NotAsListed(f"{listed.source}: is no video any more")
    decoded = video.between(listed.times, first, last)
    return Frames(name, decoded, listed.size, length, listed.frame_rate, release=video.close)


def _pictures(images: list[tuple[int, Path]], size: tuple[int, int]) -> Iterator[tuple[int, Image]]:
    for frame, path in images:
        image = read_image(path)
        if image.shape[1::-1] != size:
            raise NotAsListed(f"{path}: is {image.shape[1]}x{image.shape[0]} pixels, the first one {size[0]}x{size[1]}")
        yield frame, image
