"""Several descriptors as one: `default+0.7*colour`.

Features of unit length, each times its weight, one behind the other. The cosine similarity of two such features is the
mean of the parts' similarities, weighted with the squares of the weights: w1^2 cos1 + w2^2 cos2 over w1^2 + w2^2.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from embedding.descriptors.base import DescribesBoxes, describe_frames
from embedding.descriptors.spec import three_digits


class FusedDescriptor:
    """The features of several descriptors, of unit length and weighted, one behind the other.

    Features of zeros, as of a box wholly outside the image, stay zeros.

    Args:
        parts: at least one.
        weights: one a part, above 0; three digits of them count.

    Attributes:
        name: for caches: the parts' names, each with its weight.
        dimension: the sum of the parts'.
    """

    def __init__(self, parts: Sequence[DescribesBoxes], weights: Sequence[float]) -> None:
        if not parts or len(parts) != len(weights) or not all(0 < weight < math.inf for weight in weights):
            raise ValueError(f"expected a weight above 0 for each part, found {len(parts)} parts and {list(weights)}")
        self._parts = list(parts)
        digits = [three_digits(weight) for weight in weights]
        self._weights = [float(weight) for weight in digits]
        self.name = "+".join(f"{part.name}-x{weight}" for part, weight in zip(self._parts, digits, strict=True))
        self.dimension = sum(part.dimension for part in self._parts)

    def __call__(self, image: NDArray[np.uint8], boxes: ArrayLike) -> NDArray[np.float32]:
        """BGR image [H, W, 3] and xyxy boxes [N, 4] in pixels -> features [N, D]."""
        return self.describe_frames([image], [boxes])[0]

    def describe_frames(
        self, images: Sequence[NDArray[np.uint8]], boxes: Sequence[ArrayLike]
    ) -> list[NDArray[np.float32]]:
        """The features of several frames' boxes, which each part may describe together."""
        described = [describe_frames(part, images, boxes) for part in self._parts]
        return [fuse(features, self._weights) for features in zip(*described, strict=True)]


def fuse(features: Sequence[NDArray[np.floating]], weights: Sequence[float]) -> NDArray[np.float32]:
    """Features [N, D1], [N, D2], ... of the same boxes -> [N, D1 + D2 + ...], as `FusedDescriptor` does it.

    Example:
        >>> fuse([np.array([[3.0, 4.0]]), np.array([[2.0]])], [1.0, 0.5]).tolist()
        [[0.6000000238418579, 0.800000011920929, 0.5]]
    """
    return np.concatenate([weight * unit(part) for part, weight in zip(features, weights, strict=True)], axis=1)


def unit(features: NDArray[np.floating]) -> NDArray[np.float32]:
    """Features [N, D] brought to length 1; zeros stay zeros."""
    single = np.asarray(features, np.float32)
    length = np.linalg.norm(single, axis=1, keepdims=True)
    return np.divide(single, length, out=np.zeros_like(single), where=length > 0)
