"""MOTChallenge files: detections, ground truth and results in, results and tables out.

A row is `frame, id, left, top, width, height, score, ...` (Leal-Taixé et al. 2015; Milan et al. 2016), frames counted
from 1. In memory boxes are corners (xyxy). Readers either return checked arrays or raise `InputError` with the file and
line; writers replace their target only when everything has been written.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import ArrayLike, NDArray

from embedding.extras import require_package
from embedding.files import atomic_path
from tracker.core.boxes import tlwh_to_xyxy, xyxy_to_tlwh
from tracker.core.detections import LIMIT, Detections, FloatArray, IntArray
from tracker.errors import InputError

FIELDS = ("frame", "id", "left", "top", "width", "height", "score")
EXACT = 2.0**53  # integers below it are exact in float64
FIRST_FEATURE = 10  # DeepSORT's .npy: ten MOT columns, then the descriptor
ROW = "%d,%d,%.4f,%.4f,%.4f,%.4f,%.4f,-1,-1,-1\n"

Where = Callable[[int], str]  # row of a table -> "FILE, line 17"


@dataclass(slots=True)
class DetectionTable:
    """All detections of a sequence, stably sorted by frame.

    Attributes:
        frames: [N] frame numbers, ascending, the first frame of a sequence is 1.
        boxes: [N, 4] corners in pixels.
        scores: [N] confidences; 1 where the file has none.
        features: [N, D] float32 descriptors, or None.
        class_ids: [N], or None.
        dropped: how many rows had no area and were left out.
    """

    frames: IntArray
    boxes: FloatArray
    scores: FloatArray
    features: NDArray[np.float32] | None = None
    class_ids: IntArray | None = None
    dropped: int = 0

    @classmethod
    def of_frames(cls, found: Sequence[tuple[int, Detections]]) -> DetectionTable:
        """The detections of frames in ascending order, with features and classes where every frame has them."""
        frames = np.repeat([frame for frame, _ in found], [len(here) for _, here in found]).astype(np.int64)
        full = [here for _, here in found if len(here)]
        features = [here.features for here in full if here.features is not None]
        class_ids = [here.class_ids for here in full if here.class_ids is not None]
        return cls(
            frames,
            np.concatenate([np.zeros((0, 4)), *(here.boxes for here in full)]),
            np.concatenate([np.zeros(0), *(here.scores for here in full)]),
            np.concatenate(features) if full and len(features) == len(full) else None,
            np.concatenate(class_ids) if full and len(class_ids) == len(full) else None,
        )

    def __len__(self) -> int:
        return len(self.frames)

    @property
    def first_frame(self) -> int:
        """Number of the first frame with a detection; 1 if there is none."""
        return int(self.frames[0]) if len(self) else 1

    @property
    def last_frame(self) -> int:
        """Number of the last frame with a detection; 0 if there is none."""
        return int(self.frames[-1]) if len(self) else 0

    def at(self, frame: int) -> Detections:
        """The detections of one frame, possibly none; views of this table, checked when it was read."""
        start, stop = np.searchsorted(self.frames, (frame, frame + 1))
        return Detections.checked(
            self.boxes[start:stop],
            self.scores[start:stop],
            None if self.features is None else self.features[start:stop],
            None if self.class_ids is None else self.class_ids[start:stop],
        )


@dataclass(slots=True)
class TrackTable:
    """Ground truth or results of a sequence, stably sorted by frame; an id occurs once a frame.

    Attributes:
        frames, ids: [N].
        boxes: [N, 4] corners in pixels.
        scores: [N]; in ground truth the flag: 0 means "do not count".
        class_ids: [N] MOT16 classes (1 is pedestrian), or None where the file has no such column.

    A box may be without area: it is still one to be found, or one too many.
    """

    frames: IntArray
    ids: IntArray
    boxes: FloatArray
    scores: FloatArray
    class_ids: IntArray | None = None

    def __len__(self) -> int:
        return len(self.frames)

    @property
    def has_area(self) -> NDArray[np.bool_]:
        """Mask [N] of the boxes that others can overlap."""
        size = self.boxes[:, 2:] - self.boxes[:, :2]
        return (size > 0).all(axis=1) & (size.prod(axis=1) > np.finfo(float).eps)

    def select(self, rows: NDArray[np.bool_]) -> TrackTable:
        """The rows of a mask [N]."""
        class_ids = None if self.class_ids is None else self.class_ids[rows]
        return TrackTable(self.frames[rows], self.ids[rows], self.boxes[rows], self.scores[rows], class_ids)


def read_detections(path: str | Path, strict: bool = False) -> DetectionTable:
    """Read detections from MOT text or from DeepSORT's `.npy`, N x (10 + D).

    Text has 6 or more columns separated by commas or white space. Columns past the tenth are features. The eighth is
    a class where it holds non-negative integers only and nothing but -1 follows it: MOT15 keeps world coordinates
    there, MOT16 and MOT17 -1. An empty file holds no detection. Rows without area, as detectors write them that clip
    boxes to the picture, are left out and counted.

    Args:
        strict: refuse rows without area.

    Raises:
        InputError: the file cannot be read, or a row is malformed.
    """
    path = Path(path)
    values, where = _read_npy(path) if path.suffix == ".npy" else _read_text(path)
    frames, boxes, scores = _checked_columns(values, where, empty_boxes=not strict)
    has_area = (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
    order = np.argsort(frames, kind="stable")
    order = order[has_area[order]]
    features = None
    if values.shape[1] > FIRST_FEATURE:
        with np.errstate(over="ignore"):
            features = values[:, FIRST_FEATURE:].astype(np.float32)
        finite = np.isfinite(features).all(axis=1)
        if not finite.all():
            raise InputError(f"{where(int(np.argmin(finite)))}: a feature is not finite, expected numbers")
        features = features[order]
    class_ids = _classes_of_detections(values)
    class_ids = None if class_ids is None else class_ids[order]
    return DetectionTable(frames[order], boxes[order], scores[order], features, class_ids, len(frames) - len(order))


def read_tracks(path: str | Path) -> TrackTable:
    """Read results or ground truth: MOT15 (10 columns), MOT16 and later (8 or 9), VisDrone (10).

    The eighth column is a class where it can be: in 8 or 9 columns whole numbers from 1; in 10 whole numbers, not all
    0, followed by a visible share or truncation (-1 to 1) and an occlusion (-1 to 2). MOT15 keeps world coordinates
    there.

    Raises:
        InputError: the file cannot be read, a row is malformed, or an id occurs twice in a frame.
    """
    values, where = _read_text(Path(path))
    frames, boxes, scores = _checked_columns(values, where, largest=EXACT, empty_boxes=True)
    whole = (values[:, 1] >= 0) & (values[:, 1] == np.floor(values[:, 1]))
    _require(whole, values, 1, "an integer from 0 (is this a file of detections?)", where)
    ids = values[:, 1].astype(np.int64)
    order = np.lexsort((ids, frames))
    twice = np.flatnonzero((np.diff(frames[order]) == 0) & (np.diff(ids[order]) == 0))
    if len(twice):
        row = int(order[twice + 1].min())
        raise InputError(f"{where(row)}: id {ids[row]} occurs twice in frame {frames[row]}, expected once")
    class_ids = values[order, 7].astype(np.int64) if _names_classes(values) else None
    return TrackTable(frames[order], ids[order], boxes[order], scores[order], class_ids)


def _read_text(path: Path) -> tuple[FloatArray, Where]:
    """The numbers [N, C], and how to name the line of a row."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        found = f"byte 0x{error.object[error.start]:02x}"
        raise InputError(f"{path}, line {line}: {found} is not text, expected {', '.join(FIELDS)}") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    numbers = [number for number, line in enumerate(lines, 1) if line.strip()]
    lines = [line for line in lines if line.strip()]
    if not lines:
        return np.empty((0, 7)), lambda row: str(path)
    delimiter = "," if "," in lines[0] else None
    try:
        values = np.loadtxt(lines, delimiter=delimiter, comments=None, ndmin=2)
    except ValueError:
        raise InputError(_first_malformed(path, lines, numbers, delimiter)) from None
    if values.shape[1] < 6:
        found = f"{values.shape[1]} fields"
        raise InputError(f"{path}, line {numbers[0]}: {found}, expected at least 6: {', '.join(FIELDS)}")
    return values, lambda row: f"{path}, line {numbers[row]}"


