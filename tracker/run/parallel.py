"""Run the jobs of a command: one after another or side by side, with progress."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from embedding.files import atomic_path
from embedding.progress import progress_shown, say
from tracker.errors import InputError
from tracker.input.sequences import Sequence
from tracker.run.job import Job, Summary, require_possible
from tracker.run.pipeline import run


def run_all(jobs: list[Job], workers: str = "1") -> list[Summary]:
    """Run every job and say how it goes; summaries in the order of the jobs.

    Args:
        workers: number of processes, or `ray` for the workers of a Ray cluster.

    Raises:
        InputError: `workers` is neither; whatever a job raises.
    """
    for job in jobs:
        require_possible(job)
    if workers == "ray":
        return _run_on_ray(jobs)
    if not workers.isdecimal() or int(workers) < 1:
        raise InputError(f"--jobs {workers}: expected a number from 1, or ray")
    if int(workers) == 1 or len(jobs) == 1:
        return [_run_with_progress(job) for job in jobs]
    return _run_in_processes(jobs, min(int(workers), len(jobs)))


def _run_with_progress(job: Job) -> Summary:
    with progress_shown() as progress:
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
    say(f"{summary.name}: {summary.tracks} tracks in {summary.frames} frames, {rate:.0f} frames/s -> {summary.out}")
    for line in summary.account.lines():
        say(f"{summary.name}: {line}")


def print_evaluation(sequences: list[Sequence], summaries: list[Summary]) -> None:
    """Print the metrics table of the sequences that have ground truth."""
    from tracker.evaluate.scores import evaluate
    from tracker.evaluate.table import print_table

    truth = {sequence.name: sequence.ground_truth for sequence in sequences if sequence.ground_truth is not None}
    results = {summary.name: summary.out for summary in summaries if summary.name in truth and summary.out is not None}
    print_table(evaluate(truth, results))


def write_account(path: Path, summaries: list[Summary]) -> None:
    """Write what happened to each sequence as one JSON file."""
    told = {
        summary.name: {
            "out": None if summary.out is None else str(summary.out),
            "seconds": summary.seconds,
            "timing": summary.timing,
            **summary.account.as_json(),
        }
        for summary in summaries
    }
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


def print_timing(summaries: list[Summary]) -> None:
    """Print how long each stage of each sequence took; stages overlap."""
    for summary in summaries:
        stages = ", ".join(f"{stage} {seconds:.2f} s" for stage, seconds in summary.timing.items())
        print(f"{summary.name}: {stages}; {summary.seconds:.2f} s in all, stages overlap")
