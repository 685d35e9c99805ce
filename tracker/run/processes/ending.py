"""How a run is told to end: Ctrl-C, SIGTERM (`docker stop`, systemd, kill) and SIGHUP (a closed terminal) alike.

The first signal raises `Interrupted` where the main thread is, so that files are closed in good order; a second one
ends the process at once. A signal that the caller has set to be ignored, as `nohup` does, stays ignored.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
SHELL = 128  # the exit code of what a signal ended, less the signal's number

_received: int | None = None


class Interrupted(KeyboardInterrupt):
    """A signal asked for the end."""


@contextmanager
def ending_in_order(patient: bool = False) -> Iterator[None]:
    """Signals end what runs in the block in good order.

    A process whose number is 1, as in a container, is sent only signals that it handles.

    Args:
        patient: a second signal is ignored; for workers, whose parent may pass on what the terminal has sent already.
    """
    global _received

    def handle(number: int, frame: FrameType | None) -> None:
        global _received
        if _received is not None:
            if patient:
                return
            os._exit(SHELL + number)
        _received = number
        raise Interrupted

    before = {}
    _received = None
    with suppress(ValueError):  # not in the main thread, where nobody is interrupted
        for number in SIGNALS:
            if signal.getsignal(number) != signal.SIG_IGN:
                before[number] = signal.signal(number, handle)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def require_wanted() -> None:
    """Raise where a signal has come whose exception was lost, as in a callback of a library."""
    if _received is not None:
        raise Interrupted


def is_interrupted() -> bool:
    """Whether a signal has come."""
    return _received is not None


def exit_code() -> int:
    """The shell's exit code of a run that was interrupted."""
    return SHELL + (signal.SIGINT if _received is None else _received)
