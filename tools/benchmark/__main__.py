"""Time `Tracker.update` on synthetic streams, beside the peers that are installed, as ratios in one run.

    python -m tools.benchmark [--peers] [--sizes 10,30,100] [--out DIR]
    python -m tools.benchmark accuracy --root MOT16 --det sdp.txt [--seq NAME ...] [--descriptor NAME ...] [--peers]
    python -m tools.benchmark training [--device cuda] [--batch N] [--set KEY=VALUE ...]
    python -m tools.benchmark embedding [--out DIR]

CPU time a frame, one thread: median and 95th percentile. A ratio is the peer's median over that of our faithful preset
on the same stream: `sort` without features, `deepsort` with them.
"""
# ruff: noqa: E402

from __future__ import annotations

import os

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):  # read when NumPy is imported
    os.environ[variable] = "1"

import sys
import time
import warnings
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from tools.benchmark.peers import FLOOR, Contender, ours, peers
from tools.benchmark.stream import DIMENSION, stream
from tracker import InputError

MANY_VALUES = "--seq", "--descriptor", "--set"  # options that take several
WARM_UP, MEASURED = 120, 100  # frames; a gallery of 100 is full by then
WARM_UP_SECONDS, MEASURED_SECONDS = 20.0, 10.0  # CPU seconds after which a slow tracker has to do
MIN_MEASURED = 10  # frames, however slow
TURN = 5  # frames a tracker runs before the next one's turn: drift of the machine meets all alike


@dataclass(frozen=True)
class Timing:
    """What one tracker took on one stream, microseconds of CPU a frame."""

    name: str
    features: bool
    objects: int
    median_us: float
    p95_us: float
    frames: int
    warm_up: int


class Runner:
    """One tracker on its own copy of the stream."""

    def __init__(self, contender: Contender, objects: int) -> None:
        self.contender = contender
        self.objects = objects
        self._update, self._prepare = contender.make()
        self._frames = stream(objects, contender.features)
        self._warm_up: list[float] = []
        self._measured: list[float] = []

    @property
    def is_done(self) -> bool:
        """Whether enough frames were measured, or as many as time allows."""
        slow = len(self._measured) >= MIN_MEASURED and sum(self._measured) > MEASURED_SECONDS
        return slow or len(self._measured) >= MEASURED

    def take_turn(self) -> None:
        """Run some frames, timing the tracker's update alone."""
        for _ in range(TURN):
            arguments = self._prepare(next(self._frames))
            started = time.process_time()
            self._update(*arguments)
            taken = time.process_time() - started
            warm = len(self._warm_up) == WARM_UP or sum(self._warm_up) > WARM_UP_SECONDS
            (self._measured if warm else self._warm_up).append(taken)

    @property
    def timing(self) -> Timing:
        microseconds = 1e6 * np.array(self._measured)
        return Timing(
            name=self.contender.label,
            features=self.contender.features,
            objects=self.objects,
            median_us=float(np.median(microseconds)),
            p95_us=float(np.percentile(microseconds, 95)),
            frames=len(self._measured),
            warm_up=len(self._warm_up),
        )


def measure_all(contenders: list[Contender], sizes: list[int]) -> list[Timing]:
    """Every contender on every size; those of one size take turns."""
    timings = []
    for objects in sizes:
        runners = [Runner(contender, objects) for contender in contenders]
        while waiting := [runner for runner in runners if not runner.is_done]:
            for runner in waiting:
                runner.take_turn()
        timings += [runner.timing for runner in runners]
        print(f"{objects} objects done", file=sys.stderr, flush=True)
    return timings


def ratio(timing: Timing, timings: list[Timing]) -> float:
    """How many times longer than our faithful preset on the same stream."""
    reference = "deepsort" if timing.features else "sort"
    ours = next(other for other in timings if (other.name, other.objects) == (reference, timing.objects))
    return timing.median_us / ours.median_us


def table_of(timings: list[Timing]) -> Table:
    """Trackers down, sizes across: median / p95 in microseconds, and the ratio."""
    sizes = sorted({timing.objects for timing in timings})
    table = Table(title="CPU time of one update, one thread: median / p95 in us (times our preset)")
    table.add_column("tracker")
    for objects in sizes:
        table.add_column(f"{objects} objects", justify="right")
    for features, heading in ((False, "motion only"), (True, f"with {DIMENSION}-d features")):
        table.add_row(f"[bold]{heading}[/bold]")
        for name in dict.fromkeys(timing.name for timing in timings if timing.features == features):
            row = {t.objects: t for t in timings if t.name == name and t.features == features}
            cells = [f"{t.median_us:.0f} / {t.p95_us:.0f} ({ratio(t, timings):.1f}x)" for _, t in sorted(row.items())]
            table.add_row(name, *cells)
    return table


def plot(timings: list[Timing], path: Path) -> None:
    """Median over the number of objects, one line a tracker, ours drawn thick."""
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    figure, panels = plt.subplots(1, 2, figsize=(17, 6), sharey=True, layout="constrained")
    for panel, features in zip(panels, (False, True), strict=True):
        lines = {
            name: sorted((t.objects, t.median_us) for t in timings if t.name == name and t.features == features)
            for name in dict.fromkeys(timing.name for timing in timings if timing.features == features)
        }
        slowest_first = sorted(lines, key=lambda name: -lines[name][-1][1])  # as the lines end beside the legend
        for number, name in enumerate(slowest_first):
            style = {"lw": 1.2, "ls": "--", "color": plt.get_cmap("tab20")(number % 20)}
            if name == FLOOR:
                style = {"lw": 1.5, "ls": ":", "color": "grey"}
            elif "(" not in name:
                style = {"lw": 3, "color": "black" if name == "sort" or name == "deepsort" else "tab:red"}
            panel.plot(*zip(*lines[name], strict=True), marker="o", label=name, **style)
        sizes = sorted({timing.objects for timing in timings})
        panel.set(xscale="log", yscale="log", xlabel="objects", xticks=sizes, xticklabels=[str(size) for size in sizes])
        panel.set_title(f"with {DIMENSION}-d features" if features else "motion only")
        panel.minorticks_off()
        panel.grid(alpha=0.3)
        panel.legend(fontsize=8, loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False)
    panels[0].set_ylabel("CPU time of one update, us (median, one thread)")
    figure.savefig(path, dpi=110)
    plt.close(figure)


