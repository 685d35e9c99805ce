"""Rendered people of known identity: the demo's figures in clothes, light, poses and surroundings drawn at random.

What tells people apart is learnt from them, so that nothing in the shipped descriptor comes from anybody's footage.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from embedding.descriptors.cropping import cut_crops
from tracker.core.detections import FloatArray, Image
from tracker.demo.figure import Look, Pose, Shape, bounding_box, draw_shapes, figure
from tracker.output.palette import Colour

HEIGHTS = (40.0, 260.0)  # pixels of a person, drawn from evenly in the logarithm
MARGIN = 0.6  # of a person's height around the figure, for boxes that are too large
SKIN_TONES = np.array([(150, 186, 232), (120, 160, 210), (78, 112, 164), (56, 76, 116), (40, 52, 80)], np.float64)
HAIR_COLOURS = np.array([(24, 28, 34), (36, 58, 92), (74, 140, 190), (44, 74, 140), (172, 176, 180)], np.float64)


@dataclass(frozen=True)
class Person:
    """One person on one camera.

    Attributes:
        look: clothes.
        light: [3] gains of the colours, blue, green, red.
        gamma: of the camera's curve.
        place: colours [P, 3] of the surroundings.
        height: pixels.
        facing: radians; who is watched for some seconds mostly walks one way.
        texture: contrast of the clothes' weave.
    """

    look: Look
    light: FloatArray
    gamma: float
    place: FloatArray
    height: float
    facing: float
    texture: float


def render(people: int, views: int, seed: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Crops uint8 [people x views, 64, 64, 3] and whom [people x views] each shows.

    Args:
        people: of different looks.
        views: of each, as a detector would box them over some seconds.
        seed: the same one gives the same bytes.
    """
    crops = np.zeros((people * views, 64, 64, 3), np.uint8)
    for number in range(people):
        rng = np.random.default_rng((seed, number))
        person = draw_person(rng)
        for view in range(views):
            crops[number * views + view] = photograph(person, rng)
    return crops, np.repeat(np.arange(people), views)


def draw_person(rng: np.random.Generator) -> Person:
    """Somebody in clothes drawn at random, on a camera drawn at random."""
    extra = rng.uniform(size=5)
    top, trousers = _cloth(rng), _cloth(rng)
    look = Look(
        height=rng.uniform(1.5, 1.95),
        skin=_varied(SKIN_TONES[rng.integers(len(SKIN_TONES))], 12, rng),
        hair=_varied(HAIR_COLOURS[rng.choice(len(HAIR_COLOURS), p=[0.4, 0.25, 0.1, 0.15, 0.1])], 15, rng),
        top=top,
        trousers=top if extra[0] < 0.08 else trousers,  # a coat, a dress
        shoes=_cloth(rng),
        long_hair=bool(extra[1] < 0.35),
        skirt=bool(extra[2] < 0.15),
        stripe=_cloth(rng) if extra[3] < 0.25 else None,
        backpack=_cloth(rng) if extra[4] < 0.25 else None,
        hat=_cloth(rng) if extra[4] > 0.88 else None,
    )
    return Person(
        look=look,
        light=np.exp(rng.normal(0, 0.35) + rng.normal(0, 0.08, 3)),
        gamma=float(np.exp(rng.normal(0, 0.2))),
        place=np.array([_surface(rng) for _ in range(4)]),
        height=float(np.exp(rng.uniform(*np.log(HEIGHTS)))),
        facing=rng.uniform(0, 2 * np.pi),
        texture=float(abs(rng.normal(0, 0.1))),
    )


def photograph(person: Person, rng: np.random.Generator) -> Image:
    """One crop [64, 64, 3] of a person, boxed as a detector would."""
    height = person.height * np.exp(rng.normal(0, 0.08))
    shapes = _figure(person, height, rng)
    box = bounding_box(shapes)
    margin = MARGIN * height
    width, depth = (int(np.ceil(side + 2 * margin)) for side in (box[2] - box[0], box[3] - box[1]))
    moved = margin - box[:2]
    image = _surroundings(person, width, depth, rng)
    draw_shapes(image, [(outline + moved, colour) for outline, colour in shapes])
    box = box + np.tile(moved, 2)
    if rng.uniform() < 0.3:
        _occlude(image, box, person, rng)
    image = _seen_by_camera(image, person, rng)
    size = np.tile(box[2:] - box[:2], 2)
    jitter = rng.normal(0, [0.07, 0.035, 0.07, 0.035]) * size
    crops, _ = cut_crops(image, (box + jitter)[None])
    return crops[0]


def _figure(person: Person, height: float, rng: np.random.Generator) -> list[Shape]:
    """The person's shapes, that high in pixels, near the origin."""
    facing = person.facing + rng.normal(0, 0.5) if rng.uniform() < 0.8 else rng.uniform(0, 2 * np.pi)
    heading = (float(np.cos(facing)), float(np.sin(facing)))
    pose = Pose((0.0, rng.uniform(6, 20)), heading, rng.uniform(0, 2 * np.pi), float(rng.uniform() < 0.8))
    shapes = figure(person.look, pose)
    box = bounding_box(shapes)
    scale = height / (box[3] - box[1])
    broad = np.array([np.exp(rng.normal(0, 0.05)), 1])
    return [((outline - box[:2]) * scale * broad, colour) for outline, colour in shapes]


