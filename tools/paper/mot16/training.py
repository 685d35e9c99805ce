"""Trains several models, some side by side, each in a process of its own with a log of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from types import ModuleType
from typing import IO

from embedding.errors import InputError
from tools.paper.mot16.models import Plan

fcntl: ModuleType | None
try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

LOG = "train.log"
BAD_INPUT = 2  # exit code of a run that was told something impossible
POLL = 0.2  # seconds
TOLD_EVERY = 60.0  # seconds
TAIL = 4096  # bytes of a log, in which its last line is


def train_all(
    plans: Sequence[Plan], jobs: int, say: Callable[[str], None], told_every: float = TOLD_EVERY
) -> dict[str, str]:
    """Train what is not trained yet; a run that was cut off goes on from its checkpoint.

    Args:
        plans: the models; one that is done is left alone.
        jobs: processes at a time.
        say: told what begins and ends, and every minute how far each has come.
        told_every: that minute, in seconds.

    Returns:
        label -> why it has no weights, of those that training stopped.

    Raises:
        InputError: a run says that its input is bad, or another command trains the same model.
    """
    stopped: dict[str, str] = {}
    waiting = [plan for plan in plans if not plan.is_done]
    running: dict[str, tuple[Plan, subprocess.Popen[bytes]]] = {}
    told = time.monotonic()
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                plan = waiting.pop(0)
                say(f"mot16: training {plan.label}, {plan.config.minutes:.3g} minutes, log {plan.folder / LOG}")
                running[plan.label] = plan, _start(plan, min(jobs, len(plans)))
            time.sleep(POLL)
            for label, (plan, process) in list(running.items()):
                if (code := process.poll()) is not None:
                    del running[label]
                    if why := _why(plan, code):
                        stopped[label] = why
                    say(f"mot16: {label}: {why or 'trained'}")
            if time.monotonic() - told >= told_every:
                told = time.monotonic()
                for label, (plan, _) in running.items():
                    say(f"mot16: {label}: {last_line(plan)}")
    finally:
        _end([process for _, process in running.values()])
    return stopped


def _start(plan: Plan, jobs: int) -> subprocess.Popen[bytes]:
    """`flatsort train` of one model. The log begins with the command, which can be typed by hand."""
    plan.folder.mkdir(parents=True, exist_ok=True)
    threads = [f"threads={max(1, (os.cpu_count() or 1) // jobs)}"] if jobs > 1 else []
    arguments = ["mot16", "--set", *plan.overrides, *threads, "--resume", "--out", str(plan.folder)]
    with (plan.folder / LOG).open("ab") as log:
        _claim(plan, log)
        log.write(f"\n$ python -m tools.train {' '.join(arguments)}\n".encode())
        log.flush()
        command = [sys.executable, "-m", "tools.train", *arguments]
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)


def _claim(plan: Plan, log: IO[bytes]) -> None:
    """Hold the log for as long as the process that writes it lives: after a kill of this one that may go on."""
    if fcntl is None:
        return
    try:
        fcntl.flock(log, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise InputError(f"{plan.folder}: is being trained by another process, expected one at a time") from error


def _why(plan: Plan, code: int) -> str | None:
    """Why a run ended without weights; None where it has them."""
    if code == BAD_INPUT:
        raise InputError(f"{plan.label}: {last_line(plan)}")
    if code:
        ended = f"ended by signal {-code}" if code < 0 else last_line(plan)
        return f"stopped: {ended.removeprefix('train: ')} (exit code {code})"
    return None


def last_line(plan: Plan) -> str:
    """The newest line of a model's log, but for the paths that a finished run prints."""
    with suppress(OSError), (plan.folder / LOG).open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - TAIL))
        lines = [line for line in file.read().decode(errors="replace").splitlines() if line.strip()]
        if lines and not lines[-1].startswith("$ "):
            return lines[-1].strip()
    return "begins"


def _end(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    for process in processes:
        process.terminate()
    for process in processes:
        process.wait()
