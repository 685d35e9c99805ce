"""Arrays of frames in a file that grows: what a killed run had computed, its successor reads instead of computing it.

A record is a header (magic, frame, rows, columns, checksum) and float32 rows. A record that a kill cut, or that was
damaged, ends the journal: it and what follows are cut off and computed again.
"""

from __future__ import annotations

import contextlib
import os
import struct
import threading
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, TracebackType

import numpy as np
from numpy.typing import NDArray

fcntl: ModuleType | None
try:
    import fcntl
except ImportError:  # Windows: two runs on one journal are not kept apart there
    fcntl = None

HEADER = struct.Struct("<4sqIII")
MAGIC = b"FSJ1"
SECONDS_BETWEEN_SYNCS = 2.0


class Journal:
    """A journal for one run; as a context manager it is held until the block ends.

    Where the file cannot be written, or another run holds it, there is nothing in it and nothing is kept: `is_open`.

    Args:
        path: its file; only as large as what was computed so far.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.is_open = False
        self._lock = threading.Lock()  # one thread reads what another one's predecessor wrote
        self._places: dict[int, tuple[int, int, int]] = {}  # frame -> where its rows begin, rows, columns

    def __enter__(self) -> Journal:
        with contextlib.suppress(OSError):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = open(self.path, "a+b")  # noqa: PTH123 (held until the block ends)
            self.is_open = True
            try:
                if fcntl is not None:
                    fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self._read()
            except OSError:
                self._file.close()
                self.is_open = False
        self._synced = time.monotonic()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.is_open:
            with contextlib.suppress(OSError):
                self._file.close()
            self.is_open = False
            if not self._places:  # nothing to come back to
                self.path.unlink(missing_ok=True)

    def __len__(self) -> int:
        return len(self._places)

    def __iter__(self) -> Iterator[int]:
        return iter(sorted(self._places))

    def get(self, frame: int) -> NDArray[np.float32] | None:
        """The rows [N, D] of a frame; None where it has none."""
        if not self.is_open or frame not in self._places:
            return None
        start, rows, columns = self._places[frame]
        with self._lock:
            self._file.seek(start)
            return np.frombuffer(self._file.read(4 * rows * columns), np.float32).reshape(rows, columns)

    def append(self, frame: int, rows: NDArray[np.float32]) -> None:
        """Keep the rows [N, D] of a frame; on the disk within seconds. A full disk ends the keeping, not the run."""
        if not self.is_open or frame in self._places:
            return
        data = np.ascontiguousarray(rows, np.float32)
        record = HEADER.pack(MAGIC, frame, *data.shape, zlib.crc32(data.tobytes())) + data.tobytes()
        try:
            with self._lock:
                start = self._file.seek(0, os.SEEK_END) + HEADER.size
                self._file.write(record)
                if time.monotonic() - self._synced > SECONDS_BETWEEN_SYNCS:
                    self._file.flush()
                    os.fsync(self._file.fileno())
                    self._synced = time.monotonic()
        except OSError:
            self._give_up()
            return
        self._places[frame] = (start, *data.shape)

    def remove(self) -> None:
        """Close it and delete the file: what it held is kept elsewhere."""
        self._give_up()

    def _give_up(self) -> None:
        if self.is_open:
            self.is_open = False
            self._places = {}
            with contextlib.suppress(OSError):
                self._file.close()
            with contextlib.suppress(OSError):
                self.path.unlink(missing_ok=True)

    def _read(self) -> None:
        self._file.seek(0)
        end, size = 0, os.fstat(self._file.fileno()).st_size
        while len(header := self._file.read(HEADER.size)) == HEADER.size:
            magic, frame, rows, columns, checksum = HEADER.unpack(header)
            length = 4 * rows * columns
            if magic != MAGIC or end + HEADER.size + length > size:
                break
            if zlib.crc32(self._file.read(length)) != checksum:
                break
            self._places[frame] = (end + HEADER.size, rows, columns)
            end += HEADER.size + length
        if end < size:
            self._file.truncate(end)
