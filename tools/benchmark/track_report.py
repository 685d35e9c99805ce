"""What `tools.benchmark track` shows: tables, numbers and a picture."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from rich.console import Console
from rich.table import Table

from embedding.files import atomic_path
from tools.benchmark.track import IN_TURN, OVERLAPPED, Speed
from tools.benchmark.track_run import PARTS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTH = 140  # characters, where the output is no terminal


@dataclass(frozen=True)
class Measured:
    """All speeds and what they were measured on.

    Attributes:
        footage: its name.
        size: width and height of a frame, pixels.
        cores: of the machine.
        speeds: by number of people, then by way.
    """

    footage: str
    size: tuple[int, int]
    cores: int
    speeds: list[Speed]

    @property
    def counts(self) -> list[int]:
        """Numbers of people, ascending."""
        return sorted({speed.people for speed in self.speeds})

    @property
    def ways(self) -> list[str]:
        """Their names, in the order in which they ran."""
        return list(dict.fromkeys(speed.way for speed in self.speeds))

    def of(self, way: str, people: int) -> Speed:
        """The speed of one way with so many people."""
        return next(speed for speed in self.speeds if (speed.way, speed.people) == (way, people))


def print_tables(measured: Measured, console: Console | None = None) -> None:
    """Print the speeds, and where the time of a frame goes."""
    console = console or Console(width=None if sys.stdout.isatty() else WIDTH)
    console.print(_table_of_speeds(measured))
    console.print(_table_of_parts(measured))


def _table_of_speeds(measured: Measured) -> Table:
    """Ways down, people across."""
    width, height = measured.size
    table = Table(
        title=f"frames a second of track (ms a frame; cores busy of {measured.cores}; share of detections described), "
        f"{measured.footage}, {width}x{height}, {measured.speeds[0].frames} frames"
    )
    table.add_column("way")
    for people in measured.counts:
        table.add_column(f"{people} people", justify="right")
    for way in measured.ways:
        table.add_row(way, *(_cell(measured.of(way, people)) for people in measured.counts))
    return table


def _cell(speed: Speed) -> str:
    share = 100 * speed.described / max(speed.detections, 1)
    return f"{speed.frames_a_second:.1f} ({speed.milliseconds:.1f} ms; {speed.cores:.1f}; {share:.0f} %)"


def _table_of_parts(measured: Measured) -> Table:
    """People down, parts across."""
    table = Table(title="milliseconds a frame of the default descriptor, by part")
    for column in ("people", *PARTS, "one after another", "overlapped", "times as fast"):
        table.add_column(column, justify="right")
    for people in measured.counts:
        before, after = measured.of(IN_TURN, people), measured.of(OVERLAPPED, people)
        times = [before.parts[part] for part in PARTS] + [before.milliseconds, after.milliseconds]
        table.add_row(
            str(people), *(f"{time:.2f}" for time in times), f"{before.milliseconds / after.milliseconds:.2f}"
        )
    return table


def write(measured: Measured, out: Path) -> None:
    """Keep the tables, the numbers and the picture in the folder `out`."""
    with atomic_path(out / "benchmark-track.json") as path:
        path.write_text(json.dumps(asdict(measured), indent=1), encoding="utf-8")
    with atomic_path(out / "benchmark-track.txt") as path, path.open("w", encoding="utf-8") as file:
        print_tables(measured, Console(file=file, width=WIDTH))
    with atomic_path(out / "benchmark-track.png") as path:
        plot(measured, path)


def plot(measured: Measured, path: Path) -> None:
    """Frames a second by way and number of people; a frame's time by part, before and after overlapping."""
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    figure, (speeds, parts) = plt.subplots(1, 2, figsize=(13, 5), layout="constrained")
    _plot_speeds(speeds, measured)
    _plot_parts(parts, measured)
    width, height = measured.size
    figure.suptitle(f"track on {measured.cores} cores: {measured.footage}, {width}x{height}")
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _plot_speeds(panel: Axes, measured: Measured) -> None:
    thickness = 0.8 / len(measured.counts)
    places = np.arange(len(measured.ways), dtype=float)
    for row, people in enumerate(measured.counts):
        rates = [measured.of(way, people).frames_a_second for way in measured.ways]
        bars = panel.barh(places + row * thickness, rates, thickness, label=f"{people} people", color=f"C{row}")
        panel.bar_label(bars, [f"{rate:.0f}" for rate in rates], fontsize=7, padding=2)
    panel.set(xscale="log", xlabel="frames a second", yticks=places + 0.4 - thickness / 2, yticklabels=measured.ways)
    panel.margins(x=0.1)
    panel.invert_yaxis()
    panel.grid(axis="x", alpha=0.3)
    panel.set_axisbelow(True)
    panel.legend(fontsize=8)


def _plot_parts(panel: Axes, measured: Measured) -> None:
    places = np.arange(len(measured.counts), dtype=float)
    foot = np.zeros(len(places))
    for number, part in enumerate(PARTS):
        times = np.array([measured.of(IN_TURN, people).parts[part] for people in measured.counts])
        panel.bar(places - 0.2, times, 0.36, foot, label=part, color=f"C{number}")
        foot += times
    after = [measured.of(OVERLAPPED, people).milliseconds for people in measured.counts]
    overlapped = panel.bar(places + 0.2, after, 0.36, label="overlapped", color="0.75", hatch="//", edgecolor="0.4")
    for place, time in zip(places, foot, strict=True):
        panel.annotate(f"{time:.1f}", (place - 0.2, time), ha="center", va="bottom", fontsize=8)
    panel.bar_label(overlapped, [f"{time:.1f}" for time in after], fontsize=8)
    panel.set(xticks=places, xticklabels=[f"{people} people" for people in measured.counts])
    panel.set(ylabel="milliseconds a frame", title="default descriptor: one after another (left), overlapped (right)")
    panel.grid(axis="y", alpha=0.3)
    panel.set_axisbelow(True)
    panel.legend(fontsize=8)
