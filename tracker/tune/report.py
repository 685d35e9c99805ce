"""What a search leaves behind: numbers, a text with tables, a picture, and the configuration it recommends."""

from __future__ import annotations

import json
import statistics
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml

from embedding.files import atomic_path
from tracker.core.config import Search, TrackerConfig, load_config
from tracker.tune.cases import Case
from tracker.tune.parameters import Values, as_text
from tracker.tune.search import Fold
from tracker.tune.summary import Summary

SHOWN = ("HOTA", "IDF1", "MOTA", "IDs")


@dataclass(frozen=True)
class Report:
    """A finished search: what was asked and what came of it."""

    preset: str
    config: TrackerConfig
    parameters: dict[str, Search]
    columns: tuple[str, ...]
    trials: int
    seed: int
    cases: list[Case]
    folds: list[Fold]
    summary: Summary

    def write(self, folder: Path) -> Path:
        """Write `tune.json`, `tune.md`, `tune.png` and the configuration; returns the file of the last."""
        from tracker.tune.figure import draw

        configuration = folder / f"{Path(self.preset).stem}.yaml"
        _write(folder / "tune.json", json.dumps(self.as_dict(), indent=2) + "\n")
        _write(folder / "tune.md", self.as_markdown())
        _write(configuration, self.as_yaml())
        with atomic_path(folder / "tune.png") as temporary:
            draw(self.folds, self.parameters, self.summary, temporary)
        return configuration

    def as_dict(self) -> dict[str, Any]:
        """Everything, for a machine."""
        return {
            "preset": self.preset,
            "objective": list(self.columns),
            "trials": self.trials,
            "seed": self.seed,
            "cases": [case.name for case in self.cases],
            "ranges": {name: asdict(search) for name, search in self.parameters.items()},
            "summary": asdict(self.summary) | {"keeps_defaults": self.summary.keeps_defaults},
            "folds": [asdict(fold) | {"gain": fold.gain} for fold in self.folds],
        }

    def as_markdown(self) -> str:
        """Markdown: the folds, what they chose, and what to make of it."""
        cases = ", ".join(case.name for case in self.cases)
        parts = [
            f"# Parameters of `{self.preset}`",
            f"Objective: {' + '.join(self.columns)}, mean of the columns and over cases, percent. "
            f"{self.trials} trials a fold, seed {self.seed}. Cases: {cases}.",
            "Each row holds a sequence out. *Choice* was found on the others; *gain where searched* is what it gains "
            "there. *Best on itself* is the best of all trials chosen by looking at the sequence, and so too good.",
            self._table_of_folds(),
            "The held-out cases together (means; IDs in all):",
            self._table_of_figures(),
            "What the folds chose. Importance: how much a parameter decides whether a trial is among the best.",
            self._table_of_parameters(),
            "![Gain of each trial over the configuration's own values](tune.png)",
            self.verdict(),
        ]
        return "\n\n".join(parts) + "\n"

    def verdict(self) -> str:
        """What to do, in one paragraph."""
        summary = self.summary
        held_out = f"held out, the choices gain {summary.gain:+.2f} ± {summary.spread:.2f}"
        if not summary.changed:
            return f"Keep the defaults: the folds agree on no other value ({held_out})."
        found = (
            f"the consensus ({_settings(summary.changed)}) scores {summary.score:.2f} on all cases, which it was "
            f"searched on, the defaults {summary.default:.2f}"
        )
        if summary.keeps_defaults:
            return f"Keep the defaults: {held_out}, which is not more than its own spread; {found}."
        return f"Use the consensus: {held_out}; {found}."

    def as_yaml(self) -> str:
        """The consensus as a file that `track --config` takes."""
        changed = [f"{name}: {as_text(self.summary.own[name])} before" for name in self.summary.changed]
        first = f"# {self.preset} with the consensus of {len(self.folds)} searches by tools.tune; see tune.md.\n"
        values = load_config(self.config, self.summary.consensus).model_dump(mode="json")
        return (
            first
            + "".join(f"# {line}\n" for line in [self.verdict(), *changed])
            + yaml.safe_dump(values, sort_keys=False)
        )

    def _table_of_folds(self) -> str:
        names = ("default", "choice", "gain", "searched_gain", "best")
        columns = [[getattr(fold, name) for fold in self.folds] for name in names]
        rows = [[fold.held_out, *_figures(figures)] for fold, *figures in zip(self.folds, *columns, strict=True)]
        rows.append(["mean", *_figures([statistics.fmean(column) for column in columns])])
        rows.append(["standard deviation", *(f"{statistics.stdev(column):.2f}" for column in columns)])
        return _table(["held out", "defaults", "choice", "gain", "gain where searched", "best on itself"], rows)

    def _table_of_figures(self) -> str:
        rows = []
        for name, attribute in (("defaults", "default_rows"), ("choice", "chosen_rows")):
            figures = [row for fold in self.folds for row in getattr(fold, attribute)]
            cells = [f"{statistics.fmean(row[column] for row in figures):.2f}" for column in SHOWN[:-1]]
            rows.append([name, *cells, str(sum(int(row[SHOWN[-1]]) for row in figures))])
        return _table(["", *SHOWN], rows)

    def _table_of_parameters(self) -> str:
        rows = []
        for name, search in self.parameters.items():
            chosen = [fold.chosen[name] for fold in self.folds]
            share = self.summary.importance.get(name)
            cells = [as_text(self.summary.own[name]), _spread(chosen, search), as_text(self.summary.consensus[name])]
            rows.append([f"`{name}`", *cells, "" if share is None else f"{share:.2f}"])
        return _table(["parameter", "default", "min, median, max or votes", "consensus", "importance"], rows)


def _figures(figures: list[float]) -> list[str]:
    """Two scores, two gains and a score, as cells."""
    return [f"{figure:{form}}" for figure, form in zip(figures, (".2f", ".2f", "+.2f", "+.2f", ".2f"), strict=True)]


def _spread(chosen: list[Any], search: Search) -> str:
    if search.choices:
        return ", ".join(f"{as_text(value)} x {count}" for value, count in Counter(chosen).most_common())
    middle = statistics.median_low(chosen)
    return ", ".join(map(as_text, (min(chosen), middle, max(chosen))))


def _settings(values: Values) -> str:
    return " ".join(f"{name}={as_text(value)}" for name, value in values.items())


def _table(header: list[str], rows: list[list[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _write(path: Path, text: str) -> None:
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
