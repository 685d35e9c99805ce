"""What tracks look like: galleries against plain queues, averages by hand."""

from __future__ import annotations

from collections import deque

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracker.core.appearance import AveragedFeature, Features, Gallery, Metric, pairwise_distance, prepare

METRICS: tuple[Metric, ...] = ("cosine", "euclidean")
ROUNDING = 2e-5  # of a distance squared (Euclidean) or of 1 - cos, for features of about unit length in float32


def exact_distance(a: Features, b: Features, metric: Metric) -> float:
    """The distance of two prepared features in float64."""
    x, y = a.astype(np.float64), b.astype(np.float64)
    return float(1 - x @ y) if metric == "cosine" else float(np.linalg.norm(x - y))


class NaiveGallery:
    """Wojke et al. 2017, Eq. 2, with a queue a track."""

    def __init__(self, metric: Metric, budget: int) -> None:
        self.metric: Metric = metric
        self.budget = budget
        self.queues: list[deque[Features]] = []

    def append(self, count: int) -> None:
        self.queues += [deque(maxlen=self.budget) for _ in range(count)]

    def keep(self, mask: np.ndarray) -> None:
        self.queues = [queue for queue, kept in zip(self.queues, mask, strict=True) if kept]

    def update(self, rows: np.ndarray, features: Features) -> None:
        for row, feature in zip(rows, features, strict=True):
            self.queues[row].append(feature)

    def distance(self, row: int, feature: Features) -> float:
        return min((exact_distance(seen, feature, self.metric) for seen in self.queues[row]), default=np.inf)


def check_distances(
    found: Features, naive: NaiveGallery, rows: np.ndarray, features: Features, wanted: np.ndarray, limit: float
) -> int:
    """Every distance up to the limit must be there and right, any other may be inf; returns how many were found."""
    power = 1 if naive.metric == "cosine" else 2
    for i, row in enumerate(rows):
        for j, feature in enumerate(features):
            true = naive.distance(row, feature)
            if not wanted[i, j]:
                assert found[i, j] == np.inf
            elif np.isfinite(found[i, j]):
                assert abs(found[i, j] ** power - true**power) < ROUNDING
            else:
                assert true > limit
    return int(np.isfinite(found).sum())


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize(
    ("budget", "spread"),
    [
        (1, 0.3),  # only the last feature
        (3, 0.3),  # rings go round many times
        (7, 1.5),  # tracks that look like anything
        (100, 0.05),  # never full, tight clusters
    ],
)
def test_gallery_over_a_long_history_is_a_queue_a_track(metric: Metric, budget: int, spread: float) -> None:
    random = np.random.default_rng(budget)
    people = random.normal(size=(12, 16))
    people /= np.linalg.norm(people, axis=1, keepdims=True)
    gallery, naive = Gallery(metric, budget), NaiveGallery(metric, budget)
    count = found = 0
    for step in range(150):
        born = int(random.integers(0, 4)) if count < 40 else 0
        gallery.append(born)
        naive.append(born)
        count += born
        rows = np.flatnonzero(random.random(count) < 0.6)
        looks = people[random.integers(0, len(people), len(rows))] + random.normal(0, spread / 4, (len(rows), 16))
        features = prepare(looks, metric)
        gallery.update(rows, features)
        naive.update(rows, features)
        if step % 5 == 0:
            asked = random.permutation(count)[: random.integers(0, count + 1)]
            probes = prepare(people[:6] + random.normal(0, spread / 4, (6, 16)), metric)
            wanted = random.random((len(asked), 6)) < 0.7
            limit = float(random.choice([0.02, 0.2, 0.7, 1.9]))
            distances = gallery.distance(asked, probes, wanted, limit)
            assert distances.shape == (len(asked), 6)
            found += check_distances(distances, naive, asked, probes, wanted, limit)
        kept = random.random(count) < 0.93
        gallery.keep(kept)
        naive.keep(kept)
        count = int(kept.sum())
        assert len(np.unique(gallery.slots)) == count  # no slot has two owners
    assert found > 100
    assert len(gallery.seen) <= 128  # slots were used again: hundreds of tracks passed through


