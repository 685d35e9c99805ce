"""Identities in files: in the order of their first appearance, without holes."""

from __future__ import annotations

import numpy as np

from tracker.core.detections import Detections, Tracks
from tracker.run.identities import in_order


def frame(number: int, ids: list[int]) -> tuple:
    count = len(ids)
    none = np.zeros(count, np.int64)
    tracks = Tracks(np.array(ids, np.int64), np.zeros((count, 4)), np.ones(count), none, none)
    return number, None, Detections([]), tracks


def test_holes_are_closed() -> None:
    given = [frame(1, [4]), frame(2, [4, 9]), frame(3, []), frame(4, [2, 9])]
    assert [tracks.ids.tolist() for *_, tracks in in_order(given, 10)] == [[1], [1, 2], [], [3, 2]]


def test_who_may_come_again_is_remembered() -> None:
    given = [frame(1, [5]), frame(2000, [7]), frame(2001, [5, 8]), frame(2020, [7])]
    # After 100 frames a tracker's identity is over, so 5 is another one; with no patience set it never is.
    assert [tracks.ids.tolist() for *_, tracks in in_order(given, 100)] == [[1], [2], [3, 4], [2]]
    assert [tracks.ids.tolist() for *_, tracks in in_order(given, None)] == [[1], [2], [1, 3], [2]]
