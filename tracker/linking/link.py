"""The second pass: identities of a whole sequence from its detections and the online tracker's first guess."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from tracker.core.detections import IntArray
from tracker.errors import InputError
from tracker.files.motchallenge import DetectionTable
from tracker.linking.clustering import cluster
from tracker.linking.completion import NOBODY, drop_short, recover
from tracker.linking.evidence import LONG, ends_of, learn
from tracker.linking.explanation import Explanation, explain
from tracker.linking.pieces import Pieces, cut_pieces, visible

MAX_ABSENCE = 5.0  # seconds; MOTChallenge gives a person who left and comes back another identity
MAX_GAP = 2.0  # seconds that unused boxes are looked for
LEARNT_FROM = 0.45  # share of the boxes on pieces that are long enough to learn from; of fewer it says too little
SEPARATION = 0.9  # area under the curve of looks, below which they do not say who is who


@dataclass(frozen=True)
class Linked:
    """What linking made of a sequence.

    Attributes:
        identities: [N] from 1 in the order of their first frames, -1 for detections of nobody; None where nothing could
            be linked.
        why_not: where nothing could.
        pieces: how many there were.
        separation: of looks, see `Evidence`.
        explanation: of what was joined, where it was asked for.
    """

    identities: IntArray | None
    why_not: str = ""
    pieces: int = 0
    separation: float = math.nan
    explanation: Explanation = field(default_factory=Explanation)


def link_identities(
    table: DetectionTable,
    online: IntArray,
    rate: float,
    least_score: float,
    max_absence: float = MAX_ABSENCE,
    settled: IntArray | None = None,
    largest: int = 0,
    explained: bool = False,
) -> Linked:
    """Identities of the detections of a whole sequence, or of a window of one.

    Args:
        table: all its detections, with features; who has a class keeps it.
        online: [N] the online tracker's identity of each detection, -1 for none.
        rate: frames a second.
        least_score: of a detection that starts a piece; where no score is that high, any does.
        max_absence: seconds after which somebody who comes back is somebody else.
        settled: [N] identities that an earlier window gave, from 1; -1 for none. Nobody gets another one.
        largest: identity given so far, after which new ones are numbered.
        explained: say why, too.
    """
    if table.features is None:
        return Linked(None, "no features to link by")
    sure = table.scores >= least_score
    rows = np.flatnonzero(sure if sure.any() else np.ones(len(table), bool))
    frames, boxes = table.frames[rows], table.boxes[rows]
    pieces = cut_pieces(frames, boxes, online[rows])
    if pieces.lengths[pieces.lengths >= LONG].sum() < LEARNT_FROM * len(rows):
        return Linked(None, "too few people were followed for long enough to learn from")
    try:
        learnt = learn(
            pieces, frames, boxes, table.features[rows].astype(np.float64), visible(frames, boxes) ** 2, rate
        )
    except InputError:  # the whitening: all look alike
        return Linked(None, "the descriptor does not tell these people apart")
    if learnt is None:
        return Linked(None, "too few people were followed for long enough to learn from")
    evidence, looks = learnt
    if evidence.separation < SEPARATION:
        return Linked(None, f"the descriptor does not tell these people apart (separation {evidence.separation:.2f})")
    parts = [pieces.of(piece) for piece in range(len(pieces))]
    sums = np.stack([looks[part].sum(axis=0) for part in parts])
    at_ends = np.array([_known_ends(online[rows[part]]) for part in parts])
    kinds = np.zeros(len(parts), np.int64)
    if table.class_ids is not None:
        kinds = np.array([np.bincount(table.class_ids[rows[part]] + 1).argmax() for part in parts])
    ends = ends_of(parts, frames, boxes, rate)
    known = np.full(len(table), NOBODY) if settled is None else settled
    before = np.array([_known_ends(known[rows[part]])[1] for part in parts], np.int64)
    clusters = cluster(pieces, sums, ends, evidence, at_ends, kinds, max_absence * rate, before)
    names = _names(clusters.identity, before, largest)
    identities = _completed(table, rows, pieces, names, largest, round(MAX_GAP * rate))
    why = explain(clusters, ends, evidence, frames, boxes, sums) if explained else Explanation()
    return Linked(identities, "", len(pieces), evidence.separation, why)


def _known_ends(online: IntArray) -> tuple[int, int]:
    """The first and the last identity that the online tracker gave a piece, -1 for none."""
    known = online[online >= 0]
    return (int(known[0]), int(known[-1])) if len(known) else (NOBODY, NOBODY)


def _names(joined: IntArray, before: IntArray, largest: int) -> IntArray:
    """Identity [P] of each piece: its cluster's settled one, or a new one after `largest`."""
    names = np.full(joined.max(initial=-1) + 1, NOBODY)
    np.maximum.at(names, joined, before)
    names[names == NOBODY] = largest + 1 + np.arange(np.count_nonzero(names == NOBODY))
    return names[joined]


def _completed(
    table: DetectionTable, rows: IntArray, pieces: Pieces, names: IntArray, largest: int, longest: int
) -> IntArray:
    """Identities [N] of all detections: new ones are numbered after `largest`, in the order of time."""
    identities = np.full(len(table), NOBODY)
    identities[rows[pieces.rows]] = np.repeat(names, pieces.lengths)
    identities = recover(table.frames, table.boxes, drop_short(identities, largest), longest)
    new = np.flatnonzero(identities > largest)
    values, first = np.unique(identities[new], return_index=True)
    number = np.zeros(values.max(initial=0) + 1, np.int64)
    number[values[np.argsort(first)]] = largest + np.arange(1, len(values) + 1)
    identities[new] = number[identities[new]]
    return identities
