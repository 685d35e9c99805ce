"""Hands the steps of many videos to a Ray cluster: long ones first, a step again where its worker died."""

from __future__ import annotations

import heapq
import logging
import os
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from secrets import token_hex
from typing import Any

from embedding.extras import require_package
from embedding.progress import Progress, progress_shown, say
from tracker.errors import InputError, shortened
from tracker.files import storage
from tracker.input.images import IMAGE_SUFFIXES
from tracker.input.video_file import NotAsListed
from tracker.run.fleet.parts import Plan
from tracker.run.fleet.records import TABLE, collect
from tracker.run.fleet.tasks import Task, Told, perform
from tracker.run.job import Fleet, Job, Summary

MOST_TRIES = 4  # of a step; a worker that dies four times at the same video dies of it
BYTES_A_FRAME = 20_000  # of a video that nobody has opened: 4 Mbit/s at 25 frames a second
WAITING = 2  # steps that wait for a worker beyond those that have one
SECONDS_BETWEEN_LOOKS = 1.0

Result = tuple[int, Summary | Exception]


@dataclass
class _Video:
    """What is known of one video meanwhile."""

    job: Job
    frames: float  # about
    parts_left: int = 0
    done: float = 0.0  # frames
    is_over: bool = False
    tries: Counter[tuple[str, int]] = field(default_factory=Counter)
    retries: list[str] = field(default_factory=list)


def on_ray(jobs: list[Job], fleet: Fleet) -> Iterator[Result]:
    """The number of each job and what came of it, as they finish; in the end one table of all, `TABLE`.

    A worker or a machine that dies costs the step it was at. Bad input is not tried again, anything else is.

    Raises:
        InputError: Ray or pyarrow is not installed, or there is no cluster at the address.
    """
    require_package("ray", "--jobs ray")
    require_package("pyarrow", "--jobs ray")
    import ray

    ours = _connect(fleet.address)
    try:
        with progress_shown() as progress:
            yield from _Batch(jobs, fleet, progress).results()
    finally:
        if ours:
            ray.shutdown()


def _connect(address: str | None) -> bool:
    """Join the cluster, and say where its dashboard is; whether it was not joined before."""
    import ray

    if ours := not ray.is_initialized():
        threads = {name: os.environ[name] for name in ("OMP_WAIT_POLICY", "OPENBLAS_NUM_THREADS") if name in os.environ}
        try:
            ray.init(
                address=address, runtime_env={"env_vars": threads}, log_to_driver=False, logging_level=logging.ERROR,
            )  # fmt: skip
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise InputError(f"--address {address}: no Ray cluster answers: {shortened(error)}") from None
    nodes = [node for node in ray.nodes() if node["Alive"]]
    page = getattr(ray._private.worker.global_worker.node, "webui_url", None) or ""
    shown = f"dashboard http://{page}" if page else "no dashboard (pip install 'ray[default]')"
    say(f"Ray: {len(nodes)} nodes, {ray.cluster_resources().get('CPU', 0):g} CPUs, {shown}")
    return ours


