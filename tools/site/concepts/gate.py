"""The gate on appearance over the demo, by three descriptors: distances of one person and of two, frame by frame."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from embedding import Descriptor
from tools.paper.pyplot import pyplot
from tools.site.concepts.style import Scheme
from tracker.core.appearance import Features
from tracker.core.detections import FloatArray, Image
from tracker.core.gate import OnlineThreshold
from tracker.files.motchallenge import read_detections
from tracker.footage.calibration_plot import smooth_density
from tracker.input.frames import open_frames

NAMES = ("default", "pixels", "random")
SURE = 0.6  # score of a detection that counts: `min_confidence` of flatsort
SHOWN = 0.999  # share of the pairs of two people that the axis covers
BANDWIDTH = 1 / 110  # standard deviation of the smoothing over the width shown
THINNED = 8  # bins of the histogram to a point drawn


@dataclass(frozen=True)
class Calibrated:
    """What one descriptor's threshold saw.

    Attributes:
        distances: [BINS]; same, different: densities there.
        gates: (frame, gate or NaN) in the order of frames.
        let_in: share of the same person's pairs that the gate lets in, or None.
    """

    name: str
    distances: FloatArray
    same: FloatArray
    different: FloatArray
    gates: FloatArray
    let_in: float | None
    widest: float  # distance shown


def measure(sequence: Path) -> list[Calibrated]:
    """Every descriptor on the sequence's frames and det.txt."""
    table = read_detections(sequence / "det/det.txt")
    thresholds = {name: OnlineThreshold("cosine") for name in NAMES}
    gates: dict[str, list[tuple[int, float]]] = {name: [] for name in NAMES}
    loaded = {name: Descriptor.load(name) for name in NAMES if name != "random"}
    noise = np.random.default_rng(0)
    for index, image in open_frames(sequence / "img1"):
        found = table.at(index)
        boxes = found.boxes[found.scores >= SURE]
        for name, threshold in thresholds.items():
            threshold.observe(boxes, _unit(_features(loaded.get(name), image, boxes, noise)))
            gates[name].append((index, np.nan if threshold.value is None else threshold.value))
    return [_calibrated(name, thresholds[name], gates[name]) for name in NAMES]


def _features(describe: Descriptor | None, image: Image, boxes: FloatArray, noise: np.random.Generator) -> Features:
    """The descriptor's, or random ones."""
    if describe is None:
        return noise.normal(size=(len(boxes), 16)).astype(np.float32)
    return describe(image, boxes)


def _unit(features: Features) -> Features:
    return features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)


def _calibrated(name: str, threshold: OnlineThreshold, gates: list[tuple[int, float]]) -> Calibrated:
    assert threshold.same is not None and threshold.different is not None
    widest = 1.1 * threshold.different.quantile(SHOWN)
    distances, same = smooth_density(threshold.same, BANDWIDTH * widest)
    _, different = smooth_density(threshold.different, BANDWIDTH * widest)
    thinned = slice(None, None, THINNED)
    return Calibrated(
        name,
        distances[thinned],
        same[thinned],
        different[thinned],
        np.array(gates),
        threshold.true_accepts,
        widest,
    )


def draw(calibrated: list[Calibrated], scheme: Scheme) -> Figure:
    """A column a descriptor."""
    figure, axes = pyplot.subplots(
        2, len(calibrated), figsize=(9.4, 4.3), layout="constrained", height_ratios=(1.5, 1), sharey="row"
    )
    for column, found in enumerate(calibrated):
        _densities(axes[0, column], found, scheme)
        _over_time(axes[1, column], found, scheme)
    axes[0, 0].set_ylabel("pairs")
    axes[1, 0].set_ylabel("gate")
    axes[0, 0].legend(loc="upper right", fontsize=8.5)
    return figure


def _densities(axes: pyplot.Axes, found: Calibrated, scheme: Scheme) -> None:
    for density, colour, label in (
        (found.same, scheme.first, "one person, ten frames apart"),
        (found.different, scheme.second, "two people in one frame"),
    ):
        height = density / density.max()
        axes.plot(found.distances, height, color=colour, lw=1.5, label=label)
        axes.fill_between(found.distances, height, color=colour, alpha=0.2, lw=0)
    gate = found.gates[-1, 1]
    verdict = "no gate: does not separate"
    if not np.isnan(gate):
        axes.axvline(gate, color=scheme.ink, lw=1.2, ls="--")
        verdict = f"gate {gate:.2f} lets in {found.let_in:.0%}".replace("%", " %")
    axes.set(xlim=(0, found.widest), ylim=(0, 1.32), yticks=[], xlabel="distance of looks, 1 - cos")
    axes.set_title(f"{found.name}: {verdict}")


def _over_time(axes: pyplot.Axes, found: Calibrated, scheme: Scheme) -> None:
    axes.plot(found.gates[:, 0], found.gates[:, 1], color=scheme.ink, lw=1.6)
    axes.set(xlim=(1, len(found.gates)), ylim=(0, 0.6), xlabel="frame")
    if np.isnan(found.gates[:, 1]).all():
        axes.text(0.5, 0.5, "motion goes on alone", transform=axes.transAxes, ha="center", color=scheme.ink)
    else:
        first = found.gates[~np.isnan(found.gates[:, 1])][0]
        axes.annotate(
            f"from frame {int(first[0])} on",
            (first[0], first[1]),
            (first[0] + 22, 0.5),
            color=scheme.ink,
            fontsize=8.5,
            arrowprops={"arrowstyle": "-", "color": scheme.faint},
        )
