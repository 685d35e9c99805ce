"""The paper's kinds of plot: equidistance maps, box plots over samples, smoothness a joint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.quiver import Quiver
from matplotlib.ticker import FormatStrFormatter, LogLocator, NullFormatter

from embedding.files import atomic_path
from embedding.geometry import Grid, condition_number, distance_field, magnification_field, relative_magnification
from embedding.geometry.metric import Decoder
from tools.paper.pyplot import pyplot

STYLE: Any = {"font.size": 9, "axes.titlesize": 10, "axes.spines.top": False, "axes.spines.right": False}
COLOURS = {
    "vhp_vae": "#b5524a",
    "vhp_fmvae": "#3b6ea5",
    "no_mixup": "#c99a3b",
    "no_identity": "#7a5c99",
    "fixed_scale": "#5b9279",
}
MAGNIFICATION = Normalize(-1, 1)  # log10 of the magnification factor over its mean, the same in every plot
RINGS = 8  # equidistance lines from the middle to the farthest observation


def panels(columns: int, rows: int = 1, width: float = 3.6, height: float = 3.4) -> tuple[Figure, np.ndarray]:
    """A figure with a grid of axes [rows, columns], sizes in inches each."""
    with pyplot.rc_context(STYLE):
        figure, axes = pyplot.subplots(rows, columns, figsize=(width * columns, height * rows), squeeze=False)
    figure.set_layout_engine("constrained", w_pad=0.08, h_pad=0.05)
    return figure, axes


def save(figure: Figure, path: Path) -> None:
    """Write a PNG, whole or not at all."""
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=140, format="png", bbox_inches="tight", pad_inches=0.08)
    pyplot.close(figure)


def equidistance(axes: Axes, decoder: Decoder, latents: torch.Tensor, side: int) -> None:
    """Magnification factor as shade, and lines of equal geodesic distance from the middle.

    On a flat map the shade is even and the lines are evenly spaced circles.

    Args:
        latents: [N, 2] encoded observations; the plot covers a square around them.
        side: grid points a side.
    """
    grid = Grid.around(latents, side)
    log = magnification_field(decoder, grid) / np.log(10)
    log -= np.log10(np.mean(10.0**log))
    centre = (latents.amin(dim=0) + latents.amax(dim=0)) / 2
    field = distance_field(decoder, grid, centre)
    horizontal, vertical = grid.horizontal.numpy(), grid.vertical.numpy()
    axes.pcolormesh(horizontal, vertical, log, cmap="Greys_r", norm=MAGNIFICATION, shading="gouraud", rasterized=True)
    step = field[grid.cells(latents)].max() / RINGS
    levels = np.arange(step, field.max(), step)[: 4 * RINGS]
    axes.contour(horizontal, vertical, field, levels=levels, colors="#e07b39", linewidths=0.9)
    axes.plot(*centre.tolist(), marker="+", color="#e07b39", markersize=7)
    axes.set(xlabel="$z_1$", ylabel="$z_2$", aspect="equal", xlim=horizontal[[0, -1]], ylim=vertical[[0, -1]])


def magnification_bar(figure: Figure, axes: Sequence[Axes] | np.ndarray) -> None:
    """The scale of every equidistance plot's shade."""
    bar = figure.colorbar(ScalarMappable(MAGNIFICATION, "Greys_r"), ax=axes, shrink=0.8, pad=0.01)
    bar.set_label("magnification factor / mean")
    bar.set_ticks([-1, -0.5, 0, 0.5, 1], labels=["0.1", "0.3", "1", "3", "10"])


def classes(axes: Axes, latents: torch.Tensor, labels: np.ndarray) -> None:
    """Encoded observations coloured by class, with a legend."""
    palette = pyplot.get_cmap("tab10")
    for number, name in enumerate(np.unique(labels)):
        points = latents[torch.from_numpy(labels == name)].numpy()
        axes.scatter(
            points[:, 0],
            points[:, 1],
            s=2.5,
            color=palette(number),
            label=str(name),
            linewidths=0,
            alpha=0.7,
            rasterized=True,
        )


def class_legend(figure: Figure, axes: Axes, columns: int) -> None:
    """One legend under the whole figure."""
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=columns, markerscale=4, frameon=False)


def boxes(axes: Axes, values: Mapping[str, torch.Tensor], titles: Mapping[str, str], label: str) -> None:
    """One box a model: quartiles and median; whiskers from the 5th to the 95th percentile; logarithmic axis."""
    drawn = axes.boxplot(
        [sample.numpy() for sample in values.values()],
        whis=(5, 95),
        showfliers=False,
        widths=0.55,
        patch_artist=True,
        medianprops={"color": "black"},
    )
    for patch, name in zip(drawn["boxes"], values, strict=True):
        patch.set_facecolor(COLOURS[name])
        patch.set_alpha(0.75)
    axes.set_xticks(range(1, len(values) + 1), [titles[name] for name in values])
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(FormatStrFormatter("%g"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_ylabel(label)
    axes.axhline(1, color="grey", linewidth=0.8, linestyle=":", zorder=0)
    axes.grid(axis="y", which="both", linewidth=0.3, alpha=0.5)


def flatness_boxes(metrics: Mapping[str, torch.Tensor], titles: Mapping[str, str], path: Path) -> None:
    """Figs. 2, 4 and 9: condition number and magnification factor of metrics [B, n, n], a box a model."""
    figure, axes = panels(2, width=1.4 + 0.85 * len(metrics))
    conditions = {name: condition_number(metric) for name, metric in metrics.items()}
    factors = {name: relative_magnification(metric) for name, metric in metrics.items()}
    boxes(axes[0, 0], conditions, titles, "condition number of G")
    boxes(axes[0, 1], factors, titles, "magnification factor / mean")
    save(figure, path)


def stretch_field(axes: Axes, points: torch.Tensor, metric: torch.Tensor) -> Quiver:
    """At latents [B, 2] the direction their metric [B, 2, 2] stretches most, coloured by the condition number."""
    values, vectors = torch.linalg.eigh(metric)
    drawn = axes.quiver(
        *points.numpy().T,
        *vectors[:, :, -1].numpy().T,
        (values[:, -1] / values[:, 0].clamp_min(1e-12)).numpy(),
        norm=LogNorm(1, 100),
        cmap="viridis",
        pivot="middle",
        headwidth=0,
        headlength=0,
        headaxislength=0,
        scale=1.4 * len(points) ** 0.5,
        width=0.006,
    )
    axes.set(xlabel="$z_1$", ylabel="$z_2$", aspect="equal")
    return drawn