def rotated(features: np.ndarray, angle: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Unit vectors [N, D] at exactly these angles [N] from unit `features`."""
    aside = random.normal(size=features.shape)
    aside -= (aside * features).sum(axis=1, keepdims=True) * features
    aside /= np.linalg.norm(aside, axis=1, keepdims=True)
    return np.cos(angle)[:, None] * features + np.sin(angle)[:, None] * aside


@pytest.mark.parametrize("limit", [1e-4, 0.01, 0.2, 1.0, 1.99, 2.0])
def test_no_cosine_match_near_the_limit_is_pruned(limit: float) -> None:
    """Galleries that reach far from their anchor towards the probe, and probes a hair inside the limit beyond."""
    random = np.random.default_rng(int(limit * 1000))
    anchor = random.normal(size=(60, 128))
    anchor /= np.linalg.norm(anchor, axis=1, keepdims=True)
    reach = random.choice([0.0, 1e-4, 0.1, 1.0, 3.0], 60)
    direction = rotated(anchor, np.full(60, np.pi / 2), random)
    inside = np.arccos(1 - limit) * random.choice([0.999, 0.99, 0.5], 60)
    # anchor, far feature and probe on one great circle: the triangle inequality holds with equality
    far = np.cos(reach)[:, None] * anchor + np.sin(reach)[:, None] * direction
    probe = np.cos(reach + inside)[:, None] * anchor + np.sin(reach + inside)[:, None] * direction
    gallery, rows = Gallery("cosine", 4), np.arange(60)
    gallery.append(60)
    gallery.update(rows, prepare(anchor, "cosine"))
    gallery.update(rows, prepare(far, "cosine"))
    found = gallery.distance(rows, prepare(probe, "cosine"), np.eye(60, dtype=bool), limit)[rows, rows]
    wanted = np.minimum(1 - np.cos(inside), 1 - (anchor * probe).sum(axis=1))
    np.testing.assert_allclose(found, wanted, atol=1e-6)


@pytest.mark.parametrize("share", [0.02, 0.1, 1.0, 5.0])
@pytest.mark.parametrize("norm", [1e-3, 1.0, 1e3])
def test_no_euclidean_match_near_the_limit_is_pruned(share: float, norm: float) -> None:
    """The same on a line. Limits below about 1e-3 of the features' length are finer than float32 resolves."""
    random = np.random.default_rng(int(share * 100))
    limit = share * norm
    anchor, direction = random.normal(size=(2, 60, 128))
    anchor *= norm / np.linalg.norm(anchor, axis=1, keepdims=True)
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    reach = norm * random.choice([0.0, 1e-3, 0.1, 1.0, 2.0], 60)[:, None]
    inside = limit * random.choice([0.98, 0.9, 0.5], 60)[:, None]
    gallery, rows = Gallery("euclidean", 4), np.arange(60)
    gallery.append(60)
    gallery.update(rows, prepare(anchor, "euclidean"))
    gallery.update(rows, prepare(anchor + reach * direction, "euclidean"))
    probes = prepare(anchor + (reach + inside) * direction, "euclidean")
    found = gallery.distance(rows, probes, np.eye(60, dtype=bool), limit)[rows, rows]
    squares = np.square(probes.astype(np.float64)).sum(axis=1)
    np.testing.assert_allclose(np.square(found), np.square(inside[:, 0]), atol=2e-6 * squares.max())


def test_a_ring_gone_round_moves_its_anchor_along() -> None:
    """A person who slowly turns into somebody else: the first look is forgotten, the bound must follow."""
    angles = np.linspace(0, np.pi, 200)
    looks = prepare(np.stack((np.cos(angles), np.sin(angles)), axis=1), "cosine")
    gallery, naive = Gallery("cosine", 10), NaiveGallery("cosine", 10)
    gallery.append(1)
    naive.append(1)
    row = np.zeros(1, np.int64)
    for look in looks:
        gallery.update(row, look[None])
        naive.update(row, look[None])
        found = gallery.distance(row, looks[::20], np.ones((1, 10), bool), 0.2)
        check_distances(found, naive, row, looks[::20], np.ones((1, 10), bool), 0.2)
    assert gallery.radius[gallery.slots[0]] < 0.5  # not pi: it does not grow for ever


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("kind", ["gallery", "average"])
def test_a_track_without_a_feature_is_like_nobody(kind: str, metric: Metric) -> None:
    memory = Gallery(metric, 5) if kind == "gallery" else AveragedFeature(metric, 0.9)
    probe, both = prepare(np.eye(2), metric), np.arange(2)
    memory.append(2)
    assert np.isinf(memory.distance(both, probe, np.ones((2, 2), bool), 2.0)).all()
    memory.update(np.array([1]), probe[:1])
    found = memory.distance(both, probe, np.ones((2, 2), bool), 2.0)
    assert np.isinf(found[0]).all()
    assert found[1, 0] == 0
    assert found[1, 1] == pytest.approx(1.0 if metric == "cosine" else 2**0.5)
    memory.keep(np.array([False, True]))  # its slot is handed on to a track that has seen nothing yet
    memory.append(3)
    assert np.isinf(memory.distance(np.arange(1, 4), probe, np.ones((3, 2), bool), 2.0)).all()
    memory.keep(np.zeros(4, bool))
    assert memory.distance(both[:0], probe, np.ones((0, 2), bool), 2.0).shape == (0, 2)


@pytest.mark.parametrize("metric", METRICS)
def test_a_reused_slot_remembers_nothing(metric: Metric) -> None:
    gallery, first = Gallery(metric, 3), np.zeros(1, np.int64)
    far, near = prepare(np.array([[1.0, 0]]), metric), prepare(np.array([[0.0, 1]]), metric)
    gallery.append(1)
    for _ in range(5):
        gallery.update(first, far)
    slot = gallery.slots[0]
    gallery.keep(np.zeros(1, bool))
    gallery.append(1)
    assert gallery.slots[0] == slot
    gallery.update(first, near)
    assert gallery.distance(first, near, np.ones((1, 1), bool), 2.0)[0, 0] == 0
    assert gallery.distance(first, far, np.ones((1, 1), bool), 2.0)[0, 0] == pytest.approx(
        1.0 if metric == "cosine" else 2**0.5
    )


def test_average_by_hand() -> None:
    row, seen = np.zeros(1, np.int64), np.ones((1, 1), bool)
    for metric, wanted in (("euclidean", [0.9, 0.1]), ("cosine", [0.9 / 0.82**0.5, 0.1 / 0.82**0.5])):
        memory = AveragedFeature(metric, 0.9)
        memory.append(1)
        memory.update(row, np.array([[1, 0]], np.float32))
        np.testing.assert_array_equal(memory.features, [[1, 0]])  # the first feature counts in full
        memory.update(row, np.array([[0, 1]], np.float32))
        np.testing.assert_allclose(memory.features[0], wanted, rtol=1e-6)
        assert memory.distance(row, np.array([wanted], np.float32), seen, 1.0)[0, 0] == pytest.approx(0, abs=1e-3)


def test_what_comes_rarely_counts_for_more() -> None:
    """After three frames the old feature has faded three times; after a hundred, no more than the longest says."""
    row = np.zeros(1, np.int64)
    for frames, longest, kept in ((1, 5, 0.9), (3, 5, 0.9**3), (100, 5, 0.9**5), (100, 1, 0.9)):
        memory = AveragedFeature("euclidean", 0.9, longest)
        memory.append(1)
        memory.update(row, np.array([[1, 0]], np.float32))
        for _ in range(frames):
            memory.advance(1)
        memory.update(row, np.array([[0, 1]], np.float32))
        np.testing.assert_allclose(memory.features[0], [kept, 1 - kept], rtol=1e-6)
        memory.append(1)
        memory.keep(np.array([False, True]))  # ages belong to tracks
        assert memory.age.tolist() == [0]


def test_what_comes_in_every_frame_counts_a_tenth() -> None:
    """Each feature starts the count of frames anew: the share of the old one stays the momentum."""
    memory = AveragedFeature("euclidean", momentum=0.9, longest=5)
    memory.append(1)
    expected = 1.0
    memory.update(np.array([0]), np.array([[expected]], np.float32))
    for value in (2.0, 5.0, 3.0, 8.0, 1.0, 4.0, 9.0):
        memory.advance(1)
        memory.update(np.array([0]), np.array([[value]], np.float32))
        expected = 0.9 * expected + 0.1 * value
        assert memory.features[0, 0] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("metric", METRICS)
def test_averages_of_many_tracks_are_averages_of_one(metric: Metric) -> None:
    random = np.random.default_rng(2)
    memory, naive = AveragedFeature(metric, 0.8), {}
    memory.append(6)
    for _ in range(50):
        rows = np.flatnonzero(random.random(6) < 0.5)
        features = prepare(random.normal(size=(len(rows), 8)), metric)
        memory.update(rows, features)
        for row, feature in zip(rows.tolist(), features.astype(np.float64), strict=True):
            blend = 0.8 * naive[row] + 0.2 * feature if row in naive else feature
            naive[row] = blend / np.linalg.norm(blend) if metric == "cosine" else blend
    np.testing.assert_allclose(memory.features, [naive[row] for row in range(6)], atol=1e-5)


@pytest.mark.parametrize("metric", METRICS)
@given(seed=st.integers(0, 10**6), counts=st.tuples(st.integers(0, 6), st.integers(0, 6)))
def test_pairwise_distance_is_the_plain_one(metric: Metric, seed: int, counts: tuple[int, int]) -> None:
    random = np.random.default_rng(seed)
    a, b = (prepare(random.normal(size=(count, 5)), metric) for count in counts)
    found = pairwise_distance(a, b, metric)
    assert found.shape == counts
    power = 1 if metric == "cosine" else 2
    wanted = np.array([[exact_distance(x, y, metric) for y in b] for x in a]).reshape(counts)
    np.testing.assert_allclose(found**power, wanted**power, atol=2e-5)


def test_preparing_makes_unit_vectors_for_cosine_and_leaves_the_rest() -> None:
    features = np.array([[3.0, 4], [0, 0], [1e-30, 0], [1e15, 1e15]])
    np.testing.assert_allclose(prepare(features, "cosine")[[0, 3]], [[0.6, 0.8], [0.5**0.5, 0.5**0.5]], rtol=1e-6)
    assert np.isfinite(prepare(features, "cosine")).all()  # the zero vector too: it is at distance 1 from everything
    np.testing.assert_array_equal(prepare(features, "euclidean"), features.astype(np.float32))
    assert prepare(features, "euclidean").dtype == np.float32
