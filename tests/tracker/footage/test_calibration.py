"""Calibration on whole detections: frame by frame as online, and its figures against those of the distances."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tracker.core.appearance import prepare
from tracker.core.detections import FloatArray
from tracker.core.gate import Histogram, OnlineThreshold
from tracker.files.motchallenge import DetectionTable
from tracker.footage.calibration import auc, calibrate, d_prime, percent

ROOT = Path(__file__).resolve().parents[3]


def place(count: int) -> FloatArray:
    """Boxes [count, 4] beside each other."""
    left = 200.0 * np.arange(count)
    return np.stack((left, 0 * left, left + 40, 0 * left + 80), axis=1)


def test_a_table_is_calibrated_as_its_frames_are_seen() -> None:
    random = np.random.default_rng(0)
    people, frames = 20, 15
    looks = np.tile(random.normal(size=(people, 32)), (frames, 1))
    features = (looks + 0.3 * random.normal(size=looks.shape)).astype(np.float32)
    scores = np.where(np.arange(people) < 12, 0.9, 0.2)
    table = DetectionTable(
        np.repeat(np.arange(1, frames + 1), people),
        np.tile(place(people), (frames, 1)),
        np.tile(scores, frames),
        features,
    )
    online = OnlineThreshold("cosine")
    for frame in range(frames):
        online.observe(place(12), prepare(features[frame * people : frame * people + 12], "cosine"))
    found = calibrate(table, "cosine")
    assert found.different is not None and online.different is not None
    assert found.different.total == frames * 66  # the good ones among each other
    assert found.value == online.value is not None
    doubtful = DetectionTable(table.frames, table.boxes, table.scores / 10, features)
    everybody = calibrate(doubtful, "cosine").different
    assert everybody is not None and everybody.total == frames * 190  # a detector with another scale of scores


def test_area_and_difference_equal_those_of_the_distances() -> None:
    random = np.random.default_rng(0)
    near, far = random.normal(0.5, 0.2, 400).clip(0, 2), random.normal(0.8, 0.1, 900).clip(0, 2)
    same, different = Histogram(2.0), Histogram(2.0)
    same.add(near)
    different.add(far)
    exact = (near[:, None] < far[None]).mean()
    assert auc(same, different) == pytest.approx(exact, abs=1e-3)
    spread = np.sqrt((near.var() + far.var()) / 2)
    assert d_prime(same, different) == pytest.approx((far.mean() - near.mean()) / spread, rel=1e-3)


@pytest.mark.parametrize(
    ("share", "text"), [(0.003, "0.3 %"), (0.24, "24 %"), (1.0, "100 %"), (0.0, "0 %"), (0.01, "1 %"), (0.0099, "1 %")]
)
def test_shares_are_written_short(share: float, text: str) -> None:
    assert percent(share) == text


def test_the_statistics_need_no_torch() -> None:
    program = "import sys, tracker.footage.calibration, tracker.footage.calibration_plot; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True, capture_output=True, text=True)
    assert not {"torch", "matplotlib", "cv2"} & set(done.stdout.split())
