"""Detections as other libraries hand them over, told by what they have: none of those libraries is imported.

| what                        | known by                                                 |
| --------------------------- | -------------------------------------------------------- |
| `supervision.Detections`    | `xyxy`, `confidence`, `class_id`                         |
| Ultralytics' `Results`      | `boxes`, which have `xyxy`, `conf`, `cls`                |
| torchvision's dictionaries  | keys `boxes`, `scores`, `labels`; `features`, if any     |
| arrays [N, 4], [N, 5], [N, 6] | left, top, right, bottom, then the score, then the class |

Tensors are taken from whatever device they are on.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tracker.core.detections import Detections

KNOWN = "Detections, an array [N, 4 to 6], supervision's Detections, Ultralytics' Results or torchvision's dictionary"


def as_detections(found: Any) -> Detections:
    """What `Tracker.update` was given, as `Detections`.

    Raises:
        TypeError: it is none of what is known.
        ValueError: as of `Detections`.

    Example:
        >>> as_detections([[10, 20, 40, 100, 0.9]]).scores.tolist()
        [0.9]
    """
    if isinstance(found, Detections):
        return found
    if isinstance(found, Mapping):
        if "boxes" not in found:
            raise TypeError(f"detections: a dictionary with {', '.join(map(str, found))[:80]}, expected boxes in it")
        return Detections(*(_array(found.get(key)) for key in ("boxes", "scores", "features", "labels")))
    if hasattr(found, "xyxy"):
        kinds = found.class_id if hasattr(found, "class_id") else getattr(found, "cls", None)
        scores = found.confidence if hasattr(found, "confidence") else getattr(found, "conf", None)
        return Detections(_array(found.xyxy), _array(scores), None, _array(kinds))
    if hasattr(getattr(found, "boxes", None), "xyxy"):
        return as_detections(found.boxes)
    return _of_array(found)


def _of_array(found: Any) -> Detections:
    try:
        rows = np.asarray(_array(found), np.float64)
    except (TypeError, ValueError):
        raise TypeError(f"detections: found {type(found).__name__}, expected {KNOWN}") from None
    if rows.size == 0:
        return Detections(np.zeros((0, 4)))
    if rows.ndim != 2 or not 4 <= rows.shape[1] <= 6:
        raise TypeError(f"detections: found an array of shape {rows.shape}, expected {KNOWN}")
    scores, kinds = (rows[:, column] if rows.shape[1] > column else None for column in (4, 5))
    return Detections(rows[:, :4], scores, None, kinds)


def _array(value: Any) -> Any:
    """A tensor as an array; anything else as it is."""
    for step in ("detach", "cpu", "numpy"):
        if hasattr(value, step):
            value = getattr(value, step)()
    return value
