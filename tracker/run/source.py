"""What a tracker is shown, frame by frame: detections from a file or a detector, features where they are missing.

Decoding, describing and tracking overlap: each runs ahead of the next one in a thread of its own.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tracker.core.detections import Detections, FloatArray, Image
from tracker.errors import InputError
from tracker.files.motchallenge import DetectionTable, read_detections
from tracker.input.ahead import Ahead
from tracker.input.frames import Frames, open_frames
from tracker.input.sequences import find_detections
from tracker.run.features import BATCH, FeatureCache, Observed

if TYPE_CHECKING:
    import numpy as np

    from tracker.run.pipeline import Job

DESCRIBED_AHEAD = 8  # frames with features that wait at most: 50 MB at 1920x1080


class ObservationSource:
    """The frames of a job with their detections and, where the preset needs them, features.

    Frames are opened only when something needs them.

    Args:
        job: what to look at.
        table: the job's detections where somebody has read or made them already.
    """

    def __init__(self, job: Job, table: DetectionTable | None = None) -> None:
        self.job = job
        self.table = table
        self._detect: Callable[[Image], Detections] | None = None
        self._features: FeatureCache | None = None
        self._described: Ahead[Observed] | None = None
        path = None if table is not None else find_detections(job.detections, job.sequence)
        if table is not None:
            self._check_length(table, job.detections)
        elif path is None:
            from tracker.input.detectors import load_detector

            self._detect = load_detector(job.detections)
        else:
            self.table = read_detections(path)
            self._check_length(self.table, path)
        descriptor = job.descriptor if job.adapt_minutes is None else self._adapt(job.adapt_minutes)
        lacks_features = self.table is None or (self.table.features is None and len(self.table) > 0)
        if job.config.needs_features and lacks_features and job.descriptor != "none":
            self._require_frames(f"{job.detections} has no features; --descriptor none tracks by motion alone")
            cache = FeatureCache(descriptor, path, job.out)
            if self.table is not None and not cache.is_needed:
                self.table = cache.complete(self.table)
            else:
                self._features = cache
        self.frames = self._open_frames()
        draws = job.video is not None or job.sheet is not None or job.show
        if job.is_offline and draws and self.length is None:
            raise InputError(f"{job.sequence.name}: --smooth and --interpolate draw in a second pass, a stream has one")

    def _adapt(self, minutes: float) -> str:
        """The descriptor fitted to the detections, for which a detector must have seen every frame."""
        from tracker.footage.adapt import ShareLines, adapted_spec, told
        from tracker.footage.crops import detect_all

        if self.table is None:
            assert self._detect is not None
            self.table, self._detect = detect_all(self.job.sequence, self._detect, told(ShareLines())), None
        elif self.table.features is not None:
            raise InputError(f"{self.job.detections}: has features, with which --adapt has nothing to do")
        job = self.job
        return adapted_spec(job.sequence, self.table, job.descriptor, job.out, minutes)

    def _check_length(self, table: DetectionTable, path: Path | str) -> None:
        length = self.job.sequence.length
        if length is not None and table.last_frame > length:
            raise InputError(
                f"{path}: detections in frame {table.last_frame}, but {self.job.sequence.name} has {length} frames"
            )

    def _require_frames(self, why: str) -> None:
        if self.job.sequence.frames is None:
            raise InputError(f"{self.job.sequence.name}: frames are needed, but the sequence has none ({why})")

    def _open_frames(self) -> Frames | None:
        reasons = {
            f"--det {self.job.detections} is a detector": self._detect is not None,
            "the descriptor looks at them": self._features is not None,
            "--video draws on them": self.job.video is not None,
            "--sheet draws on them": self.job.sheet is not None,
            "--show shows them": self.job.show,
            f"--camera-motion {self.job.camera_motion} compares them": self.job.camera_motion is not None,
        }
        for reason, applies in reasons.items():
            if applies:
                self._require_frames(reason)
                assert self.job.sequence.frames is not None
                return open_frames(self.job.sequence.frames)
        return None

    def __enter__(self) -> ObservationSource:
        return self

    def __exit__(self, *error: Any) -> None:
        if self.frames is not None:
            self.frames.close()  # before what waits for them
        if self._described is not None:
            self._described.close()

    @property
    def length(self) -> int | None:
        """Number of frames, None for a camera or stream."""
        if self.frames is not None:
            return self.frames.length
        assert self.table is not None
        return max(self.job.sequence.length or 0, self.table.last_frame)

    def __iter__(self) -> Iterator[Observed]:
        observed = self._with_images() if self.frames is not None else self._without_images()
        if self._features is None or self.job.embed_when == "ambiguous":
            yield from observed
            return
        # Live frames do not wait for each other.
        batch, workers = (1, 1) if self.length is None else (BATCH, os.cpu_count() or 1)
        self._described = Ahead(self._features.describe(observed, batch, workers), DESCRIBED_AHEAD, name="describe")
        yield from self._described

    def describer(self, image: Image | None) -> Callable[[FloatArray], np.ndarray] | None:
        """What gives boxes of a frame features when the tracker asks, where the job says that it should ask."""
        features = self._features
        if features is None or image is None or self.job.embed_when != "ambiguous":
            return None
        return lambda boxes: features.describe_boxes(image, boxes)

    def _without_images(self) -> Iterator[Observed]:
        assert self.table is not None
        for frame_index in range(1, (self.length or 0) + 1):
            yield frame_index, None, self.table.at(frame_index)

    def _with_images(self) -> Iterator[Observed]:
        assert self.frames is not None
        last = 0
        for frame_index, image in self.frames:
            self._check_missing(last + 1, frame_index)
            yield frame_index, image, self._detections(frame_index, image)
            last = frame_index
        if self.table is not None:
            self._check_missing(last + 1, self.table.last_frame + 1)

    def _detections(self, frame_index: int, image: Image) -> Detections:
        if self._detect is not None:
            return self._detect(image)
        assert self.table is not None
        return self.table.at(frame_index)

    def _check_missing(self, start: int, stop: int) -> None:
        """Detections in frames that are not there mean that the two do not belong together."""
        if self.table is None or start >= stop:
            return
        for frame_index in range(start, stop):
            if len(self.table.at(frame_index)):
                raise InputError(
                    f"{self.job.sequence.frames}: frame {frame_index} is missing, but {self.job.detections} "
                    "has detections there"
                )

    def save_features(self) -> None:
        """Keep computed features for the next run."""
        if self._features is not None and self.table is not None:
            self._features.save(self.table)
