"""Lines and zones drawn on frames, with what was counted so far: white zones, yellow lines whose arrow points to in."""

from __future__ import annotations

import unicodedata
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from tracker.core.detections import Image, Tracks
from tracker.output.drawing import EDGE, Style, draw_label, label_size, line_width
from tracker.output.palette import Colour
from tracker.zones.counting import ZoneCounter
from tracker.zones.shapes import Line, Place

WHITE: Colour = (255, 255, 255)
YELLOW: Colour = (0, 214, 255)
VEIL = 0.16  # of a zone's colour over its ground
ARROW = 12  # its length in widths of a line
WIDEST = {"zone": "000", "line": "in 0000 out 0000"}  # the room that counts are given

Spot = NDArray[np.int32]  # left, top of a label


class ZoneOverlay:
    """Draws the places of a counter, and on top of all how its counts stand; it does not count.

    Args:
        counter: has taken in the frame that is drawn.
    """

    def __init__(self, counter: ZoneCounter) -> None:
        self._counter = counter
        self._size: tuple[int, ...] = ()
        self._spots: list[Spot] = []

    def added_to(self, style: Style) -> Style:
        """A style that draws this too."""
        return replace(style, overlays=(*style.overlays, self.draw), captions=(*style.captions, self.write))

    def draw(self, image: Image, frame_index: int, tracks: Tracks) -> None:
        """The lines and zones."""
        width = line_width(image)
        for place in self._counter.places:
            if isinstance(place, Line):
                _draw_line(image, place, width)
            else:
                _draw_zone(image, pixels(place), width)

    def write(self, image: Image, frame_index: int, tracks: Tracks) -> None:
        """Their names and counts."""
        if image.shape[:2] != self._size:
            self._size, self._spots = image.shape[:2], label_spots(image, self._counter.places)
        for row, (place, spot) in enumerate(zip(self._counter.places, self._spots, strict=True)):
            text = f"{title(place)} {self._count(row, place)}"
            draw_label(image, spot, text, WHITE if place.kind == "zone" else YELLOW, filled=True)

    def _count(self, row: int, place: Place) -> str:
        if place.kind == "zone":
            return str(int(self._counter.inside[row]))
        totals = self._counter.totals
        return f"in {totals.of(row, into=True)} out {totals.of(row, into=False)}"


def title(place: Place) -> str:
    """Its name in the letters that OpenCV can draw.

    Example:
        >>> title(Line("Tür 1", (0, 0), (1, 1)))
        'Tur 1'
    """
    letters = unicodedata.normalize("NFKD", place.name.replace("ß", "ss"))
    return "".join(one for one in letters if not unicodedata.combining(one)).encode("ascii", "replace").decode()


def pixels(place: Place) -> NDArray[np.int32]:
    """Its points [P, 2], as OpenCV draws them."""
    return np.clip(np.round(place.points), -30_000, 30_000).astype(np.int32)


def label_spots(image: Image, places: tuple[Place, ...]) -> list[Spot]:
    """Where each label stands [4], as `draw_label` has it: on the place's highest corner, below another one."""
    taken: list[tuple[int, int, int, int]] = []
    spots = []
    for place in places:
        width, height = label_size(image, f"{title(place)} {WIDEST[place.kind]}")
        points = pixels(place)
        left, bottom = points[np.lexsort((points[:, 0], points[:, 1]))[0]].tolist()
        left = int(np.clip(left, 0, max(0, image.shape[1] - width)))
        top = int(np.clip(bottom - height, 0, max(0, image.shape[0] - height)))
        for _ in range(len(taken) + 1):
            hit = [
                one
                for one in taken
                if left < one[2] and left + width > one[0] and top < one[3] and top + height > one[1]
            ]
            if not hit or top + 2 * height > image.shape[0]:
                break
            top = max(one[3] for one in hit) + 1
        taken.append((left, top, left + width, top + height))
        spots.append(np.array((left, top + height, left + width, top + height), np.int32))
    return spots


def _draw_zone(image: Image, points: NDArray[np.int32], width: int) -> None:
    import cv2

    height, length = image.shape[:2]
    left, top = np.clip(points.min(axis=0), 0, (length, height)).tolist()
    right, bottom = np.clip(points.max(axis=0) + 1, 0, (length, height)).tolist()
    part = image[top:bottom, left:right]
    if part.size:
        veiled = part.copy()
        cv2.fillPoly(veiled, [points - (left, top)], WHITE)
        part[:] = cv2.addWeighted(veiled, VEIL, part, 1 - VEIL, 0)
    for edge, colour in ((2, EDGE), (0, WHITE)):
        cv2.polylines(image, [points], True, colour, width + edge, cv2.LINE_AA)


def _draw_line(image: Image, line: Line, width: int) -> None:
    import cv2

    start, end = pixels(line)
    middle = (start + end) // 2
    tip = np.round(middle + ARROW * width * np.array(line.towards_in)).astype(int)
    for edge, colour in ((2, EDGE), (0, YELLOW)):
        cv2.line(image, start.tolist(), end.tolist(), colour, 2 * width + edge, cv2.LINE_AA)
        cv2.arrowedLine(image, middle.tolist(), tip.tolist(), colour, width + edge, cv2.LINE_AA, tipLength=0.4)
        for point in (start, end):
            cv2.circle(image, point.tolist(), 2 * width + edge // 2, colour, cv2.FILLED, cv2.LINE_AA)
