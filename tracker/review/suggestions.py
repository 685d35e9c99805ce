"""Where a person should look: pairs that may be one person, identities that may be two, pairs that may be exchanged.

What looks and ways are worth is learnt on the video itself, as linking does (`tracker.linking.evidence`); where it is
too short for that, the distance of looks alone decides. Nothing here changes anything: a person says what is true.
"""

from __future__ import annotations

import itertools
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from tracker.core.boxes import iou
from tracker.core.detections import FloatArray, IntArray
from tracker.errors import InputError
from tracker.files.tables import TrackTable
from tracker.linking.evidence import Ends, Evidence, compressed, ends_of, learn
from tracker.linking.pieces import Pieces
from tracker.review.corrections import REMOVED, Reviewed
from tracker.review.looks import Looks

HALFWAY, STEEP = 0.5, 4.0  # distance of looks that says nothing, and log-odds for each unit of it, unless learnt
MOST_SHOWN = 200  # suggestions
FEW = 3  # looks on either side of a place where an identity may change
SIDE = 10  # looks that either side is compared by
NEAR = 1.0  # seconds: two places as near are one
GAP = 1.0  # seconds unseen, after which what is learnt from counts as another piece
MEETING = 0.2  # IoU at which two people meet
STRETCH = 20  # looks at most
SUSPICIOUS = 1.0  # log-odds against one person, from which a place is shown
UNLIKELY = 0.0  # log-odds for one person, below which a pair is not shown


@dataclass(frozen=True)
class Suggestion:
    """Something to look at.

    Attributes:
        kind: `merge`: two that may be one; `cut`: one that may be two; `swap`: two that may have been exchanged.
        one, other: identities; the same twice for `cut`.
        frame: where to look; what is suspected happens there.
        rows, other_rows: of boxes to compare: of `cut` before and after, of `swap` those that would be one.
        distance: of looks, 0 the same to 2 the opposite.
        odds: log-odds for what is suggested; None where nothing could be learnt.
        seconds: between the two.
    """

    kind: Literal["merge", "cut", "swap"]
    one: int
    other: int
    frame: int
    rows: tuple[int, ...]
    other_rows: tuple[int, ...]
    distance: float
    odds: float | None
    seconds: float

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


