"""Features for detections that come without: computed from the frames, kept beside the result."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from glob import escape
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import numpy as np

from embedding.errors import FeatureError
from embedding.progress import say
from tracker.errors import InputError
from tracker.files.cache import kept_path
from tracker.files.journal import Journal
from tracker.files.motchallenge import DetectionTable, read_detections, write_detections_npy
from tracker.input.ahead import Ahead
from tracker.input.frames import Frames
from tracker.run.clock import Clock
from tracker.run.source import Observed

if TYPE_CHECKING:
    from embedding import Descriptor

Known = Callable[[int], "np.ndarray | None"]  # frame -> features [N, D] that were computed before

BATCH = 16  # crops that a network takes together; more gain nothing on a CPU
MOST_FRAMES = 8  # that wait for a batch to be full: 50 MB at 1920x1080
DESCRIBED_AHEAD = 8  # frames with features that wait at most: 50 MB at 1920x1080


@contextmanager
def described_ahead(
    observed: Iterable[Observed],
    descriptor: Descriptor,
    frames: Frames,
    clock: Clock,
    known: Known = lambda frame: None,
) -> Iterator[Iterator[Observed]]:
    """The detections of each frame with features, computed in threads of their own while others track.

    Args:
        observed: what to describe, with images that come from `frames`.
        known: features of a frame that were computed before; None where they were not.
    """
    # Live frames do not wait for each other.
    batch, workers = (1, 1) if frames.length is None else (BATCH, _cores())
    ahead = Ahead(describe(observed, descriptor, batch, workers, clock, known), DESCRIBED_AHEAD, name="describe")
    try:
        yield iter(ahead)
    finally:
        frames.close()  # before what waits for them
        ahead.close()


def _cores() -> int:
    """How many batches to describe side by side: as many as this process has cores, unless the environment says less.

    Ray sets OMP_NUM_THREADS to the cores that a task was promised. Features are the same bits either way.
    """
    asked = os.environ.get("OMP_NUM_THREADS", "")
    return int(asked) if asked.isdecimal() and int(asked) else os.cpu_count() or 1


def describe(
    observed: Iterable[Observed],
    descriptor: Descriptor,
    batch: int = BATCH,
    workers: int = 1,
    clock: Clock | None = None,
    known: Known = lambda frame: None,
) -> Iterator[Observed]:
    """The detections of each frame with features, those of several frames at once where they are few.

    Args:
        observed: with images, and without features.
        batch: crops to wait for; 1 delays no frame.
        workers: batches described side by side.
    """
    together = (clock or Clock()).measured("describing", _describe_together)
    with ThreadPoolExecutor(workers, "describe") as pool:
        waiting: deque[Future[list[Observed]]] = deque()
        for group in groups(observed, batch):
            waiting.append(pool.submit(together, group, descriptor, [known(frame) for frame, *_ in group]))
            if len(waiting) == workers:
                yield from waiting.popleft().result()
        for described in waiting:
            yield from described.result()


def _describe_together(
    frames: list[Observed], descriptor: Descriptor, known: list[np.ndarray | None]
) -> list[Observed]:
    features = known
    fit = (
        not len(found) or (one is not None and len(one) == len(found))
        for one, (*_, found) in zip(known, frames, strict=True)
    )
    if not all(fit):  # all of a group or none: the last bit of a feature depends on what is computed beside it
        images = [image for _, image, _ in frames if image is not None]
        with frames_named([frame_index for frame_index, image, _ in frames if image is not None]):
            features = list(descriptor.describe_frames(images, [detections.boxes for *_, detections in frames]))
    return [
        (frame_index, image, found if of_frame is None else found.with_features(of_frame))
        for (frame_index, image, found), of_frame in zip(frames, features, strict=True)
    ]


@contextmanager
def frames_named(frames: Sequence[int]) -> Iterator[None]:
    """A descriptor that gives no features ends as one line that names the frame.

    Args:
        frames: numbers of the frames that are described in the block.
    """
    try:
        yield
    except FeatureError as error:
        raise InputError(f"frame {frames[error.picture]}: {error}") from None


def groups(frames: Iterable[Observed], batch: int = BATCH) -> Iterator[list[Observed]]:
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


class FeatureCache:
    """Features kept beside a result, for later runs over the same frames and detections by the same descriptor.

    The file is DeepSORT's .npy and can itself be given as `--det`. While they are computed they are in a journal, from
    which a run goes on that follows one which was killed. As a context manager it holds the journal.

    Args:
        out: the result file.
        descriptor: its name.
        frames: the image folder or video file.
        table: the detections.
    """

    def __init__(self, out: Path, descriptor: str, frames: Path, table: DetectionTable) -> None:
        self.path = kept_path(out, descriptor, ".npy", frames, table, descriptor)
        self._table = table
        self._journal = Journal(self.path.with_name(f"{self.path.name}.journal"))

    def __enter__(self) -> FeatureCache:
        for other in journals_beside(self.path):  # of footage or detections that are no more
            if other != self._journal.path:
                other.unlink(missing_ok=True)
        self._journal.__enter__()
        if len(self._journal):
            say(f"{self.path.name}: goes on after {len(self._journal)} frames that were described before")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None and issubclass(kind, Exception):  # bad input: mended, it is other input
            self._journal.remove()
        self._journal.__exit__(kind, error, trace)

    def read(self) -> DetectionTable | None:
        """The detections with the features of an earlier run; None where there was none."""
        if not self.path.is_file():
            return None
        table = self._table
        try:
            features = read_detections(self.path).features
            if features is None or len(features) != len(table):
                raise InputError(f"{self.path}: does not belong to these detections")
        except InputError as error:
            say(f"{error}; its features are computed again")
            return None
        return replace(table, features=features)

    def known(self, frame: int) -> np.ndarray | None:
        """The features of a frame from a run that was killed; None where they are to be computed."""
        return self._journal.get(frame)

    def keeping(self, described: Iterable[Observed]) -> Iterator[Observed]:
        """The same frames, whose features are written down as they pass."""
        for frame_index, image, detections in described:
            if detections.features is not None and len(detections):
                self._journal.append(frame_index, detections.features)
            yield frame_index, image, detections

    def save(self) -> None:
        """Keep what has passed, if it covers every detection; where that cannot be, a line says so."""
        table = self._table
        parts = [part for frame in self._journal if (part := self._journal.get(frame)) is not None]
        if not parts or sum(map(len, parts)) != len(table):
            return
        try:
            write_detections_npy(self.path, table.frames, table.boxes, table.scores, np.concatenate(parts))
        except InputError as error:  # the tracks are what was asked for
            say(f"{error}; its features are not kept")
        self.discard()

    def discard(self) -> None:
        """Forget the journal: everything is written elsewhere."""
        self._journal.remove()


def journals_beside(path: Path) -> list[Path]:
    """Journals of the same result and descriptor, whatever they were computed from."""
    beginning = path.name[: -len(path.suffix)].rpartition("-")[0]
    return sorted(path.parent.glob(f"{escape(beginning)}-????????????.npy.journal"))


@contextmanager
def kept_and_described(
    observed: Iterable[Observed], descriptor: Descriptor, frames: Frames, clock: Clock, cache: FeatureCache | None
) -> Iterator[Iterator[Observed]]:
    """As `described_ahead`; what the cache's journal knows is taken from there, what it does not is written down."""
    if cache is None:
        with described_ahead(observed, descriptor, frames, clock) as described:
            yield described
        return
    with cache, described_ahead(observed, descriptor, frames, clock, cache.known) as described:
        yield cache.keeping(described)
