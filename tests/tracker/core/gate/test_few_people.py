"""Appearance among two or three people: it is there in time, and what says nothing about people says nothing here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tracker import Detections, Tracker
from tracker.core.appearance import Metric, pairwise_distance, prepare
from tracker.core.gate.few_people import CAPITAL, FewPeople

Array = NDArray[np.float64]
Looks = Callable[[Array], Array]  # centres [N, 2] of everybody in the next frame -> features [N, D]


def turning_back(
    meet: int, others: int = 0, speed: float = 3.0, frames: int | None = None
) -> Iterator[tuple[Array, Array]]:
    """Two people meet and turn back, the others stand. Boxes [N, 4] of all, and the rows of those who are seen.

    For 11 frames one hides the other. With motion alone they seem to walk past each other.
    """
    random = np.random.default_rng(1)
    for frame in range(frames or meet + 60):
        way = speed * abs(meet - frame)
        left = np.array([400 - way, 400 + way, *(100 + 150 * k for k in range(others))])
        top = np.array([200.0, 200.0, *[500.0] * others])
        boxes = np.stack((left, top, left + 40, top + 100), axis=1) + random.normal(0, 0.5, (2 + others, 1))
        hidden = [1] if abs(meet - frame) <= 5 else []
        yield boxes, np.setdiff1d(np.arange(2 + others), hidden)


def people(count: int, dimension: int = 32, noise: float = 0.05, seed: int = 0) -> Looks:
    """Everybody has a look of unit length, and noise of this standard deviation in each of its components."""
    random = np.random.default_rng(seed)
    looks = prepare(random.normal(size=(count, dimension)), "cosine").astype(np.float64)
    return lambda centres: looks + noise * random.normal(size=looks.shape)


def tracked(
    scene: Iterator[tuple[Array, Array]], looks: Looks | None, metric: Metric = "cosine"
) -> tuple[list[bytes], dict[int, int], dict[int, int]]:
    """What `flatsort` makes of it: every frame's ids and boxes, and each person's first and last id."""
    tracker = Tracker.from_config("flatsort", metric=metric)
    rows: list[bytes] = []
    first: dict[int, int] = {}
    last: dict[int, int] = {}
    for boxes, seen in scene:
        features = None if looks is None else looks((boxes[:, :2] + boxes[:, 2:]) / 2)[seen]
        tracks = tracker.update(Detections(boxes[seen], np.full(len(seen), 0.9), features))
        rows.append(tracks.ids.tobytes() + tracks.boxes.tobytes())
        for identity, detection in zip(tracks.ids.tolist(), tracks.detection.tolist(), strict=True):
            if detection >= 0:
                person = int(seen[detection])
                first.setdefault(person, identity)
                last[person] = identity
    return rows, first, last


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize(
    ("meet", "others", "speed", "dimension", "noise"),
    [
        (15, 0, 3.0, 32, 0.05),  # ten frames before one hides the other
        (16, 0, 3.0, 32, 0.05),
        (24, 0, 3.0, 32, 0.05),  # the first span is over
        (100, 0, 3.0, 32, 0.05),  # long before 300 frames
        (15, 1, 3.0, 32, 0.05),  # three people
        (60, 1, 3.0, 32, 0.05),
        (15, 0, 2.0, 32, 0.05),  # slowly
        (15, 0, 8.0, 32, 0.05),  # fast, or with few frames a second
        (15, 0, 3.0, 16, 0.05),
        (15, 0, 3.0, 512, 0.05),  # 0.56 from oneself and 1 from others
        (15, 0, 3.0, 128, 0.1),
        (15, 0, 3.0, 32, 0.0),
    ],
)
@pytest.mark.slow
def test_who_meets_and_turns_back_is_known(
    meet: int, others: int, speed: float, dimension: int, noise: float, metric: Metric
) -> None:
    scene: dict[str, Any] = {"meet": meet, "others": others, "speed": speed}
    _, first, last = tracked(turning_back(**scene), None)
    assert first != last  # motion exchanges them
    _, first, last = tracked(turning_back(**scene), people(2 + others, dimension, noise), metric)
    assert first == last


def constant(centres: Array) -> Array:
    return np.ones((len(centres), 32))


def noise(seed: int) -> Looks:
    random = np.random.default_rng(seed)
    return lambda centres: random.normal(size=(len(centres), 32))


def moment(seed: int) -> Looks:
    """Everybody looks as the frame does, but for a little noise."""
    random = np.random.default_rng(seed)
    return lambda centres: random.normal(size=32) + 0.05 * random.normal(size=(len(centres), 32))


def place(seed: int) -> Looks:
    """A look that changes steadily from place to place: 300 pixels make it another one."""
    base = np.random.default_rng(seed).normal(size=(3, 32))
    return lambda centres: base[0] + centres / 300 @ base[1:]


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("meet", [15, 60])
@pytest.mark.parametrize("others", [0, 1])
@pytest.mark.parametrize("describe", [lambda seed: constant, noise, moment], ids=["constant", "noise", "moment"])
@pytest.mark.slow
def test_what_says_nothing_changes_nothing(
    describe: Callable[[int], Looks], others: int, meet: int, metric: Metric
) -> None:
    motion, _, _ = tracked(turning_back(meet, others, frames=120), None)
    for seed in range(3):
        assert tracked(turning_back(meet, others, frames=120), describe(seed), metric)[0] == motion


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("meet", [15, 30, 60])
@pytest.mark.slow
def test_places_are_no_people(meet: int, metric: Metric) -> None:
    """Far apart the two are told apart by where they are; not any more when they meet."""
    motion, _, _ = tracked(turning_back(meet), None)
    for seed in range(3):
        assert tracked(turning_back(meet), place(seed), metric)[0] == motion


def watched(frames: Iterator[Array] | list[Array]) -> FewPeople:
    """People standing apart who look like this."""
    few = FewPeople("cosine")
    for looks in frames:
        left = 100.0 * np.arange(len(looks))
        features = prepare(looks, "cosine")
        apart = pairwise_distance(features, features, "cosine")[np.triu_indices(len(looks), 1)]
        few.observe(np.stack((left, 0 * left, left + 40, 0 * left + 80), axis=1), features, apart)
    return few


@pytest.mark.parametrize(
    ("count", "frames", "known"), [(2, 8, False), (2, 9, True), (3, 3, False), (3, 4, True), (1, 50, False)]
)
def test_bets_won_until_the_capital_is_there(count: int, frames: int, known: bool) -> None:
    won = 1 + 0.9 * ({1: 1, 2: 2, 3: 6}[count] - 1)
    assert (won ** (frames - 1) >= CAPITAL) == known
    assert watched([np.eye(4)[:count]] * frames).knows_people == known


@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.slow
def test_who_knows_nothing_rarely_wins(count: int) -> None:
    """Ville's inequality, with three standard deviations for chance; in four dimensions a good guess is frequent."""
    random = np.random.default_rng(count)
    videos = 400
    won = sum(watched([random.normal(size=(count, 4)) for _ in range(60)]).knows_people for _ in range(videos))
    assert won <= videos / CAPITAL + 3 * np.sqrt(videos / CAPITAL)


