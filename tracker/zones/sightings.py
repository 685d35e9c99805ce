"""What is remembered of identities, and what was seen of them, brought into rows that `crossings` can count."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from tracker.core.detections import IntArray
from tracker.zones.shapes import OUT, UNDECIDED, SideArray

NEVER = -(1 << 60)  # a frame before all others


@dataclass(slots=True)
class Seen:
    """The S identities that were seen of late, ascending, at P places.

    Attributes:
        ids, last, class_ids: [S]; `last` is the frame in which each was seen.
        confirmed: [P, S] the side it is on, `UNDECIDED` where nothing is known.
        side, run: [P, S] the side where it was seen last, and how often in a row.
        since: [P, S] the frame in which it went in.
    """

    ids: IntArray
    last: IntArray
    class_ids: IntArray
    confirmed: SideArray
    side: SideArray
    run: IntArray
    since: IntArray

    @classmethod
    def nobody(cls, places: int) -> Seen:
        none, sides, counts = np.zeros(0, np.int64), np.zeros((places, 0), np.int8), np.zeros((places, 0), np.int64)
        return cls(none, none, none, sides, sides, counts, counts)

    def select(self, rows: NDArray[np.generic]) -> Seen:
        return Seen(*(getattr(self, field.name)[..., rows] for field in fields(self)))

    def replaced(self, fresh: Seen) -> Seen:
        """With what is new of some identities in place of what was known of them."""
        if np.array_equal(self.ids, fresh.ids):  # most often
            return fresh
        place = np.minimum(np.searchsorted(fresh.ids, self.ids), len(fresh.ids) - 1)
        kept = self.select(np.flatnonzero(fresh.ids[place] != self.ids))
        columns = (
            np.concatenate((getattr(kept, field.name), getattr(fresh, field.name)), axis=-1) for field in fields(self)
        )
        both = Seen(*columns)
        return both.select(np.argsort(both.ids))


class Rows:
    """What is seen now: K rows sorted by identity, then frame.

    Attributes:
        frames, ids, class_ids: [K].
        sides: [P, K].
        is_first: [K] whether the row is the first one of its identity.
    """

    def __init__(self, frames: IntArray, ids: IntArray, class_ids: IntArray, sides: SideArray) -> None:
        self.frames, self.ids, self.class_ids, self.sides = frames, ids, class_ids, sides
        self.is_first = np.append(True, ids[1:] != ids[:-1])


@dataclass(slots=True)
class Lives:
    """The rows cut into lives: of one identity at one place, as long as it is not forgotten there. G of them.

    Attributes:
        number: [P, K] the life of each row at each place, ascending.
        begins: [P, K] whether there a life begins of which nothing is known.
        place: [G].
        slot: [K] the identity among those remembered, -1 where it is not.
        carried: [G] likewise of the lives that were seen before and go on.
    """

    number: IntArray
    begins: NDArray[np.bool_]
    place: IntArray
    slot: IntArray
    carried: IntArray

    @classmethod
    def of(cls, rows: Rows, seen: Seen, patience: IntArray, step: int) -> Lives:
        slot = np.searchsorted(seen.ids, rows.ids)
        known = np.append(seen.ids, -1)[slot] == rows.ids
        known[slot == len(seen.ids)] = False
        slot = np.where(known, slot, -1)
        last = np.where(known, np.append(seen.last, NEVER)[slot], NEVER)
        earlier = np.where(rows.is_first, last, np.append(NEVER, rows.frames[:-1]))
        begins = (rows.frames - earlier) // step - 1 >= patience[:, None]
        starts = (begins | rows.is_first).ravel()
        number = (np.cumsum(starts) - 1).reshape(begins.shape)
        place, row = np.divmod(np.flatnonzero(starts), len(rows.frames))
        carried = np.where(begins[place, row], -1, slot[row])
        return cls(number, begins, place, slot, carried)

    def since(self, seen: Seen) -> IntArray:
        """The frame [G] in which those that go on had gone in."""
        found = np.full(len(self.place), NEVER)
        old = self.carried >= 0
        found[old] = seen.since[self.place[old], self.carried[old]]
        return found


@dataclass(slots=True)
class Sights:
    """Sightings that say a side, by life and time; what is remembered of a life stands before what is new.

    Attributes:
        life, side: [O].
        weight: [O] how many they are.
        row: [O] the row of each, -1 for what is remembered.
    """

    life: IntArray
    side: SideArray
    weight: IntArray
    row: IntArray

    @classmethod
    def of(cls, rows: Rows, lives: Lives, seen: Seen, thresholds: IntArray, is_zone: NDArray[np.bool_]) -> Sights:
        """
        Args:
            seen: what is remembered.
            thresholds, is_zone: [P] as `SideWatch` has them.
        """
        old = np.flatnonzero(lives.carried >= 0)
        place, slot = lives.place[old], lives.carried[old]
        known = seen.confirmed[place, slot] != UNDECIDED
        old, place, slot = old[known], place[known], slot[known]
        outside = np.flatnonzero((lives.carried < 0) & is_zone[lives.place])  # where everybody begins
        new = np.flatnonzero(rows.sides.ravel() != UNDECIDED)
        parts: tuple[tuple[NDArray[np.signedinteger], ...], ...] = (
            (old, seen.confirmed[place, slot], thresholds[place]),
            (old, seen.side[place, slot], seen.run[place, slot]),
            (outside, np.full(len(outside), OUT, np.int8), thresholds[lives.place[outside]]),
            (lives.number.ravel()[new], rows.sides.ravel()[new], np.ones(len(new), np.int64)),
        )
        life, side, weight = (np.concatenate([part[column] for part in parts]) for column in range(3))
        row = np.append(np.full(len(life) - len(new), -1), new % len(rows.frames))
        order = np.argsort(life, kind="stable")
        return cls(life[order], side[order].astype(np.int8), weight[order], row[order])

    def runs(self) -> tuple[IntArray, IntArray, IntArray]:
        """Of each run on one side: its first sighting, how many they are, how many came before in all."""
        start = np.append(True, (self.life[1:] != self.life[:-1]) | (self.side[1:] != self.side[:-1]))[: len(self.life)]
        first = np.flatnonzero(start)
        sums = np.cumsum(self.weight)
        before = sums[first] - self.weight[first]
        return first, np.append(before[1:], sums[-1:]) - before, before
