"""Many sequences in a word: a text file of them, a pattern of names, or a table that says more of each.

LIST.txt holds one sequence a line; empty lines and those that begin with # are none. MANIFEST.csv has a header and the
column `sequence` or `video`; `det`, the detections of that one; `name`, what it and its outputs are called. Further
columns are somebody else's: `flatsort link` reads `camera`, `start` and `place`. Patterns are the shell's, `**` too.
All of them may lie on shared storage.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path

from tracker.errors import InputError, shortened
from tracker.files import storage
from tracker.input.live.address import is_address

SOURCES = ("sequence", "video")
LISTS, MANIFESTS = (".txt", ".lst"), (".csv",)
MAGIC = frozenset("*?[")


@dataclass(frozen=True)
class Entry:
    """One sequence as a user names it.

    Attributes:
        spec: as for `--seq`.
        name: what it is called; None leaves that to the folder's or file's name.
        detections: as for `--det`; None where the list says nothing.
        columns: everything that a manifest says of it.
    """

    spec: str
    name: str | None = None
    detections: str | None = None
    columns: tuple[tuple[str, str], ...] = ()


def entries(spec: str, folders: list[Path]) -> list[Entry]:
    """What a word stands for: itself, unless it is a list, a manifest or a pattern.

    Args:
        spec: as for `--seq`.
        folders: where a pattern looks that finds nothing in the working folder.

    Raises:
        InputError: a pattern finds nothing, a list is empty, a manifest lacks a column.
    """
    spec = storage.as_path(spec)
    if is_address(spec) and not storage.is_stored(spec):
        return [Entry(spec)]
    suffix = Path(spec).suffix.lower()
    if MAGIC & set(spec) and not _is_there(spec) and not any((place / spec).exists() for place in (Path(), *folders)):
        return [Entry(found) for found in _matching(spec, folders)]
    if suffix in LISTS and _is_there(spec):
        return _listed(spec)
    if suffix in MANIFESTS and _is_there(spec):
        return read_manifest(spec)
    return [Entry(spec)]


def read_manifest(place: str) -> list[Entry]:
    """The rows of a manifest.

    Raises:
        InputError: it cannot be read, or lacks a column or a value.
    """
    reader = csv.DictReader(io.StringIO(_text(place)))
    names = [name.strip() for name in reader.fieldnames or ()]
    source = next((name for name in SOURCES if name in names), None)
    if source is None:
        raise InputError(f"{place}: no column {' or '.join(SOURCES)}, found {shortened(', '.join(names))}")
    found = []
    for number, row in enumerate(reader, start=2):
        if None in row:
            raise InputError(f"{place}, line {number}: more values than the header's {len(names)}")
        columns = {key.strip(): (value or "").strip() for key, value in row.items()}
        if not columns[source]:
            raise InputError(f"{place}, line {number}: {source} is empty, expected a sequence")
        name = columns.get("name") or None
        if name is not None and (Path(name).name != name or name in (".", "..")):
            raise InputError(f"{place}, line {number}: name is {name!r}, expected a plain file name")
        detections = columns.get("det") or None
        spec = _beside(place, columns[source])
        found.append(
            Entry(spec, name, None if detections is None else _beside(place, detections), tuple(columns.items()))
        )
    if not found:
        raise InputError(f"{place}: holds no sequence")
    return found


def _listed(place: str) -> list[Entry]:
    lines = (line.strip() for line in _text(place).splitlines())
    found = [Entry(_beside(place, line)) for line in lines if line and not line.startswith("#")]
    if not found:
        raise InputError(f"{place}: holds no sequence, expected one a line")
    return found


def _beside(place: str, text: str) -> str:
    """A file is looked for where its list lies first; other words mean what they mean anywhere."""
    text = storage.as_path(text)
    if is_address(text):
        return text
    if storage.is_stored(place):
        return f"{place.rpartition('/')[0]}/{text}" if Path(text).suffix and not Path(text).is_absolute() else text
    path = Path(place).parent / text.replace("{seq}", "*")
    return str(Path(place).parent / text) if path.exists() or any(path.parent.glob(path.name)) else text


def _matching(pattern: str, folders: list[Path]) -> list[str]:
    if storage.is_stored(pattern):
        found = storage.glob(pattern)
    else:
        anchor = Path(Path(pattern).anchor or ".")
        relative = str(Path(pattern).relative_to(anchor)) if Path(pattern).is_absolute() else pattern
        places = [anchor] if Path(pattern).is_absolute() else [Path(), *folders]
        found = next((some for place in places if (some := sorted(map(str, place.glob(relative))))), [])
    if not found:
        where = shortened(", ".join(map(str, folders)))
        raise InputError(f"{pattern}: no file or folder matches{f' here and in {where}' if where else ''}")
    return found


def _is_there(spec: str) -> bool:
    return storage.exists(spec) if storage.is_stored(spec) else Path(spec).is_file()


def _text(place: str) -> str:
    try:
        data = storage.read_bytes(place) if storage.is_stored(place) else Path(place).read_bytes()
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(f"{place}: is not text, expected one sequence a line or a table") from None
    except OSError as error:
        raise InputError(f"{place}: cannot be read: {error.strerror or shortened(error)}") from None
