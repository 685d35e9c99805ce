"""What each part of the flatness term is for: human motion without mixup, without c²I, and with c² = 1.

Figures 4, 7 and 12. Without mixup the metric is flat at the data and not between; without the identity, ‖G‖² alone
pulls the metric to zero and inflates the latents; with c² = 1 the scale of the latents must first come to that.
"""

from __future__ import annotations

from typing import Any

import torch

from embedding.geometry import metric_tensor, random_pairs
from tools.paper import human, measures, plots
from tools.paper.bench import TITLES, Bench, posterior

NAME = human.NAME
MODELS = ("vhp_fmvae", "vhp_vae", "no_mixup", "no_identity", "fixed_scale")
SHOWN_IN = {"figure07": ("no_mixup", "no_identity"), "figure12": ("vhp_fmvae", "fixed_scale")}


def run(bench: Bench) -> dict[str, Any]:
    """Measure every variant on posterior samples and between them, and draw the figures."""
    figures: dict[str, Any] = {}
    metrics = {}
    for variant in MODELS:
        bench.say(f"ablations: metric of {TITLES[variant]}")
        figures[variant], metrics[variant] = measures.model_figures(bench, NAME, variant, human.SAMPLES)
        between, spread = _between(bench, variant)
        figures[variant]["between"] = measures.flatness_figures(
            metric_tensor(bench.model(NAME, variant).decode, between)
        )
        figures[variant]["latent_spread"] = spread
    _draw_boxes(bench, metrics)
    _draw_equidistance(bench, SHOWN_IN["figure07"], "figure07-ablations-equidistance.png")
    _draw_equidistance(bench, SHOWN_IN["figure12"], "figure12-fixed-scale.png")
    return figures


def _between(bench: Bench, variant: str) -> tuple[torch.Tensor, float]:
    """Latents [samples, 2] on the lines between random encoded frames, and the standard deviation of all frames."""
    means, _ = posterior(bench.model(NAME, variant), bench.data(NAME), bench.sizes.latents)
    ends = means[torch.from_numpy(random_pairs(len(means), min(human.SAMPLES, bench.sizes.samples)))]
    share = torch.rand(len(ends), 1, generator=torch.Generator().manual_seed(0))
    return ends[:, 0] * (1 - share) + ends[:, 1] * share, float(means.std(dim=0).square().mean().sqrt())


def _draw_boxes(bench: Bench, metrics: dict[str, torch.Tensor]) -> None:
    """Fig. 4: condition number and magnification factor of the variants the paper compares."""
    shown = {variant: metrics[variant] for variant in ("vhp_fmvae", "vhp_vae", "no_mixup", "no_identity")}
    plots.flatness_boxes(shown, TITLES, bench.output / "figure04-human-boxes.png")


def _draw_equidistance(bench: Bench, variants: tuple[str, ...], file: str) -> None:
    """Figs. 7 and 12: equidistance lines over the encoded movements."""
    figure, axes = plots.panels(len(variants), height=3.8)
    for axis, variant in zip(axes[0], variants, strict=True):
        model = bench.model(NAME, variant)
        _, means, labels = human.journeys(bench, model)
        plots.equidistance(axis, model.decode, means, bench.sizes.grid)
        plots.classes(axis, means, labels)
        axis.set_title(TITLES[variant])
    plots.magnification_bar(figure, axes[0])
    plots.class_legend(figure, axes[0, 0], columns=5)
    plots.save(figure, bench.output / file)
