"""Beside the results, a hidden folder for what one task leaves for another: each file whole or absent."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from embedding.files import atomic_path
from tracker.files import storage
from tracker.run.job import Job

FOLDER = ".batch"


class Shelf:
    """The shelf of a job, on the file system or on shared storage."""

    def __init__(self, job: Job) -> None:
        assert job.out is not None
        self._folder = job.out.parent / FOLDER
        elsewhere = None if job.elsewhere is None else job.elsewhere.folder
        self._address = None if elsewhere is None else f"{elsewhere}/{FOLDER}"

    def has(self, name: str) -> bool:
        """Whether a file is there."""
        return (self._folder / name).is_file() if self._address is None else storage.exists(f"{self._address}/{name}")

    def read(self, name: str) -> bytes:
        """What a file holds.

        Raises:
            InputError, OSError: it cannot be read.
        """
        if self._address is None:
            return (self._folder / name).read_bytes()
        return storage.read_bytes(f"{self._address}/{name}")

    @contextmanager
    def writing(self, name: str) -> Iterator[Path]:
        """A path to write to; the file is there when the block ends."""
        if self._address is None:
            with atomic_path(self._folder / name) as temporary:
                yield temporary
            return
        with tempfile.TemporaryDirectory(prefix="flatsort-") as folder:
            yield Path(folder) / name
            storage.deliver(Path(folder) / name, f"{self._address}/{name}")

    def drop(self, name: str) -> None:
        """Delete a file, if it is there."""
        if self._address is None:
            (self._folder / name).unlink(missing_ok=True)
        else:
            storage.remove(f"{self._address}/{name}")
