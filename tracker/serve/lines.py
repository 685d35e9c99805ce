"""Rows as JSON lines to standard output, a file or a socket: where nobody reads them they are lost there alone."""

from __future__ import annotations

import os
import re
import socket
import sys
import threading
import time
from collections import deque
from pathlib import Path
from typing import Protocol

from embedding.progress import say
from tracker.errors import InputError
from tracker.output.growing import Pace

WAITING = 64_000_000  # bytes that wait to be written, at most
PATIENCE = 5.0  # seconds that a socket has to take something, and that all has at the end
PAUSE = 1.0  # seconds between attempts to open or write again
TCP = re.compile(r"tcp://(?P<host>[^:/]+|\[[^\]]+\]):(?P<port>\d{1,5})")
UNIX = "unix:"


class Target(Protocol):
    """Where lines go."""

    def write(self, lines: bytes) -> None:
        """Write whole lines.

        Raises:
            OSError: they cannot be written; what follows may be.
        """

    def close(self) -> None:
        """Bring everything to the disk, and let go."""


class LinesOut:
    """Writes lines in a thread of its own.

    Args:
        where: `-`, a file, tcp://HOST:PORT or unix:PATH.

    Attributes:
        dropped: lines that were not taken in time, or met an error.

    Raises:
        InputError: the file cannot be written, or it is no place for lines.
    """

    def __init__(self, where: str) -> None:
        self._where = where
        self._target = _target(where)
        self._waiting: deque[bytes] = deque()
        self._bytes = 0
        self._changed = threading.Condition()
        self._closed = False
        self.dropped = 0
        self._why = ""
        self._thread = threading.Thread(target=self._write, name="lines", daemon=True)
        self._thread.start()

    def put(self, lines: bytes) -> None:
        """Hand over whole lines; never waits."""
        if not lines:
            return
        with self._changed:
            if self._bytes + len(lines) > WAITING:
                self.dropped += lines.count(b"\n")
                return
            self._waiting.append(lines)
            self._bytes += len(lines)
            self._changed.notify()

    def close(self) -> None:
        """Write what waits, for some seconds at most."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join(PATIENCE)
        if self._thread.is_alive():
            say(f"{self._where}: takes no lines; {sum(lines.count(10) for lines in self._waiting)} are not written")

    def _write(self) -> None:
        while (lines := self._next()) is not None:
            self._why = self._attempt(lines)
        self._target.close()

    def _attempt(self, lines: bytes) -> str:
        """Write lines; why they were lost, if they were."""
        try:
            self._target.write(lines)
        except OSError as error:
            self.dropped += lines.count(b"\n")
            why = error.strerror or str(error)
            if why != self._why:
                say(f"{self._where}: lines are lost: {why}")
            time.sleep(0 if self._closed else PAUSE)
            return why
        return ""

    def _next(self) -> bytes | None:
        """What waits, as one; None where nothing more comes."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed)
            if not self._waiting:
                return None
            lines = b"".join(self._waiting)
            self._waiting.clear()
            self._bytes = 0
            return lines


class _StandardOutput:
    def write(self, lines: bytes) -> None:
        left = memoryview(lines)
        while left:
            left = left[os.write(sys.stdout.fileno(), left) :]

    def close(self) -> None:
        """It is not ours to close."""


class _File:
    """A file that lines are added to; what a kill cut off of the last one is removed."""

    def __init__(self, path: Path) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("ab", buffering=0)  # at its end, also where somebody has emptied it meanwhile
            self._is_regular = path.is_file()
            if self._is_regular:
                self._file.truncate(_whole(path))
        except OSError as error:
            raise InputError(f"{path}: cannot be written: {error.strerror or error}") from error
        self._pace = Pace()

    def write(self, lines: bytes) -> None:
        start = os.fstat(self._file.fileno()).st_size
        left = memoryview(lines)
        try:
            while left:
                left = left[self._file.write(left) :]
        except OSError:
            if self._is_regular:  # half a line would spoil the next
                self._file.truncate(start)
            raise
        if self._is_regular and self._pace.is_due():
            os.fsync(self._file.fileno())

    def close(self) -> None:
        with self._file:
            if self._is_regular:
                os.fsync(self._file.fileno())


def _whole(path: Path, step: int = 65_536) -> int:
    """Bytes of a file up to the end of its last line."""
    with path.open("rb") as file:
        end = file.seek(0, os.SEEK_END)
        while end > 0:
            start = max(0, end - step)
            file.seek(start)
            found = file.read(end - start).rfind(b"\n")
            if found >= 0:
                return start + found + 1
            end = start
    return 0


class _Socket:
    """Where somebody listens; connected again when that is lost. Lines that were on the way then are lost."""

    def __init__(self, where: str) -> None:
        self._where = where
        self._socket: socket.socket | None = None

    def write(self, lines: bytes) -> None:
        try:
            if self._socket is None:
                self._socket = _connected(self._where)
            self._socket.sendall(lines)
        except OSError:
            self.close()
            raise

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def _connected(where: str) -> socket.socket:
    if found := TCP.fullmatch(where):
        return socket.create_connection((found["host"].strip("[]"), int(found["port"])), PATIENCE)
    connected = socket.socket(socket.AF_UNIX)
    connected.settimeout(PATIENCE)
    try:
        connected.connect(where.removeprefix(UNIX))
    except OSError:
        connected.close()
        raise
    return connected


def file_of(where: str | None) -> Path | None:
    """The file that lines go to; None where they go elsewhere."""
    return None if where is None or where == "-" or where.startswith(UNIX) or "://" in where else Path(where)


def _target(where: str) -> Target:
    if where == "-":
        return _StandardOutput()
    if (path := file_of(where)) is not None:
        return _File(path)
    if not where.startswith(UNIX) and not TCP.fullmatch(where):
        raise InputError(f"output.lines {where}: expected -, a file, tcp://HOST:PORT or unix:PATH")
    return _Socket(where)
