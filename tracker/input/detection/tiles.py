"""Detection in parts of a picture: who is too small for the network's input is larger there."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np

from tracker.core.boxes import non_maximum_suppression
from tracker.core.detections import Detections, FloatArray, Image

OVERLAP = 0.25  # of a part's side, that it shares with its neighbour: who stands on a border is whole in one of them
BORDER = 3.0  # pixels from an inner border within which a box is taken to be cut off
MAX_OVERLAP = 0.5  # IoU above which the better of two boxes of a class stays
INSIDE = 0.8  # share of a box within a better one of its class, above which it is a part of the same person

Part = tuple[int, int, int, int]  # left, top, right, bottom, pixels


class Tiled:
    """A detector that looks at the whole picture, and at `count` x `count` overlapping parts of it.

    Args:
        detect: the detector.
        count: parts side by side, from 2.
    """

    def __init__(self, detect: Callable[[Image], Detections], count: int) -> None:
        self._detect = detect
        self._count = count
        self.class_names: Mapping[int, str] = getattr(detect, "class_names", {})
        self.class_ids = getattr(detect, "class_ids", None)

    def __call__(self, image: Image) -> Detections:
        """What is found in any of them, once."""
        height, width = image.shape[:2]
        found = [self._detect(image)]
        for part in parts((width, height), self._count):
            left, top, right, bottom = part
            here = self._detect(np.ascontiguousarray(image[top:bottom, left:right]))
            boxes = here.boxes + np.array([left, top, left, top])
            whole = ~_is_cut(boxes, part, (width, height))
            moved = Detections.checked(boxes, here.scores, None, here.class_ids)
            found.append(moved.select(whole))
        boxes = np.concatenate([one.boxes for one in found])
        scores = np.concatenate([one.scores for one in found])
        classes = [one.class_ids for one in found if one.class_ids is not None]
        kinds = np.concatenate(classes) if len(classes) == len(found) else np.zeros(len(boxes), np.int64)
        apart = boxes + kinds[:, None] * (1 + boxes.max(initial=0.0))  # boxes of different classes never meet
        kept = non_maximum_suppression(apart, scores, MAX_OVERLAP)
        kept = kept[~_is_part_of_better(apart[kept], scores[kept])]
        return Detections(boxes[kept], scores[kept], None, kinds[kept] if len(classes) == len(found) else None)


def parts(size: tuple[int, int], count: int) -> Iterator[Part]:
    """`count` x `count` parts of a picture of that size (width, height), row by row.

    Example:
        >>> list(parts((700, 70), 2))[:2]
        [(0, 0, 400, 40), (300, 0, 700, 40)]
    """
    (lefts, width), (tops, height) = (_steps(side, count) for side in size)
    yield from ((left, top, left + width, top + height) for top in tops for left in lefts)


def _steps(side: int, count: int) -> tuple[list[int], int]:
    """Where parts begin along a side, and how long they are."""
    length = min(side, int(np.ceil(side / (count - (count - 1) * OVERLAP))))
    return [round(step * (side - length) / (count - 1)) for step in range(count)], length


def _is_cut(boxes: FloatArray, part: Part, size: tuple[int, int]) -> np.ndarray:
    """Mask [N] of the boxes at a border of the part that is no border of the picture."""
    left, top, right, bottom = part
    cut = np.zeros(len(boxes), bool)
    for inner, near in (
        (left > 0, boxes[:, 0] - left < BORDER),
        (top > 0, boxes[:, 1] - top < BORDER),
        (right < size[0], right - boxes[:, 2] < BORDER),
        (bottom < size[1], bottom - boxes[:, 3] < BORDER),
    ):
        if inner:
            cut |= near
    return cut


def _is_part_of_better(boxes: FloatArray, scores: FloatArray) -> np.ndarray:
    """Mask [N] of the boxes that lie within a better one: half a person, found in a part."""
    corner = np.maximum(boxes[:, None, :2], boxes[None, :, :2])
    extent = np.clip(np.minimum(boxes[:, None, 2:], boxes[None, :, 2:]) - corner, 0, None)
    area = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    inside = extent.prod(axis=2) / np.maximum(area, 1e-9)[:, None] > INSIDE
    smaller = area[:, None] < area[None, :]
    return (inside & smaller & (scores[None, :] >= scores[:, None])).any(axis=1)
