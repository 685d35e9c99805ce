"""The second pass over a finished result, whoever wrote it."""

from __future__ import annotations

import math

import numpy as np

from embedding.progress import Progress
from tracker.core.detections import Tracks
from tracker.core.state import NONE
from tracker.files.motchallenge import DetectionTable, TrackTable
from tracker.input.sequences import Sequence
from tracker.run.offline import TrackRecord
from tracker.run.pipeline import embed
from tracker.run.second_pass import SecondPass


def link_tracks(
    sequence: Sequence, tracks: TrackTable, name: str, descriptor: str, progress: Progress
) -> tuple[TrackRecord, str]:
    """Anybody's tracks of a recording, linked; and a line about it.

    Args:
        tracks: of the sequence.
        name: of their file, for messages.
        descriptor: as a job's.

    Raises:
        InputError: the sequence has no frames to look at, or not those of the tracks.
    """
    tracks = tracks.select(tracks.has_area)
    table = embed(sequence, name, descriptor, progress, DetectionTable(tracks.frames, tracks.boxes, tracks.scores))
    rate = sequence.frame_rate or 30.0
    second_pass = SecondPass(-math.inf, rate)
    for frame in np.unique(tracks.frames).tolist():
        rows = slice(*np.searchsorted(tracks.frames, (frame, frame + 1)))
        here = table.at(frame)
        kinds = np.full(len(here), NONE) if tracks.class_ids is None else tracks.class_ids[rows]
        second_pass.add(frame, here, Tracks(tracks.ids[rows], here.boxes, here.scores, np.arange(len(here)), kinds))
    return second_pass.finish()
