"""The compiled statistics against NumPy's."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

from embedding.descriptors import compiled
from embedding.descriptors.closed_form import CropStatistics
from embedding.descriptors.statistics import ColourWords, lab

RANDOM = np.random.default_rng(0)
WORDS = lab(RANDOM.random((64, 3)).astype(np.float32)) * np.array([0.6, 1, 1], np.float32)
RAMP = np.arange(64, dtype=np.uint8)
CROPS = {
    "noise": RANDOM.integers(0, 256, (5, 64, 64, 3), dtype=np.uint8),
    "smooth": (RANDOM.integers(0, 256, (3, 4, 4, 3), dtype=np.uint8).repeat(16, 1).repeat(16, 2)),
    "ramps": np.stack([np.stack(np.broadcast_arrays(RAMP[:, None], 255 - RAMP, RAMP * 3), axis=-1)]),
    "one colour": np.full((1, 64, 64, 3), (200, 30, 90), np.uint8),
    "black": np.zeros((1, 64, 64, 3), np.uint8),
    "white": np.full((1, 64, 64, 3), 255, np.uint8),
    "nobody": np.zeros((0, 64, 64, 3), np.uint8),
    "every other": RANDOM.integers(0, 256, (6, 64, 64, 3), dtype=np.uint8)[::2],  # not contiguous
}

pytestmark = pytest.mark.skipif(not compiled.is_used(), reason="no compiled statistics here: make compile")


@pytest.mark.parametrize("name", CROPS)
def test_the_same_as_numpy(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    statistics = CropStatistics(WORDS)
    found = statistics(CROPS[name])
    monkeypatch.setattr(compiled, "_native", None)
    expected = statistics(CROPS[name])
    np.testing.assert_allclose(found[0], expected[0], atol=1e-6)
    np.testing.assert_allclose(found[1], expected[1], atol=2e-3)  # NumPy's logarithms are of single precision


def test_who_asks_for_numpy_gets_it(monkeypatch: pytest.MonkeyPatch) -> None:
    statistics = CropStatistics(WORDS)
    monkeypatch.setenv("FLATSORT_BACKEND", "numpy")
    monkeypatch.setattr(compiled, "_native", None)  # would fail if it were called
    assert [part.shape for part in statistics(CROPS["noise"])] == [(5, 512), (5, 385)]


@pytest.mark.parametrize(
    ("position", "buffer"),
    [
        (0, np.zeros((2, 64, 64, 2), np.uint8)),  # not three colours
        (1, np.full((32**3, 4), 64, np.int32)),  # a word beyond the last
        (1, np.full((32**3, 4), -1, np.int32)),  # and before the first
        (2, np.zeros((32**3, 3), np.float32)),  # a share too few
        (3, np.zeros(31, np.float32)),  # a column too few
        (4, np.zeros((8, 63), np.float32)),  # a row too few
        (5, np.zeros((2, 511), np.float32)),  # no room for the words
        (6, np.zeros((2, 384), np.float32)),  # nor the Gaussians
    ],
)
def test_buffers_that_do_not_fit_are_refused(position: int, buffer: np.ndarray) -> None:
    words = ColourWords(WORDS)
    given = [CROPS["noise"][:2], words.nearest, words.share, words.columns, words.stripes]
    given += [np.zeros((2, 512), np.float32), np.zeros((2, 385), np.float32)]
    given[position] = buffer
    with pytest.raises(ValueError, match="describe"):
        compiled._native.describe(*given)


@pytest.mark.slow
def test_a_descriptor_is_the_same_either_way() -> None:
    program = (
        "import numpy as np; from embedding import Descriptor\n"
        "image = np.random.default_rng(1).integers(0, 256, (200, 300, 3), dtype=np.uint8)\n"
        "found = Descriptor.load('default')(image, [[10, 10, 60, 150], [100, 20, 180, 199]])\n"
        "print(*np.asarray(found, float).ravel())"
    )
    numbers = [
        subprocess.run(
            [sys.executable, "-c", program], env={**os.environ, **chosen}, capture_output=True, text=True, check=True
        ).stdout.split()
        for chosen in ({"FLATSORT_BACKEND": "numpy"}, {})
    ]
    np.testing.assert_allclose(*np.array(numbers, float), atol=1e-4)
