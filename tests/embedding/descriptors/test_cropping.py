"""Crops: which pixels they hold, how they are resampled, what becomes of boxes at and beyond the border."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from embedding.descriptors.cropping import SIDE, Aspect, cut_crops

IMAGE = np.random.default_rng(0).integers(1, 256, (200, 300, 3), dtype=np.uint8)  # no pixel is black


@pytest.mark.parametrize("aspect", ["stretch", "pad"])
def test_a_box_of_the_crops_size_is_copied(aspect: Aspect) -> None:
    crops, inside = cut_crops(IMAGE, [[40, 50, 40 + SIDE, 50 + SIDE]], aspect=aspect)
    assert crops.dtype == np.uint8
    assert inside.tolist() == [True]
    np.testing.assert_array_equal(crops[0], IMAGE[50 : 50 + SIDE, 40 : 40 + SIDE])


def test_a_box_that_shrinks_is_averaged() -> None:
    for width, height in ((64, 192), (128, 128)):
        crops, _ = cut_crops(IMAGE, [[0, 0, width, height]])
        blocks = IMAGE[:height, :width].reshape(64, height // 64, 64, width // 64, 3).mean(axis=(1, 3))
        assert np.abs(crops[0] - blocks).max() <= 0.5 + 1e-9  # rounding


@pytest.mark.parametrize("size", [(529, 611), (255, 511), (300, 299), (128, 600)])
def test_halving_a_large_box_is_averaging_but_for_a_few_pixels_at_its_borders(size: tuple[int, int]) -> None:
    y, x = np.mgrid[0:640, 0:640].astype(np.float32)
    waves = 128 + 60 * np.sin(x / 40) + 60 * np.cos(y / 30)
    image = np.repeat(waves[..., None], 3, axis=2).astype(np.uint8)
    crop = cut_crops(image, [[3, 5, 3 + size[0], 5 + size[1]]])[0][0].astype(int)
    plain = cv2.resize(image[5 : 5 + size[1], 3 : 3 + size[0]], (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    assert np.abs(crop - plain).mean() < 1.5
    assert np.abs(crop - plain).max() < 8


@pytest.mark.parametrize(
    "box",
    [
        [10, 20, 30, 60],  # grows
        [10, 20, 110, 40],  # shrinks in one direction only
        [10, 20, 40, 180],
    ],
)
def test_other_boxes_are_interpolated(box: list[int]) -> None:
    left, top, right, bottom = box
    wanted = cv2.resize(IMAGE[top:bottom, left:right], (SIDE, SIDE), interpolation=cv2.INTER_LINEAR)
    np.testing.assert_array_equal(cut_crops(IMAGE, [box])[0][0], wanted)


@pytest.mark.parametrize("aspect", ["stretch", "pad"])
@pytest.mark.parametrize(
    ("box", "same_as"),
    [
        ([-100, -100, 20, 30], [0, 0, 20, 30]),  # cut off at the image's corner
        ([290, 190, 1e12, 1e12], [290, 190, 300, 200]),
        ([5.2, 5.7, 9.1, 9.9], [5, 5, 10, 10]),  # pixels that are touched count
        ([7.1, 7.1, 7.2, 7.2], [7, 7, 8, 8]),  # at least one pixel
    ],
)
def test_boxes_are_cut_and_rounded_outwards(box: list[float], same_as: list[float], aspect: Aspect) -> None:
    np.testing.assert_array_equal(
        cut_crops(IMAGE, [box], aspect=aspect)[0], cut_crops(IMAGE, [same_as], aspect=aspect)[0]
    )


@pytest.mark.parametrize(
    "box",
    [
        [-50, 0, -10, 20],  # beside the image
        [0, 1000, 10, 1010],  # below
        [300, 0, 310, 9],  # touching it from outside
        [30, 30, 20, 40],  # inside out
        [np.nan] * 4,
    ],
)
def test_boxes_that_miss_the_image_are_left_out_and_named(box: list[float]) -> None:
    crops, inside = cut_crops(IMAGE, [[0, 0, 64, 64], box, [10, 10, 74, 74]])
    assert inside.tolist() == [True, False, True]
    np.testing.assert_array_equal(crops, [IMAGE[:64, :64], IMAGE[10:74, 10:74]])


def test_no_boxes() -> None:
    crops, inside = cut_crops(IMAGE, np.zeros((0, 4)), width=32, height=48)
    assert crops.shape == (0, 48, 32, 3)
    assert inside.shape == (0,)


@pytest.mark.parametrize(
    ("box", "size", "filled"),  # filled: columns, rows of the crop that hold the box
    [
        ([0, 0, 50, 100], (64, 64), (slice(16, 48), slice(0, 64))),  # a standing person
        ([0, 0, 100, 50], (64, 64), (slice(0, 64), slice(16, 48))),  # one lying down
        ([0, 0, 50, 100], (32, 64), (slice(0, 32), slice(0, 64))),  # of the crop's own proportions
        ([0, 0, 3, 100], (64, 64), (slice(31, 33), slice(0, 64))),
        ([0, 0, 300, 1], (64, 64), (slice(0, 64), slice(31, 32))),  # at least one pixel
    ],
)
def test_padding_keeps_the_proportions(box: list[int], size: tuple[int, int], filled: tuple[slice, slice]) -> None:
    (crop,), _ = cut_crops(IMAGE, [box], *size, aspect="pad")
    columns, rows = filled
    expected = np.zeros(crop.shape[:2], bool)
    expected[rows, columns] = True
    np.testing.assert_array_equal(crop.any(axis=2), expected)  # black outside, nothing black inside
    inner, _ = cut_crops(IMAGE, [box], columns.stop - columns.start, rows.stop - rows.start)
    np.testing.assert_array_equal(crop[rows, columns], inner[0])


def test_the_image_is_not_changed() -> None:
    before = IMAGE.copy()
    crops, _ = cut_crops(IMAGE, [[0, 0, 64, 64]])
    crops[:] = 0
    np.testing.assert_array_equal(IMAGE, before)


def test_needs_no_torch() -> None:
    program = "import sys, embedding.descriptors.cropping; sys.exit('torch' in sys.modules or 'cv2' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True, cwd=Path(__file__).parents[3])
