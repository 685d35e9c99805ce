"""Binarised MNIST digits, 28x28 pixels of 0 and 1."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from embedding.data.dataset import ArrayDataSet, locate, spread
from embedding.errors import InputError

if TYPE_CHECKING:
    from embedding.config import DataConfig

SIDE = 28  # pixels
PACKED = "mnist/mnist_static_binarised.npz"
ADVICE = (
    "binarise: static needs the packed file of Larochelle and Murray's digits; binarise: threshold or sample a folder"
    " of torchvision's (python -c \"import torchvision; torchvision.datasets.MNIST('FOLDER', download=True)\")"
)


def load_mnist(config: DataConfig) -> ArrayDataSet:
    """Training digits [N, 28, 28] of 0 and 1; `labels` holds the digit.

    `binarise`: static is the packed file with Larochelle and Murray's fixed draw; threshold sets pixels brighter than
    one half; sample draws each pixel once with its brightness as the probability (Salakhutdinov and Murray 2008).

    Raises:
        InputError: the file or folder is absent or not MNIST.
    """
    path = locate(config.path, PACKED if config.binarise == "static" else "mnist/torchvision", ADVICE)
    if config.binarise == "static":
        pixels, labels = read_packed(path)
    else:
        brightness, labels = read_torchvision(path)
        random = np.random.default_rng(config.seed)
        level = 0.5 if config.binarise == "threshold" else random.random(brightness.shape, dtype=np.float32)
        pixels = (brightness > level).astype(np.uint8)
    chosen = spread(len(pixels), config.count)
    return ArrayDataSet(
        torch.from_numpy(pixels[chosen]),
        labels=labels[chosen],
        about={"kind": "mnist", "binarise": config.binarise, "seed": config.seed},
    )


def read_packed(path: Path, split: str = "train") -> tuple[np.ndarray, np.ndarray]:
    """Digits [N, 28, 28] uint8 and labels [N] of a packed file: x_SPLIT rows of 784 bits, y_SPLIT."""
    try:
        with np.load(path, allow_pickle=False) as packed:
            bits, labels = packed[f"x_{split}"], packed[f"y_{split}"]
        return np.unpackbits(bits, axis=1).reshape(-1, SIDE, SIDE), labels
    except (KeyError, ValueError, TypeError, OSError) as error:
        raise InputError(f"{path}: {error}, expected x_{split} (98 bytes of bits a digit) and y_{split}") from error


def read_torchvision(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Brightness [N, 28, 28] float32 in [0, 1] and labels [N] of the folder torchvision downloads to."""
    from torchvision.datasets import MNIST  # here, for its slow import

    try:
        digits = MNIST(folder, train=True, download=False)
    except (RuntimeError, ValueError) as error:
        raise InputError(f"data.path: {folder} holds no MNIST; {ADVICE}") from error
    return digits.data.numpy().astype(np.float32) / 255, digits.targets.numpy()
