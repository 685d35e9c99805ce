"""Data sets to train on: rendered pendulums, human motion, binarised digits, image crops."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from embedding.data.dataset import ArrayDataSet, DataSet

if TYPE_CHECKING:
    from embedding.config import DataConfig

__all__ = ["ArrayDataSet", "DataSet", "load_data"]


def load_data(config: DataConfig) -> DataSet:
    """The data set a configuration describes.

    Raises:
        InputError: its file is absent (the message says where to get it) or is not what it should be.
    """
    module = import_module(f"embedding.data.{config.kind}")  # with it comes torch, which packs of crops do without
    found: DataSet = getattr(module, f"load_{config.kind}")(config)
    return found
