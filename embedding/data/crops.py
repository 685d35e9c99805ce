"""Image crops in one memory-mapped array, so that millions of them need no memory and no decoding."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from embedding.data.crop_pack import CropIndex, index_path, read_index
from embedding.data.dataset import locate, spread
from embedding.errors import InputError

if TYPE_CHECKING:
    from embedding.config import DataConfig

ADVICE = "it holds crops of people as uint8 [N, 64, 64, 3]: python -m tools.crops --root DIR --out FILE"
SAMPLE = 4096  # crops from which mean and variance are estimated


class CropDataSet:
    """Crops [3, height, width] float32 from an array [N, height, width, 3] uint8 on disk.

    The colours keep the file's order. `scale`: raw is 0 to 255; unit is 0 to 1; standardised subtracts each colour's
    mean and divides by its standard deviation, both of which `describe` states (units of 0 to 1); given takes
    another data set's mean and deviation, as a model that goes on learning must.

    Attributes:
        origin: where each crop was seen and its tracklet, in the order of this data set; None for a bare array.
    """

    def __init__(
        self,
        crops: np.ndarray,
        index: np.ndarray,
        scale: str,
        origin: CropIndex | None = None,
        given: tuple[torch.Tensor, torch.Tensor] | None = None,
    ) -> None:
        self._crops = crops
        self._index = index
        self.origin = origin
        self.shape = (crops.shape[3], crops.shape[1], crops.shape[2])
        self._scale = scale
        sample = torch.from_numpy(crops[index[spread(len(index), SAMPLE)]]).permute(0, 3, 1, 2).double() / 255
        self.mean, self.std = torch.zeros(3), torch.ones(3)
        if scale == "given":
            assert given is not None
            self.mean, self.std = given
        elif scale == "raw":
            self.std /= 255
        elif scale == "standardised":
            self.mean = sample.mean(dim=(0, 2, 3)).float()
            self.std = sample.std(dim=(0, 2, 3)).clamp_min(1e-6).float()
        variance = sample.var(dim=0, unbiased=False) / self.std[:, None, None] ** 2
        self.variance = float(variance.mean())
        self._scales: dict[torch.device, list[torch.Tensor]] = {}

    def __len__(self) -> int:
        return len(self._index)

    def batch(self, index: torch.Tensor) -> torch.Tensor:
        """Crops [B, 3, height, width] of an index [B]."""
        return self.scaled(self.rows(index))

    def rows(self, index: torch.Tensor) -> torch.Tensor:
        """Crops [B, height, width, 3] uint8 of an index [B]."""
        return torch.from_numpy(self._crops[self._index[index.cpu().numpy()]])

    def scaled(self, rows: torch.Tensor) -> torch.Tensor:
        if rows.device not in self._scales:
            self._scales[rows.device] = [values[:, None, None].to(rows.device) for values in (self.mean, self.std)]
        mean, std = self._scales[rows.device]
        return (rows.permute(0, 3, 1, 2).float() / 255 - mean) / std

    def describe(self) -> dict[str, Any]:
        return {
            "kind": "crops",
            "scale": self._scale,
            "mean": self.mean.tolist(),
            "std": self.std.tolist(),
            "count": len(self),
            "shape": list(self.shape),
            "variance": self.variance,
            **({"crops": self._counts(self.origin)} if self.origin else {}),
        }

    @staticmethod
    def _counts(origin: CropIndex) -> dict[str, int]:
        """Crops of each sequence that has some."""
        counts = np.bincount(origin.sequence, minlength=len(origin.names)).tolist()
        return {name: count for name, count in zip(origin.names, counts, strict=True) if count}


def load_crops(config: DataConfig) -> CropDataSet:
    """Crops of the file a configuration names but for excluded sequences; `count` keeps that many, spread evenly.

    Raises:
        InputError: no file named, absent, not [N, height, width, 3] uint8, or an unknown sequence excluded.
    """
    if config.path is None:
        raise InputError(f"data.path: not given, expected a .npy file of crops; {ADVICE}")
    path = locate(config.path, "", ADVICE)
    crops = _open(path)
    if crops.ndim != 4 or crops.shape[3] != 3 or crops.dtype != np.uint8 or not len(crops):
        raise InputError(
            f"{path}: found {crops.dtype} {list(crops.shape)}, expected uint8 [N, height, width, 3], N > 0"
        )
    if not index_path(path).is_file():
        if config.exclude:
            raise InputError(f"data.exclude: {path} has no index that says which sequence a crop is from; {ADVICE}")
        return CropDataSet(crops, spread(len(crops), config.count), config.scale)
    origin = read_index(path)
    rows = _kept_rows(origin, config.exclude, path)
    rows = rows[spread(len(rows), config.count)]
    return CropDataSet(crops, rows, config.scale, origin.select(rows))


def _kept_rows(origin: CropIndex, exclude: tuple[str, ...], path: Path) -> np.ndarray:
    if unknown := sorted(set(exclude) - set(origin.names)):
        raise InputError(f"data.exclude: {path} has no {', '.join(unknown)}, only {', '.join(origin.names)}")
    out = np.isin(origin.sequence, [origin.names.index(name) for name in exclude])
    if out.all():
        raise InputError(f"data.exclude: leaves nothing of {path}, which has {', '.join(origin.names)}")
    return np.flatnonzero(~out)


def _open(path: Path) -> np.ndarray:
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError) as error:
        raise InputError(f"{path}: not a NumPy array file ({error}); {ADVICE}") from error
