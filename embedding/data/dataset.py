"""What a training run asks of its data, and where files are looked for."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from embedding.errors import InputError

if TYPE_CHECKING:
    import torch

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "data"  # beside the checkout


class DataSet(Protocol):
    """Observations as a network sees them: float32, scaled as the likelihood expects."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one observation."""
        ...

    def __len__(self) -> int: ...

    def rows(self, index: torch.Tensor) -> torch.Tensor:
        """Raw observations [B, ...] of an index [B] int64, as they are stored, on the CPU."""
        ...

    def scaled(self, rows: torch.Tensor) -> torch.Tensor:
        """Observations [B, *shape] float32 of raw ones, on their device."""
        ...

    def batch(self, index: torch.Tensor) -> torch.Tensor:
        """Observations [B, *shape] float32 of an index [B] int64, on the CPU."""
        ...

    @property
    def variance(self) -> float:
        """Variance of a value over the data, averaged over the values of an observation (scaled units squared)."""
        ...

    def describe(self) -> dict[str, Any]:
        """What the data is, for a run's record: JSON values only."""
        ...


@dataclass(frozen=True)
class ArrayDataSet:
    """A data set that fits in memory.

    Attributes:
        values: [N, *shape] float32, or uint8 holding 0 and 1.
        labels: [N] class of each observation, if it has one.
        angles: [N] degrees, pendulum only.
        clean: [N, *shape] the observations without their noise, where known.
        about: what `describe` adds to count, shape and variance.
    """

    values: torch.Tensor
    labels: np.ndarray | None = None
    angles: np.ndarray | None = None
    clean: torch.Tensor | None = None
    about: dict[str, Any] = field(default_factory=dict)

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.values.shape[1:])

    def __len__(self) -> int:
        return len(self.values)

    def rows(self, index: torch.Tensor) -> torch.Tensor:
        return self.values[index]

    def scaled(self, rows: torch.Tensor) -> torch.Tensor:
        return rows.float()

    def batch(self, index: torch.Tensor) -> torch.Tensor:
        return self.scaled(self.rows(index))

    @property
    def variance(self) -> float:
        return float(self.values.float().var(dim=0, unbiased=False).mean())

    def describe(self) -> dict[str, Any]:
        return {**self.about, "count": len(self), "shape": list(self.shape), "variance": self.variance}


def locate(path: str | None, default: str, advice: str) -> Path:
    """The file or folder a configuration names, or the one beside the checkout.

    Raises:
        InputError: neither is there; the message ends with `advice`, which says where to get the data.
    """
    found = Path(path) if path is not None else SHARED / default
    if not found.exists():
        raise InputError(f"data.path: {found} does not exist; {advice}")
    return found


def spread(total: int, count: int | None) -> np.ndarray:
    """Indices of `count` of `total` observations, evenly spaced; all of them if `count` is None or larger."""
    if count is None or count >= total:
        return np.arange(total)
    return np.linspace(0, total - 1, count).round().astype(np.int64)
