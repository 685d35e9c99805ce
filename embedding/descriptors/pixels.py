"""The simplest descriptor: a very small picture. What a trained one must beat."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from embedding.descriptors.base import CropDescriptor
from embedding.descriptors.cropping import SIDE

ROWS, COLUMNS = 16, 8


class Pixels(CropDescriptor):
    """Crops of 64 x 64 averaged down to 16 rows of 8 pixels, blue, green and red in units of 0 to 1: D = 384.

    Nothing is subtracted. Cosine distances between pictures mean little before their mean is: whoever compares does
    that, or whitens them (`embedding.descriptors.whitening`).
    """

    name = f"pixels-{ROWS}x{COLUMNS}"
    dimension = ROWS * COLUMNS * 3
    width = height = SIDE

    def describe_crops(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        """BGR crops uint8 [N, 64, 64, 3] -> float32 [N, 384], row by row."""
        self.require_crops(crops)
        blocks = crops.reshape(len(crops), ROWS, SIDE // ROWS, COLUMNS, SIDE // COLUMNS, 3)
        means: NDArray[np.float32] = blocks.mean(axis=(2, 4), dtype=np.float32) / np.float32(255)
        return means.reshape(len(crops), self.dimension)
