"""The second pass as a whole: on crowds of known people, and where looks say nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tracker.files.motchallenge import DetectionTable
from tracker.linking.link import link_identities

RATE = 25.0
Crowd = Callable[..., Any]  # see conftest


def table(scene: Any, features: np.ndarray | None = None, **columns: np.ndarray) -> DetectionTable:
    looks = scene.features if features is None else features
    return DetectionTable(
        scene.frames, scene.boxes, np.full(len(scene.frames), 0.9), looks.astype(np.float32), **columns
    )


def as_many(identities: np.ndarray, people: np.ndarray) -> bool:
    """Whether identities are people, one to one, and everybody is somebody."""
    pairs = {(int(a), int(b)) for a, b in zip(identities, people, strict=True)}
    return len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs}) and (identities >= 1).all()


@pytest.mark.parametrize("lanes", [None, 4])
@pytest.mark.parametrize("hidden", [10, 40])
def test_people_who_were_hidden_are_themselves_again(crowd: Crowd, hidden: int, lanes: int | None) -> None:
    scene = crowd(noise=0.2, hidden=hidden, lanes=lanes)
    linked = link_identities(table(scene), np.full(len(scene.frames), -1), RATE, 0.6)
    assert linked.identities is not None
    if lanes is None:
        assert as_many(linked.identities, scene.people)
    sure = linked.identities > 0
    purity = [np.bincount(scene.people[linked.identities == one]).max() for one in np.unique(linked.identities[sure])]
    assert sum(purity) >= 0.97 * len(scene.frames)
    assert linked.pieces >= 2 * 12  # everybody was hidden once


def test_identities_are_numbered_as_they_come(crowd: Crowd) -> None:
    scene = crowd(noise=0.2)
    found = link_identities(table(scene), np.full(len(scene.frames), -1), RATE, 0.6).identities
    assert found is not None
    assert list(dict.fromkeys(found.tolist())) == list(range(1, 13))


@pytest.mark.parametrize("looks", ["constant", "noise", "frame"])
def test_looks_that_say_nothing_link_nothing(crowd: Crowd, looks: str) -> None:
    scene = crowd()
    random = np.random.default_rng(0)
    features = {
        "constant": np.ones((len(scene.frames), 16)),
        "noise": random.normal(size=(len(scene.frames), 16)),
        "frame": random.normal(size=(200, 16))[scene.frames],  # everybody looks as the moment does
    }[looks]
    linked = link_identities(table(scene, features), np.full(len(scene.frames), -1), RATE, 0.6)
    assert linked.identities is None
    assert "does not tell these people apart" in linked.why_not


def test_without_looks_or_people_nothing_is_linked(crowd: Crowd) -> None:
    scene = crowd(people=3)
    none = np.full(len(scene.frames), -1)
    assert link_identities(replace(table(scene), features=None), none, RATE, 0.6).why_not == "no features to link by"
    assert "too few people" in link_identities(table(scene), none, RATE, 0.6).why_not
    empty = DetectionTable(np.zeros(0, np.int64), np.zeros((0, 4)), np.zeros(0), np.zeros((0, 4), np.float32))
    assert link_identities(empty, np.zeros(0, np.int64), RATE, 0.6).identities is None


def test_where_no_score_is_high_all_count(crowd: Crowd) -> None:
    scene = crowd(noise=0.2)
    low = replace(table(scene), scores=np.full(len(scene.frames), 0.4))
    found = link_identities(low, np.full(len(scene.frames), -1), RATE, 0.6).identities
    assert found is not None and as_many(found, scene.people)


def test_doubtful_boxes_fill_gaps_and_found_nobody(crowd: Crowd) -> None:
    """A low score within somebody's gap comes back; a stray one stays nobody's."""
    scene = crowd(noise=0.2)
    scores = np.full(len(scene.frames), 0.9)
    one = np.flatnonzero(scene.people == 2)[60:64]
    scores[one] = 0.3
    doubtful = replace(table(scene), scores=scores)
    found = link_identities(doubtful, np.full(len(scene.frames), -1), RATE, 0.6).identities
    assert found is not None
    assert set(found[one]) == set(found[scene.people == 2])


def test_who_has_another_class_is_somebody_else(crowd: Crowd) -> None:
    scene = crowd(noise=0.2)
    later = (scene.people == 2) & (scene.frames >= 58)  # when it is seen again
    found = link_identities(
        table(scene, class_ids=np.where(later, 2, 0)), np.full(len(scene.frames), -1), RATE, 0.6
    ).identities
    assert found is not None
    assert set(found[later]).isdisjoint(found[~later])


def test_where_most_people_are_seen_in_snatches_nothing_is_linked(crowd: Crowd) -> None:
    """What twelve who were followed teach does not hold for eighteen whom the detector loses every fifth frame."""
    scene = crowd(people=30)
    none = np.full(len(scene.frames), -1)
    assert not link_identities(table(scene), none, RATE, 0.6).why_not
    kept = np.flatnonzero((scene.people < 12) | (scene.frames % 5 > 0))
    found = table(scene).select(kept)
    assert "too few people" in link_identities(found, none[kept], RATE, 0.6).why_not
