"""The second pass over a finished result, whoever wrote it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from embedding.progress import Progress
from tracker.core.boxes import iou
from tracker.core.detections import Tracks
from tracker.core.state import NONE
from tracker.files.motchallenge import DetectionTable, TrackTable
from tracker.input.sequences import Sequence
from tracker.run.offline import TrackRecord
from tracker.run.pipeline import embed
from tracker.run.second_pass import SecondPass

if TYPE_CHECKING:
    from tracker.linking.explanation import Explanation, Place


def link_tracks(
    sequence: Sequence,
    tracks: TrackTable,
    name: str,
    descriptor: str,
    progress: Progress,
    picture: Path | None = None,
) -> tuple[TrackRecord, str]:
    """Anybody's tracks of a recording, linked; and a line about it.

    Args:
        tracks: of the sequence.
        name: of their file, for messages.
        descriptor: as a job's.
        picture: file to draw which pieces became one identity and why.

    Raises:
        InputError: the sequence has no frames to look at, or not those of the tracks; the picture cannot be written.
    """
    tracks = tracks.select(tracks.has_area)
    table = embed(sequence, name, descriptor, progress, DetectionTable(tracks.frames, tracks.boxes, tracks.scores))
    record, said, explanation = link_described(tracks, table, sequence.frame_rate or 30.0, picture is not None)
    if picture is not None:
        _draw(explanation, record, sequence, picture)
    return record, said


def link_described(
    tracks: TrackTable, table: DetectionTable, rate: float, explained: bool = False
) -> tuple[TrackRecord, str, Explanation]:
    """Anybody's tracks, linked; a line about it; and why, where it is asked for.

    Args:
        tracks: sorted by frame, boxes with area.
        table: the same boxes with features.
        rate: frames a second.
    """
    second_pass = SecondPass(-math.inf, rate, explained=explained)
    for frame in np.unique(tracks.frames).tolist():
        rows = slice(*np.searchsorted(tracks.frames, (frame, frame + 1)))
        here = table.at(frame)
        kinds = np.full(len(here), NONE) if tracks.class_ids is None else tracks.class_ids[rows]
        second_pass.add(frame, here, Tracks(tracks.ids[rows], here.boxes, here.scores, np.arange(len(here)), kinds))
    record, said = second_pass.finish()
    return record, said, second_pass.explanation


def _draw(explanation: Explanation, record: TrackRecord, sequence: Sequence, path: Path) -> None:
    from tracker.input.frames import open_frames
    from tracker.linking.picture import draw_explanation

    def identity_at(place: Place) -> int:
        """Of the row that has this box, which smoothing has moved a little; none where the piece was dropped."""
        here = record.at(place.frame)
        measured = here.detection != NONE
        overlap = iou(place.box[None], here.boxes[measured])[0]
        return int(here.ids[measured][overlap.argmax()]) if overlap.max(initial=0) > 0 else NONE

    assert sequence.frames is not None  # they were described
    with open_frames(sequence.frames) as frames:
        draw_explanation(explanation, frames, identity_at, sequence.frame_rate or 30.0, sequence.name, path)
