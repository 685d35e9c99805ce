"""What every descriptor has in common: an image and boxes in, one feature vector a box out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from embedding.descriptors.cropping import cut_crops
from embedding.errors import FeatureError

LARGEST = 1e18  # of a number in a feature; float32 cannot hold the squared distance of longer ones


class DescribesBoxes(Protocol):
    """What a descriptor must do; anything that does can be handed to `Descriptor`."""

    name: str
    dimension: int

    def __call__(self, image: NDArray[np.uint8], boxes: ArrayLike) -> NDArray[np.float32]:
        """BGR image [H, W, 3] and xyxy boxes [N, 4] in pixels -> features [N, D]."""


@runtime_checkable
class DescribesFrames(Protocol):
    """What a descriptor may do beside that: take the boxes of several frames together."""

    def describe_frames(
        self, images: Sequence[NDArray[np.uint8]], boxes: Sequence[ArrayLike]
    ) -> list[NDArray[np.float32]]:
        """BGR images [H, W, 3] and the boxes [N, 4] of each -> features [N, D] of each."""


class CropDescriptor(ABC):
    """A descriptor that looks at crops of one size.

    Attributes:
        name: for caches.
        dimension: D, length of a feature.
        width, height: of a crop, pixels.
    """

    name: str
    dimension: int
    width: int
    height: int

    @abstractmethod
    def describe_crops(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        """BGR crops uint8 [N, height, width, 3], as `descriptors.cropping` cuts them -> features float32 [N, D]."""

    def __call__(self, image: NDArray[np.uint8], boxes: ArrayLike) -> NDArray[np.float32]:
        """Features float32 [N, D] of boxes [N, 4]; of a box wholly outside the image, zeros: like nobody."""
        return self.describe_frames([image], [boxes])[0]

    def describe_frames(
        self, images: Sequence[NDArray[np.uint8]], boxes: Sequence[ArrayLike]
    ) -> list[NDArray[np.float32]]:
        """The features of several frames' boxes, all of whose crops are described together."""
        cut = [cut_crops(image, corners, self.width, self.height) for image, corners in zip(images, boxes, strict=True)]
        inside = np.concatenate([meets for _, meets in cut])
        features = np.zeros((len(inside), self.dimension), np.float32)
        features[inside] = self.describe_crops(np.concatenate([crops for crops, _ in cut]))
        return np.split(features, np.cumsum([len(meets) for _, meets in cut])[:-1])

    def require_crops(self, crops: NDArray[np.uint8]) -> None:
        """ValueError if the crops have another shape or type."""
        if crops.ndim != 4 or crops.shape[1:] != (self.height, self.width, 3) or crops.dtype != np.uint8:
            wanted = f"uint8 [N, {self.height}, {self.width}, 3]"
            raise ValueError(f"crops: expected {wanted}, found {crops.dtype} {list(crops.shape)}")


def describe_boxes(describe: DescribesBoxes, image: NDArray[np.uint8], boxes: ArrayLike) -> NDArray[np.float32]:
    """Features float32 [N, D] of the boxes [N, 4] in a BGR image, by a descriptor that is given what it expects.

    Raises:
        ValueError: `image` or `boxes` has another shape or type; `FeatureError` where the descriptor gives no features.
    """
    image, corners = checked_image(image), checked_boxes(boxes)
    if not len(corners):
        return np.zeros((0, describe.dimension), np.float32)
    return _checked_features(describe, describe(image, corners), corners)


def describe_frames(
    describe: DescribesBoxes, images: Sequence[NDArray[np.uint8]], boxes: Sequence[ArrayLike]
) -> list[NDArray[np.float32]]:
    """The features of several frames' boxes: together where the descriptor can, frame by frame otherwise.

    Raises:
        ValueError: an image or its boxes have another shape or type; `FeatureError` where the descriptor gives no
            features.
    """
    checked, corners = [checked_image(image) for image in images], [checked_boxes(frame) for frame in boxes]
    if images and isinstance(describe, DescribesFrames):
        found = describe.describe_frames(checked, corners)
    else:
        none = np.zeros((0, describe.dimension), np.float32)
        found = [describe(image, here) if len(here) else none for image, here in zip(checked, corners, strict=True)]
    return [
        _checked_features(describe, features, here, picture)
        for picture, (features, here) in enumerate(zip(found, corners, strict=True))
    ]


def _checked_features(
    describe: DescribesBoxes, features: NDArray[np.float32], boxes: NDArray[np.float64], picture: int = 0
) -> NDArray[np.float32]:
    expected = (len(boxes), describe.dimension)
    if features.shape != expected:
        raise FeatureError(f"descriptor {describe.name}: gives {features.shape}, expected {expected}", picture)
    usable = np.abs(features) < LARGEST  # which NaN is not
    if not usable.all():
        row = int(usable.all(axis=1).argmin())
        box = ", ".join(f"{edge:.6g}" for edge in boxes[row])
        found = features[row][~usable[row]][0]
        raise FeatureError(f"descriptor {describe.name}: gives {found:g} for the box ({box})", picture)
    return features


def checked_image(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise ValueError(f"image: expected BGR uint8 [H, W, 3], found {image.dtype} {image.shape}")
    return image


def checked_boxes(boxes: ArrayLike) -> NDArray[np.float64]:
    corners = np.asarray(boxes, dtype=np.float64)
    if not corners.size:
        return np.zeros((0, 4))
    if corners.ndim != 2 or corners.shape[1] != 4:
        raise ValueError(f"boxes: expected shape [N, 4] (left, top, right, bottom), found {corners.shape}")
    return corners