class Adviser:
    """Looks at a table once, then says what is suspicious in it after whatever corrections.

    Args:
        table: the result's.
        looks: at its boxes.
    """

    def __init__(self, table: TrackTable, looks: Looks) -> None:
        self.table, self.looks = table, looks
        self.frames = table.frames[looks.rows] // looks.step  # in windows, of which there are `rate` a second
        self.rate = looks.rate / looks.step
        self.boxes = table.boxes[looks.rows]
        self.meetings = _meetings(table)
        self.evidence, self.vectors = self._learn(table.ids[looks.rows])

    def advise(self, reviewed: Reviewed) -> list[Suggestion]:
        """Suggestions on a corrected table, the surest first: people exchanged, two that are one, one that is two."""
        ids = reviewed.ids[self.looks.rows]
        parts = {int(one): np.flatnonzero(ids == one) for one in np.unique(ids[ids != REMOVED])}
        swaps = self._swaps(reviewed, parts)
        near = NEAR * self.looks.rate
        cuts = [
            one
            for one in self._cuts(reviewed, parts)
            if not any(one.one in (swap.one, swap.other) and abs(one.frame - swap.frame) <= near for swap in swaps)
        ]
        found = [*swaps, *cuts, *self._merges(reviewed, parts)]
        return sorted(found, key=lambda one: -one.odds if one.odds is not None else one.distance)[:MOST_SHOWN]

    def _learn(self, ids: IntArray) -> tuple[Evidence | None, FloatArray]:
        """What looks are worth, and the vectors [L, D] whose sums are compared, weighted by what is shown."""
        weight = self.looks.shown[:, None] ** 2
        features = self.looks.features.astype(np.float64)
        plain = compressed(features) * weight
        pieces = _pieces(ids, self.frames, max(1, round(GAP * self.rate)))
        try:
            learnt = learn(pieces, self.frames, self.boxes, features, self.looks.shown**2, self.rate)
        except InputError:  # all look alike
            return None, plain
        return (None, plain) if learnt is None else learnt

    def _merges(self, reviewed: Reviewed, parts: dict[int, IntArray]) -> list[Suggestion]:
        """Pairs that are never seen at once and were not told apart, the most alike first."""
        names = np.array(sorted(parts), np.int64)
        if len(names) < 2:
            return []
        sums = np.stack([self.vectors[parts[one]].sum(axis=0) for one in names.tolist()])
        sizes = np.array([len(parts[one]) for one in names.tolist()], float)
        a, b = np.nonzero(np.triu(~_seen_together(reviewed, names), 1))
        distance = _distances(sums[a], sums[b])
        odds = self._odds(distance, np.minimum(sizes[a], sizes[b]))
        if self.evidence is not None and len(a):
            odds = odds + self._by_ways([parts[one] for one in names.tolist()], a, b)
        order = np.argsort(-odds, kind="stable")[:MOST_SHOWN]
        apart = reviewed.told_apart
        found = []
        for pair in order.tolist():
            one, other = int(names[a[pair]]), int(names[b[pair]])
            if frozenset((one, other)) in apart or odds[pair] < UNLIKELY:
                continue
            early, late = sorted((parts[one], parts[other]), key=lambda rows: int(rows[0]))
            first, second = (int(reviewed.ids[self.looks.rows[rows[0]]]) for rows in (early, late))
            found.append(
                self._suggestion(
                    "merge", (first, second), (early, late), float(distance[pair]), self._shown(odds[pair])
                )
            )
        return found

    def _by_ways(self, parts: list[IntArray], a: IntArray, b: IntArray) -> FloatArray:
        """Log-odds of the ways from the earlier of each pair to the later one; 0 where they lie among each other."""
        assert self.evidence is not None
        ends: Ends = ends_of(parts, self.frames, self.boxes, self.rate)
        first, last = ends.frames[:, 0], ends.frames[:, 1]
        swapped = first[a] > first[b]
        before, after = np.where(swapped, b, a), np.where(swapped, a, b)
        odds = np.zeros(len(a))
        follows = first[after] > last[before]
        odds[follows] = self.evidence.of_ways(ends, before[follows], after[follows])
        return odds

    def _cuts(self, reviewed: Reviewed, parts: dict[int, IntArray]) -> list[Suggestion]:
        """Places within an identity before and after which it looks like two people."""
        found = []
        known = _known_places(reviewed)
        for one, rows in parts.items():
            if len(rows) < 2 * FEW:
                continue
            places = np.arange(FEW, len(rows) - FEW + 1)
            sums = np.cumsum(np.vstack([np.zeros(self.vectors.shape[1]), self.vectors[rows]]), axis=0)
            first, last = np.maximum(places - SIDE, 0), np.minimum(places + SIDE, len(rows))
            distance = _distances(sums[places] - sums[first], sums[last] - sums[places])
            odds = -self._odds(distance, np.minimum(places - first, last - places).astype(float))
            taken: list[int] = list(known.get(one, ()))
            for place in np.argsort(-odds).tolist():
                if odds[place] < SUSPICIOUS:
                    break
                row = int(self.looks.rows[rows[places[place]]])
                frame = int(self.table.frames[row])
                if all(abs(frame - other) > NEAR * self.looks.rate for other in taken):
                    taken.append(frame)
                    sides = rows[: places[place]], rows[places[place] :]
                    worth = float(distance[place]), self._shown(odds[place])
                    found.append(self._suggestion("cut", (one, one), sides, *worth, frame))
        return found

    def _swaps(self, reviewed: Reviewed, parts: dict[int, IntArray]) -> list[Suggestion]:
        """Meetings of two after which each looks like the other."""
        found, known = [], _known_places(reviewed)
        for (one, other), frame in _encounters(self.table, reviewed.ids, self.meetings, NEAR * self.looks.rate):
            sides: list[IntArray] = []
            for rows in (parts.get(name, np.zeros(0, np.int64)) for name in (one, other)):
                cut = int(np.searchsorted(self.table.frames[self.looks.rows[rows]], frame))
                sides += rows[:cut][-SIDE:], rows[cut:][:SIDE]
            if min(map(len, sides)) < FEW:
                continue
            before, after, before_other, after_other = sides
            pairs = ((before, after_other), (before_other, after), (before, after), (before_other, after_other))
            sums = [np.stack([self.vectors[rows].sum(axis=0) for rows in side]) for side in zip(*pairs, strict=True)]
            distance = _distances(*sums)
            odds = self._odds(distance, np.array([min(map(len, pair)) for pair in pairs], float))
            gain = float(odds[:2].sum() - odds[2:].sum()) / 2
            places = [*known.get(one, ()), *known.get(other, ())]
            near = (abs(frame - place) <= NEAR * self.looks.rate for place in places)
            if gain >= SUSPICIOUS and not any(near):
                worth = float(distance[:2].mean()), self._shown(gain)
                found.append(self._suggestion("swap", (one, other), (before, after_other), *worth, frame))
        return found

    def _odds(self, distance: FloatArray, sizes: FloatArray) -> FloatArray:
        """Log-odds for one person; where nothing was learnt, a rule of thumb."""
        if self.evidence is not None:
            return self.evidence.of_looks(distance, sizes)
        return STEEP * (HALFWAY - np.asarray(distance))

    def _shown(self, odds: float) -> float | None:
        return None if self.evidence is None else float(odds)

    def _to_show(self, early: IntArray, late: IntArray) -> tuple[IntArray, IntArray]:
        """Looks to show of two sides: the best ones near where they part, in the order of time."""
        chosen = []
        for rows, near in ((early, early[-SIDE:]), (late, late[:SIDE])):
            best = near[np.argsort(-self.looks.shown[near], kind="stable")[:2]]
            whole = rows[[np.argmax(self.looks.shown[rows])]]
            chosen.append(np.unique(np.concatenate((best, whole))))
        return chosen[0], chosen[1]

    def _suggestion(
        self,
        kind: Literal["merge", "cut", "swap"],
        pair: tuple[int, int],
        sides: tuple[IntArray, IntArray],
        distance: float,
        odds: float | None,
        frame: int | None = None,
    ) -> Suggestion:
        rows, other_rows = (self.looks.rows[one] for one in self._to_show(*sides))
        before, after = (int(self.table.frames[self.looks.rows[row]]) for row in (sides[0][-1], sides[1][0]))
        return Suggestion(
            kind,
            *pair,
            frame=after if frame is None else frame,
            rows=tuple(rows.tolist()),
            other_rows=tuple(other_rows.tolist()),
            distance=distance,
            odds=odds,
            seconds=(after - before) / self.looks.rate,
        )


