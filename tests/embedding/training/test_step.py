"""A step eagerly, compiled and as it is recorded; what it leaves out; what the host hears of it."""

import math
import shutil
from collections.abc import Callable
from typing import Any

import pytest
import torch

from embedding.config import TrainingConfig, parse_config
from embedding.distributed import Process
from embedding.training import step as module
from embedding.training.constraint import Constraint
from embedding.training.contrast import Pairs
from embedding.training.feed import Batch
from embedding.training.objective import NoiseSource, Objective, Terms
from embedding.training.step import WARM_UP, Guard, Optimisers, Readback, Step
from embedding.vae.model import FlatVAE

CPU = torch.device("cpu")
BATCH, SHAPE = 16, (3, 32, 32)
BOUND = 1e-3  # out of reach: the initial phase ends with its eighth step


def build_config(**overrides: Any) -> TrainingConfig:
    tree = {
        "data": {"kind": "crops"},
        "model": {
            "latent_dim": 6,
            "encoder": {"kind": "vgg16", "width": 0.03},
            "decoder": {"kind": "convolutional", "widths": [12, 8], "activation": "silu"},
            "prior": {"widths": [12], "samples": 3},
        },
        "flatness": {"weight": 0.5, "mode": "relative", "estimator": "directional", "directions": 2},
        "augmentation": {"flip": True, "erase": 0.5},
        "tracklet": {"weight": 0.5},
        "constraint": {"bound": BOUND, "max_initial_steps": 8, "smoothing": 0.5},
        "optimiser": {"learning_rate": 1e-3},
        "decode_fraction": 0.5,
        "steps": 20,
        "batch": BATCH,
        **overrides,
    }
    return parse_config(tree, "test")


