"""What detection networks return, told apart by shape, values and the metadata that exporters leave in the file.

With A cells (one for every 8, 16 and 32 pixels, and for every 64 in the larger models) and C classes:

| output           | family              | a row, in pixels of the input                    | input                |
| ---------------- | ------------------- | ------------------------------------------------ | -------------------- |
| [1, 3A, 5 + C]   | YOLOv5, YOLOv7      | centre x, y, width, height, objectness, classes  | RGB / 255, padded    |
| [1, A, 5 + C]    | YOLOv6              | the same                                         | RGB / 255, padded    |
| [1, A, 5 + C]    | YOLOX               | the same in cells, sizes as logarithms           | BGR, padded          |
| [1, 4 + C, A]    | YOLOv8, v9, v11     | a column: centre x, y, width, height, classes    | RGB / 255, padded    |
| [1, N, 6]        | YOLOv10, end to end | left, top, right, bottom, score, class           | RGB / 255, padded    |
| [1, N, 4 + C]    | RT-DETR             | centre x, y, width, height from 0 to 1, classes  | RGB / 255, stretched |
| [1, 5 + C, h, w] | FastestDet          | objectness, offsets, sizes, classes of each cell | BGR / 255, stretched |

Padding is on the right and below. Where the metadata says that a network is of the task `pose`, key points follow each
row; of `obb`, the angle of the box in radians, and the upright box around it is taken ([1, 4 + C + 1, A] only).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tracker.input.detection.onnx_network import Floats, OnnxNetwork, Size

STRIDES = ((8, 16, 32), (8, 16, 32, 64))  # pixels a cell
NO_BOXES = frozenset({"segment", "classify"})  # tasks whose output is read otherwise
NORMALISED = 1.5  # the largest coordinate of boxes that are fractions of the picture; in pixels boxes are larger
SLACK = 0.01  # by which a score may miss [0, 1]: half precision, 8 bits

Found = tuple[Floats, Floats, NDArray[np.int64]]  # boxes xyxy [N, 4] in pixels of the input, scores [N], class ids [N]


class UnknownLayout(ValueError):
    """An output that cannot be what its shape says; the message says why."""


@dataclass(frozen=True)
class Family:
    """A layout and what its networks want to see.

    Attributes:
        decode: what an output holds, given the input's size and the number of classes.
        classes: their number; None where the output does not tell.
        divisor, red_first, padded: of the picture.
        min_score: below which boxes are dropped.
    """

    name: str
    decode: Callable[[Floats, Size, int | None], Found]
    classes: int | None = None
    divisor: float = 255.0
    red_first: bool = True
    padded: bool = True
    min_score: float = 0.25

    def read(self, output: Floats, size: Size) -> Found:
        """Boxes, scores and classes, duplicates and all.

        Raises:
            UnknownLayout: the scores are none.
        """
        with np.errstate(over="ignore", invalid="ignore"):  # what a damaged network returns ends as no box
            return self.decode(output, size, self.classes)


def recognise(outputs: list[Floats], network: OnnxNetwork) -> tuple[Family, int]:
    """The family of a network, from what it returns for a blank picture; and which of the outputs holds the boxes.

    Raises:
        UnknownLayout: none is known that fits the outputs and the metadata.
    """
    if network.task in NO_BOXES:
        raise UnknownLayout(f"a network of the task {network.task!r}, expected detect, pose or obb")
    shown = [i for i, output in enumerate(outputs) if len(outputs) == 1 or not _is_raw_map(output, network.size)]
    family = _by_shape(outputs[shown[0]], network) if len(shown) == 1 else None
    if family is None:
        width, height = network.size
        found = " and ".join(str(list(output.shape)) for output in outputs)
        task = f" of the task {network.task!r}" if network.task in ("pose", "obb") else ""
        raise UnknownLayout(f"outputs {found}{task} for an input of {width}x{height}, expected {layouts(network.size)}")
    named = max(network.class_names, default=-1) + 1
    if named and family.classes not in (None, named):
        shape = list(outputs[shown[0]].shape)
        raise UnknownLayout(f"output {shape} is of {family.classes} classes as {family.name}, but {named} are named")
    return family, shown[0]


def layouts(size: Size) -> str:
    """The shapes that are known, for messages."""
    known = "[1, 3A, 5+C], [1, A, 5+C], [1, 4+C, A], [1, N, 6], [1, N, 4+C] of boxes from 0 to 1 or [1, 5+C, h, w]"
    return f"{known}, A one of {sorted(_cell_counts(size))}"


def _is_raw_map(output: Floats, size: Size) -> bool:
    """Whether a further output is what a head computes boxes from, which some exporters show beside the boxes."""
    grids = {(size[1] // stride, size[0] // stride) for stride in STRIDES[1]}
    return output.ndim >= 4 and output.shape[2:4] in grids


def _by_shape(output: Floats, network: OnnxNetwork) -> Family | None:
    counts = _cell_counts(network.size)
    match output.shape:
        case (1, channels, rows, columns) if channels > 5 and rows > 1 and columns > 1:
            return replace(_FASTESTDET, classes=channels - 5)
        case (1, count, fields) if fields > 5 and (count in counts or count in {3 * number for number in counts}):
            # Centres in pixels reach the far side of the input, offsets in cells do not.
            in_pixels = count not in counts or output[..., :2].max() > max(network.size) / 4
            return _with_classes(_YOLOV5 if in_pixels else _YOLOX, fields - 5, network)
        case (1, fields, count) if fields > 4 and count in counts:
            return _with_classes(_YOLOV8_TURNED if network.task == "obb" else _YOLOV8, fields - 4, network)
        case (1, _, fields) if fields > 4 and _is_normalised(output[0]):
            return _with_classes(_RTDETR, fields - 4, network)
        case (1, _, fields) if fields == 6 + (network.key_point_values or 0 if network.task == "pose" else 0):
            return _YOLOV10 if network.task != "obb" else None
    return None


def _with_classes(family: Family, columns: int, network: OnnxNetwork) -> Family | None:
    """The family with as many classes as there are columns for; None where a task adds columns that it has not."""
    if network.task == "pose":
        named = max(network.class_names, default=-1) + 1
        columns = columns - network.key_point_values if network.key_point_values is not None else min(columns, named)
    elif network.task == "obb":
        columns = columns - 1 if family is _YOLOV8_TURNED else 0
    return replace(family, classes=columns) if columns > 0 else None


def _is_normalised(rows: Floats) -> bool:
    """Whether boxes are fractions of the picture: there are some, and none reaches beyond it by much."""
    return bool(0 < rows[:, :4].max(initial=0) <= NORMALISED)


def _cell_counts(size: Size) -> set[int]:
    return {sum((size[0] // stride) * (size[1] // stride) for stride in strides) for strides in STRIDES}


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


def _scores(values: Floats, least: float = 0.0) -> Floats:
    """The values, which must be scores. Key points, angles, pixels and values before a sigmoid are none."""
    smallest, largest = values.min(initial=0), values.max(initial=0)
    if not (smallest >= least - SLACK and largest <= 1 + SLACK):
        raise UnknownLayout(f"scores from {smallest:.4g} to {largest:.4g}, expected 0 to 1")
    return values


def _best(boxes: Floats, scores: Floats) -> Found:
    return boxes, scores.max(axis=1), scores.argmax(axis=1)


def _decode_yolov5(output: Floats, size: Size, classes: int | None) -> Found:
    rows = output[0]
    scores = _scores(rows[:, 4:][:, : 1 + (classes or 0)])
    return _best(_corners(rows[:, :2], rows[:, 2:4]), scores[:, :1] * scores[:, 1:])


def _decode_yolox(output: Floats, size: Size, classes: int | None) -> Found:
    rows = output[0]
    layouts = (_cells(size, strides) for strides in STRIDES)
    corner, stride = next(layout for layout in layouts if len(layout[0]) == len(rows))
    boxes = _corners((rows[:, :2] + corner) * stride, np.exp(np.minimum(rows[:, 2:4], 20)) * stride)
    scores = _scores(rows[:, 4:][:, : 1 + (classes or 0)])
    return _best(boxes, scores[:, :1] * scores[:, 1:])


def _decode_yolov8(output: Floats, size: Size, classes: int | None) -> Found:
    rows = output[0].T
    return _best(_corners(rows[:, :2], rows[:, 2:4]), _scores(rows[:, 4:][:, :classes]))


def _decode_turned(output: Floats, size: Size, classes: int | None) -> Found:
    rows = output[0].T
    sides, angle = rows[:, 2:4], rows[:, -1:]
    around = np.abs(sides * np.cos(angle)) + np.abs(sides[:, ::-1] * np.sin(angle))
    return _best(_corners(rows[:, :2], around), _scores(rows[:, 4:][:, :classes]))


def _decode_yolov10(output: Floats, size: Size, classes: int | None) -> Found:
    rows = output[0]
    scores = _scores(rows[:, 4], least=-np.inf)  # rows that fill up may have a score of -1
    used = rows[scores >= _YOLOV10.min_score]
    if _is_normalised(used):
        raise UnknownLayout("boxes from 0 to 1 with a class each")
    if (broken := used[used[:, 5] != np.floor(used[:, 5]), 5]).size:
        raise UnknownLayout(f"a class {broken[0]:.4g}, expected a whole number")
    return rows[:, :4], scores, np.maximum(np.nan_to_num(rows[:, 5]), 0).astype(np.int64)


def _decode_rtdetr(output: Floats, size: Size, classes: int | None) -> Found:
    rows = output[0]
    pixels = np.array([*size, *size], np.float32)
    return _best(_corners(rows[:, :2], rows[:, 2:4]) * pixels, _scores(rows[:, 4:]))


def _decode_fastestdet(output: Floats, size: Size, classes: int | None) -> Found:
    channels, height, width = output.shape[1:]
    cells = output[0].reshape(channels, -1).T
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    grid = np.stack((x.ravel(), y.ravel()), axis=1)
    centre = (grid + np.tanh(cells[:, 1:3])) / (width, height) * size
    extent = 1 / (1 + np.exp(-cells[:, 3:5])) * size
    objectness, scores = _scores(cells[:, :1]), _scores(cells[:, 5:])
    combined = np.maximum(objectness, 0) ** 0.6 * np.maximum(scores, 0) ** 0.4
    return _best(_corners(centre, extent).astype(np.float32), combined.astype(np.float32, copy=False))


_YOLOV5 = Family("YOLOv5", _decode_yolov5)
_YOLOX = Family("YOLOX", _decode_yolox, divisor=1.0, red_first=False)
_YOLOV8 = Family("YOLOv8", _decode_yolov8)
_YOLOV8_TURNED = Family("YOLOv8 of turned boxes", _decode_turned)
_YOLOV10 = Family("YOLOv10", _decode_yolov10)
_RTDETR = Family("RT-DETR", _decode_rtdetr, padded=False)
# Its scores are powers below one and so run high: 0.6 is where precision and recall meet on TUD-Campus and PETS09-S2L1.
_FASTESTDET = Family("FastestDet", _decode_fastestdet, red_first=False, padded=False, min_score=0.6)
BLANK = Family("not known yet", _decode_yolov5)  # for the first, blank picture
