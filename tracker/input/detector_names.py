"""How detectors and the classes they look for are written: `hog`, `torchvision:NAME[:CLASSES]`, `FILE.onnx[:CLASSES]`.

CLASSES are `all`, or numbers and names with commas between them: `:0,2`, `:person,car`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Literal

from tracker.errors import InputError

DETECTORS = "hog, torchvision:NAME or FILE.onnx"
CLASSES = r"(?::(?P<classes>[^:/\\]*))?"
TORCHVISION = re.compile(r"torchvision:(?P<model>\w*)" + CLASSES)
ONNX = re.compile(r"(?P<file>.+\.onnx)" + CLASSES, re.IGNORECASE)

COCO_CLASSES = 80  # of a network that names none, its classes are taken to be COCO's
PERSON = 0  # in COCO's numbering of 80
MOST_SHOWN = 12  # names in a message

ClassIds = frozenset[int]
Wanted = frozenset[int | str] | Literal["all"] | None  # None: people where the network knows them, else all


def is_detector(name: str) -> bool:
    """Whether a name means a detector, known or not, rather than a file of detections."""
    return name == "hog" or name.startswith("torchvision:") or ONNX.fullmatch(name) is not None


def wanted_classes(text: str | None, detector: str) -> Wanted:
    """What stands behind a detector's name, as numbers and names.

    Raises:
        InputError: nothing stands there, or nothing between two commas.
    """
    if text is None or text == "all":
        return None if text is None else "all"
    items = [item.strip() for item in text.split(",")]
    if not all(items):
        raise InputError(f"detector {detector!r}: classes {text!r}, expected all, or numbers and names as 0,2 or car")
    return frozenset(int(item) if re.fullmatch(r"[0-9]{1,9}", item) else item for item in items)


def chosen_ids(wanted: Wanted, names: Mapping[int, str], count: int | None, detector: str) -> ClassIds | None:
    """Ids of the classes to keep, None for all of them.

    Args:
        wanted: see `Wanted`; names are compared without regard to case.
        names: of the network's classes by id; empty where it names none.
        count: of its classes; None where that is not known.
        detector: for messages.

    Raises:
        InputError: the network has no such class.
    """
    if wanted == "all":
        return None
    known_names = names or ({PERSON: "person"} if count in (None, COCO_CLASSES) else {})
    if wanted is None:
        return _ids_called("person", known_names) or None
    ids: set[int] = set()
    for item in wanted:
        if isinstance(item, str):
            found = _ids_called(item, known_names)
            if not found:
                known = f"one of {listed(names.values())}" if names else "a number: the file names no classes"
                raise InputError(f"{detector}: class {item!r} is not known, expected {known}")
            ids |= found
        elif count is not None and item >= count:
            raise InputError(f"{detector}: class {item}, expected 0 to {count - 1}")
        else:
            ids.add(item)
    return frozenset(ids)


def _ids_called(name: str, names: Mapping[int, str]) -> ClassIds:
    return frozenset(class_id for class_id, other in names.items() if other.casefold() == name.casefold())


def listed(names: Iterable[str]) -> str:
    """The first of some names with commas between them, and how many more there are."""
    every = list(names)
    more = f" and {len(every) - MOST_SHOWN} more" if len(every) > MOST_SHOWN else ""
    return ", ".join(every[:MOST_SHOWN]) + more
