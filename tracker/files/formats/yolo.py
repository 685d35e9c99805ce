"""Folders of labels as the YOLO family writes them: a text file a frame, whose last number is the frame's.

A line is `class centre_x centre_y width height [score] [track]`, coordinates as fractions of the picture. The sixth of
six fields is a score where every one lies between 0 and 1 with a fraction among them, else a track.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from embedding.progress import say
from tracker.core.detections import FloatArray, IntArray
from tracker.errors import InputError
from tracker.files.tables import Rows

EXPECTED = "expected lines of class, centre x, centre y, width, height as fractions, with a score and a track if known"

Size = tuple[int, int]  # width, height of a picture, pixels


def is_label_folder(path: Path) -> bool:
    """Whether there are labels in it: text files whose names have a number."""
    return path.is_dir() and next(_files(path), None) is not None


def read_yolo(folder: Path, size: Size) -> Rows:
    """Rows of a folder of labels, for pictures of that size.

    Raises:
        InputError: a file cannot be read, a line is malformed, or two files are of one frame.
    """
    tables: list[FloatArray] = []
    frames: list[int] = []
    places: list[tuple[Path, int]] = []
    seen: dict[int, Path] = {}
    for number, path in sorted((_number(path), path) for path in _files(folder)):
        if number in seen:
            raise InputError(f"{path}: frame {number} as {seen[number].name}, expected one file a frame")
        seen[number] = path
        for line, text in enumerate(_lines(path), start=1):
            if text.strip():
                tables.append(_parsed(text, path, line))
                frames.append(number)
                places.append((path, line))
    counts = {len(table) for table in tables}
    if len(counts) > 1:
        place = next(place for place, table in zip(places, tables, strict=True) if len(table) != len(tables[0]))
        raise InputError(f"{place[0]}, line {place[1]}: another number of fields than in {places[0][0].name}")
    if seen and min(seen) == 0:
        say(f"{folder}: files are counted from 0, frames from 1")
        frames = [frame + 1 for frame in frames]
    values = np.array(tables).reshape(len(tables), -1) if tables else np.empty((0, 5))
    scores, tracks = _scores_and_tracks(values)
    corner = (values[:, 1:3] - values[:, 3:5] / 2) * size
    rows = np.column_stack((frames, tracks, corner, values[:, 3:5] * size, scores))
    kinds = values[:, 0].astype(np.int64)
    return Rows(rows, lambda row: f"{places[row][0]}, line {places[row][1]}", None, kinds)


def write_labels(path: Path, size: Size, ids: IntArray, boxes: FloatArray, scores: FloatArray, kinds: IntArray) -> None:
    """Write the tracks of one frame: class, centre, size, score, track."""
    sides = np.array([*size], float)
    centre, extent = (boxes[:, :2] + boxes[:, 2:]) / 2 / sides, (boxes[:, 2:] - boxes[:, :2]) / sides
    rows = np.column_stack((centre, extent, scores)).tolist()
    lines = [
        f"{max(kind, 0)} {x:.8f} {y:.8f} {width:.8f} {height:.8f} {score:.6f} {track}\n"
        for kind, track, (x, y, width, height, score) in zip(kinds.tolist(), ids.tolist(), rows, strict=True)
    ]
    path.write_text("".join(lines), encoding="ascii", newline="\n")


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.iterdir() if path.suffix == ".txt" and re.search("[0-9]", path.stem))


def _number(path: Path) -> int:
    return int(re.findall("[0-9]+", path.stem)[-1][:15])


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise InputError(f"{path}: is not text, {EXPECTED}") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None


def _parsed(text: str, path: Path, line: int) -> FloatArray:
    fields = text.split()
    if not 5 <= len(fields) <= 7:
        raise InputError(f"{path}, line {line}: {len(fields)} fields, {EXPECTED}")
    try:
        values = np.array([float(field) for field in fields])
    except ValueError:
        raise InputError(f"{path}, line {line}: {text.strip()[:40]!r} is not all numbers, {EXPECTED}") from None
    if not np.isfinite(values).all() or values[0] < 0 or values[0] != np.floor(values[0]) or values[0] > 1e9:
        raise InputError(f"{path}, line {line}: {text.strip()[:40]!r}, {EXPECTED}")
    return values


def _scores_and_tracks(values: FloatArray) -> tuple[FloatArray, FloatArray]:
    count = len(values)
    if values.shape[1] == 7:
        return values[:, 5], values[:, 6]
    if values.shape[1] == 6:
        last = values[:, 5]
        if ((last >= 0) & (last <= 1)).all() and (last != np.floor(last)).any():
            return last, np.full(count, -1.0)
        return np.ones(count), last
    return np.ones(count), np.full(count, -1.0)
