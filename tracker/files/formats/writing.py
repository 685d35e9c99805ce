"""Tracks, or detections with -1 for an id, into a file or folder of a known format."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import numpy as np

from embedding.files import atomic_path
from tracker.core.detections import IntArray
from tracker.errors import InputError
from tracker.files.formats.coco import CocoWriter
from tracker.files.formats.kitti import kitti_lines
from tracker.files.formats.yolo import Size, write_labels
from tracker.files.motchallenge import write_results, write_table
from tracker.files.tables import TrackTable

Written = Literal["mot", "csv", "parquet", "coco", "yolo", "kitti"]
SUFFIXES: dict[str, Written] = {".txt": "mot", ".csv": "csv", ".parquet": "parquet", ".json": "coco", "": "yolo"}


def format_of(path: Path) -> Written:
    """The format that a name's end means; none is a folder of labels.

    Raises:
        InputError: it means none.
    """
    if path.suffix not in SUFFIXES:
        known = ", ".join(f"{suffix or 'a folder'} ({name})" for suffix, name in SUFFIXES.items())
        raise InputError(f"{path}: not known how to write {path.suffix!r}, expected {known}; or --to")
    return SUFFIXES[path.suffix]


def write(path: Path, written: Written, tracks: TrackTable, size: Callable[[], Size]) -> None:
    """Write tracks; a file is replaced when all of it is written.

    Args:
        size: gives width and height of the picture, where boxes are to be fractions of it.

    Raises:
        InputError: nothing can be written there, or a folder for labels holds something.
    """
    kinds = np.full(len(tracks), -1) if tracks.class_ids is None else tracks.class_ids
    if written == "mot":
        write_results(path, tracks.frames, tracks.ids, tracks.boxes, tracks.scores, kinds)
    elif written in ("csv", "parquet"):
        _write_columns(path, written, tracks, kinds)
    elif written == "coco":
        with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as file:
            writer = CocoWriter(file, tracks.class_names, path.stem)
            for frame, rows in _frames(tracks):
                writer.write(frame, tracks.ids[rows], tracks.boxes[rows], tracks.scores[rows], kinds[rows])
            writer.finish()
    elif written == "kitti":
        names = dict(tracks.class_names)
        parts = (
            kitti_lines(frame, tracks.ids[rows], tracks.boxes[rows], tracks.scores[rows], kinds[rows], names)
            for frame, rows in _frames(tracks)
        )
        with atomic_path(path) as temporary:
            temporary.write_text("".join(parts), encoding="utf-8", newline="\n")
    else:
        _write_folder(path, tracks, kinds, size())


def _write_columns(path: Path, written: Written, tracks: TrackTable, kinds: IntArray) -> None:
    left, top, right, bottom = tracks.boxes.T
    columns = {
        "frame": tracks.frames,
        "id": tracks.ids,
        "left": left,
        "top": top,
        "right": right,
        "bottom": bottom,
        "score": tracks.scores,
        "class": kinds,
    }
    if tracks.class_names:
        columns["class_name"] = np.array([tracks.class_names.get(kind, "") for kind in kinds.tolist()], np.str_)
    if path.suffix != f".{written}":
        raise InputError(f"{path}: expected a name that ends in .{written}")
    write_table(path, columns)


def _write_folder(folder: Path, tracks: TrackTable, kinds: IntArray, size: Size) -> None:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder}: is there and not an empty folder, expected a new one for labels")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for frame, rows in _frames(tracks):
            path = folder / f"{folder.name}_{frame:06}.txt"
            write_labels(path, size, tracks.ids[rows], tracks.boxes[rows], tracks.scores[rows], kinds[rows])
    except OSError as error:
        raise InputError(f"{folder}: cannot be written: {error.strerror or error}") from None


def _frames(tracks: TrackTable) -> Iterator[tuple[int, slice]]:
    frames, starts = np.unique(tracks.frames, return_index=True)
    stops = [*starts[1:].tolist(), len(tracks)]
    for frame, start, stop in zip(frames.tolist(), starts.tolist(), stops, strict=True):
        yield frame, slice(start, stop)