def _surroundings(person: Person, width: int, height: int, rng: np.random.Generator) -> Image:
    """Ground, wall and what stands about."""
    import cv2

    image = np.empty((height, width, 3), np.uint8)
    image[:] = person.place[0]
    horizon = int(height * rng.uniform(0.1, 0.9))
    image[horizon:] = person.place[1]
    for _ in range(rng.integers(0, 4)):
        corner, other = (rng.uniform(0, (width, height), 2) for _ in range(2))
        colour = _varied(person.place[2 + rng.integers(2)], 20, rng)
        cv2.rectangle(image, tuple(map(int, corner)), tuple(map(int, other)), colour, -1)
    slope = np.linspace(-1, 1, height)[:, None, None] * rng.normal(0, 12)
    return np.clip(image + slope, 0, 255).astype(np.uint8)


def _occlude(image: Image, box: FloatArray, person: Person, rng: np.random.Generator) -> None:
    """Somebody else, or something, in front of a part of the box."""
    import cv2

    left, top, right, bottom = box
    if rng.uniform() < 0.5:
        other = replace(draw_person(rng), height=person.height)
        shapes = _figure(other, person.height * rng.uniform(0.9, 1.2), rng)
        aside = rng.uniform(0.35, 0.9) * (right - left) * rng.choice([-1, 1])
        shift = np.array([left + aside, top + rng.uniform(-0.05, 0.2) * (bottom - top)])
        draw_shapes(image, [(outline + shift, colour) for outline, colour in shapes])
        return
    edge = rng.uniform(0.15, 0.45)
    if rng.uniform() < 0.5:
        start, end = (left - 9, bottom - edge * (bottom - top)), (right + 9, bottom + 99)
    else:
        begins = left + rng.uniform(0, 1 - edge) * (right - left)
        start, end = (begins, top - 99), (begins + edge * (right - left), bottom + 99)
    cv2.rectangle(image, (int(start[0]), int(start[1])), (int(end[0]), int(end[1])), _surface_colour(rng), -1)


def _seen_by_camera(image: Image, person: Person, rng: np.random.Generator) -> Image:
    """Weave, light, lens, sensor and compression."""
    import cv2

    seen = image.astype(np.float64)
    if person.texture > 0.02:
        weave = rng.normal(1, person.texture, (image.shape[0] // 3 + 1, image.shape[1] // 3 + 1))
        seen *= cv2.resize(weave, image.shape[1::-1], interpolation=cv2.INTER_LINEAR)[..., None]
    light = person.light * np.exp(rng.normal(0, 0.1) + rng.normal(0, 0.02, 3))
    side = np.linspace(-1, 1, image.shape[1])[None, :, None] * rng.normal(0, 0.1)
    seen = 255 * np.clip(seen * light * (1 + side) / 255, 0, 1) ** person.gamma
    blur = rng.uniform(0, 0.012) * person.height
    if blur > 0.3:
        seen = np.asarray(cv2.GaussianBlur(seen, (0, 0), blur), np.float64)
    noisy = np.clip(seen + rng.normal(0, rng.uniform(0, 6), seen.shape), 0, 255).astype(np.uint8)
    _, encoded = cv2.imencode(".jpg", noisy, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(40, 95))])
    return np.asarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR), np.uint8)


def _cloth(rng: np.random.Generator) -> Colour:
    """Half of all clothes are dark or grey; the others have any hue."""
    if rng.uniform() < 0.5:
        grey = rng.choice([rng.uniform(15, 70), rng.uniform(70, 170), rng.uniform(170, 245)], p=[0.55, 0.25, 0.2])
        return _varied(np.full(3, grey), 10, rng)
    return _of_hue(rng.uniform(0, 180), rng.uniform(60, 240), rng.uniform(50, 245))


def _surface(rng: np.random.Generator) -> FloatArray:
    return np.array(_surface_colour(rng), np.float64)


def _surface_colour(rng: np.random.Generator) -> Colour:
    """Walls, ground and leaves are pale."""
    return _of_hue(rng.uniform(0, 180), rng.uniform(0, 110), rng.uniform(50, 235))


def _of_hue(hue: float, saturation: float, value: float) -> Colour:
    import cv2

    pixel = np.array([[[hue, saturation, value]]], np.uint8)
    blue, green, red = cv2.cvtColor(pixel, cv2.COLOR_HSV2BGR)[0, 0].tolist()
    return blue, green, red


def _varied(colour: FloatArray, by: float, rng: np.random.Generator) -> Colour:
    blue, green, red = np.clip(colour + rng.normal(0, by, 3), 0, 255).round().astype(int).tolist()
    return blue, green, red
