"""torchvision's detectors without a download: a network that returns what it is told, and the refusals."""

from __future__ import annotations

from urllib.error import URLError

import numpy as np
import pytest
import torch

import tracker.input.detection.torchvision_detector as detection
from embedding.errors import InputError
from tracker.input.detection.torchvision_detector import TorchvisionDetector
from tracker.input.detectors import load_detector

NAME = "ssdlite320_mobilenet_v3_large"


class Told(torch.nn.Module):
    """Returns one person, one bicycle, one faint person and one without width; keeps what it was shown."""

    def forward(self, images: list[torch.Tensor]) -> list[dict[str, torch.Tensor]]:
        self.seen = images[0]
        boxes = torch.tensor([[1.0, 2, 30, 40], [5, 5, 20, 20], [1, 1, 9, 9], [3, 3, 3, 9]])
        scores = torch.tensor([0.9, 0.8, 0.1, 0.9])
        return [{"boxes": boxes, "scores": scores, "labels": torch.tensor([1, 2, 1, 1])}]


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Told:
    network = Told()
    monkeypatch.setattr(detection, "get_model", lambda name, weights: network)
    return network


@pytest.mark.parametrize(
    ("suffix", "expected"),
    [
        ("", [1]),  # people
        (":2", [2]),  # bicycles
        (":1,2", [1, 2]),
        (":all", [1, 2]),
    ],
)
def test_classes_and_scores_are_chosen(told: Told, suffix: str, expected: list[int]) -> None:
    found = load_detector(f"torchvision:{NAME}{suffix}")(np.zeros((48, 64, 3), np.uint8))
    assert found.class_ids.tolist() == expected
    if 1 in expected:
        np.testing.assert_allclose(found.boxes[0], [1, 2, 30, 40])
        assert found.scores[0] == pytest.approx(0.9)


def test_the_network_sees_rgb_between_0_and_1(told: Told) -> None:
    image = np.zeros((48, 64, 3), np.uint8)
    image[..., 0], image[..., 2] = 255, 51  # blue, red
    TorchvisionDetector(NAME, device="cpu")(image)
    assert told.seen.shape == (3, 48, 64)
    np.testing.assert_allclose(told.seen[:, 0, 0].numpy(), [0.2, 0, 1], atol=1e-6)


def test_a_real_network_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """With random weights: what is tested is that torchvision's own shapes and types fit."""
    build = detection.get_model
    untrained = {"weights": None, "weights_backbone": None, "score_thresh": 0.2}
    monkeypatch.setattr(detection, "get_model", lambda name, weights: build(name, **untrained))
    torch.manual_seed(0)
    image = np.random.default_rng(0).integers(0, 256, (240, 320, 3), dtype=np.uint8)
    boxes, scores, class_ids = TorchvisionDetector(NAME, classes=None, device="cpu")(image)
    assert boxes.shape == (len(scores), 4)
    assert class_ids.shape == scores.shape


@pytest.mark.parametrize(
    ("name", "classes", "message"),
    [
        ("yolo", "person", f"torchvision:yolo: not known, expected one of .*{NAME}"),  # no such network
        ("resnet18", "person", "not known"),  # torchvision's, but no detector
        (NAME, [1, 91], "class 91, expected 0 to 90"),  # no such class
    ],
)
def test_unknown_names_are_refused(name: str, classes, message: str) -> None:
    with pytest.raises(InputError, match=message):
        TorchvisionDetector(name, classes)


def test_weights_that_cannot_be_fetched_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(name: str, weights: object) -> None:
        raise URLError("no route\nto host")

    monkeypatch.setattr(detection, "get_model", offline)
    with pytest.raises(InputError, match=rf"torchvision:{NAME}: its weights cannot be loaded from http") as raised:
        load_detector(f"torchvision:{NAME}")
    assert "\n" not in str(raised.value)
