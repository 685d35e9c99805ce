"""Several descriptors as one: `default+0.7*colour`.

Features of unit length, each times its weight, one behind the other. The cosine similarity of two such features is the
mean of the parts' similarities, weighted with the squares of the weights: w1^2 cos1 + w2^2 cos2 over w1^2 + w2^2.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from embedding.descriptor import DescribesBoxes, Descriptor, model_path
from embedding.errors import InputError

GRAMMAR = "expected names with + between them, weights above 0 before a *, such as default+0.7*colour"


@dataclass(frozen=True)
class Part:
    """One descriptor of several.

    Attributes:
        name: as `Descriptor.load` knows it.
        weight: of its features, before it is squared in the similarity; None where the text gives none.
    """

    name: str
    weight: float | None = None


def parse(text: str) -> tuple[Part, ...]:
    """The parts of `A`, `A+B` or `A+0.7*B`; what exists as a file or model is one part, whatever is in its name.

    Raises:
        InputError: a part without a name, or a weight that is no number above 0.
    """
    pieces = text.split("+")
    parts: list[Part] = []
    while pieces:
        count = next((k for k in range(len(pieces), 1, -1) if _holds_file("+".join(pieces[:k]))), 1)
        parts.append(_parse_part("+".join(pieces[:count]), text))
        del pieces[:count]
    return tuple(parts)


def three_digits(weight: float) -> str:
    """A weight as it is written: to three digits, without an exponent, whose + would begin a part."""
    return np.format_float_positional(float(f"{weight:.3g}"), trim="-")


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
        self._parts = [part if isinstance(part, Descriptor) else Descriptor(part) for part in parts]
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
        described = [part.describe_frames(images, boxes) for part in self._parts]
        return [fuse(features, self._weights) for features in zip(*described, strict=True)]


def fuse(features: Sequence[NDArray[np.floating]], weights: Sequence[float]) -> NDArray[np.float32]:
    """Features [N, D1], [N, D2], ... of the same boxes -> [N, D1 + D2 + ...], as `FusedDescriptor` does it."""
    return np.concatenate([weight * unit(part) for part, weight in zip(features, weights, strict=True)], axis=1)


def unit(features: NDArray[np.floating]) -> NDArray[np.float32]:
    """Features [N, D] brought to length 1; zeros stay zeros."""
    single = np.asarray(features, np.float32)
    length = np.linalg.norm(single, axis=1, keepdims=True)
    return np.divide(single, length, out=np.zeros_like(single), where=length > 0)


def load_fused(parts: Sequence[Part], device: str) -> FusedDescriptor:
    """Load every part; one without a weight counts 1.

    Raises:
        InputError: a part is not known, is broken, or the device is not there.
    """
    loaded = [Descriptor.load(part.name, device) for part in parts]
    return FusedDescriptor(loaded, [1.0 if part.weight is None else part.weight for part in parts])


def _parse_part(text: str, whole: str) -> Part:
    name, weight = text.strip(), None
    if "*" in name and not _exists(name):
        number, _, name = (piece.strip() for piece in name.partition("*"))
        weight = _parse_weight(number, whole)
    if not name:
        raise InputError(f"descriptor {whole!r}: a part without a name, {GRAMMAR}")
    return Part(name, weight)


def _parse_weight(number: str, whole: str) -> float:
    try:
        weight = float(number)
    except ValueError:
        weight = math.nan
    if not 0 < weight < math.inf:
        raise InputError(f"descriptor {whole!r}: the weight {number!r}, {GRAMMAR}")
    return weight


def _holds_file(text: str) -> bool:
    """Whether this is one part whose name has a + in it: an existing file, possibly behind a weight."""
    return _exists(text.strip()) or _exists(text.partition("*")[2].strip())


def _exists(name: str) -> bool:
    return bool(name) and (model_path(name) is not None or Path(name).exists())
