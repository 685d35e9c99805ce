"""MOTChallenge files, and what else holds detections and tracks: detections, ground truth and results in, results out.

A row is `frame, id, left, top, width, height, score, ...` (Leal-Taixé et al. 2015; Milan et al. 2016), frames counted
from 1. In memory boxes are corners (xyxy). Readers either return checked arrays or raise `InputError` with the file and
line, and take every format that `tracker.files.formats.reading` knows; writers replace their target only when
everything has been written.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import ArrayLike, NDArray

from embedding.extras import require_package
from embedding.files import atomic_path
from tracker.core.boxes import xyxy_to_tlwh
from tracker.core.detections import FloatArray, IntArray
from tracker.errors import InputError
from tracker.files.formats.mot import FIRST_FEATURE as FIRST_FEATURE
from tracker.files.formats.reading import read_rows
from tracker.files.formats.yolo import Size
from tracker.files.tables import EXACT, DetectionTable, TrackTable, detections_of, tracks_of

ROW = "%d,%d,%.4f,%.4f,%.4f,%.4f,%.4f,%d,-1,-1\n"
EXACT_IN_FLOAT32 = 2**24  # integers up to it


def read_detections(path: str | Path, strict: bool = False, size: Callable[[], Size] | None = None) -> DetectionTable:
    """Read detections from MOT text, DeepSORT's `.npy`, N x (10 + D), or another known format.

    Text has 6 or more columns separated by commas or white space. Columns past the tenth are features. The eighth is
    a class where it holds non-negative integers only and nothing but -1 follows it: MOT15 keeps world coordinates
    there, MOT16 and MOT17 -1. An empty file holds no detection. Rows without area, as detectors write them that clip
    boxes to the picture, are left out and counted. Features in an `.npy` of float32 stay in the file and are read as
    they are used.

    Args:
        strict: refuse rows without area.
        size: gives width and height of the picture in pixels, for formats whose boxes are fractions of it.

    Raises:
        InputError: the file cannot be read, or a row is malformed.
    """
    return detections_of(read_rows(Path(path), "detections", size), strict)


def read_tracks(path: str | Path, size: Callable[[], Size] | None = None) -> TrackTable:
    """Read results or ground truth: MOT15 (10 columns), MOT16 and later (8 or 9), VisDrone (10), or a known format.

    Args:
        size: as for `read_detections`.

    Raises:
        InputError: the file cannot be read, a row is malformed, or an id occurs twice in a frame.
    """
    return tracks_of(read_rows(Path(path), "tracks", size))


class ResultWriter:
    """Writes MOTChallenge rows frame by frame; the file appears when the `with` block ends without an error."""

    def __init__(self, path: str | Path) -> None:
        self._path = path

    def __enter__(self) -> ResultWriter:
        with ExitStack() as stack:
            temporary = stack.enter_context(atomic_path(self._path))
            self._file = stack.enter_context(temporary.open("w", encoding="ascii", newline="\n"))
            self._open = stack.pop_all()
        return self

    def write(
        self, frame: int, ids: IntArray, boxes: FloatArray, scores: FloatArray, class_ids: IntArray | None = None
    ) -> None:
        """Add the tracks of one frame: ids [K], xyxy boxes [K, 4], scores [K], class ids [K] or None."""
        self._file.write(_rows(np.full(len(ids), frame), ids, boxes, scores, class_ids))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.__exit__(kind, error, trace)


def write_results(
    path: str | Path,
    frames: IntArray,
    ids: IntArray,
    boxes: FloatArray,
    scores: FloatArray,
    class_ids: IntArray | None = None,
) -> None:
    """Write frames [N], ids [N], xyxy boxes [N, 4], scores [N], classes [N] (or None) as MOT rows, atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(_rows(frames, ids, boxes, scores, class_ids), encoding="ascii", newline="\n")


def _rows(
    frames: IntArray, ids: IntArray, boxes: FloatArray, scores: FloatArray, class_ids: IntArray | None = None
) -> str:
    if np.max(frames, initial=0) >= EXACT:
        found = f"frame number {np.max(frames)}"
        raise InputError(f"{found}: expected below {EXACT:.0f}, or the result could not be read back")
    kinds = np.full(len(ids), -1) if class_ids is None else class_ids
    numbers = np.column_stack((frames, ids, xyxy_to_tlwh(boxes), scores, kinds))
    return "".join([ROW % tuple(row) for row in numbers.tolist()])


def write_detections_npy(
    path: str | Path, frames: IntArray, boxes: FloatArray, scores: FloatArray, features: NDArray[np.floating]
) -> None:
    """Write DeepSORT's format, N x (10 + D): frame, -1, tlwh box, score, -1, -1, -1, features [N, D].

    Numbers are float32, but float64 where a frame's number would not survive that.
    """
    count = len(frames)
    unknown = np.full((count, 3), -1.0)
    columns = (frames, unknown[:, 0], xyxy_to_tlwh(boxes), scores, unknown, features)
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        kind = np.float32 if np.max(frames, initial=0) <= EXACT_IN_FLOAT32 else np.float64
        np.save(file, np.column_stack(columns).astype(kind))


def write_table(path: str | Path, columns: Mapping[str, ArrayLike]) -> None:
    """Write named columns of equal length as CSV or Parquet, by the suffix of `path`.

    Raises:
        InputError: another suffix, Parquet without pyarrow, or nothing can be written there.
        ValueError: the columns differ in length.
    """
    path = Path(path)
    arrays = {name: np.asarray(column) for name, column in columns.items()}
    if len({len(array) for array in arrays.values()}) > 1:
        raise ValueError(f"columns differ in length: { {name: len(array) for name, array in arrays.items()} }")
    if path.suffix == ".csv":
        write = _write_csv
    elif path.suffix == ".parquet":
        write = _write_parquet
    else:
        raise InputError(f"{path}: suffix {path.suffix!r}, expected .csv or .parquet")
    with atomic_path(path) as temporary:
        write(temporary, arrays)


def _write_csv(path: Path, columns: Mapping[str, NDArray[np.generic]]) -> None:
    import csv

    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(zip(*(column.tolist() for column in columns.values()), strict=True))


def _write_parquet(path: Path, columns: Mapping[str, NDArray[np.generic]]) -> None:
    require_package("pyarrow", str(path))
    import pyarrow
    import pyarrow.parquet

    pyarrow.parquet.write_table(pyarrow.table(dict(columns)), path)
