"""How far long work has come: told through one kind of function, shown as a bar on a terminal, as lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO, Protocol, cast

SECONDS_BETWEEN_LINES = 5.0


class Progress(Protocol):
    """What long work tells how far it has come."""

    def __call__(self, doing: str, done: float, total: float | None) -> None:
        """Take in what is going on, such as `MOT16-09`, and how much of it is done.

        Args:
            doing: what is going on; a new text begins something new.
            done: frames, as an int; or a share of the whole, as a float from 0 to 1.
            total: frames in all, None where nobody knows; 1 for a share.
        """


def unseen(doing: str, done: float, total: float | None) -> None:
    """Progress that nobody watches."""


def say(line: str) -> None:
    """Print one line on standard error; where nobody listens any more, work goes on without a word."""
    if sys.stderr is None:
        return
    with suppress(OSError, ValueError):  # a pipe whose reader went away, a stream that was closed
        print(line, file=sys.stderr, flush=True)


class Listener:
    """Standard error for those that print by themselves, such as Rich: a reader who goes away ends nothing."""

    def write(self, text: str) -> int:
        with suppress(OSError, ValueError, AttributeError):
            sys.stderr.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError, ValueError, AttributeError):
            sys.stderr.flush()

    def isatty(self) -> bool:
        return is_terminal()

    def fileno(self) -> int:
        return sys.stderr.fileno()


def is_terminal() -> bool:
    """Whether somebody sees standard error as it is written."""
    try:
        return sys.stderr is not None and sys.stderr.isatty()
    except ValueError:  # closed
        return False


@contextmanager
def progress_shown() -> Iterator[Progress]:
    """A progress bar on a terminal, a plain line every few seconds elsewhere."""
    if not is_terminal():
        yield _Lines()
        return
    from rich.console import Console
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (
        TextColumn("{task.description}", markup=False),  # a name may hold [brackets]
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[so_far]}"),
        TimeRemainingColumn(),
    )
    with Bar(*columns, console=Console(file=cast(IO[str], Listener())), transient=True) as bar:
        task = bar.add_task("", total=None, so_far="")
        pace = _Pace()

        def show(doing: str, done: float, total: float | None) -> None:
            if not isinstance(done, float) and pace.is_new(doing):
                bar.reset(task)
            so_far = "" if isinstance(done, float) else pace.so_far(done, total)
            bar.update(task, description=doing, completed=done, total=total, so_far=so_far)

        yield show


class _Pace:
    """How fast what is going on goes on."""

    def __init__(self) -> None:
        self._doing: str | None = None
        self._started = 0.0

    def is_new(self, doing: str) -> bool:
        """Whether something else is going on than before."""
        if doing == self._doing:
            return False
        self._doing, self._started = doing, time.perf_counter()
        return True

    def so_far(self, done: float, total: float | None) -> str:
        of = f"/{total:.0f}" if total else ""
        rate = done / max(time.perf_counter() - self._started, 1e-9)
        return f"frame {done:.0f}{of}, {rate:.0f} frames/s"


class _Lines:
    """Progress as lines on standard error."""

    def __init__(self) -> None:
        self._pace = _Pace()
        self._last = time.perf_counter()

    def __call__(self, doing: str, done: float, total: float | None) -> None:
        self._pace.is_new(doing)
        now = time.perf_counter()
        if now - self._last >= SECONDS_BETWEEN_LINES:
            self._last = now
            say(f"{doing}, {done:.0%}" if isinstance(done, float) else f"{doing}: {self._pace.so_far(done, total)}")
