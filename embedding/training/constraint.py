"""The constrained optimisation of Klushyn et al. (2019), Alg. 1: minimise F subject to C <= bound, by beta = 1/lambda.

Three corrections to the printed text (design notes, each checked numerically): a violated constraint lowers beta;
beta starts far below 1 and rests in the initial phase; its rate is relative to the bound, because C is per value.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from embedding.config import ConstraintConfig

STATE = ("beta", "smoothed", "initial_phase", "steps", "forced")


class Constraint:
    """The controller of beta, on the device that trains: nobody has to wait for C to be told the host.

    Every process that is told the same C is in the same state. `update` changes the tensors in place, so that a
    recorded step can hold on to them.

    Attributes:
        bound: on C.
        beta: [], double precision (single where the device has no double).
        smoothed: [], moving average of C; nan before the first.
        initial_phase: [], bool; only encoder and decoder learn, until the bound is reached once.
        steps: [], int64, updates so far.
        forced: [], bool; the initial phase ended by `max_initial_steps`, with the bound not reached.

    Example:
        >>> constraint = Constraint(ConstraintConfig(bound=1.0, smoothing=0.0), 1.0)
        >>> for error in (2.0, 0.5):
        ...     constraint.update(error)
        >>> bool(constraint.initial_phase), float(constraint.weight)
        (False, 1e-06)
    """

    def __init__(
        self,
        config: ConstraintConfig,
        bound: float,
        device: torch.device | str = "cpu",
        beta: float | None = None,
        initial_phase: bool = True,
    ) -> None:
        self.config, self.bound = config, bound
        precision = torch.float32 if torch.device(device).type == "mps" else torch.float64
        self.beta = torch.tensor(config.beta if beta is None else beta, dtype=precision, device=device)
        self.smoothed = torch.full_like(self.beta, math.nan)
        self.initial_phase = torch.tensor(initial_phase, device=device)
        self.steps = torch.zeros((), dtype=torch.int64, device=device)
        self.forced = torch.tensor(False, device=device)

    @property
    def weight(self) -> Tensor:
        """[], beta as the objective uses it: `initial_beta` (exactly 0 by default) in the initial phase."""
        return torch.where(self.initial_phase, self.config.initial_beta, self.beta)

    @torch.no_grad()
    def update(self, error: Tensor | float) -> None:
        """Take the C of one step, averaged over processes: smooth it, then change phase or beta (Eq. 14).

        A C that is not finite changes nothing.
        """
        config, beta = self.config, self.beta
        error = torch.as_tensor(error, dtype=beta.dtype, device=beta.device)
        known = error.isfinite()
        before = torch.where(self.smoothed.isnan(), error, self.smoothed)
        smoothed = torch.where(known, config.smoothing * before + (1 - config.smoothing) * error, self.smoothed)
        steps = self.steps + known

        reached = smoothed <= self.bound
        late = steps >= (config.max_initial_steps or math.inf)
        ends = self.initial_phase & known & (reached | late)

        violation = smoothed / self.bound - 1
        direction = torch.where(violation >= 0, -1.0, torch.tanh(config.tau * (beta - 1)))
        change = (config.rate * direction * violation).clamp(-config.largest_change, config.largest_change)
        moved = (beta * change.exp()).clamp(config.smallest_beta, config.largest_beta)

        beta.copy_(torch.where(self.initial_phase | ~known, beta, moved))
        self.forced.copy_(self.forced | (ends & ~reached))
        self.initial_phase.copy_(self.initial_phase & ~ends)
        self.smoothed.copy_(smoothed)
        self.steps.copy_(steps)

    def state_dict(self) -> dict[str, Tensor]:
        return {name: getattr(self, name).clone() for name in STATE}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        for name in STATE:
            getattr(self, name).copy_(state[name])
