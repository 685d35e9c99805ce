"""The whitening against SciPy and a plain loop, its files, and whether it helps on real people."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.linalg

from embedding.descriptors.pixels import Pixels
from embedding.descriptors.whitening import Whitening, covariance_within, fit_whitening
from embedding.errors import InputError
from tracker.input.frames import open_frames

DIMENSION = 5


def correlated(tracklets: np.ndarray, seed: int = 0) -> np.ndarray:
    """Features [N, 5] that differ between tracklets, and within them by correlated noise."""
    random = np.random.default_rng(seed)
    person = 10 * random.normal(size=(tracklets.max() + 1, DIMENSION))
    mixing = random.normal(size=(DIMENSION, DIMENSION))
    return person[tracklets] + random.normal(size=(len(tracklets), DIMENSION)) @ mixing + 3


def by_loop(features: np.ndarray, tracklets: np.ndarray) -> np.ndarray:
    total, weights = np.zeros((DIMENSION, DIMENSION)), 0.0
    for tracklet in set(tracklets.tolist()):
        crops = features[tracklets == tracklet]
        if tracklet >= 0 and len(crops) >= 2:
            weight = (len(crops) - 1) ** 0.5
            total += weight * np.cov(crops.T)
            weights += weight
    return total / weights


TRACKLETS = np.random.default_rng(1).permutation(np.repeat(np.arange(12), [1, 1, 2, 2, 3, 4, 5, 7, 9, 20, 50, 200]))


def test_covariance_equals_a_loop_over_tracklets() -> None:
    features = correlated(TRACKLETS)
    np.testing.assert_allclose(covariance_within(features, TRACKLETS), by_loop(features, TRACKLETS), rtol=1e-10)


def test_tracklets_need_not_be_numbered_in_a_row() -> None:
    features = correlated(TRACKLETS)
    renamed = np.random.default_rng(2).permutation(1000)[TRACKLETS]
    np.testing.assert_allclose(covariance_within(features, renamed), covariance_within(features, TRACKLETS), rtol=1e-10)


def test_crops_of_no_tracklet_count_for_the_mean_alone() -> None:
    features = correlated(TRACKLETS)
    some_unknown = np.where(np.arange(len(TRACKLETS)) % 3 == 0, -1, TRACKLETS)
    fitted = fit_whitening(features, some_unknown, shrinkage=0)
    np.testing.assert_allclose(fitted.mean, features.mean(axis=0))
    expected = scipy.linalg.inv(scipy.linalg.sqrtm(by_loop(features, some_unknown)))
    np.testing.assert_allclose(fitted.matrix, expected, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("shrinkage", [0.0, 0.03, 0.5, 1.0])
def test_matrix_is_the_inverse_root_of_the_shrunk_covariance(shrinkage: float) -> None:
    features = correlated(TRACKLETS)
    covariance = by_loop(features, TRACKLETS)
    shrunk = (1 - shrinkage) * covariance + shrinkage * np.trace(covariance) / DIMENSION * np.eye(DIMENSION)
    matrix = fit_whitening(features, TRACKLETS, shrinkage).matrix
    np.testing.assert_allclose(matrix, scipy.linalg.inv(scipy.linalg.sqrtm(shrunk)), rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(matrix, matrix.T, rtol=1e-12, atol=1e-14)


def test_whitened_features_have_unit_covariance_within_tracklets_and_no_mean() -> None:
    features = correlated(TRACKLETS)
    whitened = fit_whitening(features, TRACKLETS, shrinkage=0)(features)
    assert whitened.dtype == np.float32
    np.testing.assert_allclose(by_loop(whitened.astype(float), TRACKLETS), np.eye(DIMENSION), atol=1e-5)
    np.testing.assert_allclose(whitened.mean(axis=0), 0, atol=1e-5)


def test_a_long_tracklet_does_not_dominate() -> None:
    """One person for 900 frames differs along the first axis alone, a hundred people of ten frames along the second."""
    random = np.random.default_rng(0)
    long, short = random.normal(size=900), random.normal(size=1000)
    features = np.concatenate((np.c_[long, 0 * long], np.c_[0 * short, short]))
    tracklets = np.concatenate((np.zeros(900, int), 1 + np.arange(1000) // 10))
    variance = covariance_within(features, tracklets).diagonal()
    assert variance[0] / variance.sum() == pytest.approx(899**0.5 / (899**0.5 + 100 * 9**0.5), abs=0.01)


@pytest.mark.parametrize(
    ("features", "tracklets", "shrinkage", "complaint"),
    [
        (np.ones((3, 2)), [0, 1, 2], 0.1, "none of 3 has two crops"),
        (np.ones((3, 2)), [-1, -1, -1], 0.1, "none of 1 has two crops"),
        (np.ones((0, 2)), [], 0.1, "none of 0 has two crops"),
        (np.ones((4, 2)), [0, 0, 1, 1], 0.1, "crops that differ"),  # all alike: no scale either
        (np.eye(4, 9), [0, 0, 1, 1], 0.0, "larger shrinkage"),  # rank 2 of 9
        (np.full((4, 2), np.nan), [0, 0, 1, 1], 0.1, "NaN"),
        (np.ones(4), [0, 0, 1, 1], 0.1, r"features \[N, D\]"),
        (np.ones((4, 2)), [0, 0, 1], 0.1, r"tracklets \[N\]"),
        (np.eye(4, 2), [0, 0, 1, 1], 1.5, "shrinkage"),
        (np.eye(4, 2), [0, 0, 1, 1], float("nan"), "shrinkage"),
    ],
)
def test_what_cannot_be_fitted(features: np.ndarray, tracklets: list[int], shrinkage: float, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint) as error:
        fit_whitening(features, np.array(tracklets, int), shrinkage)
    assert "\n" not in str(error.value)


def test_goes_round_through_its_file(tmp_path: Path) -> None:
    features = correlated(TRACKLETS)
    fitted = fit_whitening(features, TRACKLETS)
    fitted.save(tmp_path / "whitening.npz")
    np.testing.assert_array_equal(Whitening.load(tmp_path / "whitening.npz")(features), fitted(features))
    assert [path.name for path in tmp_path.iterdir()] == ["whitening.npz"]


@pytest.mark.parametrize(
    ("arrays", "complaint"),
    [
        (None, "cannot be read"),  # absent
        ({}, "cannot be read"),
        ({"mean": np.zeros(3)}, "matrix"),
        ({"mean": np.zeros(3), "matrix": np.eye(4)}, r"expected \[D\] and \[D, D\]"),
        ({"mean": np.zeros(3), "matrix": np.full((3, 3), np.nan)}, "finite"),
        ({"mean": np.array(["a", "b"]), "matrix": np.eye(2)}, "cannot be read"),
    ],
)
def test_broken_files(tmp_path: Path, arrays: dict[str, Any] | None, complaint: str) -> None:
    path = tmp_path / "whitening.npz"
    if arrays is not None:
        np.savez(path, **arrays)
    with pytest.raises(InputError, match=complaint) as error:
        Whitening.load(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("content", [b"", b"rubbish", b"PK\x03\x04cut short"])
def test_files_that_hold_no_arrays(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "whitening.npz").write_bytes(content)
    with pytest.raises(InputError, match="expected a whitening"):
        Whitening.load(tmp_path / "whitening.npz")


def test_needs_no_torch() -> None:
    program = "import sys, embedding.descriptors.whitening; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True, cwd=Path(__file__).parents[3])


def test_helps_to_tell_people_apart(shared: Path) -> None:
    """TUD-Stadtmitte, 16 x 8 pixels. Tracklets: ten frames of a person each, so that nobody's look is known later."""
    sequence = shared / "data/mot15/TUD-Stadtmitte"
    truth = np.loadtxt(sequence / "gt/gt.txt", delimiter=",")
    truth = truth[np.argsort(truth[:, 0], kind="stable")]
    describe = Pixels()
    features = np.concatenate(
        [
            describe(image, np.c_[here[:, 2:4], here[:, 2:4] + here[:, 4:6]])
            for frame, image in open_frames(sequence / "img1")
            if len(here := truth[truth[:, 0] == frame])
        ]
    )
    frames, people = truth[:, 0].astype(int), truth[:, 1].astype(int)
    whitened = fit_whitening(features, people * 100 + frames // 10)(features)
    centred, better = (rank1(found, frames, people) for found in (features - features.mean(axis=0), whitened))
    print(f"rank-1 {centred:.3f} centred, {better:.3f} whitened")
    assert better > centred


def rank1(features: np.ndarray, frames: np.ndarray, people: np.ndarray) -> float:
    """How often the nearest neighbour 30 frames away or more is the same person, of every fifth frame's crops."""
    rows = frames % 5 == 0
    unit = features[rows] / np.linalg.norm(features[rows], axis=1, keepdims=True)
    far = np.abs(frames[rows][:, None] - frames[rows]) >= 30
    same = people[rows][:, None] == people[rows]
    nearest = np.where(far, unit @ unit.T, -np.inf).argmax(axis=1)
    return float(same[np.arange(len(unit)), nearest][(far & same).any(axis=1)].mean())
