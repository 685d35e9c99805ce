"""What the folds of a search say together: the gain on what was held out, the consensus, and what mattered."""

from __future__ import annotations

import statistics
from collections import Counter
from dataclasses import dataclass
from typing import Any

from tracker.core.config import Search, TrackerConfig, load_config
from tracker.errors import InputError
from tracker.tune.cases import Case, Scores
from tracker.tune.parameters import Values, distribution, own_values, require_optuna
from tracker.tune.search import Fold, objective

FEWEST_TRIALS = 20  # below, importance says nothing
BEST_SHARE, FEWEST_BEST = 0.1, 5  # PED-ANOVA compares the best tenth of the trials, of at least five, with all


@dataclass(frozen=True)
class Summary:
    """What came of all folds.

    Attributes:
        own, consensus: values of the configuration, and of most folds: the lower median of numbers, the commonest of
            other values (the configuration's own in a tie).
        gain, spread: mean and standard deviation over the folds of the gain on the held-out sequence.
        default, score: objective of `own` and `consensus` over all cases, which were searched on.
        importance: parameter -> share, of sum 1; empty where there were too few trials.
    """

    own: Values
    consensus: Values
    gain: float
    spread: float
    default: float
    score: float
    importance: dict[str, float]

    @property
    def keeps_defaults(self) -> bool:
        """The gain is not beyond its own spread, or the folds agree on nothing that helps."""
        return self.gain <= self.spread or self.score <= self.default

    @property
    def changed(self) -> Values:
        """The values of the consensus that are not the configuration's own."""
        return {name: value for name, value in self.consensus.items() if value != self.own[name]}


def summarise(
    folds: list[Fold],
    scores: Scores,
    cases: list[Case],
    config: TrackerConfig,
    parameters: dict[str, Search],
    columns: tuple[str, ...],
) -> Summary:
    """Put the folds together and score the consensus on all cases."""
    own = own_values(config, parameters)
    consensus = {name: agree([fold.chosen[name] for fold in folds], own[name], parameters[name]) for name in own}
    try:
        agreed = load_config(config, consensus)
    except InputError:  # values of different folds can contradict each other
        consensus, agreed = own, config
    gains = [fold.gain for fold in folds]
    return Summary(
        own=own,
        consensus=consensus,
        gain=statistics.fmean(gains),
        spread=statistics.stdev(gains),
        default=objective(columns, scores.rows(config, cases)),
        score=objective(columns, scores.rows(agreed, cases)),
        importance=importance(folds, own, parameters),
    )


def agree(values: list[Any], own: Any, search: Search) -> Any:
    """The value that stands for those of all folds; always one of them."""
    if not search.choices:
        return sorted(values)[(len(values) - 1) // 2]
    votes = Counter(values)
    most = max(votes.values())
    return own if votes[own] == most else next(value for value in values if votes[value] == most)


def importance(folds: list[Fold], own: Values, parameters: dict[str, Search]) -> dict[str, float]:
    """How much each parameter decides whether a trial is among the best (PED-ANOVA, Watanabe et al. 2023).

    The trials of all folds count together, each by its gain over the configuration's own values in its fold.
    """
    trials = [(trial.values, trial.score - fold.trials[0].score) for fold in folds for trial in fold.trials]
    if len(trials) < FEWEST_TRIALS:
        return {}
    optuna = require_optuna()
    distributions = {name: distribution(found, own[name]) for name, found in parameters.items()}
    study = optuna.create_study(direction="maximize")
    for values, gain in trials:
        study.add_trial(optuna.create_trial(params=values, distributions=distributions, value=gain))
    share = max(BEST_SHARE, FEWEST_BEST / len(trials))
    evaluator = optuna.importance.PedAnovaImportanceEvaluator(target_quantile=share)
    return dict(optuna.importance.get_param_importances(study, evaluator=evaluator))
