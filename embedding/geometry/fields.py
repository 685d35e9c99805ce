"""Values over a rectangle of a two-dimensional latent space: what the equidistance plots draw."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from embedding.geometry.graph import build_graph
from embedding.geometry.metric import Decoder, log_magnification, metric_tensor

STENCIL = 36  # neighbours of a grid point, up to (3, 1) away: paths run in 24 directions, no more than 18.4° apart


@dataclass(frozen=True)
class Grid:
    """Regular points over a rectangle: `horizontal` [W] and `vertical` [H] coordinates."""

    horizontal: torch.Tensor
    vertical: torch.Tensor

    @classmethod
    def around(cls, latents: torch.Tensor, side: int = 120, margin: float = 0.05) -> Grid:
        """`side` x `side` points over the smallest square around latents [N, 2], widened by `margin` on each side."""
        low, high = latents.amin(dim=0), latents.amax(dim=0)
        reach = float((high - low).max()) * (0.5 + margin)
        horizontal, vertical = (
            torch.linspace(middle - reach, middle + reach, side, dtype=latents.dtype)
            for middle in ((low + high) / 2).tolist()
        )
        return cls(horizontal, vertical)

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.vertical), len(self.horizontal)

    def cells(self, latents: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
        """Row and column [N] each of the grid points nearest to latents [N, 2] within the grid."""
        row, column = (
            np.abs(axis.numpy()[:, None] - latents[:, coordinate].numpy()).argmin(axis=0)
            for axis, coordinate in ((self.vertical, 1), (self.horizontal, 0))
        )
        return row, column

    def points(self) -> torch.Tensor:
        """[H W, 2], row by row."""
        vertical, horizontal = torch.meshgrid(self.vertical, self.horizontal, indexing="ij")
        return torch.stack([horizontal, vertical], dim=-1).flatten(0, 1)


def distance_field(decoder: Decoder, grid: Grid, source: torch.Tensor) -> np.ndarray:
    """Geodesic distance [H, W] in observation space of every grid point from a latent [2].

    Dijkstra over the grid with so wide a stencil that level sets of a flat map look round (within 1.5 %).
    """
    nodes = torch.cat([grid.points(), source[None].to(grid.horizontal)])
    return build_graph(decoder, nodes, STENCIL, pieces=1).distances(len(nodes) - 1)[:-1].reshape(grid.shape)


def magnification_field(decoder: Decoder, grid: Grid) -> np.ndarray:
    """Logarithm [H, W] of the magnification factor sqrt(det G) at every grid point."""
    return log_magnification(metric_tensor(decoder, grid.points())).numpy().reshape(grid.shape)
