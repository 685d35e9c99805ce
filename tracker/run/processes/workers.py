"""Jobs side by side in processes of their own, which end with their parent and leave nothing behind.

Unlike a `multiprocessing.Pool`, workers are told to end by SIGTERM, close their files and are waited for; a worker that
dies costs its own job alone; and those whose parent was killed notice it and end too.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, TypeVar

from tracker.run.processes.ending import Interrupted, ending_in_order

Job = TypeVar("Job")

PATIENCE = 20.0  # seconds that workers have to close their files, before they are killed

CONTEXT = multiprocessing.get_context("spawn")  # no thread of this process (OpenCV's, BLAS's) is forked half-way


class WorkerDied(RuntimeError):
    """A worker ended before its job did."""


def side_by_side(function: Callable[[Job], Any], jobs: list[Job], count: int) -> Iterator[tuple[int, Any]]:
    """The number of each job and what the function made of it, as they finish.

    Where this is interrupted, the workers are, too; those that finish in good order all the same are still yielded, and
    `Interrupted` is raised behind them.

    Args:
        function: of a module, with a result that can be pickled.
        count: workers.

    Raises:
        Interrupted: by a signal.
        RuntimeError: the function raised something, whose traceback this holds.
    """
    waiting = deque(enumerate(jobs))
    busy: dict[Connection, tuple[BaseProcess, int]] = {}
    try:
        for _ in range(min(count, len(jobs))):
            _give(waiting, busy, *_start(function))
        while busy:
            yield from _finished(function, waiting, busy, None)
    except KeyboardInterrupt:
        _interrupt(busy)
        waiting.clear()
        deadline = time.monotonic() + PATIENCE
        while busy and time.monotonic() < deadline:
            yield from _finished(function, waiting, busy, deadline - time.monotonic())
        raise
    finally:
        _interrupt(busy)
        for process, _ in busy.values():
            process.join(PATIENCE)
            if process.is_alive():
                process.kill()


def _start(function: Callable[[Job], Any]) -> tuple[Connection, BaseProcess]:
    ours, theirs = CONTEXT.Pipe()
    process = CONTEXT.Process(target=_work, args=(function, theirs), daemon=True)
    with _ctrl_c_held():
        process.start()
    theirs.close()
    return ours, process


@contextmanager
def _ctrl_c_held() -> Iterator[None]:
    """Processes that are started in the block leave Ctrl-C, which a terminal sends to all, to this one."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _give(
    waiting: deque[tuple[int, Job]], busy: dict[Connection, tuple[BaseProcess, int]], at: Connection, to: BaseProcess
) -> None:
    """The next job for a worker; without one it ends."""
    if waiting:
        number, job = waiting.popleft()
        busy[at] = to, number
        with suppress(OSError):  # it has died, which shows when its result is waited for
            at.send(job)
    else:
        at.close()
        to.join(PATIENCE)


def _finished(
    function: Callable[[Job], Any],
    waiting: deque[tuple[int, Job]],
    busy: dict[Connection, tuple[BaseProcess, int]],
    timeout: float | None,
) -> Iterator[tuple[int, Any]]:
    """What has come of jobs that just ended; their workers get the next ones."""
    for at in wait(list(busy), timeout):
        assert isinstance(at, Connection)
        process, number = busy.pop(at)
        try:
            kind, result = at.recv()
        except (EOFError, OSError):
            process.join(PATIENCE)
            at.close()
            if process.exitcode != 0 or waiting:
                if waiting:
                    _give(waiting, busy, *_start(function))
                yield number, WorkerDied(f"its process ended early ({_how(process.exitcode)})")
            continue
        if kind == "interrupted":
            at.close()
            continue
        if kind == "raised":
            raise RuntimeError(result)
        _give(waiting, busy, at, process)
        yield number, result


def _how(code: int | None) -> str:
    if code is not None and code < 0:
        with suppress(ValueError):
            return signal.Signals(-code).name + (": out of memory?" if -code == signal.SIGKILL else "")
    return f"exit code {code}"


def _interrupt(busy: dict[Connection, tuple[BaseProcess, int]]) -> None:
    for process, _ in busy.values():
        process.terminate()


def _work(function: Callable[[Job], Any], at: Connection) -> None:
    """Of a worker: one job after the other, until there is none, a signal comes, or the parent is gone."""
    threading.Thread(target=_end_with_parent, name="end with parent", daemon=True).start()
    with ending_in_order(patient=True):
        try:
            while True:
                at.send(_result(function, at.recv()))
        except (EOFError, OSError):  # no more jobs
            pass
        except KeyboardInterrupt:
            with suppress(OSError):
                at.send(("interrupted", None))


def _result(function: Callable[[Job], Any], job: Job) -> tuple[str, Any]:
    try:
        return "done", function(job)
    except Interrupted:
        raise
    except Exception:
        return "raised", traceback.format_exc()


def _end_with_parent() -> None:
    """A parent that was killed cannot say so: end as if it had."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(PATIENCE)
    os._exit(1)
