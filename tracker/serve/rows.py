"""What is told of a track in a frame: one row, the same in Parquet and in JSON lines."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from tracker.core.detections import Tracks
from tracker.core.state import NONE

PIXELS, SCORES = 2, 4  # digits behind the point

# Column -> its type in Arrow's words; `times` are of the picture's arrival, in UTC.
COLUMNS = {
    "camera": "string",
    "time": "timestamp",
    "frame": "int64",
    "id": "int64",
    "left": "float64",
    "top": "float64",
    "right": "float64",
    "bottom": "float64",
    "score": "float64",
    "class": "int64",
    "class_name": "string",
    "seen": "bool",
}


def schema() -> Any:
    """The columns for pyarrow."""
    import pyarrow

    types = {
        "string": pyarrow.string(),
        "timestamp": pyarrow.timestamp("us", "UTC"),
        "int64": pyarrow.int64(),
        "float64": pyarrow.float64(),
        "bool": pyarrow.bool_(),
    }
    return pyarrow.schema([(name, types[kind]) for name, kind in COLUMNS.items()])


def utc(seconds: float) -> datetime:
    """A time of `time.time()` as a date and time."""
    return datetime.fromtimestamp(seconds, timezone.utc)


def lines_of(
    camera: str, seconds: float, frame: int, first_id: int, tracks: Tracks, class_names: Mapping[int, str]
) -> bytes:
    """One line of JSON a track, in the order of their identities.

    Args:
        seconds: when the picture came, as `time.time()` counts.
        frame: its number.
        first_id: is added to every identity.

    Example:
        >>> import numpy as np
        >>> one = np.array([0])
        >>> tracks = Tracks(one + 3, np.array([[1, 2, 3.456, 4]]), np.array([0.9]), one, one)
        >>> print(lines_of("door", 0.5, 7, 10, tracks, {0: "person"}).decode().strip())  # doctest: +ELLIPSIS
        {"camera":"door","time":"1970-01-01T00:00:00.500000Z","frame":7,"id":13,...,"right":3.46,...,"seen":true}
    """
    moment = utc(seconds).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    told = []
    for row in tracks.ids.argsort(kind="stable").tolist():
        left, top, right, bottom = (round(edge, PIXELS) for edge in tracks.boxes[row].tolist())
        kind = int(tracks.class_ids[row])
        values = (
            camera,
            moment,
            frame,
            int(tracks.ids[row]) + first_id,
            left,
            top,
            right,
            bottom,
            round(float(tracks.scores[row]), SCORES),
            kind,
            class_names.get(kind, ""),
            bool(tracks.detection[row] != NONE),
        )
        told.append(json.dumps(dict(zip(COLUMNS, values, strict=True)), separators=(",", ":")))
    return "".join(f"{line}\n" for line in told).encode()
