"""Which observations each step sees, and how they get to the device that trains."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from embedding.config import TrainingConfig
from embedding.data import DataSet
from embedding.distributed import Process
from embedding.training.contrast import Pairs
from embedding.training.pair_sampler import PairSampler

LARGEST_SHARE = 0.5  # of a GPU's free memory that the data may take
ROWS_AT_ONCE = 4096  # on the way there


class Batch(NamedTuple):
    """What one step sees."""

    x: Tensor  # [B, *shape], this process's observations, scaled
    pairs: Pairs | None  # what is known of the pairs of all processes' rows


class Order:
    """Rows of every step, a function of the seed and the step.

    Each epoch is a new permutation, its incomplete last batch dropped; with a tracklet term the sampler chooses.
    """

    def __init__(self, config: TrainingConfig, count: int, process: Process, sampler: PairSampler | None) -> None:
        self._config, self._count, self._process, self._sampler = config, count, process, sampler
        self._epoch, self._permutation = -1, torch.empty(0)

    def at(self, step: int) -> tuple[Tensor, Pairs | None]:
        """This process's rows [B] int64, and the pairs of all processes' rows."""
        config, pairs = self._config, None
        if self._sampler is not None:
            chosen, pairs = self._sampler.draw(np.random.default_rng([config.seed, 2, step]))
            rows = torch.from_numpy(chosen)
        else:
            epoch, position = divmod(step, self._count // config.batch)
            if epoch != self._epoch:
                generator = torch.Generator().manual_seed(number_of(config.seed, 1, epoch))
                self._epoch, self._permutation = epoch, torch.randperm(self._count, generator=generator)
            rows = self._permutation[position * config.batch : (position + 1) * config.batch]
        return rows.view(self._process.count, -1)[self._process.rank], pairs


class Feed:
    """Batches on a device. Take them in the order of the steps.

    On a GPU the raw observations (crops are bytes) lie in its memory where they fit, else they are sent from pinned
    memory; either way they are scaled there, and the next batch is prepared by a thread while a step is computed.
    """

    def __init__(self, data: DataSet, order: Order, device: torch.device) -> None:
        self._data, self._order, self._device = data, order, device
        self._worker = None if device.type == "cpu" else ThreadPoolExecutor(1)
        self._next: tuple[int, Future[tuple[Tensor, Pairs | None]]] | None = None
        self._resident = self._moved() if device.type == "cuda" and self._fits() else None

    def at(self, step: int) -> Batch:
        if self._worker is None:
            rows, pairs = self._order.at(step)
            return Batch(self._data.batch(rows).to(self._device), pairs and pairs.to(self._device))
        ahead = self._next
        found = ahead[1].result() if ahead is not None and ahead[0] == step else self._prepared(step)
        self._next = (step + 1, self._worker.submit(self._prepared, step + 1))
        sent, pairs = found[0].to(self._device, non_blocking=True), found[1]
        raw = sent if self._resident is None else self._resident[sent]
        return Batch(self._data.scaled(raw), pairs and pairs.to(self._device))

    def close(self) -> None:
        """Let the thread end."""
        if self._worker is not None:
            self._worker.shutdown(cancel_futures=True)

    def _prepared(self, step: int) -> tuple[Tensor, Pairs | None]:
        """Rows where the data lies on the device, else the raw observations; in pinned memory on the way to a GPU."""
        rows, pairs = self._order.at(step)
        sent = rows if self._resident is not None else self._data.rows(rows)
        if self._device.type == "cuda":
            sent, pairs = sent.pin_memory(), pairs and Pairs(*(part.pin_memory() for part in pairs))
        return sent, pairs

    def _fits(self) -> bool:
        free, _ = torch.cuda.mem_get_info(self._device)
        return len(self._data) * self._data.rows(torch.arange(1)).nbytes < LARGEST_SHARE * free

    def _moved(self) -> Tensor:
        parts = torch.arange(len(self._data)).split(ROWS_AT_ONCE)
        return torch.cat([self._data.rows(part).to(self._device) for part in parts])


def number_of(*parts: int) -> int:
    """A seed from several numbers, as good as independent of that of any others."""
    return int(np.random.SeedSequence(list(parts)).generate_state(1, np.uint64)[0])
