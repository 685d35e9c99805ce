"""Who is in a picture and what they look like: pictures of many cameras, looked at together."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tracker.core.detections import Detections, Image
from tracker.input.detection.names import with_classes
from tracker.input.detection.tiles import Tiled
from tracker.input.detectors import Detector, class_names_of, load_detector
from tracker.serve.config import CameraConfig

if TYPE_CHECKING:
    from embedding import Descriptor


class Unseen(RuntimeError):
    """Nobody could look at a picture; the next one may fare better."""


@dataclass(frozen=True)
class Wanted:
    """What is to be known of a picture: whom to find, and by what to describe them.

    Attributes:
        det, classes, tiles: as a camera's configuration has them.
        descriptor: its name; None describes nobody.
    """

    det: str
    classes: str | None
    tiles: int
    descriptor: str | None

    @classmethod
    def by(cls, camera: CameraConfig) -> Wanted:
        """What a camera wants."""
        looks = camera.descriptor != "none" and camera.tracker_config().needs_features
        return cls(camera.det, camera.classes, camera.tiles, camera.descriptor if looks else None)


class Looker:
    """Finds and describes what any camera wants; each network is loaded once.

    Args:
        wanted: all that will be asked for.

    Raises:
        InputError: no such detector, class or descriptor.
    """

    def __init__(self, wanted: Sequence[Wanted]) -> None:
        from embedding import Descriptor

        self._descriptors: dict[str | None, Descriptor | None] = {None: None}
        self._detectors: dict[Wanted, Detector] = {}
        for one in wanted:
            if one not in self._detectors:
                self._detectors[one] = _detector(one)
            if one.descriptor not in self._descriptors:
                assert one.descriptor is not None
                self._descriptors[one.descriptor] = Descriptor.load(one.descriptor)

    def class_names(self, wanted: Wanted) -> Mapping[int, str]:
        """Names of the classes that are found, by id."""
        return dict(class_names_of(self._detectors[wanted]))

    def __call__(self, wanted: Wanted, images: Sequence[Image]) -> list[Detections]:
        """The detections of each picture, BGR uint8 [H, W, 3], with features of all of them computed in one go."""
        found = [self._detectors[wanted](image) for image in images]
        descriptor = self._descriptors[wanted.descriptor]
        if descriptor is None:
            return found
        features = descriptor.describe_frames(images, [here.boxes for here in found])
        return [here.with_features(looks) for here, looks in zip(found, features, strict=True)]


def _detector(wanted: Wanted) -> Detector:
    detect = load_detector(with_classes(wanted.det, wanted.classes))
    return Tiled(detect, wanted.tiles) if wanted.tiles > 1 else detect


Look = Callable[[Wanted, Sequence[Image]], list[Detections]]


@dataclass(eq=False)
class Asked:
    """A picture that waits to be looked at."""

    wanted: Wanted
    image: Image
    answer: Future[Detections] = field(default_factory=Future)


class Batches:
    """Takes pictures one by one from many threads and has them looked at together.

    A worker takes all that wait for the same, at most `most`, when it is free: with few cameras nobody waits for
    others, with many the batches grow by themselves.

    Args:
        look: finds and describes, see `Looker`.
        workers: threads that do so side by side.
        most: pictures of a batch.

    Attributes:
        batches, pictures: so far.
    """

    def __init__(self, look: Look, workers: int = 1, most: int = 16) -> None:
        self._look, self._most = look, most
        self._waiting: deque[Asked] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self.batches = self.pictures = 0
        self._workers = [threading.Thread(target=self._work, name=f"look {n}", daemon=True) for n in range(workers)]
        for worker in self._workers:
            worker.start()

    def __call__(self, wanted: Wanted, image: Image) -> Detections:
        """The detections of a picture; waits for them, so that a camera has one picture here at most.

        Raises:
            Unseen: it was closed meanwhile.
        """
        asked = Asked(wanted, image)
        with self._changed:
            if self._closed:
                raise Unseen("nobody looks any more")
            self._waiting.append(asked)
            self._changed.notify()
        return asked.answer.result()

    def close(self) -> None:
        """End the workers; who still waits is told."""
        with self._changed:
            self._closed = True
            left, self._waiting = self._waiting, deque()
            self._changed.notify_all()
        for asked in left:
            asked.answer.set_exception(Unseen("nobody looks any more"))
        for worker in self._workers:
            worker.join()

    def _work(self) -> None:
        while batch := self._next():
            try:
                found = self._look(batch[0].wanted, [asked.image for asked in batch])
            except Exception as error:  # raised again where it is waited for
                self._one_by_one(batch, error)
                continue
            for asked, here in zip(batch, found, strict=True):
                asked.answer.set_result(here)

    def _one_by_one(self, batch: list[Asked], error: Exception) -> None:
        """What one picture did to a batch is not for the other cameras to bear."""
        if len(batch) == 1:
            batch[0].answer.set_exception(error)
            return
        for asked in batch:
            self._alone(asked)

    def _alone(self, asked: Asked) -> None:
        try:
            asked.answer.set_result(self._look(asked.wanted, [asked.image])[0])
        except Exception as error:
            asked.answer.set_exception(error)

    def _next(self) -> list[Asked]:
        """The oldest picture that waits and others that want the same; none when it is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed)
            if not self._waiting:
                return []
            alike = [asked for asked in self._waiting if asked.wanted == self._waiting[0].wanted][: self._most]
            self._waiting = deque(asked for asked in self._waiting if asked not in alike)
            self.batches += 1
            self.pictures += len(alike)
            return alike
