"""Hidden folders for what is large and not to be kept."""

from __future__ import annotations

import os
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from glob import escape
from pathlib import Path
from types import ModuleType

from embedding.files import ABANDONED, this_machine
from tracker.errors import InputError

fcntl: ModuleType | None
try:
    import fcntl
except ImportError:  # Windows: folders of killed runs stay there
    fcntl = None


@contextmanager
def hidden_folder(out: Path) -> Iterator[Path]:
    """A folder beside a file to be written, removed when the block ends. Those of killed runs are removed first.

    Its process holds it by a lock, which ends with the process; folders of other machines have an hour of grace, as
    some file systems keep locks to one machine.

    Raises:
        InputError: nothing can be written there.
    """
    folder = out.with_name(f".{out.stem}-{this_machine()}{secrets.token_hex(8)}")
    try:
        folder.mkdir(parents=True)
        _remove_abandoned(out, folder)
    except OSError as error:
        raise InputError(f"{out}: cannot be written: {error.strerror or error}") from error
    descriptor = None
    with suppress(OSError):  # a file system without locks
        descriptor = held(folder)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if descriptor is not None:
            os.close(descriptor)


def held(folder: Path) -> int | None:
    """The folder, open and locked until it is closed or the process ends; None where there are no locks.

    Raises:
        BlockingIOError: another process holds it.
    """
    if fcntl is None:
        return None
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _remove_abandoned(out: Path, own: Path) -> None:
    digits = "[0-9a-f]"
    for old in out.parent.glob(f".{escape(out.stem)}-{digits * 24}"):
        with suppress(OSError):
            ours = old.name.startswith(f".{out.stem}-{this_machine()}")
            if old == own or not (ours or time.time() - old.lstat().st_mtime > ABANDONED):
                continue
            descriptor = held(old)
            if descriptor is not None:
                shutil.rmtree(old, ignore_errors=True)
                os.close(descriptor)
