"""What a training step costs: time, memory and launches, and each flatness estimator's ratio to the step without it."""

from __future__ import annotations

import multiprocessing
import resource
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

from embedding.config import TrainingConfig, parse_config
from embedding.distributed import Process, choose_device
from embedding.training.constraint import Constraint
from embedding.training.contrast import Pairs
from embedding.training.feed import Batch
from embedding.training.objective import NoiseSource, Objective
from embedding.training.step import WARM_UP, Guard, Optimisers, Step
from embedding.vae.model import FlatVAE
from tools.benchmark.dispatch import dispatched

NONE = "none"  # the VHP-VAE's step
ESTIMATORS = (NONE, "directional", "exact", "finite_difference")
CROP = (3, 64, 64)


@dataclass(frozen=True)
class Measured:
    """One training step after the initial phase: forward, backward, guards, update, controller."""

    seconds: float  # on a CPU the process's CPU time, on a GPU elapsed; the median over steps
    memory: int  # bytes: the largest amount in use over that of the idle process; includes weights and Adam's state
    operations: int  # dispatched by the host, views too, before anything is recorded or compiled
    launches: int  # of them, those that run on the device
    asked: int  # of them, those that the host waits for
    busy: float  # share of the time in which the GPU works; nan on a CPU


@dataclass(frozen=True)
class Cost:
    """Of one estimator."""

    estimator: str
    step: Measured
    time_ratio: float  # to the step without the penalty
    memory_ratio: float


def training_cost(
    config: TrainingConfig,
    estimators: Sequence[str] = ESTIMATORS,
    batch: int = 8,
    steps: int = 3,
    shape: Sequence[int] = CROP,
) -> list[Cost]:
    """Cost of a step with each estimator, on random observations; `config` says the rest, its batch fraction too.

    The paper's literal term and the exact one take every sample of the batch, however small the configured fraction.
    Each is measured in a process of its own, so that one's memory does not hide another's.

    Args:
        config: a training configuration; `flatness.weight` only need not be 0.
        estimators: of ESTIMATORS, "none" among them.
        batch: observations a step. The literal term holds n + 1 decoder passes for each of them.
        steps: measured, after some that are not.
        shape: of an observation.
    """
    measured = {name: _isolated(_settings(config, name, batch), tuple(shape), steps) for name in estimators}
    plain = measured[NONE]
    return [Cost(name, m, m.seconds / plain.seconds, m.memory / plain.memory) for name, m in measured.items()]


def _settings(config: TrainingConfig, estimator: str, batch: int) -> dict[str, Any]:
    tree = config.model_dump(mode="json")
    flatness = tree["flatness"]
    if estimator == NONE:
        flatness["weight"] = 0.0
    else:
        flatness.update(estimator=estimator, weight=flatness["weight"] or 1.0)
    if estimator in ("exact", "finite_difference"):
        flatness["batch_fraction"] = 1.0
    return {**tree, "batch": batch}


def _isolated(tree: dict[str, Any], shape: tuple[int, ...], steps: int) -> Measured:
    """`measure_step` in a fresh process."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(measure_step, (tree, shape, steps))


def measure_step(tree: dict[str, Any], shape: tuple[int, ...], steps: int) -> Measured:
    """A training step in this process, on one thread of the CPU or on the GPU."""
    torch.set_num_threads(1)
    config = parse_config(tree, "cost")
    device = choose_device(config.device)
    idle = _peak_memory(device)
    take = step_of(config, shape, device)
    plain = step_of(config.model_copy(update={"compile": False, "cuda_graph": False}), shape, device)
    plain()  # which makes room for Adam's moments
    count = dispatched(plain)
    times = []
    for number in range(WARM_UP + 1 + steps):  # on a GPU the first are not recorded yet
        began = _clock(device)
        take()
        if number > WARM_UP or device.type == "cpu":
            times.append(_clock(device) - began)
    seconds = sorted(times[-steps:])[steps // 2]
    memory = _peak_memory(device) - idle
    return Measured(seconds, memory, count.operations, count.launches, count.asked, _busy(take, device))


def step_of(config: TrainingConfig, shape: tuple[int, ...], device: torch.device) -> partial[Any]:
    """A step on random observations, ready to be taken again and again, as the training loop takes it."""
    objective = Objective(FlatVAE(config.model, shape).to(device), config, bound=1.0)
    constraint = Constraint(config.constraint, 1.0, device, beta=1e-3, initial_phase=False)
    optimisers = Optimisers.of(objective, config, device)
    optimisers.set_rates(config, 1.0, device)
    step = Step(objective, optimisers, constraint, Guard(device), config, Process(0, 1, device), print)
    label = torch.arange(config.batch, device=device) % (config.batch // 2)
    same = label[:, None] == label
    pairs = Pairs(same & ~torch.eye(len(label), dtype=torch.bool, device=device), ~same)
    batch = Batch(torch.rand(config.batch, *shape, device=device), pairs if config.tracklet.weight else None)
    return partial(step.take, batch, NoiseSource(config, device).draw(0), False, True)


def _busy(take: partial[Any], device: torch.device) -> float:
    """Share of the elapsed time in which the GPU runs a kernel, over some steps one after another."""
    if device.type != "cuda":
        return float("nan")
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CUDA]) as profiler:
        began = _clock(device)
        for _ in range(20):
            take()
        elapsed = _clock(device) - began
    return sum(event.self_device_time_total for event in profiler.key_averages()) / 1e6 / elapsed


def _clock(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        return time.perf_counter()
    return time.process_time()


def _peak_memory(device: torch.device) -> int:
    """Bytes: the largest resident set of this process so far, or the largest allocation on the GPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    status = Path("/proc/self/status")
    if status.exists():  # rusage's figure is inherited from the parent process on Linux
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
