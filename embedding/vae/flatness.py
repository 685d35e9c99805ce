"""The penalty that makes the decoder's metric G = J^T J a multiple of the identity (Eq. 9, 12 and 13).

    c^2 = mean_b tr(G) / n          R = mean_b ||G - c^2 I||_F^2          rel = R / (n c^4)

All three are functions of two moments a sample, tr G and tr G^2, for which there are three estimators:

`exact`: the whole Jacobian by vmap(jvp), n forward derivatives a sample in chunks. Rounding error only.
`finite_difference`: (f(z + step e_i) - f(z)) / step, the paper's term with Eq. 10's division mended (as printed its
    expectation is 0). Error O(step) a derivative; never under bf16 or TF32, where the difference is noise.
`directional`: k Haar-orthonormal directions v, one jvp and one vjp each: tr G = (n/k) sum |Jv|^2 and
    tr G^2 = (n/k) sum |J^T J v|^2, both unbiased; the relative standard deviation of R on a nearly flat metric of 128
    latents is 0.13 a sample for k = 2 and 0.06 for k = 8. Coordinate axes instead of Haar directions would degenerate:
    the Jacobian of a variational auto-encoder is aligned with them.

R from moments cancels: in single precision rel is good to about 1e-6.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

import torch
from torch import Tensor
from torch.func import jvp, vjp, vmap
from torch.nn import functional

from embedding.vae.linearised import is_written_out, push_and_pull

Decoder = Callable[[Tensor], Tensor]
Estimator = Literal["exact", "finite_difference", "directional"]


class Moments(NamedTuple):
    """Of the metric at each of B latents."""

    trace: Tensor  # [B], tr G
    trace_squared: Tensor  # [B], tr G^2

    def mean(self) -> Tensor:
        """[2], the means over the samples."""
        return torch.stack([self.trace.mean(), self.trace_squared.mean()])


class Flatness(NamedTuple):
    """How far the metric is from c^2 I; all scalars."""

    penalty: Tensor  # what to minimise: R in absolute mode, rel in relative mode; carries the gradient
    R: Tensor  # mean over samples of ||G - c^2 I||_F^2
    c2: Tensor  # the target c^2
    rel: Tensor  # R / (n c^4) at the mean c^2: squared relative spread of the eigenvalues; 0 is flat


def flatness_penalty(
    decoder: Decoder,
    z: Tensor,
    *,
    estimator: Estimator = "exact",
    mode: Literal["absolute", "relative"] = "absolute",
    directions: int | Tensor = 2,
    generator: torch.Generator | None = None,
    step: float = 1e-2,
    chunk: int = 16,
    c2: float | None = None,
) -> Flatness:
    """The flatness of a decoder at latents z, differentiable towards its parameters and z.

    Args:
        decoder: z [B, n] -> x [B, ...], samples independent of each other.
        z: [B, n].
        estimator: see the module's docstring.
        mode: "absolute" is Eq. 12, whose strength depends on the scale of z; "relative" is free of it.
        directions: of the directional estimator: k, or k orthonormal directions a sample [B, n, k].
        generator: draws the directions when only their number is given.
        step: of the finite difference, in units of z.
        chunk: derivatives taken at once by the exact estimator.
        c2: a fixed target of absolute mode; None is the mean over the samples (Eq. 13).

    Raises:
        ValueError: an unknown estimator, or more directions than latents.

    Example:
        >>> flat = torch.eye(3)[:, :2]  # keeps lengths and angles: an isometry
        >>> flatness_penalty(lambda z: z @ flat.T, torch.zeros(4, 2)).penalty.item()
        0.0
    """
    if estimator == "directional" and isinstance(directions, int):
        shape = (*z.shape, directions)
        noise = torch.randn(
            shape, generator=generator, dtype=z.dtype, device=generator.device if generator else z.device
        )
        directions = haar_directions(noise.to(z.device))
    moments = metric_moments(decoder, z, estimator, directions, step, chunk)
    return flatness(moments, moments.mean(), z.shape[-1], mode, c2)


def flatness(
    moments: Moments,
    mean: Tensor,
    latent_dim: int,
    mode: Literal["absolute", "relative"] = "absolute",
    c2: float | None = None,
) -> Flatness:
    """R, c^2 and rel from the moments of the metric.

    The mean c^2 of absolute mode is detached: where c^2 is the mean of the same batch its gradient is zero. The
    relative penalty's gradient passes through c^2 and is then exactly zero along a rescaling of z. Both are written
    linear in this process's moments, so that the mean of the gradients over processes is that of one large batch.

    Args:
        moments: at this process's samples; they carry the gradient.
        mean: [2], `moments.mean()` averaged over all processes of a distributed run.
        latent_dim: n.
        mode, c2: as `flatness_penalty`.
    """
    trace, squared = moments.mean()
    mean_trace, mean_squared = mean.detach()
    mean_c2 = mean_trace / latent_dim
    rel = mean_squared / (latent_dim * mean_c2**2) - 1
    target = mean_c2 if c2 is None else torch.full_like(mean_c2, c2)
    value = mean_squared - 2 * target * mean_trace + latent_dim * target**2
    if mode == "absolute":
        return Flatness(squared - 2 * target * trace + latent_dim * target**2, value, target, rel)
    slope = (squared - 2 * mean_c2 * (rel + 1) * trace) / (latent_dim * mean_c2**2)
    return Flatness(rel + slope - slope.detach(), value, mean_c2, rel)


def metric_moments(
    decoder: Decoder,
    z: Tensor,
    estimator: Estimator,
    directions: Tensor | int,
    step: Tensor | float = 1e-2,
    chunk: int = 16,
) -> Moments:
    """tr G and tr G^2 at each latent. Arguments as `flatness_penalty`; directions [B, n, k] only if directional."""
    if estimator == "directional":
        if isinstance(directions, int):
            raise ValueError("directions: expected orthonormal vectors [B, n, k]")
        return _directional_moments(decoder, z.contiguous(), directions)
    if estimator == "finite_difference":
        return _matrix_moments(_difference_jacobian(decoder, z, step))
    if estimator == "exact":
        return _matrix_moments(jacobian(decoder, z, chunk).to(z.dtype))
    raise ValueError(f"estimator: found {estimator!r}, expected exact, finite_difference or directional")


def haar_directions(noise: Tensor) -> Tensor:
    """Standard normal noise [B, n, k], k <= n -> k orthonormal directions a sample, Haar-distributed.

    By Gram and Schmidt, each direction twice, which is enough against rounding (Giraud et al. 2005). A library's QR
    gives the same up to signs that would have to be mended, and cannot be part of a recorded step.
    """
    if noise.shape[-1] > noise.shape[-2]:
        raise ValueError(f"{noise.shape[-1]} directions: expected at most as many as the {noise.shape[-2]} latents")
    found: list[Tensor] = []
    for direction in noise.unbind(-1):
        for _ in range(2 if found else 0):
            basis = torch.stack(found, -1)
            direction = direction - (basis @ (basis.mT @ direction.unsqueeze(-1))).squeeze(-1)
        found.append(functional.normalize(direction, dim=-1))
    return torch.stack(found, -1)


def jacobian(decoder: Decoder, z: Tensor, chunk: int = 16) -> Tensor:
    """df/dz at each latent by forward derivatives, `chunk` latent axes at a time. z [B, n] -> [B, D, n]"""
    z = z.contiguous()  # forward derivatives refuse an expanded tensor
    axes = torch.eye(z.shape[-1], dtype=z.dtype, device=z.device).unsqueeze(1).expand(-1, *z.shape)  # [n, B, n]

    def derivative(tangent: Tensor) -> Tensor:
        return jvp(decoder, (z,), (tangent,))[1].flatten(1)

    return vmap(derivative, out_dims=2, chunk_size=chunk)(axes)


def _difference_jacobian(decoder: Decoder, z: Tensor, step: Tensor | float) -> Tensor:
    """Forward differences in full precision, whatever autocast surrounds them. z [B, n] -> [B, D, n]"""
    count, latent_dim = z.shape
    with torch.autocast(z.device.type, enabled=False):
        moved = z.unsqueeze(1) + step * torch.eye(latent_dim, dtype=z.dtype, device=z.device)  # [B, n, n]
        at, beside = decoder(z).flatten(1), decoder(moved.flatten(0, 1)).flatten(1)
        return (beside.view(count, latent_dim, -1) - at.unsqueeze(1)).transpose(1, 2) / step


def _matrix_moments(jacobians: Tensor) -> Moments:
    with torch.autocast(jacobians.device.type, enabled=False):  # R is a small difference of large sums
        metric = jacobians.transpose(1, 2) @ jacobians
    return Moments(torch.diagonal(metric, dim1=1, dim2=2).sum(1), metric.square().sum((1, 2)))


def _directional_moments(decoder: Decoder, z: Tensor, directions: Tensor) -> Moments:
    """From J v and J^T J v of each direction; sums in z's precision: under autocast the derivatives are bfloat16."""
    if is_written_out(decoder):
        pushed, pulled = push_and_pull(decoder, z, directions)  # [k, B, D], [k, B, n]
    else:
        pushed, pulled = _derived(decoder, z, directions)
    latent_dim = z.shape[1]
    return Moments(
        latent_dim * pushed.to(z.dtype).square().sum(2).mean(0),
        latent_dim * pulled.to(z.dtype).square().sum(2).mean(0),
    )


def _derived(decoder: Decoder, z: Tensor, directions: Tensor) -> tuple[Tensor, Tensor]:
    """`push_and_pull` of any decoder. The tangent map v -> Jv is linear, so its own vjp is J^T: all directions share
    one pass through the decoder, and only tangents are repeated."""

    def along(direction: Tensor) -> tuple[Tensor, Tensor]:
        pushed, pull, *_ = vjp(lambda tangent: jvp(decoder, (z,), (tangent,))[1], direction)  # J v
        return pushed.flatten(1), pull(pushed)[0]  # and J^T J v

    pushed, pulled = vmap(along, in_dims=2)(directions)
    return pushed, pulled
