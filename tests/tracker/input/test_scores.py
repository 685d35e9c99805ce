"""Scores on other scales: what they are taken for, and that thresholds then mean what they mean."""

from __future__ import annotations

import numpy as np
import pytest

from tracker.core.config import load_config
from tracker.files.motchallenge import DetectionTable
from tracker.input.scores import as_probabilities, on_scale


def table(scores: list[float]) -> DetectionTable:
    count = len(scores)
    return DetectionTable(np.arange(1, count + 1), np.tile([0.0, 0, 9, 9], (count, 1)), np.array(scores))


@pytest.mark.parametrize(
    "scores",
    [
        [],
        [0.5] * 4,  # low, but a probability
        [0.0, 0.3, 1.0],
        [0.2, 1.004],  # rounding
        [-0.001, 0.9],
    ],
)
def test_probabilities_stay_as_they_are(scores: list[float]) -> None:
    found, note = as_probabilities(np.array(scores))
    assert (found.tolist(), note) == (scores, None)


@pytest.mark.parametrize(
    ("scores", "expected", "said"),
    [
        ([-1.0] * 3, [1.0] * 3, "taken for unknown"),
        ([50.0, 100.0, 0.0], [0.5, 1.0, 0.0], "taken for percent"),
        ([87.0] * 2, [0.87] * 2, "taken for percent"),
        ([1.5, 0.5], [0.015, 0.005], "taken for percent"),
    ],
)
def test_other_scales_are_recognised(scores: list[float], expected: list[float], said: str) -> None:
    found, note = as_probabilities(np.array(scores))
    assert found.tolist() == pytest.approx(expected)
    assert note is not None and said in note


@pytest.mark.parametrize("scale", [lambda margin: margin, lambda margin: 30 * margin + 50, np.sinh])
def test_margins_count_by_their_order(scale: object) -> None:
    margins = np.random.default_rng(0).normal(size=1000)
    found, note = as_probabilities(scale(margins))  # type: ignore[operator]
    assert note is not None and "no scale that is known" in note
    np.testing.assert_array_equal(np.argsort(found), np.argsort(margins))
    assert np.mean(found >= 0.6) == pytest.approx(0.6, abs=0.002)
    assert np.mean(found < 0.1) == pytest.approx(0.1, abs=0.002)
    assert (found >= 0).all() and (found <= 1).all()


def test_presets_that_take_scores_as_they_are_get_them_as_they_are() -> None:
    percent = table([20.0, 90.0])
    for name in ("sort", "deepsort"):
        assert on_scale(percent, load_config(name)) == (percent, None)
    found, note = on_scale(percent, load_config("flatsort"))
    assert found.scores.tolist() == [0.2, 0.9]
    assert note is not None
    assert percent.scores.tolist() == [20, 90]  # the caller's
