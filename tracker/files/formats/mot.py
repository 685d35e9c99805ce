"""MOTChallenge text and DeepSORT's `.npy`: rows of numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tracker.core.detections import LIMIT, FloatArray, IntArray
from tracker.errors import InputError
from tracker.files.tables import FIELDS, Rows, Where

FIRST_FEATURE = 10  # DeepSORT's .npy: ten MOT columns, then the descriptor


def detection_rows(values: FloatArray, where: Where) -> Rows:
    """Of [N, C >= 6] numbers: columns past the tenth are features.

    The eighth is a class where it holds non-negative integers only and nothing but -1 follows it: MOT15 keeps world
    coordinates there, MOT16 and MOT17 -1.
    """
    features = values[:, FIRST_FEATURE:] if values.shape[1] > FIRST_FEATURE else None
    return Rows(values, where, features, _classes_of_detections(values))


def track_rows(values: FloatArray, where: Where) -> Rows:
    """Of MOT15 (10 columns), MOT16 and later (8 or 9), VisDrone (10).

    The eighth column is a class where it can be: in 8 or 9 columns whole numbers from 1; in 10 whole numbers, not all
    0, followed by a visible share or truncation (-1 to 1) and an occlusion (-1 to 2). MOT15 keeps world coordinates
    there.
    """
    return Rows(values, where, None, values[:, 7].astype(np.int64) if _names_classes(values) else None)


def numbers_of_text(content: bytes, path: str) -> tuple[FloatArray, Where]:
    """The numbers [N, C] of lines with commas or white space between them, and how to name the line of a row.

    Raises:
        InputError: it is no table of at least six numbers a line.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        found = f"byte 0x{error.object[error.start]:02x}"
        raise InputError(f"{path}, line {line}: {found} is not text, expected {', '.join(FIELDS)}") from None
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    numbers = [number for number, line in enumerate(lines, 1) if line.strip()]
    lines = [line for line in lines if line.strip()]
    if not lines:
        return np.empty((0, 7)), lambda row: path
    delimiter = "," if "," in lines[0] else None
    try:
        values = np.loadtxt(lines, delimiter=delimiter, comments=None, ndmin=2)
    except ValueError:
        raise InputError(_first_malformed(path, lines, numbers, delimiter)) from None
    if values.shape[1] < 6:
        found = f"{values.shape[1]} fields"
        raise InputError(f"{path}, line {numbers[0]}: {found}, expected at least 6: {', '.join(FIELDS)}")
    return values, lambda row: f"{path}, line {numbers[row]}"


def _first_malformed(path: str, lines: list[str], numbers: list[int], delimiter: str | None) -> str:
    """What is wrong with the first row that is not as many numbers as the first row has fields."""
    count = len(lines[0].split(delimiter))
    for number, line in zip(numbers, lines, strict=True):
        fields = line.split(delimiter)
        for column, field in enumerate(fields):
            if not _is_number(field):
                name = f" ({FIELDS[column]})" if column < len(FIELDS) else ""
                return f"{path}, line {number}: field {column + 1}{name} is {field.strip()[:40]!r}, expected a number"
        if len(fields) != count:
            return f"{path}, line {number}: {len(fields)} fields, expected {count} as in line {numbers[0]}"
    return f"{path}: not a table of numbers, expected {', '.join(FIELDS)}"


def _is_number(field: str) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return field.isascii() and "_" not in field  # float() takes 1_000 and ١, a table of numbers does not


def numbers_of_npy(path: Path) -> tuple[FloatArray, Where]:
    """The numbers [N, 10 + D], and how to name a row."""
    expected = "expected N x (10 + D) numbers: the ten columns of MOT text, then the features"
    try:
        try:
            array = np.load(path, mmap_mode="r", allow_pickle=False)  # features stay in the file until they are used
        except ValueError:  # an empty array cannot be mapped, nor a pipe
            array = np.load(path, allow_pickle=False)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from None
    except Exception as error:  # the header is Python text: damage shows as anything from SyntaxError to MemoryError
        raise InputError(f"{path}: not a NumPy array ({type(error).__name__}), {expected}") from None
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiu":
        found = getattr(array, "dtype", type(array).__name__)
        raise InputError(f"{path}: holds {found}, {expected}")
    if array.shape == (0,):
        array = array.reshape(0, FIRST_FEATURE)
    if array.ndim != 2 or array.shape[1] < FIRST_FEATURE:
        raise InputError(f"{path}: shape {array.shape}, {expected}")
    return array, lambda row: f"{path}, row {row} (counted from 0)"


def _classes_of_detections(values: FloatArray) -> IntArray | None:
    if not len(values) or values.shape[1] < 8 or (values[:, 8:FIRST_FEATURE] != -1).any():
        return None
    column = values[:, 7].astype(np.float64)
    return column.astype(np.int64) if _are_whole(column, minimum=0) else None


def _names_classes(values: FloatArray) -> bool:
    """Whether the eighth column of tracks [N, C] holds classes: see `read_tracks`."""
    if values.shape[1] in (8, 9):
        return _are_whole(values[:, 7], minimum=1)
    if values.shape[1] != 10 or not _are_whole(values[:, 7], minimum=0) or not values[:, 7].any():
        return False
    shown, hidden = values[:, 8], values[:, 9]
    return bool((((shown >= 0) & (shown <= 1)) | (shown == -1)).all() and np.isin(hidden, (-1, 0, 1, 2)).all())


def _are_whole(column: FloatArray, minimum: int) -> bool:
    return bool(((column >= minimum) & (column < LIMIT) & (column == np.floor(column))).all())
