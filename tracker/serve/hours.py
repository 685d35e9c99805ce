"""Tracks of one camera as Parquet, a file an hour: whole, or not there yet.

The hour that goes on is DAY/HOUR.jsonl.partial, one line a row, which a kill cuts at a line's end and anybody can read.
When the hour is over it becomes DAY/HOUR.parquet, in one step. What a killed service left is made whole by the next
one; rows that are in the Parquet file already, as after a kill between the two, are told by their frame numbers, which
go on where they were, as identities do.
"""

from __future__ import annotations

import io
import json
import os
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from embedding.files import atomic_path
from embedding.progress import say
from tracker.errors import InputError
from tracker.files.folders import held
from tracker.output.growing import Pace
from tracker.serve.rows import schema, utc

PARTIAL = ".jsonl.partial"
AT_ONCE = 4_000_000  # bytes of lines that are brought into columns together
LAST_FRAME, LAST_ID = b"flatsort.last_frame", b"flatsort.last_id"


class Last(NamedTuple):
    """How far a camera's numbers have come."""

    frame: int
    id: int


class HourlyTracks:
    """The rows of one camera; as a context manager it holds the camera's folder.

    Args:
        folder: of the camera.

    Attributes:
        last: what was written before; new frames and identities are numbered on from there.

    Raises:
        InputError: nothing can be written there, or another service writes there.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._partial: Path | None = None
        self._lock = threading.Lock()  # who asks for the time is another thread than who writes
        self._finishing: threading.Thread | None = None
        self._pace = Pace()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._held = held(folder)
        except BlockingIOError:
            raise InputError(f"{folder}: another service writes there") from None
        except OSError as error:
            raise InputError(f"{folder}: cannot be written: {error.strerror or error}") from error
        try:
            for partial in self._partial_paths():
                finish(partial)
            self.last = _last_of(folder)
        except BaseException:
            self._let_go()
            raise

    def write(self, seconds: float, lines: bytes) -> None:
        """Add the rows of a frame, possibly none: they are the system's when this returns, on the disk in seconds.

        Args:
            seconds: when its picture came; never earlier than that of the frame before.

        Raises:
            OSError: the disk is full, or gone.
        """
        with self._lock:
            partial = self._path(seconds)
            if self._partial is None or partial > self._partial:  # a clock that is set back changes no hour
                self._end_hour()
                partial.parent.mkdir(parents=True, exist_ok=True)
                self._file = partial.open("ab", buffering=0)
                self._partial = partial
            left = memoryview(lines)
            while left:  # a disk that is nearly full takes a part
                left = left[self._file.write(left) :]
            if self._pace.is_due():
                os.fsync(self._file.fileno())

    def tell_time(self, seconds: float) -> None:
        """End the hour where it is over, of a camera that sends nothing too."""
        with self._lock:
            if self._partial is not None and self._path(seconds) > self._partial:
                self._end_hour()

    def close(self) -> None:
        """Make the hour that goes on a file of its own: what comes later in it is added."""
        with self._lock:
            try:
                self._end_hour()
            finally:
                if self._finishing is not None:
                    self._finishing.join()
                self._let_go()

    def _let_go(self) -> None:
        if self._held is not None:
            os.close(self._held)
            self._held = None

    def __enter__(self) -> HourlyTracks:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _path(self, seconds: float) -> Path:
        moment = utc(seconds)
        return self._folder / f"{moment:%Y-%m-%d}" / f"{moment:%H}{PARTIAL}"

    def _end_hour(self) -> None:
        """Close the hour; its Parquet file is written beside, while the next one begins."""
        if self._partial is None:
            return
        self._partial = None
        with self._file:
            os.fsync(self._file.fileno())
        if self._finishing is not None:
            self._finishing.join()
        over = self._partial_paths()
        self._finishing = threading.Thread(target=_finish_all, args=(over,), name=f"finish {self._folder.name}")
        self._finishing.start()

    def _partial_paths(self) -> list[Path]:
        return sorted(self._folder.glob(f"*/*{PARTIAL}"))


def _finish_all(partials: list[Path]) -> None:
    for partial in partials:
        _finish_if_possible(partial)


def _finish_if_possible(partial: Path) -> None:
    try:
        finish(partial)
    except (InputError, OSError) as error:  # nothing is lost: it is tried again with the next one
        say(f"{partial}: not made a Parquet file yet: {error}")


def finish(partial: Path) -> None:
    """Make NN.jsonl.partial NN.parquet, behind the rows of one that is there.

    Raises:
        InputError: it cannot be written; both files are as they were.
    """
    from pyarrow.parquet import ParquetFile, ParquetWriter

    target = partial.with_name(partial.name.removesuffix(PARTIAL) + ".parquet")
    with atomic_path(target) as temporary, ParquetWriter(temporary, schema()) as writer:
        last = Last(0, 0)
        if target.exists():
            last = _read_last(target)
            with ParquetFile(target) as before:
                for group in range(before.num_row_groups):
                    writer.write_table(before.read_row_group(group))
        there = last.frame
        for table in _tables(partial):
            frames, ids = table["frame"].to_numpy(), table["id"].to_numpy()
            fresh = frames > there
            if fresh.any():
                last = Last(max(last.frame, int(frames.max())), max(last.id, int(ids[fresh].max())))
                writer.write_table(table.filter(fresh))
        writer.add_key_value_metadata({LAST_FRAME: str(last.frame), LAST_ID: str(last.id)})
    partial.unlink()


def _tables(partial: Path) -> Iterator[Any]:
    """The whole lines of a file, as tables of some thousand rows; a line that a kill cut is left out."""
    from pyarrow import ArrowInvalid
    from pyarrow.json import ParseOptions, ReadOptions, read_json

    options = ParseOptions(explicit_schema=schema(), unexpected_field_behavior="error")
    one_block = ReadOptions(use_threads=False, block_size=2 * AT_ONCE)
    with partial.open("rb") as file:
        rest = b""
        while read := file.read(AT_ONCE):
            whole, newline, rest = (rest + read).rpartition(b"\n")
            if not newline:
                continue
            try:
                yield read_json(io.BytesIO(whole), one_block, options)
            except ArrowInvalid:
                if sound := _sound(whole, partial):
                    yield read_json(io.BytesIO(sound), one_block, options)


def _sound(lines: bytes, partial: Path) -> bytes:
    """The lines that are rows: after a power cut there may be zeros between them."""
    kept = []
    for line in lines.splitlines():
        with suppress(ValueError):
            if set(json.loads(line)) == set(schema().names):
                kept.append(line)
    say(f"{partial}: {len(lines.splitlines()) - len(kept)} damaged lines left out")
    return b"\n".join(kept)


def _last_of(folder: Path) -> Last:
    """How far the numbers of a camera's latest day have come."""
    days = sorted({path.parent for path in folder.glob("*/*.parquet")})
    found = [_read_last(path) for path in sorted(days[-1].glob("*.parquet"))] if days else []
    return Last(max((one.frame for one in found), default=0), max((one.id for one in found), default=0))


def _read_last(path: Path) -> Last:
    from pyarrow import ArrowException
    from pyarrow.parquet import read_metadata

    try:
        notes = read_metadata(path).metadata or {}
        return Last(int(notes[LAST_FRAME]), int(notes[LAST_ID]))
    except (ArrowException, KeyError, ValueError, OSError) as error:
        raise InputError(f"{path}: is no Parquet file of this service ({type(error).__name__})") from None
