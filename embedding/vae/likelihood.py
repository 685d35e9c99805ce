"""p(x|z): what the decoder's output means, and the reconstruction error C of one value of an observation."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor, nn
from torch.nn import functional


class Likelihood(Protocol):
    @property
    def link(self) -> tuple[nn.Module, ...]:
        """Layers from the decoder's output to E[x|z], which act on each value alone."""
        ...

    def error(self, x: Tensor, output: Tensor) -> Tensor:
        """C, the mean over observations and their values (not summed over values), a scalar."""
        ...


class Gaussian:
    """Fixed unit variance: the output is the mean, C the mean squared error (no factor 1/2)."""

    link = ()

    def error(self, x: Tensor, output: Tensor) -> Tensor:
        return functional.mse_loss(output.float(), x)


class Bernoulli:
    """The output holds logits, C is the mean binary cross-entropy in nats a value."""

    link = (nn.Sigmoid(),)

    def error(self, x: Tensor, output: Tensor) -> Tensor:
        return functional.binary_cross_entropy_with_logits(output.float(), x)


LIKELIHOODS: dict[str, Likelihood] = {"gaussian": Gaussian(), "bernoulli": Bernoulli()}
