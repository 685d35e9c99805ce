"""Weights for the parts of a descriptor: which pairs they come from, what they are, and where they are kept."""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

import tracker.fusing
import tracker.fusion_weights
from embedding import Descriptor
from embedding.fusion import fuse
from tracker.calibration import LAG
from tracker.errors import InputError
from tracker.fusing import FusionWeights, fused_spec
from tracker.fusion_weights import (
    CROPS_OF_ONE,
    CropSample,
    choose_weights,
    pair_up,
    sample_crops,
    separating_weights,
    weigh,
)
from tracker.motchallenge import DetectionTable, read_detections
from tracker.sequences import Sequence, find_sequence

PEOPLE, FRAMES = 12, 3 * LAG


def standing(people: int, frames: int, scores: float = 0.9) -> DetectionTable:
    """People who stand beside each other."""
    left = 100.0 * np.arange(people)
    boxes = np.stack((left, 0 * left, left + 40, 0 * left + 80), axis=1)
    numbers = np.repeat(np.arange(1, frames + 1), people)
    return DetectionTable(numbers, np.tile(boxes, (frames, 1)), np.full(people * frames, scores))


def seen(looks: NDArray[np.float64], noise: float, frames: int, random: np.random.Generator) -> NDArray[np.float32]:
    """Features [frames x people, D] of people who look like this, with noise."""
    features = np.tile(looks, (frames, 1))
    return (features + noise * random.normal(size=features.shape)).astype(np.float32)


def weights_of(*noises: float, people: int = 30, seed: int = 0) -> NDArray[np.float64]:
    """The weights for descriptors of so much noise, each of other looks; inf: pure noise."""
    random = np.random.default_rng(seed)
    table = standing(people, FRAMES)
    sample = sample_crops(table)
    features = []
    for noise in noises:
        looks = random.normal(size=(people, 32)) * np.isfinite(noise)
        features.append(seen(looks, min(noise, 1e3), FRAMES, random)[sample.rows])
    return weigh(features, pair_up(sample, table.frames[sample.rows]))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("noise", [0.2, 1.0])  # wholly apart, and overlapping
def test_a_descriptor_of_noise_is_dropped(noise: float, seed: int) -> None:
    assert weights_of(noise, np.inf, seed=seed).tolist() == [1, 0]
    assert weights_of(np.inf, noise, seed=seed).tolist() == [0, 1]
    assert weights_of(noise, np.inf, noise, seed=seed)[1] == 0


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("noise", [1.0, 1.3])
def test_descriptors_as_good_as_each_other_weigh_alike(noise: float, seed: int) -> None:
    assert weights_of(noise, noise, seed=seed) == pytest.approx([1, 1], abs=0.15)


def test_what_one_tells_apart_alone_needs_no_other() -> None:
    """The first of equal ones stays."""
    assert weights_of(0.2, 0.2).tolist() == [1, 0]
    assert weights_of(0.2, 1.5, 1.5).tolist() == [1, 0, 0]
    assert weights_of(1.5, 0.2).tolist() == [0, 1]


def test_the_better_one_weighs_more() -> None:
    assert 0.1 < weights_of(0.7, 1.4)[1] < 0.8
    assert weights_of(1.4, 0.7)[1] > 1.25


@pytest.mark.parametrize("seed", range(3))
def test_together_they_tell_apart_better_than_each_alone(seed: int) -> None:
    random = np.random.default_rng(seed)
    table, people = standing(30, FRAMES), 30
    features = [seen(random.normal(size=(people, 16)), noise, FRAMES, random) for noise in (1.0, 1.3)]
    sample = sample_crops(table)
    pairs = pair_up(sample, table.frames[sample.rows])
    weights = weigh([part[sample.rows] for part in features], pairs)

    def true_accepts(weights: list[float]) -> float:
        fused = fuse([part[sample.rows] for part in features], weights)
        fused = fused / np.linalg.norm(fused, axis=1, keepdims=True)
        similarity = fused @ fused.T
        gate = np.quantile(similarity[tuple(pairs.different.T)], 0.997)
        return float((similarity[tuple(pairs.same.T)] > gate).mean())

    assert true_accepts(weights.tolist()) > max(true_accepts([1, 1e-6]), true_accepts([1e-6, 1])) + 0.03


def test_constant_features_are_dropped() -> None:
    table = standing(20, FRAMES)
    sample = sample_crops(table)
    pairs = pair_up(sample, table.frames[sample.rows])
    random = np.random.default_rng(0)
    good = seen(random.normal(size=(20, 16)), 0.3, FRAMES, random)[sample.rows]
    same = np.ones_like(good)
    assert weigh([same, good], pairs).tolist() == [0, 1]
    assert weigh([same, same], pairs).tolist() == [1, 0]


