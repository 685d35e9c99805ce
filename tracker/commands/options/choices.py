"""Words that an option may be."""

from __future__ import annotations

from enum import Enum


class CameraMotion(str, Enum):
    """How the camera's motion is told from the frames."""

    ecc = "ecc"
    sparse = "sparse"


class Link(str, Enum):
    """Whether pieces are joined after the last frame."""

    on = "on"
    off = "off"


class Hidden(str, Enum):
    """Who is not to be known in pictures."""

    faces = "faces"
    people = "people"


class EmbedWhen(str, Enum):
    """Which detections are described."""

    always = "always"
    ambiguous = "ambiguous"
