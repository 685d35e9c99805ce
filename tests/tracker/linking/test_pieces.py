"""Pieces: what is surely one person, and no more."""

from __future__ import annotations

import numpy as np
import pytest

from tracker.linking.pieces import cut_pieces, visible


def walk(left: list[float], start: int = 1, top: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Frames and boxes of 20 x 40 pixels at these left edges, a frame each."""
    edges = np.array(left, float)
    boxes = np.column_stack((edges, np.full(len(edges), top), edges + 20, np.full(len(edges), top + 40)))
    return np.arange(start, start + len(edges)), boxes


def together(*walks: tuple[np.ndarray, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    frames, boxes = (np.concatenate(parts) for parts in zip(*walks, strict=True))
    order = np.argsort(frames, kind="stable")
    return frames[order], boxes[order]


@pytest.mark.parametrize(
    ("ids", "spans"),
    [
        ([7, 7, 7, 7, 7, 7], [(1, 6)]),
        ([-1, -1, 7, 7, 7, 7], [(1, 6)]),  # not confirmed yet
        ([7, 7, 7, 9, 9, 9], [(1, 3), (4, 6)]),  # the online tracker changed its mind
        ([7, 7, -1, 7, 7, 7], [(1, 6)]),
        ([7, 7, -1, 9, 9, 9], [(1, 3), (4, 6)]),  # where is not known: before the next that is
        ([7, 9, 9, 9, 9, 9], [(2, 6)]),  # a single box is no piece
        ([-1] * 6, [(1, 6)]),
    ],
)
def test_a_walk_is_one_piece_but_for_its_identities(ids: list[int], spans: list[tuple[int, int]]) -> None:
    frames, boxes = walk([0, 2, 4, 6, 8, 10])
    pieces = cut_pieces(frames, boxes, np.array(ids))
    assert list(zip(pieces.first.tolist(), pieces.last.tolist(), strict=True)) == spans


def test_a_gap_and_a_jump_end_a_piece() -> None:
    frames, boxes = together(walk([0, 2, 4]), walk([8, 10], start=5), walk([100, 102], start=7))
    pieces = cut_pieces(frames, boxes, np.full(len(frames), -1))
    assert pieces.first.tolist() == [1, 5, 7]
    assert pieces.lengths.tolist() == [3, 2, 2]


def test_who_walks_into_somebody_is_cut_there() -> None:
    """In the frame in which a third box overlaps by more than half nobody can be sure."""
    frames, boxes = together(walk([0, 5, 10, 15, 20]), walk([40, 33, 26, 19, 12]))
    pieces = cut_pieces(frames, boxes, np.full(len(frames), -1))
    assert (pieces.last < 5).all()
    for piece in range(len(pieces)):
        rows = pieces.of(piece)
        assert (np.diff(frames[rows]) == 1).all()
        assert (np.abs(np.diff(boxes[rows, 0])) < 8).all()


def test_rows_and_owners_agree() -> None:
    frames, boxes = together(walk([0, 2, 4, 6]), walk([50, 52, 54], start=2), walk([90], start=3))
    pieces = cut_pieces(frames, boxes, np.full(len(frames), -1))
    owners = pieces.owners(len(frames))
    assert np.count_nonzero(owners == -1) == 1  # the single box
    for piece in range(len(pieces)):
        np.testing.assert_array_equal(np.flatnonzero(owners == piece), pieces.of(piece))


def test_nothing_is_no_piece() -> None:
    pieces = cut_pieces(np.zeros(0, np.int64), np.zeros((0, 4)), np.zeros(0, np.int64))
    assert len(pieces) == 0


def test_who_stands_in_front_covers() -> None:
    frames = np.array([1, 1, 2])
    boxes = np.array([[0.0, 0, 20, 40], [10, 10, 30, 50], [10, 10, 30, 50]])
    shown = visible(frames, boxes)
    assert shown.tolist() == pytest.approx([1 - 10 * 30 / 800, 1, 1])  # the second box's feet are nearer
