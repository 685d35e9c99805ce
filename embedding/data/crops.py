"""Image crops in one memory-mapped array, so that millions of them need no memory and no decoding."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from embedding.data.dataset import locate, spread
from embedding.errors import InputError

if TYPE_CHECKING:
    from embedding.config import DataConfig

ADVICE = "it holds crops of people as uint8 [N, 64, 64, 3]: np.save(FILE, crops)"
SAMPLE = 4096  # crops from which mean and variance are estimated


class CropDataSet:
    """Crops [3, height, width] float32 from an array [N, height, width, 3] uint8 on disk.

    The colours keep the file's order. `scale`: raw is 0 to 255; unit is 0 to 1; standardised subtracts each colour's
    mean and divides by its standard deviation, both of which `describe` states (units of 0 to 1).
    """

    def __init__(self, crops: np.ndarray, index: np.ndarray, scale: str) -> None:
        self._crops = crops
        self._index = index
        self.shape = (crops.shape[3], crops.shape[1], crops.shape[2])
        self._scale = scale
        sample = torch.from_numpy(crops[index[spread(len(index), SAMPLE)]]).permute(0, 3, 1, 2).double() / 255
        self.mean, self.std = torch.zeros(3), torch.ones(3)
        if scale == "raw":
            self.std /= 255
        elif scale == "standardised":
            self.mean = sample.mean(dim=(0, 2, 3)).float()
            self.std = sample.std(dim=(0, 2, 3)).clamp_min(1e-6).float()
        variance = sample.var(dim=0, unbiased=False) / self.std[:, None, None] ** 2
        self.variance = float(variance.mean())

    def __len__(self) -> int:
        return len(self._index)

    def batch(self, index: torch.Tensor) -> torch.Tensor:
        """Crops [B, 3, height, width] of an index [B]."""
        rows = torch.from_numpy(self._crops[self._index[index.cpu().numpy()]])
        values = rows.permute(0, 3, 1, 2).float() / 255
        return (values - self.mean[:, None, None]) / self.std[:, None, None]

    def describe(self) -> dict[str, Any]:
        return {
            "kind": "crops",
            "scale": self._scale,
            "mean": self.mean.tolist(),
            "std": self.std.tolist(),
            "count": len(self),
            "shape": list(self.shape),
            "variance": self.variance,
        }


def load_crops(config: DataConfig) -> CropDataSet:
    """Crops of the file a configuration names; `count` keeps that many, evenly spaced.

    Raises:
        InputError: no file named, absent, or not [N, height, width, 3] uint8.
    """
    if config.path is None:
        raise InputError(f"data.path: not given, expected a .npy file of crops; {ADVICE}")
    path = locate(config.path, "", ADVICE)
    crops = _open(path)
    if crops.ndim != 4 or crops.shape[3] != 3 or crops.dtype != np.uint8 or not len(crops):
        raise InputError(
            f"{path}: found {crops.dtype} {list(crops.shape)}, expected uint8 [N, height, width, 3], N > 0"
        )
    return CropDataSet(crops, spread(len(crops), config.count), config.scale)


def _open(path: Path) -> np.ndarray:
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError) as error:
        raise InputError(f"{path}: not a NumPy array file ({error}); {ADVICE}") from error
