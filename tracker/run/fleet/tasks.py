"""What a worker does: one step of one video. A step that was done before, by whoever was killed since, does nothing."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from tracker.errors import InputError
from tracker.input.video_file import NotAsListed
from tracker.run.fleet.elsewhere import at_hand, result_exists, result_of, send_result
from tracker.run.fleet.parts import Plan, describe_part, plan, track_parts
from tracker.run.fleet.records import read_record, write_record
from tracker.run.fleet.shelf import Shelf
from tracker.run.job import Job, Summary
from tracker.run.pipeline import run

Step = Literal["whole", "plan", "describe", "finish"]


@dataclass(frozen=True)
class Task:
    """One step of one video.

    Attributes:
        step: `whole` does all of a video; `plan` finds where it can be cut, `describe` describes one `part` of it and
            `finish` tracks what is described.
        batch: the run that it belongs to.
        folder: where relative paths begin.
        resume: results of earlier runs count.
        frames_a_part: for `plan`.
    """

    step: Step
    job: Job
    batch: str
    folder: Path
    resume: bool = False
    frames_a_part: int = 0
    planned: Plan | None = None
    part: int = 0


@dataclass(frozen=True)
class Told:
    """What came of a task.

    Attributes:
        result: a summary of a whole video; a plan, or why there is none; the seconds of a part; or what was wrong.
        node: the machine.
        was_done: it had been done before.
    """

    result: Summary | Plan | str | float | InputError | NotAsListed | OSError
    node: str
    was_done: bool = False


def perform(task: Task) -> Told:
    """Do one step; bad input and what goes wrong with files is told, not raised."""
    node = socket.gethostname()
    try:
        if task.folder.is_dir():
            os.chdir(task.folder)
        done = None if task.step == "describe" else _done_before(task)
        return Told(_performed(task), node) if done is None else Told(done, node, was_done=True)
    except InputError as error:
        return Told(InputError(str(error)), node)  # its message alone, which every process can read
    except NotAsListed as error:
        return Told(NotAsListed(str(error)), node)
    except OSError as error:
        return Told(OSError(str(error)), node)


def _performed(task: Task) -> Summary | Plan | str | float:
    import pyarrow.parquet  # noqa: F401 (takes its time, of which none shall pass between a result and its record)

    shelf, planned = Shelf(task.job), task.planned
    if task.step == "describe":
        assert planned is not None
        if shelf.has(planned.file_of(task.part)):
            return 0.0
    with at_hand(task.job) as here:
        if task.step == "plan":
            return plan(here, task.frames_a_part)
        if task.step == "describe":
            assert planned is not None
            return describe_part(here, planned, task.part, shelf)
        summary = run(here) if planned is None else track_parts(here, planned, shelf)
        summary = replace(summary, out=result_of(task.job))
        send_result(here)
        assert here.out is not None
        write_record(task.job, here.out, summary, task.batch)
    if planned is not None:
        for part in range(len(planned.parts)):
            shelf.drop(planned.file_of(part))
    return summary


def _done_before(task: Task) -> Summary | None:
    """What came of this video in this batch already, or in any, where those count."""
    record = read_record(task.job)
    if record is None or not (task.resume or record.batch == task.batch) or not result_exists(task.job):
        return None
    return replace(record.summary, out=result_of(task.job))
