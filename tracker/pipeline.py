"""One sequence from start to end: frames and detections in, features where they are missing, tracks out.

`run` is what the `track` command does for each sequence; every part of it can be used alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any, Literal

from tracker.config import TrackerConfig
from tracker.detections import Detections
from tracker.errors import InputError
from tracker.features import FeatureCache
from tracker.frames import Frames, Image, open_frames
from tracker.motchallenge import DetectionTable, read_detections, write_table
from tracker.record import TrackRecord, interpolate, smooth
from tracker.sequences import Sequence, find_detections
from tracker.sinks import SheetSink, Sink, StopTracking, TextSink, VideoSink, WindowSink
from tracker.tracker import Tracker

Observed = tuple[int, Image | None, Detections]
Progress = Callable[[int, int | None], None]  # frames done, frames in all


@dataclass(frozen=True)
class Job:
    """What to do with one sequence. Plain values only: it travels to worker processes.

    Attributes:
        sequence, config: what to track and how.
        detections: file name or detector, as the user wrote it.
        descriptor: name of the descriptor for detections without features; `none` to track by motion.
        out: result file.
        video, sheet, table: further files to write, or None.
        camera_motion: `ecc`, `sparse` or None.
        interpolate: longest gap to fill, frames; 0 fills none.
        smooth: smooth finished tracks.
        show: open a live window.
        adapt_minutes: to fit the descriptor to the detections first, as `adapt_to` counts them; None leaves it as it
            is.

    Raises:
        InputError: an adaptation is asked for that cannot be.
    """

    sequence: Sequence
    config: TrackerConfig
    detections: str
    descriptor: str
    out: Path
    video: Path | None = None
    sheet: Path | None = None
    table: Path | None = None
    camera_motion: Literal["ecc", "sparse"] | None = None
    interpolate: int = 0
    smooth: bool = False
    show: bool = False
    adapt_minutes: float | None = None

    def __post_init__(self) -> None:
        if self.adapt_minutes is not None:
            from tracker.adapting import require_adaptable  # with it comes SciPy, which takes a third of a second

            require_adaptable(self)

    @property
    def is_offline(self) -> bool:
        """Whether tracks are changed after the last frame."""
        return bool(self.interpolate or self.smooth)


@dataclass(frozen=True)
class Summary:
    """What came of a job."""

    name: str
    out: Path
    frames: int
    tracks: int
    seconds: float


def run(job: Job, progress: Progress = lambda done, total: None) -> Summary:
    """Track one sequence and write everything the job asks for.

    Raises:
        InputError: something is missing or unreadable; no output file has been touched then.
    """
    with ExitStack() as stack:
        source = stack.enter_context(ObservationSource(job))
        started = perf_counter()  # an adaptation is no part of a tracker's speed
        sinks = [] if job.is_offline else [stack.enter_context(sink) for sink in _sinks(job, source.frames)]
        records: list[TrackRecord] = []
        ids: set[int] = set()
        done = last = 0
        try:
            for frame_index, image, detections, tracks in _track(job, source):
                for sink in sinks:
                    sink.write(frame_index, image, tracks)
                if job.is_offline or job.table:
                    records.append(TrackRecord.of_frame(frame_index, tracks, detections))
                ids.update(tracks.ids.tolist())
                done, last = done + 1, frame_index
                progress(done, source.length)
        except StopTracking:
            pass
        except KeyboardInterrupt:
            if source.length is not None:
                raise
        source.save_features()
        record = TrackRecord.concatenate(records)
        if job.is_offline:
            record = _improve(record, job)
            _replay(record, job, last)
        if job.table:
            _write_record(job.table, record)
    return Summary(job.sequence.name, job.out, done, len(ids), perf_counter() - started)


class ObservationSource:
    """The frames of a job with their detections and, where the preset needs them, features.

    Frames are opened only when something needs them.
    """

    def __init__(self, job: Job) -> None:
        self.job = job
        self.table: DetectionTable | None = None
        self._detect: Callable[[Image], Detections] | None = None
        self._features: FeatureCache | None = None
        path = find_detections(job.detections, job.sequence)
        if path is None:
            from tracker.detectors import load_detector

            self._detect = load_detector(job.detections)
        else:
            self.table = read_detections(path)
            self._check_length(self.table, path)
        descriptor = job.descriptor if job.adapt_minutes is None else self._adapt(job.adapt_minutes)
        lacks_features = self.table is None or (self.table.features is None and len(self.table) > 0)
        if job.config.needs_features and lacks_features and job.descriptor != "none":
            self._require_frames(f"{job.detections} has no features; --descriptor none tracks by motion alone")
            self._features = FeatureCache(descriptor, path, job.out)
            if self.table is not None:
                self.table = self._features.complete(self.table)
        self.frames = self._open_frames()
        draws = job.video is not None or job.sheet is not None or job.show
        if job.is_offline and draws and self.length is None:
            raise InputError(f"{job.sequence.name}: --smooth and --interpolate draw in a second pass, a stream has one")

    def _adapt(self, minutes: float) -> str:
        """The descriptor fitted to the detections, for which a detector must have seen every frame."""
        from tracker.adapting import ShareLines, adapted_weights, told
        from tracker.crop_packing import detect_all

        if self.table is None:
            assert self._detect is not None
            self.table, self._detect = detect_all(self.job.sequence, self._detect, told(ShareLines())), None
        elif self.table.features is not None:
            raise InputError(f"{self.job.detections}: has features, with which --adapt has nothing to do")
        job = self.job
        return str(adapted_weights(job.sequence, self.table, job.descriptor, job.out, minutes))

    def _check_length(self, table: DetectionTable, path: Path) -> None:
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
            "the descriptor looks at them": self._features is not None and self._features.is_needed,
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
            self.frames.close()

    @property
    def length(self) -> int | None:
        """Number of frames, None for a camera or stream."""
        if self.frames is not None:
            return self.frames.length
        assert self.table is not None
        return max(self.job.sequence.length or 0, self.table.last_frame)

    def __iter__(self) -> Iterator[Observed]:
        if self.frames is None:
            assert self.table is not None
            for frame_index in range(1, (self.length or 0) + 1):
                yield frame_index, None, self.table.at(frame_index)
            return
        last = 0
        for frame_index, image in self.frames:
            self._check_missing(last + 1, frame_index)
            yield frame_index, image, self._observe(frame_index, image)
            last = frame_index
        if self.table is not None:
            self._check_missing(last + 1, self.table.last_frame + 1)

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

    def _observe(self, frame_index: int, image: Image) -> Detections:
        detections = self._detect(image) if self._detect is not None else self._from_table(frame_index)
        if self._features is not None and detections.features is None:
            detections = self._features.describe(frame_index, image, detections)
        return detections

    def _from_table(self, frame_index: int) -> Detections:
        assert self.table is not None
        return self.table.at(frame_index)

    def save_features(self) -> None:
        """Keep computed features for the next run."""
        if self._features is not None and self.table is not None:
            self._features.save(self.table)


def _track(job: Job, source: ObservationSource) -> Iterator[tuple[int, Image | None, Detections, Any]]:
    tracker = Tracker(job.config)
    camera = None
    if job.camera_motion is not None:
        from tracker.camera_motion import CameraMotion

        camera = CameraMotion(job.camera_motion)
    for frame_index, image, detections in source:
        warp = None if camera is None or image is None else camera.estimate(image, detections.boxes)
        yield frame_index, image, detections, tracker.update(detections, frame_index, warp)


def _sinks(job: Job, frames: Frames | None) -> list[Sink]:
    sinks: list[Sink] = [TextSink(job.out)]
    if job.video is not None:
        assert frames is not None and frames.size is not None
        rate = job.sequence.frame_rate or frames.frame_rate or 30.0
        sinks.append(VideoSink(job.video, rate, frames.size))
    if job.sheet is not None:
        sinks.append(SheetSink(job.sheet, job.sequence.length or (frames.length if frames else None)))
    if job.show:
        sinks.append(WindowSink())
    return sinks


def _improve(record: TrackRecord, job: Job) -> TrackRecord:
    if job.smooth:
        record = smooth(record)
    return interpolate(record, job.interpolate) if job.interpolate else record


def _replay(record: TrackRecord, job: Job, last: int) -> None:
    """Send improved tracks to the sinks in a second pass over the frames."""
    with ExitStack() as stack:
        frames = None
        if job.video is not None or job.sheet is not None or job.show:
            assert job.sequence.frames is not None
            frames = stack.enter_context(open_frames(job.sequence.frames))
        sinks = [stack.enter_context(sink) for sink in _sinks(job, frames)]
        try:
            for frame_index, image in _every_frame(frames, last):
                for sink in sinks:
                    sink.write(frame_index, image, record.at(frame_index))
        except StopTracking:
            pass


def _every_frame(frames: Frames | None, last: int) -> Iterator[tuple[int, Image | None]]:
    """Every frame number up to `last`, with its picture where there is one: missing frames may hold filled gaps."""
    following = 1
    for frame_index, image in frames or ():
        yield from ((missing, None) for missing in range(following, frame_index))
        yield frame_index, image
        following = frame_index + 1
    yield from ((missing, None) for missing in range(following, last + 1))


def _write_record(path: Path, record: TrackRecord) -> None:
    left, top, right, bottom = record.boxes.T
    write_table(
        path,
        {
            "frame": record.frames,
            "id": record.ids,
            "left": left,
            "top": top,
            "right": right,
            "bottom": bottom,
            "score": record.scores,
            "detection": record.detection,
            "class": record.class_ids,
        },
    )
