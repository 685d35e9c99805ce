"""What is kept beside a result for the next run, under a name that says what it was computed from."""

from __future__ import annotations

import hashlib
from pathlib import Path

from tracker.errors import InputError
from tracker.files.motchallenge import DetectionTable

BLOCK = 1 << 20  # bytes read at a time


def kept_path(out: Path, label: str, suffix: str, *parts: object) -> Path:
    """OUT.LABEL-DIGEST.SUFFIX: a place beside a result file that no other footage, boxes or settings share.

    Args:
        out: the result file.
        label: what is kept, such as a descriptor's name.
        parts: what it is computed from: the frames (a file or a folder of images), tables of detections, and settings
            whose `repr` tells them apart.

    Raises:
        InputError: the frames cannot be read.
    """
    digest = hashlib.sha1()
    for part in parts:
        if isinstance(part, Path):
            _add_footage(digest, part)
        elif isinstance(part, DetectionTable):
            for column in (part.frames, part.boxes, part.scores):
                digest.update(column.tobytes())
        else:
            digest.update(repr(part).encode())
    name = label.removeprefix(f"{out.stem}.")  # an adapted descriptor's name begins with it
    return out.with_name(f"{out.stem}.{name}-{digest.hexdigest()[:12]}{suffix}")


def _add_footage(digest: hashlib._Hash, path: Path) -> None:
    """Every byte: frames that were replaced in place have their old names. It takes a hundredth of decoding them."""
    try:
        for file in sorted(path.iterdir()) if path.is_dir() else [path]:
            if path.is_dir():
                digest.update(file.name.encode(errors="surrogateescape"))
            if file.is_file():
                with file.open("rb") as content:
                    while block := content.read(BLOCK):
                        digest.update(block)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from None
