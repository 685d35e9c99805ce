"""The best pictures of each identity: large, sharp, uncovered, inside, spread in time, and not too many."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from tracker.core.detections import Tracks
from tracker.report.crops import PER_IDENTITY, TALLEST, BestCrops, cut, quality_at_best, sharpness

RNG = np.random.default_rng(0)
NOISE = RNG.integers(0, 256, (400, 600, 3)).astype(np.uint8)


def tracks(*boxes: tuple[float, ...], ids: list[int] | None = None, coasting: bool = False) -> Tracks:
    count = len(boxes)
    detection = np.full(count, -1) if coasting else np.arange(count)
    numbers = np.array(ids or range(1, count + 1), np.int64)
    return Tracks(numbers, np.array(boxes, float).reshape(-1, 4), np.ones(count), detection, np.full(count, -1))


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        ((100, 50, 200, 350), (100, 50, 150, 200)),  # larger
        ((100, 50, 200, 350), (-50, 50, 50, 350)),  # half outside
        ((100, 50, 200, 350), (100, 250, 200, 550)),  # cut below
    ],
)
def test_what_makes_a_box_better(better: tuple[float, ...], worse: tuple[float, ...]) -> None:
    good, bad = (
        quality_at_best(np.array([better, worse], float)[:, None].reshape(2, 4)[[0]], NOISE),
        quality_at_best(np.array([worse], float), NOISE),
    )
    assert 1 > good[0] > bad[0] > 0


def test_who_is_covered_by_a_nearer_one_is_worth_less_and_the_nearer_one_is_not() -> None:
    behind, nearer = (100.0, 50.0, 200.0, 300.0), (120.0, 80.0, 220.0, 350.0)
    alone = quality_at_best(np.array([behind]), NOISE)[0], quality_at_best(np.array([nearer]), NOISE)[0]
    both = quality_at_best(np.array([behind, nearer]), NOISE)
    assert both[0] < 0.3 * alone[0] and both[1] == alone[1]


def test_blur_is_told_from_sharpness_whatever_the_size() -> None:
    picture = cv2.resize(RNG.integers(0, 256, (24, 12, 3)).astype(np.uint8), (120, 240), interpolation=cv2.INTER_CUBIC)
    values = [sharpness(np.asarray(cv2.GaussianBlur(picture, (0, 0), sigma))) for sigma in (0.5, 8, 20)]
    assert values == sorted(values, reverse=True) and values[0] > 2 * values[2]


def test_the_sharp_moment_is_chosen_and_the_covered_and_the_guessed_one_are_not() -> None:
    box = (100, 50, 200, 350)
    crops = BestCrops()
    blurred = np.asarray(cv2.GaussianBlur(NOISE, (0, 0), 12))
    for frame in range(8):  # of one stretch
        if frame == 5:
            crops.see(frame, NOISE, tracks(box, coasting=True))
        elif frame == 3:
            crops.see(frame, NOISE, tracks(box))
        else:
            crops.see(frame, blurred, tracks(box))
    assert [crop.frame for crop in crops.best()[1]] == [3]


@pytest.mark.slow
@pytest.mark.parametrize("length", [1, 3, 40, 1000])
def test_crops_are_spread_in_time_and_few(length: int) -> None:
    crops = BestCrops()
    order = RNG.permutation(200)
    for frame in range(1, length + 1):
        shade = np.roll(NOISE, int(order[frame % 200]), axis=1)
        crops.see(frame, shade, tracks((100, 50, 200, 350)))
        assert len(crops._kept[1].crops) <= 2 * PER_IDENTITY
    frames = [crop.frame for crop in crops.best()[1]]
    assert len(frames) == min(PER_IDENTITY, -(-length // 8)) and frames == sorted(frames)
    if length == 1000:
        assert np.diff(frames).max() > 64


@pytest.mark.slow
def test_memory_is_bounded_and_those_seen_longest_stay() -> None:
    crops = BestCrops(most=5)
    for frame in range(1, 800):
        long = [(20, 50, 60, 200)] if frame < 100 else []
        crops.see(frame, NOISE, tracks(*long, (100, 50, 160, 300), ids=[*([7000] if long else []), frame]))
        assert len(crops._kept) <= 10
    best = crops.best()
    assert len(best) == 5 and 7000 in best


def test_a_crop_is_a_picture_of_the_box() -> None:
    box = (100.0, 50.0, 180.0, 370.0)
    crops = BestCrops()
    crops.see(1, NOISE, tracks(box))
    picture = cv2.imdecode(np.frombuffer(crops.best()[1][0].jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None and picture.shape[0] == TALLEST
    assert picture.shape[1] / picture.shape[0] == pytest.approx(80 / 320, rel=0.1)


@given(arrays.arrays(float, (2, 4), elements=st.floats(-1e7, 1e7)))
@example(np.array([[0.0, 100.0, 50.0, 0.0], [5.0, 5.0, 5.0, 5.0]]))  # inside out, as high as FAR; without area
def test_any_box_has_a_quality_and_can_be_cut(boxes: np.ndarray) -> None:
    quality = quality_at_best(boxes, NOISE)
    assert ((quality >= 0) & (quality < 1)).all()
    for box in boxes[quality > 0]:
        assert min(cut(NOISE, box).shape) > 0
