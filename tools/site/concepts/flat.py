"""Straight lines in two latent spaces, decoded: how much the picture changes with each step of the same length."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure

from embedding.geometry import Grid, magnification_field
from embedding.geometry.curves import straight_line
from tools.paper.bench import TITLES, Bench, posterior, spread_index
from tools.paper.pyplot import pyplot
from tools.site.concepts.style import Scheme

MODELS = ("vhp_vae", "vhp_fmvae")
SHOWN = 9  # pictures along a line
FINE = 24  # steps between two of them, whose lengths add up
SIDE = 120  # points of the map


@dataclass(frozen=True)
class Line:
    """One model's way between two pictures."""

    title: str
    latents: np.ndarray  # [N, 2] of the data
    grid: Grid
    magnification: np.ndarray  # log10 over the mean, on the grid
    ends: np.ndarray  # [SHOWN, 2]
    pictures: np.ndarray  # [SHOWN, height, width]
    lengths: np.ndarray  # [SHOWN - 1] of each step in pictures, over their mean


def measure(folder: Path, quick: bool = False) -> list[Line]:
    """Both models, trained where they are not there, from the first to the second of two angles.

    Args:
        folder: of `tools.paper`, for the models.
        quick: small models, to see that it runs.
    """
    bench = Bench(folder, quick, say=lambda text: None)
    data = bench.data("pendulum")
    assert data.angles is not None
    count = bench.sizes.latents
    angles = data.angles[spread_index(data, count).numpy()]
    lines = []
    for name in MODELS:
        model = bench.model("pendulum", name)
        means, _ = posterior(model, data, count)
        start, end = (means[int(np.abs(angles - angle).argmin())] for angle in (30.0, 150.0))
        fine = straight_line(start, end, (SHOWN - 1) * FINE + 1)
        with torch.no_grad():
            decoded = model.decode(fine).flatten(1)
        steps = (decoded[1:] - decoded[:-1]).norm(dim=1).reshape(SHOWN - 1, FINE).sum(dim=1).numpy()
        grid = Grid.around(means, 24 if quick else SIDE)
        log = magnification_field(model.decode, grid) / np.log(10)
        side = round(decoded.shape[1] ** 0.5)
        lines.append(
            Line(
                TITLES[name],
                means.numpy(),
                grid,
                log - np.log10(np.mean(10.0**log)),
                fine[::FINE].numpy(),
                decoded[::FINE].reshape(SHOWN, side, side).numpy(),
                steps / steps.mean(),
            )
        )
    return lines


def draw(lines: list[Line], scheme: Scheme) -> Figure:
    """A column a model: the map with the line, the pictures along it, the length of each step."""
    figure = pyplot.figure(figsize=(8.8, 5.0), layout="constrained")
    outer = figure.add_gridspec(3, 2, height_ratios=(3.3, 0.75, 1.3), hspace=0.06)
    highest = max(line.lengths.max() for line in lines)
    for column, line in enumerate(lines):
        latent = figure.add_subplot(outer[0, column])
        _map(latent, line, scheme)
        strip = outer[1, column].subgridspec(1, SHOWN, wspace=0.05)
        for place, picture in enumerate(line.pictures):
            axes = figure.add_subplot(strip[0, place])
            axes.imshow(picture, cmap="gray", vmin=0, vmax=1)
            axes.axis("off")
        bars = figure.add_subplot(outer[2, column])
        colour = scheme.second if column == 0 else scheme.first
        bars.bar(np.arange(SHOWN - 1) + 0.5, line.lengths, width=0.8, color=colour)
        bars.axhline(1, color=scheme.ink, lw=0.8, ls=":")
        bars.set(xlim=(-0.5, SHOWN - 0.5), ylim=(0, highest * 1.08), xticks=[])
        bars.set_xlabel("steps of the same length in latent space")
        if column == 0:
            bars.set_ylabel("change of\nthe picture")
    return figure


def _map(axes: pyplot.Axes, line: Line, scheme: Scheme) -> None:
    horizontal, vertical = line.grid.horizontal.numpy(), line.grid.vertical.numpy()
    axes.pcolormesh(
        horizontal, vertical, line.magnification, cmap="PuOr_r", vmin=-1, vmax=1, shading="gouraud", rasterized=True
    )
    axes.scatter(line.latents[::4, 0], line.latents[::4, 1], s=2, color="#30424a", linewidths=0, rasterized=True)
    axes.plot(*line.ends.T, marker="o", ms=4.5, lw=1.4, color="#000000", mfc="#ffffff", mew=1.2)
    axes.set(xlim=horizontal[[0, -1]], ylim=vertical[[0, -1]], aspect="equal", xticks=[], yticks=[])
    axes.set_title(line.title + (", flat" if "FM" in line.title else ""))
    axes.set_xlabel("latent space; colour: how much picture a piece of it holds", fontsize=8.5)
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(False)
