"""Evidence: learnt without labels, and sure of itself only where there is reason to be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.optimize import minimize

from tracker.linking.evidence import Ends, Evidence, compressed, ends_of, fit_logistic, learn, look_columns, way_columns
from tracker.linking.pieces import Pieces, cut_pieces

RATE = 25.0


def test_logistic_regression_is_the_minimum_of_its_likelihood() -> None:
    """Against SciPy's minimiser of the penalised, balanced negative log-likelihood."""
    random = np.random.default_rng(0)
    same = random.random(400) < 0.2
    columns = random.normal(size=(400, 3)) + 1.5 * same[:, None] * [1, 0, -1]
    fitted = fit_logistic(columns, same)
    rows = np.clip((columns - columns.mean(axis=0)) / columns.std(axis=0), -4, 4)
    balance = np.where(same, 0.5 / same.sum(), 0.5 / (~same).sum())

    def loss(weights: np.ndarray) -> float:
        odds = rows @ weights[:-1] + weights[-1]
        penalty = 0.5e-2 * np.square(weights[:-1]).sum() + 0.5e-6 * weights[-1] ** 2
        return float((balance * np.logaddexp(0, np.where(same, -odds, odds))).sum() + penalty)

    best = minimize(loss, np.zeros(4), tol=1e-10).x
    np.testing.assert_allclose(fitted.weights, best, atol=1e-4)
    np.testing.assert_allclose(fitted(columns), rows @ best[:-1] + best[-1], atol=1e-3)


def test_what_always_agrees_stays_finite() -> None:
    same = np.arange(40) < 20
    fitted = fit_logistic(np.where(same, 0.0, 1.0)[:, None], same)
    assert np.isfinite(fitted.weights).all()
    assert (fitted(np.array([[0.0]])) > 0 > fitted(np.array([[1.0]]))).all()


def test_ends_are_where_people_are_and_go() -> None:
    frames = np.arange(10, 30)
    boxes = np.column_stack((3.0 * frames, 50 - frames, 3.0 * frames + 20, 90 - frames))
    ends = ends_of([np.arange(20), np.arange(5)], frames, boxes, RATE)
    np.testing.assert_allclose(ends.frames, [[10, 29], [10, 14]])
    np.testing.assert_allclose(ends.speeds, np.broadcast_to([3, -1], (2, 2, 2)), atol=1e-9)
    np.testing.assert_allclose(ends.centres[0, 1], [3 * 29 + 10, 90 - 29])
    np.testing.assert_allclose(ends.heights, 40)


def test_ends_are_least_squares_and_medians_one_part_at_a_time() -> None:
    random = np.random.default_rng(0)
    frames = np.sort(random.choice(400, 200, replace=False))
    boxes = np.cumsum(random.normal(size=(200, 4)), axis=0) + np.array([0, 0, 60, 120])
    parts = [np.sort(random.choice(200, size, replace=False)) for size in (1, 2, 3, 7, 40, 200)]
    found = ends_of(parts, frames, boxes, RATE)
    span = round(RATE / 2)
    feet = np.column_stack(((boxes[:, 0] + boxes[:, 2]) / 2, boxes[:, 3]))
    for number, rows in enumerate(parts):
        for side, (near, at) in enumerate(((rows[:span], rows[0]), (rows[-span:], rows[-1]))):
            speed, centre = np.zeros(2), feet[at]
            if len(near) > 1:
                speed, centre = np.polyfit(frames[near] - frames[at], feet[near], 1)
            np.testing.assert_allclose(found.speeds[number, side], speed, atol=1e-9)
            np.testing.assert_allclose(found.centres[number, side], centre, atol=1e-9)
            assert found.heights[number, side] == pytest.approx(np.median(boxes[near, 3] - boxes[near, 1]))
            assert found.frames[number, side] == frames[at]


def test_who_walks_on_misses_nothing() -> None:
    frames = np.concatenate((np.arange(1, 11), np.arange(31, 41)))
    boxes = np.column_stack((3.0 * frames, 0 * frames, 3.0 * frames + 20, 0 * frames + 40))
    ends = ends_of([np.arange(10), np.arange(10, 20)], frames, boxes, RATE)
    near, far, still, seconds, ratio = way_columns(ends, ends, np.array([0]), np.array([1]), RATE)[0]
    assert (near, far, ratio) == pytest.approx((0, 0, 0), abs=1e-9)
    assert still == pytest.approx(np.log1p(63 / 40))
    assert seconds == pytest.approx(np.log1p(21 / RATE))


Crowd = Callable[..., Any]  # see conftest


def learnt(scene: Any) -> tuple[Evidence, np.ndarray, Pieces] | None:
    pieces = cut_pieces(scene.frames, scene.boxes, np.full(len(scene.frames), -1))
    found = learn(pieces, scene.frames, scene.boxes, scene.features, np.ones(len(scene.frames)), RATE)
    return None if found is None else (*found, pieces)


def test_looks_that_say_who_is_who_are_believed_and_others_are_not(crowd: Crowd) -> None:
    telling = learnt(crowd(noise=0.3))
    silent = learnt(crowd(noise=0.3, telling=False))
    assert telling is not None and silent is not None
    assert telling[0].separation > 0.99
    assert 0.3 < silent[0].separation < 0.75
    near, far = telling[0].of_looks(np.array([0.1, 0.9]), np.array([10.0, 10.0]))
    assert near > 2 > -2 > far


def test_a_look_of_many_boxes_says_more(crowd: Crowd) -> None:
    found = learnt(crowd(noise=2.0))
    assert found is not None
    few, many = found[0].of_looks(np.array([0.9, 0.9]), np.array([3.0, 60.0]))
    assert many < few  # far apart although noise is averaged out


def test_the_whitening_does_not_flatter_itself(crowd: Crowd) -> None:
    """Noise in more dimensions than there are pieces: learnt by heart it would separate perfectly."""
    found = learnt(crowd(noise=1.0, telling=False, dimension=200))
    assert found is None or found[0].separation < 0.8


@pytest.mark.parametrize("people", [1, 4])
def test_from_few_people_nothing_is_learnt(crowd: Crowd, people: int) -> None:
    assert learnt(crowd(people=people, noise=0.1)) is None


def test_a_way_speaks_against_when_long_but_not_for(crowd: Crowd) -> None:
    found = learnt(crowd(noise=0.3))
    assert found is not None
    evidence = found[0]
    frames = np.array([[0.0, 10], [12, 20], [10 + 10 * RATE, 300]])
    still = np.zeros((3, 2, 2))
    ends = Ends(frames, still, still, np.full((3, 2), 40.0))
    soon, late = evidence.of_ways(ends, np.array([0, 0]), np.array([1, 2]))
    assert soon > 0 >= late


def test_compression_keeps_what_differs() -> None:
    random = np.random.default_rng(0)
    who = random.normal(size=(5, 300))
    rows = who[np.arange(50) % 5] + 0.01 * random.normal(size=(50, 300))
    small = compressed(rows)
    assert small.shape == (50, 64)
    near = np.linalg.norm(small[0] - small[5])
    assert near < 0.1 * np.linalg.norm(small[0] - small[1])
    assert look_columns(np.array([0.5]), np.array([1000.0]))[0, 1] == pytest.approx(np.log(100))
