"""Several descriptors as one: the formula of its similarity, its name, and how it is written."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import ArrayLike, NDArray

from embedding import Descriptor
from embedding.descriptor import load_fused
from embedding.descriptors.fusion import FusedDescriptor, fuse, unit
from embedding.descriptors.spec import Part, parse
from embedding.errors import InputError

IMAGE = np.random.default_rng(0).integers(0, 256, (120, 160, 3), dtype=np.uint8)
BOXES = np.array([[10.0, 20, 50, 100], [60, 10, 100, 90], [90, 30, 140, 110]])
OUTSIDE = np.array([[500.0, 500, 600, 700]])
Array = NDArray[np.float32]


class Fixed:
    """A descriptor that knows its features by heart, one a box."""

    def __init__(self, name: str, features: ArrayLike) -> None:
        self.name = name
        self.features = np.asarray(features, np.float32)
        self.dimension = self.features.shape[1]

    def __call__(self, image: NDArray[np.uint8], boxes: ArrayLike) -> Array:
        return self.features[: len(np.asarray(boxes))]


def cosines(features: NDArray[np.floating]) -> NDArray[np.float64]:
    exact = features.astype(np.float64)
    exact = exact / np.linalg.norm(exact, axis=1, keepdims=True)
    return np.asarray(exact @ exact.T)


@given(
    seed=st.integers(0, 10**6),
    weights=st.lists(st.floats(0.1, 10).map(lambda weight: float(f"{weight:.3g}")), min_size=1, max_size=4),
)
def test_the_similarity_is_the_parts_mean_weighted_with_squares(seed: int, weights: list[float]) -> None:
    random = np.random.default_rng(seed)
    parts = [Fixed(f"p{k}", 10.0**k * random.normal(size=(3, 2 + k))) for k in range(len(weights))]  # of any length
    fused = FusedDescriptor(parts, weights)(IMAGE, BOXES)
    wanted = sum(w**2 * cosines(part.features) for part, w in zip(parts, weights, strict=True))
    np.testing.assert_allclose(cosines(fused), wanted / np.square(weights).sum(), atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(fused, axis=1), np.linalg.norm(weights), rtol=1e-5)


def test_parts_lie_behind_each_other_in_their_order() -> None:
    colour, pixels = Descriptor.load("colour"), Descriptor.load("pixels")
    fused = Descriptor.load("colour+0.5*pixels")
    assert fused.dimension == colour.dimension + pixels.dimension
    features = fused(IMAGE, BOXES)
    np.testing.assert_allclose(features[:, : colour.dimension], unit(colour(IMAGE, BOXES)), rtol=1e-6)
    np.testing.assert_allclose(features[:, colour.dimension :], 0.5 * unit(pixels(IMAGE, BOXES)), rtol=1e-6)
    both = fused.describe_frames([IMAGE, IMAGE[::-1].copy()], [BOXES, BOXES[:1]])
    np.testing.assert_array_equal(both[0], features)
    assert [len(frame) for frame in both] == [3, 1]


def test_the_name_tells_parts_order_and_weights() -> None:
    names = [
        Descriptor.load(text).name
        for text in ("colour+pixels", "pixels+colour", "colour+0.7*pixels", "colour+0.701*pixels", "2*colour+pixels")
    ]
    assert len(set(names)) == 5
    assert "/" not in "".join(names) and "*" not in "".join(names)  # they become part of a file's name
    assert names[0] == f"{Descriptor.load('colour').name}-x1+{Descriptor.load('pixels').name}-x1"
    assert names[2].endswith("-x0.7")


def test_of_a_weight_three_digits_count_in_name_and_features() -> None:
    exact, longer = (Descriptor.load(f"colour+{weight}*pixels") for weight in ("0.62", "0.620049"))
    assert exact.name == longer.name
    np.testing.assert_array_equal(exact(IMAGE, BOXES), longer(IMAGE, BOXES))


def test_zeros_stay_zeros() -> None:
    assert not Descriptor.load("pixels+0.5*pixels")(IMAGE, OUTSIDE).any()
    mixed = fuse([np.zeros((1, 2)), np.array([[3.0, 4.0]])], [1, 2])
    np.testing.assert_allclose(mixed, [[0, 0, 1.2, 1.6]], rtol=1e-6)
    assert Descriptor.load("colour+pixels")(IMAGE, []).shape == (0, 2048 + 384)


def test_without_weights_all_parts_count_alike() -> None:
    alike, explicit = Descriptor.load("colour+pixels"), Descriptor.load("colour+1*pixels")
    np.testing.assert_array_equal(alike(IMAGE, BOXES), explicit(IMAGE, BOXES))


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("default", [("default", None)]),
        ("default+colour", [("default", None), ("colour", None)]),
        ("default + 0.7 * colour", [("default", None), ("colour", 0.7)]),
        ("2*a+b+1e-3*c", [("a", 2.0), ("b", None), ("c", 1e-3)]),
        ("0.5*colour", [("colour", 0.5)]),
    ],
)
def test_the_grammar(text: str, parts: list[tuple[str, float | None]]) -> None:
    assert parse(text) == tuple(Part(*part) for part in parts)


def test_a_file_that_exists_is_one_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a+b.onnx", "0.5*c.onnx", "c.onnx"):
        Path(name).touch()
    assert parse("a+b.onnx") == (Part("a+b.onnx"),)
    assert parse("colour+a+b.onnx") == (Part("colour"), Part("a+b.onnx"))
    assert parse("colour+0.7*a+b.onnx") == (Part("colour"), Part("a+b.onnx", 0.7))
    assert parse("colour+0.7*mot16-lite") == (Part("colour"), Part("mot16-lite", 0.7))  # a model that ships
    assert parse("0.3*a+b.onnx+colour") == (Part("a+b.onnx", 0.3), Part("colour"))
    assert parse("0.5*c.onnx") == (Part("0.5*c.onnx"),)  # as it is there
    assert parse("0.6*c.onnx") == (Part("c.onnx", 0.6),)
    assert parse("a+d.onnx") == (Part("a"), Part("d.onnx"))
    with pytest.raises(InputError, match=r"a\+b\.onnx"):  # handed to the reader of networks, whole
        Descriptor.load("a+b.onnx")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("colour+", "a part without a name"),
        ("+colour", "a part without a name"),
        ("colour++pixels", "a part without a name"),
        ("colour+0.5*", "a part without a name"),
        ("colour+0*pixels", "the weight '0'"),
        ("colour+-1*pixels", "the weight '-1'"),
        ("colour+x*pixels", "the weight 'x'"),
        ("colour+*pixels", "the weight ''"),
        ("colour+nan*pixels", "the weight 'nan'"),
        ("inf*colour", "the weight 'inf'"),
        ("colour+no_such", "descriptor 'no_such': not known"),
        ("none+colour", "descriptor 'none': not known"),
    ],
)
def test_what_is_wrong_is_named_in_one_line(text: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        Descriptor.load(text)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("weights", [[], [1.0], [1.0, 0.0], [1.0, float("nan")], [1.0, -2.0]])
def test_a_weight_above_0_for_every_part(weights: list[float]) -> None:
    parts = [Fixed("a", np.ones((3, 2))), Fixed("b", np.ones((3, 2)))]
    with pytest.raises(ValueError, match="expected a weight above 0 for each part"):
        FusedDescriptor(parts, weights)


def test_fusing_what_needs_no_torch_does_not_import_it() -> None:
    program = "import sys; from embedding import Descriptor; Descriptor.load('colour+0.5*pixels'); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert "torch" not in done.stdout.split()


def test_parts_are_loaded_by_name() -> None:
    assert load_fused([Part("colour", 2.0)], "cpu").name.endswith("-x2")
