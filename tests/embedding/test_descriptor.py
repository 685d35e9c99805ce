"""Descriptors by name, and what they are handed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import ArrayLike, NDArray

from embedding import Descriptor
from embedding.descriptors.cropping import cut_crops
from embedding.errors import InputError

IMAGE = np.random.default_rng(0).integers(0, 256, (120, 160, 3), dtype=np.uint8)
BOXES = np.array([[10.0, 20, 50, 100], [60, 10, 100, 90]])


class Corners:
    """A descriptor of a user's own: the box itself."""

    name = "corners"
    dimension = 4

    def __call__(self, image: NDArray[np.uint8], boxes: ArrayLike) -> NDArray[np.float32]:
        return np.asarray(boxes, np.float32)


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder in place of embedding/weights."""
    folder = tmp_path / "weights"
    folder.mkdir()
    monkeypatch.setattr("embedding.descriptors.spec.SHIPPED", folder)
    return folder


def write_model(path: Path, kind: str = "crops") -> None:
    """An untrained model of small crops."""
    from embedding.config import parse_model
    from embedding.vae.model import FlatVAE
    from embedding.vae.weights import save_model

    layers = {"widths": [4]}
    tree = {"latent_dim": 3, "encoder": layers, "decoder": layers, "prior": layers}
    data = {"kind": kind, "mean": [0, 0, 0], "std": [1, 1, 1]}
    save_model(FlatVAE(parse_model(tree, "test"), (3, 16, 8)), path, {"data": data})


@pytest.mark.parametrize("name", ["default", "colour", "pixels"])
def test_the_descriptors_that_ship(name: str) -> None:
    describe = Descriptor.load(name)
    features = describe(IMAGE, BOXES)
    assert features.shape == (2, describe.dimension)
    assert features.dtype == np.float32
    assert np.isfinite(features).all()
    assert (np.linalg.norm(features, axis=1) > 0).all()
    np.testing.assert_array_equal(Descriptor.load(name)(IMAGE, BOXES), features)  # deterministic
    assert describe.name not in ("", "default")  # says which one it is, for caches


def test_colours_have_unit_norm() -> None:
    np.testing.assert_allclose(np.linalg.norm(Descriptor.load("colour")(IMAGE, BOXES), axis=1), 1, rtol=1e-5)


def test_pixels_are_a_small_picture() -> None:
    """OpenCV's area averaging of the 64 x 64 crop, which rounds to bytes where we do not."""
    crops, _ = cut_crops(IMAGE, BOXES)
    small = [cv2.resize(crop, (8, 16), interpolation=cv2.INTER_AREA).ravel() / 255 for crop in crops]
    describe = Descriptor.load("pixels")
    assert describe.dimension == 16 * 8 * 3
    np.testing.assert_allclose(describe(IMAGE, BOXES), small, atol=0.5001 / 255)
    np.testing.assert_array_equal(describe(IMAGE, [[500, 500, 600, 700]]), 0)  # wholly outside


def test_default_is_the_closed_form_and_needs_no_torch() -> None:
    assert Descriptor.load("default").name == Descriptor.load("statistics").name
    assert Descriptor.load().dimension == 128
    code = "import sys; from embedding import Descriptor; Descriptor.load(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("how", ["a name", "a file", "a run's folder"])
def test_a_trained_model_is_found(shipped: Path, tmp_path: Path, how: str) -> None:
    names = {"a name": "crops16", "a file": str(tmp_path / "other.safetensors"), "a run's folder": str(tmp_path)}
    write_model(shipped / "crops16.safetensors")
    write_model(tmp_path / "other.safetensors")
    write_model(tmp_path / "model.safetensors")
    describe = Descriptor.load(names[how], "cpu")
    assert describe(IMAGE, BOXES).shape == (2, 3)
    assert describe.name.startswith({"a name": "crops16-", "a file": "other-", "a run's folder": "model-"}[how])


def test_the_models_of_other_data_are_refused(tmp_path: Path) -> None:
    """Such as those of the paper's figures."""
    write_model(tmp_path / "digits.safetensors", "mnist")
    with pytest.raises(InputError, match=r"^[^\n]*a model of mnist[^\n]*trained on crops$"):
        Descriptor.load(str(tmp_path / "digits.safetensors"))


@pytest.mark.parametrize("device", ["auto", "cpu", "cuda", "mps"])
@pytest.mark.parametrize("name", ["colour", "pixels"])
def test_what_needs_no_device_does_not_ask_for_one(name: str, device: str) -> None:
    assert Descriptor.load(name, device=device)(IMAGE, BOXES).shape[0] == 2


