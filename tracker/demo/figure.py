"""The people of the demo: walking figures of a few rounded parts, seen by a pinhole camera.

A figure stands on the ground at (x, z) metres, x to the right and z away from the camera. Its joints are given in its
own frame, (forward, right, up) in metres for a height of 1.75 m, turned by its heading and projected.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tracker.core.detections import FloatArray, Image
from tracker.output.palette import Colour

FOCAL = 700.0  # pixels
CENTRE, HORIZON = 480.0, 132.0  # column and row of the vanishing point
EYE = 4.0  # height of the camera, metres
ROUND = np.stack((np.cos(angles := np.linspace(0, 2 * np.pi, 14, endpoint=False)), np.sin(angles)), axis=1)
SUBPIXEL = 4  # fractional bits of drawn coordinates, so that motion is smooth

Joint = tuple[float, float, float]
Ball = tuple[Joint, float]  # centre and radius, metres
Shape = tuple[FloatArray, Colour]  # corners [P, 2] in pixels of a convex polygon


def project(points: FloatArray) -> FloatArray:
    """Points [..., 3] (right, up, away from the camera), metres, to pixels [..., 2]."""
    x, up, z = np.moveaxis(points, -1, 0)
    return np.stack((CENTRE + FOCAL * x / z, HORIZON + FOCAL * (EYE - up) / z), axis=-1)


@dataclass(frozen=True)
class Look:
    """What a person looks like: colours are blue, green, red; height in metres."""

    height: float
    skin: Colour
    hair: Colour
    top: Colour
    trousers: Colour
    shoes: Colour
    long_hair: bool = False
    skirt: bool = False
    stripe: Colour | None = None
    backpack: Colour | None = None
    hat: Colour | None = None


@dataclass(frozen=True)
class Pose:
    """Where a person is, where they head and how far their steps have come.

    Attributes:
        position: x and z of the point between the feet, metres.
        heading: unit vector (x, z) they face.
        phase: of the gait, radians; a full turn is two steps.
        stride: 0 standing to 1 walking.
    """

    position: tuple[float, float]
    heading: tuple[float, float]
    phase: float
    stride: float


def figure(look: Look, pose: Pose) -> list[Shape]:
    """The shapes of a person, to be drawn in this order."""
    body = _Body(look, pose)
    away = pose.heading[1] > 0
    for side in sorted((-1, 1), key=body.depth_of_side, reverse=True):
        body.leg(side)
    far, near = sorted((-1, 1), key=body.depth_of_side, reverse=True)
    body.arm(far)
    for part in (body.torso, body.back) if away else (body.back, body.torso):
        part()
    body.arm(near)
    body.head(away=pose.heading[1] > 0.4)  # in profile the face shows
    return body.shapes


class _Body:
    def __init__(self, look: Look, pose: Pose) -> None:
        self.look = look
        self.pose = pose
        self.shapes: list[Shape] = []
        scale = look.height / 1.75
        (x, z), (heading_x, heading_z) = pose.position, pose.heading
        self.axes = scale * np.array([[heading_x, 0, heading_z], [heading_z, 0, -heading_x], [0, 1, 0]])
        self.origin = np.array([x, 0.025 * pose.stride * np.cos(2 * pose.phase), z])
        self.scale = scale

    def depth_of_side(self, side: int) -> float:
        return -side * self.pose.heading[0]

    def hull(self, balls: list[Ball], colour: Colour) -> None:
        """Add the convex hull of some balls, darker at the rim away from the light."""
        import cv2

        centres = self.origin + np.array([joint for joint, _ in balls]) @ self.axes
        pixels_a_metre = FOCAL / centres[:, 2]
        radii = self.scale * np.array([radius for _, radius in balls]) * pixels_a_metre
        middles = project(centres)
        for shrink, shift, light in ((1.0, 0.0, 0.74), (0.8, -0.17, 1.0)):
            circles = (middles + shift * radii[:, None])[:, None] + shrink * radii[:, None, None] * ROUND
            outline = cv2.convexHull(circles.reshape(-1, 2).astype(np.float32))[:, 0]
            self.shapes.append((outline.astype(np.float64), _lit(colour, light)))

    def leg(self, side: int) -> None:
        look, stride = self.look, self.pose.stride
        phase = self.pose.phase + (np.pi if side > 0 else 0.0)
        swing = 0.48 * stride * np.sin(phase)
        bend = 0.75 * stride * max(0.0, np.cos(phase)) ** 2 + 0.05
        hip: Joint = (0.0, 0.085 * side, 0.92)
        knee = _limb(hip, swing + 0.35 * bend, 0.44)
        ankle = _limb(knee, swing - 0.65 * bend, 0.42)
        self.hull([(hip, 0.095), (knee, 0.065)], look.trousers)
        self.hull([(knee, 0.062), (ankle, 0.045)], look.skin if look.skirt else look.trousers)
        toe = (ankle[0] + 0.15, ankle[1], ankle[2] - 0.02)
        self.hull([(ankle, 0.05), (toe, 0.035)], look.shoes)

    def arm(self, side: int) -> None:
        look, stride = self.look, self.pose.stride
        swing = 0.42 * stride * np.sin(self.pose.phase + (0.0 if side > 0 else np.pi))
        shoulder: Joint = (0.0, 0.2 * side, 1.4)
        elbow = _limb(shoulder, swing, 0.28)
        wrist = _limb(elbow, swing + 0.3, 0.25)
        self.hull([(wrist, 0.045)], look.skin)
        self.hull([(elbow, 0.05), (wrist, 0.042)], look.top)
        self.hull([(shoulder, 0.065), (elbow, 0.052)], look.top)

    def torso(self) -> None:
        look = self.look
        if look.skirt:
            self.hull(_pair(0.1, 0.95, 0.1) + _pair(0.16, 0.55, 0.1), look.trousers)
        self.hull([((0, 0, 1.48), 0.055), ((0, 0, 1.55), 0.055)], look.skin)  # neck
        self.hull(_pair(0.08, 0.96, 0.115) + _pair(0.15, 1.4, 0.085), look.top)
        if look.stripe is not None:
            self.hull(_pair(0.13, 1.17, 0.08) + _pair(0.135, 1.24, 0.08), look.stripe)

    def back(self) -> None:
        """What hangs down the back: hidden by the torso of a person who faces the camera."""
        if self.look.long_hair:
            self.hull([((-0.05, 0, 1.62), 0.1), ((-0.09, 0, 1.4), 0.09)], self.look.hair)
        if self.look.backpack is not None:
            self.hull([*_pair(0.07, 1.1, 0.1, forward=-0.17), ((-0.15, 0, 1.36), 0.12)], self.look.backpack)

    def head(self, away: bool) -> None:
        look = self.look
        hair: tuple[list[Ball], Colour] = [((-0.02, 0, 1.665), 0.112)], look.hair
        face: tuple[list[Ball], Colour] = [((0.035, 0, 1.645), 0.092), ((0.03, 0, 1.6), 0.075)], look.skin
        for balls, colour in (face, hair) if away else (hair, face):
            self.hull(balls, colour)
        if look.hat is not None:
            self.hull([((0.0, 0, 1.73), 0.105), ((0.1, 0, 1.7), 0.04), ((-0.03, 0, 1.7), 0.1)], look.hat)


def _pair(aside: float, up: float, radius: float, forward: float = 0.0) -> list[Ball]:
    return [((forward, -aside, up), radius), ((forward, aside, up), radius)]


def _limb(start: Joint, angle: float, length: float) -> Joint:
    return start[0] + length * float(np.sin(angle)), start[1], start[2] - length * float(np.cos(angle))


def _lit(colour: Colour, light: float) -> Colour:
    blue, green, red = (min(255, round(light * channel)) for channel in colour)
    return blue, green, red


def draw_shapes(image: Image, shapes: list[Shape]) -> None:
    """Draw shapes on an image, in order."""
    import cv2

    for outline, colour in shapes:
        points = np.round(outline * 2**SUBPIXEL).astype(np.int32)
        cv2.fillConvexPoly(image, points, colour, cv2.LINE_AA, SUBPIXEL)


def draw_shadows(image: Image, positions: list[tuple[float, float]]) -> None:
    """Darken the ground where figures at (x, z) metres stand in the sun's way; the sun is behind on the left."""
    import cv2

    shade = np.zeros(image.shape[:2], np.uint8)
    light = np.array([0.94, 0.34])
    along, across = 0.62 * ROUND[:, :1] * light, 0.17 * ROUND[:, 1:] * np.array([-light[1], light[0]])
    for position in positions:
        ground = np.array(position) + 0.45 * light + along + across
        corners = project(np.insert(ground, 1, 0.0, axis=1))
        cv2.fillConvexPoly(shade, np.round(corners * 2**SUBPIXEL).astype(np.int32), 105, cv2.LINE_AA, SUBPIXEL)
    soft = 255 - np.asarray(cv2.GaussianBlur(shade, (7, 7), 0), np.uint8)
    cv2.multiply(image, cv2.merge([soft, soft, soft]), dst=image, scale=1 / 255)


def bounding_box(shapes: list[Shape]) -> NDArray[np.float64]:
    """Left, top, right and bottom [4] in pixels of all shapes, also where they leave the image."""
    corners = np.concatenate([outline for outline, _ in shapes])
    return np.concatenate((corners.min(axis=0), corners.max(axis=0)))
