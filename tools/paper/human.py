"""Section 4.2: human motion, two latents. Figures 3, 5, 6 and 11; Figures 4, 7 and 12 are the ablations'."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from embedding.data.dataset import ArrayDataSet
from embedding.geometry import (
    Grid,
    build_graph,
    decode,
    metric_tensor,
    random_pairs,
    refine_paths,
    scatter_nodes,
    second_difference,
    straight_line,
)
from embedding.vae.model import FlatVAE
from tools.paper import measures, plots
from tools.paper.bench import TITLES, Bench, posterior, spread_index

NAME = "human"
MODELS = ("vhp_vae", "vhp_fmvae")
SAMPLES = 3_000  # metrics, as in the paper
FRAMES = 60  # of an interpolation
# Movements that Fig. 3's geodesics and Fig. 6's interpolation join
JOURNEYS = (("walking", "kicking"), ("jogging", "balancing"), ("punching", "walking"), ("kicking", "punching"))
SHOWN = ("lfemur_rx", "rfemur_rx", "rtibia_rx", "lradius_rx", "rradius_rx", "rhumerus_rz")  # channels of Fig. 6
ARROWS = 22  # a side of Fig. 11
GEODESIC = "#f032e6"  # unlike the movements' colours


def run(bench: Bench) -> dict[str, Any]:
    """Measure both models and draw the figures."""
    figures: dict[str, Any] = {}
    smoothness = {}
    for variant in MODELS:
        bench.say(f"{NAME}: metric and smoothness of {TITLES[variant]}")
        figures[variant], _ = measures.model_figures(bench, NAME, variant, SAMPLES)
        smoothness[variant] = _smoothness(bench, variant)
        figures[variant]["smoothness"] = {
            "unit": "degrees per frame squared, mean over joints; 60 frames from end to end",
            "mean": float(smoothness[variant].mean()),
            "std": float(smoothness[variant].mean(dim=1).std()),
        }
    _draw_equidistance(bench)
    _draw_smoothness(bench, smoothness)
    _draw_interpolation(bench)
    _draw_vector_field(bench)
    return figures


def degrees(data: ArrayDataSet, values: torch.Tensor) -> torch.Tensor:
    """Joint angles [..., 50] in degrees of the network's scaled ones."""
    std, mean = (torch.tensor(data.about[key], dtype=values.dtype) for key in ("std", "mean"))
    return values * std + mean


def _smoothness(bench: Bench, variant: str) -> torch.Tensor:
    """Size of the second difference [pairs, 50], degrees, along straight lines between random frames."""
    model, data = bench.model(NAME, variant), bench.data(NAME)
    means, _ = posterior(model, data, bench.sizes.latents)
    ends = means[torch.from_numpy(random_pairs(len(means), bench.sizes.pairs))]
    return second_difference(degrees(data, decode(model.decode, straight_line(ends[:, 0], ends[:, 1], FRAMES))))


def _typical(means: torch.Tensor, labels: np.ndarray, movement: str) -> torch.Tensor:
    """The encoded frame [2] nearest the middle of a movement's."""
    own = means[torch.from_numpy(labels == movement)]
    return own[(own - own.median(dim=0).values).norm(dim=1).argmin()]


def journeys(bench: Bench, model: FlatVAE) -> tuple[torch.Tensor, torch.Tensor, np.ndarray]:
    """Ends [J, 2, 2] of the journeys between movements, encoded frames [N, 2] and their movements [N]."""
    data = bench.data(NAME)
    assert data.labels is not None
    means, _ = posterior(model, data, bench.sizes.latents)
    labels = data.labels[spread_index(data, bench.sizes.latents).numpy()]
    pairs = [torch.stack([_typical(means, labels, movement) for movement in journey]) for journey in JOURNEYS]
    return torch.stack(pairs), means, labels


