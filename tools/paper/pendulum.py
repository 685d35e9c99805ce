"""Section 4.1: pendulum images, two latents. Figures 1 and 2, and the length ratios of Table 1's protocol."""

from __future__ import annotations

from typing import Any

from matplotlib.colors import Normalize

from tools.paper import measures, plots
from tools.paper.bench import TITLES, Bench, posterior, spread_index

NAME = "pendulum"
MODELS = ("vhp_vae", "vhp_fmvae")
SAMPLES = 1_000  # of Fig. 2, as in the paper


def run(bench: Bench) -> dict[str, Any]:
    """Measure both models and draw the figures."""
    figures: dict[str, Any] = {}
    metrics = {}
    for variant in MODELS:
        figures[variant], metrics[variant] = measures.model_figures(bench, NAME, variant, SAMPLES)
        bench.say(f"{NAME}: length ratios of {TITLES[variant]}")
        figures[variant]["length_ratio"] = measures.table1(bench, NAME, variant).summary()
    _draw_equidistance(bench)
    plots.flatness_boxes(metrics, TITLES, bench.output / "figure02-pendulum-boxes.png")
    return figures


def _draw_equidistance(bench: Bench) -> None:
    """Fig. 1: a ring of pendulums, coloured by the angle."""
    data = bench.data(NAME)
    assert data.angles is not None
    figure, axes = plots.panels(2)
    for axis, variant in zip(axes[0], MODELS, strict=True):
        model = bench.model(NAME, variant)
        means, _ = posterior(model, data, bench.sizes.latents)
        plots.equidistance(axis, model.decode, means, bench.sizes.grid)
        angles = data.angles[spread_index(data, bench.sizes.latents).numpy()]
        points = axis.scatter(means[:, 0], means[:, 1], c=angles, cmap="hsv", norm=Normalize(0, 360), s=3, linewidths=0)
        axis.set_title(TITLES[variant])
    plots.magnification_bar(figure, axes[0])
    figure.colorbar(points, ax=axes[0], shrink=0.8, pad=0.01, ticks=range(0, 361, 90), label="pendulum's angle [°]")
    plots.save(figure, bench.output / "figure01-pendulum-equidistance.png")
