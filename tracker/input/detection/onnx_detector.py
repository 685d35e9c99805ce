"""YOLO-style detectors from an ONNX file; `tracker.input.detection.onnx_layouts` says which."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray

from tracker.core.boxes import non_maximum_suppression
from tracker.core.detections import Detections, FloatArray, Image
from tracker.errors import InputError
from tracker.input.detection.names import Wanted, chosen_ids, names_of_classes
from tracker.input.detection.onnx_layouts import BLANK, Found, UnknownLayout, layouts, recognise
from tracker.input.detection.onnx_network import Floats, OnnxNetwork, Size

MAX_OVERLAP = 0.5  # IoU above which the better of two boxes of a class stays
GREY = 114.0  # of the padding the YOLO family trains with


class OnnxDetector:
    """A detector from an ONNX file: `detect(image)` gives `Detections` in the image's pixels, with class ids.

    Args:
        path: the network; one input [1, 3, H, W], one output of a known shape.
        wanted: classes to keep, see `tracker.input.detection.names`; without it people where the file names a class
            so, or has COCO's 80 classes without names; all of any other.

    Attributes:
        size: of the network's input, pixels.
        class_names: by class id, as the file has them, or COCO's for 80 without names; else empty.
        class_ids: those that are kept; None for all.

    Raises:
        InputError: the file cannot be read, its output has no known layout, or it has no such class. Calling the
            detector raises it where scores do not lie between 0 and 1.
    """

    def __init__(self, path: Path, wanted: Wanted = None) -> None:
        self._path = path
        self._network = OnnxNetwork(path)
        self.size = self._network.size
        self.class_names: Mapping[int, str] = self._network.class_names
        self._family = BLANK  # until the layout of an output is known
        outputs = self._forward(np.full((*self.size[::-1], 3), int(GREY), np.uint8))
        try:
            self._family, self._output = recognise(outputs, self._network)
        except UnknownLayout as error:
            raise InputError(f"{path}: {error}") from error
        self._read(outputs)
        self.class_names = names_of_classes(self.class_names, self._family.classes)
        self.class_ids = chosen_ids(wanted, self.class_names, self._family.classes, str(path))

    @property
    def family(self) -> str:
        """The family the network was taken for."""
        return self._family.name

    def __call__(self, image: Image) -> Detections:
        boxes, scores, class_ids = self._read(self._forward(image))
        wanted = scores >= self._family.min_score
        if self.class_ids is not None:
            wanted &= np.isin(class_ids, list(self.class_ids))
        placed = self._to_image(boxes[wanted].astype(np.float64), image)
        return _suppressed(placed, np.minimum(scores[wanted].astype(np.float64), 1.0), class_ids[wanted])

    def _read(self, outputs: list[Floats]) -> Found:
        try:
            return self._family.read(outputs[self._output], self.size)
        except UnknownLayout as error:
            shape, known = list(outputs[self._output].shape), layouts(self.size)
            message = f"{self._path}: output {shape}, read as {self.family}, has {error}; layouts known: {known}"
            raise InputError(message) from error

    def _forward(self, image: Image) -> list[Floats]:
        import cv2

        size, family = self.size, self._family
        if family.padded:
            width, height = self._padded_size(image)
            reduced = cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)
            border = (0, size[1] - height, 0, size[0] - width)
            resized = cv2.copyMakeBorder(reduced, *border, cv2.BORDER_CONSTANT, value=(GREY, GREY, GREY))
        else:
            resized = cv2.resize(image, size, interpolation=cv2.INTER_LINEAR)
        picture = cv2.dnn.blobFromImage(resized, 1 / family.divisor, swapRB=family.red_first)
        return self._network.run(cast("Floats", picture))

    def _padded_size(self, image: Image) -> Size:
        height, width = image.shape[:2]
        scale = min(self.size[0] / width, self.size[1] / height)
        return max(1, round(scale * width)), max(1, round(scale * height))

    def _to_image(self, boxes: FloatArray, image: Image) -> FloatArray:
        height, width = image.shape[:2]
        shown = self._padded_size(image) if self._family.padded else self.size
        scale = np.array([width / shown[0], height / shown[1]] * 2)
        return np.clip(boxes * scale, 0, [width, height, width, height])


def _suppressed(boxes: FloatArray, scores: FloatArray, class_ids: NDArray[np.int64]) -> Detections:
    valid = np.isfinite(boxes).all(axis=1) & (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
    boxes, scores, class_ids = boxes[valid], scores[valid], class_ids[valid]
    apart = boxes + class_ids[:, None] * (1 + boxes.max(initial=0.0))  # boxes of different classes never meet
    kept = non_maximum_suppression(apart, scores, MAX_OVERLAP)
    return Detections(boxes[kept], scores[kept], None, class_ids[kept])
