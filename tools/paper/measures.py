"""The numbers every experiment reports of a model: how flat, at what reconstruction, and how lengths compare."""

from __future__ import annotations

from typing import Any

import torch

from embedding.data.dataset import ArrayDataSet
from embedding.geometry import (
    condition_number,
    effective_dimension,
    mean_scale,
    measure_table1,
    metric_tensor,
    relative_magnification,
    relative_spread,
)
from embedding.geometry.ratios import Table1
from embedding.vae.model import FlatVAE
from tools.paper.bench import Bench, posterior, spread_index

# Table 1 of the paper: mean and standard deviation of Euclidean over geodesic length, raw graph
PUBLISHED_TABLE1 = {
    "human": {
        "vhp_fmvae": {"observation": {"mean": 1.02, "std": 0.06}, "latent": {"mean": 0.93, "std": 0.03}},
        "vhp_vae": {"observation": {"mean": 1.23, "std": 0.20}, "latent": {"mean": 0.82, "std": 0.10}},
    },
    "mnist": {
        "vhp_fmvae": {"observation": {"mean": 1.01, "std": 0.08}, "latent": {"mean": 0.92, "std": 0.05}},
        "vhp_vae": {"observation": {"mean": 1.13, "std": 0.22}, "latent": {"mean": 0.70, "std": 0.31}},
    },
}


def box(values: torch.Tensor) -> dict[str, float]:
    """Median, quartiles and 95th percentile."""
    shares = torch.tensor([0.5, 0.25, 0.75, 0.95], dtype=values.dtype)
    return dict(zip(("median", "q1", "q3", "p95"), values.quantile(shares).tolist(), strict=True))


def flatness_figures(metric: torch.Tensor) -> dict[str, Any]:
    """Of metrics [B, n, n]: the box plots' numbers, and the spread, scale and dimension behind them."""
    return {
        "condition": box(condition_number(metric)),
        "magnification": box(relative_magnification(metric)),
        "relative_spread": float(relative_spread(metric)),
        "scale": float(mean_scale(metric).sqrt()),
        "effective_dimension": float(effective_dimension(metric)),
    }


def model_figures(bench: Bench, name: str, variant: str, samples: int) -> tuple[dict[str, Any], torch.Tensor]:
    """Everything but lengths of one model, and the metrics [samples, n, n] at its posterior samples.

    Flatness never alone: a collapsed model is perfectly flat. So F, active units and the error of reconstruction
    stand beside it.
    """
    model, data = bench.model(name, variant), bench.data(name)
    _, z = posterior(model, data, min(samples, bench.sizes.samples))
    metric = metric_tensor(model.decode, z)
    trained = bench.record(name, variant)
    figures = flatness_figures(metric)
    figures["reconstruction"] = reconstruction_error(model, data, bench.sizes.latents)
    figures["training"] = {key: trained[key] for key in ("step", "C", "F", "beta", "active_units") if key in trained}
    return figures, metric


@torch.no_grad()
def reconstruction_error(model: FlatVAE, data: ArrayDataSet, count: int) -> float:
    """Mean squared error a value of the decoded posterior mean, against the noise-free observation where known.

    In the data's scaled units squared; for Bernoulli likelihoods of the mean against 0 and 1.
    """
    index = spread_index(data, count)
    truth = data.batch(index) if data.clean is None else data.clean[index]
    mean, _ = model.encode(data.batch(index))
    return float((model.decode(mean) - truth).square().mean())


def table1(bench: Bench, name: str, variant: str) -> Table1:
    """Length ratios of one model by the paper's protocol."""
    model, data = bench.model(name, variant), bench.data(name)
    means, _ = posterior(model, data, bench.sizes.latents)
    return measure_table1(model.decode, means, pairs=bench.sizes.pairs, nodes=bench.sizes.nodes)
