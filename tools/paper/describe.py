"""What several descriptors make of boxes in a video: all of them in one pass over the frames."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embedding.progress import progress_shown
from tracker.core.detections import FloatArray, Image, IntArray
from tracker.errors import InputError
from tracker.input.frames import open_frames
from tracker.input.sequences import Sequence as Video

Array = NDArray[Any]
Describe = Callable[[Image, FloatArray], Array]  # image and boxes [K, 4] -> [K, ...]

NO_IMAGE = np.zeros((1, 1, 3), np.uint8)


def describe_boxes(
    video: Video, frames: IntArray, boxes: FloatArray, describers: Mapping[str, Describe]
) -> dict[str, Array]:
    """What each describer makes of each box; decoding is a good part of the work, so frames are read once.

    Args:
        video: with frames.
        frames: [N] ascending.
        boxes: [N, 4] corners in pixels.

    Returns:
        label -> [N, ...].

    Raises:
        InputError: a frame with boxes is missing or cannot be read.
    """
    assert video.frames is not None
    parts = {label: [describer(NO_IMAGE, boxes[:0])] for label, describer in describers.items()}
    seen = []
    with open_frames(video.frames) as source, progress_shown() as progress:
        for done, (frame, image) in enumerate(source, start=1):
            if not len(frames) or frame > frames[-1]:
                break
            seen.append(frame)
            rows = slice(*np.searchsorted(frames, (frame, frame + 1)))
            for label, describer in describers.items() if rows.start < rows.stop else ():
                parts[label].append(describer(image, boxes[rows]))
            progress(f"{video.name}, describing", done, source.length)
    absent = np.setdiff1d(frames, seen)
    if len(absent):
        raise InputError(f"{video.frames}: frame {absent[0]} is missing, but there are boxes in it")
    return {label: np.concatenate(arrays) for label, arrays in parts.items()}


def safe_name(label: str) -> str:
    """A label as part of a file's name."""
    return re.sub(r"[^\w.+-]+", "_", label)
