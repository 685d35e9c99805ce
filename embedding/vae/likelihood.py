"""p(x|z): what the decoder's output means, and the reconstruction error C of one value of an observation."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor
from torch.nn import functional


class Likelihood(Protocol):
    def mean(self, output: Tensor) -> Tensor:
        """E[x|z] from the decoder's output, any shape."""
        ...

    def error(self, x: Tensor, output: Tensor) -> Tensor:
        """C, the mean over observations and their values (not summed over values), a scalar."""
        ...


class Gaussian:
    """Fixed unit variance: the output is the mean, C the mean squared error (no factor 1/2)."""

    def mean(self, output: Tensor) -> Tensor:
        return output

    def error(self, x: Tensor, output: Tensor) -> Tensor:
        return functional.mse_loss(output.float(), x)


class Bernoulli:
    """The output holds logits, C is the mean binary cross-entropy in nats a value."""

    def mean(self, output: Tensor) -> Tensor:
        return output.sigmoid()

    def error(self, x: Tensor, output: Tensor) -> Tensor:
        return functional.binary_cross_entropy_with_logits(output.float(), x)


LIKELIHOODS: dict[str, Likelihood] = {"gaussian": Gaussian(), "bernoulli": Bernoulli()}
