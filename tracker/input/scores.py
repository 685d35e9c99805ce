"""Scores on other scales than 0 to 1, which is where thresholds such as `min_confidence` lie."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from tracker.core.detections import FloatArray
from tracker.files.motchallenge import DetectionTable

if TYPE_CHECKING:
    from tracker.core.config import TrackerConfig

ROUNDING = 0.01  # beyond 0 or 1 that is still a probability
UNKNOWN = -1.0  # MOTChallenge's word for a column that nobody filled

# Share of the detections below a score -> what it counts as. Margins of support vector machines and sums of boosted
# trees (the public detections of MOT15 and MOT16) have no scale in common but the order. Chosen on PETS09-S2L1 and
# MOT16-09's; on TUD-Stadtmitte's `flatsort` then has MOTA 60.1 and IDF1 58.1 (`sort` 58.4 and 55.8), with the scores as
# they are 45.5 and 49.5; on MOT16-11's 44.9 and 51.4 (46.3 and 52.2), on MOT16-13's 15.5 and 30.7 (10.8 and 18.2).
RANKS, MEANING = (0.0, 0.1, 0.4, 1.0), (0.0, 0.1, 0.6, 1.0)


def as_probabilities(scores: FloatArray) -> tuple[FloatArray, str | None]:
    """Scores [N] of a whole sequence on the scale from 0 to 1, and what they were taken for if they were not.

    Example:
        >>> as_probabilities(np.array([35.0, 90.0]))
        (array([0.35, 0.9 ]), 'scores from 35 to 90 are taken for percent')
    """
    if not len(scores):
        return scores, None
    least, most = float(scores.min()), float(scores.max())
    if least >= -ROUNDING and most <= 1 + ROUNDING:
        return scores, None
    if least == most == UNKNOWN:
        return np.ones(len(scores)), "a score of -1 throughout is taken for unknown: every detection counts in full"
    span = f"scores from {least:g} to {most:g}"
    if least >= -ROUNDING and most <= 100 + ROUNDING:
        return scores / 100, f"{span} are taken for percent"
    ranks = np.empty(len(scores))
    ranks[np.argsort(scores, kind="stable")] = (np.arange(len(scores)) + 0.5) / len(scores)
    return np.interp(ranks, RANKS, MEANING), (
        f"{span} are on no scale that is known: the upper 60 % may start tracks, the lowest 10 % are left out"
    )


def on_scale(table: DetectionTable, config: TrackerConfig) -> tuple[DetectionTable, str | None]:
    """The detections with scores on the scale of the preset's thresholds, and what they were taken for if changed.

    A preset without `low_confidence` compares scores as they are, on whatever scale.
    """
    if config.low_confidence is None:
        return table, None
    scores, note = as_probabilities(table.scores)
    return replace(table, scores=scores), note
