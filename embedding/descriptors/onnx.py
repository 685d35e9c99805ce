"""Anybody's re-identification network, from an .onnx file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embedding.descriptors.base import CropDescriptor
from embedding.errors import InputError
from embedding.files import digest

IMAGENET_MEAN = np.array([0.485, 0.456, 0.406], np.float32)  # red, green, blue, of images in [0, 1]
IMAGENET_STD = np.array([0.229, 0.224, 0.225], np.float32)
CHUNK = 32  # crops a run, where the graph takes any number
PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider", "mps": "CoreMLExecutionProvider"}
EXPECTED = "expected one input float32 [1 or any, 3, height, width], or uint8 [1 or any, height, width, 3]"


class OnnxDescriptor(CropDescriptor):
    """The first output of a network, flattened to [N, D].

    The crop has the size the graph asks for and is prepared as such networks expect by convention: red, green, blue in
    [0, 1], minus ImageNet's mean and over its standard deviation. A network with another convention gives features of
    little use, and nothing in the file says so. A graph that takes bytes gets the crops as they are: blue, green, red.
    A graph with a batch of 1 sees one crop at a time.

    Args:
        path: the .onnx file, one input float32 [1 or any, 3, height, width], or uint8 [1 or any, height, width, 3].
        device: `auto` (cuda if onnxruntime has it, else cpu), `cpu`, `cuda` or `mps`.
        threads: on the CPU; None is as many as OMP_NUM_THREADS says, which torch obeys too, or one a core.

    Attributes:
        name: of the file, with a digest of its content, for caches.
        dimension: D.
        width, height: of the crops, pixels.

    Raises:
        InputError: onnxruntime is not installed, the file is no network, its input or output has another shape, or
            onnxruntime has no such device.
    """

    def __init__(self, path: str | Path, device: str = "auto", threads: int | None = None) -> None:
        path = Path(path)
        self._session = _open(path, device, _threads_asked() if threads is None else threads)
        self._input, self._takes_bytes, fixed, self.height, self.width = _image_input(path, self._session)
        self._output = self._session.get_outputs()[0].name
        self._chunk = CHUNK if fixed is None else fixed
        self.dimension = self._count_features(path)
        self.name = f"{path.stem}-{digest(path)}"

    def describe_crops(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        """BGR crops uint8 [N, height, width, 3] -> float32 [N, D].

        Raises:
            ValueError: crops of another shape or type.
        """
        self.require_crops(crops)
        features = np.empty((len(crops), self.dimension), np.float32)
        for first in range(0, len(crops), self._chunk):
            rows = slice(first, first + self._chunk)
            features[rows] = self._run(crops[rows]).reshape(-1, self.dimension)
        return features

    def _run(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        images = np.ascontiguousarray(crops) if self._takes_bytes else imagenet_images(crops)
        output: NDArray[np.float32] = self._session.run([self._output], {self._input: images})[0]
        return output

    def _count_features(self, path: Path) -> int:
        """D, from a try on black crops: what a file says about its output need not be true or complete."""
        tried = min(2, self._chunk)
        try:
            shape = np.shape(self._run(np.zeros((tried, self.height, self.width, 3), np.uint8)))
        except Exception as error:  # onnxruntime's own exceptions have no common class
            raise InputError(f"{path}: does not run on a crop ({_first_line(error)})") from error
        if len(shape) < 2 or shape[0] != tried or not np.prod(shape[1:]):
            raise InputError(f"{path}: {tried} crops give {list(shape)}, expected a first output [{tried}, D]")
        return int(np.prod(shape[1:]))


def imagenet_images(crops: NDArray[np.uint8]) -> NDArray[np.float32]:
    """BGR crops uint8 [N, H, W, 3] -> RGB float32 [N, 3, H, W], minus ImageNet's mean and over its deviation."""
    images = (crops[..., ::-1].astype(np.float32) / 255 - IMAGENET_MEAN) / IMAGENET_STD
    return np.ascontiguousarray(images.transpose(0, 3, 1, 2))


def _threads_asked() -> int:
    """The first number of OMP_NUM_THREADS; 0, which is onnxruntime's one a core, where it says none."""
    first = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    return int(first) if first.isdigit() else 0


def _open(path: Path, device: str, threads: int) -> Any:
    """An onnxruntime session on a device."""
    import onnxruntime

    present = onnxruntime.get_available_providers()
    if device == "auto":
        device = "cuda" if PROVIDERS["cuda"] in present else "cpu"
    if PROVIDERS.get(device) not in present:
        raise InputError(f"device: {device!r} is not available to onnxruntime, which has {', '.join(present)}")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors: what it thinks of a file's layout helps nobody here
    options.intra_op_num_threads = threads
    providers = list(dict.fromkeys([PROVIDERS[device], PROVIDERS["cpu"]]))
    try:
        return onnxruntime.InferenceSession(path, options, providers=providers, enable_fallback=0)
    except Exception as error:  # onnxruntime's own exceptions have no common class
        raise InputError(f"{path}: cannot be read as a network ({_first_line(error)})") from error


def _image_input(path: Path, session: Any) -> tuple[str, bool, int | None, int, int]:
    """Name, whether it is of bytes, batch (None: any), height and width of the one input."""
    inputs = session.get_inputs()
    found = ", ".join(f"{entry.type} {entry.shape}" for entry in inputs)
    if len(inputs) != 1 or inputs[0].type not in ("tensor(float)", "tensor(uint8)") or len(inputs[0].shape) != 4:
        raise InputError(f"{path}: found input {found or 'none'}, {EXPECTED}")
    takes_bytes = inputs[0].type == "tensor(uint8)"
    batch, *sides = inputs[0].shape
    channels = sides.pop(-1 if takes_bytes else 0)
    fixed = batch if isinstance(batch, int) else None
    if fixed not in (None, 1) or channels != 3 or not all(isinstance(side, int) for side in sides):
        raise InputError(f"{path}: found input {found}, {EXPECTED}")
    return inputs[0].name, takes_bytes, fixed, sides[0], sides[1]


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
