"""Fit the closed-form descriptor on rendered people and write it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.vq import kmeans2

from embedding.descriptors.closed_form import ClosedForm, CropStatistics, fit_map
from embedding.descriptors.statistics import ColourWords, lab, prepared
from tools.statistics.people import render

PEOPLE, VIEWS = 3000, 6
WORDS = 64
SAMPLE = 40_000  # pixels that the words are found among
MIDDLE = slice(8, 24)  # columns of 32 that show the person rather than the background
TERMS = "Apache-2.0; fitted on rendered people alone, no footage of anybody was used"


def fit(people: int = PEOPLE, views: int = VIEWS, seed: int = 0) -> ClosedForm:
    """The descriptor that that many rendered people teach."""
    crops, who = render(people, views, seed)
    words = colour_words(crops, seed)
    statistics = CropStatistics(words)(crops)
    record = {"data": {"kind": "rendered", "people": people, "views": views, "seed": seed}, "terms": TERMS}
    return ClosedForm(words, fit_map(statistics, who), "statistics", record)


def colour_words(crops: NDArray[np.uint8], seed: int) -> NDArray[np.float32]:
    """[64, 3] centres of the colours that people wear, in (0.6 L, a, b), by k-means."""
    random = np.random.default_rng(seed)
    pixels = prepared(crops[:: max(1, len(crops) // PEOPLE)])[:, :, MIDDLE].reshape(-1, 3)
    chosen = lab(pixels[random.choice(len(pixels), SAMPLE, replace=False)])
    chosen *= np.array([ColourWords.BRIGHTNESS, 1, 1], np.float32)
    words, _ = kmeans2(chosen.astype(np.float64), WORDS, seed=seed, minit="++")
    return np.asarray(words, np.float32)


def write(out: Path, people: int = PEOPLE, views: int = VIEWS, seed: int = 0) -> None:
    """Fit and write FILE.npz."""
    fit(people, views, seed).save(out)
