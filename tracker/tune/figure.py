"""The picture of a search: for each parameter, the gain of every trial over its value."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tracker.core.config import Search
from tracker.tune.parameters import as_text
from tracker.tune.search import Fold
from tracker.tune.summary import Summary

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PANELS_A_ROW = 4
SHOWN_SHARE = 0.5  # of the trials, the best; the others, tens of points lower, would flatten what matters
JITTER = 0.25  # half the width over which the trials of one choice are spread


def draw(folds: list[Fold], parameters: dict[str, Search], summary: Summary, path: Path) -> None:
    """One panel a parameter, one colour a fold; the configuration's own value and the consensus are marked."""
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    across = min(PANELS_A_ROW, len(parameters))
    down = math.ceil(len(parameters) / across)
    figure, panels = plt.subplots(
        down, across, figsize=(3.6 * across + 1.5, 3.0 * down + 0.6), sharey=True, squeeze=False, layout="constrained"
    )
    gains = [np.array([trial.score - fold.trials[0].score for trial in fold.trials]) for fold in folds]
    lowest = min(float(np.quantile(np.concatenate(gains), 1 - SHOWN_SHARE)), -1.0)
    highest = max(float(np.concatenate(gains).max()), 0.0)
    for panel, (name, search) in zip(panels.flat, parameters.items(), strict=False):
        for number, (fold, gain) in enumerate(zip(folds, gains, strict=True)):
            places = _places([trial.values[name] for trial in fold.trials], search, seed=number)
            _scatter(panel, places, gain, lowest, f"C{number}", f"without {fold.held_out}")
        _finish(panel, name, search, summary)
    for panel in panels.flat[len(parameters) :]:
        panel.set_visible(False)
    margin = 0.06 * (highest - lowest)
    panels[0, 0].set_ylim(lowest - margin, highest + margin)
    figure.supylabel("gain over the defaults on the fold's sequences (triangles: lower still)", fontsize=9)
    handles, labels = panels[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=min(len(labels), 7), frameon=False, fontsize=9)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _scatter(panel: Axes, places: np.ndarray, gain: np.ndarray, lowest: float, colour: str, label: str) -> None:
    """The trials of one fold [T]; those below what is shown as triangles at the edge."""
    shown = gain >= lowest
    panel.scatter(places[shown], gain[shown], s=12, color=colour, alpha=0.7, label=label)
    panel.scatter(places[~shown], np.full((~shown).sum(), lowest), s=12, color=colour, alpha=0.4, marker="v")


def _finish(panel: Axes, name: str, search: Search, summary: Summary) -> None:
    """Title, lines and ticks."""
    share = summary.importance.get(name)
    panel.set_title(name if share is None else f"{name} (importance {share:.2f})", fontsize=10)
    panel.axhline(0, color="grey", linewidth=0.8)
    _mark(panel, summary.own[name], search, color="black", linestyle=":", label="default")
    _mark(panel, summary.consensus[name], search, color="gold", linewidth=5, alpha=0.5, zorder=0, label="consensus")
    if search.choices:
        panel.set_xticks(range(len(search.choices)), list(map(as_text, search.choices)), fontsize=8)
    elif search.log:
        panel.set_xscale("log")


def _places(values: list[Any], search: Search, seed: int) -> np.ndarray:
    """Where values stand on the axis: numbers at themselves, choices at their place in the list, spread a little."""
    if not search.choices:
        return np.array(values, dtype=float)
    random = np.random.default_rng(seed)
    places = np.array([search.choices.index(value) for value in values], dtype=float)
    return places + random.uniform(-JITTER, JITTER, len(values))


def _mark(panel: Axes, value: Any, search: Search, **style: Any) -> None:
    panel.axvline(search.choices.index(value) if search.choices else value, **style)
