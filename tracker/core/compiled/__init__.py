"""The compiled core as Python sees it: one call a frame, and its memory as the NumPy classes hold theirs.

`module.cpp` here binds `tracker.hpp`; the headers that it includes lie beside the Python modules that they mirror.
Imports the rest of `tracker.core`; NumPy.
"""

from __future__ import annotations

from copy import deepcopy
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tracker.core.appearance import AppearanceMemory
from tracker.core.checks import checked_features
from tracker.core.classes import ClassVotes
from tracker.core.compiled import views
from tracker.core.detections import Detections, Tracks
from tracker.core.gate import OnlineThreshold
from tracker.core.kalman import SeparableFilter
from tracker.core.kalman_full import FullFilter
from tracker.core.numpy_core import Describe, observe
from tracker.core.state import TrackState

if TYPE_CHECKING:
    from tracker.core.config import TrackerConfig

REVISION = 2  # of what is called in `module.cpp`

try:
    _native: Any = import_module("tracker.core.compiled._native")
except ImportError as error:  # not built, or for another Python
    _absent: str | None = str(error)
else:
    _absent = None
    if getattr(_native, "revision", 1) != REVISION:
        _absent = "it was built from older sources: make compile"

LARGEST = 2**53  # the compiled core counts in 64 bits


def why_absent() -> str | None:
    """Why there is no compiled core; None where there is one."""
    return _absent


def is_possible(config: TrackerConfig) -> bool:
    """Whether the compiled core takes the configuration: all but numbers beyond any use."""
    whole = (config.max_age, config.n_init, config.min_hits, config.max_coast, config.budget, config.max_feature_age)
    return max(*whole, *(stage.max_missed or 0 for stage in config.stages)) < LARGEST


def read_table(text: bytes, columns: int, values: NDArray[np.float64]) -> bool:
    """Lines of so many plain numbers, with commas between and line feeds behind them, into `values` [N].

    False where they are anything else, have more digits than a double holds, or nothing is compiled here; what `values`
    holds then is of no use.
    """
    return _absent is None and _native.read_table(text, columns, values)


class CompiledCore:
    """The same as `tracker.core.numpy_core.NumpyCore`, compiled.

    Args:
        config: the settings.
    """

    backend = "compiled"

    def __init__(self, config: TrackerConfig) -> None:
        self.config = config
        derived = ("least_confidence", "high_confidence", "starting_confidence", "max_appearance_distance")
        self._native = _native.Core(config.model_dump() | {name: getattr(config, name) for name in derived})

    def update(
        self, index: int, affine: NDArray[np.float64] | None, detections: Detections, describe: Describe | None
    ) -> Tracks:
        """See `Tracker.update`; `index` and `affine` are checked."""
        found = detections
        frame = (index, affine, found.boxes, found.scores, found.features, found.class_ids, found.rows)
        count = -1
        if describe is None or (asked := self._native.begin(*frame)) is None:
            count = self._native.update(*frame)
            if count < 0:
                self._refuse(detections)
        else:
            count = self._describe(np.frombuffer(asked).reshape(-1, 4), describe)
        whole = np.empty((3, count), np.int64)
        boxes, scores = np.empty((count, 4)), np.empty(count)
        ids, detection, class_ids = whole
        self._native.report(ids, boxes, scores, detection, class_ids)
        return Tracks(ids, boxes, scores, detection, class_ids)

    def _describe(self, boxes: NDArray[np.float64], describe: Describe) -> int:
        try:
            features = None
            if len(boxes):
                found = describe(boxes.copy())
                features = checked_features(found, len(boxes), self.dimension, self.config.metric, "describe")
            return int(self._native.finish(features))
        except BaseException:
            self._native.roll_back()
            raise

    def _refuse(self, detections: Detections) -> None:
        """Say what is wrong with the frame, in the words of the NumPy code."""
        observe(self.config, detections, self.dimension)
        raise ValueError("boxes/scores: expected finite numbers")

    @property
    def gate(self) -> float | None:
        """See `Tracker.gate`."""
        return self._native.gate

    @property
    def detections_used(self) -> int:
        """See `Tracker.detections_used`."""
        return self._native.detections_used

    @property
    def frame_index(self) -> int:
        """Number of the last frame."""
        return self._native.frame_index

    @property
    def frames_seen(self) -> int:
        """How many there were."""
        return self._native.frames_seen

    @property
    def next_id(self) -> int:
        """See `Tracker.next_id`."""
        return self._native.next_id

    @property
    def dimension(self) -> int | None:
        """Of the features, once seen."""
        return self._native.dimension

    @property
    def state(self) -> TrackState:
        """A copy."""
        return views.state_of(self._native.contents())

    @property
    def filter(self) -> SeparableFilter | FullFilter:
        """A copy."""
        return views.filter_of(self._native.contents(), self.config)

    @property
    def memory(self) -> AppearanceMemory | None:
        """A copy."""
        return views.memory_of(self._native.contents(), self.config)

    @property
    def votes(self) -> ClassVotes | None:
        """A copy."""
        return views.votes_of(self._native.contents(), self.config)

    @property
    def threshold(self) -> OnlineThreshold | None:
        """A copy."""
        return views.threshold_of(self._native.contents(), self.config)

    def __getstate__(self) -> dict[str, Any]:
        return {"config": self.config, "contents": self._native.contents()}

    def __setstate__(self, kept: dict[str, Any]) -> None:
        if _absent is not None:
            raise RuntimeError(f"a tracker that was kept by the compiled core, which is absent here ({_absent})")
        self.__init__(kept["config"])  # type: ignore[misc]
        self._native.restore(kept["contents"])

    def __deepcopy__(self, memo: dict[int, Any]) -> CompiledCore:
        twin = CompiledCore(deepcopy(self.config, memo))
        twin._native.restore(self._native.contents())
        return twin
