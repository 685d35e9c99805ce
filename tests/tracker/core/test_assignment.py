"""Gated assignment against SciPy's solver on the whole clipped matrix and against trying every assignment."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as stnp
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from tracker.core.assignment import CLIP_MARGIN, DENSE_SOLVER_LIMIT, assign, assign_before_threshold

Cost = NDArray[np.float64]


def gain(cost: Cost, rows: NDArray[np.int64], columns: NDArray[np.int64], threshold: float) -> float:
    """What the clipped problem maximises: how far the matched costs lie below threshold + margin, in all."""
    return float((threshold + CLIP_MARGIN - cost[rows, columns]).sum())


def solve_whole(cost: Cost, threshold: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The definition: clip the whole matrix, solve it, drop what was clipped (Wojke et al. 2017)."""
    clipped = np.where(cost > threshold, threshold + CLIP_MARGIN, cost)
    rows, columns = linear_sum_assignment(clipped)
    good = cost[rows, columns] <= threshold
    return rows[good], columns[good]


def check_valid(cost: Cost, rows: NDArray[np.int64], columns: NDArray[np.int64], threshold: float) -> None:
    assert (np.diff(rows) > 0).all()  # ascending, so each row once
    assert len(np.unique(columns)) == len(columns) == len(rows)
    assert (cost[rows, columns] <= threshold).all()


def random_cost(seed: int, shape: tuple[int, int], admissible: float, threshold: float) -> Cost:
    """Costs with about that share at or below the threshold, the rest above it or forbidden."""
    random = np.random.default_rng(seed)
    cost = random.uniform(0, threshold, shape)
    closed = random.random(shape) > admissible
    cost[closed] = np.where(random.random(closed.sum()) < 0.5, np.inf, threshold + random.random(closed.sum()))
    return cost


@pytest.mark.parametrize(
    ("shape", "admissible"),
    [
        ((1, 1), 1.0),  # one pair
        ((30, 30), 0.03),  # mostly single pairs
        ((30, 30), 0.2),  # one large component
        ((40, 25), 1.0),  # dense, more rows
        ((25, 40), 1.0),  # dense, more columns
        ((1, 50), 0.5),  # one row
        ((50, 1), 0.5),  # one column
        ((60, 60), 0.0),  # nothing admissible
        ((DENSE_SOLVER_LIMIT, DENSE_SOLVER_LIMIT), 0.05),  # at the switch between the solvers
        ((DENSE_SOLVER_LIMIT + 1, DENSE_SOLVER_LIMIT - 5), 0.05),  # above it
        ((DENSE_SOLVER_LIMIT + 80, DENSE_SOLVER_LIMIT + 60), 0.002),  # above it, but with many single pairs
    ],
)
@pytest.mark.parametrize("threshold", [0.2, 0.7, 9.4877])
def test_same_pairs_as_solving_the_whole_matrix(shape: tuple[int, int], admissible: float, threshold: float) -> None:
    for seed in range(3):
        cost = random_cost(seed, shape, admissible, threshold)
        rows, columns = assign(cost, threshold)
        check_valid(cost, rows, columns, threshold)
        wanted = solve_whole(cost, threshold)
        assert gain(cost, rows, columns, threshold) == pytest.approx(gain(cost, *wanted, threshold), abs=1e-9)
        np.testing.assert_array_equal((rows, columns), wanted)  # random costs have one best assignment


@settings(max_examples=200)
@given(
    cost=stnp.arrays(
        float,
        st.tuples(st.integers(0, 5), st.integers(0, 5)),
        elements=st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.7, 0.70001, 0.9, np.inf]),  # ties and borders on purpose
    )
)
def test_no_assignment_of_a_small_matrix_is_better(cost: Cost) -> None:
    threshold = 0.7
    rows, columns = assign(cost, threshold)
    check_valid(cost, rows, columns, threshold)
    wide = cost if cost.shape[0] <= cost.shape[1] else cost.T
    gains = np.maximum(threshold + CLIP_MARGIN - wide, 0.0)
    gains[wide > threshold] = 0.0
    best = max(
        (
            sum(gains[row, column] for row, column in enumerate(chosen))
            for chosen in permutations(range(wide.shape[1]), len(wide))
        ),
        default=0.0,
    )
    assert gain(cost, rows, columns, threshold) == pytest.approx(best, abs=1e-9)


