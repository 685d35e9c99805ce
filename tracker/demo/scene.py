"""The square of the demo: pavement, houses and trees that stand still, and two things people walk behind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from tracker.core.detections import FloatArray, Image
from tracker.demo.figure import SUBPIXEL, project
from tracker.output.palette import Colour

WIDTH, HEIGHT = 960, 540
SHARPNESS = 2  # the still parts are drawn this many times larger, then reduced
FACADE = 30.0  # metres from the camera to the houses
HOUSES = (  # left edge and width in metres, height, colour of the wall, colour of the awning
    (-26.0, 9.0, 9.2, (150, 178, 205), (70, 110, 60)),
    (-17.0, 7.5, 8.0, (128, 150, 196), (60, 60, 160)),
    (-9.5, 10.0, 9.6, (188, 204, 214), (140, 90, 40)),
    (0.5, 8.0, 8.4, (150, 190, 222), (60, 130, 170)),
    (8.5, 7.0, 9.4, (176, 176, 190), (90, 70, 130)),
    (15.5, 12.0, 8.6, (140, 168, 200), (70, 110, 60)),
)


class _Canvas:
    """An image in the demo's coordinates on which things of the world are drawn, larger than it is shown."""

    def __init__(self, colour: Colour) -> None:
        self.pixels = np.full((HEIGHT * SHARPNESS, WIDTH * SHARPNESS, 3), colour, np.uint8)

    def polygon(self, world: FloatArray, colour: Colour) -> None:
        """Fill a polygon of world points [P, 3]: right, up, away, metres."""
        import cv2

        corners = np.round(project(np.asarray(world, float)) * SHARPNESS * 2**SUBPIXEL).astype(np.int32)
        cv2.fillPoly(self.pixels, [corners], colour, cv2.LINE_AA, SUBPIXEL)

    def upright(self, left: float, bottom: float, right: float, top: float, z: float, colour: Colour) -> None:
        """Fill a rectangle that faces the camera at a distance of `z`."""
        self.polygon(np.array([[left, bottom, z], [right, bottom, z], [right, top, z], [left, top, z]]), colour)

    def ball(self, x: float, up: float, z: float, radius: float, colour: Colour) -> None:
        turn = np.linspace(0, 2 * np.pi, 40, endpoint=False)
        outline = np.stack((x + radius * np.cos(turn), up + radius * np.sin(turn), np.full(40, z)), axis=1)
        self.polygon(outline, colour)

    def reduced(self) -> Image:
        import cv2

        return np.asarray(cv2.resize(self.pixels, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA), np.uint8)


def background(rng: np.random.Generator) -> Image:
    """The empty square, BGR uint8 [HEIGHT, WIDTH, 3]."""
    canvas = _Canvas((235, 220, 195))
    _pave(canvas, rng)
    for house in HOUSES:
        _build(canvas, *house)
    for x, z in ((-13.5, 26.0), (-4.6, 27.0), (5.2, 26.5), (13.6, 26.0)):
        _plant(canvas, x, z, rng)
    grain = rng.normal(0, 1.5, (HEIGHT, WIDTH, 1))
    return np.clip(canvas.reduced() * _vignette() + grain, 0, 255).astype(np.uint8)


def _pave(canvas: _Canvas, rng: np.random.Generator) -> None:
    canvas.polygon(np.array([[-60, 0, 5.0], [60, 0, 5.0], [60, 0, FACADE], [-60, 0, FACADE]]), (150, 158, 164))
    slab, joint = 1.25, 0.02
    for z in np.arange(5.0, FACADE - 3.5, slab):
        for x in np.arange(-23.75, 23.75, slab):
            tone = float(rng.normal(0, 3.5)) - (14 if round(x / slab) % 5 == 0 or round(z / slab) % 5 == 0 else 0)
            colour = (round(176 + tone), round(186 + tone), round(192 + tone))
            near, far, left, right = z + joint, z + slab - joint, x + joint, x + slab - joint
            canvas.polygon(np.array([[left, 0, near], [right, 0, near], [right, 0, far], [left, 0, far]]), colour)
    kerb = FACADE - 3.5
    canvas.polygon(
        np.array([[-60, 0, kerb], [60, 0, kerb], [60, 0, kerb + 0.3], [-60, 0, kerb + 0.3]]), (205, 210, 214)
    )
    canvas.polygon(
        np.array([[-60, 0, FACADE - 1.4], [60, 0, FACADE - 1.4], [60, 0, FACADE], [-60, 0, FACADE]]), (112, 120, 126)
    )


