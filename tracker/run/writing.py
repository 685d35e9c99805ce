"""What a run writes: tracks as they come, or once more after the last frame, when they were improved."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from tracker.core.detections import Image, IntArray
from tracker.files.motchallenge import write_table
from tracker.input.frames import Frames, open_frames
from tracker.output.sinks import SheetSink, Sink, StopTracking, TextSink, VideoSink, WindowSink
from tracker.run.job import Job
from tracker.run.offline import TrackRecord, interpolate, smooth


def sinks_of(job: Job, frames: Frames | None) -> list[Sink]:
    """Where the tracks of each frame go; nothing is opened yet."""
    sinks: list[Sink] = [] if job.out is None else [TextSink(job.out)]
    if job.video is not None:
        assert frames is not None
        sinks.append(VideoSink(job.video, frame_rate(job, frames), frames))
    if job.sheet is not None:
        sinks.append(SheetSink(job.sheet, job.sequence.length or (frames.length if frames else None)))
    if job.show:
        sinks.append(WindowSink())
    return sinks


def frame_rate(job: Job, frames: Frames | None) -> float:
    """Frames a second, as far as anybody says."""
    return job.sequence.frame_rate or (frames.frame_rate if frames is not None else None) or 30.0


def rewrite(job: Job, record: TrackRecord) -> TrackRecord:
    """Improve the tracks and send them to the sinks in a second pass over the frames."""
    if job.smooth:
        record = smooth(record)
    if job.interpolate:
        record = interpolate(record, job.interpolate)
    with ExitStack() as stack:
        frames = None
        if job.draws:
            assert job.sequence.frames is not None
            frames = stack.enter_context(open_frames(job.sequence.frames))
        sinks = [stack.enter_context(sink) for sink in sinks_of(job, frames)]
        try:
            for frame_index, image in _every_frame(frames, record.frames):
                for sink in sinks:
                    sink.write(frame_index, image, record.at(frame_index))
        except StopTracking:
            pass
    return record


def _every_frame(frames: Frames | None, tracked: IntArray) -> Iterator[tuple[int, Image | None]]:
    """The frames with a picture, and those among the ascending numbers `tracked`: missing ones may hold filled gaps."""
    waiting = deque(np.unique(tracked).tolist())
    for frame_index, image in frames or ():
        while waiting and waiting[0] <= frame_index:
            if (missing := waiting.popleft()) < frame_index:
                yield missing, None
        yield frame_index, image
    yield from ((missing, None) for missing in waiting)


def write_record(path: Path, record: TrackRecord, class_names: Mapping[int, str]) -> None:
    """Write the tracks with the detection behind each box, and its class, as a table."""
    left, top, right, bottom = record.boxes.T
    columns: dict[str, ArrayLike] = {
        "frame": record.frames,
        "id": record.ids,
        "left": left,
        "top": top,
        "right": right,
        "bottom": bottom,
        "score": record.scores,
        "detection": record.detection,
        "class": record.class_ids,
    }
    if class_names:
        columns["class_name"] = np.array([class_names.get(number, "") for number in record.class_ids.tolist()], str)
    write_table(path, columns)
