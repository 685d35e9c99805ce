"""The metric a decoder pulls back to its latent space, and what is read from it: scale, spread, condition, volume.

A decoder here is any callable from latents [B, n] to observations [B, ...] that treats its rows independently.
Euclidean distance in observation space, all values of an observation flattened, induces on the latents the
Riemannian metric G(z) = J(z)ᵀ J(z), J = df/dz (Arvanitidis et al. 2018; Chen et al. 2020, Eq. 4).
"""

from __future__ import annotations

import math

import torch

from embedding.vae.flatness import Decoder, jacobian

CHUNK = 512  # latents a pass: bounds memory, not accuracy


def decode(decoder: Decoder, z: torch.Tensor, chunk: int = 8192) -> torch.Tensor:
    """Flattened observations [..., D] of latents [..., n], without gradients and in chunks."""
    with torch.no_grad():
        rows = z.reshape(-1, z.shape[-1]).split(chunk)
        return torch.cat([decoder(part).flatten(1) for part in rows]).reshape(*z.shape[:-1], -1)


def metric_tensor(decoder: Decoder, z: torch.Tensor, chunk: int = CHUNK) -> torch.Tensor:
    """G = JᵀJ [B, n, n] at latents [B, n], in float64 (the Jacobian is computed in the latents' precision).

    Example:
        >>> stretch = torch.tensor([[1.0, 0.0], [0.0, 2.0], [0.0, 0.0]])  # a decoder from 2 latents to 3 numbers
        >>> metric_tensor(lambda z: z @ stretch.T, torch.zeros(1, 2))[0].tolist()
        [[1.0, 0.0], [0.0, 4.0]]
    """
    metrics = []
    with torch.no_grad():
        for part in z.split(chunk):
            columns = jacobian(decoder, part).double()
            metrics.append(columns.mT @ columns)
    return torch.cat(metrics)


def spectrum(metric: torch.Tensor) -> torch.Tensor:
    """Eigenvalues [B, n] of metrics [B, n, n], ascending, negative rounding errors set to 0."""
    return torch.linalg.eigvalsh(metric).clamp_min(0)


def condition_number(metric: torch.Tensor) -> torch.Tensor:
    """Largest over smallest eigenvalue [B]: 1 is isotropic, infinite is a direction the decoder ignores.

    Example:
        >>> condition_number(torch.diag(torch.tensor([1.0, 4.0]))[None]).item()
        4.0
    """
    values = spectrum(metric)
    return values[:, -1] / values[:, 0]


def log_magnification(metric: torch.Tensor) -> torch.Tensor:
    """Logarithm [B] of the magnification factor sqrt(det G), the volume a unit of latent volume decodes to.

    In log space, since at n = 128 the determinant leaves the range of floating point.
    """
    return 0.5 * spectrum(metric).log().sum(dim=1)


def relative_magnification(metric: torch.Tensor) -> torch.Tensor:
    """Magnification factor over its mean [B], the quantity of Figs. 1, 2, 4 and 9: 1 everywhere on a flat map."""
    log = log_magnification(metric)
    return torch.exp(log - (log.logsumexp(dim=0) - math.log(len(log))))


def mean_scale(metric: torch.Tensor) -> torch.Tensor:
    """c² [], the mean eigenvalue of metrics [B, n, n] (Eq. 13): squared observation length a latent length."""
    return metric.diagonal(dim1=1, dim2=2).mean()


def relative_spread(metric: torch.Tensor) -> torch.Tensor:
    """rel = mean ‖G - c²I‖² / (n c⁴) [] of metrics [B, n, n]: Eq. 12 free of scale. 0 is flat."""
    c2 = mean_scale(metric)
    identity = torch.eye(metric.shape[1], dtype=metric.dtype, device=metric.device)
    return (metric - c2 * identity).square().sum(dim=(1, 2)).mean() / (metric.shape[1] * c2**2)


def effective_dimension(metric: torch.Tensor) -> torch.Tensor:
    """n / (1 + rel) []: how many of the n latent directions the decoder uses evenly (participation ratio)."""
    return metric.shape[1] / (1 + relative_spread(metric))
