"""Jobs whose files lie on shared storage: brought here before, sent there afterwards.

A job says where its files are to be by places below `HERE`, which no process ever uses: each run makes a folder of its
own, and changes the job's paths from the one to the other.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields, replace
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

from embedding.progress import Progress, unseen
from tracker.files import storage
from tracker.input.sequences import HERE, Sequence
from tracker.run.job import Elsewhere, Job, Summary
from tracker.run.pipeline import run

Place = TypeVar("Place", Job, Sequence)

RESULTS = (".txt", ".csv", ".parquet", ".json")


def stand_in(out: str, sequence: Sequence, count: int) -> Path:
    """Where a result that belongs on shared storage is written first: NAME.txt in a folder, or the file it names."""
    named = PurePosixPath(out)
    return HERE / "out" / (named.name if count == 1 and named.suffix in RESULTS else f"{sequence.name}.txt")


def sent(job: Job, out: str | None) -> Job:
    """The job, and what of it lies on shared storage: its video, its detections, its result.

    Args:
        out: as `--out` says it.

    Raises:
        InputError: the package is missing that speaks to the storage.
    """
    fetched: list[tuple[str, Path]] = []
    if job.sequence.address is not None:
        assert isinstance(job.sequence.frames, Path)
        fetched.append((job.sequence.address, job.sequence.frames))
    detections = storage.as_path(job.detections)
    if storage.is_stored(detections):
        address = detections.replace("{seq}", job.sequence.name)
        place = HERE / "in" / "det" / PurePosixPath(address).name
        fetched.append((address, place))
        detections = str(place)
    folder, name = None, ""
    if out is not None and storage.is_stored(out):
        storage.require_client(out)
        assert job.out is not None
        name = job.out.name
        folder = out.rstrip("/") if PurePosixPath(out).name != name else out.rpartition("/")[0]
    if not fetched and folder is None:
        return replace(job, detections=detections)
    return replace(job, detections=detections, elsewhere=Elsewhere(tuple(fetched), folder, name))


@contextmanager
def at_hand(job: Job) -> Iterator[Job]:
    """The job with all its files here, in a folder that goes when the block ends.

    Raises:
        InputError: a file is not there.
        OSError: the storage does not answer.
    """
    if job.elsewhere is None:
        yield job
        return
    with tempfile.TemporaryDirectory(prefix="flatsort-") as folder:
        here = _moved(job, Path(folder))
        assert here.elsewhere is not None
        for address, path in here.elsewhere.fetched:
            storage.fetch(address, path)
        yield here


def send_result(here: Job) -> None:
    """Send the result of a job that is `at_hand` to where it belongs, behind what is kept beside it for later runs."""
    if here.elsewhere is None or here.elsewhere.folder is None or here.out is None:
        return
    beside = sorted(path for path in here.out.parent.iterdir() if path.is_file() and path.name[0] != ".")
    for path in (*(path for path in beside if path != here.out), here.out):
        storage.deliver(path, f"{here.elsewhere.folder}/{path.name}")


def run_at_hand(job: Job, progress: Progress = unseen) -> Summary:
    """`pipeline.run`, wherever the files are.

    Raises:
        InputError: as `run`.
        OSError: the storage does not answer.
    """
    with at_hand(job) as here:
        summary = run(here, progress)
        send_result(here)
    return replace(summary, out=result_of(job))


def result_of(job: Job) -> Path | str | None:
    """Where the result is in the end: a path, or an address."""
    if job.elsewhere is None or job.elsewhere.folder is None:
        return job.out
    return f"{job.elsewhere.folder}/{job.elsewhere.name}"


def result_exists(job: Job) -> bool:
    """Whether there is a result already."""
    result = result_of(job)
    return storage.exists(result) if isinstance(result, str) else result is not None and result.is_file()


def _moved(job: Job, folder: Path) -> Job:
    """The job with every path below `HERE` below another folder."""
    moved = replace(job, sequence=_with_places(job.sequence, folder), detections=_below(job.detections, folder))
    moved = _with_places(moved, folder)
    assert moved.elsewhere is not None
    fetched = tuple((address, Path(_below(str(path), folder))) for address, path in moved.elsewhere.fetched)
    return replace(moved, elsewhere=replace(moved.elsewhere, fetched=fetched))


def _with_places(one: Place, folder: Path) -> Place:
    """One value with its own paths changed."""
    changed: dict[str, Any] = {}
    for field in fields(one):
        value = getattr(one, field.name)
        if isinstance(value, Path):
            changed[field.name] = Path(_below(str(value), folder))
        elif isinstance(value, tuple) and any(isinstance(path, Path) for path in value):
            changed[field.name] = tuple(Path(_below(str(path), folder)) for path in value)
    return replace(one, **changed)


def _below(text: str, folder: Path) -> str:
    return str(folder / Path(text).relative_to(HERE)) if Path(text).is_relative_to(HERE) else text
