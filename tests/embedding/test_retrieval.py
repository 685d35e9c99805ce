"""Retrieval and verification figures against their definitions, written out as loops."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from numpy.typing import NDArray

from embedding import retrieval
from embedding.errors import InputError
from embedding.retrieval import Labels, Metric, Retrieval, measure_retrieval, verification


def random_labels(count: int, seed: int) -> Labels:
    random = np.random.default_rng(seed)
    return Labels(
        identities=random.integers(0, 6, count),
        sequences=random.integers(0, 2, count),
        frames=random.integers(1, 90, count),
        tracklets=random.integers(-1, 8, count),
    )


def loops(features: NDArray, labels: Labels, metric: Metric, gap: int, off_tracklet: bool) -> Retrieval:
    """The definitions, pair by pair. Of equal similarities the wrong one comes first."""

    def alike(a: int, b: int) -> float:
        if metric == "euclidean":
            return -math.dist(features[a], features[b])
        norms = math.hypot(*features[a]) * math.hypot(*features[b])
        return float(features[a] @ features[b]) / norms if norms else 0.0

    def compared(a: int, b: int) -> bool:
        own = labels.tracklets[a] == labels.tracklets[b] != -1
        near = abs(labels.frames[a] - labels.frames[b]) < gap
        return labels.sequences[a] == labels.sequences[b] and not near and not (off_tracklet and own)

    firsts, precisions, same, other = [], [], [], []
    for query in range(len(labels)):
        gallery = [
            (round(alike(query, crop), 6), labels.identities[crop] == labels.identities[query], crop)
            for crop in range(len(labels))
            if compared(query, crop)
        ]
        for score, match, crop in gallery:
            if crop > query:
                (same if match else other).append(score)
        ranking = [match for _, match, _ in sorted(gallery, key=lambda entry: (-entry[0], entry[1]))]
        if any(ranking):
            firsts.append(ranking[0])
            hits = [rank for rank, match in enumerate(ranking, start=1) if match]
            precisions.append(sum(found / rank for found, rank in enumerate(hits, start=1)) / len(hits))
    won = sum((a > b) + 0.5 * (a == b) for a in same for b in other)
    threshold = min(score for score in other if sum(b > score for b in other) <= 0.01 * len(other))
    accepted = sum(a > threshold for a in same) / len(same)
    return Retrieval(
        sum(firsts) / len(firsts),
        sum(precisions) / len(precisions),
        won / (len(same) * len(other)),
        accepted,
        len(firsts),
    )


@pytest.mark.parametrize("off_tracklet", [False, True])
@pytest.mark.parametrize("metric", retrieval.METRICS)
@pytest.mark.parametrize(
    ("seed", "levels"),
    [
        (0, 1_000_000),  # practically no ties
        (1, 3),  # many
        (2, 2),  # zero vectors among them
    ],
)
def test_figures_are_those_of_the_definitions(
    seed: int, levels: int, metric: Metric, off_tracklet: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retrieval, "QUERIES_A_PASS", 7)  # several passes, the last one short
    labels = random_labels(60, seed)
    features = np.random.default_rng(seed).integers(0, levels, (60, 3)).astype(float)
    features[labels.identities < 3, 0] += 1  # tells something about the person
    found = measure_retrieval(features, labels, metric, gap=10, off_tracklet=off_tracklet)
    expected = loops(features, labels, metric, gap=10, off_tracklet=off_tracklet)
    assert dataclasses.astuple(found) == pytest.approx(dataclasses.astuple(expected), abs=1e-9)


@pytest.mark.parametrize("metric", retrieval.METRICS)
def test_a_descriptor_that_knows_everybody_has_ones(metric: Metric) -> None:
    labels = random_labels(300, seed=0)
    features = np.eye(6)[labels.identities]
    assert dataclasses.astuple(measure_retrieval(features, labels, metric))[:4] == (1, 1, 1, 1)


@pytest.mark.parametrize("metric", retrieval.METRICS)
def test_a_descriptor_that_knows_nothing_gains_nothing(metric: Metric) -> None:
    labels = random_labels(600, seed=0)
    random = measure_retrieval(np.random.default_rng(0).normal(size=(600, 64)), labels, metric)
    assert random.auc == pytest.approx(0.5, abs=0.01)
    assert random.true_accepts == pytest.approx(0.01, abs=0.004)
    assert random.rank1 == pytest.approx(1 / 6, abs=0.05)
    constant = measure_retrieval(np.ones((600, 64)), labels, metric)
    assert constant.auc == 0.5
    assert constant.rank1 == constant.true_accepts == 0


def test_an_own_tracklet_is_left_out_and_crops_on_none_stay() -> None:
    """Person 0 at frames 1, 100, 200 and person 1 at 300: two crops on tracklet 4, the others on none."""
    labels = Labels(np.array([0, 0, 0, 1]), np.zeros(4, int), np.array([1, 100, 200, 300]), np.array([4, 4, -1, -1]))
    everyone = np.arange(4)
    assert labels.gallery(everyone).sum() == 12
    off = labels.gallery(everyone, off_tracklet=True)
    np.testing.assert_array_equal(~off & labels.gallery(everyone), [[0, 1, 0, 0], [1, 0, 0, 0], [0] * 4, [0] * 4])


def test_crops_of_two_sequences_never_meet() -> None:
    """The same numbers of people and frames in both: only the sequence tells them apart."""
    labels = random_labels(80, seed=3)
    features = np.random.default_rng(3).normal(size=(80, 5))
    parts = []
    for sequence in (0, 1):
        rows = labels.sequences == sequence
        part = Labels(*(column[rows] for column in dataclasses.astuple(labels)))
        parts.append(measure_retrieval(features[rows], part))
    pooled = measure_retrieval(features, labels)
    assert pooled.queries == sum(part.queries for part in parts)
    expected = np.average([part.rank1 for part in parts], weights=[part.queries for part in parts])
    assert pooled.rank1 == pytest.approx(expected)


def test_what_is_not_defined_is_none_in_json() -> None:
    alone = Labels(*np.array([[0, 1], [0, 0], [1, 100], [-1, -1]]))
    found = measure_retrieval(np.eye(2), alone)
    assert found.summary() == {
        "rank1": None,
        "mean_average_precision": None,
        "auc": None,
        "true_accepts": None,
        "queries": 0,
    }


def test_true_accepts_count_what_is_above_one_in_a_hundred_false_ones() -> None:
    other = np.arange(200.0)  # the threshold is 197: 198 and 199 are one in a hundred
    assert verification(np.array([197.0, 197.5, 198.0, 0.0]), other)[1] == 0.5
    assert verification(np.array([199.0, 200.0]), np.arange(100.0))[1] == 1  # above 98, which one of a hundred is


@pytest.mark.parametrize(
    ("features", "metric", "error", "message"),
    [
        (np.ones((3, 2)), "cosine", InputError, "found 3 rows, expected 2"),
        (np.array([[1, 2], [1, np.nan]]), "cosine", InputError, "row 1 is not finite"),
        (np.array([[np.inf, 2], [1, 1]]), "euclidean", InputError, "row 0 is not finite"),
        (np.ones((2, 2)), "manhattan", ValueError, "'manhattan', expected one of cosine, euclidean"),
    ],
)
def test_unfit_features_are_refused(features, metric, error: type[Exception], message: str) -> None:
    labels = Labels(*np.array([[0, 1], [0, 0], [1, 100], [-1, -1]]))
    with pytest.raises(error, match=message):
        measure_retrieval(features, labels, metric)