class _Batch:
    """One batch: which steps wait, which are at work, and what has come of each video."""

    def __init__(self, jobs: list[Job], fleet: Fleet, progress: Progress) -> None:
        self._fleet, self._progress = fleet, progress
        self._name, self._folder = token_hex(8), Path.cwd()
        self._videos = [_Video(job, frames_about(job)) for job in jobs]
        self._failed: dict[int, str] = {}
        self._waiting: list[tuple[float, int, int, Task]] = []  # priority, serial number, video, step
        self._working: dict[Any, tuple[int, Task]] = {}
        self._serial = count()
        self._started = time.monotonic()
        for number, video in enumerate(self._videos):
            is_long = video.frames >= 2 * fleet.frames_a_part
            self._want(number, "plan" if is_long else "whole", frames_a_part=fleet.frames_a_part)

    def results(self) -> Iterator[Result]:
        """As `on_ray`."""
        import ray

        step = ray.remote(num_cpus=1, max_retries=0)(perform)
        try:
            while self._waiting or self._working:
                self._hand_out(step)
                ready, _ = ray.wait(list(self._working), num_returns=1, timeout=SECONDS_BETWEEN_LOOKS)
                for reference in ready:
                    number, task = self._working.pop(reference)
                    yield from self._take(number, task, reference)
                self._tell()
        finally:
            for reference in self._working:
                ray.cancel(reference, force=True)
        self._collect()

    def _hand_out(self, step: Any) -> None:
        import ray

        room = int(ray.cluster_resources().get("CPU", 1)) + WAITING - len(self._working)
        while self._waiting and room > 0:
            _, _, number, task = heapq.heappop(self._waiting)
            if not self._videos[number].is_over:
                self._working[step.remote(task)] = number, task
                room -= 1

    def _want(self, number: int, step: Any, **others: Any) -> None:
        """A step is to be done: those of videos that were begun come first, then the longest."""
        video = self._videos[number]
        priority = -video.frames if step in ("whole", "plan") else -1e18 - (step == "finish")
        task = Task(step, video.job, self._name, self._folder, self._fleet.resume, **others)
        heapq.heappush(self._waiting, (priority, next(self._serial), number, task))

    def _take(self, number: int, task: Task, reference: Any) -> Iterator[Result]:
        import ray

        try:
            told: Told = ray.get(reference)
        except ray.exceptions.RayTaskError as error:  # a fault in the program, not in the machine
            yield self._over(number, RuntimeError(shortened(str(error).splitlines()[-1])))
        except ray.exceptions.RayError as error:
            yield from self._again(number, task, f"{type(error).__name__}: {shortened(error)}")
        else:
            yield from self._heard(number, task, told)

    def _heard(self, number: int, task: Task, told: Told) -> Iterator[Result]:
        video, result = self._videos[number], told.result
        if isinstance(result, Summary):
            video.done = video.frames = result.frames
            video.is_over = True
            yield number, result
        elif isinstance(result, InputError):
            yield self._over(number, result)
        elif isinstance(result, NotAsListed):
            say(f"{video.job.sequence.name}: cannot be cut, tracked in one go: {result}")
            video.parts_left = 0
            self._want(number, "whole")
        elif isinstance(result, OSError):
            yield from self._again(number, task, f"on {told.node}: {shortened(result)}")
        elif isinstance(result, Plan):
            video.frames, video.parts_left = result.listed.length, len(result.parts)
            for part in range(len(result.parts)):
                self._want(number, "describe", planned=result, part=part)
        elif task.step == "plan":
            self._want(number, "whole")
        else:
            assert task.planned is not None
            first, last = task.planned.parts[task.part]
            video.done += last - first + 1
            video.parts_left -= 1
            if video.parts_left == 0:
                self._want(number, "finish", planned=task.planned)

    def _again(self, number: int, task: Task, why: str) -> Iterator[Result]:
        """A step whose worker died, or whose files could not be had, is done once more."""
        video = self._videos[number]
        what = task.step if task.step != "describe" else f"describe {task.part + 1}"
        video.tries[task.step, task.part] += 1
        video.retries.append(f"{what}: {why}")
        say(f"{video.job.sequence.name}: {what} again: {why}")
        if video.tries[task.step, task.part] >= MOST_TRIES:
            yield self._over(number, InputError(f"given up after {MOST_TRIES} tries: {why}"))
        else:
            self._want(
                number, task.step, planned=task.planned, part=task.part, frames_a_part=task.frames_a_part
            )  # fmt: skip

    def _over(self, number: int, error: Exception) -> Result:
        self._videos[number].is_over = True
        self._failed[number] = str(error)
        return number, error

    def _tell(self) -> None:
        over = sum(video.is_over for video in self._videos)
        frames, all_frames = (sum(getattr(one, what) for one in self._videos) for what in ("done", "frames"))
        seconds = time.monotonic() - self._started
        words = [f"{over} of {len(self._videos)} videos", f"{len(self._working)} tasks at work or next"]
        words += [f"{len(self._failed)} failed"] if self._failed else []
        words += [f"{again} again"] if (again := sum(len(video.retries) for video in self._videos)) else []
        if frames:
            left = seconds * max(all_frames - frames, 0) / frames
            words += [
                f"{frames / seconds:.0f} frames/s",
                f"{left / 60:.0f} min left" if left > 90 else f"{left:.0f} s left",
            ]
        self._progress(", ".join(words), float(min(frames / max(all_frames, 1), 1)), 1)

    def _collect(self) -> None:
        tables: dict[str | Path, list[int]] = defaultdict(list)
        for number, video in enumerate(self._videos):
            tables[table_of(video.job)].append(number)
        for place, numbers in tables.items():
            finished = [(self._videos[n].job, self._videos[n].retries) for n in numbers if n not in self._failed]
            failed = [
                (self._videos[n].job, self._failed[n], self._videos[n].retries) for n in numbers if n in self._failed
            ]
            if isinstance(place, Path):
                collect(place, finished, failed)
            else:
                with tempfile.TemporaryDirectory(prefix="flatsort-") as folder:
                    collect(Path(folder) / TABLE, finished, failed)
                    storage.deliver(Path(folder) / TABLE, place)
            say(f"{len(numbers)} videos, accounts and tracks -> {place}")


def table_of(job: Job) -> Path | str:
    """Where the row of a video is collected."""
    assert job.out is not None
    if job.elsewhere is not None and job.elsewhere.folder is not None:
        return f"{job.elsewhere.folder}/{TABLE}"
    return job.out.parent / TABLE


def frames_about(job: Job) -> float:
    """How long a video is, as far as shows without opening it: by what long ones are begun first and cut."""
    sequence = job.sequence
    if sequence.length:
        return sequence.length
    try:
        if sequence.address is not None:
            return storage.size(sequence.address) / BYTES_A_FRAME
        if isinstance(sequence.frames, Path) and sequence.frames.is_dir():
            return sum(one.suffix.lower() in IMAGE_SUFFIXES for one in sequence.frames.iterdir())
        if isinstance(sequence.frames, Path):
            return _length_of_video(sequence.frames) or sequence.frames.stat().st_size / BYTES_A_FRAME
    except (InputError, OSError):  # which the task says better
        pass
    return 1.0


def _length_of_video(path: Path) -> float | None:
    """Frames, as the header says."""
    import av

    try:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            if stream.frames:
                return float(stream.frames)
            return (
                float(container.duration / av.time_base * (stream.average_rate or 25)) if container.duration else None
            )
    except (av.FFmpegError, ValueError, IndexError):
        return None
