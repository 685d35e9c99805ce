"""What other libraries hand over, and what they get back."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from tracker import Detections, Tracker
from tracker.core.checks import as_detections

BOXES = np.array([[10.0, 20, 40, 100], [50, 20, 80, 90]])
SCORES = np.array([0.9, 0.5])
KINDS = np.array([0, 2])


class Tensor:
    """As torch's: on a device, with a gradient."""

    def __init__(self, values: np.ndarray) -> None:
        self._values = values

    def detach(self) -> Tensor:
        return self

    def cpu(self) -> Tensor:
        return self

    def numpy(self) -> np.ndarray:
        return self._values


@pytest.mark.parametrize(
    "found",
    [
        Detections(BOXES, SCORES, None, KINDS),
        np.column_stack((BOXES, SCORES, KINDS)),
        np.column_stack((BOXES, SCORES, KINDS)).tolist(),
        Tensor(np.column_stack((BOXES, SCORES, KINDS))),
        {"boxes": Tensor(BOXES), "scores": Tensor(SCORES), "labels": Tensor(KINDS)},
        SimpleNamespace(xyxy=BOXES, confidence=SCORES, class_id=KINDS),
        SimpleNamespace(boxes=SimpleNamespace(xyxy=Tensor(BOXES), conf=Tensor(SCORES), cls=Tensor(KINDS * 1.0))),
    ],
    ids=["ours", "array", "lists", "tensor", "torchvision", "supervision", "ultralytics"],
)
def test_what_is_known(found: object) -> None:
    read = as_detections(found)
    np.testing.assert_array_equal(read.boxes, BOXES)
    np.testing.assert_array_equal(read.scores, SCORES)
    np.testing.assert_array_equal(read.class_ids, KINDS)
    tracks = Tracker("sort", min_hits=0).update(found)
    np.testing.assert_allclose(tracks.boxes, BOXES)
    assert tracks.class_ids.tolist() == KINDS.tolist()


@pytest.mark.parametrize("found", [[], np.zeros((0, 6)), np.zeros((0, 5)), {"boxes": np.zeros((0, 4)), "scores": []}])
def test_nothing_found_is_known(found: object) -> None:
    assert len(as_detections(found)) == 0


def test_scores_and_classes_may_be_missing() -> None:
    assert as_detections(BOXES).scores.tolist() == [1, 1]
    assert as_detections(SimpleNamespace(xyxy=BOXES, confidence=None, class_id=None)).class_ids is None


@pytest.mark.parametrize("found", [None, "boxes", 3.0, np.zeros((2, 3)), np.zeros((2, 7)), {"box": BOXES}, object()])
def test_anything_else_is_named(found: object) -> None:
    with pytest.raises(TypeError, match=r"detections: .*expected"):
        Tracker("sort").update(found)


def test_a_real_supervision_comes_and_goes() -> None:
    supervision = pytest.importorskip("supervision")
    theirs = supervision.Detections(xyxy=BOXES.astype(np.float32), confidence=SCORES, class_id=KINDS)
    tracker = Tracker("sort", min_hits=0)
    tracks = tracker.update(theirs)
    back = tracks.to_supervision()
    assert isinstance(back, supervision.Detections)
    np.testing.assert_allclose(back.xyxy, theirs.xyxy, atol=1e-4)
    assert back.tracker_id.tolist() == tracks.ids.tolist()
    assert back.class_id.tolist() == KINDS.tolist()
    assert len(tracker.update(supervision.Detections.empty()).to_supervision()) == 0


def test_tracker_takes_what_from_config_took() -> None:
    assert Tracker("deepsort", max_age=3).config == Tracker.from_config("deepsort", max_age=3).config
    assert Tracker().config == Tracker.from_config("flatsort").config
    config = Tracker("sort").config
    assert Tracker(config).config is config


def test_they_say_what_they_are() -> None:
    assert repr(Detections(BOXES, SCORES, np.ones((2, 8)), KINDS)) == (
        "Detections(2 boxes, scores 0.5 to 0.9, features of 8 numbers, classes 0, 2)"
    )
    assert repr(Detections([])) == "Detections(0 boxes)"
    assert repr(Tracker("sort").update(Detections([]))) == "Tracks(0 tracks)"
