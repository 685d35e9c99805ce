"""No output may destroy what a run reads, or another output: paths compared as files."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from pathlib import Path

from embedding.files import require_writable
from tracker.errors import InputError

Named = tuple[str, Path]  # what a file is in messages, such as `--out`, and where it is


def require_apart(outputs: Iterable[Named], inputs: Iterable[Named] = ()) -> None:
    """Raise where an output is an input or another output, or cannot be written at all.

    Links are followed, and two names of one file are one file. Devices and pipes, as which nothing is lost, may be
    named as often as one likes. A folder among the inputs is not an output's to overwrite, but may hold it.

    Raises:
        InputError: naming both.
    """
    taken: dict[object, tuple[str, str]] = {}
    for kind, (name, path) in [*(("input", one) for one in inputs), *(("output", one) for one in outputs)]:
        for key in _keys(path):
            before, what = taken.setdefault(key, (kind, name))
            if kind == "output" and (before == "input" or what != name):
                other = f"{what}, which is read" if before == "input" else f"{what}'s file too"
                raise InputError(f"{name} {path}: is {other}; expected a file of its own")
        if kind == "output":
            require_writable(path, f"{name} {path}")


def _keys(path: Path) -> list[object]:
    """What two names of one file share: the path behind all links, and the file itself where there is one."""
    try:
        found = path.stat()
    except (OSError, ValueError):
        return [os.path.realpath(path)]
    if not (stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode)):
        return []
    return [os.path.realpath(path), (found.st_dev, found.st_ino)]
