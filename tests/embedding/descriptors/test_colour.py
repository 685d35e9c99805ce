"""The colour histogram against a plain loop, its edge cases, and whether it tells people apart on a real video."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from embedding.descriptors.colour import CROP_HEIGHT, CROP_WIDTH, ColourHistogram
from tracker.input.frames import open_frames

NOISE = np.random.default_rng(0).integers(0, 256, (CROP_HEIGHT, CROP_WIDTH, 3), dtype=np.uint8)
WHOLE = [[0, 0, CROP_WIDTH, CROP_HEIGHT]]


def by_counting(crop: np.ndarray, stripes: int, bins: int, spread: float) -> np.ndarray:
    histogram = np.zeros((stripes, bins, bins, bins))
    for y in range(CROP_HEIGHT):
        for x in range(CROP_WIDTH):
            across = (x + 0.5 - CROP_WIDTH / 2) / (CROP_WIDTH / 2)
            blue, green, red = crop[y, x] // (256 // bins)
            histogram[y // (CROP_HEIGHT // stripes), blue, green, red] += np.exp(-(across**2) / (2 * spread**2))
    return np.sqrt(histogram / histogram.sum()).ravel()


@pytest.mark.parametrize(
    ("stripes", "bins", "spread"),
    [
        (4, 8, 0.35),  # as shipped
        (4, 8, np.inf),  # every pixel alike
        (2, 4, 1.0),  # small
    ],
)
def test_equals_counting_pixel_by_pixel(stripes: int, bins: int, spread: float) -> None:
    describe = ColourHistogram(stripes, bins, spread)
    features = describe(NOISE, WHOLE)
    assert features.dtype == np.float32
    assert features.shape == (1, describe.dimension) == (1, stripes * bins**3)
    np.testing.assert_allclose(features[0], by_counting(NOISE, stripes, bins, spread), atol=1e-6)


def test_boxes_do_not_depend_on_each_other() -> None:
    image = np.random.default_rng(1).integers(0, 256, (200, 300, 3), dtype=np.uint8)
    boxes = np.array([[10, 10, 60, 150], [-30, 20, 40, 90], [500, 0, 600, 90], [250.5, 100.2, 310, 230]])
    describe = ColourHistogram()
    together = describe(image, boxes)
    np.testing.assert_allclose(together, np.concatenate([describe(image, box) for box in boxes]), atol=1e-7)
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)


@pytest.mark.parametrize(
    ("box", "same_as"),
    [
        ([-100, -100, 20, 30], [0, 0, 20, 30]),  # cut off at the image's corner
        ([5.2, 5.7, 9.1, 9.9], [5, 5, 10, 10]),  # pixels that are touched count
        ([7.1, 7.1, 7.2, 7.2], [7, 7, 8, 8]),  # at least one pixel
    ],
)
def test_boxes_are_cut_and_rounded_outwards(box: list[float], same_as: list[float]) -> None:
    describe = ColourHistogram()
    np.testing.assert_array_equal(describe(NOISE, [box]), describe(NOISE, [same_as]))


@pytest.mark.parametrize("box", [[-50, 0, -10, 20], [0, 1000, 10, 1010], [CROP_WIDTH, 0, CROP_WIDTH + 5, 9]])
def test_a_box_outside_the_image_is_uniform(box: list[float]) -> None:
    features = ColourHistogram()(NOISE, [box])
    assert np.ptp(features) == 0
    assert np.linalg.norm(features) == pytest.approx(1, abs=1e-5)


def test_no_boxes() -> None:
    assert ColourHistogram()(NOISE, np.zeros((0, 4))).shape == (0, 2048)


@pytest.mark.parametrize("arguments", [(0, 8, 1.0), (4, 0, 1.0), (4, 257, 1.0), (4, 8, 0.0), (4, 8, float("nan"))])
def test_impossible_settings_are_refused(arguments: tuple[int, int, float]) -> None:
    with pytest.raises(ValueError, match="stripes"):
        ColourHistogram(*arguments)


def test_needs_no_torch() -> None:
    program = "import sys, embedding.descriptors.colour; sys.exit('torch' in sys.modules or 'cv2' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True, cwd=Path(__file__).parents[3])


def test_tells_people_apart(shared: Path) -> None:
    """TUD-Stadtmitte: the nearest neighbour 30 frames away or more is mostly the same person; chance is one in five."""
    sequence = shared / "data/mot15/TUD-Stadtmitte"
    truth = np.loadtxt(sequence / "gt/gt.txt", delimiter=",")
    describe = ColourHistogram()
    features, frames, ids = [], [], []
    for frame_index, image in open_frames(sequence / "img1"):
        if frame_index % 10:
            continue
        here = truth[truth[:, 0] == frame_index]
        features.append(describe(image, np.c_[here[:, 2:4], here[:, 2:4] + here[:, 4:6]]))
        frames.extend(here[:, 0])
        ids.extend(here[:, 1])
    stacked, frame_of, id_of = np.concatenate(features), np.array(frames), np.array(ids)
    far = np.abs(frame_of[:, None] - frame_of) >= 30
    answerable = (far & (id_of[:, None] == id_of)).any(axis=1)
    nearest = np.where(far, stacked @ stacked.T, -1).argmax(axis=1)
    rank1 = (id_of[nearest] == id_of)[answerable].mean()
    print(f"rank-1 {rank1:.3f} over {answerable.sum()} queries")
    assert answerable.sum() > 80
    assert rank1 > 0.6
