"""The parameters of a configuration that can be searched, their ranges, and Optuna's form of these.

The ranges stand beside the parameters, in `tracker.core.config`; a parameter is named as `track --set` names it, those
of a stage `stages.0.max_missed`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from embedding.extras import require_package
from tracker.core.config import Search, TrackerConfig
from tracker.errors import InputError

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

Values = dict[str, Any]  # parameter -> value


def ranges(config: TrackerConfig) -> dict[str, Search]:
    """Name -> range of the parameters with one that the configuration uses: its own value lies in the range.

    A parameter that is null or `none` is not used; there is nothing to start from.
    """
    parts: dict[str, BaseModel] = {"": config}
    parts |= {f"stages.{number}.": stage for number, stage in enumerate(config.stages)}
    found = {}
    for prefix, part in parts.items():
        for name, field in type(part).model_fields.items():
            for search in field.metadata:
                if isinstance(search, Search) and getattr(part, name) in search:
                    found[prefix + name] = search
    return found


def choose_parameters(config: TrackerConfig, wanted: list[str], with_features: bool) -> dict[str, Search]:
    """The ranges of the parameters named; of all but those of stages if none is.

    Raises:
        InputError: one has no range, or no effect on cases without features.
    """
    known = ranges(config)
    has_effect = {name: with_features or not search.of_appearance for name, search in known.items()}
    for name in wanted:
        if name not in known:
            raise InputError(f"--parameters {name}: no range to search here; those with one are {', '.join(known)}")
        if not has_effect[name]:
            raise InputError(f"--parameters {name}: has no effect where nothing compares appearance: no features")
    names = wanted or [name for name in known if has_effect[name] and "." not in name]
    return {name: known[name] for name in names}


def own_values(config: TrackerConfig, names: Iterable[str]) -> Values:
    """The values that the configuration has itself."""
    return {name: _value(config, name) for name in names}


def _value(config: TrackerConfig, name: str) -> Any:
    place: Any = config
    for part in name.split("."):
        place = place[int(part)] if part.isdecimal() else getattr(place, part)
    return place


def as_text(value: Any) -> str:
    """The value as YAML has it, so that it can be copied behind `track --set`."""
    return json.dumps(value).strip('"')


def distribution(search: Search, own: Any) -> BaseDistribution:
    """Optuna's form of a range. A step that would miss the configuration's own value is left out."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if search.choices:
        return CategoricalDistribution(search.choices)
    if isinstance(search.low, int) and isinstance(search.high, int):
        return IntDistribution(search.low, search.high, log=search.log)
    step = search.step
    if step is not None and not math.isclose(round((own - search.low) / step) * step, own - search.low, abs_tol=1e-6):
        step = None
    return FloatDistribution(search.low, search.high, log=search.log, step=step)


def require_optuna() -> Any:
    """The module, silent about each trial.

    Raises:
        InputError: it is not installed.
    """
    require_package("optuna", "tuning")
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna
