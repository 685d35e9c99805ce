"""What an ONNX file says of itself and what its numbers tell: layouts beyond the shape, names, refusals, damage."""

from __future__ import annotations

import math
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tracker.errors import InputError
from tracker.input.detection.onnx_detector import OnnxDetector
from tracker.input.detectors import class_names_of, load_detector

CELLS = 12 * 12 + 6 * 6 + 3 * 3
IMAGE = np.zeros((64, 128, 3), np.uint8)  # padded into the upper half of the input
BOX = (10.0, 20.0, 50.0, 60.0)  # in the image
CENTRE = (22.5, 30.0, 30.0, 30.0)  # in the input of 96 x 96
PERSON = {"names": "{0: 'person'}"}
KEY_POINTS = np.random.default_rng(0).uniform(3, 96, (51, CELLS))  # in pixels


def columns(*after: float, count: int = CELLS) -> np.ndarray:
    """YOLOv8's layout with one box, which the numbers stand after."""
    output = np.zeros((1, 4 + len(after), count))
    output[0, :, 5] = [*CENTRE, *after]
    return output


def rows(first: tuple[float, ...], count: int = 30) -> np.ndarray:
    output = np.zeros((1, count, len(first)))
    output[0, 0] = first
    return output


def pose() -> np.ndarray:
    output = columns(0.9, *[0.0] * 51)
    output[0, 5:] = KEY_POINTS
    return output


NORMALISED = (30 / 128, 40 / 64, 40 / 128, 40 / 64)
CORNERS = (7.5, 15.0, 37.5, 45.0)
POSE = {"task": "pose", "kpt_shape": "[17, 3]"}


@pytest.mark.parametrize(
    ("outputs", "notes", "family"),
    [
        ([pose()], POSE | PERSON, "YOLOv8"),  # key points behind the classes
        ([pose()], POSE, "YOLOv8"),  # the classes are what is left
        ([pose()], {"task": "pose"} | PERSON, "YOLOv8"),  # the key points are what is left
        ([rows((*CORNERS, 0.9, 0, *[40.0] * 51))], POSE | PERSON, "YOLOv10"),  # end to end, with key points
        ([rows((*CENTRE, 1, 0.9, *[40.0] * 51), 3 * CELLS)], POSE, "YOLOv5"),  # YOLOv7's, with key points
        ([columns(0.9, 0, 0)], {"task": "obb"}, "YOLOv8 of turned boxes"),  # not turned
        ([columns(0.9, 0, math.pi / 2)], {"task": "obb"}, "YOLOv8 of turned boxes"),  # by a right angle: a square
        ([rows((*NORMALISED, 0.9, 0))], {}, "RT-DETR"),  # two classes, six columns as end to end
        ([rows((*NORMALISED, 0.9))], {}, "RT-DETR"),  # one class
        ([rows((*NORMALISED, 0.9, *[0.0] * 79), 300)], {}, "RT-DETR"),  # COCO
        ([columns(0.9, 0), np.zeros((1, 144, 12, 12)), np.zeros((1, 144, 6, 6))], {}, "YOLOv8"),  # with its head's maps
        ([columns(0.9)], {"names": "['person']", "task": "detect"}, "YOLOv8"),  # names in a list
        ([columns(0.9)], {"names": "{0: open('x')}"}, "YOLOv8"),  # names that are none
        ([columns(0.9)], {"names": "[" * 10_000}, "YOLOv8"),
    ],
)
def test_the_box_comes_back(tmp_path: Path, write_network, outputs, notes: dict[str, str], family: str) -> None:
    detect = OnnxDetector(write_network(tmp_path / "network.onnx", *outputs, notes=notes))
    found = detect(IMAGE)
    assert detect.family == family
    np.testing.assert_allclose(found.boxes, [BOX], atol=1e-3)
    np.testing.assert_allclose(found.scores, [0.9], atol=1e-6)
    assert found.class_ids.tolist() == [0]


def test_a_turned_box_is_enclosed(tmp_path: Path, write_network) -> None:
    angle, width, height = 0.5, 30.0, 12.0
    output = columns(0.9, angle)
    output[0, 2:4, 5] = width, height
    found = OnnxDetector(write_network(tmp_path / "network.onnx", output, notes={"task": "obb"}))(IMAGE)
    corners = np.array([[x, y] for x in (-width / 2, width / 2) for y in (-height / 2, height / 2)])
    turned = corners @ [[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]] + CENTRE[:2]
    np.testing.assert_allclose(found.boxes[0], np.concatenate((turned.min(0), turned.max(0))) * 128 / 96, atol=1e-3)


