"""What `flatsort adapt` learns from logs of corrections: identities that a person has put together."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from tracker.errors import InputError
from tracker.files.motchallenge import TrackTable, read_tracks
from tracker.review.corrections import REMOVED, Reviewed
from tracker.review.journal import read_log
from tracker.review.session import replayed


def read_lessons(logs: Iterable[Path]) -> dict[str, TrackTable]:
    """By the name of each log's sequence, the tracks of all whom a person said to be one.

    A log's result is looked for where the log says, from its own folder.

    Raises:
        InputError: a log or its result cannot be read or do not belong together, or two logs are of one sequence.
    """
    found: dict[str, TrackTable] = {}
    for log in logs:
        header = read_log(log)[0]
        if header.sequence in found:
            raise InputError(f"{log}: a second log of {header.sequence}, expected one of each sequence")
        result = log.parent / header.result
        found[header.sequence] = judged_tracks(replayed(read_tracks(result), log, result)[0])
    return found


def judged_tracks(reviewed: Reviewed) -> TrackTable:
    """The corrected tracks of those whom a person put together or found to be one; not what the tracker alone says."""
    ids = reviewed.ids
    judged = {int(ids[one]) for one, other in reviewed.joined if ids[one] == ids[other] != REMOVED}
    tracks = reviewed.corrected()
    return tracks.select(np.isin(tracks.ids, sorted(judged)))
