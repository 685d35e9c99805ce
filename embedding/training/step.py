"""One step on the device: gradients, optimisers, controller and guards, with nothing for the host to wait for.

On a GPU the whole of it is recorded once as a CUDA graph and then launched as one. What the host wants to know of a
step it reads while the next one runs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from embedding.config import TrainingConfig
from embedding.distributed import Process
from embedding.training.constraint import Constraint
from embedding.training.contrast import Pairs
from embedding.training.feed import Batch
from embedding.training.objective import Noise, Objective, Terms

PRIOR_EPSILON = 1e-14  # the prior's gradient carries the factor beta, 1e-6 at first: Adam's usual would drown it
WARM_UP = 3  # steps before one is recorded: libraries choose their algorithms in the first


class Optimisers(NamedTuple):
    """Adam, twice."""

    networks: torch.optim.Adam  # of encoder and decoder
    prior: torch.optim.Adam  # rests in the initial phase

    @classmethod
    def of(cls, objective: Objective, config: TrainingConfig, device: torch.device) -> Optimisers:
        model, rate = objective.model, config.optimiser.learning_rate
        networks = [*model.encoder.parameters(), *model.decoder.parameters()]
        prior_rate, gpu = config.optimiser.prior_learning_rate or rate, device.type == "cuda"
        return cls(
            torch.optim.Adam(networks, rate, fused=True, capturable=gpu),
            torch.optim.Adam(model.prior.parameters(), prior_rate, eps=PRIOR_EPSILON, fused=True, capturable=gpu),
        )

    def set_rates(self, config: TrainingConfig, decay: float, device: torch.device) -> None:
        """A GPU's learning rates are tensors, which a recorded step reads."""
        rate = config.optimiser.learning_rate
        for optimiser, full in zip(self, (rate, config.optimiser.prior_learning_rate or rate), strict=True):
            for group in optimiser.param_groups:
                if device.type != "cuda":
                    group["lr"] = full * decay
                elif isinstance(group["lr"], Tensor) and group["lr"].device == device:
                    group["lr"].fill_(full * decay)
                else:
                    group["lr"] = torch.tensor(full * decay, device=device)


class Guard:
    """Counts steps without a finite gradient, on the device; such a step is left out."""

    def __init__(self, device: torch.device) -> None:
        self.skipped = torch.zeros((), dtype=torch.int64, device=device)
        self.gap = torch.zeros((), dtype=torch.int64, device=device)  # of them, the last ones in a row

    def count(self, finite: Tensor) -> None:
        self.skipped.add_(~finite)
        self.gap.add_(1).mul_(~finite)

    def state_dict(self) -> dict[str, Tensor]:
        return {"skipped": self.skipped.clone(), "gap": self.gap.clone()}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        self.skipped.copy_(state["skipped"])
        self.gap.copy_(state["gap"])


