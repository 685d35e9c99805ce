"""Section 4.3: binarised MNIST, two latents. Figures 8 and 9."""

from __future__ import annotations

from typing import Any

from tools.paper import measures, plots
from tools.paper.bench import TITLES, Bench, posterior, spread_index

NAME = "mnist"
MODELS = ("vhp_vae", "vhp_fmvae")
SAMPLES = 10_000  # of Fig. 9, as in the paper


def run(bench: Bench) -> dict[str, Any]:
    """Measure both models and draw the figures."""
    figures: dict[str, Any] = {}
    metrics = {}
    for variant in MODELS:
        bench.say(f"{NAME}: metric of {TITLES[variant]}")
        figures[variant], metrics[variant] = measures.model_figures(bench, NAME, variant, SAMPLES)
    _draw_equidistance(bench)
    plots.flatness_boxes(metrics, TITLES, bench.output / "figure09-mnist-boxes.png")
    return figures


def _draw_equidistance(bench: Bench) -> None:
    """Fig. 8: equidistance lines over the encoded digits."""
    data = bench.data(NAME)
    assert data.labels is not None
    labels = data.labels[spread_index(data, bench.sizes.latents).numpy()]
    figure, axes = plots.panels(2, height=3.8)
    for axis, variant in zip(axes[0], MODELS, strict=True):
        model = bench.model(NAME, variant)
        means, _ = posterior(model, data, bench.sizes.latents)
        plots.equidistance(axis, model.decode, means, bench.sizes.grid)
        plots.classes(axis, means, labels)
        axis.set_title(TITLES[variant])
    plots.magnification_bar(figure, axes[0])
    plots.class_legend(figure, axes[0, 0], columns=10)
    plots.save(figure, bench.output / "figure08-mnist-equidistance.png")
