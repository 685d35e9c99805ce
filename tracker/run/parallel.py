"""Run the jobs of a command: one after another or side by side, with progress."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from embedding.files import atomic_path
from embedding.progress import progress_shown, say
from tracker.errors import InputError
from tracker.input.sequences import Sequence
from tracker.run.fleet.elsewhere import run_at_hand
from tracker.run.job import Fleet, Job, Summary, require_possible
from tracker.run.processes import ending
from tracker.run.processes.workers import side_by_side

BAD, LOST = 2, 3  # exit codes: something could not be read or written; a live source is gone


@dataclass
class Outcome:
    """What came of all jobs.

    Attributes:
        summaries: of those that ran to their end, in the order of the jobs.
        failures: name of the sequence -> why there is no result of it.
        is_interrupted: whether a signal came before all had their turn.
    """

    summaries: list[Summary] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)
    is_interrupted: bool = False

    @property
    def exit_code(self) -> int:
        """The signal's, 2 where something could not be written or read, 3 where a live source was lost, else 0."""
        if self.is_interrupted:
            return ending.exit_code()
        if self.failures or any(summary.unwritten for summary in self.summaries):
            return BAD
        return LOST if any(summary.is_lost for summary in self.summaries) else 0


def run_all(jobs: list[Job], workers: str = "1") -> list[Summary]:
    """As `attempt_all`, where all is there or nothing will do: summaries in the order of the jobs.

    Raises:
        InputError: a job failed; the others have run.
        Interrupted: by a signal.
    """
    outcome = attempt_all(jobs, workers)
    if outcome.is_interrupted:
        raise ending.Interrupted
    for name, why in outcome.failures.items():
        raise InputError(f"{name}: {why}")
    return outcome.summaries


def attempt_all(jobs: list[Job], workers: str = "1", fleet: Fleet | None = None) -> Outcome:
    """Run every job and say how it goes. Of several, a bad one does not stop the others.

    Args:
        workers: number of processes, or `ray` for the workers of a Ray cluster.
        fleet: how they run there.

    Raises:
        InputError: `workers` is neither; something that shows before the first frame; what the only job raises.
    """
    for job in jobs:
        require_possible(job)
    if workers == "ray":
        results = _run_on_ray(jobs, fleet)
    elif not workers.isdecimal() or int(workers) < 1:
        raise InputError(f"--jobs {workers}: expected a number from 1, or ray")
    elif len(jobs) == 1:
        return Outcome([_run_with_progress(jobs[0])])
    elif int(workers) == 1:
        results = enumerate(map(_attempted_here, jobs))
    else:
        results = side_by_side(_attempted, jobs, int(workers))
    return _collect(jobs, results)


def _run_with_progress(job: Job) -> Summary:
    with progress_shown() as progress:
        summary = run_at_hand(job, progress)
    _tell(summary)
    return summary


def _attempted(job: Job) -> Summary | InputError:
    try:
        return run_at_hand(job)
    except (InputError, OSError) as error:
        return InputError(str(error))


def _attempted_here(job: Job) -> Summary | InputError:
    try:
        with progress_shown() as progress:
            return run_at_hand(job, progress)
    except (InputError, OSError) as error:
        return InputError(str(error))


def _run_on_ray(jobs: list[Job], fleet: Fleet | None) -> Iterator[tuple[int, Summary | Exception]]:
    from tracker.run.fleet.cluster import on_ray  # with it comes PyAV

    return on_ray(jobs, fleet or Fleet())


def _collect(jobs: list[Job], results: Iterable[tuple[int, Summary | Exception]]) -> Outcome:
    done: dict[int, Summary] = {}
    outcome = Outcome()
    try:
        for number, result in results:
            if isinstance(result, Summary):
                _tell(result)
                done[number] = result
            elif not ending.is_interrupted():
                outcome.failures[jobs[number].sequence.name] = str(result)
                say(f"{jobs[number].sequence.name}: {result}")
            if ending.is_interrupted() and len(done) < len(jobs):
                raise ending.Interrupted
    except KeyboardInterrupt:
        outcome.is_interrupted = len(done) < len(jobs)
    outcome.summaries = [done[number] for number in sorted(done)]
    if outcome.failures:
        names = ", ".join(outcome.failures)
        say(f"{len(outcome.failures)} of {len(jobs)} sequences failed: {names}; the others are done")
    return outcome


def _tell(summary: Summary) -> None:
    rate = summary.frames / max(summary.seconds, 1e-9)
    say(f"{summary.name}: {summary.tracks} tracks in {summary.frames} frames, {rate:.0f} frames/s -> {summary.out}")
    for line in summary.account.lines():
        say(f"{summary.name}: {line}")


def print_evaluation(
    sequences: list[Sequence], summaries: list[Summary], others: Mapping[str, Path] | None = None
) -> None:
    """Print the metrics table of the sequences that have ground truth.

    Args:
        others: results of earlier runs, by sequence.
    """
    from tracker.evaluate.scores import evaluate
    from tracker.evaluate.table import print_table

    truth = {sequence.name: sequence.ground_truth for sequence in sequences if sequence.ground_truth is not None}
    results = {name: path for name, path in (others or {}).items() if name in truth}
    results |= {
        summary.name: summary.out for summary in summaries if summary.name in truth and isinstance(summary.out, Path)
    }
    print_table(evaluate(truth, results))


def write_account(path: Path, outcome: Outcome) -> None:
    """Write what happened to each sequence as one JSON file; of one that failed, why."""
    told: dict[str, dict[str, Any]] = {
        summary.name: {
            "out": None if summary.out is None else str(summary.out),
            "seconds": summary.seconds,
            "timing": summary.timing,
            **summary.account.as_json(),
        }
        for summary in outcome.summaries
    }
    told |= {name: {"error": why} for name, why in outcome.failures.items()}
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


def print_timing(summaries: list[Summary]) -> None:
    """Print how long each stage of each sequence took; stages overlap."""
    for summary in summaries:
        stages = ", ".join(f"{stage} {seconds:.2f} s" for stage, seconds in summary.timing.items())
        print(f"{summary.name}: {stages}; {summary.seconds:.2f} s in all, stages overlap")
