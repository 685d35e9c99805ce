"""One sequence from start to end: frames and detections in, features where they are missing, tracks out.

`run` is what the `track` command does for each sequence; every part of it can be used alone.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any, Literal

from tracker.core.config import TrackerConfig, load_config
from tracker.core.detections import Detections, Image
from tracker.core.tracker import Tracker
from tracker.errors import InputError
from tracker.files.motchallenge import DetectionTable, write_table
from tracker.input.frames import Frames, open_frames
from tracker.input.sequences import Sequence
from tracker.output.sinks import SheetSink, Sink, StopTracking, TextSink, VideoSink, WindowSink
from tracker.run.offline import TrackRecord, interpolate, smooth
from tracker.run.source import ObservationSource

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
        embed_when: `always` describes every detection; `ambiguous` only those that the tracker asks for, see
            `Tracker.update`.

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
    embed_when: Literal["always", "ambiguous"] = "always"

    def __post_init__(self) -> None:
        if self.adapt_minutes is not None:
            from tracker.footage.adapt import require_adaptable  # with it comes SciPy, which takes a third of a second

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


def embed(
    sequence: Sequence,
    detections: str,
    descriptor: str = "default",
    progress: Progress = lambda done, total: None,
    table: DetectionTable | None = None,
) -> DetectionTable:
    """The detections of a sequence with features, as `run` would compute them.

    Args:
        sequence, detections, descriptor: as a job's.
        table: the detections, where they are read already.
        progress: is told the frames done and the frames in all.

    Raises:
        InputError: something is missing or unreadable, the detections have features, or there are none.
    """
    if descriptor == "none":
        raise InputError("--descriptor none: expected a descriptor, there is nothing to compute")
    job = Job(sequence, load_config("flatsort"), detections, descriptor, Path(os.devnull))  # nothing is kept there
    with ObservationSource(job, table) as source:
        if source.table is not None and source.table.features is not None:
            raise InputError(f"{detections}: has features, expected detections without")
        if source.frames is None:
            raise InputError(f"{detections}: no detections to describe")
        found: list[tuple[int, Detections]] = []
        for done, (frame_index, _, described) in enumerate(source, start=1):
            found.append((frame_index, described))
            progress(done, source.length)
    return DetectionTable.of_frames(found)


def _track(job: Job, source: ObservationSource) -> Iterator[tuple[int, Image | None, Detections, Any]]:
    tracker = Tracker(job.config)
    camera = None
    if job.camera_motion is not None:
        from tracker.input.camera_motion import CameraMotion

        camera = CameraMotion(job.camera_motion)
    for frame_index, image, detections in source:
        warp = None if camera is None or image is None else camera.estimate(image, detections.boxes)
        tracks = tracker.update(detections, frame_index, warp, source.describer(image))
        yield frame_index, image, detections, tracks


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
