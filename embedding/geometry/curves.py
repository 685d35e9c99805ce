"""Curves in latent space and their length where it counts, in observation space.

A curve is its points [..., T, n], T >= 2, joined by straight segments. Its observation length is that of the polygon
through the decoded points: from below it converges to the Riemannian length ∫ sqrt(γ'ᵀ G γ') dt as T grows.
"""

from __future__ import annotations

import torch

from embedding.geometry.metric import Decoder, decode


def straight_line(start: torch.Tensor, end: torch.Tensor, points: int) -> torch.Tensor:
    """Evenly spaced points [..., points, n] from `start` [..., n] to `end` [..., n]."""
    time = torch.linspace(0, 1, points, dtype=start.dtype, device=start.device)[:, None]
    return start[..., None, :] * (1 - time) + end[..., None, :] * time


def polygon_length(points: torch.Tensor) -> torch.Tensor:
    """Length [...] of polygons through points [..., T, D]."""
    return points.diff(dim=-2).norm(dim=-1).sum(dim=-1)


def curve_length(decoder: Decoder, curve: torch.Tensor) -> torch.Tensor:
    """Observation-space length [...] of curves [..., T, n]."""
    return polygon_length(decode(decoder, curve))


def curve_energy(observations: torch.Tensor) -> torch.Tensor:
    """Energy [...] = (T - 1) Σ ‖x_{t+1} - x_t‖² of decoded curves [..., T, D].

    The discrete ∫ ‖dx/dt‖² dt over t in [0, 1]: at least the squared length, equal to it at constant speed. Its
    minimisers are geodesics at constant speed, which the length alone does not fix.
    """
    return (observations.shape[-2] - 1) * observations.diff(dim=-2).square().sum(dim=(-2, -1))


def subdivide(curve: torch.Tensor, pieces: int) -> torch.Tensor:
    """The same polygon [..., T, n] with every segment cut into equal pieces: [..., (T - 1) pieces + 1, n]."""
    segments = straight_line(curve[..., :-1, :], curve[..., 1:, :], pieces + 1)[..., :-1, :]
    return torch.cat([segments.flatten(-3, -2), curve[..., -1:, :]], dim=-2)


def resample(curve: torch.Tensor, points: int) -> torch.Tensor:
    """The polygon through `curve` [T, n] at `points` places evenly spaced along its own length."""
    steps = curve.diff(dim=0).norm(dim=-1)
    position = torch.cat([steps.new_zeros(1), steps.cumsum(0)])
    wanted = torch.linspace(0, 1, points, dtype=curve.dtype, device=curve.device) * position[-1]
    after = torch.searchsorted(position, wanted).clamp(1, len(curve) - 1)
    weight = ((wanted - position[after - 1]) / steps[after - 1].clamp_min(torch.finfo(curve.dtype).tiny))[:, None]
    return curve[after - 1] * (1 - weight) + curve[after] * weight


def second_difference(observations: torch.Tensor) -> torch.Tensor:
    """Size |x_{t+1} - 2 x_t + x_{t-1}| averaged over a curve: [..., D] of decoded curves [..., T, D].

    The smoothness of an interpolation in every observed value (Figs. 5 and 6); smaller is smoother.
    """
    return observations.diff(n=2, dim=-2).abs().mean(dim=-2)
