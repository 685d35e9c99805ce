"""The gate on appearance without labels: quantiles against sorting, pairs against labels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracker.appearance import Metric, prepare
from tracker.calibration import BINS, Histogram, OnlineThreshold
from tracker.detections import FloatArray

METRICS: tuple[Metric, ...] = ("cosine", "euclidean")


@given(
    seed=st.integers(0, 10**6),
    count=st.integers(1, 3000),
    share=st.sampled_from([0.0, 0.003, 0.1, 0.5, 0.999]),
    limit=st.sampled_from([1e-9, 0.3, 2.0, 1e6]),
)
def test_a_quantile_is_the_sorted_one_up_to_a_bin(seed: int, count: int, share: float, limit: float) -> None:
    distances = np.random.default_rng(seed).beta(2, 3, count) * limit
    histogram = Histogram(limit)
    for part in np.array_split(distances, 3):
        histogram.add(part)
    found = histogram.quantile(share)
    assert histogram.total == count
    assert (distances < found).mean() <= share
    wanted = np.sort(distances)[min(int(share * count), count - 1)]
    assert wanted - 1.001 * limit / BINS <= found <= wanted + 1e-9 * limit


@pytest.mark.parametrize("limit", [2.0, 0.7, 37.1])
def test_the_share_below_a_bin_edge_is_exact(limit: float) -> None:
    histogram = Histogram(limit)
    histogram.add((np.arange(BINS) + 0.5) / BINS * limit)  # one in each bin
    shares = [histogram.share_below(k * limit / BINS) for k in range(0, BINS + 1, 64)]
    np.testing.assert_allclose(shares, np.arange(0, BINS + 1, 64) / BINS, atol=1.01 / BINS)


def test_what_is_out_of_range_counts_in_the_outer_bins() -> None:
    histogram = Histogram(1.0)
    histogram.add(np.array([-1e-7, 0.0, 5.0, 1e12]))
    assert histogram.counts[[0, -1]].tolist() == [2, 2]
    assert Histogram(1.0).share_below(0.5) == 0.0  # nothing counted


def place(count: int, step: float = 200.0) -> FloatArray:
    left = np.arange(count) * step
    return np.stack((left, np.zeros(count), left + 40, np.full(count, 80.0)), axis=1)


def watch(
    threshold: OnlineThreshold, metric: Metric, noise: float, people: int = 20, frames: int = 20, seed: int = 0
) -> tuple[list[float], list[float]]:
    """Show people standing still, in random order; return the true distances of different and of same people."""
    random = np.random.default_rng(seed)
    looks = random.normal(size=(people, 32))
    different: list[float] = []
    same: list[float] = []
    last = None
    for _ in range(frames):
        order = random.permutation(people)
        features = prepare(looks + noise * random.normal(size=looks.shape), metric)
        threshold.observe(place(people)[order], features[order])
        exact = features.astype(np.float64)
        gap = np.linalg.norm(exact[:, None] - exact[None], axis=2)
        between = gap**2 / 2 if metric == "cosine" else gap  # |a - b|^2 = 2 (1 - cos) for unit vectors
        different += between[np.triu_indices(people, 1)].tolist()
        if last is not None:
            gap = np.linalg.norm(exact - last, axis=1)
            same += (gap**2 / 2 if metric == "cosine" else gap).tolist()
        last = exact
    return different, same


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("noise", [0.05, 0.3, 0.6])
def test_the_gate_lets_through_the_promised_share(metric: Metric, noise: float) -> None:
    threshold = OnlineThreshold(metric)
    different, same = watch(threshold, metric, noise)
    assert threshold.different is not None and threshold.same is not None
    assert threshold.different.total == len(different) == 20 * 190
    assert threshold.same.total == len(same) == 19 * 20  # found by overlap, whatever the order
    assert threshold.value is not None
    assert threshold.value == pytest.approx(np.quantile(different, 0.003), rel=0.05)
    assert np.mean(np.array(different) < threshold.value) <= 0.003
    assert np.mean(np.array(same) < threshold.value) > 0.3


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("noise", [3.0, 30.0])
def test_a_descriptor_that_does_not_separate_has_no_gate(metric: Metric, noise: float) -> None:
    threshold = OnlineThreshold(metric)
    watch(threshold, metric, noise)
    assert threshold.value is None


@pytest.mark.parametrize("metric", METRICS)
def test_a_constant_descriptor_has_no_gate(metric: Metric) -> None:
    threshold = OnlineThreshold(metric)
    for _ in range(30):
        threshold.observe(place(10), prepare(np.ones((10, 16)), metric))
    assert threshold.value is None


@pytest.mark.parametrize(
    ("people", "frames", "has_gate"),
    [
        (25, 1, False),  # 300 pairs of different people, but nobody seen twice
        (25, 2, True),
        (24, 1, False),  # 276 pairs
        (1, 50, False),  # nobody to be told from
        (0, 5, False),
    ],
)
def test_a_gate_needs_enough_pairs_of_both_kinds(people: int, frames: int, has_gate: bool) -> None:
    threshold = OnlineThreshold("cosine")
    watch(threshold, "cosine", 0.1, people, frames)
    assert (threshold.value is not None) == has_gate


def test_boxes_that_overlap_are_not_taken_for_two_people() -> None:
    threshold = OnlineThreshold("cosine")
    threshold.observe(place(10, step=10.0), prepare(np.random.default_rng(0).normal(size=(10, 8)), "cosine"))
    assert threshold.different is not None
    apart = sum(1 for i in range(10) for j in range(i) if (40 - d if (d := 10 * (i - j)) < 40 else 0) / (40 + d) < 0.3)
    assert threshold.different.total == apart < 45


def test_a_crowd_is_thinned_evenly() -> None:
    threshold = OnlineThreshold("cosine", max_detections=10)
    threshold.observe(place(200), prepare(np.random.default_rng(0).normal(size=(200, 8)), "cosine"))
    assert threshold.different is not None and threshold.last is not None
    assert threshold.different.total == 45
    assert threshold.last[0][[0, -1], 0].tolist() == [0, 199 * 200]
