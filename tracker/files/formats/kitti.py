"""KITTI's tracking labels (Geiger et al., CVPR 2012): words and numbers with blanks between them, frames from 0.

A line is `frame track type truncated occluded alpha left top right bottom height width length x y z rotation [score]`;
what is about the third dimension is left aside. `DontCare` is what need not be found; it has no track.
"""

from __future__ import annotations

import numpy as np

from tracker.core.detections import FloatArray, IntArray
from tracker.errors import InputError
from tracker.files.tables import Rows

TYPES = ("Pedestrian", "Person_sitting", "Cyclist", "Car", "Van", "Truck", "Tram", "Misc")  # their numbers with us
FIELDS = 17  # without the score
EXPECTED = f"expected {FIELDS} or {FIELDS + 1} fields: frame, track, type, truncated, occluded, alpha, left, top, ..."


def is_kitti(line: str) -> bool:
    """Whether a line looks like one of KITTI's: a word in the third place, numbers before it."""
    fields = line.split()
    return len(fields) >= 10 and fields[2][:1].isalpha() and fields[0].isdecimal()


def read_kitti(text: str, path: str) -> Rows:
    """Rows of a label file, without `DontCare`.

    Raises:
        InputError: a line is malformed.
    """
    rows, kinds, numbers = [], [], []
    extra: dict[str, int] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        fields = line.split()
        if not fields:
            continue
        if len(fields) not in (FIELDS, FIELDS + 1):
            raise InputError(f"{path}, line {number}: {len(fields)} fields, {EXPECTED}")
        try:
            frame, track, left, top, right, bottom = (float(fields[place]) for place in (0, 1, 6, 7, 8, 9))
            score = float(fields[FIELDS]) if len(fields) > FIELDS else 1.0
        except ValueError:
            raise InputError(f"{path}, line {number}: {line[:40]!r}: a field is no number, {EXPECTED}") from None
        kind = fields[2]
        if kind == "DontCare":
            continue
        if kind not in TYPES and kind not in extra:
            extra[kind] = len(TYPES) + len(extra)
        rows.append((frame + 1, track, left, top, right - left, bottom - top, score))
        kinds.append(TYPES.index(kind) if kind in TYPES else extra[kind])
        numbers.append(number)
    names = dict(enumerate((*TYPES, *extra)))
    values = np.array(rows, float).reshape(-1, 7)
    return Rows(values, lambda row: f"{path}, line {numbers[row]}", None, np.array(kinds, np.int64), names)


def kitti_lines(
    frame: int, ids: IntArray, boxes: FloatArray, scores: FloatArray, kinds: IntArray, names: dict[int, str]
) -> str:
    """The tracks of one frame as KITTI's evaluation reads results; the third dimension is unknown."""
    unknown = "-1 -1 -10", "-1 -1 -1 -1000 -1000 -1000 -10"
    return "".join(
        f"{frame - 1} {track} {_type(names.get(kind, ''))} {unknown[0]} "
        f"{left:.4f} {top:.4f} {right:.4f} {bottom:.4f} {unknown[1]} {score:.4f}\n"
        for track, kind, (left, top, right, bottom), score in zip(
            ids.tolist(), kinds.tolist(), boxes.tolist(), scores.tolist(), strict=True
        )
    )


def _type(name: str) -> str:
    if name.casefold() in ("", "person"):
        return "Pedestrian"
    return next((known for known in TYPES if known.casefold() == name.casefold()), name.replace(" ", "_"))
