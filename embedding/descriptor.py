"""Appearance descriptors by name: an image and boxes in, one feature vector a box out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from embedding.descriptors import base, spec
from embedding.descriptors.base import DescribesBoxes
from embedding.descriptors.spec import Part, closed_form_path, model_path, parse
from embedding.errors import InputError
from embedding.extras import require_package


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
                until there is a trained one); several of these as one, `A+B` or `A+0.7*B` (`descriptors.spec`).
            device: `auto`, `cpu`, `cuda` or `mps`; `colour` and `pixels` always run on the CPU.

        Raises:
            InputError: no descriptor of that name, a file that is broken or describes something else, or the device
                is not there.

        Example:
            >>> describe = Descriptor.load("colour")
            >>> image = np.zeros((120, 160, 3), np.uint8)
            >>> describe(image, [[10, 20, 50, 100], [60, 10, 100, 90]]).shape == (2, describe.dimension)
            True
        """
        return cls(_load(name, device))

    def __call__(self, image: NDArray[np.uint8], boxes: ArrayLike) -> NDArray[np.float32]:
        """Features float32 [N, D] of the boxes [N, 4] (xyxy, pixels) in a BGR uint8 image [H, W, 3].

        Raises:
            ValueError: `image` or `boxes` has another shape or type.
        """
        return base.describe_boxes(self._describe, image, boxes)

    def describe_frames(
        self, images: Sequence[NDArray[np.uint8]], boxes: Sequence[ArrayLike]
    ) -> list[NDArray[np.float32]]:
        """The features of several frames' boxes, as calling it for each gives them, up to the last digits.

        A network takes all crops in one go, which is faster where frames hold few.

        Raises:
            ValueError: an image or its boxes have another shape or type.
        """
        return base.describe_frames(self._describe, images, boxes)


def _load(name: str, device: str) -> DescribesBoxes:
    if "+" in name or "*" in name:
        parts = parse(name)
        if parts[0].name != name:  # not a file whose name has these in it
            return load_fused(parts, device)
    model = model_path(name)
    if name == "colour":
        from embedding.descriptors.colour import ColourHistogram

        return ColourHistogram()
    if name == "pixels":
        from embedding.descriptors.pixels import Pixels

        return Pixels()
    closed_form = closed_form_path(name)
    if closed_form is not None:
        from embedding.descriptors.closed_form import ClosedForm

        return ClosedForm.load(closed_form)
    path = Path(name)
    if path.suffix == ".onnx" and path.is_file():
        from embedding.descriptors.onnx import OnnxDescriptor

        return OnnxDescriptor(path, device)
    if model is not None:
        require_package("torch", f"descriptor {name}")
        from embedding.descriptors.latent import LatentDescriptor

        return LatentDescriptor(model, device)
    raise InputError(f"descriptor {name!r}: not known, expected {', '.join(_names())}, or none to do without one")


def load_fused(parts: Sequence[Part], device: str) -> DescribesBoxes:
    """Load every part; one without a weight counts 1.

    Raises:
        InputError: a part is not known, is broken, or the device is not there.
    """
    from embedding.descriptors.fusion import FusedDescriptor

    loaded = [Descriptor.load(part.name, device) for part in parts]
    return FusedDescriptor(loaded, [1.0 if part.weight is None else part.weight for part in parts])


def _names() -> list[str]:
    """What can be asked for, as an error lists it; models of other data than crops are left out."""
    records = sorted(spec.SHIPPED.glob("*.json"))
    crops = [path.stem for path in records if json.loads(path.read_text("utf-8"))["data"]["kind"] == "crops"]
    shipped = [name for name in crops if name != "default"]
    return ["default", "colour", "pixels", *shipped, "a .safetensors file, a run's folder, an .onnx file"]
