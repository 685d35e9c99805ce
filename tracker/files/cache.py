"""What is kept beside a result for the next run, under a name that says what it was computed from."""

from __future__ import annotations

from pathlib import Path

from embedding.files import digest
from tracker.errors import InputError
from tracker.files.motchallenge import DetectionTable


def kept_path(out: Path, label: str, suffix: str, *parts: object) -> Path:
    """OUT.LABEL-DIGEST.SUFFIX: a place beside a result file that no other footage, boxes or settings share.

    Args:
        out: the result file.
        label: what is kept, such as a descriptor's name.
        parts: what it is computed from: the frames (a file or a folder of images), tables of detections, settings.

    Raises:
        InputError: the frames cannot be read.
    """
    try:
        key = digest(*map(_told_apart, parts))
    except OSError as error:
        raise InputError(f"{error.filename}: cannot be read: {error.strerror or error}") from None
    name = label.removeprefix(f"{out.stem}.")  # an adapted descriptor's name begins with it
    return out.with_name(f"{out.stem}.{name}-{key}{suffix}")


def _told_apart(part: object) -> object:
    """Of footage every byte, as frames replaced in place keep their names; of detections what is described."""
    if isinstance(part, Path) and part.is_dir():
        return [(file.name, file) for file in sorted(part.iterdir()) if file.is_file()]
    if isinstance(part, DetectionTable):
        return part.frames, part.boxes, part.scores
    return part
