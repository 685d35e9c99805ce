"""Table 2 as bars, and the figures over the threshold."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes

from tools.paper.plots import panels, save
from tools.paper.pyplot import pyplot
from tools.paper.table2.report import PUBLISHED, PUBLISHED_BOXES, counterpart
from tools.paper.table2.sweep import PUBLISHED as PUBLISHED_THRESHOLD
from tracker.evaluate.scores import OVERALL

COLOURS = {"sort": "#8c8c8c", "deepsort": "#3b6ea5", "flatsort": "#c0562f", "flatsort, linked": "#8f2f5f"}
PAPER_COLOURS = {"sort": "#dcdcdc", "deepsort": "#bdd3e8"}
PAPER_LABELS = {"sort": "SORT in the paper", "deepsort": "DeepSORT's tracker in the paper"}
PANELS = {"IDF1": "IDF1, %", "HOTA": "HOTA, %", "IDs": "identity switches a 1,000 boxes"}
BAR = 0.27  # of the distance between descriptors


def draw_bars(figures: Mapping[str, Any], path: Path) -> None:
    """IDF1, HOTA and identity switches of every row, a line of panels a detector; the paper's rows in light colours.

    Switches are a 1,000 boxes of the ground truth, as the paper's are on more sequences.
    """
    detectors = figures["detectors"]
    count = max(len(_descriptors(found["rows"])) for found in detectors.values())
    figure, axes = panels(len(PANELS), len(detectors), width=4.2, height=1.1 + 0.36 * count)
    for line, (name, found) in zip(axes, detectors.items(), strict=True):
        for axis, (column, title) in zip(line, PANELS.items(), strict=True):
            _draw_column(axis, found["rows"], column, sum(figures["boxes"].values()))
            axis.set_title(f"{name}: {title}")
            axis.tick_params(axis="y", labelleft=axis is line[0])
    handles = [pyplot.Rectangle((0, 0), 1, 1, color=colour) for colour in (*COLOURS.values(), *PAPER_COLOURS.values())]
    labels = [*COLOURS, *(f"{label} (POI, seven sequences)" for label in PAPER_LABELS.values())]
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False)
    save(figure, path)


def _descriptors(rows: list[dict[str, Any]]) -> list[str | None]:
    return list(dict.fromkeys(row["descriptor"] for row in rows))


def _draw_column(axis: Axes, rows: list[dict[str, Any]], column: str, boxes: int) -> None:
    """One figure of all rows as horizontal bars, a group a descriptor, tightly packed."""
    descriptors = _descriptors(rows)
    values = []
    for place, descriptor in enumerate(descriptors):
        bars = _bars([row for row in rows if row["descriptor"] == descriptor], column, boxes)
        for number, (value, colour) in enumerate(bars):
            values.append(value)
            height = place + (number - (len(bars) - 1) / 2) * BAR
            axis.barh(height, value, BAR, color=colour)
            axis.text(value, height, f" {value:.1f}", va="center", fontsize=6.5)
    axis.set_yticks(range(len(descriptors)), [descriptor or "motion only" for descriptor in descriptors])
    axis.set_ylim(len(descriptors) - 0.4, -0.6)
    axis.set_xlim(0, 1.12 * max(values))


def _bars(rows: list[dict[str, Any]], column: str, boxes: int) -> list[tuple[float, str]]:
    """Value and colour of a descriptor's bars; SORT in its own setting only, the paper's right after ours."""
    found = []
    for row in rows:
        if row["second_pass"] == "fill" or (row["preset"] == "sort" and counterpart(row) is None):
            continue
        colour = COLOURS.get(row["tracker"], COLOURS[row["preset"]])
        found.append((_scaled(row["scores"][OVERALL][column], column, boxes), colour))
        published = PUBLISHED.get(counterpart(row) or "", {})
        if column in published:
            found.append((_scaled(published[column], column, PUBLISHED_BOXES), PAPER_COLOURS[row["preset"]]))
    return found


def _scaled(value: float, column: str, boxes: int) -> float:
    return 1000 * value / boxes if column == "IDs" else value


def draw_sweep(figures: Mapping[str, Any], path: Path) -> None:
    """IDF1 over the threshold, a line a descriptor; a diamond at the calibrated threshold, a line at the paper's."""
    detectors = figures["detectors"]
    presets = list(next(iter(detectors.values()))["sweep"])
    figure, axes = panels(len(presets), len(detectors), width=5.6, height=4.2)
    sweeps = [of_preset for found in detectors.values() for of_preset in found["sweep"].values()]
    labels = list(dict.fromkeys(label for of_preset in sweeps for label in of_preset))
    palette = pyplot.get_cmap("tab10" if len(labels) <= 10 else "tab20")
    colours = {label: palette(place % palette.N) for place, label in enumerate(labels)}
    for line, (name, found) in zip(axes, detectors.items(), strict=True):
        for axis, preset in zip(line, presets, strict=True):
            for label, swept in found["sweep"][preset].items():
                _draw_curve(axis, swept, colours[label])
            axis.axvline(PUBLISHED_THRESHOLD, color="grey", linewidth=0.9, linestyle=":", zorder=0)
            axis.set(xscale="log", xlabel="threshold on cosine distance", ylabel="IDF1, %", title=f"{name}: {preset}")
            axis.set_xticks((0.02, 0.05, 0.1, 0.2, 0.4, 0.8), ("0.02", "0.05", "0.1", "0.2", "0.4", "0.8"))
            axis.minorticks_off()
            axis.grid(linewidth=0.3, alpha=0.5)
    marks = [pyplot.Line2D([], [], color="black", marker="D", linestyle="", markersize=5)]
    marks += [pyplot.Line2D([], [], color="grey", linestyle=":")]
    lines = [pyplot.Line2D([], [], color=colour, marker=".") for colour in colours.values()]
    titles = ["calibrated without labels", f"the paper's {PUBLISHED_THRESHOLD}", *colours]
    figure.legend([*marks, *lines], titles, loc="outside lower center", ncols=4, frameon=False)
    save(figure, path)


def _draw_curve(axis: Axes, swept: Mapping[str, Any], colour: Any) -> None:
    thresholds = [point["threshold"] for point in swept["points"]]
    axis.plot(thresholds, [point["IDF1"] for point in swept["points"]], color=colour, marker=".", markersize=4, lw=1.2)
    if swept["calibrated"] is not None:
        point = swept["calibrated"]
        place = max(point["threshold"], 0.6 * thresholds[0])
        axis.plot(place, point["IDF1"], color=colour, marker="D", markersize=6, markeredgecolor="black", mew=0.6)
