"""The hierarchical prior against torch.distributions, quadrature and closed forms."""

import math

import numpy as np
import torch
from torch import nn
from torch.distributions import Independent, Normal, kl_divergence

from embedding.config import PriorConfig
from embedding.vae.likelihood import LIKELIHOODS
from embedding.vae.prior import HierarchicalPrior, log_normal


def build_prior(latent_dim: int, seed: int = 0) -> HierarchicalPrior:
    torch.manual_seed(seed)
    prior = HierarchicalPrior(latent_dim, PriorConfig(widths=(16,), activation="tanh", samples=4)).double()
    for parameter in prior.parameters():  # away from the nearly constant functions of a fresh network
        parameter.data.mul_(2.0)
    prior.proposal.head.raw_std.bias.data.add_(1.5)  # wider than the posterior, so that its weights have a variance
    return prior


def quadrature(prior: HierarchicalPrior, z: torch.Tensor) -> torch.Tensor:
    """log p(z) of one latent by the trapezium rule over zeta in [-8, 8]."""
    zeta = torch.linspace(-8, 8, 4001, dtype=torch.double)[:, None]
    mean, std = prior.conditional(zeta)
    density = (log_normal(z[None], mean[:, None], std[:, None]) + log_normal(zeta, 0.0, 1.0)[:, None]).exp()
    return torch.trapezoid(density, zeta[:, 0], dim=0).log()


def test_log_normal_is_torchs() -> None:
    value, mean, std = (torch.randn(5, 3, dtype=torch.double) for _ in range(3))
    expected = Independent(Normal(mean, std.exp()), 1).log_prob(value)
    torch.testing.assert_close(log_normal(value, mean, std.exp()), expected)
    torch.testing.assert_close(log_normal(value, 0.0, 1.0), Independent(Normal(0 * mean, 1.0), 1).log_prob(value))


@torch.no_grad()
def test_the_bound_lies_under_the_density_and_closes_with_more_samples() -> None:
    prior = build_prior(1)
    z = torch.linspace(-2, 2, 9, dtype=torch.double)[:, None]
    truth = quadrature(prior, z)
    gaps = []
    for samples, repeats in [(1, 4000), (16, 1000), (4096, 10)]:
        noise = torch.randn(samples, repeats * len(z), 1, dtype=torch.double)
        bound = prior.log_density(z.repeat(repeats, 1), noise).view(repeats, len(z))
        gaps.append(float((truth - bound.mean(0)).mean()))
    assert gaps[0] > gaps[1] > gaps[2] > -1e-3
    assert gaps[2] < 0.01 < gaps[0]


@torch.no_grad()
def test_many_samples_reach_the_density_pointwise() -> None:
    prior = build_prior(1, seed=3)
    z = torch.linspace(-2, 2, 9, dtype=torch.double)[:, None]
    noise = torch.randn(50_000, 9, 1, dtype=torch.double)
    torch.testing.assert_close(prior.log_density(z, noise), quadrature(prior, z), atol=0.05, rtol=0)


@torch.no_grad()
def test_a_prior_blind_to_zeta_gives_the_closed_form_divergence() -> None:
    """p(z|zeta) = N(0, I) and q(zeta|z) = N(0, I): one sample is exact, and F is the usual KL divergence."""
    prior = build_prior(3)
    for network in (prior.proposal, prior.conditional):
        for parameter in network.head.parameters():
            parameter.zero_()
        network.head.raw_std.bias.fill_(math.log(math.expm1(1 - 1e-4)))
    mean, std = torch.randn(1, 3, dtype=torch.double), torch.rand(1, 3, dtype=torch.double) + 0.1
    z = mean + std * torch.randn(100_000, 3, dtype=torch.double)
    divergence = (log_normal(z, mean, std) - prior.log_density(z, torch.randn(1, *z.shape, dtype=torch.double))).mean()
    expected = kl_divergence(Normal(mean, std), Normal(0.0, 1.0)).sum()
    assert abs(float(divergence - expected)) < 0.02 * max(1.0, float(expected))


@torch.no_grad()
def test_samples_follow_the_density() -> None:
    prior = build_prior(1, seed=1)
    samples = prior.sample(torch.randn(2, 100_000, 1, dtype=torch.double))[:, 0].numpy()
    grid = np.linspace(-6, 6, 241)
    density = quadrature(prior, torch.from_numpy(grid)[:, None]).exp().numpy()
    cumulative = np.cumsum(density) * (grid[1] - grid[0])
    empirical = np.searchsorted(np.sort(samples), grid) / len(samples)
    assert np.abs(empirical - cumulative).max() < 0.03  # the grid's own error included


def test_likelihoods_are_means_over_values() -> None:
    x, output = torch.tensor([[0.0, 1.0], [1.0, 1.0]]), torch.tensor([[0.0, 0.0], [2.0, -1.0]])
    gaussian, bernoulli = LIKELIHOODS["gaussian"], LIKELIHOODS["bernoulli"]
    assert float(gaussian.error(x, output)) == (0 + 1 + 1 + 4) / 4
    expected = (2 * math.log(2) + math.log1p(math.exp(-2)) + math.log1p(math.exp(1))) / 4
    assert math.isclose(float(bernoulli.error(x, output)), expected, rel_tol=1e-6)
    assert torch.equal(nn.Sequential(*gaussian.link)(output), output)
    assert torch.equal(nn.Sequential(*bernoulli.link)(output), output.sigmoid())
