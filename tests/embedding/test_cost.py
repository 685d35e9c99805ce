"""What a step costs: the measurement's rows, on a model small enough for a test."""

from embedding.config import load_config
from embedding.cost import ESTIMATORS, training_cost


def test_rows_of_a_small_model() -> None:
    config = load_config("pendulum", ["flatness.batch_fraction=0.5"])
    rows = training_cost(config, ("none", "directional"), batch=16, steps=1, shape=(16, 16))
    assert [row.estimator for row in rows] == ["none", "directional"]
    assert rows[0].time_ratio == rows[0].memory_ratio == 1
    assert all(row.seconds > 0 and row.memory > 0 for row in rows)
    assert rows[1].time_ratio == rows[1].seconds / rows[0].seconds


def test_estimators_are_those_of_the_configuration() -> None:
    for name in set(ESTIMATORS) - {"none"}:
        load_config("pendulum", [f"flatness.estimator={name}"])