def test_nobody_wins_by_rounding() -> None:
    """All alike: what is nearer by the last bit of a float32 is not nearer."""
    random = np.random.default_rng(0)
    assert not watched([1 + 1e-7 * random.normal(size=(2, 4)) + 1e-7 * np.eye(2, 4) for _ in range(30)]).knows_people
    assert not watched([np.ones((2, 4))] * 30).knows_people


def test_a_look_that_wears_off_is_no_ground_to_stand_on() -> None:
    """Turning away from the first look by a right angle in 12 frames; nobody else is ever nearer."""
    angles = np.arange(11) * np.pi / 2 / 12
    frames = [np.array([[np.cos(a), np.sin(a), 0, 0], [0, 0, np.cos(a), np.sin(a)]]) for a in angles]
    few = watched(frames)
    assert few.knows_people and few.gate is None
    assert watched([frames[0]] * 11).gate == pytest.approx(1.0)  # the nearest that two people came


def test_a_stranger_among_few_is_nearer_than_they_were() -> None:
    looks = np.eye(4)[:2]
    few = watched([looks] * 11 + [np.array([[1.0, 0, 0, 0], [0.6, 0.8, 0, 0]])])
    assert few.gate is not None and few.gate <= 0.4 + 1e-6


@pytest.mark.parametrize(("count", "opened"), [(2, 8), (3, 6), (5, 29), (6, 20), (8, 20)])
def test_many_people_wait_for_their_pairs(count: int, opened: int) -> None:
    """Few: the bets, and a late distance. From five on 300 pairs of two people, and ten of one, ten frames apart."""
    tracker = Tracker.from_config("flatsort")
    looks = people(count)
    left = 200.0 * np.arange(count)
    boxes = np.stack((left, 0 * left, left + 40, 0 * left + 80), axis=1)
    values = []
    for _ in range(opened + 2):
        tracker.update(Detections(boxes, features=looks(boxes)))
        assert tracker.threshold is not None
        values.append(tracker.threshold.value)
    assert [value is not None for value in values] == [False] * opened + [True] * 2
