"""What a step costs: what is measured of each estimator, and how rows are made of it."""

from typing import Any

import pytest
import torch

from embedding.config import load_config
from tools.benchmark import training_cost as cost
from tools.benchmark.dispatch import dispatched


def test_rows_are_ratios_to_the_step_without_penalty(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, dict[str, Any]] = {}

    def measured(tree: dict[str, Any], shape: tuple[int, ...], steps: int) -> cost.Measured:
        flatness = tree["flatness"]
        name = flatness["estimator"] if flatness["weight"] else "none"
        asked[name] = {"fraction": flatness["batch_fraction"], "batch": tree["batch"]}
        seconds, memory = {"none": (2.0, 100), "directional": (3.0, 150), "exact": (20.0, 400)}[name]
        return cost.Measured(seconds, memory, operations=9, launches=5, asked=0, busy=1.0)

    monkeypatch.setattr(cost, "_isolated", measured)
    config = load_config("pendulum", ["flatness.batch_fraction=0.5"])
    rows = cost.training_cost(config, ("none", "directional", "exact"), batch=16)
    assert [(row.estimator, row.time_ratio, row.memory_ratio) for row in rows] == [
        ("none", 1.0, 1.0),
        ("directional", 1.5, 1.5),
        ("exact", 10.0, 4.0),
    ]
    assert asked["directional"] == {"fraction": 0.5, "batch": 16}
    assert asked["exact"] == {"fraction": 1.0, "batch": 16}  # the literal term spares nothing


def test_a_step_is_measured() -> None:
    tree = load_config("pendulum", ["batch=8", "device=cpu"]).model_dump(mode="json")
    step = cost.measure_step(tree, (16, 16), 1)
    assert step.seconds > 0
    assert step.memory >= 0
    assert step.operations > step.launches > 50


@pytest.mark.parametrize("name", ["mot16", "mot16-lite", "pendulum"])
def test_nothing_in_a_step_waits_for_the_device(name: str) -> None:
    narrow = [] if name == "pendulum" else ["model.encoder.width=0.05", "model.decoder.widths=[8,8,8,8,8]"]
    config = load_config(name, ["device=cpu", "batch=8", *narrow])
    take = cost.step_of(config, (16, 16) if name == "pendulum" else cost.CROP, torch.device("cpu"))
    take()
    count = dispatched(take)
    assert count.asked == 0
    assert count.operations > 200


def test_what_the_host_waits_for_is_counted() -> None:
    tensor = torch.ones(3)
    count = dispatched(lambda: (float(tensor.sum()), bool(tensor[0] > 0), tensor[tensor > 0], tensor.view(3, 1) + 1))
    assert count.asked == 3
    assert count.launches == 7  # a sum, two comparisons, two answers, what the mask chooses, an addition
    assert count.operations > count.launches
