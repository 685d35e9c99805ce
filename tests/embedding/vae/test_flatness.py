"""Every estimator of the flatness penalty against a float64 autograd Jacobian."""

import math

import pytest
import torch
from torch import Tensor, nn

from embedding.vae.flatness import Moments, flatness, flatness_penalty, haar_directions, jacobian, metric_moments

LATENT_DIM = 5


def build_decoder(seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    layers = [
        nn.Linear(LATENT_DIM, 24),
        nn.SiLU(),
        nn.Linear(24, 24),
        nn.SiLU(),
        nn.Linear(24, 12),
        nn.Unflatten(1, (3, 4)),
    ]
    return nn.Sequential(*layers).double()


def metric(decoder: nn.Module, z: Tensor, differentiable: bool = False) -> Tensor:
    """The oracle: J^T J by reverse-mode autograd, one sample at a time. -> [B, n, n]"""
    jacobians = torch.stack(
        [
            torch.autograd.functional.jacobian(
                lambda one: decoder(one[None]).flatten(), row, create_graph=differentiable
            )
            for row in z
        ]
    )
    return jacobians.transpose(1, 2) @ jacobians


def penalty_by_definition(g: Tensor, c2: Tensor | float) -> Tensor:
    return (g - c2 * torch.eye(LATENT_DIM, dtype=g.dtype)).square().sum((1, 2)).mean()


def mean_c2(g: Tensor) -> Tensor:
    return torch.diagonal(g, dim1=1, dim2=2).sum(1).mean() / LATENT_DIM


@pytest.fixture
def z() -> Tensor:
    return torch.randn(7, LATENT_DIM, dtype=torch.double, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(
    ("estimator", "dtype", "tolerance"),
    [
        ("exact", torch.double, 1e-12),  # rounding alone
        ("exact", torch.float, 1e-5),
        ("finite_difference", torch.double, 1e-4),  # O(step), at step 1e-5
        ("finite_difference", torch.float, 3e-2),  # at step 1e-3: truncation and rounding
        ("directional", torch.double, 1e-12),  # as many directions as latents: exact
        ("directional", torch.float, 1e-4),
    ],
)
@pytest.mark.parametrize("c2", [None, 0.0, 1.0])
def test_estimators_against_autograd(
    z: Tensor, estimator: str, dtype: torch.dtype, tolerance: float, c2: float | None
) -> None:
    decoder = build_decoder()
    g = metric(decoder, z)
    target = mean_c2(g) if c2 is None else torch.tensor(c2, dtype=torch.double)
    step = 1e-5 if dtype == torch.double else 1e-3
    found = flatness_penalty(
        decoder.to(dtype), z.to(dtype), estimator=estimator, directions=LATENT_DIM, step=step, c2=c2
    )
    expected = penalty_by_definition(g, target)
    assert float(found.R) == pytest.approx(float(expected), rel=tolerance)
    assert float(found.penalty.detach()) == pytest.approx(float(expected), rel=tolerance)
    assert float(found.c2) == pytest.approx(float(target), rel=tolerance)
    rel = penalty_by_definition(g, mean_c2(g)) / (LATENT_DIM * mean_c2(g) ** 2)
    assert float(found.rel) == pytest.approx(float(rel), rel=tolerance)


@pytest.mark.parametrize("chunk", [1, 2, 16])
def test_jacobian_in_chunks(z: Tensor, chunk: int) -> None:
    decoder = build_decoder()
    j = jacobian(decoder, z, chunk)
    assert j.shape == (7, 12, LATENT_DIM)
    torch.testing.assert_close(j.transpose(1, 2) @ j, metric(decoder, z))


@pytest.mark.parametrize("estimator", ["exact", "directional"])
@pytest.mark.parametrize("mode", ["absolute", "relative"])
def test_gradients_towards_parameters_and_latents(z: Tensor, estimator: str, mode: str) -> None:
    decoder = build_decoder()
    z.requires_grad_()
    inputs = [z, *decoder.parameters()]
    found = flatness_penalty(decoder, z, estimator=estimator, mode=mode, directions=LATENT_DIM)
    g = metric(decoder, z, differentiable=True)
    expected = penalty_by_definition(g, mean_c2(g))
    if mode == "relative":
        expected = expected / (LATENT_DIM * mean_c2(g) ** 2)
    ours = torch.autograd.grad(found.penalty, inputs, allow_unused=True)
    theirs = torch.autograd.grad(expected, inputs, allow_unused=True)
    for one, other in zip(ours[:-1], theirs[:-1], strict=True):  # the last bias has none
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-12)


def test_gradcheck(z: Tensor) -> None:
    decoder = build_decoder()
    point = z[:3].clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda at: flatness_penalty(decoder, at, c2=0.7).penalty, point)


@pytest.mark.parametrize("directions", [1, 2, 3])
@torch.no_grad()
def test_directional_moments_are_unbiased(directions: int) -> None:
    """Over 40,000 draws at one latent both moments agree with the exact ones within four standard errors."""
    decoder = build_decoder()
    point = torch.randn(1, LATENT_DIM, dtype=torch.double)
    exact = metric_moments(decoder, point, "exact", 1)
    noise = torch.randn(40_000, LATENT_DIM, directions, dtype=torch.double)
    drawn = metric_moments(decoder, point.expand(40_000, -1), "directional", haar_directions(noise))
    for estimate, truth in zip(drawn, exact, strict=True):
        error = float(estimate.std()) / math.sqrt(len(estimate))
        assert abs(float(estimate.mean() - truth)) < 4 * error


