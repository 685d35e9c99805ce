"""Cuts of a video: found where the picture is another one, not where a camera moves or light changes slowly."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from tracker.input.cuts import CutWatch


def scene(seed: int, frames: int, pan: int = 0, brighter: float = 0.0, noise: int = 3) -> Iterator[np.ndarray]:
    """A wall of large patches before a camera that pans by so many pixels a frame."""
    random = np.random.default_rng(seed)
    wall = np.kron(random.integers(0, 200, (12, 60)), np.ones((20, 20)))
    for frame in range(frames):
        view = (
            wall[:, frame * pan : frame * pan + 320] + frame * brighter + random.integers(-noise, noise + 1, (240, 320))
        )
        yield np.repeat(np.clip(view, 0, 255).astype(np.uint8)[:, :, None], 3, axis=2)


def cuts_in(*scenes: Iterator[np.ndarray]) -> list[int]:
    watch = CutWatch()
    for frame, image in enumerate((image for one in scenes for image in one), start=1):
        watch.see(frame, image)
    return watch.cuts


def test_cuts_are_found_where_they_are() -> None:
    assert cuts_in(scene(0, 30), scene(1, 40), scene(2, 5), scene(0, 30)) == [31, 71, 76]
    assert cuts_in(scene(0, 30, pan=2), scene(1, 30, pan=2)) == [31]


@pytest.mark.parametrize(
    "one",
    [
        scene(0, 60),
        scene(0, 60, pan=10),  # half a patch a frame: nearly everything changes, all the time
        scene(0, 60, brighter=2.0),
        scene(0, 60, noise=40),
        scene(0, 1),
    ],
)
def test_one_scene_has_none(one: Iterator[np.ndarray]) -> None:
    assert cuts_in(one) == []


def test_another_size_is_no_cut() -> None:
    watch = CutWatch()
    for frame, shape in enumerate([(240, 320, 3)] * 3 + [(100, 160, 3)] * 3, start=1):
        watch.see(frame, np.full(shape, 40 * frame, np.uint8))
    assert 4 not in watch.cuts
