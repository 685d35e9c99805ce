"""The gate on appearance without labels: quantiles against sorting, pairs against labels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracker.core.appearance import Metric, prepare
from tracker.core.detections import FloatArray
from tracker.core.gate import BINS, LAG, Histogram, OnlineThreshold

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
    threshold: OnlineThreshold,
    metric: Metric,
    noise: float,
    people: int = 20,
    frames: int = 2 * (LAG + 1),
    seed: int = 0,
) -> tuple[list[float], list[float]]:
    """Show people standing still, in random order; return the true distances of different and of same people."""
    random = np.random.default_rng(seed)
    looks = random.normal(size=(people, 32))
    different: list[float] = []
    seen = []
    for _ in range(frames):
        order = random.permutation(people)
        features = prepare(looks + noise * random.normal(size=looks.shape), metric)
        threshold.observe(place(people)[order], features[order])
        exact = features.astype(np.float64)
        gap = np.linalg.norm(exact[:, None] - exact[None], axis=2)
        between = gap**2 / 2 if metric == "cosine" else gap  # |a - b|^2 = 2 (1 - cos) for unit vectors
        different += between[np.triu_indices(people, 1)].tolist()
        seen.append(exact)
    starts = range(0, frames - LAG, LAG)
    gap = np.array([np.linalg.norm(seen[start + LAG] - seen[start], axis=1) for start in starts]).ravel()
    return different, (gap**2 / 2 if metric == "cosine" else gap).tolist()


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("noise", [0.05, 0.3, 0.6])
def test_the_gate_lets_through_the_promised_share(metric: Metric, noise: float) -> None:
    threshold = OnlineThreshold(metric)
    different, same = watch(threshold, metric, noise)
    assert threshold.different is not None and threshold.same is not None
    assert threshold.different.total == len(different) == 22 * 190
    assert threshold.same.total == len(same) == 2 * 20  # found by overlap, whatever the order
    assert threshold.value is not None
    assert threshold.value == pytest.approx(np.quantile(different, 0.003), rel=0.05)
    assert np.mean(np.array(different) < threshold.value) <= 0.003
    assert threshold.true_accepts == pytest.approx(np.mean(np.array(same) < threshold.value), abs=0.03)
    assert threshold.true_accepts > threshold.min_true_accepts


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("noise", [3.0, 30.0])
def test_a_descriptor_that_does_not_separate_has_no_gate(metric: Metric, noise: float) -> None:
    threshold = OnlineThreshold(metric)
    watch(threshold, metric, noise)
    assert threshold.value is None


def test_knowing_the_next_frame_again_is_not_enough() -> None:
    """Features that drift: neighbouring frames are near, frames half a second apart are not."""
    random = np.random.default_rng(0)
    looks = random.normal(size=(20, 32))
    threshold = OnlineThreshold("cosine")
    steps = []
    for _ in range(50):
        last, looks = looks, 0.9 * looks + 0.436 * random.normal(size=looks.shape)
        steps.append((prepare(last, "cosine") * prepare(looks, "cosine")).sum(axis=1))
        threshold.observe(place(20), prepare(looks, "cosine"))
    assert threshold.gate is not None and np.mean(1 - np.array(steps) < threshold.gate) > 0.95
    assert threshold.value is None


def test_people_are_followed_through_frames_without_features() -> None:
    random = np.random.default_rng(0)
    looks = prepare(random.normal(size=(30, 32)), "cosine")
    threshold = OnlineThreshold("cosine")
    threshold.observe(place(30), looks)
    for _ in range(LAG + 5):
        threshold.follow(place(30))
        assert threshold.value is None
    threshold.observe(place(30)[::-1], looks[::-1])
    assert threshold.same is not None and threshold.same.total == 30
    assert threshold.true_accepts == 1.0
    assert threshold.value == threshold.gate is not None


def test_who_cannot_be_followed_is_not_compared() -> None:
    threshold = OnlineThreshold("cosine")
    random = np.random.default_rng(0)
    looks = random.normal(size=(20, 32))
    for frame in range(LAG + 1):
        boxes = place(20)
        boxes[5:, [0, 2]] += 60.0 * frame  # three quarters jump by more than their width
        threshold.observe(boxes, prepare(looks, "cosine"))
    assert threshold.same is not None and threshold.same.total == 5
    assert threshold.value is None  # five are too few to tell


@pytest.mark.parametrize(("known", "has_gate"), [(12, False), (14, True)])
def test_two_thirds_must_be_known_again(known: int, has_gate: bool) -> None:
    """Of 20 people the first ones look as ever, the others always different: 0.6 or 0.7 of the same are let in."""
    random = np.random.default_rng(0)
    looks = random.normal(size=(20, 32))
    threshold = OnlineThreshold("cosine")
    for _ in range(LAG + 1):
        looks[known:] = random.normal(size=(20 - known, 32))
        threshold.observe(place(20), prepare(looks, "cosine"))
    assert threshold.true_accepts == pytest.approx(known / 20)
    assert (threshold.value is not None) == has_gate


@pytest.mark.parametrize("metric", METRICS)
def test_a_constant_descriptor_has_no_gate(metric: Metric) -> None:
    threshold = OnlineThreshold(metric)
    for _ in range(30):
        threshold.observe(place(10), prepare(np.ones((10, 16)), metric))
    assert threshold.value is None


@pytest.mark.parametrize(
    ("people", "frames", "has_gate"),
    [
        (25, LAG, False),  # many pairs of different people, but nobody followed for long enough
        (25, LAG + 1, True),
        (9, LAG + 1, False),  # nine followed
        (9, 2 * LAG + 2, True),
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
    assert threshold.different is not None
    assert threshold.different.total == 45


def test_in_a_crowd_the_same_people_are_followed() -> None:
    threshold = OnlineThreshold("cosine", max_detections=10)
    watch(threshold, "cosine", 0.1, people=200, frames=LAG + 1)
    assert threshold.same is not None and threshold.same.total == 10
    assert threshold.value is not None
