"""Rows of a file or folder in whatever known format, told by what is in it.

| format  | known by                                       | reader       |
| ------- | ---------------------------------------------- | ------------ |
| mot     | numbers: MOTChallenge, VisDrone                | `mot.py`     |
| npy     | the suffix: DeepSORT's detections              | `mot.py`     |
| csv     | a first line of names, the frame's among them  | `columns.py` |
| parquet | the suffix                                     | `columns.py` |
| coco    | a first character `[` or `{`                   | `coco.py`    |
| yolo    | a folder of numbered text files                | `yolo.py`    |
| kitti   | a word in the third place of the first line    | `kitti.py`   |

Text may be compressed by gzip (.gz), and comes from standard input where the path is `-`.
"""

from __future__ import annotations

import gzip
import io
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO, Literal

from tracker.core.detections import FloatArray
from tracker.errors import InputError
from tracker.files.formats.coco import read_coco
from tracker.files.formats.columns import is_header, read_csv, read_parquet
from tracker.files.formats.kitti import is_kitti, read_kitti
from tracker.files.formats.mot import detection_rows, numbers_of_npy, numbers_of_text, track_rows
from tracker.files.formats.yolo import Size, is_label_folder, read_yolo
from tracker.files.number_text import read_plain_table
from tracker.files.tables import Rows, Where

Format = Literal["mot", "npy", "csv", "parquet", "coco", "yolo", "kitti"]
FORMATS: tuple[Format, ...] = ("mot", "npy", "csv", "parquet", "coco", "yolo", "kitti")
STDIN = Path("-")
MOST_HEAD = 4096  # bytes that are looked at to tell formats apart
MOST_UNPACKED = 8 << 30  # bytes that a compressed file may hold


def read_rows(path: Path, kind: Literal["detections", "tracks"], size: Callable[[], Size] | None = None) -> Rows:
    """Rows of a file.

    Args:
        kind: what they are, which tells what further columns of numbers mean.
        size: width and height of the picture, asked for where boxes are fractions of it.

    Raises:
        InputError: it cannot be read, is of no known format, or is malformed.
    """
    numbers = detection_rows if kind == "detections" else track_rows
    if path.is_dir():
        if not is_label_folder(path):
            raise InputError(f"{path}: a folder without numbered text files, expected YOLO's labels, or a file")
        if size is None:
            raise InputError(f"{path}: labels are fractions of a picture whose size is not known, expected --seq")
        return read_yolo(path, size())
    if path.suffix == ".npy":
        return numbers(*numbers_of_npy(path))
    if path.suffix == ".parquet":
        return read_parquet(path)
    with _opened(path) as file:
        try:
            return _read_text(file, str(path), numbers)
        except (OSError, EOFError, zlib.error) as error:
            why = getattr(error, "strerror", None) or error
            raise InputError(f"{path}: cannot be read: {why}") from None


def _opened(path: Path) -> IO[bytes]:
    """A file that can be read twice."""
    if path == STDIN:
        return io.BytesIO(sys.stdin.buffer.read())
    try:
        file = path.open("rb")
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    if not file.seekable():  # a pipe
        with file:
            return io.BytesIO(file.read())
    return gzip.GzipFile(fileobj=file) if path.suffix == ".gz" else file  # type: ignore[return-value]


def _read_text(file: IO[bytes], path: str, numbers: Callable[[FloatArray, Where], Rows]) -> Rows:
    head = file.read(MOST_HEAD).removeprefix(b"\xef\xbb\xbf").lstrip()
    first = head.partition(b"\n")[0].decode("utf-8", "replace").strip()
    file.seek(0)
    if first[:1] in ("[", "{"):
        return read_coco(_text(file, path), path)
    if is_header(first):
        return read_csv(_text(file, path), path)
    if is_kitti(first):
        return read_kitti(_text(file, path), path)
    values = read_plain_table(file)
    if values is not None and values.shape[1] >= 6:  # what is plain has no lines that are left out
        return numbers(values, lambda row: f"{path}, line {row + 1}")
    file.seek(0)
    return numbers(*numbers_of_text(_all(file), path))


def _text(file: IO[bytes], path: str) -> str:
    content = _all(file)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise InputError(f"{path}, line {line}: byte 0x{content[error.start]:02x} is not text") from None


def _all(file: IO[bytes]) -> bytes:
    content = file.read(MOST_UNPACKED)
    if len(content) == MOST_UNPACKED:
        raise OSError(f"more than {MOST_UNPACKED >> 30} GB of text")
    return content
