"""The picture of a calibration: distances of one person and of two, and the gate between them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from embedding.files import atomic_path
from tracker.core.gate import BINS, LAG, Histogram, OnlineThreshold
from tracker.footage.calibration import CalibrationReport, bin_middles, percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SAME, DIFFERENT, GATE = "#1b8946", "#cd2d2d", "#333333"
SHOWN = 0.9995  # share of either kind's distances that the axis covers
BANDWIDTH = 1 / 90  # standard deviation of the smoothing over the width shown


def draw_calibration(threshold: OnlineThreshold, found: CalibrationReport, path: str | Path) -> None:
    """Write FILE.png, whole or not at all; also where little or nothing was seen.

    Args:
        threshold: that has seen its frames.
        found: its report.
        path: the picture.

    Raises:
        InputError: nothing can be written there.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4.2), layout="constrained")
    FigureCanvasAgg(figure)
    plot_calibration(figure.subplots(), threshold, found)
    figure.suptitle(f"{found.name}\n{found.verdict}", fontsize=10, wrap=True)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=130, format="png")


def plot_calibration(
    axes: Axes,
    threshold: OnlineThreshold,
    found: CalibrationReport,
    colours: tuple[str, str, str] = (SAME, DIFFERENT, GATE),
) -> None:
    """Draw the distances and the gate into axes; arguments as `draw_calibration`'s.

    Args:
        colours: of one person's distances, of two people's, and of the gate.
    """
    kinds = (
        (threshold.same, colours[0], f"one person, {LAG} frames apart"),
        (threshold.different, colours[1], "two people in one frame"),
    )
    width = _width_shown(threshold)
    for histogram, colour, label in kinds:
        if histogram is None or not histogram.total:
            continue
        distances, density = smooth_density(histogram, BANDWIDTH * width)
        let_in = "" if found.gate is None else f": {percent(histogram.share_below(found.gate))} let in"
        axes.plot(distances, density, color=colour, lw=1.6, label=f"{label}{let_in} ({histogram.total:,} pairs)")
        axes.fill_between(distances, density, color=colour, alpha=0.18, lw=0)
    if found.gate is not None:
        axes.axvline(found.gate, color=colours[2], lw=1.2, ls="--", label=f"gate {found.gate:.3g}")
    axes.set(xlim=(0, width), xlabel=_distance_name(found), ylabel="pairs (density)")
    axes.set_ylim(bottom=0)
    axes.set_yticks([])
    axes.spines[["top", "right", "left"]].set_visible(False)
    if axes.get_legend_handles_labels()[1]:
        axes.legend(frameon=False)


def smooth_density(histogram: Histogram, bandwidth: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Distances [BINS] and the density [BINS] there, smoothed by a Gaussian of that standard deviation.

    What the Gaussian would carry below 0 is folded back, so that the density covers 1 and does not fall off at 0.
    """
    step = histogram.limit / BINS
    reach = min(int(4 * bandwidth / step) + 1, BINS - 1)
    kernel = np.exp(-0.5 * np.square(np.arange(-reach, reach + 1) * step / bandwidth))
    padded = np.pad(histogram.counts.astype(np.float64), reach, mode="symmetric")
    padded[-reach:] = 0
    density = np.convolve(padded, kernel / kernel.sum(), mode="valid") / (histogram.total * step)
    return bin_middles(histogram), density


def _width_shown(threshold: OnlineThreshold) -> float:
    """The distance up to which nearly all pairs of either kind lie."""
    seen = [histogram for histogram in (threshold.same, threshold.different) if histogram is not None]
    reached = [histogram.quantile(SHOWN) for histogram in seen if histogram.total]
    widest = max(reached, default=0.0)
    return 1.05 * widest if widest > 0 else max((histogram.limit for histogram in seen), default=1.0)


def _distance_name(found: CalibrationReport) -> str:
    if found.metric == "cosine":
        return "distance, 1 - cos"
    times = "" if found.scale is None else f" (times c = {found.scale:.3g} in units of the observations)"
    return f"Euclidean distance{times}"
