"""Appearance descriptors by name: an image and boxes in, one feature vector a box out."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from embedding.errors import InputError

DEFAULT = "colour"  # until trained weights ship


class DescribesBoxes(Protocol):
    """What a descriptor must do; anything that does can be handed to `Descriptor`."""

    name: str
    dimension: int

    def __call__(self, image: NDArray[np.uint8], boxes: ArrayLike) -> NDArray[np.float32]:
        """BGR image [H, W, 3] and xyxy boxes [N, 4] in pixels -> features [N, D]."""


class Descriptor:
    """Say what the objects in boxes look like.

    Attributes:
        name: differs between descriptors that give different features; cached ones carry it.
        dimension: length of a feature.
    """

    def __init__(self, describe: DescribesBoxes) -> None:
        self._describe = describe
        self.name = describe.name
        self.dimension = describe.dimension

    @classmethod
    def load(cls, name: str = "default", device: str = "auto") -> Descriptor:
        """The descriptor of that name.

        Args:
            name: `colour`, the striped colour histogram that needs no training, or `default`, which is the best one
                that ships (today: `colour`).
            device: `auto`, `cpu`, `cuda` or `mps`; the colour histogram always runs on the CPU.

        Raises:
            InputError: no descriptor of that name.
        """
        if (DEFAULT if name == "default" else name) == "colour":
            from embedding.colour import ColourHistogram

            return cls(ColourHistogram())
        raise InputError(f"descriptor {name!r}: not known, expected default, colour or none")

    def __call__(self, image: NDArray[np.uint8], boxes: ArrayLike) -> NDArray[np.float32]:
        """Features float32 [N, D] of the boxes [N, 4] (xyxy, pixels) in a BGR uint8 image [H, W, 3].

        Raises:
            ValueError: `image` or `boxes` has another shape or type.
        """
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
            raise ValueError(f"image: expected BGR uint8 [H, W, 3], found {image.dtype} {image.shape}")
        corners = np.asarray(boxes, dtype=np.float64)
        if not corners.size:
            return np.zeros((0, self.dimension), np.float32)
        if corners.ndim != 2 or corners.shape[1] != 4:
            raise ValueError(f"boxes: expected shape [N, 4] (left, top, right, bottom), found {corners.shape}")
        return self._describe(image, corners)
