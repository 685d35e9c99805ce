"""People made unrecognisable before anything is drawn or written, for those who may not show them.

No face is looked for: the detector that OpenCV brings (a cascade for frontal faces) misses most faces of people seen
from the side or from far, and who is missed is shown. The head is taken to be the upper part of a person's box.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tracker.core.boxes import iou
from tracker.core.detections import FloatArray, Image, Tracks

What = Literal["faces", "people"]

BLOCKS = {"faces": 4, "people": 6}  # blocks across that are left of a region; fewer than make a face
HEAD_OF_HEIGHT, HEAD_OF_WIDTH = 0.22, 0.6  # of a standing person's box; of one that shows the upper body alone
ABOVE = 0.25  # of the head that a box which sits too low leaves out
MARGIN = 0.08  # of the box's width and the head's height, as boxes are never exact
REACH = 5  # frames from one in which somebody was found within which they are taken to be still there
SAME = 0.3  # overlap from which two boxes are taken to show the same person
PEOPLE = ("person", "pedestrian", "people", "rider", "cyclist")  # classes by name; one that is not named counts too


class Blur:
    """Blurs people in frames: whom tracks show, and whom only detections show.

    In a second pass over the frames, detections of the frames after are known too: who was missed in a frame is hidden
    where they were found in one up to `REACH` before or after. Who is never found is not hidden.

    Args:
        what: `faces`, the upper part of every person's box; `people`, all of it.
        class_names: by class id; boxes of a class with a name that is not a person's stay as they are.
    """

    def __init__(self, what: What, class_names: Mapping[int, str]) -> None:
        self._what = what
        self._others = [number for number, name in class_names.items() if name.lower() not in PEOPLE]
        self._found: dict[int, NDArray[np.float32]] = {}  # frame -> boxes, in ascending order

    def see(self, frame_index: int, boxes: FloatArray, class_ids: NDArray[np.integer] | None) -> None:
        """Remember the detections of a frame: boxes [N, 4] with their classes [N]."""
        kept = boxes if class_ids is None else boxes[~np.isin(class_ids, self._others)]
        self._found[frame_index] = kept.astype(np.float32)

    def __call__(self, frame_index: int, image: Image, tracks: Tracks) -> Image:
        """The frame with people blurred; frames are asked for in ascending order, and forgotten."""
        while self._found and (oldest := next(iter(self._found))) < frame_index - REACH:
            del self._found[oldest]
        boxes = self._boxes(frame_index, tracks)
        return blurred(image, heads(boxes) if self._what == "faces" else grown(boxes), BLOCKS[self._what])

    def _boxes(self, frame_index: int, tracks: Tracks) -> FloatArray:
        boxes = tracks.boxes[~np.isin(tracks.class_ids, self._others)]
        for frame in sorted(
            range(frame_index - REACH, frame_index + REACH + 1), key=lambda one: abs(one - frame_index)
        ):
            found = self._found.get(frame)
            if found is None or not len(found):
                continue
            new = np.ones(len(found), bool)
            if frame != frame_index and len(boxes):
                new = iou(found.astype(np.float64), boxes).max(axis=1) < SAME
            boxes = np.concatenate((boxes, found[new]))
        return boxes


def heads(boxes: FloatArray) -> FloatArray:
    """Where the heads of people in boxes [N, 4] are, with a margin: regions [N, 4].

    Example:
        >>> heads(np.array([[100.0, 100.0, 200.0, 400.0]])).round(1)
        array([[ 92. ,  76.9, 208. , 172.6]])
    """
    width, height = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    head = np.minimum(height, np.maximum(HEAD_OF_HEIGHT * height, HEAD_OF_WIDTH * width))
    upper = boxes.copy()
    upper[:, 1] -= ABOVE * head
    upper[:, 3] = boxes[:, 1] + head
    return grown(upper)


def grown(boxes: FloatArray) -> FloatArray:
    """Boxes [N, 4] with the margin around them."""
    margin = MARGIN * (boxes[:, 2:] - boxes[:, :2])
    return np.concatenate((boxes[:, :2] - margin, boxes[:, 2:] + margin), axis=1)


def blurred(image: Image, regions: FloatArray, blocks: int) -> Image:
    """A copy of the picture in which `blocks` mean colours across are left of each region [N, 4].

    What is lost cannot be computed back: the picture holds no more than these few colours of it.
    """
    import cv2

    copy = image.copy()
    height, width = image.shape[:2]
    low = np.clip(np.floor(regions[:, :2]), 0, (width, height)).astype(int)
    high = np.clip(np.ceil(regions[:, 2:]), 0, (width, height)).astype(int)
    for (left, top), (right, bottom) in zip(low.tolist(), high.tolist(), strict=True):
        if right <= left or bottom <= top:
            continue
        down = max(1, round(blocks * (bottom - top) / (right - left)))
        part = image[top:bottom, left:right]
        few = cv2.resize(part, (min(blocks, right - left), min(down, bottom - top)), interpolation=cv2.INTER_AREA)
        copy[top:bottom, left:right] = cv2.resize(few, (right - left, bottom - top), interpolation=cv2.INTER_LINEAR)
    return copy
