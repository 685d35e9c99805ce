"""The describing of a long video in parts, and the tracking of what was described: the same bits as in one go.

The last bit of a feature depends on what is computed beside it, so parts end where a batch does. Whether the pictures
of a part are those that decoding from the beginning gives is not taken for granted: every part begins with the last
picture of the one before, and their checksums must agree.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from time import perf_counter

import numpy as np

from tracker.core.detections import Image
from tracker.files.motchallenge import DetectionTable, write_detections_npy
from tracker.input.cuts import CutWatch, change_between, places_of
from tracker.input.frames import Frames
from tracker.input.stretch import Listing, listing, open_stretch
from tracker.input.video_file import NotAsListed
from tracker.run.clock import Clock
from tracker.run.doubts import about_cuts
from tracker.run.features import described_ahead, groups
from tracker.run.fleet.shelf import Shelf
from tracker.run.job import Job, Summary
from tracker.run.pipeline import run
from tracker.run.prepare import graded, load_if_needed, look_up
from tracker.run.source import Observed, find_source, looked_at


@dataclass(frozen=True)
class Plan:
    """How a video is described.

    Attributes:
        parts: first and last frame of each; together all frames.
        listed: the frames.
        name: of the file that the features are kept in.
    """

    parts: tuple[tuple[int, int], ...]
    listed: Listing
    name: str

    def file_of(self, part: int) -> str:
        """Name of a part's file on the shelf."""
        first, last = self.parts[part]
        return f"{self.name}.{first}-{last}.npz"


def plan(job: Job, frames_a_part: int) -> Plan | str:
    """Where to cut; or why it cannot be, or need not.

    Args:
        frames_a_part: a part has as many, and as many as its last batch needs.

    Raises:
        InputError: as `run`.
    """
    if job.adapt_minutes is not None or job.embed_when != "always" or not isinstance(job.sequence.frames, Path):
        return "its features are not all of one kind"
    table = _detections(job)
    if table is None:
        return "a detector looks at it"
    _, _, cache = look_up(job, table, load_if_needed(job, table, job.descriptor))
    if cache is None:
        return "there is nothing to describe"
    listed = listing(job.sequence.frames)
    if listed is None or table.last_frame > listed.length:
        return "its frames are not numbered through"
    first, stride = looked_at(table.frames)
    empty = ((frame, None, table.at(frame)) for frame in range(first, listed.length + 1, stride))
    begins = [1]
    for group in groups(empty):
        if group[0][0] - begins[-1] >= frames_a_part:
            begins.append(group[0][0])
    parts = tuple(zip(begins, [*(begin - 1 for begin in begins[1:]), listed.length], strict=True))
    return Plan(parts, replace(listed, source=Path()), cache.path.name) if len(parts) > 1 else "it is short"


def describe_part(job: Job, planned: Plan, part: int, shelf: Shelf) -> float:
    """Describe one part and put it on the shelf; the seconds it took.

    Raises:
        NotAsListed: the video cannot be cut.
        InputError: as `run`.
    """
    started, clock = perf_counter(), Clock()
    table = _detections(job)
    assert table is not None and isinstance(job.sequence.frames, Path)
    descriptor = load_if_needed(job, table, job.descriptor)
    assert descriptor is not None
    first, last = planned.parts[part]
    seen = _Seen(first)
    features: list[np.ndarray] = []
    with open_stretch(replace(planned.listed, source=job.sequence.frames), max(1, first - 1), last) as frames:
        observed = _observed(frames, table, seen)
        with described_ahead(observed, descriptor, frames, clock) as described:
            for _, _, found in described:
                if len(found):
                    assert found.features is not None
                    features.append(found.features)
        clock.add("decoding", frames.seconds)
    seconds = perf_counter() - started
    with shelf.writing(planned.file_of(part)) as path, path.open("wb") as file:
        np.savez(
            file,
            features=np.concatenate([np.zeros((0, descriptor.dimension), np.float32), *features]),
            changes=np.array(seen.changes),
            ends=np.array(seen.ends, np.int64),
            timing=np.array([seconds, *(clock.seconds.get(stage, 0.0) for stage in ("decoding", "describing"))]),
        )
    return seconds


