"""Features of a sequence's detections by many descriptors: one pass over the frames, computed once and kept."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tracker.errors import InputError
from tracker.files.motchallenge import DetectionTable, read_detections, write_detections_npy
from tracker.input.frames import open_frames
from tracker.input.sequences import Sequence as Video
from tracker.run.parallel import progress_of

if TYPE_CHECKING:
    from embedding.descriptors.base import DescribesBoxes

Features = NDArray[np.float32]

USELESS = ("constant", "random")  # descriptors that say nothing
USELESS_DIMENSION = 128  # as the others have
SEED = 0


def described(
    video: Video, table: DetectionTable, describers: Mapping[str, DescribesBoxes], folder: Path
) -> dict[str, Path]:
    """Files of a sequence's detections with each descriptor's features, from an earlier run or written now.

    Args:
        video: the sequence.
        table: its detections.
        describers: label -> descriptor; what is missing is computed in one pass over the frames.
        folder: files are FOLDER/SEQUENCE.DESCRIPTOR-DIGEST.npy; the digest is that of the detections, and the
            descriptor's name says which weights it has.

    Returns:
        label -> DeepSORT's .npy, for `with_features`.

    Raises:
        InputError: a frame is missing or cannot be read.
    """
    names = {label: describer.name for label, describer in describers.items()}
    files = {label: folder / f"{video.name}.{safe_name(name)}-{_digest(table)}.npy" for label, name in names.items()}
    missing = {label: describer for label, describer in describers.items() if not files[label].is_file()}
    if missing:
        for label, features in _describe_frames(video, table, missing).items():
            _write(files[label], table, features)
    return files


def useless(video: Video, table: DetectionTable, folder: Path) -> dict[str, Path]:
    """The same for features that say nothing: one vector for everybody, and seeded noise."""
    shape = len(table), USELESS_DIMENSION
    noise = np.random.default_rng(SEED).normal(size=shape)
    found: dict[str, Path] = {}
    for label, features in zip(USELESS, (np.ones(shape), noise), strict=True):
        found[label] = folder / f"{video.name}.{label}-{_digest(table)}.npy"
        if not found[label].is_file():
            _write(found[label], table, features.astype(np.float32))
    return found


def with_features(table: DetectionTable, path: Path | None) -> DetectionTable:
    """The same detections with the features of a file of `described`; without any if there is no file.

    Raises:
        InputError: the file is not readable, or not one of these detections.
    """
    features = None
    if path is not None:
        features = read_detections(path).features
        if features is None or len(features) != len(table):
            raise InputError(f"{path}: does not belong to these detections; remove it and run again")
    return DetectionTable(table.frames, table.boxes, table.scores, features, table.class_ids)


def safe_name(label: str) -> str:
    """A label as part of a file's name."""
    return re.sub(r"[^\w.+-]+", "_", label)


def _write(path: Path, table: DetectionTable, features: Features) -> None:
    write_detections_npy(path, table.frames, table.boxes, table.scores, features)


def _digest(table: DetectionTable) -> str:
    """Twelve characters that differ between detections."""
    digest = hashlib.sha1(usedforsecurity=False)
    for column in (table.frames, table.boxes, table.scores):
        digest.update(np.ascontiguousarray(column).tobytes())
    return digest.hexdigest()[:12]


def _describe_frames(
    video: Video, table: DetectionTable, describers: Mapping[str, DescribesBoxes]
) -> dict[str, Features]:
    """All descriptors over the frames at once: decoding is a good part of the work."""
    assert video.frames is not None
    parts = {label: [np.zeros((0, describer.dimension), np.float32)] for label, describer in describers.items()}
    seen = []
    with open_frames(video.frames) as source, progress_of(f"{video.name}, describing") as progress:
        for frame, image in source:
            seen.append(frame)
            boxes = table.at(frame).boxes
            for label, describer in describers.items() if len(boxes) else ():
                parts[label].append(describer(image, boxes))
            progress(frame, source.length)
    absent = np.setdiff1d(table.frames, seen)
    if len(absent):
        raise InputError(f"{video.frames}: frame {absent[0]} is missing, but there are detections in it")
    return {label: np.concatenate(arrays) for label, arrays in parts.items()}
