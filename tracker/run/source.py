"""What a tracker is shown, frame by frame: detections from a file or a detector, on the frames they belong to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from tracker.core.detections import Detections
from tracker.errors import InputError
from tracker.files.motchallenge import DetectionTable, read_detections
from tracker.input.frames import Frames, Image
from tracker.input.sequences import Sequence, find_detections
from tracker.run.clock import Clock

Observed = tuple[int, Image | None, Detections]  # frame_index, image, detections
Found = DetectionTable | Callable[[Image], Detections]  # read from a file, or found by a detector frame by frame


def find_source(sequence: Sequence, detections: str) -> Found:
    """The detections of a file, or the detector of that name.

    Raises:
        InputError: there is neither, the file is malformed, or has detections in more frames than the sequence.
    """
    path = find_detections(detections, sequence)
    if path is None:
        from tracker.input.detectors import load_detector

        return load_detector(detections)
    table = read_detections(path)
    require_within(sequence, table, path)
    return table


def require_within(sequence: Sequence, table: DetectionTable, where: Path | str) -> None:
    """InputError where there are detections in frames that the sequence does not have."""
    if sequence.length is not None and table.last_frame > sequence.length:
        raise InputError(
            f"{where}: detections in frame {table.last_frame}, but {sequence.name} has {sequence.length} frames"
        )


def lacks_features(found: Found) -> bool:
    """Whether detections come, or may come, without features."""
    return not isinstance(found, DetectionTable) or (found.features is None and len(found) > 0)


def count_frames(sequence: Sequence, found: Found, frames: Frames | None) -> int | None:
    """How many frames will be observed; None for a camera or stream."""
    if frames is not None:
        return frames.length
    assert isinstance(found, DetectionTable)
    return max(sequence.length or 0, found.last_frame)


def observe(
    sequence: Sequence, detections: str, found: Found, frames: Frames | None, clock: Clock
) -> Iterator[Observed]:
    """Each frame with its detections; without frames, each number up to the last that is known of.

    Args:
        detections: what `found` is called in messages.

    Raises:
        InputError: there are detections in a frame that is missing: the two do not belong together.
    """
    if not isinstance(found, DetectionTable):
        assert frames is not None
        detect = clock.measured("detecting", found)
        yield from ((frame_index, image, detect(image)) for frame_index, image in frames)
    elif frames is None:
        for frame_index in range(1, (count_frames(sequence, found, None) or 0) + 1):
            yield frame_index, None, found.at(frame_index)
    else:
        last = 0
        for frame_index, image in frames:
            _require_empty(sequence, detections, found, last + 1, frame_index)
            yield frame_index, image, found.at(frame_index)
            last = frame_index
        _require_empty(sequence, detections, found, last + 1, found.last_frame + 1)


def _require_empty(sequence: Sequence, detections: str, table: DetectionTable, start: int, stop: int) -> None:
    """InputError where there are detections in frames from `start` up to `stop`, which are missing."""
    rows = slice(*np.searchsorted(table.frames, (start, stop)))
    if len(missing := table.frames[rows]):
        raise InputError(f"{sequence.frames}: frame {missing[0]} is missing, but {detections} has detections there")
