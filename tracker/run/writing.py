"""What a run writes: tracks as they come, or once more after the last frame, when they were improved."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import numpy as np

from embedding.progress import say
from tracker.core.detections import Detections, Image, IntArray, Tracks
from tracker.core.tracker import Tracker
from tracker.errors import InputError
from tracker.files.motchallenge import ResultWriter
from tracker.input.frames import Frames, open_frames
from tracker.output.blur import Blur
from tracker.output.counts import Counting, count_sinks, counting_at
from tracker.output.drawing import Style
from tracker.output.growing import GrowingResult
from tracker.output.sinks import SheetSink, Sink, StopTracking, TextSink, VideoSink, WindowSink
from tracker.output.zone_overlay import ZoneOverlay
from tracker.run.job import Job, Summary
from tracker.run.offline import TrackRecord, interpolate, smooth
from tracker.run.source import looked_at

if TYPE_CHECKING:
    from tracker.report.page import Report

TABLES = (".csv", ".parquet")


class Outputs(AbstractContextManager["Outputs"]):
    """The sinks of a run. One that can no longer be written is given up with a line, and the others go on.

    Args:
        name: of the sequence.
        sinks: where frames go.
        blur: hides people in every picture before a sink has it; None hides nobody.

    Attributes:
        failures: a line each.

    Raises:
        InputError: none is left of those that somebody asked for, or one cannot even be opened.
    """

    def __init__(self, name: str, sinks: Iterable[Sink], blur: Blur | None = None) -> None:
        self._name = name
        self._blur = blur
        self._sinks = list(sinks)
        self._wanted = sum(sink.is_wanted for sink in self._sinks)
        self.failures: list[str] = []

    def __enter__(self) -> Outputs:
        with ExitStack() as stack:
            for sink in self._sinks:
                stack.enter_context(sink)
            stack.pop_all()
        return self

    def write(
        self, frame_index: int, image: Image | None, tracks: Tracks, detections: Detections | None = None
    ) -> None:
        """Give one frame to every sink.

        Args:
            detections: of the frame, where they are known: who is no track, or not yet, is blurred too.
        """
        if self._blur is not None:
            if detections is not None:
                self._blur.see(frame_index, detections.boxes, detections.class_ids)
            if image is not None and any(sink.draws for sink in self._sinks):
                image = self._blur(frame_index, image, tracks)
        for sink in tuple(self._sinks):
            try:
                sink.write(frame_index, image, tracks)
            except (InputError, OSError) as error:  # noqa: PERF203 (one by one)
                self._sinks.remove(sink)
                self._give_up(sink, _closed(sink, error) or error)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        sinks, self._sinks = self._sinks, []
        for sink in reversed(sinks):
            try:
                sink.__exit__(kind, error, trace)
            except (InputError, OSError) as trouble:  # noqa: PERF203 (one by one)
                if kind is None:
                    self._give_up(sink, trouble)

    def _give_up(self, sink: Sink, error: Exception) -> None:
        if not sink.is_wanted:
            say(f"{self._name}: {error}; the run goes on without it")
            return
        self.failures.append(str(error))
        if len(self.failures) == self._wanted:
            raise error if isinstance(error, InputError) else InputError(str(error))
        say(f"{self._name}: {error}; the run goes on without it")


def _closed(sink: Sink, error: Exception) -> Exception | None:
    """What a sink says when it is closed after an error, with the name of its file."""
    try:
        sink.__exit__(type(error), error, error.__traceback__)
    except (InputError, OSError) as said:
        return said
    return None


@dataclass(frozen=True)
class Looks:
    """What the pictures of a run look like.

    Attributes:
        style: how tracks are drawn; its `class_names` are those of the run.
        blur: what hides people in every picture; None hides nobody.
        report: the page to be made of them; None where nobody wants one.
    """

    style: Style
    blur: Blur | None = None
    report: Report | None = None

    @classmethod
    def of(cls, job: Job, class_names: Mapping[int, str], report: Report | None = None) -> Looks:
        """As the job wants them."""
        usual = ("id", "class") if job.chooses_classes else ("id",)
        style = Style(usual if job.labels is None else job.labels, class_names)
        return cls(style, None if job.blur is None else Blur(job.blur, class_names), report)


def sinks_of(job: Job, frames: Frames | None, looks: Looks, counting: Counting | None) -> list[Sink]:
    """Where the tracks of each frame go in the end; nothing is opened yet."""
    is_live = frames is not None and frames.length is None
    sinks = [] if counting is None else count_sinks(counting, job.zones_out)  # first: others show what was counted
    style, class_names = looks.style, looks.style.class_names
    if counting is not None:
        style = ZoneOverlay(counting.counter).added_to(style)
    if looks.report is not None:  # the first is closed last: then the video that it copies is there
        rate, drawn = frame_rate(job, frames), frames if job.draws else None
        with_sound = job.blur is None
        sinks.append(looks.report.sink(rate, drawn, style, with_sound, job.sequence.length, job.video))
    if job.out is not None:
        sinks.append(_result_sink(job, job.out, is_live, class_names))
    if job.video is not None:
        assert frames is not None
        sinks.append(VideoSink(job.video, frame_rate(job, frames), frames, style, with_sound=job.blur is None))
    if job.sheet is not None:
        sinks.append(SheetSink(job.sheet, job.sequence.length or (frames.length if frames else None), style))
    if job.table is not None:
        from tracker.output.table import TableSink

        sinks.append(TableSink(job.table, class_names))
    if job.show:
        sinks.append(WindowSink(style))
    return sinks


def _result_sink(job: Job, out: Path, is_live: bool, class_names: Mapping[int, str]) -> Sink:
    """By the suffix: .csv, .parquet, .json (COCO), anything else MOTChallenge rows."""
    if out.suffix in TABLES:
        from tracker.output.table import TableSink

        return TableSink(out, class_names)
    if out.suffix == ".json":
        from tracker.output.coco import CocoSink

        return CocoSink(out, class_names)
    # What can be read during the first of two passes is provisional.
    writer = ResultWriter(out) if job.is_offline else GrowingResult(out, is_live)
    return TextSink(writer, with_classes=job.chooses_classes)


def provisional_sinks_of(job: Job) -> list[Sink]:
    """What can be read of tracks that will be changed after the last frame."""
    if job.out is None or (job.out.exists() and not job.out.is_file()):
        return []
    if job.out.suffix in (*TABLES, ".json"):
        return []
    return [TextSink(GrowingResult(job.out, final=False), is_wanted=False)]


def frame_rate(job: Job, frames: Frames | None) -> float:
    """Frames a second, as far as anybody says."""
    return job.sequence.frame_rate or (frames.frame_rate if frames is not None else None) or 30.0


def improved(job: Job, record: TrackRecord) -> TrackRecord:
    """The tracks as the job wants them after the last frame."""
    if job.smooth:
        record = smooth(record)
    return interpolate(record, job.interpolate) if job.interpolate else record


def counting_of(
    job: Job, frames: Frames | None, looks: Looks, looked: IntArray | None, until: int | None = None
) -> Counting | None:
    """What counts the job's final tracks, if it is to.

    Args:
        looked: the frames that have rows, [K]; None where every one is looked at.
        until: the last frame.

    Raises:
        InputError: the file of the zones cannot be read.
    """
    if job.zones is None:
        return None
    first_and_step = (1, 1) if looked is None else looked_at(looked)
    counting = counting_at(job.zones, job.sequence, frames, looks.style.class_names, first_and_step)
    counting.until = until
    return counting


@contextmanager
def report_of(job: Job) -> Iterator[Report | None]:
    """The report of a job while it is made; None where nobody wants one."""
    if job.report is None:
        yield None
        return
    from tracker.report.page import Report

    with Report(job.report, job.sequence.name) as report:
        yield report


def reported(
    report: Report,
    job: Job,
    summary: Summary,
    tracker: Tracker,
    class_names: Mapping[int, str],
    counting: Counting | None,
) -> Summary:
    """Finish the report of a run; the summary, which says so where it could not be written."""
    import yaml

    from tracker.report.page import Told

    if counting is not None:
        from tracker.report.zones import zones_section

        report.sections.append(zones_section(counting.content()))

    hidden = {"faces": "Heads (the upper part of each box) are", "people": "People are"}.get(job.blur or "", "")
    told = Told(
        account=summary.account.as_json(),
        settings=yaml.safe_dump(job.config.model_dump(mode="json"), sort_keys=False),
        descriptor=job.descriptor if job.config.needs_features else "none: the preset looks at motion alone",
        detections=job.detections,
        source="none" if job.sequence.frames is None else str(job.sequence.frames),
        command=job.command,
        backend=tracker.backend,
        threshold=tracker.threshold,
        ground_truth=job.sequence.ground_truth,
        class_names=class_names,
        note=f"{hidden} blurred where somebody was found; whom neither detector nor tracker found is not."
        if hidden
        else "",
    )
    try:
        report.finish(told)
    except InputError as error:
        say(f"{job.sequence.name}: {error}")
        return replace(summary, unwritten=(*summary.unwritten, str(error)))
    return summary


def rewrite(job: Job, record: TrackRecord, looks: Looks, counting: Counting | None) -> list[str]:
    """Send tracks to the sinks in a second pass over the frames; what could not be written, a line each."""
    with ExitStack() as stack:
        frames = None
        if job.draws:
            assert job.sequence.frames is not None
            frames = stack.enter_context(open_frames(job.sequence.frames))
        outputs = stack.enter_context(Outputs(job.sequence.name, sinks_of(job, frames, looks, counting), looks.blur))
        try:
            for frame_index, image in _every_frame(frames, record.frames):
                outputs.write(frame_index, image, record.at(frame_index))
        except StopTracking:
            pass
    return outputs.failures


def _every_frame(frames: Frames | None, tracked: IntArray) -> Iterator[tuple[int, Image | None]]:
    """The frames with a picture, and those among the ascending numbers `tracked`: missing ones may hold filled gaps."""
    waiting = deque(np.unique(tracked).tolist())
    for frame_index, image in frames or ():
        while waiting and waiting[0] <= frame_index:
            if (missing := waiting.popleft()) < frame_index:
                yield missing, None
        yield frame_index, image
    yield from ((missing, None) for missing in waiting)
