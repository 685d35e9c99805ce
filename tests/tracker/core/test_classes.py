"""The majority's class against counting votes by hand."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from tracker.core.classes import ClassVotes
from tracker.core.state import NONE


@pytest.mark.parametrize("seed", range(10))
def test_the_class_is_that_of_most_detections(seed: int) -> None:
    """With tracks that come and go; the class stays while it is one of the most frequent."""
    random = np.random.default_rng(seed)
    votes, classes, histories = ClassVotes(), np.zeros(0, np.int64), list[Counter[int]]()
    for _ in range(60):
        count = int(random.integers(0, 3))
        votes.append(count)
        classes = np.concatenate((classes, np.full(count, NONE)))
        histories += [Counter() for _ in range(count)]
        rows = np.flatnonzero(random.random(len(classes)) < 0.8)
        found = random.choice([NONE, 0, 2, 7, 1000], len(rows))
        before = classes.copy()
        classes[rows] = votes.update(rows, classes[rows], found)
        for row, kind in zip(rows.tolist(), found.tolist(), strict=True):
            if kind != NONE:
                histories[row][kind] += 1
        for history, was, now in zip(histories, before.tolist(), classes.tolist(), strict=True):
            most = max(history.values(), default=0)
            assert now == NONE if not most else history[now] == most
            assert now == was or history[was] < most
        kept = random.random(len(classes)) < 0.9
        votes.keep(kept)
        classes = classes[kept]
        histories = [history for history, keep in zip(histories, kept, strict=True) if keep]


def test_classes_of_ended_tracks_take_no_room() -> None:
    votes = ClassVotes()
    for kind in range(1000):
        votes.append(1)
        votes.update(np.array([0]), np.array([NONE]), np.array([kind]))
        votes.keep(np.zeros(1, bool))
    assert votes.counts.shape == (0, 1)