def main(
    what: Annotated[
        str,
        typer.Argument(
            help="update: the tracker's speed; accuracy: its figures; training: a step's cost; embedding: its speed."
        ),
    ] = "update",
    with_peers: Annotated[bool, typer.Option("--peers", help="The installed peers too.")] = False,
    sizes: Annotated[str, typer.Option(help="Numbers of objects.")] = "10,30,100,300,1000",
    out: Annotated[Path, typer.Option(help="Folder for what is measured: .json, .txt, .png.")] = Path("output"),
    root: Annotated[Path | None, typer.Option(help="Where sequences lie.")] = None,
    det: Annotated[str, typer.Option(help="Their detections.")] = "det.txt",
    seq: Annotated[list[str] | None, typer.Option(help="Sequences to score on, all by default.")] = None,
    descriptor: Annotated[list[str] | None, typer.Option(help="Score with the features of each, too.")] = None,
    device: Annotated[str, typer.Option(help="training: cpu or cuda.")] = "cpu",
    batch: Annotated[int | None, typer.Option(help="training: observations a step.")] = None,
    settings: Annotated[list[str] | None, typer.Option("--set", help="training: KEY=VALUE of the models'.")] = None,
) -> None:
    """Measure, print, and keep the table, the numbers and a plot of speed."""
    warnings.filterwarnings("ignore")  # the peers'
    if what == "update":
        benchmark_update(with_peers, sizes, out)
    elif what == "training":
        benchmark_training(device, batch, settings or [])
    elif what == "embedding":
        from tools.benchmark.embedding import benchmark_embedding

        benchmark_embedding(out)
    elif what != "accuracy":
        raise InputError(f"{what}: expected update, accuracy, training or embedding")
    elif root is None and not seq:
        raise InputError("--root: missing, the folder of sequences to score on")
    else:
        from tools.benchmark.accuracy import compare

        compare(root, det, with_peers, seq or ["all"], descriptor or [])


def benchmark_update(with_peers: bool, sizes: str, out: Path) -> None:
    """Time updates on streams of the given sizes."""
    try:
        counts = [int(size) for size in sizes.split(",")]
    except ValueError:
        raise InputError(f"--sizes {sizes}: expected numbers separated by commas") from None
    contenders = ours()
    if with_peers:
        for peer in peers():
            if peer.is_installed:
                contenders.append(peer)
            else:
                print(f"{peer.name}: not installed (pip install {peer.package})", file=sys.stderr)
    timings = measure_all(contenders, counts)
    Console(width=None if sys.stdout.isatty() else 200).print(table_of(timings))
    write(timings, out)


def write(timings: list[Timing], out: Path) -> None:
    """Keep the table, the numbers and the plot in the folder `out`."""
    import json

    from embedding.files import atomic_path

    rows = [{**asdict(timing), "ratio": ratio(timing, timings)} for timing in timings]
    with atomic_path(out / "benchmark.json") as path:
        path.write_text(json.dumps(rows, indent=1), encoding="utf-8")
    with atomic_path(out / "benchmark.txt") as path, path.open("w", encoding="utf-8") as file:
        Console(file=file, width=200).print(table_of(timings))
    with atomic_path(out / "benchmark.png") as path:
        plot(timings, path)


def benchmark_training(device: str, batch: int | None, settings: list[str]) -> None:
    """Print what a training step costs, and what the flatness penalty adds to it, estimator by estimator."""
    from embedding.config import load_config
    from tools.benchmark.training_cost import training_cost

    where = f"{device}, one thread" if device == "cpu" else device
    table = Table(title=f"one training step, {where}; x: times the step without the penalty")
    for column in ("model", "batch", "estimator", "steps/s", "crops/s", "x", "MB", "x", "operations", "launches"):
        table.add_column(column, justify="left" if column in ("model", "estimator") else "right")
    table.add_column("waits", justify="right")
    table.add_column("busy", justify="right")
    gpu = device != "cpu"
    for name in ("mot16-lite", "mot16"):
        config = load_config(name, [f"device={device}", *settings])
        # The whole Jacobian of a full batch takes minutes a step and more memory than a laptop has.
        few = 32 if gpu else 4
        for size, estimators in ((batch or config.batch, ("directional",)), (few, ("exact", "finite_difference"))):
            for cost in training_cost(config, ("none", *estimators), batch=size, steps=50 if gpu else 3):
                step = cost.step
                table.add_row(
                    *(name, str(size), cost.estimator, f"{1 / step.seconds:.2f}", f"{size / step.seconds:.0f}"),
                    *(f"{cost.time_ratio:.2f}", f"{step.memory / 1e6:.0f}", f"{cost.memory_ratio:.2f}"),
                    *(str(step.operations), str(step.launches), str(step.asked)),
                    f"{step.busy:.0%}" if gpu else "",
                )
    Console(width=None if sys.stdout.isatty() else 140).print(table)


if __name__ == "__main__":
    from tracker.commands.command_line import run_command

    run_command(main, "benchmark", many_values=MANY_VALUES)
