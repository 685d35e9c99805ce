"""Clustering: the best join first, nobody in two places at once."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations, pairwise

import numpy as np
import pytest

from tracker.linking.clustering import cluster
from tracker.linking.evidence import Ends
from tracker.linking.pieces import Pieces

LOOKS = np.eye(4)


class Believes:
    """Evidence by rule: looks are worth 4 - 8 times their distance, ways what a function says."""

    def __init__(self, way: Callable[[int, int], float] = lambda a, b: 0.0) -> None:
        self.way = way

    def of_looks(self, distance: np.ndarray, boxes: np.ndarray) -> np.ndarray:
        return 4 - 8 * distance

    def of_ways(self, ends: Ends, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return np.array([self.way(*pair) for pair in zip(a.tolist(), b.tolist(), strict=True)])


def identities(
    spans: list[tuple[int, int]],
    looks: list[int] | np.ndarray,
    evidence: Believes | None = None,
    online: list[tuple[int, int]] | None = None,
    kinds: list[int] | None = None,
    max_absence: float = 1000,
) -> list[int]:
    first, last = np.array(spans).T
    lengths = last - first + 1
    starts = np.concatenate(([0], np.cumsum(lengths)))
    pieces = Pieces(np.arange(starts[-1]), starts, first, last)
    count = len(spans)
    sums = LOOKS[looks] if isinstance(looks, list) else looks
    zeros = np.zeros((count, 2, 2))
    ends = Ends(np.array(spans, float), zeros, zeros, np.ones((count, 2)))
    return cluster(
        pieces,
        sums * lengths[:, None],
        ends,
        evidence or Believes(),  # type: ignore[arg-type]
        np.full((count, 2), -1) if online is None else np.array(online),
        np.zeros(count, np.int64) if kinds is None else np.array(kinds),
        max_absence,
    ).identity.tolist()


@pytest.mark.parametrize(
    ("spans", "looks", "expected"),
    [
        ([(1, 10), (20, 30)], [0, 0], [0, 0]),
        ([(1, 10), (20, 30)], [0, 1], [0, 1]),
        ([(1, 10), (5, 30)], [0, 0], [0, 1]),  # seen at once
        ([(1, 10), (10, 30)], [0, 0], [0, 1]),  # in one frame
        ([(1, 10), (11, 30)], [0, 0], [0, 0]),
        ([(1, 10), (1, 10), (20, 30), (20, 30)], [0, 1, 1, 0], [0, 1, 1, 0]),
        ([(1, 5), (7, 12), (14, 20), (22, 30)], [0, 0, 0, 0], [0, 0, 0, 0]),
        ([(1, 5), (7, 12), (8, 20), (22, 30)], [0, 0, 0, 0], [0, 0, 1, 0]),  # either would do, not both
        ([(5, 9)], [2], [0]),
    ],
)
def test_who_looks_alike_is_joined(spans: list[tuple[int, int]], looks: list[int], expected: list[int]) -> None:
    assert identities(spans, looks) == expected


def test_the_best_join_comes_first() -> None:
    """The first could go on as either of the others, who are there together: the nearer one takes it."""
    near, middle = np.array([1.0, 0.1, 0, 0]), np.array([1.0, 0.4, 0, 0])
    looks = np.stack([LOOKS[0], middle, near])
    assert identities([(1, 10), (20, 30), (20, 30)], looks) == [0, 1, 0]


def test_ways_speak_too() -> None:
    unsure = np.stack([LOOKS[0], np.array([1.0, 1.35, 0, 0])])  # 1 - cos = 0.4: worth 0.76
    spans = [(1, 10), (20, 30)]
    assert identities(spans, unsure) == [0, 0]
    assert identities(spans, unsure, Believes(lambda a, b: -1.0)) == [0, 1]
    assert identities(spans, [0, 1], Believes(lambda a, b: 3.0)) == [0, 1]  # no way outweighs another look


def test_a_join_replaces_the_way_it_fills() -> None:
    """From the first piece to the third is no way anybody walks, from piece to piece in between it is."""
    ways = {(0, 1): 0.0, (1, 2): 0.0, (0, 2): -2.5}
    evidence = Believes(lambda a, b: ways[a, b])
    assert identities([(1, 5), (7, 12), (14, 20)], [0, 0, 0], evidence) == [0, 0, 0]


@pytest.mark.parametrize(("absence", "joined"), [(9, False), (10, True), (100, True)])
def test_who_comes_back_after_too_long_is_somebody_else(absence: float, joined: bool) -> None:
    assert (identities([(1, 10), (20, 30)], [0, 0], max_absence=absence) == [0, 0]) == joined


def test_somebody_seen_in_between_is_not_away() -> None:
    assert identities([(1, 10), (15, 20), (25, 30)], [0, 0, 0], max_absence=6) == [0, 0, 0]


def test_the_online_tracker_has_a_say() -> None:
    spans, looks = [(1, 10), (20, 30)], np.stack([LOOKS[0], np.array([1.0, 1.73, 0, 0])])  # worth 0
    assert identities(spans, looks) == [0, 1]
    assert identities(spans, looks, online=[(5, 5), (5, 8)]) == [0, 0]
    assert identities(spans, looks, online=[(5, 6), (5, 8)]) == [0, 1]
    assert identities(spans, looks, online=[(-1, -1), (-1, -1)]) == [0, 1]


def test_nobody_has_two_classes() -> None:
    assert identities([(1, 10), (20, 30)], [0, 0], kinds=[1, 2]) == [0, 1]


@pytest.mark.parametrize("seed", range(20))
def test_never_two_at_once_whatever_the_looks(seed: int) -> None:
    random = np.random.default_rng(seed)
    first = np.sort(random.integers(1, 100, 40))
    spans = [(int(one), int(one + random.integers(1, 15))) for one in first]
    found = identities(spans, random.normal(size=(40, 4)) + 2, Believes(lambda a, b: 1.0), max_absence=30)
    for a, b in combinations(range(40), 2):
        if found[a] == found[b]:
            assert spans[a][1] < spans[b][0] or spans[b][1] < spans[a][0]
    for identity in set(found):
        mine = sorted(spans[piece] for piece in range(40) if found[piece] == identity)
        assert all(later[0] - earlier[1] <= 30 for earlier, later in pairwise(mine))
    numbers = list(dict.fromkeys(found))
    assert numbers == sorted(numbers)  # in the order in which they come