def _first_malformed(path: Path, lines: list[str], numbers: list[int], delimiter: str | None) -> str:
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


def _read_npy(path: Path) -> tuple[FloatArray, Where]:
    """The numbers [N, 10 + D], and how to name a row."""
    expected = "expected N x (10 + D) numbers: the ten columns of MOT text, then the features"
    try:
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


def _checked_columns(
    values: FloatArray, where: Where, largest: float = LIMIT, empty_boxes: bool = False
) -> tuple[IntArray, FloatArray, FloatArray]:
    """Frames [N], boxes [N, 4] xyxy and scores [N] of raw rows [N, C >= 6], or InputError.

    Frame numbers and ids lie below `largest`, everything else below LIMIT.
    """
    with np.errstate(over="ignore"):
        used = values[:, :7].astype(np.float64)
    for column in range(used.shape[1]):
        _require(np.isfinite(used[:, column]), used, column, "a finite number", where)
        limit = largest if column < 2 else LIMIT
        _require(np.abs(used[:, column]) < limit, used, column, f"a number below {limit:.0f}", where)
    whole = (used[:, 0] >= 1) & (used[:, 0] == np.floor(used[:, 0]))
    _require(whole, used, 0, "an integer from 1 (MOTChallenge counts frames from 1)", where)
    boxes = tlwh_to_xyxy(used[:, 2:6])
    if not empty_boxes:
        for column, has_size in zip((4, 5), (boxes[:, 2:] > boxes[:, :2]).T, strict=True):
            _require(has_size, used, column, "a positive number of pixels", where)
    scores = used[:, 6] if used.shape[1] == 7 else np.ones(len(used))
    return used[:, 0].astype(np.int64), boxes, scores


