"""One frame after another with NumPy: predict, match, correct, start and end tracks. One class for every preset.

The oracle of the compiled core, `tracker.hpp`, which has the same steps by the same names; it runs where
that is absent. All state is arrays with one row a track (structure of arrays); ended tracks are removed by compaction,
so rows stay in the order in which tracks were born.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from copy import copy
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tracker.core.appearance import AppearanceMemory, AveragedFeature, Gallery
from tracker.core.boxes import non_maximum_suppression
from tracker.core.camera_shift import shift_from_boxes
from tracker.core.checks import checked_features, checked_frame_index
from tracker.core.classes import ClassVotes
from tracker.core.detections import Detections, FloatArray, IntArray, Tracks
from tracker.core.gate import OnlineThreshold
from tracker.core.kalman import MOTION_MODELS, SeparableFilter
from tracker.core.kalman_full import FullFilter
from tracker.core.matching import Observations, match, match_beyond_doubt
from tracker.core.state import NONE, TrackState

if TYPE_CHECKING:
    from tracker.core.config import TrackerConfig

Describe = Callable[[FloatArray], ArrayLike]  # boxes [K, 4] -> features [K, D]


def observe(config: TrackerConfig, detections: Detections, dimension: int | None) -> tuple[Observations, IntArray]:
    """The detections worth matching, and their rows in the caller's arrays.

    Args:
        dimension: of the features in earlier frames; None: any.

    Raises:
        ValueError: the features are no numbers, or not of that dimension.
    """
    scores = detections.scores
    source = (scores >= config.least_confidence).nonzero()[0]
    if config.nms_max_overlap < 1:
        source = source[non_maximum_suppression(detections.boxes[source], scores[source], config.nms_max_overlap)]
    chosen = detections if len(source) == len(detections) else detections.select(source)
    features = None
    if config.appearance != "none" and chosen.features is not None and len(chosen):
        features = checked_features(chosen.features, len(chosen), dimension, config.metric)
    return Observations(
        boxes=chosen.boxes,
        scores=chosen.scores,
        high=chosen.scores >= config.high_confidence,
        features=features,
        described=np.full(len(chosen), features is not None),
        class_ids=chosen.class_ids,
    ), source if detections.rows is None else detections.rows[source]


class NumpyCore:
    """What `tracker.core.tracker.Tracker` is made of where nothing is compiled.

    Args:
        config: the settings.
    """

    backend = "numpy"

    def __init__(self, config: TrackerConfig) -> None:
        self.config = config
        self.state = TrackState()
        self.filter: SeparableFilter | FullFilter = SeparableFilter(MOTION_MODELS[config.motion])
        self.memory: AppearanceMemory | None = None
        if config.appearance == "gallery":
            self.memory = Gallery(config.metric, config.budget)
        elif config.appearance == "average":
            self.memory = AveragedFeature(config.metric, config.momentum, config.max_feature_age)
        self.votes = None if config.class_gating else ClassVotes()
        self.threshold = OnlineThreshold(config.metric) if config.max_appearance_distance == "auto" else None
        self.dimension: int | None = None  # of the features, once seen
        self.described_at = -math.inf  # frame in which every good detection was last described on demand
        self.next_id = 1
        self.frames_seen = 0
        self.frame_index = 0
        self.gate: float | None = None  # largest appearance distance of a match in the last frame
        self.detections_used = 0  # in all frames, those that score enough and that no better one suppresses

    def update(
        self,
        frame_index: int | None,
        affine: NDArray[np.float64] | None,
        detections: Detections,
        describe: Describe | None,
    ) -> Tracks:
        """See `Tracker.update`; `affine` is checked."""
        index = checked_frame_index(frame_index, self.frame_index if self.frames_seen else None)
        frame, source = observe(self.config, detections, self.dimension)
        if describe is None or self.memory is None or frame.features is not None or not frame.high.any():
            self._advance(index, affine, frame)
            return self._take_in(frame, source, None)
        before = self._snapshot()
        try:
            self._advance(index, affine, frame)
            settled = self._describe_doubtful(frame, describe)
        except BaseException:
            vars(self).update(before)
            raise
        return self._take_in(frame, source, settled)

    def _snapshot(self) -> dict[str, Any]:
        """Everything that `_advance` and describing change. Shallow: they replace arrays and write into none."""
        return vars(self) | {name: copy(vars(self)[name]) for name in ("state", "filter", "memory", "votes")}

    def _advance(self, index: int, affine: NDArray[np.float64] | None, frame: Observations) -> None:
        """Predict the tracks into frame `index`."""
        steps = index - self.frame_index if self.frames_seen else 1
        self.frame_index = index
        self.frames_seen += 1
        self._predict(steps)
        if affine is not None:
            self._follow_camera(affine)
        if self.config.camera_shift:
            self._follow_boxes(frame.boxes[frame.high])

    def _take_in(self, frame: Observations, source: IntArray, settled: IntArray | None) -> Tracks:
        if frame.features is not None:
            self.dimension = frame.features.shape[1]
        self.gate = self._appearance_gate(frame)
        self.detections_used += len(frame.boxes)
        found = match(self.config, self.state, self.filter, self.memory, frame, self.gate, settled)
        self._correct(found, frame)
        self._start(found, frame)
        return self._report(source)

    def _predict(self, steps: int) -> None:
        self.state.age = self.state.age + steps
        if self.memory is not None:
            self.memory.advance(steps)
        if steps > 1:  # in a long jump most tracks have ended
            self._keep_if(self.state.age <= self.config.max_age + 1)
        for _ in range(steps if len(self.state) else 0):
            self.filter.predict()
        self._keep_if(self._is_alive)

    @property
    def _is_alive(self) -> NDArray[np.bool_]:
        """[M] whether the predicted state is of any use."""
        if self.config.keep_shrunk:
            return np.asarray(np.isfinite(self.filter.mean).all(axis=1))
        return self.filter.valid

    def _follow_camera(self, affine: NDArray[np.float64]) -> None:
        if isinstance(self.filter, SeparableFilter):
            self.filter = FullFilter.from_separable(self.filter)
        self.filter.warp(affine)
        self._keep_if(self._is_alive & self.filter.is_regular)

    def _follow_boxes(self, boxes: FloatArray) -> None:
        seen = self.state.confirmed & (self.state.missed == 0)
        self.filter.shift(shift_from_boxes(self.filter.model.to_boxes(self.filter.mean[seen]), boxes))

    def _describe_doubtful(self, frame: Observations, describe: Describe) -> IntArray | None:
        """Give features to the good detections that motion does not settle, or to all when it is time again.

        Returns:
            [M] the settled tracks' detections, or None where every good detection was described.
        """
        settled = None
        frame.described = frame.high
        waited = self.frame_index - self.described_at
        if waited < self.config.max_feature_age and not self._is_calibrating:
            settled = match_beyond_doubt(self.state, self.filter, frame, self.config.class_gating)
            frame.described = frame.high.copy()
            frame.described[settled[settled != NONE]] = False
        else:
            self.described_at = self.frame_index
        rows = frame.described.nonzero()[0]
        if len(rows):
            asked = frame.boxes[rows]
            found = checked_features(describe(asked), len(rows), self.dimension, self.config.metric, "describe")
            frame.features = np.zeros((len(frame.boxes), found.shape[1]), np.float32)
            frame.features[rows] = found
        return settled

    @property
    def _is_calibrating(self) -> bool:
        """Whether the first gate on appearance is still to come."""
        return self.threshold is not None and self.threshold.true_accepts is None

    def _appearance_gate(self, frame: Observations) -> float | None:
        """Largest admissible appearance distance, None while appearance has nothing to say."""
        if frame.features is None:
            if self.threshold is not None:
                self.threshold.follow(frame.boxes[frame.high])
            return None
        limit = self.config.max_appearance_distance
        if limit != "auto":
            return limit
        assert self.threshold is not None
        if frame.described[frame.high].all():
            self.threshold.observe(frame.boxes[frame.high], frame.features[frame.high])
        else:
            self.threshold.follow(frame.boxes[frame.high])
        return self.threshold.value

    def _correct(self, found: IntArray, frame: Observations) -> None:
        """Update the matched tracks, age the others, drop those that are over."""
        rows = (found != NONE).nonzero()[0]
        columns = found[rows]
        self.filter.update(rows, frame.boxes[columns])
        if self.memory is not None and frame.features is not None:
            good = frame.described[columns] & frame.high[columns]  # a doubtful detection says little of a track's looks
            self.memory.update(rows[good], frame.features[columns[good]])
        if self.votes is not None and frame.class_ids is not None:
            classes = self.state.class_ids
            classes[rows] = self.votes.update(rows, classes[rows], frame.class_ids[columns])
        self.state.record(found, frame.scores, self.config.n_init)
        self._keep_if((self.state.missed == 0) | (self.state.confirmed & (self.state.age <= self.config.max_age)))

    def _start(self, found: IntArray, frame: Observations) -> None:
        """Begin a track for each good detection that no track took."""
        free = frame.high.copy()
        if self.config.new_track_confidence is not None:
            free &= frame.scores >= self.config.new_track_confidence
        free[found[found != NONE]] = False
        columns = free.nonzero()[0]
        count, born = len(columns), len(self.state) + np.arange(len(columns))
        if not count:
            return
        self.filter.append(frame.boxes[columns])
        if self.memory is not None:
            self.memory.append(count)
            if frame.features is not None:
                self.memory.update(born, frame.features[columns])
        ids = np.arange(self.next_id, self.next_id + count)
        class_ids = np.full(count, NONE) if frame.class_ids is None else frame.class_ids[columns]
        if self.votes is not None:
            self.votes.append(count)
            self.votes.update(born, class_ids, class_ids)
        self.state.append(ids, columns, frame.scores[columns], class_ids, self.config.n_init)
        self.next_id += count

    def _keep_if(self, rows: NDArray[np.bool_]) -> None:
        """Drop the tracks that the mask [M] leaves out."""
        if rows.all():
            return
        self.state.keep(rows)
        self.filter.keep(rows)
        if self.memory is not None:
            self.memory.keep(rows)
        if self.votes is not None:
            self.votes.keep(rows)

    def _report(self, source: IntArray) -> Tracks:
        config, state = self.config, self.state
        shown = state.confirmed & (state.missed <= config.max_coast)
        if config.min_hits and self.frames_seen > config.min_hits:
            shown &= state.streak >= config.min_hits
        rows = shown.nonzero()[0]
        boxes = self.filter.model.to_boxes(self.filter.mean[rows])
        detection = state.detection[rows]
        detected = detection != NONE
        detection[detected] = source[detection[detected]]
        return Tracks(state.ids[rows], boxes, state.scores[rows], detection, state.class_ids[rows])
