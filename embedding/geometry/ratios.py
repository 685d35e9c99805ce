"""How far straight lines are from geodesics: the length ratios of the paper's Table 1."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from embedding.geometry.curves import curve_length, polygon_length, straight_line, subdivide
from embedding.geometry.geodesics import refine_paths
from embedding.geometry.graph import NEIGHBOURS, NODES, build_graph, scatter_nodes, zigzag_ratio
from embedding.geometry.metric import Decoder

PAIRS = 100  # the paper's
LINE_POINTS = 257  # of a straight line, when its length is measured
PIECES = 4  # that a segment of a path or geodesic is decoded in, when its length is measured


@dataclass(frozen=True)
class LengthRatios:
    """Length of the straight line over that of the geodesic, for P pairs; 1 is flat.

    Attributes:
        observation: [P] both measured in observation space. At least 1 but for the graph's zigzag.
        latent: [P] both measured in latent space. At most 1.
    """

    observation: torch.Tensor
    latent: torch.Tensor

    def summary(self) -> dict[str, dict[str, float]]:
        """Mean and standard deviation over the pairs, as they are written to JSON."""
        return {"observation": mean_and_std(self.observation), "latent": mean_and_std(self.latent)}


@dataclass(frozen=True)
class Table1:
    """One model's ratios by the paper's protocol, after refinement, and what the graph shows on a flat map."""

    raw: LengthRatios
    refined: LengthRatios
    floor: torch.Tensor  # [P] zigzag of the same paths' nodes, were the map flat
    geodesics: torch.Tensor  # [P, points, n] refined

    def summary(self) -> dict[str, dict]:
        """The raw ratios at the top, `refined` and `floor` beside them."""
        return {**self.raw.summary(), "refined": self.refined.summary(), "floor": mean_and_std(self.floor)}


def mean_and_std(values: torch.Tensor) -> dict[str, float]:
    return {"mean": float(values.mean()), "std": float(values.std(unbiased=False))}


def length_ratios(decoder: Decoder, curves: Sequence[torch.Tensor], pieces: int = PIECES) -> LengthRatios:
    """Ratios between straight lines and the given curves, each [steps, n], that join the same ends.

    Args:
        pieces: pieces that each segment of a curve is decoded in.
    """
    ends = torch.stack([torch.stack([curve[0], curve[-1]]) for curve in curves])
    lines = straight_line(ends[:, 0], ends[:, 1], LINE_POINTS)
    observed = torch.stack([curve_length(decoder, subdivide(curve, pieces)) for curve in curves])
    latent = torch.stack([polygon_length(curve) for curve in curves])
    return LengthRatios(curve_length(decoder, lines) / observed, polygon_length(lines) / latent)


def random_pairs(count: int, pairs: int, seed: int = 0) -> np.ndarray:
    """Indices [pairs, 2] of distinct observations out of `count`, drawn uniformly."""
    random = np.random.default_rng(seed)
    first = random.integers(0, count, pairs)
    return np.stack([first, (first + random.integers(1, count, pairs)) % count], axis=1)


def measure_table1(
    decoder: Decoder,
    latents: torch.Tensor,
    pairs: int = PAIRS,
    nodes: int = NODES,
    neighbours: int = NEIGHBOURS,
    seed: int = 0,
) -> Table1:
    """The protocol of Table 1 on pairs of encoded observations.

    The graph's nodes are uniform in the bounding box of the latents; the pairs themselves are added as nodes.

    Args:
        latents: [N, n] posterior means.
    """
    ends = latents[torch.from_numpy(random_pairs(len(latents), pairs, seed))]
    scattered = scatter_nodes(latents.amin(dim=0), latents.amax(dim=0), nodes, seed)
    everywhere = torch.cat([scattered, ends[:, 0], ends[:, 1]])
    sources = np.arange(nodes, nodes + pairs)
    paths = build_graph(decoder, everywhere, neighbours).paths(sources, sources + pairs)
    geodesics = refine_paths(decoder, paths)
    return Table1(
        raw=length_ratios(decoder, paths),
        refined=length_ratios(decoder, list(geodesics)),
        floor=zigzag_ratio(everywhere, sources, sources + pairs, neighbours),
        geodesics=geodesics,
    )
