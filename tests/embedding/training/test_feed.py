"""Which observations a step sees, whoever asks, and how they get there."""

from typing import Any

import numpy as np
import pytest
import torch

from embedding.config import TrainingConfig, parse_config
from embedding.data import ArrayDataSet
from embedding.data.crops import CropDataSet
from embedding.distributed import Process
from embedding.training.feed import Feed, Order

COUNT = 203
CPU, META = torch.device("cpu"), torch.device("meta")


def build_config(**overrides: Any) -> TrainingConfig:
    tree = {"data": {"kind": "pendulum"}, "constraint": {"bound": 1.0}, "steps": 30, "batch": 20, **overrides}
    return parse_config(tree, "test")


def order(rank: int = 0, processes: int = 1) -> Order:
    return Order(build_config(), COUNT, Process(rank, processes, CPU), None)


@pytest.mark.parametrize("processes", [1, 2, 4])
def test_an_epoch_takes_every_observation_once(processes: int) -> None:
    orders = [order(rank, processes) for rank in range(processes)]
    epoch = torch.cat([each.at(step)[0] for step in range(10) for each in orders])
    assert len(epoch) == 200  # the incomplete batch of 3 is dropped
    assert len(epoch.unique()) == 200
    assert not torch.equal(orders[0].at(10)[0], order(0, processes).at(0)[0])  # the next epoch's order is another


def test_the_order_does_not_depend_on_what_was_asked_before() -> None:
    """A resumed run begins in the middle."""
    whole = order()
    rows = [whole.at(step)[0] for step in range(25)]
    for step in (24, 3, 17):
        assert torch.equal(order().at(step)[0], rows[step])


class Ahead(Feed):
    """As on a GPU that the data does not fit: prepared by a thread, scaled after the way there."""

    def __init__(self, data: Any, order: Order) -> None:
        super().__init__(data, order, META)
        self._device = CPU  # where what was prepared can be looked at


@pytest.mark.parametrize("kind", ["array", "crops"])
def test_batches_prepared_ahead_are_those_of_the_moment(kind: str) -> None:
    random = np.random.default_rng(0)
    data: ArrayDataSet | CropDataSet
    if kind == "array":
        data = ArrayDataSet(torch.from_numpy(random.random((COUNT, 4), np.float32)))
    else:
        crops = random.integers(0, 256, (COUNT, 32, 32, 3)).astype(np.uint8)
        data = CropDataSet(crops, np.arange(COUNT), "standardised")
    now, ahead = Feed(data, order(), CPU), Ahead(data, order())
    for step in (0, 1, 2, 7, 8, 3):  # whatever is asked for, also what nobody prepared
        torch.testing.assert_close(ahead.at(step).x, now.at(step).x, rtol=0, atol=0)
        torch.testing.assert_close(now.at(step).x, data.batch(order().at(step)[0]), rtol=0, atol=0)
    ahead.close()
