"""The picture of a calibration: densities that cover one."""

from __future__ import annotations

import numpy as np
import pytest

from tracker.core.gate import BINS, Histogram
from tracker.footage.calibration_plot import smooth_density


@pytest.mark.parametrize("bandwidth", [1e-6, 0.01, 0.2])
@pytest.mark.parametrize("at", [0.0, 0.001, 0.3])
def test_the_smooth_density_covers_one(bandwidth: float, at: float) -> None:
    histogram = Histogram(2.0)
    histogram.add(np.array([at, at + 0.4]))
    distances, density = smooth_density(histogram, bandwidth)
    assert len(distances) == len(density) == BINS
    assert density.sum() * 2.0 / BINS == pytest.approx(1, abs=1e-6)
