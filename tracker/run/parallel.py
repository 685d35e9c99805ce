"""Run the jobs of a command: one after another or side by side, with progress."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tracker.errors import InputError
from tracker.input.sequences import Sequence
from tracker.run.pipeline import Job, Progress, Summary, run

SECONDS_BETWEEN_LINES = 5.0


def run_all(jobs: list[Job], workers: str = "1") -> list[Summary]:
    """Run every job and say how it goes; summaries in the order of the jobs.

    Args:
        workers: number of processes, or `ray` for the workers of a Ray cluster.

    Raises:
        InputError: `workers` is neither; whatever a job raises.
    """
    if workers == "ray":
        return _run_on_ray(jobs)
    if not workers.isdecimal() or int(workers) < 1:
        raise InputError(f"--jobs {workers}: expected a number from 1, or ray")
    if int(workers) == 1 or len(jobs) == 1:
        return [_run_with_progress(job) for job in jobs]
    return _run_in_processes(jobs, min(int(workers), len(jobs)))


def _run_with_progress(job: Job) -> Summary:
    with progress_of(job.sequence.name) as progress:
        summary = run(job, progress)
    _tell(summary)
    return summary


def _run_in_processes(jobs: list[Job], workers: int) -> list[Summary]:
    import multiprocessing

    # spawn: no thread of this process (OpenCV's, BLAS's) is forked in an unknown state
    with multiprocessing.get_context("spawn").Pool(workers) as pool:
        return _collect(pool.imap(run, jobs))


def _run_on_ray(jobs: list[Job]) -> list[Summary]:
    try:
        from ray.util.multiprocessing import Pool
    except ImportError:
        raise InputError("--jobs ray: Ray is not installed: pip install 'flatsort[ray]'") from None
    with Pool() as pool:
        return _collect(pool.imap(run, jobs))


def _collect(results: Iterator[Summary]) -> list[Summary]:
    summaries = []
    for summary in results:
        _tell(summary)
        summaries.append(summary)
    return summaries


def _tell(summary: Summary) -> None:
    rate = summary.frames / max(summary.seconds, 1e-9)
    print(
        f"{summary.name}: {summary.tracks} tracks in {summary.frames} frames, {rate:.0f} frames/s -> {summary.out}",
        file=sys.stderr,
    )


def print_evaluation(sequences: list[Sequence], summaries: list[Summary]) -> None:
    """Print the metrics table of the sequences that have ground truth."""
    from tracker.evaluate.scores import evaluate
    from tracker.evaluate.table import print_table

    truth = {sequence.name: sequence.ground_truth for sequence in sequences if sequence.ground_truth is not None}
    print_table(evaluate(truth, {summary.name: summary.out for summary in summaries if summary.name in truth}))


@contextmanager
def progress_of(name: str) -> Iterator[Progress]:
    """A progress bar on a terminal, a plain line every few seconds elsewhere."""
    if not sys.stderr.isatty():
        yield _PlainLines(name)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]} frames/s"),
        TimeRemainingColumn(),
    )
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(name, total=None, rate="")
        started = time.perf_counter()

        def show(done: int, total: int | None) -> None:
            rate = done / max(time.perf_counter() - started, 1e-9)
            bar.update(task, completed=done, total=total, rate=f"{rate:.0f}")

        yield show


class _PlainLines:
    def __init__(self, name: str) -> None:
        self._name = name
        self._started = self._last = time.perf_counter()

    def __call__(self, done: int, total: int | None) -> None:
        now = time.perf_counter()
        if now - self._last >= SECONDS_BETWEEN_LINES:
            self._last = now
            of = f"/{total}" if total else ""
            rate = done / (now - self._started)
            print(f"{self._name}: frame {done}{of}, {rate:.0f} frames/s", file=sys.stderr, flush=True)
