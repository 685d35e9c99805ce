"""Parts of a picture: they cover it, what one finds is moved to its place, and nobody is found twice."""

from __future__ import annotations

import numpy as np
import pytest

from tracker.core.detections import Detections
from tracker.input.detection.tiles import Tiled, parts


@pytest.mark.parametrize("size", [(1920, 1080), (640, 480), (7, 5), (1, 1)])
@pytest.mark.parametrize("count", [2, 3, 8])
def test_parts_cover_the_picture_and_overlap(size: tuple[int, int], count: int) -> None:
    seen = np.zeros(size[::-1], int)
    for left, top, right, bottom in parts(size, count):
        assert 0 <= left < right <= size[0]
        assert 0 <= top < bottom <= size[1]
        seen[top:bottom, left:right] += 1
    assert seen.min() >= 1
    if min(size) > 100:
        assert seen.max() >= 4  # where four meet


class Blobs:
    """Finds white rectangles that are no smaller than a share of the picture, as a network of fixed input does."""

    class_names = {0: "person"}  # noqa: RUF012
    class_ids = None

    def __call__(self, image: np.ndarray) -> Detections:
        import cv2

        contours, _ = cv2.findContours(image[..., 0], cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
        boxes = np.array([cv2.boundingRect(contour) for contour in contours], float).reshape(-1, 4)
        boxes[:, 2:] += boxes[:, :2]
        large = boxes[:, 3] - boxes[:, 1] >= 0.1 * image.shape[0]
        return Detections(boxes[large], np.full(int(large.sum()), 0.9), None, np.zeros(int(large.sum()), np.int64))


def test_the_small_are_found_and_nobody_twice() -> None:
    image = np.zeros((480, 640, 3), np.uint8)
    people = [(20, 20, 30, 50), (300, 220, 320, 260), (400, 100, 460, 300), (610, 440, 630, 475)]
    for left, top, right, bottom in people:
        image[top:bottom, left:right] = 255
    alone = Blobs()(image)
    assert len(alone) == 1  # the large one
    found = Tiled(Blobs(), 3)(image)
    assert sorted(map(tuple, found.boxes.tolist())) == sorted(people)
    assert found.class_ids.tolist() == [0] * 4


def test_nothing_is_found_in_nothing() -> None:
    assert len(Tiled(Blobs(), 2)(np.zeros((40, 60, 3), np.uint8))) == 0
