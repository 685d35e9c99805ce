"""Figures over the threshold on cosine distance: at the paper's, at the one found without labels, at the best."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tools.paper.table2.features import with_features
from tools.paper.table2.rows import PAPER, Input, scores_of, track
from tracker.core.appearance import prepare
from tracker.core.config import TrackerConfig, load_config
from tracker.core.gate import OnlineThreshold
from tracker.evaluate.scores import OVERALL
from tracker.files.motchallenge import DetectionTable, TrackTable

PRESETS = ("deepsort", "flatsort")
PUBLISHED = 0.2  # App. A.3
THRESHOLDS = (0.02, 0.04, 0.06, 0.08, 0.11, 0.15, PUBLISHED, 0.25, 0.31, 0.38, 0.46, 0.55, 0.66, 0.8)  # 1 - cos
QUICK = (0.06, PUBLISHED, 0.46)
FALSE_ACCEPTS = 0.003  # share of pairs of different people that the calibrated threshold lets through
COLUMNS = ("IDF1", "HOTA", "MOTA", "IDs")

Point = dict[str, Any]  # threshold, and a value a column


def calibrated_threshold(table: DetectionTable, config: TrackerConfig) -> float | None:
    """The threshold that 0.3 % of the pairs within frames would pass, of all frames; None where there is no pair.

    Args:
        table: detections with features.
        config: its `min_confidence` says which are good enough.
    """
    online = OnlineThreshold("cosine")
    for frame in np.unique(table.frames):
        here = table.at(int(frame))
        good = here.select(here.scores >= config.high_confidence)
        assert good.features is not None
        online.observe(good.boxes, prepare(good.features, "cosine"))
    return None if online.different is None else online.different.quantile(FALSE_ACCEPTS)


def sweep(preset: str, inputs: Sequence[Input], files: Mapping[str, Path], quick: bool = False) -> dict[str, Any]:
    """One tracker with one descriptor's features over every threshold.

    Args:
        preset: one with appearance.
        inputs: sequences and detections.
        files: sequence -> detections with features.
        quick: few thresholds.

    Returns:
        `points`, and of these `published` (0.2) and `best` (by IDF1); `calibrated`, at each sequence's own threshold,
        whose mean is its `threshold`, or None where a sequence has none.
    """
    tables = {one.video.name: with_features(one.table, files[one.video.name]) for one in inputs}
    chosen = QUICK if quick else THRESHOLDS
    points = [_point(preset, inputs, tables, dict.fromkeys(tables, threshold)) for threshold in chosen]
    config = load_config(preset, PAPER[preset])
    found = {name: calibrated_threshold(table, config) for name, table in tables.items()}
    own = {name: threshold for name, threshold in found.items() if threshold is not None}
    return {
        "points": points,
        "published": next(point for point in points if point["threshold"] == PUBLISHED),
        "best": max(points, key=lambda point: point["IDF1"]),
        "calibrated": _point(preset, inputs, tables, own) if len(own) == len(tables) else None,
    }


def _point(
    preset: str, inputs: Sequence[Input], tables: Mapping[str, DetectionTable], thresholds: Mapping[str, float]
) -> Point:
    """Figures with a threshold a sequence."""
    results: dict[str, TrackTable] = {}
    for one in inputs:
        name = one.video.name
        config = load_config(load_config(preset, PAPER[preset]), {"max_cosine_distance": thresholds[name]})
        results[name] = track(tables[name], config, one.length)
    overall = scores_of(inputs, results)[OVERALL]
    mean = float(np.mean(list(thresholds.values())))
    return {"threshold": mean, "thresholds": dict(thresholds), **{column: overall[column] for column in COLUMNS}}
