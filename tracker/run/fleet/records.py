"""What is kept of every finished video: a row of a table, account and tracks; all rows together are the batch's table.

A row is a file of its own on the shelf, written behind the result: whoever finds it knows that the video is done.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embedding.files import atomic_path
from tracker.core.boxes import xyxy_to_tlwh
from tracker.files.motchallenge import read_tracks
from tracker.run.account import Account
from tracker.run.fleet.shelf import Shelf
from tracker.run.job import Job, Summary

if TYPE_CHECKING:
    import pyarrow

TABLE = "batch.parquet"
DONE, FAILED = "done", "failed"
TRACK = ("frame", "id", "left", "top", "width", "height", "score")


@dataclass(frozen=True)
class Record:
    """A video that is done.

    Attributes:
        batch: the run that did it.
    """

    summary: Summary
    batch: str


def record_name(job: Job) -> str:
    """Name of its file on the shelf."""
    return f"{job.sequence.name}.parquet"


def write_record(job: Job, result: Path, summary: Summary, batch: str) -> None:
    """Keep what came of a job, with the tracks of its result."""
    import pyarrow.parquet

    tracks = read_tracks(result)
    columns = (tracks.frames, tracks.ids, *xyxy_to_tlwh(tracks.boxes).T, tracks.scores)
    rows = pyarrow.StructArray.from_arrays([pyarrow.array(column) for column in columns], names=list(TRACK))
    told = {**asdict(summary), "out": None, "batch": batch}
    row = _row(job, summary, DONE) | {"told": [json.dumps(told)]}
    table = pyarrow.table(row, schema=_schema(False))
    whole = pyarrow.ListArray.from_arrays(pyarrow.array([0, len(tracks)], pyarrow.int32()), rows)
    with Shelf(job).writing(record_name(job)) as path:
        pyarrow.parquet.write_table(table.append_column("tracks", whole), path)


def read_record(job: Job) -> Record | None:
    """What `write_record` has kept of a job, but for where its result is; None where there is nothing."""
    import pyarrow
    import pyarrow.parquet

    shelf = Shelf(job)
    if not shelf.has(record_name(job)):
        return None
    row = pyarrow.BufferReader(shelf.read(record_name(job)))
    told = json.loads(pyarrow.parquet.read_table(row, columns=["told"])["told"][0].as_py())
    batch, account = told.pop("batch"), Account(**told.pop("account"))
    unwritten = tuple(told.pop("unwritten"))
    return Record(Summary(account=account, unwritten=unwritten, **told), batch)


def collect(
    path: Path, finished: Iterable[tuple[Job, list[str]]], failed: Iterable[tuple[Job, str, list[str]]]
) -> None:
    """Write one table of all videos, a row each, whole or not at all.

    Args:
        path: the table.
        finished: videos, and why tasks of theirs were done again.
        failed: videos, why there is no result, and as above.
    """
    import pyarrow
    import pyarrow.parquet

    with atomic_path(path) as temporary, pyarrow.parquet.ParquetWriter(temporary, _schema(True)) as table:
        for job, retries in finished:
            row = pyarrow.BufferReader(Shelf(job).read(record_name(job)))
            table.write_table(_completed(pyarrow.parquet.read_table(row).drop_columns("told"), "", retries))
        for job, error, retries in failed:
            empty = pyarrow.table(_row(job, None, FAILED), schema=_schema(False, told=False))
            tracks = pyarrow.nulls(1, _schema(True).field("tracks").type)
            table.write_table(_completed(empty.append_column("tracks", tracks), error, retries))


def _completed(table: pyarrow.Table, error: str, retries: list[str]) -> pyarrow.Table:
    import pyarrow

    texts = pyarrow.list_(pyarrow.string())
    table = table.append_column("error", pyarrow.array([error or None], pyarrow.string()))
    table = table.append_column("retries", pyarrow.array([retries], texts))
    return table.select(_schema(True).names).cast(_schema(True))


def _row(job: Job, summary: Summary | None, status: str) -> dict[str, list[Any]]:
    """The columns of one video, without its tracks."""
    sequence = job.sequence
    account: Mapping[str, Any] = {} if summary is None else asdict(summary.account)
    found = account.get("detections", {})
    return {
        "name": [sequence.name],
        "source": [sequence.address or str(sequence.frames or sequence.folder)],
        "status": [status],
        "out": [None if summary is None else str(summary.out)],
        "frames": [account.get("frames")],
        "identities": [account.get("tracks")],
        "detections_read": [found.get("read")],
        "detections_used": [found.get("used")],
        "doubts": [account.get("doubts")],
        "seconds": [None if summary is None else summary.seconds],
        "account": [json.dumps(account) if account else None],
    }


def _schema(is_whole: bool, told: bool = True) -> pyarrow.Schema:
    """The columns of the batch's table; of a row's file, those before its tracks."""
    import pyarrow

    text, number, texts = pyarrow.string(), pyarrow.int64(), pyarrow.list_(pyarrow.string())
    fields = [
        ("name", text), ("source", text), ("status", text), ("out", text), ("frames", number), ("identities", number),
        ("detections_read", number), ("detections_used", number), ("doubts", texts), ("seconds", pyarrow.float64()),
        ("account", text),
    ]  # fmt: skip
    if not is_whole:
        return pyarrow.schema([*fields, ("told", text)] if told else fields)
    kinds = [pyarrow.int64()] * 2 + [pyarrow.float64()] * 5
    track = pyarrow.struct(list(zip(TRACK, kinds, strict=True)))
    return pyarrow.schema([*fields, ("error", text), ("retries", texts), ("tracks", pyarrow.list_(track))])
