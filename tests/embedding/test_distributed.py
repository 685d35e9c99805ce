"""One process of 2B observations against two gloo processes of B, with the same noise."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, distributed
from torch.nn.parallel import DistributedDataParallel

from embedding.config import TrainingConfig, parse_config
from embedding.training.constraint import Constraint
from embedding.training.contrast import Pairs
from embedding.training.objective import Noise, NoiseSource, Objective, Terms
from embedding.vae.model import FlatVAE

CASES = [("absolute", "exact"), ("absolute", "directional"), ("relative", "directional"), ("relative", "exact")]
SHAPE, BATCH, LATENT_DIM = (12,), 16, 4


def build_config(mode: str, estimator: str) -> TrainingConfig:
    network = {"widths": [24], "activation": "silu"}
    tree = {
        "data": {"kind": "pendulum"},
        "model": {"latent_dim": LATENT_DIM, "encoder": network, "decoder": network, "prior": {**network, "samples": 3}},
        "flatness": {"weight": 2.0, "mode": mode, "estimator": estimator},
        "tracklet": {"weight": 0.7, "temperature": 0.3},
        "constraint": {"bound": 0.3},
        "steps": 1,
        "batch": BATCH,
    }
    return parse_config(tree, "test")


def inputs(config: TrainingConfig) -> tuple[Objective, Tensor, Noise, Pairs]:
    """The same on every process. The mixup permutation keeps to the halves, as two processes must.

    Tracklets do not: the first half of the batch holds the partners of the second, as in training.
    """
    torch.manual_seed(0)
    objective = Objective(FlatVAE(config.model, SHAPE), config, bound=0.3)
    x = torch.rand(BATCH, *SHAPE)
    noise = NoiseSource(config).draw(1)
    halves = (torch.arange(BATCH) >= BATCH // 2).float()
    label = torch.arange(BATCH) % (BATCH // 2)
    same = (label[:, None] == label) & ~torch.eye(BATCH, dtype=torch.bool)
    different = (label[:, None] != label) & ((label[:, None] + label) % 3 > 0)  # of some pairs nothing is known
    return objective, x, noise._replace(order=noise.order + halves), Pairs(same, different)


def step(module: torch.nn.Module, config: TrainingConfig, x: Tensor, noise: Noise, pairs: Pairs) -> dict[str, Any]:
    """Loss, gradients and controller of one step of the main phase."""
    loss, terms = module(x, noise, 0.05, pairs=pairs)
    loss.backward()
    constraint = Constraint(config.constraint, 0.3, initial_phase=False)
    constraint.update(terms.error)
    gradients = {name.removeprefix("module."): p.grad for name, p in module.named_parameters()}
    return {
        "gradients": gradients,
        "terms": dict(zip(Terms._fields, terms, strict=True)),
        "beta": float(constraint.beta),
    }


def work(rank: int, folder: str) -> None:
    distributed.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
    torch.set_num_threads(1)
    rows = slice(rank * BATCH // 2, (rank + 1) * BATCH // 2)
    found = []
    for case in CASES:
        config = build_config(*case)
        objective, x, noise, pairs = inputs(config)
        found.append(step(DistributedDataParallel(objective), config, x[rows], noise.part(rank, 2), pairs))
    torch.save(found, f"{folder}/{rank}.pt")
    distributed.destroy_process_group()


@pytest.fixture(scope="module")
def two_processes(tmp_path_factory: pytest.TempPathFactory) -> list[list[dict[str, Any]]]:
    folder = tmp_path_factory.mktemp("gloo")
    torch.multiprocessing.spawn(work, (str(folder),), nprocs=2)
    return [torch.load(Path(folder) / f"{rank}.pt") for rank in range(2)]


@pytest.mark.parametrize("case", range(len(CASES)), ids=lambda i: "-".join(CASES[i]))
@pytest.mark.slow
def test_two_processes_equal_one(two_processes: list[list[dict[str, Any]]], case: int) -> None:
    config = build_config(*CASES[case])
    objective, x, noise, pairs = inputs(config)
    alone = step(objective, config, x, noise, pairs)
    for process in two_processes:
        found = process[case]
        assert found["beta"] == pytest.approx(alone["beta"], rel=1e-7)
        for name, value in alone["terms"].items():
            torch.testing.assert_close(found["terms"][name], value, rtol=1e-5, atol=1e-6, msg=name)
        for name, gradient in alone["gradients"].items():
            error = (found["gradients"][name] - gradient).norm() / (gradient.norm() + 1e-12)
            assert float(error) < 1e-5 or float(gradient.norm()) < 1e-7, name


@pytest.mark.slow
def test_processes_agree_bit_by_bit(two_processes: list[list[dict[str, Any]]]) -> None:
    for one, other in zip(*two_processes, strict=True):
        assert one["beta"] == other["beta"]
        assert all(torch.equal(one["gradients"][name], other["gradients"][name]) for name in one["gradients"])
