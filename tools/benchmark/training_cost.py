"""What the flatness penalty costs: time and memory of a training step, as ratios to the step without it."""

from __future__ import annotations

import multiprocessing
import resource
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from embedding.config import TrainingConfig, parse_config
from embedding.distributed import choose_device
from embedding.training.objective import Objective, draw_noise
from embedding.vae.model import FlatVAE

NONE = "none"  # the VHP-VAE's step
ESTIMATORS = (NONE, "directional", "exact", "finite_difference")
CROP = (3, 64, 64)


@dataclass(frozen=True)
class Cost:
    """Of one training step, forward, backward and update, after the initial phase."""

    estimator: str
    seconds: float  # on a CPU the process's CPU time, on a GPU elapsed; the median over steps
    memory: int  # bytes: the largest amount in use over that of the idle process; includes weights and Adam's state
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
        steps: measured, after one that is not.
        shape: of an observation.
    """
    measured = {name: _isolated(_settings(config, name, batch), tuple(shape), steps) for name in estimators}
    seconds, memory = measured[NONE]
    return [Cost(name, s, m, s / seconds, m / memory) for name, (s, m) in measured.items()]


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


def _isolated(tree: dict[str, Any], shape: tuple[int, ...], steps: int) -> tuple[float, int]:
    """`measure_step` in a fresh process."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(measure_step, (tree, shape, steps))


def measure_step(tree: dict[str, Any], shape: tuple[int, ...], steps: int) -> tuple[float, int]:
    """Seconds (median of `steps`) and bytes of a training step in this process."""
    torch.set_num_threads(1)
    config = parse_config(tree, "cost")
    device = choose_device(config.device)
    idle = _peak_memory(device)
    model = FlatVAE(config.model, shape).to(device)
    objective = Objective(model, config, bound=1.0)
    optimiser = torch.optim.Adam(model.parameters(), config.optimiser.learning_rate)
    x = torch.rand(config.batch, *shape, device=device)
    times = []
    for step in range(steps + 1):
        began = _clock(device)
        noise = draw_noise(config, torch.Generator().manual_seed(step)).to(device)
        optimiser.zero_grad(set_to_none=True)
        objective(x, noise, beta=1e-3)[0].backward()
        optimiser.step()
        times.append(_clock(device) - began)
    return sorted(times[1:])[steps // 2], _peak_memory(device) - idle


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