def _distances(one: FloatArray, other: FloatArray) -> FloatArray:
    lengths = np.linalg.norm(one, axis=-1) * np.linalg.norm(other, axis=-1)
    return np.asarray(1 - np.einsum("ij,ij->i", one, other) / np.maximum(lengths, 1e-12))


def _pieces(ids: IntArray, frames: IntArray, gap: int) -> Pieces:
    """Stretches of an identity without a longer gap, in the order of their first frames.

    They are short: the one in which an identity changes must not teach that both people look alike.
    """
    order = np.lexsort((frames, ids))
    starts = np.flatnonzero((np.diff(ids[order], prepend=-2) != 0) | (np.diff(frames[order], prepend=-gap) > gap))
    whole = [one for one in np.split(order, starts[1:]) if len(one)]
    parts = [part for one in whole for part in np.array_split(one, -(-len(one) // STRETCH))]
    stretches = sorted(parts, key=lambda rows: int(frames[rows[0]]))
    rows = np.concatenate([np.zeros(0, np.int64), *stretches])
    ends = np.cumsum([0, *map(len, stretches)])
    return Pieces(rows, ends, frames[rows[ends[:-1]]], frames[rows[ends[1:] - 1]])


def _seen_together(reviewed: Reviewed, names: IntArray) -> np.ndarray:
    """Whether [K, K] two identities share a frame."""
    kept = np.flatnonzero(reviewed.ids != REMOVED)
    place = np.searchsorted(names, reviewed.ids[kept])
    known = (place < len(names)) & (names[np.minimum(place, len(names) - 1)] == reviewed.ids[kept])
    place, frames = place[known], reviewed.table.frames[kept[known]]
    together = np.zeros((len(names), len(names)), bool)
    _, starts = np.unique(frames, return_index=True)
    for here in np.split(place, starts[1:]):
        together[np.ix_(here, here)] = True
    return together


def _meetings(table: TrackTable) -> IntArray:
    """Pairs of rows [M, 2] whose boxes overlap by `MEETING`, ascending in frames."""
    found: list[IntArray] = []
    _, starts = np.unique(table.frames, return_index=True)
    for begin, end in itertools.pairwise([*starts.tolist(), len(table)]):
        overlap = iou(table.boxes[begin:end], table.boxes[begin:end])
        found.append(np.argwhere(np.triu(overlap >= MEETING, 1)) + begin)
    return np.concatenate([np.zeros((0, 2), np.int64), *found])


def _encounters(table: TrackTable, ids: IntArray, meetings: IntArray, near: float) -> list[tuple[tuple[int, int], int]]:
    """Identities that met, and the middle frame of each meeting."""
    names = np.sort(ids[meetings], axis=1)
    frames = table.frames[meetings[:, 0]] if len(meetings) else np.zeros(0, np.int64)
    kept = (names[:, 0] != REMOVED) & (names[:, 0] != names[:, 1])
    names, frames = names[kept], frames[kept]
    order = np.lexsort((frames, names[:, 1], names[:, 0]))
    names, frames = names[order], frames[order]
    breaks = np.flatnonzero((np.diff(names, axis=0) != 0).any(axis=1) | (np.diff(frames) > near)) + 1
    return [
        ((int(pair[0][0]), int(pair[0][1])), int(np.median(when)))
        for pair, when in zip(np.split(names, breaks), np.split(frames, breaks), strict=True)
        if len(when)
    ]


def _known_places(reviewed: Reviewed) -> dict[int, list[int]]:
    """Frames at which a person said that an identity is one, or has joined two, by identity."""
    known: dict[int, list[int]] = {}
    pairs = [(row, row) for row in reviewed.sound] + list(reviewed.joined)
    for pair in pairs:
        if reviewed.ids[pair[0]] == reviewed.ids[pair[1]]:
            for row in pair:
                known.setdefault(int(reviewed.ids[row]), []).append(int(reviewed.table.frames[row]))
    return known
