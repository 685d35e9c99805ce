"""What a step costs: what is measured of each estimator, and how rows are made of it."""

from typing import Any

import pytest

from embedding.config import load_config
from tools.benchmark import training_cost as cost


def test_rows_are_ratios_to_the_step_without_penalty(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, dict[str, Any]] = {}

    def measured(tree: dict[str, Any], shape: tuple[int, ...], steps: int) -> tuple[float, int]:
        flatness = tree["flatness"]
        name = flatness["estimator"] if flatness["weight"] else "none"
        asked[name] = {"fraction": flatness["batch_fraction"], "batch": tree["batch"]}
        return {"none": (2.0, 100), "directional": (3.0, 150), "exact": (20.0, 400)}[name]

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
    seconds, memory = cost.measure_step(tree, (16, 16), 1)
    assert seconds > 0
    assert memory >= 0
