"""One training step as one module's forward: C + beta * (F + eta * R), with all its noise as an argument.

Beyond the paper, each off unless a configuration asks for it: the encoder sees augmented images, and tracklets add a
contrastive term on the posterior means.

Being one module it can be wrapped for distributed training, `torch.func` transforms and all; being told its noise it
makes two processes of B the same as one of 2B.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from embedding.config import TrainingConfig
from embedding.distributed import mean_over_processes
from embedding.training.augmentation import NUMBERS, augment
from embedding.training.contrast import Pairs, contrastive_loss, of_all_processes
from embedding.vae.flatness import Moments, flatness, haar_directions, metric_moments
from embedding.vae.model import FlatVAE
from embedding.vae.prior import log_normal_of_sample

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


class NoiseSource:
    """The noise of a whole step, over all processes, always in the same place in memory.

    On a CPU and on a GPU the numbers differ; on either they are a function of the seed that `draw` is given.

    Args:
        config: the sizes.
        device: where it is drawn.
    """

    def __init__(self, config: TrainingConfig, device: torch.device | str = "cpu") -> None:
        batch, latent_dim, samples = config.batch, config.model.latent_dim, config.model.prior.samples
        directions = min(latent_dim, config.flatness.directions)
        self._generator = torch.Generator(device)
        normal = [(batch, latent_dim), (samples, batch, latent_dim), (batch, latent_dim, directions)]
        uniform = [(batch,), (batch,), (batch, NUMBERS)]
        self._normal, (latent, zeta, along) = _in_one(normal, device)
        self._uniform, (order, mixing, view) = _in_one(uniform, device)
        self._noise = Noise(latent, zeta, order, mixing, along, view)

    def draw(self, seed: int) -> Noise:
        """Tensors that the next draw changes."""
        self._generator.manual_seed(seed)
        self._normal.normal_(generator=self._generator)
        self._uniform.uniform_(generator=self._generator)
        return self._noise


def _in_one(shapes: Sequence[tuple[int, ...]], device: torch.device | str) -> tuple[Tensor, list[Tensor]]:
    """Memory for all of them, and a view of each."""
    sizes = [math.prod(shape) for shape in shapes]
    whole = torch.empty(sum(sizes), device=device)
    return whole, [part.view(shape) for part, shape in zip(whole.split(sizes), shapes, strict=True)]


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

    @property
    def finite(self) -> Tensor:
        """[], bool; whether a step may be taken on them."""
        parts = torch.cat([torch.stack([self.error, self.divergence]), self.signal, self.posterior_variance])
        return parts.isfinite().all() & ~self.rel.isinf()


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
        self,
        x: Tensor,
        noise: Noise,
        beta: Tensor | float,
        measure: bool = False,
        pairs: Pairs | None = None,
        penalised: bool = True,
    ) -> tuple[Tensor, Terms]:
        """The loss, and its parts for the controller and the log. Nothing in it waits for the device.

        Args:
            x: [B, *shape].
            noise: of B observations.
            beta: weight of F; 0 in the initial phase.
            measure: compute R, c^2 and rel even where they have no weight.
            pairs: of the batch of all processes, for the contrastive term.
            penalised: False where the penalty's weight is known to be 0, to save its time.
        """
        model = self.model
        seen = augment(x, noise.view, self.augmentation) if self.augmentation.is_active else x
        with torch.autocast(x.device.type, torch.bfloat16, enabled=self.half_precision and x.device.type == "cuda"):
            mean, std = model.encode(seen)
            means = of_all_processes(mean) if pairs else None  # on their way while the decoder works
            z = mean + std * noise.latent
            decoded = max(1, round(self.decode_fraction * len(z)))
            output = model.decoder(z[:decoded])
            weighted = penalised and self.flatness.weight > 0
            moments = self._moments(z, noise, weighted) if weighted or measure else _no_moments(z)
        error = model.likelihood.error(x[:decoded], output)
        divergence = (log_normal_of_sample(noise.latent, std) - model.prior.log_density(z, noise.zeta)).mean()
        parts = [torch.stack([error, divergence]), moments.mean()]
        shared = mean_over_processes(
            torch.cat([*parts, mean.mean(0), mean.square().mean(0), std.square().mean(0)]),
        )
        contrast = contrastive_loss(means(), pairs, self.tracklet.temperature) if means and pairs else None
        average = shared()
        flat = flatness(moments, average[2:4], z.shape[1], self.flatness.mode, self._target())
        beta = beta.to(error.dtype) if isinstance(beta, Tensor) else beta
        loss = error + beta * divergence
        if weighted:
            scale = self.bound if self.flatness.mode == "relative" else beta
            loss = loss + self.flatness.weight * scale * flat.penalty
        if contrast is not None and self.tracklet.weight:
            loss = loss + self.tracklet.weight * self.bound * contrast
        first, second, posterior_variance = average[4:].view(3, -1)
        signal = second - first.square()
        learnt = torch.full_like(error, torch.nan) if contrast is None else contrast
        return loss, Terms(
            average[0], average[1], flat.R, flat.c2, flat.rel, signal, posterior_variance, learnt.detach()
        )

    def _target(self) -> float | None:
        return None if self.flatness.c2 == "learned" else float(self.flatness.c2)

    def _moments(self, z: Tensor, noise: Noise, weighted: bool) -> Moments:
        """The metric's moments at mixed latents: with gradient if they are penalised."""
        config = self.flatness
        with torch.set_grad_enabled(weighted and torch.is_grad_enabled()):
            count = max(1, round(config.batch_fraction * len(z)))
            mixed = self._mix(z, noise)[:count]
            mixed = mixed.detach() if config.detach_latent else mixed
            directions: Tensor | int = config.directions
            step: Tensor | float = config.step
            if config.estimator == "directional":
                directions = haar_directions(noise.directions[:count])
            elif config.estimator == "finite_difference":  # of this process's latents; exact steps matter little
                step = config.step * z.detach().var(0).mean().sqrt()
            return metric_moments(self.model.mean_network, mixed, config.estimator, directions, step)

    def _mix(self, z: Tensor, noise: Noise) -> Tensor:
        """Eq. 11: points on the lines through pairs of latents, between them and a little beyond."""
        if not self.mixup.enabled:
            return z
        reach = self.mixup.extrapolation
        share = ((1 + 2 * reach) * noise.mixing - reach).unsqueeze(1)
        return (1 - share) * z + share * z[noise.order.argsort()]


def _no_moments(z: Tensor) -> Moments:
    nothing = torch.full_like(z[:, 0], torch.nan)
    return Moments(nothing, nothing)
