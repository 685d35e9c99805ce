"""Descriptors by name, and what they are handed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import ArrayLike, NDArray

from embedding import Descriptor
from embedding.errors import InputError

IMAGE = np.random.default_rng(0).integers(0, 256, (120, 160, 3), dtype=np.uint8)
BOXES = np.array([[10.0, 20, 50, 100], [60, 10, 100, 90]])


class Corners:
    """A descriptor of a user's own: the box itself."""

    name = "corners"
    dimension = 4

    def __call__(self, image: NDArray[np.uint8], boxes: ArrayLike) -> NDArray[np.float32]:
        return np.asarray(boxes, np.float32)


@pytest.mark.parametrize("name", ["default", "colour"])
def test_the_descriptors_that_ship(name: str) -> None:
    describe = Descriptor.load(name)
    features = describe(IMAGE, BOXES)
    assert features.shape == (2, describe.dimension)
    assert features.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(features, axis=1), 1, rtol=1e-5)
    np.testing.assert_array_equal(Descriptor.load(name)(IMAGE, BOXES), features)  # deterministic
    assert describe.name not in ("", "default")  # says which one it is, for caches


@pytest.mark.parametrize("device", ["auto", "cpu", "cuda", "mps"])
def test_colours_do_not_ask_for_a_device(device: str) -> None:
    assert Descriptor.load("colour", device=device)(IMAGE, BOXES).shape[0] == 2


@pytest.mark.parametrize("name", ["osnet", "", "no/such.safetensors", "Colour"])
def test_an_unknown_descriptor_is_named(name: str) -> None:
    with pytest.raises(InputError, match=r"^[^\n]*expected[^\n]*$") as caught:
        Descriptor.load(name)
    assert repr(name) in str(caught.value) or name in str(caught.value)


def test_a_file_that_is_no_descriptor_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    path.write_bytes(b"nothing of the kind")
    with pytest.raises(InputError):
        Descriptor.load(str(path))


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
