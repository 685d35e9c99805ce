"""A search: which parameters and values it tries, what it keeps of the best, and what the folds say together."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("optuna", reason="needs the extra [tune]")

from tracker import load_config
from tracker.core.config import Search, TrackerConfig
from tracker.tune.parameters import as_text, choose_parameters, distribution, own_values, ranges
from tracker.tune.report import Report
from tracker.tune.search import Fold, Trial, search, simplify
from tracker.tune.summary import Summary, agree, importance


def searched(config: TrackerConfig, *names: str) -> dict[str, Search]:
    return choose_parameters(config, list(names), with_features=True)


def test_a_configuration_is_searched_where_it_uses_a_parameter() -> None:
    flatsort, sort = ranges(load_config("flatsort")), ranges(load_config("sort"))
    assert {"max_age", "momentum", "stages.0.cascade", "stages.3.max_missed", "stages.3.use"} <= set(flatsort)
    assert set(sort) >= {"max_age", "stages.0.use"}
    assert not {"appearance", "min_confidence", "low_confidence", "stages.1.use"} & set(sort)  # `none`, null, no stage
    assert own_values(load_config("flatsort"), ["max_age", "stages.1.max_missed"]) == {
        "max_age": 90,
        "stages.1.max_missed": 0,
    }


def test_without_names_all_are_searched_that_have_an_effect_but_those_of_stages() -> None:
    config = load_config("flatsort")
    with_features, without = (set(choose_parameters(config, [], with_features=flag)) for flag in (True, False))
    assert with_features - without == {
        name for name, found in ranges(config).items() if found.of_appearance and "." not in name
    }
    assert {"momentum", "gating_threshold"} <= with_features - without
    assert not [name for name in with_features if name.startswith("stages")]


@pytest.mark.parametrize(
    ("found", "own", "values"),
    [
        (Search(1, 6), 3, {1, 2, 3, 4, 5, 6}),  # whole numbers
        (Search(0.1, 0.5, step=0.1), 0.3, {0.1, 0.2, 0.3, 0.4, 0.5}),
        (Search(choices=(None, 0.5)), None, {None, 0.5}),
    ],
)
def test_trials_take_the_values_of_a_range(found: Search, own: Any, values: set[Any]) -> None:
    config, name = load_config("flatsort"), {int: "n_init", float: "max_iou_distance"}.get(type(own))
    name = name or "new_track_confidence"
    config = load_config(config, {name: own})
    trials = list(search(lambda changed: 0.0, config, {name: found}, 60, seed=0))
    assert trials[0].values == {name: own}
    assert {trial.values[name] for trial in trials} == values


def test_a_value_between_the_steps_is_still_the_first_trial() -> None:
    config = load_config("flatsort", {"max_iou_distance": 0.777})
    first = next(search(lambda changed: 0.0, config, searched(config, "max_iou_distance"), 1, seed=0))
    assert first.values == {"max_iou_distance": 0.777}
    assert distribution(Search(0.0, 1.0, step=0.25), 0.5)._asdict()["step"] == 0.25
    assert distribution(Search(0.0, 1.0, step=0.25), 0.6)._asdict()["step"] is None


def test_contradicting_values_are_passed_over() -> None:
    config = load_config("sort")  # of one stage
    trials = list(search(lambda changed: 0.0, config, searched(config, "stages.0.use"), 10, seed=0))
    assert 0 < len(trials) < 10
    assert {trial.values["stages.0.use"] for trial in trials} == {True}


def test_what_does_not_pay_is_put_back() -> None:
    config = load_config("flatsort")

    def score(changed: TrackerConfig) -> float:
        return changed.max_age - 10 * abs(changed.n_init - 3)

    best = Trial({"max_age": 100, "n_init": 4, "momentum": 0.5}, 90)
    own = own_values(config, best.values)
    assert simplify(score, config, best, own) == {"max_age": 100, "n_init": 3, "momentum": 0.9}


@pytest.mark.parametrize(
    ("values", "own", "found", "expected"),
    [
        ([10, 90, 30], 90, Search(1, 300), 30),  # the median
        ([10, 20, 30, 90], 90, Search(1, 300), 20),  # one that a fold chose, not between two
        ([True, False, False], True, Search(choices=(True, False)), False),  # votes
        ([None, 0.5], 0.5, Search(choices=(None, 0.5)), 0.5),  # a tie: as it was
        ([0, 1, 1, 2, 2], 0, Search(choices=(0, 1, 2)), 1),  # a tie of others: the first
    ],
)
def test_the_consensus_of_the_folds(values: list[Any], own: Any, found: Search, expected: Any) -> None:
    assert agree(values, own, found) == expected


def test_importance_finds_what_decides() -> None:
    config = load_config("flatsort")
    parameters = searched(config, "max_iou_distance", "max_age", "camera_shift")

    def score(changed: TrackerConfig) -> float:
        return -abs(changed.max_iou_distance - 0.5)

    trials = list(search(score, config, parameters, 40, seed=0))
    fold = Fold("x", trials, trials[0].values, [], [], 0, 0, 0, 0)
    found = importance([fold], own_values(config, parameters), parameters)
    assert sum(found.values()) == pytest.approx(1)
    assert max(found, key=lambda name: found[name]) == "max_iou_distance"
    assert importance([Fold("x", trials[:5], {}, [], [], 0, 0, 0, 0)], {}, parameters) == {}  # too few to tell


@pytest.mark.parametrize(
    ("gain", "spread", "score", "consensus", "verdict"),
    [
        (0.8, 0.3, 61, 45, "Use the consensus: held out, the choices gain +0.80 ± 0.30; the consensus (max_age=45)"),
        (0.8, 0.9, 61, 45, "Keep the defaults: held out, the choices gain +0.80 ± 0.90, which is not more than"),
        (-0.1, 0.0, 61, 45, "Keep the defaults: held out, the choices gain -0.10 ± 0.00"),
        (0.8, 0.3, 59, 45, "Keep the defaults"),  # each fold gained, what they agree on does not
        (0.0, 0.0, 60, 90, "Keep the defaults: the folds agree on no other value"),
    ],
)
def test_the_verdict(gain: float, spread: float, score: float, consensus: int, verdict: str) -> None:
    summary = Summary({"max_age": 90}, {"max_age": consensus}, gain, spread, 60, score, {})
    report = Report("flatsort", load_config("flatsort"), {}, ("HOTA",), 9, 0, [], [], summary)
    assert report.verdict().startswith(verdict)
    assert summary.keeps_defaults == verdict.startswith("Keep")


@pytest.mark.parametrize(
    ("value", "text"), [(None, "null"), (True, "true"), ("average", "average"), (0.8, "0.8"), (90, "90")]
)
def test_values_are_written_as_set_takes_them(value: Any, text: str) -> None:
    assert as_text(value) == text
