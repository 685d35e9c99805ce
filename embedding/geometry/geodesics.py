"""Geodesics by energy minimisation: the graph's zigzag path, pulled taut.

A curve with fixed ends is the straight line between them plus a displacement. The displacement's sine coefficients,
scaled by the line's length over the frequency, are the unknowns: in these the energy of a flat map, relative to the
line's, has nearly a multiple of the identity as its Hessian, so that a quasi-Newton method converges in a few steps
however many points and curves there are.
"""

from __future__ import annotations

import math

import torch

from embedding.geometry.curves import curve_energy, curve_length, polygon_length, resample, straight_line
from embedding.geometry.metric import Decoder

POINTS = 40  # of a refined curve
STEPS = 200  # at most, of L-BFGS
TOLERANCE = 1e-6  # fall of a curve's relative energy a step, on average, at which the minimisation ends


def sine_basis(points: int, like: torch.Tensor) -> torch.Tensor:
    """[points, points - 2] displacements sin(π m t) / m, m = 1, ..., that vanish at both ends."""
    time = torch.linspace(0, 1, points, dtype=like.dtype, device=like.device)[:, None]
    frequency = torch.arange(1, points - 1, dtype=like.dtype, device=like.device)
    return torch.sin(math.pi * time * frequency) / frequency


def minimise_energy(decoder: Decoder, curves: torch.Tensor, steps: int = STEPS) -> torch.Tensor:
    """Curves of least energy near the given ones, with the same ends.

    All curves are optimised together by L-BFGS with a strong-Wolfe line search; each counts relative to the energy of
    the straight line between its ends, so that long curves do not drown short ones.

    Args:
        curves: [P, T, n] where to start from.
        steps: the most iterations; fewer if the energy no longer falls.

    Returns:
        [P, T, n], none longer in observation space than the curve it started from.
    """
    line = straight_line(curves[:, 0], curves[:, -1], curves.shape[1])
    length = polygon_length(line).clamp_min(torch.finfo(curves.dtype).eps)[:, None, None]
    basis = length * sine_basis(curves.shape[1], curves)  # [P, T, T - 2]
    coefficients = torch.linalg.lstsq(basis, curves - line).solution.requires_grad_()
    with torch.no_grad():
        unit = curve_energy(_observe(decoder, line)).clamp_min(torch.finfo(curves.dtype).tiny)
    optimiser = torch.optim.LBFGS(
        [coefficients],
        max_iter=steps,
        history_size=20,
        tolerance_change=TOLERANCE * len(curves),
        line_search_fn="strong_wolfe",
    )

    def relative_energy() -> torch.Tensor:
        optimiser.zero_grad()
        energy = (curve_energy(_observe(decoder, line + basis @ coefficients)) / unit).sum()
        energy.backward()
        return energy

    optimiser.step(relative_energy)
    refined = line + basis @ coefficients.detach()
    return _shorter(decoder, refined, curves)


def refine_paths(decoder: Decoder, paths: list[torch.Tensor], points: int = POINTS, steps: int = STEPS) -> torch.Tensor:
    """Geodesics [P, points, n] from a graph's paths, each [steps, n].

    The minimisation starts both from the path and from the straight line; the shorter result stays.
    """
    starts = torch.stack([resample(path, points) for path in paths])
    lines = straight_line(starts[:, 0], starts[:, -1], points)
    return _shorter(decoder, minimise_energy(decoder, starts, steps), minimise_energy(decoder, lines, steps))


def _observe(decoder: Decoder, curves: torch.Tensor) -> torch.Tensor:
    """Flattened observations [P, T, D] of curves [P, T, n], with gradients."""
    return decoder(curves.flatten(0, 1)).flatten(1).unflatten(0, curves.shape[:2])


def _shorter(decoder: Decoder, first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """Of each pair of curves, [P, T, n] both, the one shorter in observation space."""
    choose_first = curve_length(decoder, first) <= curve_length(decoder, second)
    return torch.where(choose_first[:, None, None], first, second)