class Step:
    """Takes steps. Every decision in one is made on the device, on numbers shared by all processes.

    Args:
        objective, optimisers, constraint, guard: what it changes.
        config: of the run.
        process: this one.
        say: told where a step cannot be recorded.
    """

    def __init__(
        self,
        objective: Objective,
        optimisers: Optimisers,
        constraint: Constraint,
        guard: Guard,
        config: TrainingConfig,
        process: Process,
        say: Callable[[str], None],
    ) -> None:
        self._optimisers, self._constraint, self._guard, self._config = optimisers, constraint, guard, config
        self._say = say
        self._module: Callable[..., tuple[Tensor, Terms]] = objective
        if process.count > 1:
            ids = [process.device.index] if process.device.type == "cuda" else None
            self._module = DistributedDataParallel(
                objective, device_ids=ids, broadcast_buffers=False, gradient_as_bucket_view=True
            )
        if config.compile:
            self._module = torch.compile(self._module, dynamic=False)
        self._records = config.cuda_graph and process.count == 1 and process.device.type == "cuda"
        self._taken: dict[tuple[bool, bool], int] = {}
        self._recorded: dict[tuple[bool, bool], Recorded] = {}

    def take(self, batch: Batch, noise: Noise, measure: bool, penalised: bool) -> Terms:
        """One step; its terms are overwritten by the next that is like it.

        Args:
            batch: observations.
            noise: this process's.
            measure: compute R, c^2 and rel even where they have no weight.
            penalised: whether the penalty may have a weight.
        """
        penalised = penalised and self._config.flatness.weight > 0
        kind = (measure and not penalised, penalised)  # what is penalised is measured anyway
        if not self._records:
            return self._eager(batch, noise, *kind)
        if kind in self._recorded:
            return self._recorded[kind].replay(batch)
        self._taken[kind] = self._taken.get(kind, 0) + 1
        if self._taken[kind] <= WARM_UP:
            return self._aside(batch, noise, *kind)
        try:
            self._recorded[kind] = Recorded(batch, lambda still: self._eager(still, noise, *kind))
        except RuntimeError as error:
            self._records = False
            self._say(f"warning: the step cannot be recorded as a CUDA graph, it runs unrecorded: {error}")
            return self._eager(batch, noise, *kind)
        return self._recorded[kind].replay(batch)

    def _aside(self, batch: Batch, noise: Noise, measure: bool, penalised: bool) -> Terms:
        """A step on a stream of its own, as a recording asks for of the steps before it."""
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            terms = self._eager(batch, noise, measure, penalised)
        torch.cuda.current_stream().wait_stream(stream)
        return terms

    def _eager(self, batch: Batch, noise: Noise, measure: bool, penalised: bool) -> Terms:
        for optimiser in self._optimisers:
            optimiser.zero_grad(set_to_none=True)
        weight = self._constraint.weight
        loss, terms = self._module(batch.x, noise, weight, measure=measure, pairs=batch.pairs, penalised=penalised)
        loss.backward()
        clip = self._config.optimiser.clip_norm
        norms = [nn.utils.clip_grad_norm_(one.param_groups[0]["params"], clip) for one in self._optimisers]
        finite = terms.finite & torch.stack(norms).isfinite().all()
        resting = (~finite, ~finite | self._constraint.initial_phase)  # where the optimiser is left out
        for optimiser, left_out in zip(self._optimisers, resting, strict=True):
            optimiser.found_inf = left_out.float()  # type: ignore[attr-defined]  # as mixed precision tells fused Adam
            optimiser.step()
        self._guard.count(finite)
        self._constraint.update(terms.error)
        return terms


class Recorded:
    """A function of a batch as a CUDA graph: one launch, on the memory that it was recorded with.

    Args:
        batch: the first; later ones must have its sizes.
        function: what is recorded; it must not wait for the device.
    """

    def __init__(self, batch: Batch, function: Callable[[Batch], Terms]) -> None:
        pairs = batch.pairs and Pairs(*(part.clone() for part in batch.pairs))
        self._batch = Batch(batch.x.clone(), pairs)
        self._graph = torch.cuda.CUDAGraph()
        # "thread_local": the thread that prepares the next batch may ask for pinned memory meanwhile
        with torch.cuda.graph(self._graph, capture_error_mode="thread_local"):
            self._terms = function(self._batch)

    def replay(self, batch: Batch) -> Terms:
        self._batch.x.copy_(batch.x)
        for still, new in zip(self._batch.pairs or (), batch.pairs or (), strict=True):
            still.copy_(new)
        self._graph.replay()
        return self._terms


class Readback:
    """What the host learns of the steps, one step late: it never waits for the one that runs."""

    def __init__(self, count: int, device: torch.device) -> None:
        gpu = device.type == "cuda"
        self._host = [torch.zeros(count, pin_memory=gpu) for _ in range(2)]
        self._arrived = [torch.cuda.Event() for _ in range(2)] if gpu else []
        self._posted = 0

    def post(self, numbers: Sequence[Tensor]) -> None:
        """Send the numbers of a step; the device may still have to compute them."""
        slot = self._posted % 2
        self._host[slot].copy_(torch.stack([number.float() for number in numbers]), non_blocking=True)
        if self._arrived:
            self._arrived[slot].record()
        self._posted += 1

    def read(self, late: int = 1) -> list[float]:
        """The numbers posted last but `late`, waiting for them."""
        slot = (self._posted - 1 - late) % 2
        if self._arrived:
            self._arrived[slot].synchronize()
        return list(self._host[slot].numpy().tolist())
