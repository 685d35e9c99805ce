"""Detectors: known boxes through every output layout, real frames through the real ones, and clear refusals."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tracker.core.boxes import iou, tlwh_to_xyxy
from tracker.core.detections import Detections
from tracker.errors import InputError
from tracker.input.detection.onnx_detector import OnnxDetector
from tracker.input.detectors import is_detector, load_detector
from tracker.input.frames import open_frames

SIDE = 96  # of the networks' input, pixels
CELLS = 12 * 12 + 6 * 6 + 3 * 3
IMAGE = np.zeros((64, 128, 3), np.uint8)  # fills the upper half of the input
SCALE = SIDE / 128
BOXES = np.array([[10.0, 20, 50, 60], [70, 4, 120, 44]])  # in the image
SCORES = np.array([0.9, 0.6])
CLASS_IDS = np.array([0, 2])
CLASSES = 3


def centred(boxes: np.ndarray) -> np.ndarray:
    return np.concatenate(((boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]), axis=1)


def one_hot() -> np.ndarray:
    return np.eye(CLASSES)[CLASS_IDS]


def yolov5() -> np.ndarray:
    output = np.zeros((1, 3 * CELLS, 5 + CLASSES))
    output[0, [7, 200]] = np.concatenate((centred(SCALE * BOXES), SCORES[:, None] / 0.95, 0.95 * one_hot()), axis=1)
    output[0, 8] = output[0, 7] * [1, 1, 1, 1, 0.7, 1, 1, 1]  # the same person again, less sure
    return output


def yolov6() -> np.ndarray:
    output = yolov5()[:, [7, 200, *range(9, 9 + CELLS - 2)]]
    output[0, 5, :2] = SIDE - 4  # centres cover the input
    return output


def yolox() -> np.ndarray:
    output = np.zeros((1, CELLS, 5 + CLASSES))
    centres = centred(SCALE * BOXES)
    for box, score, class_id in zip(centres, SCORES, CLASS_IDS, strict=True):
        column, row = int(box[0] // 8), int(box[1] // 8)  # the 12 x 12 cells of 8 pixels come first
        cell = output[0, row * 12 + column]
        cell[:5] = [box[0] / 8 - column, box[1] / 8 - row, *np.log(box[2:] / 8), score]
        cell[5 + class_id] = 1
    return output


def yolov8() -> np.ndarray:
    output = np.zeros((1, 4 + CLASSES, CELLS))
    output[0][:, [3, 50]] = np.concatenate((centred(SCALE * BOXES), SCORES[:, None] * one_hot()), axis=1).T
    return output


def yolov10() -> np.ndarray:
    output = np.zeros((1, 10, 6))
    output[0, [0, 1]] = np.concatenate((SCALE * BOXES, SCORES[:, None], CLASS_IDS[:, None]), axis=1)
    return output


def fastestdet() -> np.ndarray:
    output = np.full((1, 5 + CLASSES, 4, 4), -10.0)
    output[:, [0, *range(5, 5 + CLASSES)]] = 0
    centres = centred(BOXES / np.tile([128, 64], 2))  # fractions: this family stretches the image
    for (x, y, width, height), score, class_id in zip(centres, SCORES, CLASS_IDS, strict=True):
        column, row = int(4 * x), int(4 * y)
        cell = output[0, :, row, column]
        cell[1:3] = np.arctanh([4 * x - column, 4 * y - row])
        cell[3:5] = np.log([width / (1 - width), height / (1 - height)])
        cell[[0, 5 + class_id]] = score
    return output


@pytest.mark.parametrize(
    ("make", "family"),
    [
        (yolov5, "YOLOv5"),  # with a duplicate to suppress
        (yolov6, "YOLOv5"),  # decoded, one box a cell
        (yolox, "YOLOX"),  # not decoded
        (yolov8, "YOLOv8"),  # transposed
        (yolov10, "YOLOv10"),  # already suppressed
        (fastestdet, "FastestDet"),  # a grid
    ],
)
def test_known_boxes_come_back(tmp_path: Path, write_network, make, family: str) -> None:
    detect = OnnxDetector(write_network(tmp_path / "network.onnx", make()), "all")
    assert (detect.family, detect.size) == (family, (SIDE, SIDE))
    found = detect(IMAGE)
    order = np.argsort(-found.scores)
    np.testing.assert_allclose(found.boxes[order], BOXES, atol=1e-3)
    np.testing.assert_allclose(found.scores[order], SCORES, atol=1e-5)
    np.testing.assert_array_equal(found.class_ids[order], CLASS_IDS)
    assert found.features is None


def wide(class_id: int) -> np.ndarray:
    output = np.zeros((1, 84, CELLS))
    output[0, :4, 0], output[0, 4 + class_id, 0] = [20, 16, 10, 12], 0.8
    return output


@pytest.mark.parametrize(
    ("output", "suffix", "count"),
    [
        (wide(0), "", 1),  # a person of COCO's 80 classes
        (wide(2), "", 0),  # a car is not asked for
        (wide(2), ":2,7", 1),  # here it is
        (wide(2), ":all", 1),
        (wide(0), ":person", 1),  # COCO's 80 go by name where the file has none
        (wide(2), ":bicycle,car", 1),
        (wide(2), ":0", 0),
        (yolov8(), "", 2),  # a network of one's own: all of its classes
        (yolov8(), ":2", 1),
    ],
)
def test_classes_can_be_chosen(tmp_path: Path, write_network, output: np.ndarray, suffix: str, count: int) -> None:
    path = write_network(tmp_path / "network.onnx", output)
    assert len(load_detector(f"{path}{suffix}")(IMAGE)) == count


def test_an_open_input_size_is_taken_as_640(tmp_path: Path, write_network) -> None:
    output = np.zeros((1, 84, 80 * 80 + 40 * 40 + 20 * 20))
    path = write_network(tmp_path / "open.onnx", output, shape=("batch", 3, "side", "side"))
    assert OnnxDetector(path).size == (640, 640)


def test_boxes_without_area_or_outside_are_dropped(tmp_path: Path, write_network) -> None:
    output = np.zeros((1, 4, 6))
    output[0] = [[5, 5, 5, 9, 0.9, 0], [-9, -9, -2, -2, 0.9, 0], [np.nan, 0, 9, 9, 0.9, 0], [-4, 2, 9, 9, 0.9, 0]]
    found = OnnxDetector(write_network(tmp_path / "network.onnx", output))(IMAGE)
    np.testing.assert_allclose(found.boxes, [[0, 2 / SCALE, 9 / SCALE, 9 / SCALE]])


@pytest.mark.parametrize(
    "shape",
    [
        (1, 100, 7),  # A does not fit the input
        (1, 5),  # a classifier
        (1, 3, 8, 8),  # a mask
    ],
)
def test_an_unknown_output_is_named(tmp_path: Path, write_network, shape: tuple[int, ...]) -> None:
    path = write_network(tmp_path / "network.onnx", np.zeros(shape))
    with pytest.raises(InputError, match=r"network.onnx: outputs \[1, .*expected \[1, 3A") as raised:
        load_detector(str(path))
    assert str(list(shape)) in str(raised.value)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("yolo", "not known, expected fastestdet, hog, torchvision:NAME or FILE.onnx"),  # no such thing
        ("torchvision:a-b", "not known"),  # no such name
        ("none.onnx", "none.onnx: cannot be read: No such file"),  # no such file
        ("none.onnx:", "classes '', expected all, or numbers and names"),  # none behind the colon
        ("none.onnx:0,,2", "classes '0,,2', expected all, or"),  # none between two commas
    ],
)
def test_unknown_detectors_are_refused(name: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as raised:
        load_detector(name)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("content", [b"", b"not a network", bytes(range(256)) * 4])
def test_a_file_that_is_no_network_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "broken.onnx").write_bytes(content)
    with pytest.raises(InputError, match=r"broken.onnx: .*") as raised:
        load_detector(str(tmp_path / "broken.onnx"))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("hog", True),
        ("fastestdet", True),
        ("fastestdet:person,car", True),
        ("fastestdet.txt", False),
        ("torchvision:anything", True),
        ("weights/yolo.ONNX", True),
        ("yolo.onnx:0,2", True),
        ("yolo.ONNX:all", True),
        ("yolo.onnx:person,traffic light", True),
        ("C:\\nets\\yolo.onnx", True),
        ("nets.onnx/det.txt", False),
        ("det.txt", False),
        ("sdp.npy", False),
        ("onnx", False),
    ],
)
def test_detectors_are_told_from_files(name: str, expected: bool) -> None:
    assert is_detector(name) is expected


def recall_and_precision(detect, sequence: Path, source: Path, every: int) -> tuple[float, float]:
    truth = np.loadtxt(sequence / "gt/gt.txt", delimiter=",")
    matched = people = count = 0
    for frame_index, image in open_frames(source):
        if frame_index % every:
            continue
        found: Detections = detect(image)
        boxes = tlwh_to_xyxy(truth[truth[:, 0] == frame_index, 2:6])
        matched += int((iou(boxes, found.boxes) > 0.5).any(axis=1).sum()) if len(found) else 0
        people += len(boxes)
        count += len(found)
    print(f"recall {matched / people:.3f} precision {matched / max(count, 1):.3f} of {people}")
    return matched / people, matched / max(count, 1)


@pytest.mark.parametrize(
    ("name", "sequence", "every", "recall", "precision"),
    [
        ("fastestdet", "TUD-Campus", 3, 0.70, 0.70),  # measured 0.805 and 0.826
        ("hog", "TUD-Stadtmitte", 30, 0.60, 0.45),  # measured 0.812 and 0.553
    ],
)
@pytest.mark.slow
def test_real_frames(shared: Path, name: str, sequence: str, every: int, recall: float, precision: float) -> None:
    folder = shared / "data/mot15" / sequence
    found, true = recall_and_precision(load_detector(name), folder, folder / "img1", every)
    assert found > recall
    assert true > precision


def test_hog_finds_nothing_in_a_picture_smaller_than_its_window() -> None:
    assert len(load_detector("hog")(np.zeros((100, 60, 3), np.uint8))) == 0
