"""The hierarchical prior of Klushyn et al. (NeurIPS 2019), bounded by importance weighting.

p(z) = E_{p(zeta)} p(z|zeta) with p(zeta) = N(0, I) and both p(z|zeta) and the proposal q(zeta|z) diagonal Gaussians.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from embedding.config import PriorConfig
from embedding.vae.networks import GaussianPerceptron


def log_normal(value: Tensor, mean: Tensor | float, std: Tensor | float) -> Tensor:
    """log N(value; mean, diag std^2), summed over the last axis; the arguments broadcast. [..., n] -> [...]"""
    std = torch.as_tensor(std, dtype=value.dtype, device=value.device)
    return (-0.5 * ((value - mean) / std) ** 2 - std.log() - 0.5 * math.log(2 * math.pi)).sum(-1)


def log_normal_of_sample(noise: Tensor, std: Tensor) -> Tensor:
    """`log_normal` at mean + std * noise, where the mean falls out. [..., n] -> [...]"""
    return (-0.5 * noise.square() - std.log() - 0.5 * math.log(2 * math.pi)).sum(-1)


class HierarchicalPrior(nn.Module):
    """p(z) with as many latents zeta as z has. Eq. 3 of the flat-manifold paper, Eq. 7 of Klushyn et al."""

    def __init__(self, latent_dim: int, config: PriorConfig) -> None:
        super().__init__()
        self.samples = config.samples
        self.proposal = GaussianPerceptron(latent_dim, config.widths, latent_dim, config.activation)  # q(zeta|z)
        self.conditional = GaussianPerceptron(latent_dim, config.widths, latent_dim, config.activation)  # p(z|zeta)

    def log_density(self, z: Tensor, noise: Tensor) -> Tensor:
        """A lower bound on log p(z) in expectation, tight as K grows.

        Args:
            z: [B, n].
            noise: [K, B, n], standard normal; it draws the importance samples zeta.

        Returns:
            [B], in nats: logsumexp_i w_i - log K.
        """
        mean, std = self.proposal(z)
        zeta = mean + std * noise
        mean_z, std_z = self.conditional(zeta)
        standard = (-0.5 * zeta.square() - 0.5 * math.log(2 * math.pi)).sum(-1)  # log p(zeta)
        weights = log_normal(z, mean_z, std_z) + standard - log_normal_of_sample(noise, std)
        return torch.logsumexp(weights, 0) - math.log(len(noise))

    def sample(self, noise: Tensor) -> Tensor:
        """Draw z from p(z). noise [2, N, n], standard normal, for zeta and for z given zeta -> [N, n]"""
        mean, std = self.conditional(noise[0])
        z: Tensor = mean + std * noise[1]
        return z