def track_parts(job: Job, planned: Plan, shelf: Shelf) -> Summary:
    """Track what all parts have described, as `run` would have done it in one go.

    Raises:
        NotAsListed: the parts do not fit together.
        InputError: as `run`.
    """
    table = _detections(job)
    assert table is not None and job.out is not None
    parts = []
    for part in range(len(planned.parts)):
        with np.load(io.BytesIO(shelf.read(planned.file_of(part)))) as arrays:
            parts.append({name: arrays[name] for name in ("features", "changes", "ends", "timing")})
    for number, (before, after) in enumerate(pairwise(parts), start=1):
        if before["ends"][1] != after["ends"][0]:
            raise NotAsListed(f"{job.sequence.name}: frame {planned.parts[number][0] - 1} looks different when sought")
    features = np.concatenate([one["features"] for one in parts])
    if len(features) != len(table):
        raise NotAsListed(f"{job.sequence.name}: {len(features)} of {len(table)} detections are described")
    write_detections_npy(job.out.with_name(planned.name), table.frames, table.boxes, table.scores, features)
    if job.draws or job.camera_motion is not None:  # frames are looked at again anyway
        summary = run(job)
    else:
        summary = _with_cuts(run(_known(job, planned.listed)), np.concatenate([one["changes"] for one in parts]))
    seconds, decoding, describing = np.sum([one["timing"] for one in parts], axis=0).tolist()
    timing = {"decoding": decoding, "describing": describing, **summary.timing}
    return replace(summary, seconds=summary.seconds + seconds, timing=timing)


def _detections(job: Job) -> DetectionTable | None:
    """The detections, as `run` reads them; None where a detector finds them."""
    found, _ = graded(job, find_source(job.sequence, job.detections, job.strict, job.classes, job.tiles))
    return found if isinstance(found, DetectionTable) else None


class _Seen:
    """What is noted of the pictures of a part that begins with frame `first`.

    Attributes:
        changes: of each frame to the one before; NaN of frame 1.
        ends: checksums of the picture before the first one, 0 of frame 1, and of the last one.
    """

    def __init__(self, first: int) -> None:
        self.first = first
        self.changes: list[float] = []
        self.ends = [0, 0]
        self._last: np.ndarray | None = None

    def see(self, frame_index: int, image: Image, is_last: bool) -> None:
        places = places_of(image)
        if frame_index >= self.first:
            self.changes.append(np.nan if self._last is None else change_between(self._last, places))
        if frame_index < self.first or is_last:
            self.ends[0 if frame_index < self.first else 1] = zlib.crc32(image.tobytes())
        self._last = places


def _observed(frames: Frames, table: DetectionTable, seen: _Seen) -> Iterator[Observed]:
    first, stride = looked_at(table.frames)
    begin, length = max(1, seen.first - 1), frames.length or 0
    for frame_index, image in frames:
        seen.see(frame_index, image, frame_index == begin + length - 1)
        if frame_index >= seen.first and (frame_index - first) % stride == 0 and frame_index >= first:
            yield frame_index, image, table.at(frame_index)


def _known(job: Job, listed: Listing) -> Job:
    """The job with what its frames, which nobody opens any more, would say."""
    width, height = listed.size
    rate = job.sequence.frame_rate or listed.frame_rate
    known = replace(job.sequence, length=listed.length, width=width, height=height, frame_rate=rate)
    return replace(job, sequence=known)


def _with_cuts(summary: Summary, changes: np.ndarray) -> Summary:
    """The summary with the cuts that the pictures showed."""
    watch = CutWatch()
    for frame_index, change in enumerate(changes.tolist(), start=1):
        if change == change:
            watch.note(frame_index, change)
    doubts = [*summary.account.doubts, *about_cuts(watch.cuts, summary.account.frames, watch.count)]
    account = replace(summary.account, cuts=watch.cuts, doubts=doubts)
    return replace(summary, account=account)
