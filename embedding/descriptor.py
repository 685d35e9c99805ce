"""Appearance descriptors by name: an image and boxes in, one feature vector a box out."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from embedding.descriptors.cropping import cut_crops
from embedding.errors import InputError

SHIPPED = Path(__file__).parent / "weights"
FALLBACK = "colour"  # what `default` is where no trained default lies in SHIPPED
UNTRAINED = ("colour", "pixels")
RECORD = "model.json"  # what makes a folder a run's


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
            name: `colour`, the striped colour histogram, and `pixels`, 16 x 8 of them, need no training; a model that
                lies in embedding/weights, by its name there; a trained model's .safetensors file or a run's folder;
                anybody's re-identification network as an .onnx file; `default`, the best one that ships (`colour`
                until there is a trained one); several of these as one, `A+B` or `A+0.7*B` (`descriptors.fusion`).
            device: `auto`, `cpu`, `cuda` or `mps`; `colour` and `pixels` always run on the CPU.

        Raises:
            InputError: no descriptor of that name, a file that is broken or describes something else, or the device
                is not there.
        """
        return cls(_load(name, device))

    def __call__(self, image: NDArray[np.uint8], boxes: ArrayLike) -> NDArray[np.float32]:
        """Features float32 [N, D] of the boxes [N, 4] (xyxy, pixels) in a BGR uint8 image [H, W, 3].

        Raises:
            ValueError: `image` or `boxes` has another shape or type.
        """
        image, corners = _checked_image(image), _checked_boxes(boxes)
        if not len(corners):
            return np.zeros((0, self.dimension), np.float32)
        return self._describe(image, corners)

    def describe_frames(
        self, images: Sequence[NDArray[np.uint8]], boxes: Sequence[ArrayLike]
    ) -> list[NDArray[np.float32]]:
        """The features of several frames' boxes, as calling it for each gives them, up to the last digits.

        A network takes all crops in one go, which is faster where frames hold few.

        Raises:
            ValueError: an image or its boxes have another shape or type.
        """
        if not images or not isinstance(self._describe, DescribesFrames):
            return [self(image, frame) for image, frame in zip(images, boxes, strict=True)]
        checked = [_checked_image(image) for image in images]
        return self._describe.describe_frames(checked, [_checked_boxes(frame) for frame in boxes])


def _checked_image(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise ValueError(f"image: expected BGR uint8 [H, W, 3], found {image.dtype} {image.shape}")
    return image


def _checked_boxes(boxes: ArrayLike) -> NDArray[np.float64]:
    corners = np.asarray(boxes, dtype=np.float64)
    if not corners.size:
        return np.zeros((0, 4))
    if corners.ndim != 2 or corners.shape[1] != 4:
        raise ValueError(f"boxes: expected shape [N, 4] (left, top, right, bottom), found {corners.shape}")
    return corners


def model_path(name: str) -> Path | None:
    """The trained model, its file or its folder, that `Descriptor.load` reads for a name; None where it reads none."""
    if name in UNTRAINED:
        return None
    places = [SHIPPED / f"{name}.safetensors", *([] if name == "default" else [Path(name)])]
    return next(filter(_is_model, places), None)


def _load(name: str, device: str) -> DescribesBoxes:
    if "+" in name or "*" in name:
        from embedding.descriptors.fusion import load_fused, parse

        parts = parse(name)
        if parts[0].name != name:  # not a file whose name has these in it
            return load_fused(parts, device)
    model = model_path(name)
    if name == "default" and model is None:
        name = FALLBACK
    if name == "colour":
        from embedding.descriptors.colour import ColourHistogram

        return ColourHistogram()
    if name == "pixels":
        from embedding.descriptors.pixels import Pixels

        return Pixels()
    path = Path(name)
    if path.suffix == ".onnx" and path.is_file():
        from embedding.descriptors.onnx import OnnxDescriptor

        return OnnxDescriptor(path, device)
    if model is not None:
        from embedding.descriptors.latent import LatentDescriptor

        return LatentDescriptor(model, device)
    raise InputError(f"descriptor {name!r}: not known, expected {', '.join(_names())}, or none to do without one")


def _is_model(path: Path) -> bool:
    """Whether this is a run's folder, or a model's file, or the name of one that was written in parts."""
    if path.is_dir():
        return (path / RECORD).is_file()
    return path.suffix == ".safetensors" and (path.is_file() or path.with_suffix(".json").is_file())


def _names() -> list[str]:
    """What can be asked for, as an error lists it; models of other data than crops are left out."""
    records = sorted(SHIPPED.glob("*.json"))
    crops = [path.stem for path in records if json.loads(path.read_text("utf-8"))["data"]["kind"] == "crops"]
    shipped = [name for name in crops if name != "default"]
    return ["default", "colour", "pixels", *shipped, "a .safetensors file, a run's folder, an .onnx file"]
