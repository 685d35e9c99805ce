"""Pictures of many cameras, looked at together: batches that grow by themselves, and one camera's trouble its own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from embedding import Descriptor
from tracker.core.detections import Detections, Image
from tracker.errors import InputError
from tracker.input.detectors import load_detector
from tracker.serve.config import CameraConfig
from tracker.serve.looking import Batches, Looker, Unseen, Wanted

FACES, CARS = Wanted("faces", None, 1, None), Wanted("cars", None, 1, None)


def numbered(number: int) -> Image:
    return np.full((2, 2, 3), number, np.uint8)


class Slow:
    """Finds a box as wide as the picture's number says; each batch waits until it may go on."""

    def __init__(self) -> None:
        self.go, self.busy = threading.Semaphore(0), threading.Semaphore(0)
        self.batches: list[tuple[Wanted, list[int]]] = []

    def __call__(self, wanted: Wanted, images: Sequence[Image]) -> list[Detections]:
        numbers = [int(image[0, 0, 0]) for image in images]
        self.batches.append((wanted, numbers))
        self.busy.release()
        self.go.acquire()
        if 13 in numbers:
            raise ValueError("13 in it")
        return [Detections([[0, 0, number, 1]]) for number in numbers]


def test_what_waits_for_the_same_is_looked_at_together(until: Callable[..., None]) -> None:
    slow = Slow()
    batches = Batches(slow, workers=1, most=3)
    with ThreadPoolExecutor(8) as threads:
        first = threads.submit(batches, FACES, numbered(1))
        slow.busy.acquire()
        others = []
        for number, wanted in ((2, FACES), (3, CARS), (4, FACES), (5, FACES), (6, FACES)):
            others.append(threads.submit(batches, wanted, numbered(number)))
            until(lambda: len(batches._waiting) == len(others))
        for _ in range(4):
            slow.go.release()
        found = [one.result().boxes[0, 2] for one in (first, *others)]
    batches.close()
    assert found == [1, 2, 3, 4, 5, 6]
    assert slow.batches == [(FACES, [1]), (FACES, [2, 4, 5]), (CARS, [3]), (FACES, [6])]
    assert (batches.batches, batches.pictures) == (4, 6)


def test_what_one_picture_does_is_not_for_the_others_to_bear(until: Callable[..., None]) -> None:
    slow = Slow()
    batches = Batches(slow)
    with ThreadPoolExecutor(8) as threads:
        first = threads.submit(batches, FACES, numbered(1))
        slow.busy.acquire()
        others = [threads.submit(batches, FACES, numbered(number)) for number in (12, 13, 14)]
        until(lambda: len(batches._waiting) == 3)
        for _ in range(5):  # the first, the batch, and each of it alone
            slow.go.release()
        assert [one.result().boxes[0, 2] for one in (first, others[0], others[2])] == [1, 12, 14]
        with pytest.raises(ValueError, match="13 in it"):
            others[1].result()
    batches.close()


def test_who_waits_is_told_of_the_end(until: Callable[..., None]) -> None:
    slow = Slow()
    batches = Batches(slow)
    with ThreadPoolExecutor(8) as threads:
        first = threads.submit(batches, FACES, numbered(1))
        slow.busy.acquire()
        second = threads.submit(batches, FACES, numbered(2))
        until(lambda: len(batches._waiting) == 1)
        closing = threads.submit(batches.close)
        with pytest.raises(Unseen):
            second.result()
        slow.go.release()
        assert len(first.result()) == 1
        closing.result()
    with pytest.raises(Unseen):
        batches(FACES, numbered(3))


def test_a_looker_finds_and_describes_as_one_by_one() -> None:
    wanted = Wanted.by(CameraConfig(source=0, descriptor="colour"))
    rendered = np.random.default_rng(0).integers(0, 255, (2, 240, 320, 3), np.uint8)
    looker = Looker([wanted, wanted])
    assert looker.class_names(wanted)[0] == "person"
    detect, describe = load_detector("fastestdet"), Descriptor.load("colour")
    for image, found in zip(rendered, looker(wanted, list(rendered)), strict=True):
        expected = detect(image)
        np.testing.assert_array_equal(found.boxes, expected.boxes)
        assert found.features is not None
        np.testing.assert_allclose(found.features, describe(image, expected.boxes), atol=1e-6)


def test_only_who_compares_looks_is_described(tmp_path: Path) -> None:
    assert Wanted.by(CameraConfig(source=0, config="sort")).descriptor is None
    assert Wanted.by(CameraConfig(source=0, descriptor="none")).descriptor is None
    assert Wanted.by(CameraConfig(source=0)).descriptor == "default"
    with pytest.raises(InputError):
        Looker([Wanted.by(CameraConfig(source=0, det=str(tmp_path / "absent.onnx")))])