@pytest.mark.parametrize(
    ("outputs", "notes", "message"),
    [
        ([pose()], {}, r"read as YOLOv8, has scores from 0 to 9[.0-9]+, expected 0 to 1; layouts known: \[1, 3A"),
        ([columns(0.9, *[50.0] * 15)], {}, "scores from 0 to 50"),  # a face and its five landmarks
        ([rows((*CENTRE, 0.001, 0.9, *[40.0] * 51), 3 * CELLS)], {}, "read as YOLOv5, has scores from 0 to 40"),
        ([columns(-4.0, 2.0)], {}, "scores from -4 to 2"),  # before the sigmoid
        ([columns(math.nan)], {}, "scores from nan"),
        ([rows((*CORNERS, 7.0, 1))], {}, "read as YOLOv10, has scores from 0 to 7"),
        ([rows((*CENTRE, 0.9, 0.1))], {}, "a class 0.1, expected a whole number"),  # centres and two scores in pixels
        ([rows((0.1, 0.3, 0.4, 0.9, 0.9, 3))], {}, "read as RT-DETR, has scores from 0 to 3"),  # corners from 0 to 1
        ([pose()], {"task": "pose"}, r"outputs \[1, 56, 189\] of the task 'pose'"),  # how many key points?
        ([rows((*CENTRE, 0.9, 0, 0.1))], {"task": "obb"}, "of the task 'obb'"),  # end to end and turned
        ([columns(0.9)], {"task": "segment"}, "a network of the task 'segment', expected detect, pose or obb"),
        ([np.zeros((1, 1000))], {"task": "classify"}, "a network of the task 'classify'"),
        ([columns(0.9, 0, 0.3)], {"names": "{0: 'car', 1: 'bus'}"}, "of 3 classes as YOLOv8, but 2 are named"),
        ([columns(0.9), np.zeros((1, 32, 24, 24))], {}, r"outputs \[1, 5, 189\] and \[1, 32, 24, 24\]"),  # masks
        ([np.zeros((1, 300, 4)), np.zeros((1, 300, 91))], {}, r"outputs \[1, 300, 4\] and"),  # RF-DETR
        ([columns(0.9, count=34000)], {}, r"outputs \[1, 5, 34000\]"),  # four scales
    ],
)
def test_what_is_no_known_layout_is_refused(tmp_path: Path, write_network, outputs, notes, message: str) -> None:
    path = write_network(tmp_path / "network.onnx", *outputs, notes=notes)
    with pytest.raises(InputError, match=message) as raised:
        OnnxDetector(path, "all")
    assert str(raised.value).startswith(f"{path}: ")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("shape", "half", "size"),
    [
        ((1, 3, 96, 96), True, (96, 96)),  # half precision
        ((-1, 3, 96, 96), False, (96, 96)),
        (("batch", "channels", 96, 96), False, (96, 96)),
        ((4, 3, 96, 96), False, None),  # four pictures at once
        ((1, 96, 96, 3), False, None),  # channels last
        ((1, 3, 96, 1 << 40), False, None),  # damaged
        ((1, 3, 0, 96), False, None),
    ],
)
def test_inputs(tmp_path: Path, write_network, shape: tuple[int | str, ...], half: bool, size) -> None:
    path = write_network(tmp_path / "network.onnx", columns(0.9), shape=shape, half=half)
    if size is None:
        with pytest.raises(InputError, match=r"network\.onnx: .*expected one of floats \[1, 3, height, width\]"):
            OnnxDetector(path)
        return
    detect = OnnxDetector(path)
    assert detect.size == size
    np.testing.assert_allclose(detect(IMAGE).boxes, [BOX], atol=1e-3)


NAMES = {"names": "{0: 'Person', 1: 'traffic light', 2: 'car'}"}


@pytest.mark.parametrize(
    ("suffix", "kept"),
    [
        ("", [0]),  # people
        (":all", [0, 1, 2]),
        (":car,person", [0, 2]),
        (":traffic light,2", [1, 2]),
        (":CAR", [2]),
    ],
)
def test_classes_go_by_name(tmp_path: Path, write_network, suffix: str, kept: list[int]) -> None:
    output = np.zeros((1, 7, CELLS))
    output[0, :, [1, 2, 3]] = [[20, 20, 9, 9, *scores] for scores in 0.9 * np.eye(3)]
    detect = load_detector(f"{write_network(tmp_path / 'network.onnx', output, notes=NAMES)}{suffix}")
    assert class_names_of(detect) == {0: "Person", 1: "traffic light", 2: "car"}
    assert sorted(detect(IMAGE).class_ids.tolist()) == kept


@pytest.mark.parametrize(
    ("notes", "suffix", "message"),
    [
        (NAMES, ":cat", "class 'cat' is not known, expected one of Person, traffic light, car"),
        (NAMES, ":3", "class 3, expected 0 to 2"),
        ({}, ":cat", "class 'cat' is not known, expected a number: the file names no classes"),
    ],
)
def test_unknown_classes_are_refused(tmp_path: Path, write_network, notes, suffix: str, message: str) -> None:
    path = write_network(tmp_path / "network.onnx", columns(0.9, 0, 0), notes=notes)
    with pytest.raises(InputError, match=message):
        load_detector(f"{path}{suffix}")


def test_without_people_every_class_is_kept(tmp_path: Path, write_network) -> None:
    path = write_network(tmp_path / "network.onnx", columns(0, 0.9), notes={"names": "{0: 'cat', 1: 'dog\\n\\x1b[1m'}"})
    detect = OnnxDetector(path)
    assert detect.class_names == {0: "cat", 1: "dog [1m"}  # fit to be shown
    assert detect(IMAGE).class_ids.tolist() == [1]


def test_damaged_files_end_in_one_line_and_never_the_process(tmp_path: Path, write_network) -> None:
    """In a process of its own, as an importer that crashes takes the process with it; nothing else may be printed."""
    whole = write_network(tmp_path / "network.onnx", rows((*CORNERS, 0.9, 0), 4), notes=PERSON).read_bytes()
    chance = random.Random(0)
    for number in range(40):
        damaged = bytearray(whole)
        damaged[chance.randrange(len(whole))] ^= chance.randrange(1, 256)
        (tmp_path / f"{number:02}.onnx").write_bytes(damaged if number % 4 else damaged[: chance.randrange(len(whole))])
    program = f"""
from pathlib import Path
from tracker.input.detectors import load_detector
from tracker.errors import InputError
for path in sorted(Path({str(tmp_path)!r}).glob("[0-9]*.onnx")):
    try:
        load_detector(f"{{path}}:all")
        print("whole")
    except InputError as error:
        print("line", len(str(error).splitlines()))
"""
    checkout = Path(__file__).resolve().parents[4]
    done = subprocess.run([sys.executable, "-c", program], cwd=checkout, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    said = done.stdout.splitlines()
    assert len(said) == 40
    assert set(said) == {"whole", "line 1"}
