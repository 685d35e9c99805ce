"""The closed form's statistics, compiled from `statistics.cpp`; where that could not be built, NumPy computes them.

`FLATSORT_BACKEND=numpy` chooses NumPy, as it does for the tracker. Imports NumPy.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from embedding.descriptors.statistics import ColourWords, StripeGaussians

try:
    _native: Any = import_module("embedding.descriptors.compiled._native")
except ImportError:  # not built, or for another Python
    _native = None


def is_used() -> bool:
    """Whether there is compiled code, and nobody asked for NumPy."""
    return _native is not None and os.environ.get("FLATSORT_BACKEND") != "numpy"


def statistics(crops: NDArray[np.uint8], words: ColourWords, gaussians: StripeGaussians) -> list[NDArray[np.float32]]:
    """Both statistics of crops uint8 [N, 64, 64, 3]: [N, D] each, as the objects themselves compute them."""
    found = [np.empty((len(crops), size), np.float32) for size in (words.dimension, gaussians.dimension)]
    _native.describe(np.ascontiguousarray(crops), words.nearest, words.share, words.columns, words.stripes, *found)
    return found
