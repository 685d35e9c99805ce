"""A pack of crops: images that are memory-mapped, an index of where each came from, and who it shows in a file apart.

    FILE.npy            uint8 [N, height, width, 3], BGR
    FILE.index.npz      the columns of `CropIndex`
    FILE.identity.npz   who each crop shows; only where there is ground truth

Training is label-free, and the files keep it so: `CropIndex` holds no identity, `read_index` does not open
FILE.identity.npz, and only evaluation calls `read_identities`.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import ArrayLike, NDArray

from embedding.descriptors.cropping import SIDE
from embedding.errors import InputError
from embedding.files import atomic_path, remove

NOBODY = -1


@dataclass(frozen=True)
class CropIndex:
    """Where each crop of a pack was cut, without who it shows.

    Attributes:
        names: of the sequences.
        sequence: int32 [N], index into `names`.
        frame: int32 [N], number of the frame, the first of a sequence is 1.
        box: float32 [N, 4], corners in pixels of that frame.
        score: float32 [N], the detector's confidence.
        tracklet: int64 [N], unique over the pack: crops linked over consecutive frames share it; a crop linked to
            nothing is a tracklet of its own.
    """

    names: tuple[str, ...]
    sequence: NDArray[np.int32]
    frame: NDArray[np.int32]
    box: NDArray[np.float32]
    score: NDArray[np.float32]
    tracklet: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.sequence)

    def select(self, rows: NDArray[np.generic]) -> CropIndex:
        """The rows of `rows` (integers or a mask); the names stay all."""
        return CropIndex(
            self.names, self.sequence[rows], self.frame[rows], self.box[rows], self.score[rows], self.tracklet[rows]
        )


COLUMNS = tuple(column.name for column in fields(CropIndex))


def index_path(path: str | Path) -> Path:
    """FILE.index.npz of FILE.npy."""
    return Path(path).with_suffix(".index.npz")


def identity_path(path: str | Path) -> Path:
    """FILE.identity.npz of FILE.npy."""
    return Path(path).with_suffix(".identity.npz")


def read_index(path: str | Path) -> CropIndex:
    """The index of the pack FILE.npy.

    Raises:
        InputError: a file is absent or damaged, or the two differ in length.
    """
    columns = _read_columns(index_path(path), COLUMNS)
    _check_length(path, index_path(path), {name: columns[name] for name in COLUMNS[1:]})
    return CropIndex(tuple(columns.pop("names").tolist()), **columns)


def read_identities(path: str | Path) -> NDArray[np.int64]:
    """Who each crop of the pack FILE.npy shows, [N], unique over the pack; -1: matched to nobody. For evaluation only.

    Raises:
        InputError: a file is absent or damaged (a pack made without ground truth has no identities), or the two differ
            in length.
    """
    columns = _read_columns(identity_path(path), ("identity",))
    _check_length(path, identity_path(path), columns)
    return columns["identity"]


class CropWriter:
    """Writes a pack crop by crop, in no more memory than its index takes; use as a context manager.

    When the `with` block ends, the files replace their targets, FILE.npy last; when it raises, nothing is left behind.

    Args:
        path: FILE.npy.
        size: width and height of a crop, pixels.

    Raises:
        InputError: `path` does not end in .npy, or is a folder.
    """

    def __init__(self, path: str | Path, size: tuple[int, int] = (SIDE, SIDE)) -> None:
        self._path = Path(path)
        if self._path.suffix != ".npy":
            raise InputError(f"{path}: suffix {self._path.suffix!r}, expected .npy")
        if self._path.is_dir():
            raise InputError(f"{path}: is a folder, expected the name of a file to write")
        self._shape = (size[1], size[0], 3)
        self._names: dict[str, int] = {}
        self._sequence, self._frame = array("i"), array("i")
        self._box, self._score = array("f"), array("f")
        self._tracklet, self._identity = array("q"), array("q")
        self._has_identities = False

    def __len__(self) -> int:
        return len(self._sequence)

    def append(
        self,
        name: str,
        frame: int,
        crops: NDArray[np.uint8],
        boxes: ArrayLike,
        scores: ArrayLike,
        tracklets: ArrayLike,
        identities: ArrayLike | None = None,
    ) -> None:
        """Add the crops of one frame of one sequence.

        Args:
            name: of the sequence.
            frame: its number.
            crops: uint8 [K, height, width, 3].
            boxes: [K, 4] corners in pixels.
            scores: [K].
            tracklets: [K] from 0; numbers of this sequence, which the writer makes unique over the pack.
            identities: [K], likewise; -1 for nobody. None where there is no ground truth: nobody.

        Raises:
            ValueError: crops of another size or type, columns of another length, or a negative tracklet.
        """
        count = len(crops)
        if crops.dtype != np.uint8 or crops.shape[1:] != self._shape:
            raise ValueError(f"crops: expected uint8 [K, {self._shape}], found {crops.dtype} {crops.shape}")
        box = np.asarray(boxes, np.float32).reshape(-1, 4)
        score = np.asarray(scores, np.float32)
        tracklet = np.asarray(tracklets, np.int64)
        self._has_identities |= identities is not None
        identity = np.asarray(np.full(count, NOBODY) if identities is None else identities, np.int64)
        if {len(box), *score.shape, *tracklet.shape, *identity.shape} != {count} or (tracklet < 0).any():
            raise ValueError(f"{name}, frame {frame}: expected {count} boxes, scores, identities, tracklets from 0")
        self._file.write(crops.tobytes())
        self._sequence.extend([self._names.setdefault(name, len(self._names))] * count)
        self._frame.extend([frame] * count)
        for column, values in (
            (self._box, box),
            (self._score, score),
            (self._tracklet, tracklet),
            (self._identity, identity),
        ):
            column.frombytes(values.tobytes())

    def __enter__(self) -> CropWriter:
        self._writing: AbstractContextManager[None] = self._write_files()
        self._writing.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writing.__exit__(kind, error, trace)

    @contextmanager
    def _write_files(self) -> Iterator[None]:
        with ExitStack() as stack:  # which replaces the targets in reverse order: the pack is whole when FILE.npy is
            temporary = stack.enter_context(atomic_path(self._path))
            self._file: BinaryIO = stack.enter_context(temporary.open("wb"))
            self._write_header()
            yield
            self._file.seek(0)
            self._write_header()
            index = stack.enter_context(atomic_path(index_path(self._path)))
            _write_columns(index, self._columns())
            if self._has_identities:
                identity = stack.enter_context(atomic_path(identity_path(self._path)))
                _write_columns(
                    identity, {"identity": _unique(np.frombuffer(self._identity, np.int64), self._sequences())}
                )
            for old in (self._path, identity_path(self._path), index_path(self._path)):
                remove(old)  # a kill from here on leaves no new file beside an old one

    def _write_header(self) -> None:
        """The .npy header; NumPy leaves room in it for any count, so that its length never changes."""
        header = {"descr": "|u1", "fortran_order": False, "shape": (len(self), *self._shape)}
        np.lib.format.write_array_header_1_0(self._file, header)

    def _columns(self) -> dict[str, np.ndarray]:
        return {
            "names": np.array(list(self._names), np.str_),
            "sequence": self._sequences(),
            "frame": np.frombuffer(self._frame, np.int32),
            "box": np.frombuffer(self._box, np.float32).reshape(-1, 4),
            "score": np.frombuffer(self._score, np.float32),
            "tracklet": _unique(np.frombuffer(self._tracklet, np.int64), self._sequences()),
        }

    def _sequences(self) -> NDArray[np.int32]:
        return np.frombuffer(self._sequence, np.int32)


def _unique(numbers: NDArray[np.int64], sequence: NDArray[np.int32]) -> NDArray[np.int64]:
    """Numbers [N] of sequences [N], each sequence's shifted past those of the one before; negative ones stay."""
    used = np.zeros(sequence.max(initial=-1) + 1, np.int64)
    np.maximum.at(used, sequence, numbers + 1)
    first = np.cumsum(used) - used
    return np.where(numbers < 0, numbers, numbers + first[sequence])


def _write_columns(path: Path, columns: dict[str, Any]) -> None:
    with path.open("wb") as file:  # given a path, NumPy would append .npz to a temporary name
        np.savez(file, **columns)


def _read_columns(path: Path, names: tuple[str, ...]) -> dict[str, np.ndarray]:
    with _damage_named(path), np.load(path, allow_pickle=False) as file:
        return {name: file[name] for name in names}


def _check_length(path: str | Path, companion: Path, columns: dict[str, np.ndarray]) -> None:
    with _damage_named(path):
        count = len(np.load(path, mmap_mode="r", allow_pickle=False))
    for name, column in columns.items():
        if column.shape[:1] != (count,):
            raise InputError(f"{companion}: {name} of shape {column.shape}, but {path} holds {count} crops")


@contextmanager
def _damage_named(path: str | Path) -> Iterator[None]:
    expected = "expected a pack made by python -m tools.crops"
    try:
        yield
    except FileNotFoundError:
        raise InputError(f"{path}: no such file, {expected}") from None
    except Exception as error:  # a damaged file shows as anything from BadZipFile to SyntaxError
        reason = str(error).partition("\n")[0]
        raise InputError(f"{path}: cannot be read ({reason}), {expected}") from error
