"""What a tracker is shown, frame by frame: detections from a file or a detector, on the frames they belong to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from embedding.progress import say
from tracker.core.detections import Detections, Image, IntArray
from tracker.errors import InputError
from tracker.files.motchallenge import DetectionTable, read_detections
from tracker.input.detection.names import chosen_ids, wanted_classes, with_classes
from tracker.input.detection.tiles import Tiled
from tracker.input.frames import Frames, picture_size
from tracker.input.numbering import renumbered
from tracker.input.sequences import Sequence, find_detections
from tracker.run.clock import Clock

MAX_GAP = 1_000_000  # frames from one with a detection to the next: nine hours at 30 a second
LEAST_LOOKS = 5  # frames with detections, fewer may lie evenly by chance
MAX_LENGTH = 100_000_000  # frames that a sequence may say it has: 38 days; whoever writes it down means it

Observed = tuple[int, Image | None, Detections]  # frame_index, image, detections
Found = DetectionTable | Callable[[Image], Detections]  # read from a file, or found by a detector frame by frame


def find_source(
    sequence: Sequence, detections: str, strict: bool = False, classes: str | None = None, tiles: int = 1
) -> Found:
    """The detections of a file, or the detector of that name.

    Args:
        strict, classes, tiles: as a job's.

    Raises:
        InputError: there is neither, the file is malformed, or has detections in more frames than the sequence.
    """
    path = find_detections(detections, sequence)
    if path is None:
        from tracker.input.detectors import load_detector, looked_for

        detect = load_detector(with_classes(detections, classes))
        detect = Tiled(detect, tiles) if tiles > 1 else detect
        if shown := looked_for(detect):
            say(f"{sequence.name}: {detections} looks for {shown}")
        return detect
    if tiles > 1:
        raise InputError(f"--tiles {tiles}: {path} is no detector, which is what looks at parts of the picture")
    table = renumbered(read_detections(path, strict, lambda: picture_size(sequence)), sequence.frames)
    if classes is not None:
        table = of_classes(table, classes, path)
    require_within(sequence, table, path)
    return table


def of_classes(table: DetectionTable, classes: str, where: Path) -> DetectionTable:
    """The rows of some classes, by number, or by name where the file names them.

    Raises:
        InputError: the file has no classes, or none of that name.
    """
    if table.class_ids is None:
        raise InputError(f"--classes {classes}: {where} says no classes")
    kept = chosen_ids(wanted_classes(classes, str(where)), table.class_names, None, str(where))
    return table if kept is None else table.select(np.isin(table.class_ids, list(kept)))


def require_within(sequence: Sequence, table: DetectionTable, where: Path | str) -> None:
    """InputError where there are detections in frames that the sequence does not have."""
    if sequence.length is not None and table.last_frame > sequence.length:
        raise InputError(
            f"{where}: detections in frame {table.last_frame}, but {sequence.name} has {sequence.length} frames"
        )


def require_bounded(sequence: Sequence, table: DetectionTable, where: str) -> None:
    """InputError where frame numbers run away: every one up to the last is gone through, a slip would take days."""
    seen = np.unique(np.concatenate(([0], table.frames)))
    gaps = np.diff(seen)
    if len(gaps) and gaps.max() > MAX_GAP:
        before, after = seen[gaps.argmax()], seen[gaps.argmax() + 1]
        raise InputError(
            f"{where}: a detection in frame {after}, the one before is in {before}, "
            f"expected at most {MAX_GAP} frames between them"
        )
    if sequence.length is not None and sequence.length > MAX_LENGTH:
        raise InputError(f"{sequence.name}: has {sequence.length} frames, expected at most {MAX_LENGTH}")


def lacks_features(found: Found) -> bool:
    """Whether detections come, or may come, without features."""
    return not isinstance(found, DetectionTable) or (found.features is None and len(found) > 0)


def count_frames(sequence: Sequence, found: Found, frames: Frames | None) -> int | None:
    """How many frames will be observed; None for a camera or stream."""
    if frames is not None:
        return frames.length
    assert isinstance(found, DetectionTable)
    return max(sequence.length or 0, found.last_frame)


def looked_at(frames: IntArray) -> tuple[int, int]:
    """The frames that somebody looked at: every k-th from a first one on. (first, k); (1, 1) is every frame.

    A detector that is run on every fifth frame leaves rows in frames 1, 6, 11, ... The frames between do not show that
    everybody has gone.

    Example:
        >>> looked_at(np.array([2, 7, 7, 12, 22, 27]))
        (2, 5)
    """
    frames = np.unique(frames)
    steps = np.diff(frames)
    if len(frames) < LEAST_LOOKS or (stride := int(np.gcd.reduce(steps))) == 1 or np.median(steps) != stride:
        return 1, 1
    return int((frames[0] - 1) % stride) + 1, stride


def observe(
    sequence: Sequence, detections: str, found: Found, frames: Frames | None, clock: Clock
) -> Iterator[Observed]:
    """Each frame that was looked at with its detections; without frames, each number up to the last that is known of.

    Args:
        detections: what `found` is called in messages.

    Raises:
        InputError: there are detections in a frame that is missing: the two do not belong together.
    """
    if not isinstance(found, DetectionTable):
        assert frames is not None
        detect = clock.measured("detecting", found)
        yield from ((frame_index, image, detect(image)) for frame_index, image in frames)
        return
    first, stride = looked_at(found.frames)
    if frames is None:
        for frame_index in range(first, (count_frames(sequence, found, None) or 0) + 1, stride):
            yield frame_index, None, found.at(frame_index)
    else:
        last = 0
        for frame_index, image in frames:
            _require_empty(sequence, detections, found, last + 1, frame_index)
            if (frame_index - first) % stride == 0:
                yield frame_index, image, found.at(frame_index)
            last = frame_index
        _require_empty(sequence, detections, found, last + 1, found.last_frame + 1)


def _require_empty(sequence: Sequence, detections: str, table: DetectionTable, start: int, stop: int) -> None:
    """InputError where there are detections in frames from `start` up to `stop`, which are missing."""
    rows = slice(*np.searchsorted(table.frames, (start, stop)))
    if len(missing := table.frames[rows]):
        raise InputError(f"{sequence.frames}: frame {missing[0]} is missing, but {detections} has detections there")
