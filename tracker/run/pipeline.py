"""One sequence from start to end: frames and detections in, features where they are missing, tracks out.

`run` is what the `track` command does for each sequence; every part of it can be used alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np

from embedding.progress import Progress, unseen
from tracker.core.detections import Detections, FloatArray, Image, Tracks
from tracker.core.tracker import Tracker
from tracker.errors import InputError
from tracker.files.motchallenge import DetectionTable
from tracker.input.detectors import class_names_of
from tracker.input.sequences import Sequence
from tracker.output.sinks import StopTracking
from tracker.run.account import Observer, with_counts
from tracker.run.clock import Clock
from tracker.run.features import FeatureCache, frames_named, kept_and_described
from tracker.run.identities import in_order
from tracker.run.job import Job, Summary, require_possible
from tracker.run.offline import TrackRecord
from tracker.run.outputs import require_outputs
from tracker.run.prepare import adapt_if_asked, graded, load_if_needed, look_up, open_if_needed, require_frames
from tracker.run.processes.ending import require_wanted
from tracker.run.second_pass import SecondPass, completed, delayed
from tracker.run.source import Observed, count_frames, find_source, lacks_features, observe, require_within
from tracker.run.writing import (
    Looks,
    Outputs,
    counting_of,
    frame_rate,
    improved,
    provisional_sinks_of,
    report_of,
    reported,
    rewrite,
    sinks_of,
)

if TYPE_CHECKING:
    from embedding import Descriptor
    from tracker.report.page import Report

Write = tuple[Path, Callable[[Path, DetectionTable], None]]  # a file, and what writes detections with features to it


def run(job: Job, progress: Progress = unseen) -> Summary:
    """Track one sequence and write everything the job asks for.

    Raises:
        InputError: something is missing or unreadable; no output file has been touched then.
    """
    require_possible(job)
    require_outputs([job])
    with report_of(job) as report:
        return _run(job, progress, report)


def _run(job: Job, progress: Progress, report: Report | None) -> Summary:
    found = find_source(job.sequence, job.detections, job.strict, job.classes, job.tiles)
    found, notes = graded(job, found)
    looks = Looks.of(job, class_names_of(found), report)
    found, name = adapt_if_asked(job, found, progress)
    descriptor = load_if_needed(job, found, name)
    found, descriptor, cache = look_up(job, found, descriptor)
    clock, started = Clock(), perf_counter()  # an adaptation is no part of a tracker's speed
    records: list[TrackRecord] = []
    tracker = Tracker(job.config)
    observer = Observer(job.sequence, job.config, found if isinstance(found, DetectionTable) else None)
    why_off = "--descriptor none" if descriptor is None and lacks_features(found) else None
    with ExitStack() as stack:
        frames = stack.enter_context(open_if_needed(job, found, descriptor))
        length = count_frames(job.sequence, found, frames)
        observed = observe(job.sequence, job.detections, found, frames, clock)
        if descriptor is not None and frames is not None and job.embed_when == "always":
            observed = stack.enter_context(kept_and_described(observed, descriptor, frames, clock, cache))
            descriptor = None
        rate = frame_rate(job, frames)
        second_pass = SecondPass(job.config.high_confidence, rate) if job.second_pass == "link" else None
        looked = found.frames if isinstance(found, DetectionTable) else None
        counting = None if job.is_offline else counting_of(job, frames, looks, looked)
        sinks = provisional_sinks_of(job) if job.is_offline else sinks_of(job, frames, looks, counting)
        outputs = stack.enter_context(Outputs(job.sequence.name, sinks, looks.blur))
        try:
            tracked = observer.watch(track(job, tracker, observed, descriptor, clock), tracker)
            if job.delay is not None:
                tracked = delayed(tracked, job.config.high_confidence, rate, job.delay, clock)
            tracked = in_order(tracked, None if job.delay is not None else 2 * job.config.max_age + 100)
            for frame_index, image, detections, tracks in tracked:
                with clock.measure("writing"):
                    outputs.write(frame_index, image, tracks, detections)
                if second_pass is not None:
                    with clock.measure("linking"):
                        second_pass.add(frame_index, detections, tracks)
                elif job.is_offline:
                    records.append(TrackRecord.of_frame(frame_index, tracks, detections))
                progress(job.sequence.name, observer.frames, length)
        except StopTracking:
            pass
        except KeyboardInterrupt:
            if length is not None:
                raise
        if cache is not None:
            cache.save()
        record, linking = finished(job, records, second_pass, rate, clock)
        if job.is_offline:
            counting = counting_of(job, frames, looks, record.frames, until=observer.last)
            outputs.failures += rewrite(job, record, looks, counting)
        if frames is not None:
            clock.add("decoding", frames.seconds)
    linked = len(np.unique(record.ids)) if second_pass else None
    live = None if frames is None else frames.live
    account = with_counts(observer.account(tracker, why_off, notes, linking, linked, live), counting)
    seconds = perf_counter() - started
    summary = Summary(job.sequence.name, job.out, account, seconds, clock.seconds, tuple(outputs.failures))
    return summary if report is None else reported(report, job, summary, tracker, looks.style.class_names, counting)


def finished(
    job: Job, records: list[TrackRecord], second_pass: SecondPass | None, rate: float, clock: Clock
) -> tuple[TrackRecord, str | None]:
    """The tracks as the job wants them after the last frame, and a line about the second pass."""
    if second_pass is not None:
        with clock.measure("linking"):
            record, linking = second_pass.finish()
        return improved(job, record), linking
    record = TrackRecord.concatenate(records)
    return improved(job, completed(record, rate) if job.second_pass == "fill" else record), None


def track(
    job: Job, tracker: Tracker, observed: Iterable[Observed], descriptor: Descriptor | None, clock: Clock
) -> Iterator[tuple[int, Image | None, Detections, Tracks]]:
    """The tracks of each frame: frame_index, image, detections, tracks.

    Args:
        descriptor: of whom the tracker asks for, frame by frame; None where detections have their features.
    """
    camera = None
    if job.camera_motion is not None:
        from tracker.input.camera_motion import CameraMotion

        camera = CameraMotion(job.camera_motion)
    for frame_index, image, detections in observed:
        require_wanted()
        warp = None
        if camera is not None and image is not None:
            with clock.measure("camera motion"):
                warp = camera.estimate(image, detections.boxes)

        def describe(boxes: FloatArray, image: Image | None = image, frame_index: int = frame_index) -> np.ndarray:
            assert descriptor is not None and image is not None
            with clock.measure("describing", within="tracking"), frames_named([frame_index]):
                return descriptor(image, boxes)

        with clock.measure("tracking"):
            tracks = tracker.update(detections, frame_index, warp, None if descriptor is None else describe)
        yield frame_index, image, detections, tracks


def embed(
    sequence: Sequence,
    detections: str,
    descriptor: str = "default",
    progress: Progress = unseen,
    table: DetectionTable | None = None,
    write: Write | None = None,
) -> DetectionTable:
    """The detections of a sequence with features, as `run` would compute them.

    Args:
        sequence, detections, descriptor: as a job's.
        table: the detections, where they are read already.
        progress: is told the frames done and the frames in all.
        write: where to and how the result is written: what a killed run had computed is read from a journal there.

    Raises:
        InputError: something is missing or unreadable, the detections have features, or there are none.
    """
    if descriptor == "none":
        raise InputError("--descriptor none: expected a descriptor, there is nothing to compute")
    if table is not None:
        require_within(sequence, table, detections)
    found = find_source(sequence, detections) if table is None else table
    if isinstance(found, DetectionTable) and found.features is not None:
        raise InputError(f"{detections}: has features, expected detections without")
    if not lacks_features(found):
        raise InputError(f"{detections}: no detections to describe")
    source = require_frames(sequence, "the descriptor looks at them")
    from embedding import Descriptor
    from tracker.input.frames import open_frames

    loaded, clock, rows, cache = Descriptor.load(descriptor), Clock(), [], None
    if write is not None and isinstance(found, DetectionTable) and isinstance(source, Path):
        cache = FeatureCache(write[0], loaded.name, source, found)
    with open_frames(source) as frames:
        observed = observe(sequence, detections, found, frames, clock)
        with kept_and_described(observed, loaded, frames, clock, cache) as described:
            for done, (frame_index, _, here) in enumerate(described, start=1):
                rows.append((frame_index, here))
                progress(sequence.name, done, frames.length)
            found = DetectionTable.of_frames(rows)
            if write is not None:
                write[1](write[0], found)
            if cache is not None:
                cache.discard()
    return found