@pytest.mark.parametrize("name", ["osnet", "", "no/such.safetensors", "no/such.onnx", "Colour", "weights.txt"])
def test_an_unknown_descriptor_is_named(name: str) -> None:
    with pytest.raises(InputError, match=r"^[^\n]*expected default, colour, pixels[^\n]*$") as caught:
        Descriptor.load(name)
    assert repr(name) in str(caught.value)


def test_the_error_lists_what_is_there(shipped: Path) -> None:
    for name, kind in (("default", "crops"), ("street", "crops"), ("digits", "mnist")):
        write_model(shipped / f"{name}.safetensors", kind)
    with pytest.raises(InputError, match=r"expected default, colour, pixels, street, a \.safetensors file"):
        Descriptor.load("osnet")


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="a run's folder"):
        Descriptor.load(str(tmp_path))


def test_a_file_that_is_no_descriptor_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    path.write_bytes(b"nothing of the kind")
    with pytest.raises(InputError, match=r"weights\.json: cannot be read.*expected the record"):
        Descriptor.load(str(path))
    path.with_suffix(".json").write_text(json.dumps({"data": {"kind": "crops"}}))
    with pytest.raises(InputError, match="expected keys model and shape"):
        Descriptor.load(str(path))


@pytest.mark.parametrize("name", ["colour", "pixels"])
def test_what_needs_no_torch_does_not_import_it(name: str) -> None:
    program = (
        f"import sys; from embedding import Descriptor; Descriptor.load({name!r}); sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=Path(__file__).parents[2])


@pytest.mark.parametrize("boxes", [BOXES, BOXES.tolist(), BOXES.astype(np.float32), BOXES.astype(int)])
def test_boxes_may_come_as_any_array(boxes: Any) -> None:
    np.testing.assert_allclose(Descriptor(Corners())(IMAGE, boxes), BOXES)


@pytest.mark.parametrize("empty", [[], np.zeros((0, 4)), np.zeros(0)])
def test_no_box_no_feature(empty: Any) -> None:
    assert Descriptor(Corners())(IMAGE, empty).shape == (0, 4)
    describe = Descriptor.load("colour")
    assert describe(IMAGE, empty).shape == (0, describe.dimension)


@pytest.mark.parametrize(
    ("image", "boxes", "message"),
    [
        (IMAGE[..., 0], BOXES, "image: expected BGR uint8"),  # grey
        (np.concatenate((IMAGE, IMAGE[..., :1]), axis=2), BOXES, "image: expected BGR uint8"),  # with alpha
        (IMAGE / 255, BOXES, "image: expected BGR uint8.*found float64"),  # scaled to [0, 1]
        (IMAGE.transpose(2, 0, 1), BOXES, "image: expected BGR uint8"),  # channels first
        (IMAGE, BOXES[0], r"boxes: expected shape \[N, 4\].*found \(4,\)"),  # one box, not a list of one
        (IMAGE, BOXES[:, :3], r"boxes: expected shape \[N, 4\].*found \(2, 3\)"),
    ],
)
def test_what_is_no_image_or_no_box_is_named(image: Any, boxes: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Descriptor.load("colour")(image, boxes)


@pytest.mark.parametrize(
    "box",
    [
        [-50, -50, 20, 30],  # over the corner
        [150, 110, 400, 300],  # over the other
        [500, 500, 600, 700],  # wholly outside
        [10.2, 10.2, 10.4, 10.4],  # less than a pixel
        [-1e6, -1e6, 1e6, 1e6],  # all of it, and more
    ],
)
def test_boxes_over_the_edge_get_a_unit_feature(box: list[float]) -> None:
    features = Descriptor.load("colour")(IMAGE, [box])
    assert np.isfinite(features).all()
    assert np.linalg.norm(features[0]) == pytest.approx(1, rel=1e-4)


def test_a_person_looks_more_like_herself_than_like_another() -> None:
    """Red above blue against blue above red: the same colours, in other places."""
    image = np.zeros((100, 200, 3), np.uint8)
    image[:50, :100], image[50:, :100] = (0, 0, 200), (200, 0, 0)
    image[:50, 100:], image[50:, 100:] = (200, 0, 0), (0, 0, 200)
    boxes = [[10, 10, 50, 90], [40, 12, 80, 92], [110, 10, 150, 90]]  # twice the first, once the second
    first, again, other = Descriptor.load("colour")(image, boxes)
    assert first @ again > 0.9
    assert first @ other < 0.2


class Wrong:
    """Gives features of another shape."""

    name, dimension = "wrong", 3

    def __call__(self, image: np.ndarray, boxes: np.ndarray) -> np.ndarray:
        return np.zeros((len(boxes) + 1, 3), np.float32)


def test_features_of_another_shape_are_named() -> None:
    with pytest.raises(ValueError, match=r"^descriptor wrong: gives \(3, 3\), expected \(2, 3\)$"):
        Descriptor(Wrong())(IMAGE, BOXES)
