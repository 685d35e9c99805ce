"""Features of frames: together where that is faster, side by side, and still each frame its own, in order."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import tracker.run.features
from embedding import Descriptor
from tracker import Detections, InputError
from tracker.core.config import load_config
from tracker.files.motchallenge import read_detections, write_detections_npy
from tracker.files.tables import DetectionTable
from tracker.input.sequences import find_sequence
from tracker.run.clock import Clock
from tracker.run.features import MOST_FRAMES, FeatureCache, described_ahead
from tracker.run.features import describe as describe_frames
from tracker.run.job import Job
from tracker.run.pipeline import embed, run
from tracker.run.source import Observed

LENGTH = 16
RANDOM = np.random.default_rng(0)


@pytest.fixture
def detections(tmp_path: Path) -> Path:
    """Three people in every frame."""
    rows = [(frame, -1, 40 + 90 * person, 20, 30, 80, 0.9) for frame in range(1, LENGTH + 1) for person in range(3)]
    np.savetxt(tmp_path / "det.txt", rows, fmt="%g", delimiter=",")
    return tmp_path / "det.txt"


def test_frames_are_described_together_and_each_gets_its_own(detections: Path) -> None:
    table = read_detections(detections)
    images = dict(enumerate(RANDOM.integers(0, 256, (LENGTH, 120, 320, 3), dtype=np.uint8), start=1))
    empty = Detections(np.zeros((0, 4)))
    frames: list[Observed] = [(f, images[f], table.at(f) if f != 5 else empty) for f in images]
    taken: list[int] = []

    def watched() -> Iterator[Observed]:
        for observed in frames:
            taken.append(observed[0])
            yield observed

    describe = Descriptor.load("pixels")
    read_ahead = []
    for frame, image, found in describe_frames(watched(), describe, batch=7):
        assert image is images[frame] and found.features is not None
        np.testing.assert_allclose(found.features, describe(image, found.boxes), atol=1e-6)
        read_ahead.append(len(taken) - frame)
    assert len(read_ahead) == LENGTH
    assert max(read_ahead) == 3  # nine boxes in three frames; four, where one is empty
    taken.clear()
    assert [len(taken) - frame for frame, *_ in describe_frames(watched(), describe, batch=1)] == [0] * LENGTH  # live


class Broken:
    """Gives what is no number for what lies right of a place."""

    name, dimension = "broken-1", 2

    def __init__(self, gives: float) -> None:
        self.gives = gives

    def __call__(self, image: np.ndarray, boxes: np.ndarray) -> np.ndarray:
        return np.where(boxes[:, :1] > 200, self.gives, [[1.0, 0.0]]).astype(np.float32)


@pytest.mark.parametrize("gives", [np.nan, np.inf, -np.inf, 1e30])
@pytest.mark.parametrize("batch", [1, 100])
def test_what_is_no_feature_is_one_line(gives: float, batch: int) -> None:
    image = np.zeros((120, 320, 3), np.uint8)
    boxes = [[0, 0, 9, 9], [210, 20, 240, 100]]
    frames: list[Observed] = [(f, image, Detections(boxes if f == 6 else boxes[:1])) for f in range(1, 9)]
    line = rf"^frame 6: descriptor broken-1: gives {gives:g} for the box \(210, 20, 240, 100\)$".replace("+", r"\+")
    with pytest.raises(InputError, match=line):
        list(describe_frames(frames, Descriptor(Broken(gives)), batch))


@pytest.mark.parametrize(("length", "together"), [(None, {1}), (LENGTH, {6, 4})])
def test_live_frames_do_not_wait_for_each_other(detections: Path, length: int | None, together: set[int]) -> None:
    """A video's frames are described several at a time, a camera's as they come."""
    table = read_detections(detections)
    image = np.zeros((120, 320, 3), np.uint8)
    described: list[int] = []

    class Watched:
        name, dimension = "watched", 2

        def __call__(self, image: np.ndarray, boxes: np.ndarray) -> np.ndarray:
            return np.ones((len(boxes), 2), np.float32)

        def describe_frames(self, images: list[np.ndarray], boxes: list[np.ndarray]) -> list[np.ndarray]:
            described.append(len(images))
            return [self(image, here) for image, here in zip(images, boxes, strict=True)]

    frames: list[Observed] = [(f, image, table.at(f)) for f in range(1, LENGTH + 1)]
    source = SimpleNamespace(length=length, close=lambda: None)
    with described_ahead(frames, Descriptor(Watched()), source, Clock()) as found:  # type: ignore[arg-type]
        assert [frame for frame, *_ in found] == list(range(1, LENGTH + 1))
    assert set(described) == together  # three boxes a frame, sixteen a batch


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_batches_side_by_side_keep_their_order(detections: Path, tmp_path: Path, workers: int) -> None:
    class Slow:
        """Takes longest for the first frames, and fails where it is told to."""

        name, dimension = "slow", 1
        fails_at = 0

        def __call__(self, image: np.ndarray, boxes: Any) -> np.ndarray:
            frame = int(image[0, 0, 0])
            if frame == self.fails_at:
                raise InputError("broken")
            time.sleep(0.02 / frame)
            return np.full((len(boxes), 1), frame, np.float32)

    slow = Slow()
    describe = Descriptor(slow)
    table = read_detections(detections)
    cache = FeatureCache(tmp_path / "out.txt", "slow", detections, table)
    assert cache.read() is None
    frames: list[Observed] = [(f, np.full((9, 9, 3), f, np.uint8), table.at(f)) for f in range(1, LENGTH + 1)]
    with cache:
        described = cache.keeping(describe_frames(frames, describe, 1, workers))
        found = [(frame, seen.features) for frame, _, seen in described]
        cache.save()
    assert [frame for frame, _ in found] == list(range(1, LENGTH + 1))
    assert all(features is not None and (features == frame).all() for frame, features in found)
    kept = read_detections(cache.path)
    np.testing.assert_array_equal(kept.features, kept.frames[:, None])
    slow.fails_at = 9
    seen: list[int] = []
    with pytest.raises(InputError, match="broken"):
        seen.extend(frame for frame, *_ in describe_frames(frames, describe, 1, workers))
    assert seen == list(range(1, 9))


@pytest.mark.parametrize("limit", [MOST_FRAMES, 3])
def test_frames_without_anybody_do_not_pile_up(monkeypatch: pytest.MonkeyPatch, limit: int) -> None:
    monkeypatch.setattr(tracker.run.features, "MOST_FRAMES", limit)
    image, nobody = np.zeros((9, 9, 3), np.uint8), Detections(np.zeros((0, 4)))
    pulled = 0

    def watched() -> Iterator[Observed]:
        nonlocal pulled
        for pulled in range(1, 21):
            yield pulled, image, nobody

    waiting = [pulled - frame for frame, *_ in describe_frames(watched(), Descriptor.load("pixels"))]
    assert max(waiting) == limit - 1


class Counting:
    """Says how many boxes it has described."""

    name, dimension = "counting-1", 4
    count = 0

    def __call__(self, image: np.ndarray, boxes: Any) -> np.ndarray:
        self.count += len(boxes)
        return np.repeat(np.asarray(boxes, np.float32)[:, :1], 4, axis=1) + 1


@pytest.fixture
def sequence(tmp_path: Path, detections: Path) -> Path:
    import cv2

    (tmp_path / "S/img1").mkdir(parents=True)
    for frame in range(1, LENGTH + 1):
        cv2.imwrite(str(tmp_path / f"S/img1/{frame:06}.png"), np.full((120, 320, 3), 10 * frame, np.uint8))
    return tmp_path / "S"


@pytest.mark.parametrize("command", ["track", "embed"])
def test_a_killed_run_goes_on_where_it_was(
    sequence: Path, detections: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    def described(out: Path, killed_at: int | None = None) -> int:
        counting = Counting()
        monkeypatch.setattr("embedding.descriptor.Descriptor.load", lambda name: Descriptor(counting))

        def progress(doing: str, done: float, total: float | None) -> None:
            if done == killed_at:
                raise KeyboardInterrupt

        found = find_sequence(str(sequence))
        if command == "track":
            run(Job(found, load_config("flatsort"), str(detections), "counting", out), progress)
        else:
            embed(found, str(detections), "counting", progress, write=(out, save))
        return counting.count

    def save(path: Path, table: DetectionTable) -> None:
        assert table.features is not None
        write_detections_npy(path, table.frames, table.boxes, table.scores, table.features)

    whole, cut = (tmp_path / name / "out.txt" for name in ("whole", "cut"))
    assert described(whole) == 3 * LENGTH
    with pytest.raises(KeyboardInterrupt):
        described(cut, killed_at=10)
    assert [path.suffix for path in cut.parent.iterdir()] == [".journal"]
    assert described(cut) <= 3 * (LENGTH - 6)  # whole groups of six frames are not described again
    assert cut.read_bytes() == whole.read_bytes()
    assert {path.name for path in cut.parent.iterdir()} == {path.name for path in whole.parent.iterdir()}


def test_a_journal_of_other_footage_is_removed_and_not_read(tmp_path: Path, detections: Path) -> None:
    table = read_detections(detections)
    with FeatureCache(tmp_path / "out.txt", "d-1", detections, table) as cache:
        list(cache.keeping([(1, None, table.at(1).with_features(np.ones((3, 2))))]))
    other = table.select(np.arange(6))
    with FeatureCache(tmp_path / "out.txt", "d-1", detections, other) as cache:
        assert cache.known(1) is None
    assert not list(tmp_path.glob("*.journal"))
