"""Data sets to train on: rendered pendulums, human motion, binarised digits, image crops."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from embedding.data.crops import load_crops
from embedding.data.dataset import ArrayDataSet, DataSet
from embedding.data.mnist import load_mnist
from embedding.data.mocap import load_mocap
from embedding.data.pendulum import load_pendulum

if TYPE_CHECKING:
    from embedding.config import DataConfig

__all__ = ["ArrayDataSet", "DataSet", "load_data"]

LOADERS: dict[str, Callable[[DataConfig], DataSet]] = {
    "pendulum": load_pendulum,
    "mocap": load_mocap,
    "mnist": load_mnist,
    "crops": load_crops,
}


def load_data(config: DataConfig) -> DataSet:
    """The data set a configuration describes.

    Raises:
        InputError: its file is absent (the message says where to get it) or is not what it should be.
    """
    return LOADERS[config.kind](config)
