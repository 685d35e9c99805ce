"""Features of a sequence's detections by many descriptors: one pass over the frames, computed once and kept."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tools.paper.describe import describe_boxes, safe_name
from tracker.errors import InputError
from tracker.files.cache import kept_path
from tracker.files.motchallenge import DetectionTable, read_detections, write_detections_npy
from tracker.input.sequences import Sequence as Video

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
        folder: files are FOLDER/SEQUENCE.DESCRIPTOR-DIGEST.npy; a descriptor's name says which weights it has.

    Returns:
        label -> DeepSORT's .npy, for `with_features`.

    Raises:
        InputError: a frame is missing or cannot be read.
    """
    files = {label: _kept(video, table, folder, describer.name) for label, describer in describers.items()}
    missing = {label: describer for label, describer in describers.items() if not files[label].is_file()}
    if missing:
        for label, features in describe_boxes(video, table.frames, table.boxes, missing).items():
            _write(files[label], table, features)
    return files


def useless(video: Video, table: DetectionTable, folder: Path) -> dict[str, Path]:
    """The same for features that say nothing: one vector for everybody, and seeded noise."""
    shape = len(table), USELESS_DIMENSION
    noise = np.random.default_rng(SEED).normal(size=shape)
    found: dict[str, Path] = {}
    for label, features in zip(USELESS, (np.ones(shape), noise), strict=True):
        found[label] = _kept(video, table, folder, label)
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


def _write(path: Path, table: DetectionTable, features: Features) -> None:
    write_detections_npy(path, table.frames, table.boxes, table.scores, features)


def _kept(video: Video, table: DetectionTable, folder: Path, name: str) -> Path:
    """Where the features of a sequence's detections lie."""
    return kept_path(folder / f"{video.name}.txt", safe_name(name), ".npy", video.frames, table)
