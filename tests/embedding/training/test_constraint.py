"""The controller of beta against hand computations."""

import math

import pytest
import torch

from embedding.config import ConstraintConfig
from embedding.training.constraint import Constraint


def build(bound: float = 1.0, beta: float = 1e-6, main: bool = True, **config: object) -> Constraint:
    settings = ConstraintConfig.model_validate({"bound": bound, "smoothing": 0.0, **config})
    return Constraint(settings, bound, beta=beta, initial_phase=not main)


@pytest.mark.parametrize(
    ("beta", "error", "exponent"),
    [
        (1e-6, 0.5, 0.03 * -math.tanh(1e-6 - 1) * 0.5),  # bound held, beta far under 1: beta rises
        (1e-6, 1.5, -0.03 * 0.5),  # bound violated: beta falls, whatever beta
        (3.0, 1.5, -0.03 * 0.5),
        (3.0, 0.5, 0.03 * math.tanh(2.0) * -0.5),  # bound held, beta over 1: beta falls towards 1
        (1.0, 0.5, 0.0),  # bound held, beta at 1: at rest
        (3.0, 0.97, 0.03 * math.tanh(2.0) * -0.03),  # just held: towards 1 already
        (1e-6, 0.97, 0.03 * -math.tanh(1e-6 - 1) * 0.03),
        (1e-6, 1.0, 0.0),  # exactly at the bound: at rest
        (1e-6, 100.0, -0.1),  # a gross violation is clamped
    ],
)
def test_one_update(beta: float, error: float, exponent: float) -> None:
    constraint = build(beta=beta)
    constraint.update(error)
    assert float(constraint.beta) == pytest.approx(beta * math.exp(exponent), rel=1e-12)


@pytest.mark.parametrize(("beta", "error", "limit"), [(1e-8, 9.0, 1e-8), (99.99, 9.0, None), (1.01e-8, 9.0, 1e-8)])
def test_beta_stays_within_its_limits(beta: float, error: float, limit: float | None) -> None:
    constraint = build(beta=beta)
    constraint.update(error)
    assert 1e-8 <= constraint.beta <= 1e2
    if limit is not None:
        assert constraint.beta == limit


def test_largest_beta() -> None:
    constraint = build(beta=0.5, largest_beta=0.505, rate=1.0)
    constraint.update(0.1)
    assert constraint.beta == 0.505


def test_smoothing_starts_at_the_first_error() -> None:
    constraint = build(smoothing=0.9)
    for error in (2.0, 1.0, 0.0):
        constraint.update(error)
    assert float(constraint.smoothed) == pytest.approx(0.9 * (0.9 * 2.0 + 0.1 * 1.0) + 0.1 * 0.0)


def test_initial_phase_ends_when_the_smoothed_error_is_under_the_bound() -> None:
    constraint = build(main=False, smoothing=0.5)
    seen = []
    for error in (3.0, 0.0, 0.0, 0.0):  # smoothed 3, 1.5, 0.75, 0.375
        seen.append((bool(constraint.initial_phase), float(constraint.weight), float(constraint.beta)))
        constraint.update(error)
    # F has weight exactly 0 until the third update; beta waits at its start, and moves from the fourth on.
    assert seen == [(True, 0.0, 1e-6), (True, 0.0, 1e-6), (True, 0.0, 1e-6), (False, 1e-6, 1e-6)]
    assert constraint.beta > 1e-6
    assert not constraint.forced


def test_initial_phase_does_not_return() -> None:
    constraint = build()
    constraint.update(5.0)
    assert not constraint.initial_phase


def test_initial_phase_can_be_cut_short() -> None:
    constraint = build(main=False, max_initial_steps=3, initial_beta=1e-5)
    for _ in range(2):
        constraint.update(9.0)
        assert constraint.weight == 1e-5
    constraint.update(9.0)
    assert (bool(constraint.initial_phase), bool(constraint.forced), float(constraint.weight)) == (False, True, 1e-6)


def test_the_controller_finds_the_beta_that_meets_the_bound() -> None:
    """A plant whose error grows with beta, C = 0.5 + beta / 1e-3: the bound 1 is met at beta = 5e-4."""
    constraint = build(beta=1e-5, smoothing=0.9, rate=0.1)
    for _ in range(3000):
        constraint.update(0.5 + constraint.beta / 1e-3)
    assert float(constraint.beta) == pytest.approx(5e-4, rel=0.02)


def test_state_goes_round() -> None:
    constraint = build(main=False)
    constraint.update(0.4)
    constraint.update(0.4)
    other = build()
    other.load_state_dict(constraint.state_dict())
    assert all(torch.equal(value, constraint.state_dict()[name]) for name, value in other.state_dict().items())
    assert (float(other.beta), bool(other.initial_phase), int(other.steps)) == (float(constraint.beta), False, 2)


@pytest.mark.parametrize("error", [math.nan, math.inf])
def test_an_error_that_is_not_finite_changes_nothing(error: float) -> None:
    constraint = build()
    constraint.update(0.4)
    before = constraint.state_dict()
    constraint.update(error)
    assert all(torch.equal(value, before[name]) for name, value in constraint.state_dict().items())