def _draw_equidistance(bench: Bench) -> None:
    """Fig. 3: equidistance lines, movements, and geodesics beside the straight lines between movements."""
    figure, axes = plots.panels(2, height=3.8)
    for axis, variant in zip(axes[0], MODELS, strict=True):
        model = bench.model(NAME, variant)
        ends, means, labels = journeys(bench, model)
        plots.equidistance(axis, model.decode, means, bench.sizes.grid)
        plots.classes(axis, means, labels)
        scattered = scatter_nodes(means.amin(dim=0), means.amax(dim=0), bench.sizes.nodes)
        sources = np.arange(len(ends)) + len(scattered)
        graph = build_graph(model.decode, torch.cat([scattered, ends[:, 0], ends[:, 1]]))
        for start, geodesic in zip(
            ends, refine_paths(model.decode, graph.paths(sources, sources + len(ends))), strict=True
        ):
            axis.plot(*start.numpy().T, color="white", linewidth=1.3, linestyle=(0, (4, 2)))
            axis.plot(*geodesic.numpy().T, color=GEODESIC, linewidth=1.6)
        axis.set_title(TITLES[variant])
    axes[0, 0].plot([], [], color=GEODESIC, label="geodesic")
    axes[0, 0].plot([], [], color="grey", linestyle=(0, (4, 2)), label="straight line (white)")
    plots.magnification_bar(figure, axes[0])
    plots.class_legend(figure, axes[0, 0], columns=4)
    plots.save(figure, bench.output / "figure03-human-equidistance.png")


def _draw_smoothness(bench: Bench, smoothness: dict[str, torch.Tensor]) -> None:
    """Fig. 5: mean and standard deviation over the interpolations, a joint angle at a time."""
    channels = bench.data(NAME).about["channels"]
    figure, axes = plots.panels(1, width=9.5, height=3.6)
    axis = axes[0, 0]
    for shift, (variant, values) in zip((-0.2, 0.2), smoothness.items(), strict=True):
        place = np.arange(len(channels)) + shift
        axis.bar(place, values.mean(dim=0).numpy(), 0.4, color=plots.COLOURS[variant], label=TITLES[variant])
        low = torch.minimum(values.std(dim=0), values.mean(dim=0))  # no error bar below zero
        axis.errorbar(
            place, values.mean(dim=0), [low, values.std(dim=0)], fmt="none", ecolor="black", elinewidth=0.6, alpha=0.7
        )
    axis.set_xticks(range(len(channels)), channels, rotation=90, fontsize=7)
    axis.set(ylabel="|second difference| [° / frame²]", xlim=(-1, len(channels)))
    axis.set_ylim(bottom=0)
    axis.set_title(f"mean and standard deviation over {len(values)} straight-line interpolations of {FRAMES} frames")
    plots.class_legend(figure, axis, columns=2)
    plots.save(figure, bench.output / "figure05-human-smoothness.png")


def _draw_interpolation(bench: Bench) -> None:
    """Fig. 6: one straight line from movement to movement, as joint angles over its frames."""
    data = bench.data(NAME)
    figure, axes = plots.panels(2, width=4.4, height=3.4)
    for axis, variant in zip(axes[0], MODELS, strict=True):
        model = bench.model(NAME, variant)
        ends, *_ = journeys(bench, model)
        angles = degrees(data, decode(model.decode, straight_line(ends[0, 0], ends[0, 1], FRAMES)))
        for channel in SHOWN:
            axis.plot(angles[:, data.about["channels"].index(channel)], label=channel, linewidth=1.3)
        axis.set(title=f"{TITLES[variant]}: {' to '.join(JOURNEYS[0])}", xlabel="frame", xlim=(0, FRAMES - 1))
        axis.grid(linewidth=0.3, alpha=0.5)
    axes[0, 0].set_ylabel("joint angle [°]")
    axes[0, 1].sharey(axes[0, 0])
    plots.class_legend(figure, axes[0, 0], columns=6)
    plots.save(figure, bench.output / "figure06-human-interpolation.png")


def _draw_vector_field(bench: Bench) -> None:
    """Fig. 11: along which direction the decoder stretches most, and how much more than across it."""
    figure, axes = plots.panels(2)
    for axis, variant in zip(axes[0], MODELS, strict=True):
        model = bench.model(NAME, variant)
        means, _ = posterior(model, bench.data(NAME), bench.sizes.latents)
        grid = Grid.around(means, ARROWS)
        drawn = plots.stretch_field(axis, grid.points(), metric_tensor(model.decode, grid.points()))
        axis.scatter(*means.numpy().T, s=1, color="lightgrey", linewidths=0, zorder=0)
        axis.set_title(TITLES[variant])
    bar = figure.colorbar(drawn, ax=axes[0], shrink=0.8, pad=0.01, extend="max")
    bar.set_label("condition number of G")
    bar.set_ticks([1, 3, 10, 30, 100], labels=["1", "3", "10", "30", "100"])
    plots.save(figure, bench.output / "figure11-human-vector-field.png")