def _build(canvas: _Canvas, left: float, width: float, height: float, wall: Colour, awning: Colour) -> None:
    z, right = FACADE, left + width
    canvas.upright(left, 0, right, height, z, wall)
    canvas.upright(left, height - 0.35, right, height, z, _shade(wall, 0.72))
    canvas.upright(left, 3.3, right, 3.5, z, _shade(wall, 0.85))
    columns = int(width // 1.9)
    step = width / columns
    for column in range(columns):
        middle = left + (column + 0.5) * step
        for sill in (4.2, 6.4):
            canvas.upright(middle - 0.5, sill, middle + 0.5, min(sill + 1.45, height - 0.5), z, _shade(wall, 1.18))
            canvas.upright(middle - 0.4, sill + 0.1, middle + 0.4, min(sill + 1.35, height - 0.6), z, (112, 92, 78))
            canvas.upright(middle - 0.4, sill + 0.1, middle - 0.02, min(sill + 0.7, height - 0.6), z, (140, 120, 104))
        canvas.upright(middle - 0.78, 0.35 if column % 3 else 0.0, middle + 0.78, 2.5, z, (82, 74, 70))
        canvas.upright(
            middle - 0.7,
            0.45 if column % 3 else 0.0,
            middle + 0.7,
            2.4,
            z,
            (150, 168, 172) if column % 3 else (66, 84, 104),
        )
    for stripe in np.arange(0, width - 0.6, 0.6):
        start = left + 0.3 + stripe
        colour = awning if round(stripe / 0.6) % 2 else (225, 232, 236)
        low, high = 2.45, 3.15
        canvas.polygon(
            np.array([[start, low, z - 1.2], [start + 0.6, low, z - 1.2], [start + 0.6, high, z], [start, high, z]]),
            colour,
        )


def _plant(canvas: _Canvas, x: float, z: float, rng: np.random.Generator) -> None:
    canvas.polygon(
        np.array([[x - 0.9, 0, z - 0.5], [x + 2.6, 0, z - 0.1], [x + 2.6, 0, z + 0.5], [x - 0.6, 0, z + 0.5]]),
        (122, 128, 132),
    )
    canvas.upright(x - 0.75, 0, x + 0.75, 0.55, z, (96, 104, 118))
    canvas.upright(x - 0.12, 0.5, x + 0.12, 2.6, z, (52, 72, 96))
    for _ in range(46):
        angle, reach = rng.uniform(0, 2 * np.pi), 1.25 * np.sqrt(rng.uniform())
        up = 3.5 + reach * np.sin(angle)
        light = 0.75 + 0.2 * (up - 2.4) / 2.4 + 0.12 * rng.uniform() - 0.1 * np.cos(angle)
        canvas.ball(x + reach * np.cos(angle), up, z, rng.uniform(0.25, 0.5), _shade((66, 142, 96), light))


def _shade(colour: Colour, light: float) -> Colour:
    blue, green, red = (int(np.clip(light * channel, 0, 255)) for channel in colour)
    return blue, green, red


def _vignette() -> FloatArray:
    y, x = np.mgrid[-1 : 1 : HEIGHT * 1j, -1 : 1 : WIDTH * 1j]
    return (1.03 - 0.1 * (x**2 + y**2))[..., None]


@dataclass(frozen=True)
class Occluder:
    """A thing that stands in the square and hides who walks behind it.

    Attributes:
        position: x and z of its foot, metres.
        box: left, top, right, bottom of what it covers, pixels.
        colours: [h, w, 3] its picture within the box, float32.
        cover: [h, w, 1] how much of a pixel it hides, 0 to 1, float32.
    """

    position: tuple[float, float]
    box: tuple[int, int, int, int]
    colours: NDArray[np.float32]
    cover: NDArray[np.float32]

    def draw(self, image: Image) -> None:
        """Paste it on a BGR image [HEIGHT, WIDTH, 3]."""
        left, top, right, bottom = self.box
        behind = image[top:bottom, left:right]
        behind[:] = np.round(behind + (self.colours - behind) * self.cover).astype(np.uint8)


def occluders() -> list[Occluder]:
    """An advertising column in the middle and a lamp post on the left."""
    return [_occluder((1.3, 11.0), _advertise), _occluder((-3.4, 9.0), _light)]


def _occluder(position: tuple[float, float], draw: Callable[[_Canvas, float, float], None]) -> Occluder:
    backed = []
    for colour in ((0, 0, 0), (255, 255, 255)):  # what shows through differs between a black and a white backdrop
        canvas = _Canvas(colour)
        draw(canvas, *position)
        backed.append(canvas.reduced().astype(np.float32))
    on_black, on_white = backed
    cover = 1 - (on_white - on_black).mean(axis=2, keepdims=True) / 255
    rows, columns = np.nonzero(cover[..., 0] > 0)
    box = int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1
    inside = np.s_[box[1] : box[3], box[0] : box[2]]
    return Occluder(position, box, on_black[inside] / np.maximum(cover[inside], 1e-3), cover[inside])


def _advertise(canvas: _Canvas, x: float, z: float) -> None:
    radius, top = 0.62, 2.75
    turn = np.linspace(-np.pi / 2, np.pi / 2, 33)
    posters: tuple[Colour, ...] = ((70, 120, 215), (205, 215, 220), (150, 110, 60), (90, 170, 120), (60, 70, 190))
    for strip, (start, end) in enumerate(pairwise(turn)):
        left, right = x + radius * np.sin(start), x + radius * np.sin(end)
        light = 0.62 + 0.42 * np.cos(0.5 * (start + end) + 0.5)
        canvas.upright(left, 0, right, top, z, _shade((96, 120, 104), light))
        poster = posters[(strip // 7) % len(posters)]
        if strip % 7:  # a gap between posters
            canvas.upright(left, 0.5, right, 2.35, z, _shade(poster, light))
            canvas.upright(left, 1.55, right, 1.75, z, _shade((235, 240, 245), light))
            canvas.upright(left, 0.9, right, 1.0, z, _shade((40, 40, 50), light))
    canvas.upright(x - radius - 0.1, top, x + radius + 0.1, top + 0.16, z, (74, 96, 82))
    dome = np.linspace(0, np.pi, 24)
    outline = np.stack((x + 0.66 * np.cos(dome), top + 0.16 + 0.42 * np.sin(dome), np.full(24, z)), axis=1)
    canvas.polygon(outline, (92, 116, 98))
    canvas.ball(x, top + 0.64, z, 0.09, (110, 140, 160))


def _light(canvas: _Canvas, x: float, z: float) -> None:
    iron: Colour = (58, 56, 54)
    canvas.upright(x - 0.16, 0, x + 0.16, 0.5, z, iron)
    canvas.upright(x - 0.07, 0.5, x + 0.07, 4.1, z, iron)
    canvas.upright(x - 0.03, 0.5, x, 4.1, z, (92, 90, 88))
    canvas.upright(x - 0.3, 4.05, x + 0.3, 4.12, z, iron)
    canvas.ball(x, 4.36, z, 0.25, (205, 240, 250))
    canvas.upright(x - 0.2, 4.56, x + 0.2, 4.63, z, iron)