def test_the_same_descriptor_twice_is_used_once() -> None:
    """Any weights would do: the regression shares them out, and one of them is enough."""
    random = np.random.default_rng(0)
    same, different = random.normal(0.8, 0.2, (200, 1)), random.normal(0.3, 0.2, (500, 1))
    pairs = same.repeat(3, axis=1), different.repeat(3, axis=1), np.ones(200)
    shared = separating_weights(*pairs)
    assert shared == pytest.approx(shared[0], abs=1e-3) and shared[0] > 0
    assert choose_weights(*pairs).tolist() == [1, 0, 0]


def test_who_stands_still_does_not_decide_alone() -> None:
    """One tracklet of many pairs trusts the first part, many of few pairs the second."""
    random = np.random.default_rng(0)
    different = random.normal(0, 0.3, (1000, 2))
    still = np.stack((random.normal(1.0, 0.1, 900), random.normal(0.0, 0.3, 900)), axis=1)
    others = np.stack((random.normal(0.0, 0.3, 300), random.normal(1.0, 0.1, 300)), axis=1)
    same = np.concatenate((still, others))
    first, second = separating_weights(same, different, np.ones(1200))
    assert first > second
    first, second = separating_weights(same, different, np.r_[np.full(900, 900**-0.5), np.full(300, 10**-0.5)])
    assert first < second