@pytest.mark.parametrize(
    ("cost", "pairs"),
    [
        (np.zeros((0, 0)), []),  # nothing at all
        (np.zeros((3, 0)), []),  # tracks, no detection
        (np.zeros((0, 3)), []),  # detections, no track
        (np.full((3, 3), np.inf), []),  # all forbidden
        (np.array([[0.5]]), [(0, 0)]),  # exactly at the threshold
        (np.array([[np.nextafter(0.5, 1)]]), []),  # just above it
        (np.array([[0.1, 0.2], [0.2, np.inf]]), [(0, 1), (1, 0)]),  # two fair matches beat the one best
        (np.array([[0.1, 0.4], [0.4, np.inf]]), [(0, 0)]),  # one good match beats two poor ones: 0.4 > 0.1 + 0.1
        (np.array([[0.1, 0.5], [0.5, np.inf]]), [(0, 0)]),  # and two at the threshold, which gain nothing
        (np.array([[np.inf, 0.2, np.inf], [np.inf, 0.3, np.inf]]), [(0, 1)]),  # both want one column
    ],
)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_by_hand(cost: Cost, pairs: list[tuple[int, int]], dtype: type) -> None:
    rows, columns = assign(cost.astype(dtype), 0.5)
    if dtype is np.float32 and cost.shape == (1, 1):
        pairs = [(0, 0)]  # float32 does not tell the two apart
    assert list(zip(rows.tolist(), columns.tolist(), strict=True)) == pairs


def test_the_argument_is_left_alone() -> None:
    cost = random_cost(1, (20, 20), 0.5, 0.7)
    given_cost = cost.copy()
    assign(cost, 0.7)
    np.testing.assert_array_equal(cost, given_cost)


def assign_like_sort(overlap: Cost, least: float) -> list[tuple[int, int]]:
    """The definition, pair by pair: good pairs that are one to one, or else the best sum of overlaps, then the gate."""
    good = np.argwhere(overlap > least).tolist()
    if good and len({row for row, _ in good}) == len({column for _, column in good}) == len(good):
        return [(row, column) for row, column in good]
    pairs = zip(*linear_sum_assignment(-overlap), strict=True)
    return [(int(row), int(column)) for row, column in pairs if overlap[row, column] >= least]


@settings(max_examples=300)
@given(seed=st.integers(0, 10**9), rows=st.integers(0, 5), columns=st.integers(0, 5), share=st.floats(0, 1))
def test_sorts_order_of_assignment_and_threshold(seed: int, rows: int, columns: int, share: float) -> None:
    random = np.random.default_rng(seed)
    overlap = random.uniform(0, 0.6, (rows, columns)) * (random.random((rows, columns)) < share)
    found = assign_before_threshold(1 - overlap, 0.7)
    assert list(zip(*(indices.tolist() for indices in found), strict=True)) == assign_like_sort(overlap, 0.3)


@pytest.mark.parametrize(
    ("overlap", "pairs"),
    [
        ([[0.36, 0.25], [0.25, 0.0]], [(0, 0)]),  # 0.25 + 0.25 is more than 0.36, but nobody has a choice
        ([[0.36, 0.35], [0.25, 0.0]], [(0, 1)]),  # the first has: the best sum, of which 0.25 is too little
        ([[0.8, 0.4], [0.399995, 0.0]], [(0, 0)]),  # 0.000005 less in two pairs than in one is less
        ([[0.8, 0.4], [0.400005, 0.0]], [(0, 1), (1, 0)]),
        ([[0.2, 0.1], [0.1, 0.29]], []),  # no good pair at all
    ],
)
def test_sorts_order_by_hand(overlap: list[list[float]], pairs: list[tuple[int, int]]) -> None:
    rows, columns = assign_before_threshold(1 - np.array(overlap), 0.7)
    assert list(zip(rows.tolist(), columns.tolist(), strict=True)) == pairs
