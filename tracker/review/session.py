"""One review: the table as it is now, the log behind it, and what is saved of it."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from embedding.files import atomic_path
from embedding.progress import say
from tracker.errors import InputError
from tracker.files.formats.kitti import is_kitti
from tracker.files.formats.writing import Written, format_of, write
from tracker.files.formats.yolo import Size
from tracker.files.tables import TrackTable
from tracker.review.corrections import Correction, Reviewed, apply, apply_all
from tracker.review.journal import (
    History,
    LogWriter,
    Redo,
    Undo,
    entry_of,
    header_of,
    history_of,
    read_log,
)

NAMES = ".names.json"


@dataclass(frozen=True)
class Target:
    """Where and how a corrected result is written.

    Attributes:
        path: the file.
        written: its format.
        size: width and height of the picture, for formats whose boxes are fractions of it.
    """

    path: Path
    written: Written
    size: Size

    @property
    def names(self) -> Path:
        """Where the names of identities go, for which no format has a place."""
        return self.path.with_suffix(NAMES)

    def write(self, reviewed: Reviewed) -> str:
        """Write result and names; a line about it.

        Raises:
            InputError: nothing can be written there.
        """
        tracks = reviewed.corrected()
        write(self.path, self.written, tracks, lambda: self.size)
        line = f"{len(tracks)} boxes of {len(np.unique(tracks.ids))} identities -> {self.path}"
        if reviewed.names:
            with atomic_path(self.names) as temporary:
                names = {str(one): name for one, name in reviewed.names.items()}
                text = json.dumps(names, indent=1, ensure_ascii=False)
                temporary.write_text(f"{text}\n", encoding="utf-8")
            return f"{line}; names, for which {self.written} has no place -> {self.names}"
        self.names.unlink(missing_ok=True)
        return line


def target_of(result: Path, out: Path | None, size: Size) -> Target:
    """Where a corrected result goes: RESULT.corrected beside it in its own format, or what `out` says.

    Raises:
        InputError: the end of `out` means no format, or labels of the YOLO family, a folder, are to be written.
    """
    path = out or (result.with_suffix("") if result.suffix == ".gz" else result)
    path = path if out else path.with_name(f"{path.stem}.corrected{path.suffix}")
    if result.is_dir() and out is None:
        path = result.with_name(f"{result.name}.corrected.txt")
        say(f"{result}: a folder of labels, saved as MOT text (`flatsort convert` makes labels of it) -> {path}")
    if path.suffix == "":
        raise InputError(f"{path}: a folder of labels cannot be saved again and again, expected .txt, .csv or .json")
    if path.suffix == ".txt" and result.is_file() and result.suffix != ".gz":
        with result.open("rb") as file:
            if is_kitti(file.read(4096).partition(b"\n")[0].decode("utf-8", "replace").strip()):
                return Target(path, "kitti", size)
    return Target(path, format_of(path), size)


def replayed(table: TrackTable, log: Path, result: Path) -> tuple[Reviewed, History]:
    """A table with the corrections of a log.

    Raises:
        InputError: the log is malformed or was made of another result.
    """
    header, entries, _ = read_log(log)
    expected = header_of(table, result, log, header.sequence)
    if (header.rows, header.digest) != (expected.rows, expected.digest):
        raise InputError(f"{log}: was made of {header.result} of {header.rows} boxes; {result} is another, or changed")
    history = history_of(log, entries)
    try:
        return apply_all(table, history.done), history
    except InputError as error:
        raise InputError(f"{log}: does not fit {result}: {error}") from None


class Session:
    """A table that is being corrected. Whatever is done is in the log before anybody is told that it is.

    Args:
        table: the result's.
        result: its file, not written to.
        log: where corrections go; a review that was ended goes on from what is there.
        target: where the corrected result is saved.
        sequence: name of the video's.

    Raises:
        InputError: the log is malformed, belongs to another result, or cannot be written.
    """

    def __init__(self, table: TrackTable, result: Path, log: Path, target: Target, sequence: str) -> None:
        self.table, self.log, self.target = table, log, target
        self.lock = threading.RLock()  # requests come in threads
        self.version = 0  # grows with everything that is said
        self.reviewed, self.history = Reviewed.of(table), History()
        whole = 0
        if log.exists() and log.stat().st_size:
            self.reviewed, self.history = replayed(table, log, result)
            whole = read_log(log)[2]
        self._writer = LogWriter(log, header_of(table, result, log, sequence), whole)
        self._saved: History | None = None if self.history.done else History()

    @property
    def is_saved(self) -> bool:
        """Whether the file holds what stands."""
        return self._saved is not None and self._saved.done == self.history.done

    def say(self, content: dict[str, Any]) -> str:
        """Do what a person says, `{"do": "merge", "keep": 3, "other": 7}`; a cut may leave its new number out.

        Returns:
            What was done, in words.

        Raises:
            InputError: it is nothing that can be done; nothing is, then.
        """
        with self.lock:
            if content.get("do") == "cut" and content.get("new") is None:
                content = {**content, "new": self.reviewed.unused}
            entry = entry_of(content)
            history = self.history.after(entry)
            if isinstance(entry, Undo | Redo):
                reviewed = apply_all(self.table, history.done)
                words = f"{entry.do}ne: {described(self.history.done[-1] if entry.do == 'undo' else history.done[-1])}"
            else:
                reviewed = apply(self.reviewed, entry)
                words = described(entry)
            self._writer.append(entry)
            self.reviewed, self.history = reviewed, history
            self.version += 1
            return words

    def save(self) -> str:
        """Write the corrected result; a line about it.

        Raises:
            InputError: it cannot be written.
        """
        with self.lock:
            line = self.target.write(self.reviewed)
            self._saved = self.history
            return line

    def close(self) -> None:
        """Let go of the log."""
        with self.lock:
            self._writer.close()


def described(correction: Correction) -> str:
    """A correction in words.

    Example:
        >>> from tracker.review.corrections import Cut
        >>> described(Cut(id=3, frame=120, new=12))
        'cut 3 at frame 120, from there on 12'
    """
    said = correction.model_dump()
    return {
        "merge": "merged {other} into {keep}",
        "cut": "cut {id} at frame {frame}, from there on {new}",
        "swap": "exchanged {one} and {other} from frame {frame} on",
        "delete": "deleted {id}",
        "renumber": "renumbered {id} to {to}",
        "name": "named {id} {name!r}",
        "different": "{one} and {other} are different people",
        "sound": "{id} is one person around frame {frame}",
    }[correction.do].format(**said)
