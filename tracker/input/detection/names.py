"""How detectors and the classes they look for are written.

`fastestdet[:CLASSES]`, `hog`, `torchvision:NAME[:CLASSES]`, `FILE.onnx[:CLASSES]`.

CLASSES are `all`, or numbers and names with commas between them: `:0,2`, `:person,car`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Literal

from tracker.errors import InputError
from tracker.input.detection.coco_names import COCO_NAMES

DETECTORS = "fastestdet, hog, torchvision:NAME or FILE.onnx"
DEFAULT = "fastestdet"  # which ships with us
CLASSES = r"(?::(?P<classes>[^:/\\]*))?"
FASTESTDET = re.compile("fastestdet" + CLASSES)
TORCHVISION = re.compile(r"torchvision:(?P<model>\w*)" + CLASSES)
ONNX = re.compile(r"(?P<file>.+\.onnx)" + CLASSES, re.IGNORECASE)

PERSON = 0  # in COCO's numbering of 80
MOST_SHOWN = 12  # names in a message

ClassIds = frozenset[int]
Wanted = frozenset[int | str] | Literal["all"] | None  # None: people where the network knows them, else all


def is_detector(name: str) -> bool:
    """Whether a name means a detector, known or not, rather than a file of detections."""
    begins = name == "hog" or name.startswith("torchvision:")
    return begins or any(known.fullmatch(name) is not None for known in (FASTESTDET, ONNX))


def with_classes(name: str, classes: str | None) -> str:
    """A detector's name with what `--classes` says behind it.

    Raises:
        InputError: it has classes already, or finds people alone.
    """
    if classes is None:
        return name
    if not any(known.fullmatch(name) for known in (FASTESTDET, TORCHVISION, ONNX)):
        raise InputError(f"--classes {classes}: detector {name!r} has none to choose from")
    if chooses_classes(name):
        raise InputError(f"--classes {classes}: {name} names classes too, expected one of both")
    return f"{name}:{classes}"


def chooses_classes(name: str) -> bool:
    """Whether a detector's name says which classes are wanted."""
    matches = (known.fullmatch(name) for known in (FASTESTDET, TORCHVISION, ONNX))
    return any(found is not None and found["classes"] is not None for found in matches)


def names_of_classes(names: Mapping[int, str], count: int | None) -> Mapping[int, str]:
    """The names a network gives its classes, or COCO's for one of 80 that names none; empty where nobody knows."""
    return names or (COCO_NAMES if count == len(COCO_NAMES) else {})


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
    known_names = names_of_classes(names, count) or ({PERSON: "person"} if count is None else {})
    if wanted is None:
        return _ids_called("person", known_names) or None
    ids: set[int] = set()
    for item in wanted:
        if isinstance(item, str):
            found = _ids_called(item, known_names)
            if not found:
                told = len(known_names) > 1
                known = f"one of {listed(known_names.values())}" if told else "a number: the file names no classes"
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
