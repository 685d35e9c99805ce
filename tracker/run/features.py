"""Features for detections that come without: computed from the frames, kept beside the output."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np

from tracker.core.detections import Detections, FloatArray, Image
from tracker.errors import InputError
from tracker.files.motchallenge import DetectionTable, read_detections, write_detections_npy

Observed = tuple[int, Image | None, Detections]  # frame_index, image, detections

BATCH = 16  # crops that a network takes together; more gain nothing on a CPU
MOST_FRAMES = 8  # that wait for a batch to be full: 50 MB at 1920x1080


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
        """The detections with the features kept from an earlier run."""
        assert self.path is not None
        kept = read_detections(self.path)
        if len(kept) != len(table) or kept.features is None:
            raise InputError(f"{self.path}: does not belong to these detections; remove it and run again")
        return DetectionTable(table.frames, table.boxes, table.scores, kept.features, table.class_ids)

    def describe_boxes(self, image: Image, boxes: FloatArray) -> np.ndarray:
        """Features [N, D] of boxes [N, 4], here and now; nothing is kept."""
        return self._descriptor(image, boxes)

    def describe(self, frames: Iterable[Observed], batch: int = BATCH, workers: int = 1) -> Iterator[Observed]:
        """The detections of each frame with features, those of several frames at once where they are few.

        Args:
            frames: with images, and without features.
            batch: crops to wait for; 1 delays no frame.
            workers: batches described side by side.
        """
        with ThreadPoolExecutor(workers, "describe") as pool:
            waiting: deque[Future[list[Observed]]] = deque()
            for group in _groups(frames, batch):
                waiting.append(pool.submit(self._describe_together, group))
                if len(waiting) == workers:
                    yield from waiting.popleft().result()
            for described in waiting:
                yield from described.result()

    def _describe_together(self, frames: list[Observed]) -> list[Observed]:
        images = [image for _, image, _ in frames if image is not None]
        features = self._descriptor.describe_frames(images, [detections.boxes for *_, detections in frames])
        if self.path is not None:
            self._parts.update(zip((frame_index for frame_index, *_ in frames), features, strict=True))
        return [
            (frame_index, image, Detections(found.boxes, found.scores, of_frame, found.class_ids))
            for (frame_index, image, found), of_frame in zip(frames, features, strict=True)
        ]

    def save(self, table: DetectionTable) -> None:
        """Keep what was computed, if it covers every detection of the table."""
        if self.path is None or not self._parts or sum(map(len, self._parts.values())) != len(table):
            return
        features = np.concatenate([self._parts[frame] for frame in sorted(self._parts)])
        write_detections_npy(self.path, table.frames, table.boxes, table.scores, features)


def _groups(frames: Iterable[Observed], batch: int) -> Iterator[list[Observed]]:
    """Frames that together hold at least `batch` boxes, but never more than `MOST_FRAMES` of them."""
    group: list[Observed] = []
    most = 1 if batch == 1 else MOST_FRAMES
    for observed in frames:
        group.append(observed)
        if len(group) == most or sum(len(detections) for *_, detections in group) >= batch:
            yield group
            group = []
    if group:
        yield group
