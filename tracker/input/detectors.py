"""Detectors by name: an image in, the detections of one frame out.

`hog` ships with OpenCV; `torchvision:NAME` fetches its weights on first use; `FILE.onnx` is any YOLO-style network. The
last two take `:CLASSES` behind the name: class numbers with commas between them, or `all`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Literal, cast

import numpy as np

from tracker.core.boxes import non_maximum_suppression
from tracker.core.detections import Detections, Image
from tracker.errors import InputError

Detector = Callable[[Image], Detections]

NAMES = "hog, torchvision:NAME or FILE.onnx"
CLASSES = r"(?::(?P<classes>all|\d+(?:,\d+)*))?"
TORCHVISION = re.compile(r"torchvision:(?P<model>\w*)" + CLASSES)
ONNX = re.compile(r"(?P<file>.+\.onnx)" + CLASSES, re.IGNORECASE)

HOG_OVERLAP = 0.4  # IoU above which the better of two HOG windows stays
HOG_BODY = (0.25, 0.12, 0.75, 0.90)  # where in its 64 x 128 window a person stands: left, top, right, bottom


def is_detector(name: str) -> bool:
    """Whether a name means a detector, known or not, rather than a file of detections."""
    return name == "hog" or name.startswith("torchvision:") or ONNX.fullmatch(name) is not None


def load_detector(name: str) -> Detector:
    """A function from an image, BGR uint8 [H, W, 3], to `Detections` in its pixels, without features.

    Args:
        name: `hog`, people by Dalal and Triggs' histograms of oriented gradients (2005);
            `torchvision:NAME[:CLASSES]`, a network of torchvision.models.detection, people unless CLASSES says
            otherwise; `FILE.onnx[:CLASSES]`, see `tracker.input.onnx_detector`, people if the network knows COCO's 80
            classes, else all of its classes.

    Raises:
        InputError: no such detector or file, no weights, or a network whose output is of no known form.
    """
    if name == "hog":
        return _HogDetector()
    if found := TORCHVISION.fullmatch(name):
        return _load_torchvision(found["model"], _class_ids(found["classes"]))
    if found := ONNX.fullmatch(name):
        from tracker.input.onnx_detector import OnnxDetector

        return OnnxDetector(Path(found["file"]), _class_ids(found["classes"]))
    raise InputError(f"detector {name!r}: not known, expected {NAMES}")


def _class_ids(text: str | None) -> frozenset[int] | Literal["all"] | None:
    if text is None or text == "all":
        return cast("Literal['all'] | None", text)
    return frozenset(int(number) for number in text.split(","))


def _load_torchvision(model: str, classes: frozenset[int] | Literal["all"] | None) -> Detector:
    from tracker.input.torchvision_detector import TorchvisionDetector

    find = TorchvisionDetector(model, None if classes == "all" else classes or "person")

    def detect(image: Image) -> Detections:
        boxes, scores, class_ids = find(image)
        return Detections(boxes, scores, None, class_ids)

    return detect


class _HogDetector:
    """OpenCV's people detector; scores are the margin of its linear classifier through a logistic function."""

    def __init__(self) -> None:
        import cv2

        self._hog = cv2.HOGDescriptor()
        self._hog.setSVMDetector(np.asarray(cv2.HOGDescriptor.getDefaultPeopleDetector()))

    def __call__(self, image: Image) -> Detections:
        if image.shape[0] < 128 or image.shape[1] < 64:  # smaller than one window
            return Detections(np.zeros((0, 4)))
        windows, margins = self._hog.detectMultiScale(image, winStride=(8, 8), scale=1.05, groupThreshold=0)
        corners = np.asarray(windows, np.float64).reshape(-1, 4)
        boxes = np.tile(corners[:, :2], 2) + np.tile(corners[:, 2:], 2) * HOG_BODY
        scores = 1 / (1 + np.exp(-4 * np.asarray(margins, np.float64).reshape(-1)))
        kept = non_maximum_suppression(boxes, scores, HOG_OVERLAP)
        return Detections(boxes[kept], scores[kept], None, np.zeros(len(kept), np.int64))
