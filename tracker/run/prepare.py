"""What a run needs before its first frame: a descriptor, features of an earlier run, frames. Each step takes values."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from embedding.progress import Progress
from tracker.errors import InputError
from tracker.files.motchallenge import DetectionTable
from tracker.input.frames import Frames, open_frames
from tracker.input.scores import on_scale
from tracker.input.sequences import Sequence
from tracker.run.features import FeatureCache
from tracker.run.job import Job
from tracker.run.source import Found, lacks_features, looked_at, require_bounded

if TYPE_CHECKING:
    from embedding import Descriptor


def graded(job: Job, found: Found) -> tuple[Found, list[str]]:
    """The detections with scores on the scale of the preset's thresholds, and what there is to say about them.

    Raises:
        InputError: something is doubtful and the job is strict.
    """
    if not isinstance(found, DetectionTable):
        return found, []
    found, note = on_scale(found, job.config)
    if job.strict and note is not None:
        raise InputError(f"{job.detections}: {note}; --strict takes scores from 0 to 1")
    notes = [] if note is None else [note]
    first, stride = looked_at(found.frames)
    if stride > 1:
        notes.append(f"detections in one frame of {stride} from frame {first} on: nobody looked at those between")
    return found, notes


def adapt_if_asked(job: Job, found: Found, progress: Progress) -> tuple[Found, str]:
    """The detections and the descriptor's name; fitted to them, for which a detector looks at every frame first."""
    if job.adapt_minutes is None:
        return found, job.descriptor
    from tracker.footage.adapt import adapted_spec
    from tracker.footage.crops import detect_all

    assert job.out is not None
    if not isinstance(found, DetectionTable):
        found = detect_all(job.sequence, found, progress)
    elif found.features is not None:
        raise InputError(f"{job.detections}: has features, with which --adapt has nothing to do")
    return found, adapted_spec(job.sequence, found, job.descriptor, job.out, job.adapt_minutes, progress)


def load_if_needed(job: Job, found: Found, name: str) -> Descriptor | None:
    """The descriptor of that name, where the preset looks at appearance and the detections have no features."""
    if name == "none" or not job.config.needs_features or not lacks_features(found):
        return None
    require_frames(job.sequence, f"{job.detections} has no features; --descriptor none tracks by motion alone")
    from embedding import Descriptor  # the other half of the project

    return Descriptor.load(name)


def look_up(
    job: Job, found: Found, descriptor: Descriptor | None
) -> tuple[Found, Descriptor | None, FeatureCache | None]:
    """The detections with the features of an earlier run, and no descriptor; or both as they are, and where to keep."""
    frames = job.sequence.frames
    is_file = job.out is not None and (job.out.is_file() or not job.out.exists())  # nothing is kept beside a device
    if descriptor is None or not isinstance(found, DetectionTable) or not isinstance(frames, Path) or not is_file:
        return found, descriptor, None
    assert job.out is not None
    cache = FeatureCache(job.out, descriptor.name, frames, found)
    kept = cache.read()
    return (found, descriptor, cache) if kept is None else (kept, None, None)


def open_if_needed(job: Job, found: Found, descriptor: Descriptor | None) -> AbstractContextManager[Frames | None]:
    """The frames, where somebody looks at them."""
    reasons = {
        f"--det {job.detections} is a detector": not isinstance(found, DetectionTable),
        "the descriptor looks at them": descriptor is not None,
        "--video draws on them": job.video is not None,
        "--sheet draws on them": job.sheet is not None,
        "--show shows them": job.show,
        "--report shows them": job.report is not None and job.draws,
        f"--camera-motion {job.camera_motion} compares them": job.camera_motion is not None,
    }
    reason = next((reason for reason, applies in reasons.items() if applies), None)
    if reason is None:
        assert isinstance(found, DetectionTable)
        require_bounded(job.sequence, found, job.detections)
        return nullcontext()
    frames = open_frames(require_frames(job.sequence, reason), job.reconnect)
    if job.is_offline and job.draws and frames.length is None:
        frames.close()
        raise InputError(f"{job.sequence.name}: --smooth and --interpolate draw in a second pass, a stream has one")
    return frames


def require_frames(sequence: Sequence, why: str) -> Path | str | int:
    """Where the frames are; InputError where the sequence has none."""
    if sequence.frames is None:
        place = "" if sequence.image_folder is None else f", looked for images in {sequence.image_folder}"
        raise InputError(f"{sequence.name}: frames are needed, but the sequence has none{place} ({why})")
    return sequence.frames
