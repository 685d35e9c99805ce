"""One process or many: where a run stands among its peers, as `torchrun` tells by the environment."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, distributed

from embedding.errors import InputError


@dataclass(frozen=True)
class Process:
    rank: int
    count: int
    device: torch.device

    @property
    def first(self) -> bool:
        """Whether this process writes the files and speaks."""
        return self.rank == 0

    def agreed(self, number: float) -> float:
        """What the first process says, such as the time: told to the host, whatever the device."""
        if self.count == 1:
            return number
        said = torch.tensor(number, dtype=torch.float64)
        distributed.broadcast(said, 0)
        return float(said)


@contextmanager
def joined(device: str) -> Iterator[Process]:
    """Join the other processes of a `torchrun`, if there are any, for the length of a `with` block."""
    rank, count = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    place = choose_device(device, int(os.environ.get("LOCAL_RANK", "0")))
    if count == 1 or distributed.is_initialized():  # a caller that has joined already also leaves itself
        yield Process(rank, count, place)
        return
    if place.type == "cuda":
        torch.cuda.set_device(place)
    distributed.init_process_group("cpu:gloo,cuda:nccl" if place.type == "cuda" else "gloo")
    try:
        yield Process(rank, count, place)
    finally:
        distributed.destroy_process_group()


def choose_device(name: str, local_rank: int = 0) -> torch.device:
    """`auto` is cuda, else mps, else cpu; `cuda` is this process's own GPU. InputError if it is not there."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise InputError(f"device: {name!r} is not available ({str(error).splitlines()[0]})") from error
    return torch.device("cuda", local_rank) if name == "cuda" else device


def mean_over_processes(values: Tensor) -> Callable[[], Tensor]:
    """Begin to average a small tensor over all processes; the result, when called, waits for it. No gradient."""
    values = values.detach()
    if not distributed.is_initialized() or distributed.get_world_size() == 1:
        return lambda: values
    total = values.clone()
    waiting = distributed.all_reduce(total, async_op=True)

    def averaged() -> Tensor:
        waiting.wait()
        return total / distributed.get_world_size()

    return averaged
