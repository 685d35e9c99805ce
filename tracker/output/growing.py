"""Rows that can be read while a run goes on, and are on the disk every few seconds."""

from __future__ import annotations

import time
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

from embedding.files import growing_path, sync
from embedding.progress import say
from tracker.core.detections import FloatArray, IntArray
from tracker.files.motchallenge import ResultWriter

SECONDS_BETWEEN_SYNCS = 2.0


class Pace:
    """Says every few seconds that it is time."""

    def __init__(self) -> None:
        self._last = time.monotonic()

    def is_due(self) -> bool:
        now = time.monotonic()
        if now - self._last < SECONDS_BETWEEN_SYNCS:
            return False
        self._last = now
        return True


class GrowingResult(ResultWriter):
    """Writes MOTChallenge rows to NAME.txt.partial, which becomes NAME.txt when the `with` block ends without an error.

    Args:
        path: NAME.txt.
        keeps_cut: whether what a killed run left in NAME.txt.partial is given a name of its own; where rows come again
            they are written over.
        final: False: the partial file is removed in the end, as somebody else writes NAME.txt.
    """

    def __init__(self, path: str | Path, keeps_cut: bool = False, final: bool = True) -> None:
        super().__init__(path)
        self._keeps_cut, self._final = keeps_cut, final
        self._pace = Pace()

    def __enter__(self) -> GrowingResult:
        with ExitStack() as stack:
            keep = _tell_kept if self._keeps_cut else None
            self._temporary = stack.enter_context(growing_path(self._path, keep))
            self._file = stack.enter_context(self._temporary.open("w", encoding="ascii", newline="\n"))
            self._open = stack.pop_all()
        return self

    def write(
        self, frame: int, ids: IntArray, boxes: FloatArray, scores: FloatArray, class_ids: IntArray | None = None
    ) -> None:
        super().write(frame, ids, boxes, scores, class_ids)
        if self._pace.is_due():
            self._file.flush()
            sync(self._temporary)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None and not self._final:
            error = _Provisional()
            kind = _Provisional
        super().__exit__(kind, error, trace)


class _Provisional(Exception):
    """Rows that have had their time: the file does not get its name."""


def _tell_kept(path: Path) -> None:
    say(f"{path}: the rows of a run that was cut short")
