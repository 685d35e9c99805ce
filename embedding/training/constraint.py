"""The constrained optimisation of Klushyn et al. (2019), Alg. 1: minimise F subject to C <= bound, by beta = 1/lambda.

Three corrections to the printed text (design notes, each checked numerically): a violated constraint lowers beta;
beta starts far below 1 and rests in the initial phase; its rate is relative to the bound, because C is per value.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any

from embedding.config import ConstraintConfig


@dataclass
class Constraint:
    """The state of the controller: plain numbers, the same on every process that is told the same C."""

    config: ConstraintConfig
    bound: float  # on C
    beta: float = math.nan
    smoothed: float | None = None  # moving average of C
    initial_phase: bool = True  # only encoder and decoder learn, until the bound is reached once
    steps: int = 0
    forced: bool = False  # the initial phase ended by max_initial_steps, with the bound not reached

    def __post_init__(self) -> None:
        if math.isnan(self.beta):
            self.beta = self.config.beta

    @property
    def weight(self) -> float:
        """beta as the objective uses it: `initial_beta` (exactly 0 by default) in the initial phase."""
        return self.config.initial_beta if self.initial_phase else self.beta

    def update(self, error: float) -> None:
        """Take the C of one step, averaged over processes: smooth it, then change phase or beta (Eq. 14)."""
        config = self.config
        self.steps += 1
        before = error if self.smoothed is None else self.smoothed
        self.smoothed = config.smoothing * before + (1 - config.smoothing) * error
        if self.initial_phase:
            reached = self.smoothed <= self.bound
            late = config.max_initial_steps is not None and self.steps >= config.max_initial_steps
            self.initial_phase, self.forced = not (reached or late), late and not reached
            return
        violation = self.smoothed / self.bound - 1
        direction = -1.0 if violation >= 0 else math.tanh(config.tau * (self.beta - 1))
        change = config.rate * direction * violation
        change = max(-config.largest_change, min(config.largest_change, change))
        self.beta = max(config.smallest_beta, min(config.largest_beta, self.beta * math.exp(change)))

    def state_dict(self) -> dict[str, Any]:
        return {
            field.name: getattr(self, field.name) for field in fields(self) if field.name not in ("config", "bound")
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for name, value in state.items():
            setattr(self, name, value)
