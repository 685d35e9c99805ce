"""A crowd of known people for the tests of linking."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest

LENGTH = 120  # frames


@dataclass(frozen=True)
class Scene:
    """Detections of people who walk in lanes; each is hidden once.

    Attributes:
        frames, boxes, features: [N], [N, 4], [N, D].
        people: [N] who it is.
    """

    frames: np.ndarray
    boxes: np.ndarray
    features: np.ndarray
    people: np.ndarray


def make_crowd(
    people: int = 12,
    noise: float = 0.3,
    telling: bool = True,
    dimension: int = 16,
    hidden: int = 20,
    lanes: int | None = None,
    seed: int = 0,
) -> Scene:
    """Walkers to the right and to the left, one or more in a lane.

    Args:
        noise: standard deviation of each number of a look whose length is one.
        telling: whether looks say who it is; else they are noise alone.
        hidden: frames for which each is not seen.
        lanes: fewer than people let them meet.
    """
    random = np.random.default_rng(seed)
    looks = random.normal(size=(people, dimension))
    looks /= np.linalg.norm(looks, axis=1, keepdims=True)
    rows = []
    for person in range(people):
        row, lane = divmod(person, lanes or people)
        way = 3 if (row + lane) % 2 else -3
        away = 30 + 4 * person
        for frame in range(1, LENGTH + 1):
            if not away <= frame < away + hidden:
                left = 400 + 40 * row + way * (frame - LENGTH / 2) + random.normal(0, 0.5)
                look = (looks[person] if telling else 0) + noise * random.normal(size=dimension)
                rows.append((frame, person, left, 100 * lane, *look))
    table = np.array(sorted(rows, key=lambda row: row[:2]))
    left, top = table[:, 2], table[:, 3]
    boxes = np.column_stack((left, top, left + 30, top + 80))
    return Scene(table[:, 0].astype(np.int64), boxes, table[:, 4:], table[:, 1].astype(np.int64))


@pytest.fixture
def crowd() -> Callable[..., Scene]:
    """`make_crowd`."""
    return make_crowd