def test_spread_of_the_directional_estimate_on_a_nearly_flat_metric() -> None:
    """n = 128, eigenvalues within a few percent: R's relative spread a sample is 0.13 for k = 2, 0.06 for k = 8."""
    torch.manual_seed(0)
    scale = 1 + 0.02 * torch.randn(128, dtype=torch.double)
    rotation = torch.linalg.qr(torch.randn(128, 128, dtype=torch.double))[0]
    linear = scale * rotation  # f(z) = (scale * rotation)^T z: an eigenvalue of G is scale^2
    c2 = float(scale.square().mean())
    truth = float((scale**2 - c2).square().sum())
    for directions, expected in [(2, 0.13), (8, 0.06)]:
        frames = haar_directions(torch.randn(500, 128, directions, dtype=torch.double))
        moments = metric_moments(lambda z: z @ linear.T, torch.zeros(500, 128).double(), "directional", frames)
        R = moments.trace_squared - 2 * c2 * moments.trace + 128 * c2**2
        assert float(R.mean()) == pytest.approx(truth, rel=0.03)
        assert float(R.std() / R.mean()) == pytest.approx(expected, rel=0.35)


def test_directions_are_orthonormal_and_uniform() -> None:
    frames = haar_directions(torch.randn(20_000, 3, 2, dtype=torch.double))
    torch.testing.assert_close(frames.transpose(1, 2) @ frames, torch.eye(2).double().expand(20_000, 2, 2))
    # Archimedes: on the sphere in three dimensions every coordinate is uniform on [-1, 1].
    for column in range(2):
        cumulative = (frames[:, :, column].sort(0).values + 1) / 2
        ranks = torch.linspace(0, 1, 20_000, dtype=torch.double)[:, None]
        assert float((cumulative - ranks).abs().max()) < 0.015  # Kolmogorov-Smirnov at 0.1 %


@torch.no_grad()
def test_under_autocast(z: Tensor) -> None:
    """bfloat16 has 8 bits: derivatives bear it to a few percent; finite differences leave it, and lose nothing."""
    decoder, z = build_decoder().float(), z.float()
    settings = {"directions": haar_directions(torch.randn(7, LATENT_DIM, LATENT_DIM)), "step": 1e-3}
    for estimator, tolerance in [("exact", 0.05), ("directional", 0.05), ("finite_difference", 0.0)]:
        full = flatness_penalty(decoder, z, estimator=estimator, **settings)
        with torch.autocast("cpu", torch.bfloat16):
            half = flatness_penalty(decoder, z, estimator=estimator, **settings)
        assert half.R.dtype == torch.float
        assert float(half.c2) == pytest.approx(float(full.c2), rel=tolerance)
        assert float(half.R) == pytest.approx(float(full.R), rel=tolerance)


def test_an_isometry_is_flat_and_a_stretch_is_not(z: Tensor) -> None:
    rotation = torch.linalg.qr(torch.randn(LATENT_DIM, LATENT_DIM, dtype=torch.double))[0]
    flat = flatness_penalty(lambda at: 3 * at @ rotation, z)
    assert float(flat.c2) == pytest.approx(9)
    assert abs(float(flat.rel)) < 1e-12
    stretch = torch.diag(torch.tensor([2.0, 1, 1, 1, 1], dtype=torch.double))
    bent = flatness_penalty(lambda at: at @ stretch, z)  # eigenvalues 4, 1, 1, 1, 1: c^2 = 1.6
    assert float(bent.R) == pytest.approx(2.4**2 + 4 * 0.6**2)
    assert float(bent.rel) == pytest.approx((2.4**2 + 4 * 0.6**2) / (5 * 1.6**2))


def test_the_relative_penalty_does_not_see_the_scale_of_the_latents(z: Tensor) -> None:
    decoder = build_decoder()
    found = [flatness_penalty(lambda at, s=s: decoder(at / s), z * s, mode="relative").penalty for s in (1.0, 10.0)]
    assert float(found[0].detach()) == pytest.approx(float(found[1].detach()), rel=1e-9)
    scale = torch.ones((), dtype=torch.double, requires_grad=True)
    penalty = flatness_penalty(lambda at: decoder(at) * scale, z, mode="relative").penalty
    assert abs(float(torch.autograd.grad(penalty, scale)[0])) < 1e-12


@pytest.mark.parametrize("mode", ["absolute", "relative"])
def test_gradients_of_two_halves_average_to_the_whole(z: Tensor, mode: str) -> None:
    """What makes two processes equal one: each knows the mean moments of both and its own samples."""
    decoder, pair = build_decoder(), z[:6]
    mean = metric_moments(decoder, pair, "exact", 1).mean()
    grads = []
    for part in (pair, pair[:3], pair[3:]):
        found = flatness(metric_moments(decoder, part, "exact", 1), mean, LATENT_DIM, mode)
        grads.append(torch.autograd.grad(found.penalty, decoder[0].weight)[0])
    torch.testing.assert_close((grads[1] + grads[2]) / 2, grads[0], rtol=1e-10, atol=1e-14)


def test_moments_of_rectangular_batches() -> None:
    moments = Moments(torch.tensor([1.0, 3.0]), torch.tensor([2.0, 4.0]))
    assert moments.mean().tolist() == [2.0, 3.0]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"estimator": "exactly"}, "expected exact, finite_difference or directional"),
        ({"estimator": "directional", "directions": 6}, "at most as many as the 5 latents"),
    ],
)
def test_misuse(z: Tensor, arguments: dict, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        flatness_penalty(build_decoder(), z, **arguments)
