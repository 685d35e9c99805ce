"""Networks from .onnx files: tiny graphs whose output is known, and a re-identification network on real people."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from embedding import Descriptor
from embedding.descriptors.cropping import cut_crops
from embedding.descriptors.onnx import CHUNK, OnnxDescriptor
from embedding.errors import InputError
from tracker.input.frames import open_frames

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
from onnx import TensorProto, helper  # noqa: E402

HEIGHT, WIDTH = 8, 4
MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
CROPS = np.random.default_rng(0).integers(0, 256, (CHUNK + 3, HEIGHT, WIDTH, 3), dtype=np.uint8)
IMAGE = np.random.default_rng(1).integers(0, 256, (120, 160, 3), dtype=np.uint8)
BOXES = np.array([[10.0, 20, 50, 100], [60, 10, 100, 90]])


def write(
    path: Path,
    shape: list[Any],
    operations: tuple[str, ...] = ("GlobalAveragePool",),
    kind: int = TensorProto.FLOAT,
    outputs: int = 1,
    inputs: int = 1,
) -> Path:
    """A chain of operations of one input each."""
    names = ["x", *(f"y{i}" for i in range(len(operations)))]
    nodes = [helper.make_node(operation, [names[i]], [names[i + 1]]) for i, operation in enumerate(operations)]
    images = [helper.make_tensor_value_info(name, kind, shape) for name in ("x", "x2")[:inputs]]
    found = [helper.make_tensor_value_info(name, kind, None) for name in names[::-1][:outputs]]
    graph = helper.make_graph(nodes, "test", images, found)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, path)
    return path


def expected_mean_colour(crops: np.ndarray) -> np.ndarray:
    """Red, green, blue of each crop [N, 3], by a loop."""
    return np.array([[(crop[..., 2 - c].mean() / 255 - MEAN[c]) / STD[c] for c in range(3)] for crop in crops])


@pytest.mark.parametrize("batch", ["batch", None, 1])
def test_a_graph_of_any_or_one_image_gives_its_output(tmp_path: Path, batch: str | int | None) -> None:
    """GlobalAveragePool's [N, 3, 1, 1] is flattened. More crops than a run takes at a time."""
    describe = OnnxDescriptor(write(tmp_path / "mean.onnx", [batch, 3, HEIGHT, WIDTH]), "cpu")
    features = describe.describe_crops(CROPS)
    assert (describe.height, describe.width, describe.dimension) == (HEIGHT, WIDTH, 3)
    assert features.dtype == np.float32
    np.testing.assert_allclose(features, expected_mean_colour(CROPS), atol=1e-5)
    assert describe.describe_crops(CROPS[:0]).shape == (0, 3)


def test_all_of_the_output_counts(tmp_path: Path) -> None:
    """Identity: the network's input comes out, channel by channel, row by row."""
    describe = OnnxDescriptor(write(tmp_path / "same.onnx", ["n", 3, HEIGHT, WIDTH], ("Identity",)), "cpu")
    features = describe.describe_crops(CROPS)
    assert describe.dimension == 3 * HEIGHT * WIDTH
    scaled = (CROPS[..., ::-1] / 255 - np.array(MEAN)) / np.array(STD)
    np.testing.assert_allclose(features, scaled.transpose(0, 3, 1, 2).reshape(len(CROPS), -1), atol=1e-5)


def test_the_first_of_several_outputs_is_taken(tmp_path: Path) -> None:
    path = write(tmp_path / "two.onnx", ["n", 3, HEIGHT, WIDTH], ("Relu", "GlobalAveragePool"), outputs=2)
    assert OnnxDescriptor(path, "cpu").dimension == 3  # the chain's last; the other has 96 values


def test_boxes_are_cut_to_the_size_of_the_graph(tmp_path: Path) -> None:
    path = write(tmp_path / "mean.onnx", ["n", 3, HEIGHT, WIDTH])
    boxes = np.array([[10.0, 20, 50, 100], [500, 500, 600, 700], [-30, -30, 20, 30]])  # the second is outside
    features = Descriptor.load(str(path), "cpu")(IMAGE, boxes)
    crops, inside = cut_crops(IMAGE, boxes, WIDTH, HEIGHT)
    np.testing.assert_allclose(features[inside], expected_mean_colour(crops), atol=1e-5)
    np.testing.assert_array_equal(features[~inside], np.zeros((1, 3)))


def test_other_crops_are_refused(tmp_path: Path) -> None:
    describe = OnnxDescriptor(write(tmp_path / "mean.onnx", ["n", 3, HEIGHT, WIDTH]), "cpu")
    with pytest.raises(ValueError, match=r"expected uint8 \[N, 8, 4, 3\]"):
        describe.describe_crops(CROPS.transpose(0, 2, 1, 3))


