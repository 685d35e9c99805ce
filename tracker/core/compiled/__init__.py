"""What is compiled, where it could be: the tracker as one call a frame (`core`), and two loops over arrays.

`module.cpp` here binds `tracker.hpp`; the headers that it includes lie beside the Python modules that they mirror.
Imports NumPy; `core` and `views` the rest of `tracker.core`.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

REVISION = 3  # of what is called in `module.cpp`

native: Any = None
_absent: str | None = None
try:
    native = import_module("tracker.core.compiled._native")
except ImportError as error:  # not built, or for another Python
    _absent = str(error)
else:
    if getattr(native, "revision", 1) != REVISION:
        native, _absent = None, "it was built from older sources: make compile"


def why_absent() -> str | None:
    """Why there is no compiled core; None where there is one."""
    return _absent


def read_table(text: bytes, columns: int, values: NDArray[np.float64]) -> bool:
    """Lines of so many plain numbers, with commas between and line feeds behind them, into `values` [N].

    False where they are anything else, have more digits than a double holds, or nothing is compiled here; what `values`
    holds then is of no use.
    """
    return native is not None and native.read_table(text, columns, values)


def _looks_again(boxes: Any, scores: Any, features: Any) -> bool:
    return False


# Whether boxes [N, 4], scores [N] and features [N, D] or None are what `Detections` makes of them already: float64,
# float64 and float32, each row sound. False where that is not plain to see, and where nothing is compiled.
are_sound = _looks_again if native is None else native.are_sound
