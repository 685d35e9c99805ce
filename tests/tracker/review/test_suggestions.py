"""Suggestions on people whose looks are made up, so that who is who is known."""

from __future__ import annotations

import numpy as np
import pytest

from tracker.files.tables import TrackTable
from tracker.review.corrections import Cut, Different, Merge, Reviewed, Sound, Swap, apply
from tracker.review.looks import Looks, chosen_rows
from tracker.review.suggestions import Adviser, Suggestion

RATE, PEOPLE, LENGTH = 25.0, 24, 240
PERSON = np.repeat(np.arange(PEOPLE), LENGTH)
FRAME = np.tile(np.arange(1, LENGTH + 1), PEOPLE)


def scene(ids: np.ndarray, seed: int = 0) -> tuple[TrackTable, Looks]:
    """People who walk side by side for ten seconds, each with looks of her own, under the ids of a tracker."""
    random = np.random.default_rng(seed)
    left = 120.0 * PERSON + 0.2 * FRAME + random.normal(0, 0.5, len(FRAME))
    boxes = np.column_stack((left, 100 + 0 * left, left + 50, 250 + 0 * left))
    meeting = (FRAME > 115) & (FRAME < 125) & (PERSON < 2)  # the first two meet half way
    boxes[meeting, 0], boxes[meeting, 2] = 60 + 10 * PERSON[meeting], 110 + 10 * PERSON[meeting]
    order = np.lexsort((ids, FRAME))
    kept = order[ids[order] > 0]
    features = random.normal(size=(PEOPLE, 32))[PERSON] + random.normal(0, 0.4, (len(PERSON), 32))
    table = TrackTable(FRAME[kept], ids[kept], boxes[kept], np.ones(len(kept)))
    rows, shown, step = chosen_rows(table, RATE)
    return table, Looks(rows, features[kept][rows].astype(np.float32), shown[rows], step, RATE)


def found(ids: np.ndarray, *said: object) -> list[Suggestion]:
    table, looks = scene(ids)
    reviewed = Reviewed.of(table)
    for one in said:
        reviewed = apply(reviewed, one)  # type: ignore[arg-type]
    return Adviser(table, looks).advise(reviewed)


TRUE = PERSON + 1
LOST = np.where((PERSON == 3) & (FRAME > 130), 40, np.where((PERSON == 3) & (FRAME > 110), 0, TRUE))  # 4 comes as 40
BOTH = np.where((PERSON == 3) & (FRAME > 120), 5, np.where((PERSON == 4) & (FRAME > 120), 0, TRUE))  # 5 goes on as 4
CROSSED = np.where((PERSON < 2) & (FRAME > 120), 2 - PERSON, TRUE)  # 1 and 2 meet and are exchanged


def test_nothing_is_suspicious_where_all_is_right() -> None:
    assert found(TRUE) == []


def test_who_was_lost_and_found() -> None:
    first = found(LOST)[0]
    assert (first.kind, first.one, first.other) == ("merge", 4, 40)
    assert first.odds is not None and first.odds > 3
    assert first.seconds == pytest.approx(20 / RATE, abs=0.5)
    table, _ = scene(LOST)
    assert set(table.ids[list(first.rows)].tolist()) == {4}
    assert set(table.ids[list(first.other_rows)].tolist()) == {40}
    assert found(LOST, Merge(keep=4, other=40)) == []
    assert not [one for one in found(LOST, Different(one=4, other=40)) if {one.one, one.other} == {4, 40}]


def test_one_identity_of_two_people() -> None:
    cuts = [one for one in found(BOTH) if one.kind == "cut"]
    assert [one.one for one in cuts] == [5]
    assert abs(cuts[0].frame - 121) <= 10
    assert not [one for one in found(BOTH, Sound(id=5, frame=cuts[0].frame)) if one.kind == "cut"]
    assert not [one for one in found(BOTH, Cut(id=5, frame=121, new=50)) if one.kind == "cut"]


def test_two_that_met_and_were_exchanged() -> None:
    suspected = found(CROSSED)
    assert [(one.kind, one.one, one.other) for one in suspected] == [("swap", 1, 2)]
    assert abs(suspected[0].frame - 120) <= 10
    assert found(CROSSED, Swap(one=1, other=2, frame=121)) == []
    assert found(CROSSED, Sound(id=1, frame=suspected[0].frame), Sound(id=2, frame=suspected[0].frame)) == []


def test_too_little_to_learn_from() -> None:
    short = np.where((FRAME < 30) & (PERSON < 3), TRUE, np.where((FRAME > 40) & (FRAME < 70) & (PERSON == 0), 9, 0))
    first = found(short)[0]
    assert (first.kind, first.one, first.other, first.odds) == ("merge", 1, 9, None)


def test_fewer_looks_where_there_would_be_too_many() -> None:
    table, _ = scene(TRUE)
    rows, shown, step = chosen_rows(table, RATE, most=100)
    assert len(rows) <= 100 and step > RATE / 5
    assert set(table.ids[rows].tolist()) == set(TRUE.tolist())
    assert len(shown) == len(table)
