"""Pieces: chains of boxes that are surely of one person, which linking joins and never takes apart."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from tracker.core.boxes import area, intersection
from tracker.core.detections import FloatArray, IntArray
from tracker.core.tracklets import link

MAX_SECOND = 0.5  # IoU with a third box; identities of the online tracker cut what this lets through
SHORTEST = 2  # boxes; a single one shows no way


@dataclass(frozen=True)
class Pieces:
    """Where each piece lies among the detections of a sequence; pieces are in the order of their first frames.

    Attributes:
        rows: [R] rows of the detections that are in pieces, piece by piece, ascending in each.
        starts: [P + 1] piece p is rows[starts[p]:starts[p + 1]].
        first, last: [P] frames, between which a piece has a box in every frame.
    """

    rows: IntArray
    starts: IntArray
    first: IntArray
    last: IntArray

    def __len__(self) -> int:
        return len(self.first)

    @property
    def lengths(self) -> IntArray:
        """[P] boxes."""
        return np.diff(self.starts)

    def of(self, piece: int) -> IntArray:
        """Rows of one piece."""
        return self.rows[self.starts[piece] : self.starts[piece + 1]]

    def owners(self, count: int) -> IntArray:
        """[count] piece of each detection, -1 for those in none."""
        owner = np.full(count, -1)
        owner[self.rows] = np.repeat(np.arange(len(self)), self.lengths)
        return owner


def cut_pieces(frames: IntArray, boxes: FloatArray, ids: IntArray) -> Pieces:
    """The pieces of detections: mutual best overlaps, cut where the online tracker saw another identity.

    Args:
        frames: [N] ascending.
        boxes: [N, 4] corners in pixels.
        ids: [N] the online tracker's, -1 where it gave none.
    """
    tracklets = link(frames, boxes, max_second=MAX_SECOND)
    order = np.argsort(tracklets, kind="stable")  # frames ascend in each
    begins = np.flatnonzero(np.diff(tracklets[order], prepend=-1))
    known = np.where(ids[order] >= 0, np.arange(len(order)), 0)
    known[begins] = begins  # what is known of one tracklet says nothing of the next
    held = ids[order][np.maximum.accumulate(known)]  # the last identity seen
    cut = np.diff(tracklets[order], prepend=-1) != 0
    cut[1:] |= (held[1:] != held[:-1]) & (held[1:] >= 0) & (held[:-1] >= 0)
    starts = np.flatnonzero(cut)
    lengths = np.diff(np.append(starts, len(order)))
    chosen = np.flatnonzero(lengths >= SHORTEST)
    chosen = chosen[np.argsort(frames[order[starts[chosen]]], kind="stable")]
    rows = [order[starts[piece] : starts[piece] + lengths[piece]] for piece in chosen.tolist()]
    flat = np.concatenate([np.zeros(0, np.int64), *rows])
    ends = np.cumsum([0, *map(len, rows)])
    return Pieces(flat, ends, frames[flat[ends[:-1]]], frames[flat[ends[1:] - 1]])


def visible(frames: IntArray, boxes: FloatArray) -> FloatArray:
    """Share [N] of each box that no nearer one covers, one whose lower edge is lower in the picture."""
    shown = np.ones(len(frames))
    _, begins = np.unique(frames, return_index=True)
    for begin, end in pairwise([*begins.tolist(), len(frames)]):
        here = boxes[begin:end]
        covered = intersection(here, here) / area(here)[:, None]
        covered *= here[:, 3] > here[:, 3, None]
        shown[begin:end] = np.clip(1 - covered.sum(axis=1), 0, 1)
    return shown
