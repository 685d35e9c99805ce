"""People to learn from, where no real data is needed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from embedding.data.crop_pack import CropWriter

SIDE = 32  # pixels


def render(path: Path, people: int, frames: int = 100, noise: float = 25.0, broken_every: int = 20) -> Path:
    """A pack of people in shirt and trousers of their own colours; a new tracklet begins every so many frames."""
    random = np.random.default_rng(0)
    colours = random.integers(30, 225, (people, 2, 1, 3))
    with CropWriter(path, (SIDE, SIDE)) as writer:
        for frame in range(1, frames + 1):
            clean = np.repeat(colours, SIDE // 2, axis=1) + random.normal(0, 15, (people, 1, 1, 3))  # the light changes
            noisy = np.broadcast_to(clean, (people, SIDE, SIDE, 3)) + random.normal(0, noise, (people, SIDE, SIDE, 3))
            tracklets = np.arange(people) + people * ((frame - 1) // broken_every)
            boxes = np.tile([0.0, 0, SIDE, SIDE], (people, 1))
            writer.append("a", frame, noisy.clip(0, 255).astype(np.uint8), boxes, np.ones(people), tracklets)
    return path


@pytest.fixture(scope="session")
def render_people() -> Callable[..., Path]:
    """`render`."""
    return render