def test_pairs_of_one_person_are_apart_in_time_and_pairs_of_two_meet() -> None:
    frames = np.array([1, 1, 1 + LAG // 2, 1 + LAG, 1 + LAG, 60, 60 + LAG])
    sample = CropSample(np.arange(7), np.array([0, 1, 0, 0, 1, 2, 2]), np.array([[1, 20], [1, 15], [60, 80]]))
    pairs = pair_up(sample, frames)
    assert pairs.same.tolist() == [[0, 3], [1, 4], [5, 6]]
    assert pairs.tracklets.tolist() == [0, 1, 2]
    assert pairs.different.tolist() == [[0, 1], [0, 4], [1, 2], [1, 3], [2, 4], [3, 4]]  # the third met nobody


def test_a_sample_is_bounded_and_covers_people_and_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracker.fusion_weights, "MOST_CROPS", 80)
    table = standing(PEOPLE, 100)
    sample = sample_crops(table)
    assert len(sample.spans) == 80 // CROPS_OF_ONE
    assert (np.bincount(sample.tracklets) == 8).all()
    assert (np.diff(sample.rows) > 0).all()
    assert sample.spans.tolist() == [[1, 100]] * 10
    frames = table.frames[sample.rows]
    assert (frames.min(), frames.max()) == (1, 100)
    places = table.boxes[sample.rows, 0]
    assert all(len(np.unique(places[sample.tracklets == k])) == 1 for k in range(10))


@pytest.mark.parametrize(("frames", "scores"), [(LAG, 0.9), (0, 0.9)])
def test_short_tracklets_are_no_sample(frames: int, scores: float) -> None:
    sample = sample_crops(standing(PEOPLE, frames, scores))
    assert len(sample.rows) == 0
    pairs = pair_up(sample, np.zeros(0, np.int64))
    assert (len(pairs.same), len(pairs.different)) == (0, 0)


def test_doubtful_detections_count_where_there_are_no_others() -> None:
    assert len(sample_crops(standing(3, FRAMES, 0.2)).rows) == 3 * FRAMES
    table = standing(3, FRAMES)
    table.scores[::3] = 0.2
    assert len(sample_crops(table).rows) == 2 * FRAMES


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sequence of people in their own colours."""
    folder = tmp_path_factory.mktemp("root") / "street"
    (folder / "img1").mkdir(parents=True)
    (folder / "det").mkdir()
    random = np.random.default_rng(0)
    colours = random.integers(0, 256, (PEOPLE, 2, 3)).tolist()
    rows = []
    for frame in range(1, FRAMES + 1):
        image = np.full((70, 50 * PEOPLE, 3), 128, np.uint8)
        for person, (coat, trousers) in enumerate(colours):
            left = 50 * person + 5 + frame % 4
            cv2.rectangle(image, (left, 5), (left + 29, 34), coat, -1)
            cv2.rectangle(image, (left, 35), (left + 29, 64), trousers, -1)
            rows.append((frame, -1, left, 5, 30, 60, 0.9))
        noisy = image + random.integers(-30, 31, image.shape)
        cv2.imwrite(str(folder / f"img1/{frame:06d}.png"), noisy.clip(0, 255).astype(np.uint8))
    np.savetxt(folder / "det/det.txt", rows, fmt="%g", delimiter=",")
    return folder


def read(folder: Path) -> tuple[Sequence, DetectionTable]:
    return find_sequence(str(folder)), read_detections(folder / "det/det.txt")


def test_the_weights_are_told_kept_and_read_again(
    street: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    sequence, table = read(street)
    result = tmp_path / "out" / "street.txt"
    spec = fused_spec(sequence, table, "colour+pixels", result)
    (kept,) = result.parent.iterdir()
    assert kept.name.startswith("street.fused-") and kept.suffix == ".json"
    first = capsys.readouterr().err
    assert first.startswith("street: colour+pixels: weights 1 and ") and first.count("\n") == 1
    assert "pairs of one person and" in first and "of two" in first
    monkeypatch.setattr(tracker.fusing, "find_weights", None)  # the frames are not looked at again
    assert fused_spec(sequence, table, "colour+pixels", result) == spec
    assert capsys.readouterr().err == first.replace("\n", " (earlier run)\n")
    assert Descriptor.load(spec).dimension > 0
    with pytest.raises(TypeError):  # other parts are other weights
        fused_spec(sequence, table, "pixels+colour", result)


def test_weights_that_are_given_are_left_alone(street: Path, tmp_path: Path) -> None:
    sequence, table = read(street)
    for spec in ("colour", "default", "colour+1*pixels", "2*colour+pixels", "no_such"):
        assert fused_spec(sequence, table, spec, tmp_path / "a.txt") == spec
    assert list(tmp_path.iterdir()) == []


def test_with_too_few_pairs_the_parts_weigh_alike(
    street: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sequence, table = read(street)
    few = table.frames <= LAG
    table = DetectionTable(table.frames[few], table.boxes[few], table.scores[few])
    assert fused_spec(sequence, table, "colour+pixels", tmp_path / "a.txt") == "colour+1*pixels"
    told = capsys.readouterr().err
    assert told == "street: colour+pixels: weights 1 and 1 as 0 pairs of one person and 0 of two are too few to tell\n"


def test_beside_a_device_nothing_is_kept(street: Path) -> None:
    sequence, table = read(street)
    assert fused_spec(sequence, table, "colour+pixels", Path("/dev/null")).startswith("colour")
    assert not list(Path("/dev").glob("null.fused-*"))


def test_what_cannot_be_weighed_is_told_in_one_line(street: Path, tmp_path: Path) -> None:
    sequence, table = read(street)
    stream = Sequence("camera0", frames=0)
    missing = tmp_path / "missing"
    shutil.copytree(street, missing)
    (missing / f"img1/{FRAMES // 2:06d}.png").unlink()
    cases = [
        (stream, table, "colour+pixels", r"camera0 does not have; give them, as in colour\+0\.7\*pixels"),
        (sequence, None, "colour+pixels", r"give them, as in colour\+0\.7\*pixels"),
        (sequence, table, "colour+no_such", "'no_such': not known"),
        (sequence, table, "colour+", "a part without a name"),
        (find_sequence(str(missing)), table, "colour+pixels", "a frame with detections is missing"),
    ]
    for where, detections, spec, message in cases:
        with pytest.raises(InputError, match=message) as caught:
            fused_spec(where, detections, spec, tmp_path / "out.txt")
        assert "\n" not in str(caught.value)
    assert not list(tmp_path.glob("out*"))


@pytest.mark.parametrize("content", ["", "{}", "[1]", '{"spec": "a", "names": ["a"], "weights": [0], "same": 1}'])
def test_a_damaged_file_is_named(street: Path, tmp_path: Path, content: str) -> None:
    sequence, table = read(street)
    fused_spec(sequence, table, "colour+pixels", tmp_path / "a.txt")
    (kept,) = tmp_path.iterdir()
    kept.write_text(content)
    with pytest.raises(InputError, match="remove it and run again"):
        fused_spec(sequence, table, "colour+pixels", tmp_path / "a.txt")


def test_a_dropped_part_is_told() -> None:
    found = FusionWeights(("random", "colour"), (0.0, 1.0), 812, 15_000)
    assert found.spec == "colour"
    assert str(found) == "random+colour: weights 0 and 1 from 812 pairs of one person and 15,000 of two"
