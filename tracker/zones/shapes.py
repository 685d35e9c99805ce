"""Lines and zones on the picture, and on which side of them boxes are. Arrays of boxes in, one number a box out.

The convention is roboflow's `supervision` (MIT), whose `LineZone` and `PolygonZone` give the same answers. It looks at
anchors: points of a box, named as `supervision.Position` names them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tracker.core.detections import FloatArray

Point = tuple[float, float]  # x to the right, y downwards, pixels
SideArray = NDArray[np.int8]

IN, OUT, UNDECIDED = 1, 0, -1  # the side of a box; a zone's inside is IN

# Where an anchor lies on a box: parts of its width and height, from the left and from the top.
ANCHORS: dict[str, Point] = {
    "center": (0.5, 0.5),
    "center_left": (0.0, 0.5),
    "center_right": (1.0, 0.5),
    "top_center": (0.5, 0.0),
    "top_left": (0.0, 0.0),
    "top_right": (1.0, 0.0),
    "bottom_left": (0.0, 1.0),
    "bottom_center": (0.5, 1.0),
    "bottom_right": (1.0, 1.0),
}
CORNERS = ("top_left", "top_right", "bottom_left", "bottom_right")
FEET = ("bottom_center",)
MOST_PIXELS = 1 << 28  # of the rectangle around a zone: 16384 x 16384


def anchor_points(boxes: FloatArray, anchors: tuple[str, ...]) -> FloatArray:
    """The anchors [A, K, 2] of boxes [K, 4] xyxy.

    Example:
        >>> anchor_points(np.array([[0.0, 0.0, 10.0, 40.0]]), ("bottom_center", "top_left")).tolist()
        [[[5.0, 40.0]], [[0.0, 0.0]]]
    """
    left, top, right, bottom = boxes.T
    x = {0.0: left, 0.5: (left + right) / 2, 1.0: right}
    y = {0.0: top, 0.5: (top + bottom) / 2, 1.0: bottom}
    points = np.empty((len(anchors), len(boxes), 2))
    for row, (across, down) in enumerate(ANCHORS[anchor] for anchor in anchors):
        points[row, :, 0], points[row, :, 1] = x[across], y[down]
    return points


@dataclass(frozen=True)
class Line:
    """A line that is crossed: to its left, seen from start to end, is in; to its right, and on it, is out.

    Only a box whose anchors all lie between the ends (between the perpendiculars through them) and all on one side
    says where an object is; any other leaves it where it was.

    Attributes:
        name: unique among lines and zones.
        start, end: pixels; they differ.
        anchors: names of `ANCHORS`; at least one.
        minimum_crossing_threshold: frames that an object has to be seen on the other side to have crossed.
        patience: seconds that an object may go unseen and is still known to come from the other side; None: as long as
            supervision's, which is `minimum_crossing_threshold` frames, one at least.

    Example:
        >>> door = Line("door", (0, 100), (200, 100), anchors=("bottom_center",))
        >>> door.sides(np.array([[10.0, 20, 30, 90], [10.0, 20, 30, 110], [210.0, 20, 230, 90]])).tolist()
        [1, 0, -1]
    """

    name: str
    start: Point
    end: Point
    anchors: tuple[str, ...] = CORNERS
    minimum_crossing_threshold: int = 1
    patience: float | None = None

    @property
    def kind(self) -> Literal["line"]:
        return "line"

    @property
    def points(self) -> tuple[Point, ...]:
        """Start and end."""
        return self.start, self.end

    def sides(self, boxes: FloatArray) -> SideArray:
        """`IN`, `OUT` or `UNDECIDED` [K] for boxes [K, 4] xyxy."""
        along = np.subtract(self.end, self.start, dtype=np.float64)
        offset = anchor_points(boxes, self.anchors) - np.asarray(self.start, np.float64)
        reach = offset @ along
        between = ((reach >= 0) & (reach <= along @ along)).all(axis=0)
        left = along[0] * offset[..., 1] - along[1] * offset[..., 0] < 0  # y points downwards
        is_in, is_out = left.all(axis=0), ~left.any(axis=0)
        return np.where(between & (is_in | is_out), is_in, UNDECIDED).astype(np.int8)

    @property
    def towards_in(self) -> Point:
        """The unit vector across the line, from out to in."""
        x, y = self.end[0] - self.start[0], self.end[1] - self.start[1]
        length = math.hypot(x, y)
        return y / length, -x / length


@dataclass(frozen=True)
class Zone:
    """A polygon: the pixels that it covers, those of its border too.

    Attributes:
        name: unique among lines and zones.
        points: the corners, pixels, three at least; of fractions the whole part counts.
        anchors: names of `ANCHORS`; at least one.
        require_all_anchors: whether all of them have to be inside; else any of them.
        minimum_crossing_threshold: frames that an object has to be seen inside to have entered, or outside to have
            left.
        patience: seconds that an object may go unseen and is still inside; None: two.

    Example:
        >>> square = Zone("square", ((0, 0), (100, 0), (100, 100), (0, 100)))
        >>> square.sides(np.array([[10.0, 20, 30, 90], [10.0, 20, 30, 110]])).tolist()
        [1, 0]
    """

    name: str
    points: tuple[Point, ...]
    anchors: tuple[str, ...] = FEET
    require_all_anchors: bool = True
    minimum_crossing_threshold: int = 1
    patience: float | None = None

    @property
    def kind(self) -> Literal["zone"]:
        return "zone"

    def sides(self, boxes: FloatArray) -> SideArray:
        """`IN` or `OUT` [K] for boxes [K, 4] xyxy."""
        corner, mask = self._mask
        # Half pixels go to the even one as in supervision; far points stay outside and are no overflow.
        pixels = np.rint(anchor_points(boxes, self.anchors)) - corner
        inside: NDArray[np.bool_] = np.all((pixels >= 0) & (pixels < mask.shape[::-1]), axis=2)
        column, row = np.moveaxis(np.where(inside[..., None], pixels, 0).astype(np.intp), 2, 0)
        hits = inside & mask[row, column]
        return np.asarray(hits.all(axis=0) if self.require_all_anchors else hits.any(axis=0), np.int8)

    @cached_property
    def _mask(self) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Left and top [2] of the rectangle around it, and which of its pixels [H, W] it covers."""
        import cv2

        corners = np.asarray(self.points, np.float64).astype(np.int64)
        corner = corners.min(axis=0)
        width, height = (corners.max(axis=0) - corner + 1).tolist()
        mask = np.zeros((height, width), np.uint8)
        cv2.fillPoly(mask, [(corners - corner).astype(np.int32)], (1,))
        return corner, mask.view(bool)


Place = Line | Zone
