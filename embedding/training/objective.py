"""One training step as one module's forward: C + beta * (F + eta * R), with all its noise as an argument.

Beyond the paper, each off unless a configuration asks for it: the encoder sees augmented images, and tracklets add a
contrastive term on the posterior means.

Being one module it can be wrapped for distributed training, `torch.func` transforms and all; being told its noise it
makes two processes of B the same as one of 2B.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from embedding.config import TrainingConfig
from embedding.distributed import mean_over_processes
from embedding.training.augmentation import NUMBERS, augment
from embedding.training.contrast import Pairs, contrastive_loss, of_all_processes
from embedding.vae.flatness import Moments, flatness, haar_directions, metric_moments
from embedding.vae.model import FlatVAE
from embedding.vae.prior import log_normal

SMALLEST_ACTIVE = 0.01  # share of a latent's variance that tells observations apart, for it to count as active


class Noise(NamedTuple):
    """Every random number of a step of B observations."""

    latent: Tensor  # [B, n], standard normal
    zeta: Tensor  # [K, B, n], standard normal
    order: Tensor  # [B], uniform; sorting it permutes the batch for mixup
    mixing: Tensor  # [B], uniform on [0, 1)
    directions: Tensor  # [B, n, k], standard normal
    view: Tensor  # [B, NUMBERS], uniform on [0, 1), of the augmentation

    def part(self, rank: int, count: int) -> Noise:
        """The share of one of `count` processes."""
        size = len(self.latent) // count
        rows = slice(rank * size, (rank + 1) * size)
        return Noise(self.latent[rows], self.zeta[:, rows], *(field[rows] for field in self[2:]))

    def to(self, device: torch.device) -> Noise:
        return Noise(*(field.to(device, non_blocking=True) for field in self))


def draw_noise(config: TrainingConfig, generator: torch.Generator) -> Noise:
    """The noise of a whole step, over all processes, on the CPU (the same numbers for every device)."""
    batch, latent_dim, samples = config.batch, config.model.latent_dim, config.model.prior.samples
    return Noise(
        torch.randn(batch, latent_dim, generator=generator),
        torch.randn(samples, batch, latent_dim, generator=generator),
        torch.rand(batch, generator=generator),
        torch.rand(batch, generator=generator),
        torch.randn(batch, latent_dim, min(latent_dim, config.flatness.directions), generator=generator),
        torch.rand(batch, NUMBERS, generator=generator),
    )


class Terms(NamedTuple):
    """The parts of the objective, means over all processes, without gradient."""

    error: Tensor  # C, a value
    divergence: Tensor  # F, nats
    R: Tensor  # nan where the flatness was not asked for
    c2: Tensor
    rel: Tensor
    signal: Tensor  # [n], variance of the posterior means over the batch
    posterior_variance: Tensor  # [n], mean of s^2
    contrast: Tensor  # nats; nan where no pairs are given

    @property
    def active_units(self) -> int:
        """Latents that tell observations apart. A ratio of variances: the objective leaves the scale of z free."""
        return int((self.signal > SMALLEST_ACTIVE * (self.signal + self.posterior_variance)).sum())

    def is_finite(self) -> bool:
        parts = torch.cat([torch.stack([self.error, self.divergence]), self.signal, self.posterior_variance])
        return bool(parts.isfinite().all() and not self.rel.isinf())


class Objective(nn.Module):
    """The loss of a batch for a model, under a training configuration and the bound of its constraint."""

    def __init__(self, model: FlatVAE, config: TrainingConfig, bound: float) -> None:
        super().__init__()
        self.model = model
        self.mixup = config.mixup
        self.flatness = config.flatness
        self.augmentation = config.augmentation
        self.tracklet = config.tracklet
        self.decode_fraction = config.decode_fraction
        self.bound = bound
        self.half_precision = config.precision == "bfloat16"

    def forward(
        self, x: Tensor, noise: Noise, beta: float, measure: bool = False, pairs: Pairs | None = None
    ) -> tuple[Tensor, Terms]:
        """The loss, and its parts for the controller and the log.

        Args:
            x: [B, *shape].
            noise: of B observations.
            beta: weight of F; 0 in the initial phase.
            measure: compute R, c^2 and rel even where they have no weight.
            pairs: of the batch of all processes, for the contrastive term.
        """
        model = self.model
        seen = augment(x, noise.view, self.augmentation) if self.augmentation.is_active else x
        with torch.autocast(x.device.type, torch.bfloat16, enabled=self.half_precision and x.device.type == "cuda"):
            mean, std = model.encode(seen)
            z = mean + std * noise.latent
            decoded = max(1, round(self.decode_fraction * len(z)))
            output = model.decoder(z[:decoded])
            moments = self._moments(z, noise, beta, measure)
        error = model.likelihood.error(x[:decoded], output)
        divergence = (log_normal(z, mean, std) - model.prior.log_density(z, noise.zeta)).mean()
        contrast = self._contrast(mean, pairs)
        shared = mean_over_processes(
            torch.cat(
                [
                    torch.stack([error, divergence]),
                    moments.mean(),
                    mean.mean(0),
                    mean.square().mean(0),
                    std.square().mean(0),
                ]
            )
        )
        flat = flatness(moments, shared[2:4], z.shape[1], self.flatness.mode, self._target())
        first, second, posterior_variance = shared[4:].view(3, -1)
        signal = second - first.square()
        terms = Terms(shared[0], shared[1], flat.R, flat.c2, flat.rel, signal, posterior_variance, contrast.detach())
        loss = error + beta * divergence
        for weight, penalty in (
            (self._flatness_weight(beta), flat.penalty),
            (self.tracklet.weight * self.bound if pairs else 0.0, contrast),
        ):
            if weight:
                loss = loss + weight * penalty
        return loss, terms

    def _contrast(self, mean: Tensor, pairs: Pairs | None) -> Tensor:
        if pairs is None:
            return torch.full_like(mean[0, 0], torch.nan)
        return contrastive_loss(of_all_processes(mean), pairs, self.tracklet.temperature)

    def _flatness_weight(self, beta: float) -> float:
        scale = self.bound if self.flatness.mode == "relative" else beta
        return self.flatness.weight * scale

    def _target(self) -> float | None:
        return None if self.flatness.c2 == "learned" else float(self.flatness.c2)

    def _moments(self, z: Tensor, noise: Noise, beta: float, measure: bool) -> Moments:
        """The metric's moments at mixed latents: with gradient if they are penalised, nan if nobody wants them."""
        config = self.flatness
        weighted = self._flatness_weight(beta) > 0
        if not (weighted or measure):
            nothing = torch.full_like(z[:, 0], torch.nan)
            return Moments(nothing, nothing)
        with torch.set_grad_enabled(weighted and torch.is_grad_enabled()):
            count = max(1, round(config.batch_fraction * len(z)))
            mixed = self._mix(z, noise)[:count]
            mixed = mixed.detach() if config.detach_latent else mixed
            directions: Tensor | int = config.directions
            step = config.step
            if config.estimator == "directional":
                directions = haar_directions(noise.directions[:count])
            elif config.estimator == "finite_difference":  # of this process's latents; exact steps matter little
                step *= float(z.detach().var(0).mean().sqrt())
            return metric_moments(self.model.decode, mixed, config.estimator, directions, step)

    def _mix(self, z: Tensor, noise: Noise) -> Tensor:
        """Eq. 11: points on the lines through pairs of latents, between them and a little beyond."""
        if not self.mixup.enabled:
            return z
        reach = self.mixup.extrapolation
        share = ((1 + 2 * reach) * noise.mixing - reach).unsqueeze(1)
        return (1 - share) * z + share * z[noise.order.argsort()]
