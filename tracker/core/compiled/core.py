"""The compiled core behind the same names as `tracker.core.numpy_core.NumpyCore`."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tracker.core.appearance import AppearanceMemory
from tracker.core.checks import checked_features, checked_frame_index
from tracker.core.classes import ClassVotes
from tracker.core.compiled import native, views, why_absent
from tracker.core.detections import Detections, Tracks
from tracker.core.gate import OnlineThreshold
from tracker.core.kalman import SeparableFilter
from tracker.core.kalman_full import FullFilter
from tracker.core.numpy_core import Describe, observe
from tracker.core.state import TrackState

if TYPE_CHECKING:
    from tracker.core.config import TrackerConfig

LARGEST = 2**53  # the compiled core counts in 64 bits


def is_possible(config: TrackerConfig) -> bool:
    """Whether the compiled core takes the configuration: all but numbers beyond any use."""
    whole = (config.max_age, config.n_init, config.min_hits, config.max_coast, config.budget, config.max_feature_age)
    return max(*whole, *(stage.max_missed or 0 for stage in config.stages)) < LARGEST


class CompiledCore:
    """The same as `tracker.core.numpy_core.NumpyCore`, compiled.

    Args:
        config: the settings.
    """

    backend = "compiled"

    def __init__(self, config: TrackerConfig) -> None:
        self.config = config
        derived = ("least_confidence", "high_confidence", "starting_confidence", "max_appearance_distance")
        self._native = native.Core(config.model_dump() | {name: getattr(config, name) for name in derived}, Tracks)

    def update(
        self,
        frame_index: int | None,
        affine: NDArray[np.float64] | None,
        detections: Detections,
        describe: Describe | None,
    ) -> Tracks:
        """See `Tracker.update`; `affine` is checked."""
        d = detections
        if describe is None:  # nearly always all there is to do
            tracks = self._native.update(frame_index, affine, d.boxes, d.scores, d.features, d.class_ids, d.rows)
            if tracks is not None:
                return tracks
        index = checked_frame_index(frame_index, self.frame_index if self.frames_seen else None)
        frame = (index, affine, d.boxes, d.scores, d.features, d.class_ids, d.rows)
        if describe is not None and (asked := self._native.begin(*frame)) is not None:
            return self._describe(asked, describe)
        tracks = self._native.update(*frame)
        if tracks is None:
            self._refuse(detections)
        return tracks

    def _describe(self, boxes: NDArray[np.float64], describe: Describe) -> Tracks:
        try:
            features = None
            if len(boxes):
                features = checked_features(describe(boxes), len(boxes), self.dimension, self.config.metric, "describe")
            return self._native.finish(features)
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
        if absent := why_absent():
            raise RuntimeError(f"a tracker that was kept by the compiled core, which is absent here ({absent})")
        self.__init__(kept["config"])  # type: ignore[misc]
        self._native.restore(kept["contents"])

    def __deepcopy__(self, memo: dict[int, Any]) -> CompiledCore:
        twin = CompiledCore(deepcopy(self.config, memo))
        twin._native.restore(self._native.contents())
        return twin