def test_name_changes_with_the_file(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    names = {OnnxDescriptor(write(path, [1, 3, 8, width]), "cpu").name for width in (4, 4, 5)}
    assert len(names) == 2
    assert all(name.startswith("net-") for name in names)


@pytest.mark.parametrize(
    ("graph", "complaint"),
    [
        ({"shape": ["n", 1, 8, 4]}, r"found input tensor\(float\) \['n', 1, 8, 4\], expected"),  # grey
        ({"shape": ["n", 8, 4, 3]}, "expected one input float32"),  # channels last
        ({"shape": ["n", 3, "h", "w"]}, "expected one input float32"),  # any size
        ({"shape": [4, 3, 8, 4]}, "expected one input float32"),  # four at a time
        ({"shape": ["n", 96], "operations": ("Identity",)}, "expected one input float32"),
        ({"shape": ["n", 3, 8, 4], "kind": TensorProto.FLOAT16}, r"tensor\(float16\)"),
        ({"shape": ["n", 3, 8, 4], "inputs": 2}, r"tensor\(float\).*, tensor\(float\)"),
        ({"shape": ["n", 3, 8, 4], "operations": ("NoSuchOperation",)}, "cannot be read as a network"),
        ({"shape": ["n", 3, 8, 4], "operations": ("ReduceMean",)}, r"2 crops give \[1, 1, 1, 1\]"),  # one row for all
    ],
)
def test_other_graphs_are_refused_in_one_line(tmp_path: Path, graph: dict[str, Any], complaint: str) -> None:
    path = write(tmp_path / "odd.onnx", **graph)
    with pytest.raises(InputError, match=complaint) as error:
        Descriptor.load(str(path), "cpu")
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("content", [b"", b"nothing of the kind"])
def test_broken_files_are_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "broken.onnx").write_bytes(content)
    with pytest.raises(InputError, match=r"broken\.onnx: cannot be read as a network") as error:
        Descriptor.load(str(tmp_path / "broken.onnx"), "cpu")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("device", ["tpu", "mps" if sys.platform != "darwin" else "cuda"])
def test_a_device_that_is_not_there_is_named(tmp_path: Path, device: str) -> None:
    path = write(tmp_path / "mean.onnx", [1, 3, HEIGHT, WIDTH])
    with pytest.raises(InputError, match=rf"device: '{device}' is not available"):
        OnnxDescriptor(path, device)


def test_a_re_identification_network_equals_running_it_by_hand(shared: Path) -> None:
    """A batch of one, 256 x 128, crops that OpenCV resizes here; features are 512 numbers of a person."""
    import onnxruntime

    weights = shared / "data/weights/osnet_x0_25_msmt17.onnx"
    session = onnxruntime.InferenceSession(weights, providers=["CPUExecutionProvider"])
    expected = []
    for left, top, right, bottom in BOXES.astype(int):
        crop = cv2.cvtColor(IMAGE[top:bottom, left:right], cv2.COLOR_BGR2RGB)
        crop = cv2.resize(crop, (128, 256), interpolation=cv2.INTER_LINEAR).astype(np.float32) / 255
        image = ((crop - MEAN) / STD).astype(np.float32).transpose(2, 0, 1)[None]
        expected.append(session.run(None, {"images": image})[0][0])
    features = Descriptor.load(str(weights), "cpu")(IMAGE, BOXES)
    assert features.shape == (len(BOXES), 512)
    np.testing.assert_allclose(features, expected, rtol=1e-3, atol=1e-4)


def test_a_re_identification_network_tells_people_apart(shared: Path) -> None:
    """TUD-Stadtmitte, every twentieth frame: the nearest neighbour of another frame is mostly the same person.

    Measured: 0.831 of 59; 16 x 8 pixels 0.508.
    """
    sequence = shared / "data/mot15/TUD-Stadtmitte"
    truth = np.loadtxt(sequence / "gt/gt.txt", delimiter=",")
    describe = Descriptor.load(str(shared / "data/weights/osnet_x0_25_msmt17.onnx"), "cpu")
    features, frames, people = [], [], []
    for frame, image in open_frames(sequence / "img1"):
        here = truth[truth[:, 0] == frame]
        if frame % 20 == 1:
            features.append(describe(image, np.c_[here[:, 2:4], here[:, 2:4] + here[:, 4:6]]))
            frames.extend(here[:, 0])
            people.extend(here[:, 1])
    unit = np.concatenate(features)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    other_frame = np.array(frames)[:, None] != frames
    same = np.array(people)[:, None] == people
    nearest = np.where(other_frame, unit @ unit.T, -1).argmax(axis=1)
    rank1 = same[np.arange(len(unit)), nearest][(other_frame & same).any(axis=1)].mean()
    print(f"rank-1 {rank1:.3f} of {len(unit)}")
    assert len(unit) == 59
    assert rank1 > 0.75
