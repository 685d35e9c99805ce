"""The variational auto-encoder with a hierarchical prior."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from embedding.config import ModelConfig
from embedding.vae.likelihood import LIKELIHOODS
from embedding.vae.networks import build_decoder, build_encoder
from embedding.vae.prior import HierarchicalPrior


class FlatVAE(nn.Module):
    """q(z|x), p(x|z) and p(z). Trained with a flatness penalty it is the VHP-FMVAE, without the VHP-VAE.

    Three things about the latent space travel with the weights, for its use as a descriptor: the training data's mean
    latent (the objective leaves the origin free, cosine distances depend on it); c, the length in observation space of
    a unit step in the latent space; and the whitening of what is left when the mean is subtracted
    (`embedding.descriptors.whitening`), the identity until one is fitted.
    """

    latent_mean: Tensor  # [n]
    latent_scale: Tensor  # [], c
    latent_whitening: Tensor  # [n, n], acts on column vectors

    def __init__(self, config: ModelConfig, shape: Sequence[int]) -> None:
        super().__init__()
        self.config = config
        self.shape = tuple(shape)  # of one observation
        self.latent_dim = config.latent_dim
        self.likelihood = LIKELIHOODS[config.likelihood]
        self.encoder = build_encoder(config.encoder, self.shape, config.latent_dim)
        self.decoder = build_decoder(config.decoder, self.shape, config.latent_dim)
        self.prior = HierarchicalPrior(config.latent_dim, config.prior)
        self.register_buffer("latent_mean", torch.zeros(config.latent_dim))
        self.register_buffer("latent_scale", torch.ones(()))
        self.register_buffer("latent_whitening", torch.eye(config.latent_dim))

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation of q(z|x). x [B, *shape] -> two of [B, n]"""
        mean, std = self.encoder(x)
        return mean, std

    def decode(self, z: Tensor) -> Tensor:
        """The mean of p(x|z), whose Jacobian is the metric's. z [B, n] -> [B, *shape]"""
        mean: Tensor = self.mean_network(z)
        return mean

    @property
    def mean_network(self) -> nn.Sequential:
        """The layers of `decode`, which is how its derivative can be written out."""
        return nn.Sequential(*cast(nn.Sequential, self.decoder.layers), *self.likelihood.link)

    def sample_prior(self, count: int, generator: torch.Generator | None = None) -> Tensor:
        """Draw z from p(z). -> [count, n]; the generator's device must be the CPU."""
        noise = torch.randn((2, count, self.latent_dim), generator=generator)
        return self.prior.sample(noise.to(self.latent_mean))
