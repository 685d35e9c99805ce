"""The log of corrections: one line of JSON each, written the moment it is made, read by people and by `--replay`.

The first line says which result the log belongs to. `undo` and `redo` are lines like any other, so that nothing is
ever taken back from the file. A line that a kill cut short is no line, and is cut off when the review goes on.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter, ValidationError

from embedding.files import digest
from tracker.errors import InputError
from tracker.files.tables import TrackTable
from tracker.review.corrections import Correction, Said

fcntl: ModuleType | None
try:
    import fcntl
except ImportError:  # Windows: two reviews of one result are not kept apart there
    fcntl = None

EXPECTED = "expected a log of `flatsort review`"


class Undo(Said):
    """Take back the last correction that stands."""

    do: Literal["undo"] = "undo"


class Redo(Said):
    """Do again what was taken back last."""

    do: Literal["redo"] = "redo"


Entry = Annotated[Correction | Undo | Redo, Field(discriminator="do")]
ENTRY: TypeAdapter[Any] = TypeAdapter(Entry)


class Header(Said):
    """The first line.

    Attributes:
        review: the version of the format.
        result: the result's path, from the log's folder.
        rows, digest: of its table.
        sequence: name of the video's sequence; empty where nobody said it.
    """

    review: Literal[1] = 1
    result: str
    rows: int
    digest: str
    sequence: str = ""


@dataclass(frozen=True)
class History:
    """Corrections that stand, and those that were taken back, the last one first to come again."""

    done: tuple[Any, ...] = ()
    undone: tuple[Any, ...] = ()

    def after(self, entry: Any) -> History:
        """With one line more.

        Raises:
            InputError: nothing to undo or redo.
        """
        if isinstance(entry, Undo):
            if not self.done:
                raise InputError("undo: nothing was done that could be undone")
            return History(self.done[:-1], (*self.undone, self.done[-1]))
        if isinstance(entry, Redo):
            if not self.undone:
                raise InputError("redo: nothing was undone that could be done again")
            return History((*self.done, self.undone[-1]), self.undone[:-1])
        return History((*self.done, entry), ())


def header_of(table: TrackTable, result: Path, log: Path, sequence: str) -> Header:
    """The first line of a log in that place."""
    return Header(
        result=Path(os.path.relpath(result, log.parent)).as_posix(),
        rows=len(table),
        digest=digest(table.frames, table.ids, table.boxes),
        sequence=sequence,
    )


def entry_of(content: object) -> Any:
    """A checked correction, undo or redo.

    Raises:
        InputError: it is none.
    """
    try:
        return ENTRY.validate_python(content)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"][1:])
        raise InputError(f"{place + ': ' if place else ''}{first['msg']}, expected a correction") from None


def read_log(path: Path) -> tuple[Header, list[Any], int]:
    """The first line, the entries behind it, and how many bytes of the file are whole lines.

    Raises:
        InputError: it cannot be read, or a line is malformed.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}, {EXPECTED}") from None
    whole = content[: content.rfind(b"\n") + 1]  # what is behind it was being written when a kill came
    lines = whole.split(b"\n")[:-1]
    if not lines:
        raise InputError(f"{path}: is empty, {EXPECTED}")
    parsed = [_parsed(path, number, line) for number, line in enumerate(lines, start=1)]
    try:
        header = Header.model_validate(parsed[0])
    except ValidationError as error:
        raise InputError(f"{path}, line 1: {error.errors()[0]['msg']}, {EXPECTED}") from None
    entries = []
    for number, line in enumerate(parsed[1:], start=2):
        line.pop("at", None)
        try:
            entries.append(entry_of(line))
        except InputError as error:
            raise InputError(f"{path}, line {number}: {error}") from None
    return header, entries, len(whole)


def history_of(path: Path, entries: Iterable[Any]) -> History:
    """What stands after all lines.

    Raises:
        InputError: a line undoes or redoes what is not there.
    """
    history = History()
    for number, entry in enumerate(entries, start=2):
        try:
            history = history.after(entry)
        except InputError as error:  # noqa: PERF203
            raise InputError(f"{path}, line {number}: {error}") from None
    return history


class LogWriter:
    """Appends to a log that it holds alone; each line is on the disk when `append` returns.

    Args:
        path: made with its header where it is not there.
        whole: bytes that are whole lines; what is behind them is cut off. 0 for a new file.

    Raises:
        InputError: it cannot be written, or another review holds it.
    """

    def __init__(self, path: Path, header: Header, whole: int = 0) -> None:
        self._path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("ab", buffering=0)
            if fcntl is not None:
                try:
                    fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    self._file.close()
                    raise InputError(f"{path}: another review is writing it, expected one at a time") from None
            self._file.truncate(whole)
            if not whole:
                self._write(header.model_dump())
        except OSError as error:
            raise InputError(f"{path}: cannot be written: {error.strerror or error}") from None

    def append(self, entry: Said) -> None:
        """One line more, with the time."""
        now = datetime.now(timezone.utc).replace(microsecond=0)
        try:
            self._write({"at": now.isoformat(), **entry.model_dump()})
        except OSError as error:
            raise InputError(f"{self._path}: cannot be written: {error.strerror or error}") from None

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def _write(self, content: dict[str, Any]) -> None:
        line, before = json.dumps(content, ensure_ascii=False).encode() + b"\n", self._file.seek(0, os.SEEK_END)
        try:
            if self._file.write(line) < len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(self._file.fileno())
        except OSError:
            self._file.truncate(before)  # half a line would spoil the next one
            raise


def _parsed(path: Path, number: int, line: bytes) -> dict[str, Any]:
    try:
        content = json.loads(line)
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise InputError(f"{path}, line {number}: is no JSON object, {EXPECTED}")
    return content
