"""YOLO-style detectors from an ONNX file, run by OpenCV and told apart by the shape of what they return.

With A cells (one for every 8, 16 and 32 pixels, and for every 64 in the larger models) and C classes:

| output           | family              | a row, in pixels of the input                    | input                |
| ---------------- | ------------------- | ------------------------------------------------ | -------------------- |
| [1, 3A, 5 + C]   | YOLOv5, YOLOv7      | centre x, y, width, height, objectness, classes  | RGB / 255, padded    |
| [1, A, 5 + C]    | YOLOv6              | the same                                         | RGB / 255, padded    |
| [1, A, 5 + C]    | YOLOX               | the same in cells, sizes as logarithms           | BGR, padded          |
| [1, 4 + C, A]    | YOLOv8, v9, v11     | a column: centre x, y, width, height, classes    | RGB / 255, padded    |
| [1, N, 6]        | YOLOv10, end to end | left, top, right, bottom, score, class           | RGB / 255, padded    |
| [1, 5 + C, h, w] | FastestDet          | objectness, offsets, sizes, classes of each cell | BGR / 255, stretched |

Padding is on the right and below.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tracker.core.boxes import non_maximum_suppression
from tracker.core.detections import Detections, FloatArray, Image
from tracker.errors import InputError

MAX_OVERLAP = 0.5  # IoU above which the better of two boxes of a class stays
DEFAULT_SIZE = 640  # pixels, where the file leaves its input's size open
COCO_CLASSES = 80
PERSON = 0  # in COCO's numbering of 80
STRIDES = ((8, 16, 32), (8, 16, 32, 64))  # pixels a cell
GREY = 114.0  # of the padding the YOLO family trains with

Floats = NDArray[np.float32]
Candidates = tuple[Floats, Floats]  # boxes xyxy [N, 4] in pixels of the input, scores [N, C]
Size = tuple[int, int]  # width, height


@dataclass(frozen=True)
class _Family:
    name: str
    decode: Callable[[Floats, Size], Candidates]
    divisor: float = 255.0
    red_first: bool = True
    padded: bool = True
    min_score: float = 0.25


class OnnxDetector:
    """A detector from an ONNX file: `detect(image)` gives `Detections` in the image's pixels, with class ids.

    Args:
        path: the network; one input [1, 3, H, W], one output of a known shape.
        classes: ids to keep, or `all`; without it people of a network with COCO's 80 classes, all of any other.

    Raises:
        InputError: the file cannot be read, or its output has no known shape.
    """

    def __init__(self, path: Path, classes: frozenset[int] | str | None = None) -> None:
        self._net, self.size = _read_network(path)
        self._classes = classes
        self._path = path
        self._family = _DRY_RUN  # until the shape of an output is known
        self._family = _recognise(path, self._forward(np.full((*self.size[::-1], 3), int(GREY), np.uint8)), self.size)

    @property
    def family(self) -> str:
        """The family the network was taken for."""
        return self._family.name

    def __call__(self, image: Image) -> Detections:
        (output,) = self._forward(image)
        boxes, scores = self._family.decode(output, self.size)
        class_ids, best = scores.argmax(axis=1), scores.max(axis=1)
        wanted = (best >= self._family.min_score) & self._is_wanted(class_ids, scores.shape[1])
        placed = self._to_image(boxes[wanted].astype(np.float64), image)
        return _suppressed(placed, best[wanted].astype(np.float64), class_ids[wanted])

    def _is_wanted(self, class_ids: NDArray[np.int64], count: int) -> NDArray[np.bool_]:
        classes = frozenset({PERSON}) if self._classes is None and count == COCO_CLASSES else self._classes
        if classes is None or isinstance(classes, str):
            return np.ones(len(class_ids), bool)
        return np.isin(class_ids, list(classes))

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
        self._net.setInput(cv2.dnn.blobFromImage(resized, 1 / family.divisor, swapRB=family.red_first))
        try:
            outputs = self._net.forward(self._net.getUnconnectedOutLayersNames())
        except cv2.error as error:
            raise InputError(f"{self._path}: OpenCV cannot run it on {size}: {_first_line(error)}") from error
        return [np.asarray(output, np.float32) for output in outputs]

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


def _recognise(path: Path, outputs: list[Floats], size: Size) -> _Family:
    """The family of a network, from what it returns for a blank image."""
    shapes = [output.shape for output in outputs]
    cells = {len(_cells(size, strides)[0]) for strides in STRIDES}
    match shapes:
        case [(1, channels, rows, columns)] if channels > 5 and rows > 1 and columns > 1:
            return _FASTESTDET
        case [(1, count, fields)] if fields > 5 and count in {3 * number for number in cells}:
            return _YOLOV5
        case [(1, count, fields)] if fields > 5 and count in cells:
            # Centres in pixels reach the far side of the input, offsets in cells do not.
            return _YOLOV5 if outputs[0][..., :2].max() > max(size) / 4 else _YOLOX
        case [(1, fields, count)] if fields > 4 and count in cells:
            return _YOLOV8
        case [(1, _, 6)]:
            return _YOLOV10
    found = " and ".join(str(list(shape)) for shape in shapes)
    raise InputError(
        f"{path}: outputs {found} for an input of {size[0]}x{size[1]}, expected [1, 3A, 5+C], [1, A, 5+C], "
        f"[1, 4+C, A], [1, N, 6] or [1, 5+C, h, w], A one of {sorted(cells)}"
    )


def _cells(size: Size, strides: tuple[int, ...]) -> tuple[Floats, Floats]:
    """Upper left corners [A, 2] in cells and strides [A, 1] in pixels of all cells, as YOLOX orders them."""
    corners, sides = [], []
    for stride in strides:
        columns, rows = size[0] // stride, size[1] // stride
        x, y = np.meshgrid(np.arange(columns), np.arange(rows))
        corners.append(np.stack((x.ravel(), y.ravel()), axis=1))
        sides.append(np.full((rows * columns, 1), stride))
    return np.concatenate(corners).astype(np.float32), np.concatenate(sides).astype(np.float32)


def _corners(centre: Floats, size: Floats) -> Floats:
    return np.concatenate((centre - size / 2, centre + size / 2), axis=1)


def _decode_yolov5(output: Floats, size: Size) -> Candidates:
    rows = output[0]
    return _corners(rows[:, :2], rows[:, 2:4]), rows[:, 4:5] * rows[:, 5:]


def _decode_yolox(output: Floats, size: Size) -> Candidates:
    rows = output[0]
    layouts = (_cells(size, strides) for strides in STRIDES)
    corner, stride = next(layout for layout in layouts if len(layout[0]) == len(rows))
    boxes = _corners((rows[:, :2] + corner) * stride, np.exp(np.minimum(rows[:, 2:4], 20)) * stride)
    return boxes, rows[:, 4:5] * rows[:, 5:]


def _decode_yolov8(output: Floats, size: Size) -> Candidates:
    rows = output[0].T
    return _corners(rows[:, :2], rows[:, 2:4]), rows[:, 4:]


def _decode_yolov10(output: Floats, size: Size) -> Candidates:
    rows = output[0]
    class_ids = np.maximum(rows[:, 5], 0).astype(np.int64)
    scores = np.zeros((len(rows), max(COCO_CLASSES, int(class_ids.max(initial=0)) + 1)), np.float32)
    scores[np.arange(len(rows)), class_ids] = rows[:, 4]
    return rows[:, :4], scores


def _decode_fastestdet(output: Floats, size: Size) -> Candidates:
    channels, height, width = output.shape[1:]
    cells = output[0].reshape(channels, -1).T
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    grid = np.stack((x.ravel(), y.ravel()), axis=1)
    centre = (grid + np.tanh(cells[:, 1:3])) / (width, height) * size
    extent = 1 / (1 + np.exp(-cells[:, 3:5])) * size
    scores = np.maximum(cells[:, :1], 0) ** 0.6 * np.maximum(cells[:, 5:], 0) ** 0.4
    return _corners(centre, extent).astype(np.float32), scores


_YOLOV5 = _Family("YOLOv5", _decode_yolov5)
_YOLOX = _Family("YOLOX", _decode_yolox, divisor=1.0, red_first=False)
_YOLOV8 = _Family("YOLOv8", _decode_yolov8)
_YOLOV10 = _Family("YOLOv10", _decode_yolov10)
# Its scores are powers below one and so run high: 0.6 is where precision and recall meet on TUD-Campus and PETS09-S2L1.
_FASTESTDET = _Family("FastestDet", _decode_fastestdet, red_first=False, padded=False, min_score=0.6)
_DRY_RUN = _Family("not known yet", _decode_yolov5)


def _read_network(path: Path) -> tuple:
    import cv2

    try:
        encoded = path.read_bytes()
        net = cv2.dnn.readNetFromONNX(np.frombuffer(encoded, np.uint8))
        shape = _input_shape(encoded)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (cv2.error, IndexError) as error:
        raise InputError(f"{path}: OpenCV cannot read it as ONNX: {_first_line(error)}") from error
    if len(shape) != 4 or shape[1] not in (0, 3):
        raise InputError(f"{path}: input has shape {shape}, expected [1, 3, height, width]")
    return net, (shape[3] or DEFAULT_SIZE, shape[2] or DEFAULT_SIZE)


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__


def _input_shape(model: bytes) -> list[int]:
    """Shape of a model's first input, 0 where it is left open; OpenCV reads it, but does not tell.

    The path through onnx.proto: ModelProto.graph 7, GraphProto.input 11, ValueInfoProto.type 2, TypeProto.tensor_type
    1, Tensor.shape 2, TensorShapeProto.dim 1, Dimension.dim_value 1.
    """
    message: memoryview = memoryview(model)
    for number in (7, 11, 2, 1, 2):
        message = next(value for key, value in _fields(message) if key == number and isinstance(value, memoryview))
    dimensions = [value for key, value in _fields(message) if key == 1 and isinstance(value, memoryview)]
    sizes = [[value for key, value in _fields(one) if key == 1 and isinstance(value, int)] for one in dimensions]
    return [size[0] if size else 0 for size in sizes]


def _fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Numbers and values of a protocol buffer's fields: integers, or the bytes of texts and nested messages."""
    position = 0
    while position < len(message):
        key, position = _varint(message, position)
        kind = key & 7
        if kind == 0:
            value, position = _varint(message, position)
            yield key >> 3, value
            continue
        length = {1: 8, 5: 4}.get(kind)
        if length is None:
            length, position = _varint(message, position)
        yield key >> 3, message[position : position + length]
        position += length


def _varint(message: memoryview, position: int) -> tuple[int, int]:
    value = shift = 0
    while message[position] & 0x80:
        value |= (message[position] & 0x7F) << shift
        shift, position = shift + 7, position + 1
    return value | message[position] << shift, position + 1
