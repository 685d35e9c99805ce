"""What is said of joins: every one of them, the near pairs that were refused, and the picture."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tracker.files.motchallenge import DetectionTable
from tracker.input.frames import Frames
from tracker.linking.explanation import AT_ONCE, JOINED, Explanation, Junction, Place
from tracker.linking.link import Linked, link_identities
from tracker.linking.picture import MOST_JOINED, MOST_REFUSED, chosen, draw_explanation, evidence_lines

from .conftest import LENGTH, Scene

Crowd = Callable[..., Scene]
RATE = 25.0


def linked(scene: Scene, explained: bool = True) -> Linked:
    table = DetectionTable(scene.frames, scene.boxes, np.ones(len(scene.frames)), scene.features.astype(np.float32))
    return link_identities(table, np.full(len(scene.frames), -1), RATE, 0.6, explained=explained)


def who(scene: Scene, place: Place) -> int:
    """The person whose box it is."""
    return int(scene.people[(scene.frames == place.frame) & (scene.boxes == place.box).all(axis=1)][0])


def test_every_join_is_told_with_what_spoke_for_it(crowd: Crowd) -> None:
    scene = crowd(noise=0.2)
    joined = [one for one in linked(scene).explanation.junctions if one.is_joined]
    assert len(joined) == 12  # everybody was hidden once
    for one in joined:
        person = who(scene, one.before)
        assert who(scene, one.after) == person
        assert (one.before.frame, one.after.frame) == (29 + 4 * person, 50 + 4 * person)
        assert one.by_looks > 0 and one.decision == JOINED
        assert one.miss < 0.5  # they walk straight on


def test_twins_who_are_seen_at_once_are_refused_for_that(crowd: Crowd) -> None:
    scene = crowd(noise=0.2)
    scene.features[scene.people == 1] = scene.features[scene.people == 0][: np.sum(scene.people == 1)]
    explanation = linked(scene).explanation
    refused = {
        frozenset((who(scene, one.before), who(scene, one.after))): one.decision
        for one in explanation.junctions
        if not one.is_joined
    }
    assert refused[frozenset((0, 1))] == AT_ONCE


def test_nothing_is_told_where_nobody_asked_or_nothing_was_linked(crowd: Crowd) -> None:
    assert linked(crowd(), explained=False).explanation == Explanation()
    assert linked(crowd(people=3)).explanation == Explanation()


def junction(odds: float, decision: str = JOINED) -> Junction:
    """A pair whose boxes lie in a picture of 40 x 60 pixels, the second one partly outside."""
    places = Place(2, np.array([5.0, 5, 15, 35])), Place(4, np.array([30.0, 40, 45, 80]))
    return Junction(*places, 0.2, 0.1, odds, 0.0, decision)


def test_the_doubtful_ones_are_shown() -> None:
    pairs = [junction(float(odds)) for odds in range(50)] + [junction(float(odds), "refused") for odds in range(50)]
    shown = chosen(Explanation([], pairs))
    assert [one.odds for one in shown[:MOST_JOINED]] == list(range(MOST_JOINED))
    assert [one.odds for one in shown[MOST_JOINED:]] == [49 - number for number in range(MOST_REFUSED)]


@pytest.mark.parametrize("count", [0, 1, 9])
def test_the_picture_has_both_crops_and_rows_for_what_there_is(tmp_path: Path, count: int) -> None:
    import cv2

    colours = {2: (255, 0, 255), 4: (0, 255, 255)}  # of whole frames, found nowhere else in the picture
    images = [(frame, np.full((60, 40, 3), colours.get(frame, (0, 0, 0)), np.uint8)) for frame in range(1, 6)]
    explanation = Explanation([(junction(1).before, junction(1).after)], [junction(1.0)] * count)
    path = tmp_path / "why.png"
    draw_explanation(explanation, Frames("clip", iter(images), (40, 60)), lambda place: 1, RATE, "clip", path)
    picture = cv2.imread(str(path))
    areas = [int((picture == np.array(colour)).all(axis=2).sum()) for colour in colours.values()]
    one = 3000  # pixels of one crop at least
    assert all(area >= count * one for area in areas) if count else areas == [0, 0]


def test_the_text_says_what_the_numbers_are() -> None:
    assert evidence_lines(junction(2.06, "refused: why"), 10.0) == [
        "after 0.2 s, looks 0.20 apart: +2.1",
        "way misses by 0.1 heights: +0.0",
        "refused: why",
    ]


def test_parts_of_windows_make_a_whole(crowd: Crowd) -> None:
    whole = linked(crowd(noise=0.2)).explanation
    parts = [whole.between(0, 60), whole.between(61, LENGTH)]
    joined = Explanation.concatenate(parts)
    assert len(joined.pieces) == len(whole.pieces) and len(joined.junctions) == len(whole.junctions)
    assert all(parts[0].pieces) and all(one.after.frame > 60 for one in parts[1].junctions)
