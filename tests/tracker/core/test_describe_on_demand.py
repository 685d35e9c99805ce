"""Features on demand: who is described when, and that what comes of it is what features in every frame give."""

from __future__ import annotations

import numpy as np
import pytest

from tracker import Detections, Tracker
from tracker.core.detections import FloatArray
from tracker.core.gate import LAG

LOOKS = np.eye(8, dtype=np.float32)


def box(x: float, y: float = 100.0) -> list[float]:
    """A person 40 x 80 pixels."""
    return [x, y, x + 40, y + 80]


class Demand:
    """Describes boxes by where they are, counts what it is asked, and refuses what it must not be asked."""

    def __init__(self) -> None:
        self.asked: list[list[int]] = []

    def __call__(self, boxes: FloatArray) -> FloatArray:
        people = (boxes[:, 1] / 200).round().astype(int)
        self.asked.append(people.tolist())
        return LOOKS[people]


def standing(*people: int) -> FloatArray:
    """Person k in row k of the picture: nobody near."""
    return np.array([box(100.0, 200.0 * person) for person in people]).reshape(-1, 4)


def test_a_settled_detection_is_described_once_in_a_while() -> None:
    tracker, demand = Tracker.from_config("flatsort", max_cosine_distance=0.2, max_feature_age=4), Demand()
    for _ in range(12):
        tracker.update(Detections(standing(0, 1, 2)), describe=demand)
    # Not confirmed until the third frame, then described every fourth.
    assert [len(asked) for asked in demand.asked] == [3, 3, 3, 3, 3]


def test_who_comes_back_is_described_and_known_again() -> None:
    tracker, demand = Tracker.from_config("flatsort", max_cosine_distance=0.2, max_feature_age=50), Demand()
    for _ in range(6):
        tracker.update(Detections(standing(0, 1, 2)), describe=demand)
    for _ in range(10):
        tracker.update(Detections(standing(0, 2)), describe=demand)
    quiet = len(demand.asked)
    tracks = tracker.update(Detections(standing(0, 1, 2)), describe=demand)
    assert demand.asked[quiet:] == [[1]]
    assert tracks.ids.tolist() == [1, 2, 3]


def test_people_close_to_each_other_are_in_doubt() -> None:
    tracker, demand = Tracker.from_config("flatsort", max_cosine_distance=0.2, max_feature_age=50), Demand()
    for _ in range(5):
        tracker.update(Detections(standing(0, 1)), describe=demand)
    quiet = len(demand.asked)
    tracker.update(Detections(np.array([box(100.0), box(110.0), *standing(1).tolist()])), describe=demand)
    assert demand.asked[quiet:] == [[0, 0]]


def test_doubtful_detections_are_never_described() -> None:
    tracker, demand = Tracker.from_config("flatsort", max_cosine_distance=0.2), Demand()
    for _ in range(8):
        tracker.update(Detections(standing(0, 1), [0.9, 0.3]), describe=demand)
    assert {person for asked in demand.asked for person in asked} == {0}


def test_detections_with_features_are_not_described_again() -> None:
    tracker, demand = Tracker.from_config("flatsort"), Demand()
    for _ in range(5):
        tracker.update(Detections(standing(0, 1), features=LOOKS[:2]), describe=demand)
    assert demand.asked == []


def test_every_detection_is_described_until_there_is_a_gate() -> None:
    """Then the gate is the one of features in every frame, as nothing has changed."""
    people, frames = range(8), 2 * LAG + 12  # ten pairs of one person, that is two times eight
    random = np.random.default_rng(0)
    noise = 0.05 * random.normal(size=(frames, 8, 8)).astype(np.float32)
    asking, given = (Tracker.from_config("flatsort", max_feature_age=50) for _ in range(2))
    counts = []
    for k in range(frames):
        boxes = standing(*people)
        counts.append(0)

        def describe(asked: FloatArray, k: int = k) -> FloatArray:
            counts[-1] += len(asked)
            return (LOOKS + noise[k])[(asked[:, 1] / 200).round().astype(int)]

        asking.update(Detections(boxes), describe=describe)
        given.update(Detections(boxes, features=LOOKS + noise[k]))
        if k == 2 * LAG:
            assert asking.threshold is not None and given.threshold is not None
            assert asking.threshold.value == given.threshold.value is not None
    first_quiet = counts.index(0)
    assert first_quiet == 2 * LAG + 1
    assert set(counts[:first_quiet]) == {8}
    assert set(counts[first_quiet:]) == {0}


@pytest.mark.parametrize("preset", ["sort", "deepsort", "flatsort"])
def test_nobody_to_describe(preset: str) -> None:
    tracker, demand = Tracker.from_config(preset), Demand()
    for boxes in (standing(), standing(1), standing(), standing(2, 3), standing()):
        tracker.update(Detections(boxes), describe=demand)
    assert [len(asked) for asked in demand.asked] == ([] if preset == "sort" else [1, 2])


def test_who_was_not_described_is_not_compared() -> None:
    """A doubtful detection has no feature; the zeros in its place are near to a small one by the Euclidean metric."""
    stages = [{"match": "appearance", "detections": kind} for kind in ("high", "low")]
    euclidean = {"metric": "euclidean", "max_euclidean_distance": 0.5}
    tracker = Tracker.from_config("flatsort", n_init=1, stages=stages, **euclidean)
    demand = Demand()

    def small(boxes: FloatArray) -> FloatArray:
        return 0.1 * demand(boxes)

    tracker.update(Detections(standing(0)), describe=small)
    tracks = tracker.update(Detections(standing(0, 1), [0.3, 0.9]), describe=small)
    assert demand.asked == [[0], [1]]
    assert dict(zip(tracks.ids.tolist(), tracks.detection.tolist(), strict=True)) == {1: -1, 2: 1}
