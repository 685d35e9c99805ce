"""Tracks with the detection behind each box, and its class, as CSV or Parquet, written as they come."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from embedding.extras import require_package
from embedding.files import atomic_path, growing_path, sync
from tracker.core.detections import Image, Tracks
from tracker.errors import InputError
from tracker.output.growing import Pace
from tracker.output.sinks import Sink

ROWS_AT_ONCE = 50_000  # of Parquet: 4 MB
NOBODY = Tracks(np.zeros(0, np.int64), np.zeros((0, 4)), np.zeros(0), np.zeros(0, np.int64), np.zeros(0, np.int64))

Columns = dict[str, "np.ndarray[Any, Any]"]


class TableSink(Sink):
    """One row a track and frame, sorted by frame, then id.

    Args:
        path: NAME.csv or NAME.parquet.
        class_names: by class id; empty for a table without them.

    Raises:
        InputError: another suffix, Parquet without pyarrow, or nothing can be written there.
    """

    def __init__(self, path: Path, class_names: Mapping[int, str]) -> None:
        self._class_names = class_names
        self._writer = _writer(path, self._columns(0, NOBODY))
        super().__init__(self._writer)

    def write(self, frame_index: int, image: Image | None, tracks: Tracks) -> None:
        self._writer.append(self._columns(frame_index, tracks))

    def _columns(self, frame_index: int, tracks: Tracks) -> Columns:
        order = np.argsort(tracks.ids, kind="stable")
        left, top, right, bottom = tracks.boxes[order].T
        classes = tracks.class_ids[order]
        columns: Columns = {
            "frame": np.full(len(tracks), frame_index, np.int64),
            "id": tracks.ids[order],
            "left": left,
            "top": top,
            "right": right,
            "bottom": bottom,
            "score": tracks.scores[order],
            "detection": tracks.detection[order],
            "class": classes,
        }
        if self._class_names:
            columns["class_name"] = np.array([self._class_names.get(one, "") for one in classes.tolist()], np.str_)
        return columns


def _writer(path: Path, empty: Columns) -> _Writer:
    if path.suffix == ".csv":
        return _CsvWriter(path, empty)
    if path.suffix == ".parquet":
        return _ParquetWriter(path, empty)
    raise InputError(f"{path}: suffix {path.suffix!r}, expected .csv or .parquet")


class _Writer(ExitStack):
    """A file that is there when the `with` block ends without an error.

    Args:
        empty: the columns, without rows.
    """

    def __init__(self, path: Path, empty: Columns) -> None:
        super().__init__()
        self._path, self._empty = path, empty

    def append(self, columns: Columns) -> None:
        """Add the rows of one frame."""
        raise NotImplementedError


class _CsvWriter(_Writer):
    def __enter__(self) -> _CsvWriter:
        with ExitStack() as stack:
            self._temporary = stack.enter_context(growing_path(self._path))
            self._file = stack.enter_context(self._temporary.open("w", encoding="utf-8", newline=""))
            self._rows = csv.writer(self._file, lineterminator="\n")
            self._rows.writerow(self._empty)
            self.push(stack.pop_all())
        self._pace = Pace()
        return self

    def append(self, columns: Columns) -> None:
        self._rows.writerows(zip(*(column.tolist() for column in columns.values()), strict=True))
        if self._pace.is_due():
            self._file.flush()
            sync(self._temporary)


class _ParquetWriter(_Writer):
    def __enter__(self) -> _ParquetWriter:
        require_package("pyarrow", str(self._path))
        import pyarrow.parquet

        self._temporary = self.enter_context(atomic_path(self._path))
        self._file: pyarrow.parquet.ParquetWriter | None = None
        self._forget_written()
        return self

    def append(self, columns: Columns) -> None:
        self._waiting.append(columns)
        self._count += len(columns["frame"])
        if self._count >= ROWS_AT_ONCE:
            self._write_waiting()

    def __exit__(self, *error: Any) -> bool | None:
        if error[0] is None:
            try:
                self._write_waiting()
            except BaseException as trouble:
                super().__exit__(type(trouble), trouble, trouble.__traceback__)
                raise
        return super().__exit__(*error)

    def _write_waiting(self) -> None:
        import pyarrow
        import pyarrow.parquet

        table = pyarrow.table({name: np.concatenate([part[name] for part in self._waiting]) for name in self._empty})
        if self._file is None:
            self._file = self.enter_context(pyarrow.parquet.ParquetWriter(self._temporary, table.schema))
        self._file.write_table(table)
        self._forget_written()

    def _forget_written(self) -> None:
        self._waiting: list[Columns] = [self._empty]
        self._count = 0
