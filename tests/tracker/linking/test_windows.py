"""Windows: what is settled stays, nobody is given two identities, and little is kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise

import numpy as np
import pytest

from tracker.core.detections import Detections
from tracker.linking.windows import LinkingWindows, Settled

from .conftest import LENGTH, Scene

Crowd = Callable[..., Scene]
RATE = 10.0


def settle(scene: Scene, every: int, overlap: float, online: np.ndarray | None = None) -> Iterator[Settled]:
    """Link a scene, settling all but the last 20 frames every so often."""
    windows = LinkingWindows(RATE, 0.6, overlap)
    known = np.full(len(scene.frames), -1) if online is None else online
    for frame in range(1, LENGTH + 1):
        rows = np.flatnonzero(scene.frames == frame)
        found = Detections(scene.boxes[rows], np.ones(len(rows)), scene.features[rows])
        windows.add(frame, found, known[rows])
        if frame % every == 0 and frame < LENGTH:
            yield windows.settle(frame - 20)
    yield windows.settle(LENGTH)


def identities(scene: Scene, parts: list[Settled]) -> np.ndarray:
    """What was settled, in the order of the scene's detections."""
    found, before = np.full(len(scene.frames), -2), 0
    for part in parts:
        now = (part.table.frames > before) & (part.table.frames <= part.until)
        found[(scene.frames > before) & (scene.frames <= part.until)] = part.identities[now]
        before = part.until
    assert (found > -2).all()
    return found


@pytest.mark.parametrize("every", [120, 60, 40])
def test_windows_find_the_same_people(crowd: Crowd, every: int) -> None:
    scene = crowd(noise=0.2, hidden=10)
    found = identities(scene, list(settle(scene, every, overlap=6)))
    of_person = [set(found[scene.people == person].tolist()) - {-1} for person in range(12)]
    assert [len(names) for names in of_person] == [1] * 12
    assert set.union(*of_person) == set(range(1, 13))


def test_what_is_settled_stays(crowd: Crowd) -> None:
    scene = crowd(noise=0.2)
    parts = list(settle(scene, 30, overlap=5))
    for earlier, later in pairwise(parts):
        kept = np.isin(earlier.table.frames, later.table.frames) & (earlier.table.frames <= earlier.until)
        again = later.table.frames <= earlier.until
        assert earlier.identities[kept].tolist() == later.identities[again].tolist()
        assert len(later.table) < len(scene.frames)  # what no later window needs is forgotten


def test_nobody_has_one_identity_with_somebody_else_in_a_frame(crowd: Crowd) -> None:
    scene = crowd(noise=0.8, lanes=3)
    found = identities(scene, list(settle(scene, 30, overlap=4)))
    seen = found >= 0
    keys = scene.frames[seen] * 1000 + found[seen]
    assert len(np.unique(keys)) == len(keys)


def test_where_looks_say_nothing_the_online_identities_go_on(crowd: Crowd) -> None:
    scene = crowd(telling=False)
    online = scene.people * 7 + 3
    parts = list(settle(scene, 40, overlap=3, online=online))
    assert all(part.found.identities is None for part in parts)
    found = identities(scene, parts)
    assert len(np.unique(found)) == 12
    assert [len(np.unique(found[scene.people == person])) for person in range(12)] == [1] * 12


def test_a_window_without_looks_hands_identities_on(crowd: Crowd) -> None:
    """From frame 41 on looks cease to tell; who was linked before keeps the identity, as the online tracker follows."""
    scene = crowd(noise=0.2, hidden=0)
    blank = scene.features.copy()
    blank[scene.frames > 40] = np.random.default_rng(0).normal(size=(np.count_nonzero(scene.frames > 40), 16))
    scene = Scene(scene.frames, scene.boxes, blank, scene.people)
    parts = list(settle(scene, 60, overlap=1, online=scene.people))
    assert parts[0].found.identities is not None and parts[-1].found.identities is None
    found = identities(scene, parts)
    assert [len(np.unique(found[scene.people == person])) for person in range(12)] == [1] * 12
