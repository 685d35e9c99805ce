"""The closed-form statistics of crops, each against an independent way to compute it."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import logm

from embedding.descriptors.statistics import BANDS, ColourWords, StripeGaussians, lab, prepared, weight_of_column

RANDOM = np.random.default_rng(0)
CROPS = RANDOM.integers(0, 256, (5, 64, 64, 3), dtype=np.uint8)
WORDS = lab(RANDOM.random((16, 3)).astype(np.float32)) * np.array([0.6, 1, 1], np.float32)


def test_a_crop_is_averaged_in_pairs_and_brought_half_way_to_grey() -> None:
    crop = np.zeros((1, 64, 64, 3), np.uint8)
    crop[...] = (40, 80, 160)
    found = prepared(crop)[0, 3, 5] * 255
    grey = (40 + 80 + 160) / 3
    np.testing.assert_allclose(found, np.sqrt(np.array([40, 80, 160]) * grey), rtol=1e-5)
    pairs = prepared(np.arange(64, dtype=np.uint8)[None, None, :, None].repeat(64, 1).repeat(3, 3))
    np.testing.assert_allclose(pairs[0, 0, :, 0] * 255, np.arange(32) * 2 + 0.5, rtol=1e-5)
    assert prepared(np.zeros((2, 64, 64, 3), np.uint8)).max() == 0  # no light, no gain


def test_light_of_one_colour_changes_little() -> None:
    """Half of what it makes of the colours' balance, in logarithms."""

    def balance(pixels: np.ndarray) -> np.ndarray:
        logs = np.log(pixels.mean(axis=(1, 2)))
        return logs - logs.mean(axis=1, keepdims=True)

    plain = (CROPS // 2 + 40).astype(np.uint8)
    tinted = (plain * np.array([1.0, 0.8, 0.7])).astype(np.uint8)
    np.testing.assert_allclose(
        balance(prepared(tinted)) - balance(prepared(plain)), (balance(tinted) - balance(plain)) / 2, atol=0.01
    )


def test_colour_words_are_soft_counts_in_overlapping_stripes() -> None:
    """By loops, from each pixel's own colour: the table of colours is a little coarser."""
    words = ColourWords(WORDS)
    pixels = prepared(CROPS)[:1]
    found = words(pixels)[0].reshape(BANDS, 16) ** 2
    colours = lab(pixels)[0] * np.array([0.6, 1, 1], np.float32)
    columns = weight_of_column()
    expected = np.zeros((BANDS, 16))
    for stripe in range(BANDS):
        middle, total = 8 * stripe + 4, 0.0
        for row in range(64):
            weight = max(0.0, 1 - abs(row + 0.5 - middle) / 16)
            total += weight
            for column in range(32) if weight else ():
                squares = ((colours[row, column] - WORDS) ** 2).sum(axis=1)
                near = np.argsort(squares)[:4]
                share = np.exp(-squares[near] / 128)
                expected[stripe, near] += weight * columns[column] * share / share.sum()
        expected[stripe] /= total
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-5)
    assert np.abs(found - expected).sum(axis=1).max() < 0.1


def test_gaussians_are_the_logarithms_of_matrices_of_moments() -> None:
    gaussians = StripeGaussians()
    pixels = prepared(CROPS)
    found = gaussians(pixels).reshape(5, 7, 55)
    features = gaussians.features(pixels)
    weight = np.tile(weight_of_column(), 16) / 16
    for crop, stripe in ((0, 0), (3, 6), (4, 2)):
        rows = features[crop, :, 8 * stripe : 8 * stripe + 16].reshape(10, -1).astype(np.float64)
        matrix = (rows * weight) @ rows.T + 3e-3 * np.eye(10)
        logarithm = logm(matrix / np.linalg.det(matrix) ** 0.1)
        expected = logarithm[np.triu_indices(10)] * np.where(np.eye(10)[np.triu_indices(10)] > 0, 1, np.sqrt(2))
        np.testing.assert_allclose(found[crop, stripe], expected, atol=2e-3)
        assert np.trace(logarithm) == pytest.approx(0, abs=1e-9)


def test_a_plain_crop_has_finite_statistics() -> None:
    """One colour has a singular covariance."""
    for value in (0, 128, 255):
        pixels = prepared(np.full((1, 64, 64, 3), value, np.uint8))
        assert np.isfinite(StripeGaussians()(pixels)).all()
        assert np.isfinite(ColourWords(WORDS)(pixels)).all()


def test_features_say_what_they_are() -> None:
    crop = np.zeros((1, 64, 64, 3), np.uint8)
    crop[:, :, 32:] = (0, 0, 200)  # black, then red
    features = StripeGaussians().features(prepared(crop))[0]
    assert features[5, 20, 14:18].max() > 0.2 and features[5, 20, :14].max() == 0  # horizontal gradient at the edge
    assert features[6].max() == 0
    assert features[4, 0, -1] > 0.99 and features[4, 0, 0] == 0  # saturation
    assert (np.diff(features[0, :, 0]) > 0).all()
    assert (features[9] == 1).all()
