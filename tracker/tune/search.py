"""Search a configuration's parameters, one sequence held out at a time.

The sampler is the tree-structured Parzen estimator (Bergstra et al. 2011) of Optuna.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from embedding.progress import Progress, unseen
from tracker.core.config import Search, TrackerConfig, load_config
from tracker.errors import InputError
from tracker.evaluate.scores import Row
from tracker.tune.cases import Case, Scores
from tracker.tune.parameters import Values, distribution, own_values, require_optuna

Score = Callable[[TrackerConfig], float]

OBJECTIVES = {
    "hota_idf1": ("HOTA", "IDF1"),
    "hota": ("HOTA",),
    "idf1": ("IDF1",),
    "mota": ("MOTA",),
    "hota_idf1_mota": ("HOTA", "IDF1", "MOTA"),
}
"""Name -> columns of which the mean is taken."""


@dataclass(frozen=True)
class Trial:
    """A set of values and its score on the cases of a search."""

    values: Values
    score: float


@dataclass(frozen=True)
class Fold:
    """A search that did not see one sequence, and how what it chose does there.

    Attributes:
        held_out: name of the sequence.
        trials: of the search, on the other sequences; the first is the configuration as it was.
        chosen: the values of the best trial, put back to the configuration's own where those do as well.
        default_rows, chosen_rows: figures on the held-out cases, a row a case.
        default, choice: their objective: what the search gained, measured on what it did not see.
        searched_gain: of the choice over the configuration on the cases it was searched on.
        best: largest objective on the held-out cases of all that any fold tried: chosen by looking, and so too good.
    """

    held_out: str
    trials: list[Trial]
    chosen: Values
    default_rows: list[Row]
    chosen_rows: list[Row]
    default: float
    choice: float
    searched_gain: float
    best: float

    @property
    def gain(self) -> float:
        return self.choice - self.default


def objective(columns: tuple[str, ...], rows: list[Row]) -> float:
    """Mean over the cases of the mean of the columns, percent."""
    return statistics.fmean(row[column] for row in rows for column in columns)


def cross_validate(
    scores: Scores,
    cases: list[Case],
    config: TrackerConfig,
    parameters: dict[str, Search],
    columns: tuple[str, ...],
    trials: int,
    seed: int = 0,
    progress: Progress = unseen,
) -> list[Fold]:
    """For each sequence, search on the others and score the choice on it."""
    sequences = list(dict.fromkeys(case.sequence for case in cases))
    searched: dict[str, list[Trial]] = {}
    chosen: dict[str, Values] = {}
    own = own_values(config, parameters)
    for number, held_out in enumerate(sequences):
        others = [case for case in cases if case.sequence != held_out]

        def score(changed: TrackerConfig, others: list[Case] = others) -> float:
            return objective(columns, scores.rows(changed, others))

        searched[held_out] = []
        for trial in search(score, config, parameters, trials, seed):
            searched[held_out].append(trial)
            share = (number + len(searched[held_out]) / (trials + 1)) / len(sequences)
            gain = max(trial.score for trial in searched[held_out]) - searched[held_out][0].score
            progress(f"without {held_out}: {len(searched[held_out])} of {trials} trials, best {gain:+.2f}", share, 1)
        chosen[held_out] = simplify(score, config, max(searched[held_out], key=lambda trial: trial.score), own)
    return [_judge(scores, cases, config, columns, searched, name, chosen[name]) for name in sequences]


def _judge(
    scores: Scores,
    cases: list[Case],
    config: TrackerConfig,
    columns: tuple[str, ...],
    searched: Mapping[str, list[Trial]],
    name: str,
    chosen: Values,
) -> Fold:
    """The fold that holds out the sequence `name`. What this asks of other sequences has been scored already."""
    held_out = [case for case in cases if case.sequence == name]
    others = [case for case in cases if case.sequence != name]
    changed = load_config(config, chosen)
    default_rows, chosen_rows = scores.rows(config, held_out), scores.rows(changed, held_out)
    choice = objective(columns, chosen_rows)
    tried = [trial.values for other, trials in searched.items() if other != name for trial in trials]
    best = max(objective(columns, scores.rows(load_config(config, values), held_out)) for values in tried)
    return Fold(
        held_out=name,
        trials=searched[name],
        chosen=chosen,
        default_rows=default_rows,
        chosen_rows=chosen_rows,
        default=objective(columns, default_rows),
        choice=choice,
        searched_gain=objective(columns, scores.rows(changed, others)) - searched[name][0].score,
        best=max(best, choice),
    )


def search(
    score: Score, config: TrackerConfig, parameters: dict[str, Search], trials: int, seed: int
) -> Iterator[Trial]:
    """Yield each trial; the configuration's own values come first. Values that contradict each other are passed over.

    With one seed the first trials, which the sampler draws blindly, are the same for every score.
    """
    optuna = require_optuna()
    own = own_values(config, parameters)
    distributions = {name: distribution(found, own[name]) for name, found in parameters.items()}
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed))
    study.enqueue_trial(own)
    for _ in range(trials):
        asked = study.ask(distributions)
        values = {name: _rounded(asked.params[name]) for name in parameters}
        try:
            changed = load_config(config, values)
        except InputError:  # such as no stage at all
            study.tell(asked, state=optuna.trial.TrialState.FAIL)
            continue
        found = score(changed)
        study.tell(asked, found)
        yield Trial(values, found)


def simplify(score: Score, config: TrackerConfig, best: Trial, own: Values) -> Values:
    """Put back each of the configuration's own values that does not lower the score: what stays changed pays."""
    chosen, highest = dict(best.values), best.score
    for name, value in own.items():
        if chosen[name] == value:
            continue
        try:
            found = score(load_config(config, chosen | {name: value}))
        except InputError:
            continue
        if found >= highest:
            chosen[name], highest = value, found
    return chosen


def _rounded(value: Any) -> Any:
    """Without the last digits of a sum of steps: 0.45, not 0.45000000000000007."""
    return round(value, 6) if isinstance(value, float) else value
