"""Which detection belongs to which track: the rounds of the configuration, one cost matrix a round.

Rows are tracks, columns detections, both as indices into the tracker's table and the frame's arrays. A forbidden pair
(outside the gate, another class) costs infinity.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tracker.core.appearance import AppearanceMemory, Features
from tracker.core.assignment import assign, assign_before_threshold
from tracker.core.boxes import iou
from tracker.core.detections import FloatArray, IntArray
from tracker.core.kalman import SeparableFilter
from tracker.core.kalman_full import FullFilter
from tracker.core.state import NONE, TrackState
from tracker.core.tracklets import mutual_overlaps

if TYPE_CHECKING:
    from tracker.core.config import Stage, TrackerConfig

Mask = NDArray[np.bool_]


@dataclass(slots=True)
class Observations:
    """The detections of a frame as matching needs them."""

    boxes: FloatArray  # [N, 4] xyxy
    scores: FloatArray  # [N]
    high: Mask  # [N] good enough for every round; the others only take part in rounds on low detections
    features: Features | None  # [N, D], prepared for the metric; zeros where not described
    described: Mask  # [N] has a feature
    class_ids: IntArray | None  # [N], NONE where unknown; None: no classes at all


def match(
    config: TrackerConfig,
    tracks: TrackState,
    motion: SeparableFilter | FullFilter,
    memory: AppearanceMemory | None,
    frame: Observations,
    max_appearance_distance: float | None,
    settled: IntArray | None = None,
) -> IntArray:
    """Run every stage of the configuration.

    Args:
        tracks, motion, memory: M tracks, predicted into this frame.
        frame: its N detections.
        max_appearance_distance: the gate on appearance; None when appearance has nothing to say in this frame.
        settled: [M] what `match_beyond_doubt` found: these tracks and detections take part in no stage.

    Returns:
        [M] for each track its detection (a row of `frame`), or NONE.
    """
    found = np.full(len(tracks), NONE) if settled is None else settled.copy()
    appearance_speaks = max_appearance_distance is not None
    free = np.ones(len(frame.boxes), dtype=bool)
    free[found[found != NONE]] = False
    for stage in config.stages:
        if stage.when == ("motion" if appearance_speaks else "appearance"):
            continue
        rows = _eligible(stage, tracks, found, config.max_age).nonzero()[0]
        columns = (free & (frame.high == (stage.detections == "high"))).nonzero()[0]
        if not len(rows) or not len(columns):
            continue
        if stage.match == "appearance":
            if max_appearance_distance is None or frame.features is None or memory is None:
                continue
            threshold = max_appearance_distance if stage.max_distance is None else stage.max_distance
            # Looked up only for pairs inside the Mahalanobis gate (Wojke et al. 2017, Eq. 1-4).
            gate = motion.gating_distance(rows, frame.boxes[columns]) <= config.gating_threshold
            gate &= frame.described[columns]
            limit = np.inf if stage.assign_before_threshold else threshold
            cost = memory.distance(rows, frame.features[columns], gate, limit)
        else:
            threshold = config.max_iou_distance if stage.max_distance is None else stage.max_distance
            overlap = iou(motion.model.to_boxes(motion.mean[rows]), frame.boxes[columns])
            cost = np.where(overlap > 0, 1.0 - overlap, np.inf)  # boxes apart are nobody's match
        if frame.class_ids is not None and config.class_gating:
            cost[_other_class(tracks.class_ids[rows], frame.class_ids[columns])] = np.inf
        matched_rows, matched_columns = _assign_stage(stage, cost, threshold, tracks.missed[rows])
        found[rows[matched_rows]] = columns[matched_columns]
        free[columns[matched_columns]] = False
    return found


def match_beyond_doubt(
    tracks: TrackState, motion: SeparableFilter | FullFilter, frame: Observations, class_gating: bool = True
) -> IntArray:
    """Pairs that motion alone makes certain: seen in the last frame, much overlap, and nobody else near.

    Returns:
        [M] for each track its detection, or NONE.
    """
    found = np.full(len(tracks), NONE)
    if not len(tracks) or not len(frame.boxes):
        return found
    rows, columns = mutual_overlaps(motion.model.to_boxes(motion.mean), frame.boxes)
    certain = tracks.confirmed[rows] & (tracks.missed[rows] == 0) & frame.high[columns]
    if frame.class_ids is not None and class_gating:
        certain &= ~_other_class(tracks.class_ids[rows], frame.class_ids[columns]).diagonal()
    found[rows[certain]] = columns[certain]
    return found


def _eligible(stage: Stage, tracks: TrackState, found: IntArray, max_age: int) -> Mask:
    """[M] the unmatched tracks that take part in the stage."""
    eligible = found == NONE
    if stage.tracks != "all":
        eligible &= tracks.confirmed == (stage.tracks == "confirmed")
    if stage.max_missed is not None:
        eligible &= tracks.missed <= stage.max_missed
    if not stage.last_chance:
        eligible &= tracks.age <= max_age
    return eligible


def _other_class(tracks: IntArray, detections: IntArray) -> Mask:
    """Pairs [R, C] whose classes are known and differ."""
    return (tracks[:, None] != detections) & (tracks[:, None] != NONE) & (detections != NONE)


def _assign_stage(
    stage: Stage, cost: NDArray[np.floating], threshold: float, missed: IntArray
) -> tuple[IntArray, IntArray]:
    """Matched pairs of a cost matrix: in one go, or in a cascade over the tracks' ages."""
    if stage.assign_before_threshold:
        return assign_before_threshold(cost, threshold)
    if not stage.cascade:
        return assign(cost, threshold)
    pairs: list[tuple[IntArray, IntArray]] = []
    left = np.arange(cost.shape[1])
    for age in np.flatnonzero(np.bincount(missed)):
        level = (missed == age).nonzero()[0]
        rows, columns = assign(cost[np.ix_(level, left)], threshold)
        pairs.append((level[rows], left[columns]))
        free = np.ones(len(left), dtype=bool)
        free[columns] = False
        left = left[free]
        if not len(left):
            break
    return np.concatenate([rows for rows, _ in pairs]), np.concatenate([columns for _, columns in pairs])
