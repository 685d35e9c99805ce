"""What to do with one sequence, and what came of it: plain values that travel to worker processes."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from tracker.core.config import TrackerConfig
from tracker.errors import InputError
from tracker.input.detection.names import chooses_classes
from tracker.input.live.source import RECONNECT
from tracker.input.sequences import Sequence
from tracker.run.account import Account


@dataclass(frozen=True)
class Fleet:
    """How jobs run on a Ray cluster.

    Attributes:
        address: of the cluster; None: $RAY_ADDRESS, else one of this machine alone.
        frames_a_part: frames that one task describes; videos of twice as many are cut.
        resume: results of earlier runs count.
    """

    address: str | None = None
    frames_a_part: int = 2000  # half a minute of one core at 1920x1080
    resume: bool = False


@dataclass(frozen=True)
class Elsewhere:
    """What a job reads and writes on shared storage; the job itself names places below `sequences.HERE`.

    Attributes:
        fetched: addresses, and where each file is to be here.
        folder: address of the folder that the result and what is kept beside it are sent to; None: they stay here.
        name: of the result there.
    """

    fetched: tuple[tuple[str, Path], ...] = ()
    folder: str | None = None
    name: str = ""


@dataclass(frozen=True)
class Job:
    """What to do with one sequence.

    Attributes:
        sequence, config: what to track and how.
        detections: file name or detector, as the user wrote it.
        descriptor: name of the descriptor for detections without features; `none` to track by motion.
        out: result file; None writes none, and keeps no features beside it.
        video, sheet, table: further files to write, or None.
        zones: file of lines and zones to count at, or None.
        zones_out: files to write the counts to, .json or .csv.
        camera_motion: `ecc`, `sparse` or None.
        interpolate: longest gap to fill, frames; 0 fills none.
        smooth: smooth finished tracks.
        second_pass: after the last frame `fill` gaps and smooth; `link` pieces to identities before, where looks say
            who is who; `none` writes tracks as they come.
        delay: seconds after which identities are settled by a second pass over a sliding window; None: at once.
        show: open a live window.
        adapt_minutes: to fit the descriptor to the detections first, as `adapt_to` counts them; None leaves it as it
            is.
        embed_when: `always` describes every detection; `ambiguous` only those that the tracker asks for, see
            `Tracker.update`.
        reconnect: seconds to try again for where a camera or stream is lost.
        strict: refuse what is doubtful: rows without area, scores on another scale.
        classes: names or numbers to keep, as `--classes` has them; None leaves it to the detector, all of a file's.
        tiles: parts of the picture, side by side and one below the other, that a detector looks at too; 1: none.
        labels: what is written on a box, of `id`, `class` and `score`; None: ids, and classes where some were chosen.
        report: folder for the page about the run, or None.
        command: how the run was asked for, for that page.
        blur: `faces` or `people` that are not to be known in any picture; None hides nobody.
        elsewhere: what of all this lies on shared storage; None where all is here.
    """

    sequence: Sequence
    config: TrackerConfig
    detections: str
    descriptor: str
    out: Path | None
    video: Path | None = None
    sheet: Path | None = None
    table: Path | None = None
    zones: Path | None = None
    zones_out: tuple[Path, ...] = ()
    camera_motion: Literal["ecc", "sparse"] | None = None
    interpolate: int = 0
    smooth: bool = False
    second_pass: Literal["none", "fill", "link"] = "none"
    delay: float | None = None
    show: bool = False
    adapt_minutes: float | None = None
    embed_when: Literal["always", "ambiguous"] = "always"
    strict: bool = False
    reconnect: float = RECONNECT
    classes: str | None = None
    tiles: int = 1
    labels: tuple[str, ...] | None = None
    report: Path | None = None
    command: str = ""
    blur: Literal["faces", "people"] | None = None
    elsewhere: Elsewhere | None = None

    @property
    def chooses_classes(self) -> bool:
        """Whether somebody said which classes are wanted: a result says then which each track is of."""
        return self.classes is not None or chooses_classes(self.detections)

    @property
    def is_offline(self) -> bool:
        """Whether tracks are changed after the last frame."""
        return bool(self.interpolate or self.smooth or self.second_pass != "none")

    @property
    def draws(self) -> bool:
        """Whether tracks are drawn on frames. A report on detections without frames shows what can be known of them."""
        reports = self.report is not None and self.sequence.frames is not None
        return self.video is not None or self.sheet is not None or self.show or reports


@dataclass(frozen=True)
class Summary:
    """What came of a job.

    Attributes:
        name, out: of the sequence, and where its tracks are; an address on shared storage as text.
        account: what happened.
        seconds: of the clock, without an adaptation.
        timing: stage -> seconds spent in it; stages overlap, so they may add up to more.
        unwritten: outputs that could not be written, a line each; the others are whole.
    """

    name: str
    out: Path | str | None
    account: Account
    seconds: float
    timing: dict[str, float] = field(default_factory=dict)
    unwritten: tuple[str, ...] = ()

    @property
    def is_lost(self) -> bool:
        """Whether a live source went away for good before it said that it ends."""
        return self.account.stream is not None and self.account.stream["given_up"] is not None

    @property
    def frames(self) -> int:
        """How many were tracked."""
        return self.account.frames

    @property
    def tracks(self) -> int:
        """How many there are."""
        return self.account.tracks


def require_possible(job: Job) -> None:
    """InputError where a job asks for what cannot be, as far as shows before anything is read."""
    if job.blur is not None and not job.draws:
        raise InputError(f"--blur {job.blur}: does nothing without --video, --sheet, --report or --show")
    if job.report is not None and isinstance(job.sequence.frames, int | str):
        raise InputError(
            f"--report {job.report}: {job.sequence.name} is a camera or stream, expected a recording; write --video "
            "first, then report on that"
        )
    if job.show:
        from tracker.output.drawing import require_window

        require_window()
    if job.zones is not None:
        from tracker.zones.reading import read_zones

        read_zones(job.zones)
    if job.second_pass == "link" and job.embed_when != "always":
        raise InputError(f"--embed-when {job.embed_when}: --link compares all looks, expected always")
    if job.second_pass == "link" and isinstance(job.sequence.frames, int | str):
        raise InputError(f"--link: {job.sequence.name} has no last frame, expected --delay SECONDS")
    if job.delay is not None:
        if not 0 < job.delay < math.inf:
            raise InputError(f"--delay {job.delay:g}: expected a number of seconds above 0")
        if job.is_offline or job.embed_when != "always":
            other = "--embed-when" if job.embed_when != "always" else "a second pass after the last frame"
            raise InputError(f"--delay and {other}: both given, expected one")
    if job.adapt_minutes is None:
        return
    from tracker.footage.adapt import require_adaptable  # with it comes SciPy, which takes a third of a second

    if not job.config.needs_features:
        raise InputError("--adapt: the preset does not look at appearance, expected one that does, such as flatsort")
    if job.out is None or (job.out.exists() and not job.out.is_file()):
        raise InputError(f"--out {job.out}: is not a file, --adapt keeps its weights beside one")
    require_adaptable(job.sequence, job.descriptor, job.adapt_minutes)
