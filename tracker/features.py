"""Features for detections that come without: computed from the frames, kept beside the output."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from tracker.detections import Detections
from tracker.errors import InputError
from tracker.frames import Image
from tracker.motchallenge import DetectionTable, read_detections, write_detections_npy


class FeatureCache:
    """Describe detections once; later runs over the same detections read what was kept.

    The file is DeepSORT's .npy and can itself be given as `--det`. Its name holds a digest of the detections and of the
    descriptor, so that it is never mistaken for another's.

    Args:
        descriptor: name or weights file of the descriptor.
        detections: the file whose detections are described; None when a detector makes them (nothing is kept then).
        out: the result file that the features are kept beside.
    """

    def __init__(self, descriptor: str, detections: Path | None, out: Path) -> None:
        from embedding import Descriptor  # the other half of the project, met only here

        try:
            self._descriptor = Descriptor.load(descriptor)
        except ValueError as error:
            raise InputError(str(error)) from error
        self._parts: dict[int, np.ndarray] = {}
        self.path: Path | None = None
        if detections is not None and (out.is_file() or not out.exists()):  # not beside /dev/null
            digest = hashlib.sha1(detections.read_bytes() + self._descriptor.name.encode()).hexdigest()[:12]
            name = self._descriptor.name.removeprefix(f"{out.stem}.")  # which an adapted descriptor's begins with
            self.path = out.with_name(f"{out.stem}.{name}-{digest}.npy")

    @property
    def is_needed(self) -> bool:
        """Whether anything has to be computed."""
        return self.path is None or not self.path.is_file()

    def complete(self, table: DetectionTable) -> DetectionTable:
        """The detections with the features kept from an earlier run, or unchanged where there are none."""
        if self.is_needed:
            return table
        assert self.path is not None
        kept = read_detections(self.path)
        if len(kept) != len(table) or kept.features is None:
            raise InputError(f"{self.path}: does not belong to these detections; remove it and run again")
        return DetectionTable(table.frames, table.boxes, table.scores, kept.features, table.class_ids)

    def describe(self, frame_index: int, image: Image, detections: Detections) -> Detections:
        """The detections of one frame with features."""
        features = self._descriptor(image, detections.boxes)
        if self.path is not None:
            self._parts[frame_index] = features
        return Detections(detections.boxes, detections.scores, features, detections.class_ids)

    def save(self, table: DetectionTable) -> None:
        """Keep what was computed, if it covers every detection of the table."""
        if self.path is None or not self._parts or sum(map(len, self._parts.values())) != len(table):
            return
        features = np.concatenate([self._parts[frame] for frame in sorted(self._parts)])
        write_detections_npy(self.path, table.frames, table.boxes, table.scores, features)
