"""The gate of `tracker.core.gate` on whole detections: found, and in figures and words what to do with it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tracker.core.appearance import Metric, prepare
from tracker.core.gate import BINS, LAG, MIN_SAME_PAIRS, Histogram, OnlineThreshold
from tracker.files.motchallenge import DetectionTable


@dataclass(frozen=True)
class CalibrationReport:
    """One sequence's calibration.

    Attributes:
        name: of the sequence or file.
        metric: of the distances.
        different_pairs, same_pairs: pairs seen, of different people in one frame and of one person `LAG` frames apart.
        wanted_pairs: different pairs without which there is no gate.
        false_accepts: share of different pairs that the gate may let in.
        min_true_accepts: share of same pairs that it must let in.
        gate: the distance; None with too few different pairs.
        true_accepts: share of same pairs that it lets in; None with too few pairs.
        auc: how often a same pair is nearer than a different one; None without pairs of both kinds.
        d_prime: difference of the mean distances over the root of the mean variance; None where that is 0.
        all_alike: no two people differ.
        scale: c, the length in observation space of a unit of distance; None where unknown.
    """

    name: str
    metric: Metric
    different_pairs: int
    same_pairs: int
    wanted_pairs: int
    false_accepts: float
    min_true_accepts: float
    gate: float | None
    true_accepts: float | None
    auc: float | None
    d_prime: float | None
    all_alike: bool
    scale: float | None = None

    @property
    def separates(self) -> bool | None:
        """Whether the descriptor tells people apart well enough to be used; None where that is not known."""
        if self.true_accepts is None:
            return None
        return self.true_accepts >= self.min_true_accepts

    @property
    def verdict(self) -> str:
        """One line: whether the descriptor separates people, and why."""
        if self.true_accepts is None:
            return f"too little footage: {' and '.join(self._missing())}"
        if self.all_alike:
            return "does not separate: all people look the same to it; flatsort will go on by motion"
        accepted = f"{percent(self.true_accepts)} of the pairs of one person {LAG} frames apart"
        if self.separates:
            return f"separates: the gate lets in {accepted}, and {percent(self.false_accepts)} of those of two people"
        return f"does not separate: the gate lets in only {accepted}; flatsort will go on by motion"

    def _missing(self) -> Iterable[str]:
        if self.different_pairs < self.wanted_pairs:
            yield (
                f"{self.different_pairs} pairs of two people in one frame, expected {self.wanted_pairs} "
                "(more frames with several people)"
            )
        if self.same_pairs < MIN_SAME_PAIRS:
            yield (
                f"{self.same_pairs} pairs of one person {LAG} frames apart, expected {MIN_SAME_PAIRS} "
                "(more frames in a row, or a higher frame rate)"
            )

    @property
    def setting(self) -> str | None:
        """The gate as `track` takes it; None where the descriptor does not separate."""
        return f"--set max_{self.metric}_distance={self.gate:.3g}" if self.separates else None

    @property
    def observed_gate(self) -> float | None:
        """The Euclidean gate in units of the observations, c times the distance; None where c is not known."""
        if self.metric != "euclidean" or self.gate is None or self.scale is None:
            return None
        return self.scale * self.gate

    def as_json(self) -> dict[str, Any]:
        """Everything but the name, ready for a JSON file."""
        figures = {key: value for key, value in vars(self).items() if key != "name"}
        conclusions = ("separates", "verdict", "setting", "observed_gate")
        return figures | {key: getattr(self, key) for key in conclusions}


def calibrate(
    table: DetectionTable, metric: Metric, false_accepts: float = 0.003, min_confidence: float = 0.6
) -> OnlineThreshold:
    """What `OnlineThreshold` has learnt after all frames of a sequence's detections, which have features.

    Args:
        min_confidence: score from which a detection counts; where no score reaches it, every detection does.
    """
    threshold = OnlineThreshold(metric, false_accepts)
    least = min_confidence if (table.scores >= min_confidence).any() else -np.inf
    for frame in np.unique(table.frames).tolist():
        seen = table.at(frame)
        if seen.features is not None:
            good = seen.scores >= least
            threshold.observe(seen.boxes[good], prepare(seen.features[good], metric))
    return threshold


def report(name: str, threshold: OnlineThreshold, scale: float | None = None) -> CalibrationReport:
    """The figures of a threshold that has seen its frames."""
    different, same = threshold.different or Histogram(1.0), threshold.same or Histogram(1.0)
    has_both = different.total > 0 and same.total > 0
    return CalibrationReport(
        name=name,
        metric=threshold.metric,
        different_pairs=different.total,
        same_pairs=same.total,
        wanted_pairs=threshold.min_pairs,
        false_accepts=threshold.false_accepts,
        min_true_accepts=threshold.min_true_accepts,
        gate=threshold.gate,
        true_accepts=threshold.true_accepts,
        auc=auc(same, different) if has_both else None,
        d_prime=d_prime(same, different) if has_both else None,
        all_alike=bool(0 < different.total == different.counts[0]),
        scale=scale,
    )


def auc(same: Histogram, different: Histogram) -> float:
    """Share of pairs of pairs in which the same person's distance is the smaller; ties, up to a bin, count half."""
    nearer = np.cumsum(same.counts) - same.counts / 2
    return float(nearer @ different.counts) / (same.total * different.total)


def d_prime(same: Histogram, different: Histogram) -> float | None:
    """Difference of the means in units of the root of the mean variance; None where neither kind varies."""
    (near, of_near), (far, of_far) = _moments(same), _moments(different)
    variance = (of_near + of_far) / 2
    return float((far - near) / np.sqrt(variance)) if variance > 0 else None


def bin_middles(histogram: Histogram) -> NDArray[np.float64]:
    """The distances [BINS] in the middles of the bins."""
    middles: NDArray[np.float64] = (np.arange(BINS) + 0.5) * histogram.limit / BINS
    return middles


def percent(share: float) -> str:
    """`24 %`, `0.3 %`: whole ones from one on."""
    text = f"{100 * share:.1f}" if 0 < share < 0.0095 else f"{100 * share:.0f}"
    return f"{text} %"


def _moments(histogram: Histogram) -> tuple[float, float]:
    """Mean and variance of the distances."""
    middles = bin_middles(histogram)
    mean = float(histogram.counts @ middles) / histogram.total
    return mean, float(histogram.counts @ np.square(middles - mean)) / histogram.total
