"""Who is who by looks and by what is possible, against people that are known."""

from __future__ import annotations

import numpy as np
import pytest

from tracker.across import matching
from tracker.across.looks import Gallery, Worth, learn
from tracker.across.matching import Possible, gate, match
from tracker.linking.evidence import fit_logistic, look_columns
from tracker.linking.pieces import Pieces

PEOPLE, DIMENSION = 20, 16


def worth() -> Worth:
    """One person is 0.1 apart, two are 1."""
    distance = np.concatenate([np.linspace(0.0, 0.3, 200), np.linspace(0.6, 1.4, 200)])
    odds = fit_logistic(look_columns(distance, np.full(400, 20.0)), np.arange(400) < 200)
    return Worth(odds, 1.0)


def gallery(
    people: list[list[int]], times: list[list[tuple[float, float]]] | None = None, noise: float = 0.03
) -> Gallery:
    """The tracks of people in several videos, and when they were seen."""
    random = np.random.default_rng(0)
    looks = random.normal(size=(PEOPLE, DIMENSION))
    looks /= np.linalg.norm(looks, axis=1, keepdims=True)
    who = np.concatenate([np.array(one, int) for one in people])
    video = np.repeat(np.arange(len(people)), [len(one) for one in people])
    spans = np.array([(0.0, 10.0)] * len(who) if times is None else [span for one in times for span in one])
    sums = looks[who] + 0.03 * random.normal(size=(len(who), DIMENSION))
    return Gallery(video, spans[:, 0], spans[:, 1], sums, np.full(len(who), 20))


def anything(found: Gallery, **known: list[int]) -> Possible:
    """What is possible where a manifest says this of each video."""
    videos = int(found.video.max()) + 1
    return Possible(
        found,
        np.array(known.get("camera", list(range(videos)))),
        np.array(known.get("view", [-1] * videos)),
        np.array(known.get("clock", [0] * videos), bool),
    )


def pairs(found: Gallery, possible: Possible) -> set[tuple[int, int]]:
    matches = match(found, worth(), possible)
    assert (matches.confidence >= 0.5).all() and (np.diff(matches.confidence) <= 0).all()
    return set(zip(matches.first.tolist(), matches.second.tolist(), strict=True))


def test_people_of_two_videos_are_found() -> None:
    found = gallery([[0, 1, 2, 3], [3, 7, 1]])
    assert pairs(found, anything(found)) == {(1, 6), (3, 4)}
    assert match(found, worth(), anything(found)).people.tolist() == [0, 1, 0, 2, 2, 0, 1]


def test_one_number_for_a_person_of_many_videos() -> None:
    found = gallery([[0, 1], [1, 2], [2, 1], [5]])
    assert match(found, worth(), anything(found)).people.tolist() == [0, 1, 1, 2, 2, 1, 0]


@pytest.mark.parametrize(
    ("times", "known", "is_one"),
    [
        ([[(0, 10)], [(5, 15)]], {}, True),  # nobody knows whether the clocks are one, or what cameras see
        ([[(0, 10)], [(5, 15)]], {"clock": [1, 1]}, True),  # cameras that may see the same
        ([[(0, 10)], [(5, 15)]], {"clock": [1, 1], "view": [0, 1]}, False),  # in two places at once
        ([[(0, 10)], [(11, 15)]], {"clock": [1, 1], "view": [0, 1]}, True),  # one after the other
        ([[(0, 10)], [(5, 15)]], {"clock": [1, 1], "view": [0, 0]}, True),  # two cameras on one place
        ([[(0, 10)], [(5, 15)]], {"clock": [1, 0], "view": [0, 1]}, True),  # one has no clock
        ([[(0, 10)], [(5, 15)]], {"clock": [1, 1], "camera": [0, 0]}, False),  # twice in one camera at once
    ],
)
def test_who_is_seen_at_once_elsewhere_is_another(
    times: list[list[tuple[float, float]]], known: dict[str, list[int]], is_one: bool
) -> None:
    found = gallery([[4], [4]], times)
    assert pairs(found, anything(found, **known)) == ({(0, 1)} if is_one else set())


def test_of_two_seen_at_once_one_is_the_person() -> None:
    """Twins in the second video: both look like the person in the first one, and only one of them is."""
    both = gallery([[4], [4, 4]])
    assert len(pairs(both, anything(both))) == 1
    later = gallery([[4], [4, 4]], [[(0, 10)], [(0, 4), (5, 9)]])  # one whom the tracker lost and found
    assert len(pairs(later, anything(later))) == 2


def test_the_gate_grows_with_the_crowd() -> None:
    few, many = gallery([[0, 1], [0, 1]]), gallery([list(range(20)), list(range(20))])
    assert gate(few) == pytest.approx(np.log(4))
    assert gate(many) == pytest.approx(np.log(40))


def test_neighbours_that_are_found_about_are_those_found_exactly(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("faiss", reason="needs faiss: pip install 'flatsort[faiss]'")
    found = gallery([list(range(20)), list(range(10, 20)), list(range(5))])
    exact = pairs(found, anything(found))
    monkeypatch.setattr(matching, "EXACT", 10)
    monkeypatch.setattr(matching, "CELLS", 0.5)
    assert pairs(found, anything(found)) == exact
    assert len(exact) == 15


def test_what_looks_are_worth_is_learnt_on_the_tracks_themselves() -> None:
    random = np.random.default_rng(1)
    looks = random.normal(size=(PEOPLE, DIMENSION))
    owner = np.repeat(np.arange(PEOPLE), 30)
    features = looks[owner] + 0.4 * random.normal(size=(len(owner), DIMENSION))
    starts = np.arange(0, len(owner) + 1, 30)
    tracks = Pieces(np.arange(len(owner)), starts, np.ones(PEOPLE, int), np.full(PEOPLE, 30))
    learnt = learn(tracks, features, np.ones(len(owner)))
    assert learnt is not None
    assert learnt[0].separation > 0.99
    assert learnt[0](np.array([0.05, 1.0]), np.array([20.0, 20.0])) @ [1, -1] > 4
    noise = learn(tracks, random.normal(size=features.shape), np.ones(len(owner)))
    assert noise is not None and noise[0].separation < 0.8
    few = Pieces(np.arange(90), starts[:4], np.ones(3, int), np.full(3, 30))
    assert learn(few, features[:90], np.ones(90)) is None
