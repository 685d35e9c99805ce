"""Detectors by name: an image in, the detections of one frame out.

`fastestdet` ships with us, `hog` with OpenCV; `torchvision:NAME` fetches its weights on first use; `FILE.onnx` is any
YOLO-style network. All but `hog` take `:CLASSES` behind the name, see `tracker.input.detection.names`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from embedding.extras import require_package
from tracker.core.boxes import non_maximum_suppression
from tracker.core.detections import Detections, Image
from tracker.errors import InputError
from tracker.input.detection.names import (
    DETECTORS,
    FASTESTDET,
    ONNX,
    TORCHVISION,
    ClassIds,
    Wanted,
    listed,
    wanted_classes,
)
from tracker.input.detection.names import is_detector as is_detector

Detector = Callable[[Image], Detections]  # ours have `class_names` too, see `class_names_of`

FASTESTDET_WEIGHTS = Path(__file__).parent / "detection" / "weights" / "FastestDet.onnx"

HOG_OVERLAP = 0.4  # IoU above which the better of two HOG windows stays
HOG_BODY = (0.25, 0.12, 0.75, 0.90)  # where in its 64 x 128 window a person stands: left, top, right, bottom


def load_detector(name: str) -> Detector:
    """A function from an image, BGR uint8 [H, W, 3], to `Detections` in its pixels, without features.

    Args:
        name: `fastestdet[:CLASSES]`, a network of 1 MB, people unless CLASSES says otherwise;
            `hog`, people by Dalal and Triggs' histograms of oriented gradients (2005);
            `torchvision:NAME[:CLASSES]`, a network of torchvision.models.detection, people unless CLASSES says
            otherwise; `FILE.onnx[:CLASSES]`, see `tracker.input.detection.onnx_detector`, people if the network knows
            such a class, else all of its classes.

    Raises:
        InputError: no such detector, file or class, no weights, or a network whose output is of no known form.
    """
    if name == "hog":
        return _HogDetector()
    if found := TORCHVISION.fullmatch(name):
        require_package("torchvision", f"detector {name}")
        return _TorchvisionDetector(found["model"], wanted_classes(found["classes"], name))
    if found := FASTESTDET.fullmatch(name) or ONNX.fullmatch(name):
        from tracker.input.detection.onnx_detector import OnnxDetector

        weights = Path(found.groupdict().get("file") or FASTESTDET_WEIGHTS)
        return OnnxDetector(weights, wanted_classes(found["classes"], name))
    raise InputError(f"detector {name!r}: not known, expected {DETECTORS}")


def class_names_of(detect: object) -> Mapping[int, str]:
    """Names of a detector's classes by id; empty where it has none, and of what is no detector."""
    names: Mapping[int, str] = getattr(detect, "class_names", {})
    return names


def looked_for(detect: Detector) -> str:
    """Names of the classes that a detector keeps, for a line to show; empty where it has none."""
    kept: ClassIds | None = getattr(detect, "class_ids", None)
    return listed(name for number, name in class_names_of(detect).items() if kept is None or number in kept)


class _TorchvisionDetector:
    """A network of torchvision; class ids are those of its weights' categories."""

    def __init__(self, model: str, wanted: Wanted) -> None:
        from tracker.input.detection.torchvision_detector import TorchvisionDetector

        self._find = TorchvisionDetector(model, None if wanted == "all" else wanted or "person")
        self.class_names = self._find.class_names
        self.class_ids = self._find.class_ids

    def __call__(self, image: Image) -> Detections:
        boxes, scores, class_ids = self._find(image)
        return Detections(boxes, scores, None, class_ids)


class _HogDetector:
    """OpenCV's people detector; scores are the margin of its linear classifier through a logistic function."""

    class_names: Mapping[int, str] = {0: "person"}

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