class Trainer:
    """A model that takes steps on batches which are a function of their number."""

    def __init__(self, say: Callable[[str], None] = print, **overrides: Any) -> None:
        self.config = config = build_config(**overrides)
        torch.manual_seed(0)
        self.model = FlatVAE(config.model, SHAPE)
        objective = Objective(self.model, config, bound=BOUND)
        self.optimisers = Optimisers.of(objective, config, CPU)
        self.constraint, self.guard = Constraint(config.constraint, BOUND), Guard(CPU)
        self.noise = NoiseSource(config)
        self.step = Step(objective, self.optimisers, self.constraint, self.guard, config, Process(0, 1, CPU), say)

    def take(self, number: int, spoilt: bool = False) -> Terms:
        generator = torch.Generator().manual_seed(number)
        x = torch.rand(BATCH, *SHAPE, generator=generator) * (math.nan if spoilt else 1)
        label = torch.arange(BATCH) % (BATCH // 2)
        same = label[:, None] == label
        differ = torch.rand(BATCH, BATCH, generator=generator) < 0.7  # of some pairs nothing is known
        pairs = Pairs(same & ~torch.eye(BATCH, dtype=torch.bool), differ & differ.T & ~same)
        return self.step.take(Batch(x, pairs), self.noise.draw(number), number % 5 == 4, True)

    def state(self) -> dict[str, torch.Tensor]:
        return {
            **self.model.state_dict(),
            **{f"constraint.{name}": value for name, value in self.constraint.state_dict().items()},
            **{f"guard.{name}": value for name, value in self.guard.state_dict().items()},
        }


def run(trainer: Trainer, steps: int = 20) -> tuple[list[float], dict[str, torch.Tensor]]:
    """The errors C of all steps, and what is left after them."""
    return [float(trainer.take(number).error) for number in range(steps)], trainer.state()


def largest_difference(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> float:
    """Relative to each tensor's norm."""
    return max(
        float((value.double() - other[name].double()).norm() / (value.double().norm() + 1e-6))
        for name, value in one.items()
        if not value.isnan().any()
    )


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler")
def test_a_compiled_step_is_the_eager_one() -> None:
    layers = {"kind": "mlp", "widths": [24]}  # convolutions are not compiled but called, and take minutes
    model = {"latent_dim": 6, "encoder": layers, "decoder": layers, "prior": {"widths": [12], "samples": 3}}
    errors, state = run(Trainer(model=model, augmentation={}))
    compiled_errors, compiled = run(Trainer(model=model, augmentation={}, compile=True))
    assert compiled_errors == pytest.approx(errors, rel=1e-5)
    assert largest_difference(state, compiled) < 1e-5 * 20  # twenty updates, each to rounding


class StandIn:
    """Runs what would be recorded: on its own memory, and not when it is recorded."""

    def __init__(self, batch: Batch, function: Callable[[Batch], Terms]) -> None:
        pairs = batch.pairs and Pairs(*(torch.zeros_like(part) for part in batch.pairs))
        self._batch, self._function = Batch(torch.zeros_like(batch.x), pairs), function
        self._graph = self

    replay_batch = module.Recorded.replay

    def replay(self, batch: Batch | None = None) -> Terms | None:
        if batch is not None:
            self.replay_batch(batch)  # type: ignore[arg-type]
        else:
            self._terms = self._function(self._batch)
        return self._terms


@pytest.mark.parametrize(("weight", "kinds"), [(0.5, 1), (0.0, 2)])  # 0: what is logged is measured in some alone
def test_a_recorded_step_sees_each_batch(monkeypatch: pytest.MonkeyPatch, weight: float, kinds: int) -> None:
    """Which steps are recorded, and what a recording reads; the recording itself needs a GPU."""
    made = []

    def recorded(batch: Batch, function: Callable[[Batch], Terms]) -> StandIn:
        made.append(function)
        return StandIn(batch, function)

    monkeypatch.setattr(module, "Recorded", recorded)
    flatness = {"weight": weight, "mode": "relative", "estimator": "directional", "directions": 2}
    trainer = Trainer(flatness=flatness)
    trainer.step._records = True
    monkeypatch.setattr(trainer.step, "_aside", trainer.step._eager)
    errors, state = run(trainer)
    plain_errors, plain = run(Trainer(flatness=flatness))
    assert errors == plain_errors
    assert all(torch.equal(value, plain[name]) for name, value in state.items())
    assert len(made) == kinds


def test_what_cannot_be_recorded_runs_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    def recorded(batch: Batch, function: Callable[[Batch], Terms]) -> StandIn:
        raise RuntimeError("operation not permitted when stream is capturing")

    said: list[str] = []
    monkeypatch.setattr(module, "Recorded", recorded)
    trainer = Trainer(said.append)
    trainer.step._records = True
    monkeypatch.setattr(trainer.step, "_aside", trainer.step._eager)
    errors, state = run(trainer)
    assert errors == run(Trainer())[0]
    assert len(said) == 1
    assert "cannot be recorded as a CUDA graph" in said[0]
    assert WARM_UP < 20
    assert largest_difference(state, run(Trainer())[1]) == 0


def test_a_step_without_a_finite_gradient_changes_no_parameter() -> None:
    trainer = Trainer()
    for number in range(10):  # two of the main phase
        trainer.take(number)
    parameters = {name: value.clone() for name, value in trainer.model.named_parameters()}
    moments = [state["exp_avg"].clone() for one in trainer.optimisers for state in one.state.values()]
    beta = trainer.constraint.beta.clone()
    for number in (10, 11):
        trainer.take(number, spoilt=True)
    assert all(torch.equal(value, parameters[name]) for name, value in trainer.model.named_parameters())
    after = [state["exp_avg"] for one in trainer.optimisers for state in one.state.values()]
    assert all(torch.equal(one, other) for one, other in zip(moments, after, strict=True))
    assert torch.equal(trainer.constraint.beta, beta)
    assert (int(trainer.guard.skipped), int(trainer.guard.gap)) == (2, 2)
    trainer.take(12)
    assert (int(trainer.guard.skipped), int(trainer.guard.gap)) == (2, 0)
    assert any(not torch.equal(value, parameters[name]) for name, value in trainer.model.named_parameters())


def test_the_prior_rests_until_the_main_phase() -> None:
    trainer = Trainer()
    before = {name: value.clone() for name, value in trainer.model.prior.named_parameters()}
    for number in range(8):
        trainer.take(number)
    assert all(torch.equal(value, before[name]) for name, value in trainer.model.prior.named_parameters())
    assert not trainer.constraint.initial_phase  # from the next step on
    trainer.take(8)
    assert any(not torch.equal(value, before[name]) for name, value in trainer.model.prior.named_parameters())


def test_the_host_hears_of_a_step_when_the_next_is_on_its_way() -> None:
    back = Readback(2, CPU)
    back.post([torch.tensor(-1), torch.tensor(False)])
    heard = []
    for number in range(4):
        back.post([torch.tensor(number), torch.tensor(number > 1)])
        heard.append(back.read())
    assert heard == [[-1.0, 0.0], [0.0, 0.0], [1.0, 0.0], [2.0, 1.0]]
    assert back.read(late=0) == [3.0, 1.0]