def _require(valid: NDArray[np.bool_], values: FloatArray, column: int, expected: str, where: Where) -> None:
    if not valid.all():
        row = int(np.argmin(valid))
        found = values[row, column]
        shown = f"{found:.0f}" if abs(found) < 1e20 and found == np.floor(found) else f"{found:.10g}"
        raise InputError(f"{where(row)}: {FIELDS[column]} is {shown}, expected {expected}")


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

    def write(self, frame: int, ids: IntArray, boxes: FloatArray, scores: FloatArray) -> None:
        """Add the tracks of one frame: ids [K], xyxy boxes [K, 4], scores [K]."""
        self._file.write(_rows(np.full(len(ids), frame), ids, boxes, scores))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.__exit__(kind, error, trace)


def write_results(path: str | Path, frames: IntArray, ids: IntArray, boxes: FloatArray, scores: FloatArray) -> None:
    """Write frames [N], ids [N], xyxy boxes [N, 4] and scores [N] as MOTChallenge rows, atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(_rows(frames, ids, boxes, scores), encoding="ascii", newline="\n")


def _rows(frames: IntArray, ids: IntArray, boxes: FloatArray, scores: FloatArray) -> str:
    if np.max(frames, initial=0) >= EXACT:
        found = f"frame number {np.max(frames)}"
        raise InputError(f"{found}: expected below {EXACT:.0f}, or the result could not be read back")
    numbers = np.column_stack((frames, ids, xyxy_to_tlwh(boxes), scores))
    return "".join([ROW % tuple(row) for row in numbers.tolist()])


def write_detections_npy(
    path: str | Path, frames: IntArray, boxes: FloatArray, scores: FloatArray, features: NDArray[np.floating]
) -> None:
    """Write DeepSORT's format, float32 N x (10 + D): frame, -1, tlwh box, score, -1, -1, -1, features [N, D]."""
    count = len(frames)
    unknown = np.full((count, 3), -1.0)
    columns = (frames, unknown[:, 0], xyxy_to_tlwh(boxes), scores, unknown, features)
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.save(file, np.column_stack(columns).astype(np.float32))


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
