"""A contrastive term from tracklets: what is learned of people without a label.

Two crops of one tracklet show one person; two tracklets that share a frame, or come from different videos, are two
people. Of any other pair nothing is known, and it takes no part: in a video people come back, and to push a person away
from her own earlier tracklet would teach the opposite of what is wanted.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, distributed
from torch.nn import functional


class Pairs(NamedTuple):
    """What is known of the pairs of B crops."""

    same: Tensor  # [B, B] bool, crops of one tracklet; not a crop and itself
    different: Tensor  # [B, B] bool, certainly two people

    def to(self, device: torch.device) -> Pairs:
        return Pairs(self.same.to(device, non_blocking=True), self.different.to(device, non_blocking=True))


def contrastive_loss(means: Tensor, pairs: Pairs, temperature: float) -> Tensor:
    """Cross-entropy of finding a crop's tracklet among the people it is known not to be (Khosla et al. 2020, Eq. 2).

    Args:
        means: [B, n], posterior means of all crops; compared as the tracker compares them, by the cosine of centred
            means.
        pairs: of the B crops; a crop without a positive is passed over.
        temperature: of the softmax.

    Returns:
        A scalar, in nats; 0 if no crop has a positive.
    """
    directions = functional.normalize(means - means.mean(0))
    similarity = directions @ directions.T / temperature
    positives = pairs.same.sum(1)
    kept = positives > 0
    # A row of nobody known would be a logarithm of 0, whose gradient is nan even where it has no weight.
    known = pairs.same | pairs.different | ~kept.unsqueeze(1)
    log_share = similarity - torch.logsumexp(similarity.masked_fill(~known, -torch.inf), 1, keepdim=True)
    found = (log_share * pairs.same).sum(1) / positives.clamp_min(1)
    return -found.sum() / kept.sum().clamp_min(1)


def of_all_processes(means: Tensor) -> Callable[[], Tensor]:
    """Begin to collect the rows [B, n] of every process; the result, when called, waits for them.

    They come in the order of the ranks, with gradient. Each process then computes the loss of the whole batch. The
    gradient that comes back is summed over processes, and their average is that of one process with all rows.
    """
    if not distributed.is_initialized() or distributed.get_world_size() == 1:
        return lambda: means
    rows = [torch.empty_like(means) for _ in range(distributed.get_world_size())]
    waiting = distributed.all_gather(rows, means.detach().contiguous(), async_op=True)

    def collected() -> Tensor:
        waiting.wait()
        found: Tensor = _Collected.apply(means, torch.cat(rows))
        return found

    return collected


class _Collected(torch.autograd.Function):
    """All rows, as a function of this process's own."""

    @staticmethod
    def forward(ctx: Any, own: Tensor, rows: Tensor) -> Tensor:
        ctx.count = len(own)
        return rows

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        gradient = gradient.contiguous().clone()
        distributed.all_reduce(gradient)
        first = distributed.get_rank() * ctx.count
        return gradient[first : first + ctx.count], None
