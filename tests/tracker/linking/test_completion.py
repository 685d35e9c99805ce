"""Completion: missed boxes come back where somebody's way leads over them."""

from __future__ import annotations

import numpy as np

from tracker.linking.completion import drop_short, recover


def test_identities_of_two_boxes_are_nobody() -> None:
    assert drop_short(np.array([3, 3, 3, 5, 5, -1])).tolist() == [3, 3, 3, -1, -1, -1]
    assert drop_short(np.array([-1, -1])).tolist() == [-1, -1]
    assert drop_short(np.zeros(0, np.int64)).tolist() == []


def boxes(left: list[float]) -> np.ndarray:
    edges = np.array(left, float)
    return np.column_stack((edges, 0 * edges, edges + 20, 0 * edges + 40))


def test_unused_boxes_on_the_way_are_taken() -> None:
    frames = np.array([1, 2, 3, 4, 5])
    found = recover(frames, boxes([0, 10, 21, 30, 40]), np.array([7, -1, -1, -1, 7]), longest=3)
    assert found.tolist() == [7] * 5


def test_not_through_longer_gaps_nor_off_the_way() -> None:
    frames = np.array([1, 2, 3, 4, 5])
    identity = np.array([7, -1, -1, -1, 7])
    assert recover(frames, boxes([0, 10, 21, 30, 40]), identity, longest=2).tolist() == identity.tolist()
    assert recover(frames, boxes([0, 10, 60, 30, 40]), identity, longest=3).tolist() == [7, 7, -1, 7, 7]


def test_of_two_on_the_way_the_nearer_one() -> None:
    frames = np.array([1, 2, 2, 3])
    assert recover(frames, boxes([0, 13, 11, 20]), np.array([7, -1, -1, 7]), 5).tolist() == [7, -1, 7, 7]


def test_one_box_is_not_two_people() -> None:
    frames = np.array([1, 1, 2, 3, 3])
    found = recover(frames, boxes([0, 4, 11, 20, 24]), np.array([7, 8, -1, 7, 8]), 5)
    assert sorted(found.tolist()) in ([7, 7, 7, 8, 8], [7, 7, 8, 8, 8])
    assert found[2] == 7  # whose way it lies on
