"""Tables whose columns have names: CSV with a header, Parquet. They are known by what people call them."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embedding.errors import shortened
from embedding.extras import require_package
from tracker.core.detections import IntArray
from tracker.errors import InputError
from tracker.files.tables import Rows, Where

NAMES = {
    "frame": ("frame", "frame_index", "frame_id", "frame_number", "image_id"),
    "id": ("id", "track_id", "tracker_id", "track", "identity"),
    "left": ("left", "x1", "xmin", "x_min", "bb_left", "box_left", "x"),
    "top": ("top", "y1", "ymin", "y_min", "bb_top", "box_top", "y"),
    "right": ("right", "x2", "xmax", "x_max"),
    "bottom": ("bottom", "y2", "ymax", "y_max"),
    "width": ("width", "w", "bb_width", "box_width"),
    "height": ("height", "h", "bb_height", "box_height"),
    "score": ("score", "confidence", "conf", "probability"),
    "class": ("class", "class_id", "category_id", "cls"),
    "class_name": ("class_name", "label", "category", "type", "name"),
}
EXPECTED = "expected columns frame, left, top and width, height or right, bottom; id, score, class, class_name if known"

Columns = Mapping[str, NDArray[Any]]


def is_header(line: str) -> bool:
    """Whether a first line names columns: its fields begin with letters, and one of them is the frame's."""
    fields = [_plain(field) for field in line.split(",")]
    return len(fields) > 4 and fields[0][:1].isalpha() and any(field in NAMES["frame"] for field in fields)


def read_csv(text: str, path: str) -> Rows:
    """Rows of a CSV file with a header.

    Raises:
        InputError: a column that is needed is missing, a row has too few or too many fields, or one is no number.
    """
    lines = csv.reader(io.StringIO(text.replace("\r\n", "\n").replace("\r", "\n")))
    rows, numbers = [], []
    try:
        header = next(lines)
        for row in lines:
            if not row:
                continue
            if len(row) != len(header):
                raise InputError(
                    f"{path}, line {lines.line_num}: {len(row)} fields, expected {len(header)} as in the header"
                )
            rows.append(row)
            numbers.append(lines.line_num)
    except csv.Error as error:
        raise InputError(f"{path}, line {lines.line_num}: {error}, expected a table with commas") from None
    columns = np.array(rows, np.str_).T if rows else np.empty((len(header), 0), np.str_)
    return _rows(dict(zip(header, columns, strict=True)), path, lambda row: f"{path}, line {numbers[row]}")


def read_parquet(path: Path) -> Rows:
    """Rows of a Parquet file.

    Raises:
        InputError: it cannot be read, pyarrow is missing, a column that is needed is missing or holds no numbers.
    """
    require_package("pyarrow", str(path))
    import pyarrow
    import pyarrow.parquet

    try:
        table = pyarrow.parquet.read_table(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from None
    except pyarrow.ArrowException as error:
        raise InputError(f"{path}: cannot be read as Parquet: {' '.join(str(error).split())[:200]}") from None
    columns = {name: column.to_numpy() for name, column in zip(table.column_names, table.columns, strict=True)}
    return _rows(columns, str(path), lambda row: f"{path}, row {row} (counted from 0)")


def _rows(columns: Columns, path: str, where: Where) -> Rows:
    known = _known(columns)
    ends = {"right", "bottom"} <= known.keys()
    if not {"frame", "left", "top"} <= known.keys() or not (ends or {"width", "height"} <= known.keys()):
        raise InputError(f"{path}: columns {shortened(', '.join(columns))}, {EXPECTED}")
    count = len(known["frame"])
    found = {name: _numbers(known[name], name, where) for name in known if name != "class_name"}
    left, top = found["left"], found["top"]
    width = found["right"] - left if ends else found["width"]
    height = found["bottom"] - top if ends else found["height"]
    ids, scores = found.get("id", np.full(count, -1.0)), found.get("score", np.ones(count))
    class_ids, class_names = _classes(found.get("class"), known.get("class_name"), where)
    values = np.column_stack((found["frame"], ids, left, top, width, height, scores))
    return Rows(values, where, None, class_ids, class_names)


def _plain(name: str) -> str:
    return name.strip().strip('"').casefold().replace(" ", "_")


def _known(columns: Columns) -> dict[str, NDArray[Any]]:
    """The columns by our names: the first of each that a file has."""
    plain = {_plain(name): column for name, column in reversed(list(columns.items()))}
    return {
        ours: plain[next(name for name in theirs if name in plain)]
        for ours, theirs in NAMES.items()
        if any(name in plain for name in theirs)
    }


def _numbers(column: NDArray[Any], name: str, where: Where) -> NDArray[np.float64]:
    try:
        return column.astype(np.float64)
    except (ValueError, TypeError):
        row = next(row for row, value in enumerate(column.tolist()) if not _is_number(value))
        raise InputError(f"{where(row)}: {name} is {str(column[row])[:40]!r}, expected a number") from None


def _is_number(value: Any) -> bool:
    try:
        float(value)
    except (ValueError, TypeError):
        return False
    return True


def _classes(
    ids: NDArray[np.float64] | None, names: NDArray[Any] | None, where: Where
) -> tuple[IntArray | None, dict[int, str]]:
    """Class ids, and their names; of names alone, numbered in alphabetical order."""
    if ids is None and names is None:
        return None, {}
    if ids is None:
        assert names is not None
        known, numbers = np.unique(names.astype(np.str_), return_inverse=True)
        return numbers.astype(np.int64), dict(enumerate(known.tolist()))
    whole = (ids >= -1) & (ids < 1e9) & (ids == np.floor(ids))
    if not whole.all():
        row = int(np.argmin(whole))
        raise InputError(f"{where(row)}: class is {ids[row]:.10g}, expected a whole number, -1 where unknown")
    class_ids = ids.astype(np.int64)
    if names is None:
        return class_ids, {}
    _, first = np.unique(class_ids, return_index=True)
    return class_ids, {int(class_ids[row]): str(names[row]) for row in first if class_ids[row] >= 0 and names[row]}
