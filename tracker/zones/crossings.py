"""Who went from one side to the other, and when: at all places, of all identities, one frame or a million rows at once.

The rule is that of supervision's `LineZone`. An object is on the side where it was first seen; it changes when it was
seen on the other one `minimum_crossing_threshold` times in a row, where sightings that say nothing do not count. Who
was away for as long as the rule remembers begins anew. A zone follows the same rule, but that everybody begins outside,
and that who goes away has left.

What was seen of one identity at one place is a row of runs, each on one side. Those that are long enough, and the first
one, say on which side the object was; two of them in a row on different sides are a crossing.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from tracker.core.detections import IntArray
from tracker.zones.shapes import IN, UNDECIDED, SideArray
from tracker.zones.sightings import NEVER, Lives, Rows, Seen, Sights

Mask = NDArray[np.bool_]


@dataclass(slots=True)
class Crossings:
    """Changes of side, one row each.

    Attributes:
        places: [E] rows of the places.
        frames, ids, class_ids: [E] where and who.
        into: [E] whether to `IN`.
        since: [E] of who comes out, the frame in which it had gone in; `NEVER` elsewhere.
    """

    places: IntArray
    frames: IntArray
    ids: IntArray
    class_ids: IntArray
    into: NDArray[np.bool_]
    since: IntArray

    def __len__(self) -> int:
        return len(self.places)

    @classmethod
    def none(cls) -> Crossings:
        nothing = np.zeros(0, np.int64)
        return cls(nothing, nothing, nothing, nothing, np.zeros(0, bool), nothing)

    @classmethod
    def concatenate(cls, parts: list[Crossings]) -> Crossings:
        """All rows, sorted by frame, place and identity."""
        some = [part for part in parts if len(part)]
        if not some:
            return cls.none()
        columns = [np.concatenate([getattr(part, field.name) for part in some]) for field in fields(cls)]
        order = np.lexsort((columns[2], columns[0], columns[1]))
        return cls(*(column[order] for column in columns))


@dataclass(slots=True)
class _Now:
    """How things stand at the end of each of G lives; the fields are those of `Seen`."""

    confirmed: SideArray
    side: SideArray
    run: IntArray
    since: IntArray


class SideWatch:
    """Watches on which side of P places identities are; remembers those that were seen of late.

    Args:
        thresholds: [P] times in a row that make a change of side.
        patience: [P] frames that an identity may be away before all is forgotten of it there.
        is_zone: [P] whether everybody begins outside, and leaves by going away.
        step: frames from one that is looked at to the next.
    """

    def __init__(self, thresholds: IntArray, patience: IntArray, is_zone: Mask, step: int = 1) -> None:
        self._thresholds, self._patience, self._is_zone, self._step = thresholds, patience, is_zone, step
        self._seen = Seen.nobody(len(thresholds))

    def __len__(self) -> int:
        """How many identities are remembered."""
        return len(self._seen.ids)

    def take(self, frames: IntArray, ids: IntArray, class_ids: IntArray, sides: SideArray) -> Crossings:
        """Take in what was seen in frames that all come after those before.

        Args:
            frames, ids, class_ids: [K], in any order; an identity once a frame.
            sides: [P, K].
        """
        if not len(frames):
            return Crossings.none()
        order = np.lexsort((frames, ids))
        rows = Rows(frames[order], ids[order], class_ids[order], sides[:, order])
        lives = Lives.of(rows, self._seen, self._patience, self._step)
        changes, now = self._changes(rows, lives)
        found = [changes, *self._gone_between(rows, lives, now)]
        last = np.append(np.flatnonzero(rows.is_first)[1:], len(order)) - 1  # the last row of each identity
        life = lives.number[:, last]
        columns = (getattr(now, field.name)[life] for field in fields(_Now))
        fresh = Seen(rows.ids[last], rows.frames[last], rows.class_ids[last], *columns)
        self._seen = self._seen.replaced(fresh)
        return Crossings.concatenate([*found, self.advance(int(frames.max()))])

    def advance(self, frame: int) -> Crossings:
        """Say that a frame is over: who has been away for too long by then has left, and is forgotten."""
        seen = self._seen
        expired: Mask = (frame - seen.last) // self._step >= self._patience[:, None]
        if not expired.any():
            return Crossings.none()
        gone = self._leave(expired)
        seen.confirmed[expired], seen.side[expired], seen.run[expired] = UNDECIDED, UNDECIDED, 0
        self._seen = seen.select(np.flatnonzero(~expired.all(axis=0)))
        return gone

    def finish(self, frame: int) -> Crossings:
        """Say that no frame comes after this one: who was not seen in it has left."""
        return self._leave(self._seen.last < frame)

    def inside(self) -> Crossings:
        """Who is in a zone: rows as if all of them came out in the frame after they were last seen."""
        return self._leave(np.ones(len(self), bool))

    def _leave(self, who: Mask) -> Crossings:
        """The identities `who` [S] or [P, S] leave the zones they are in."""
        seen = self._seen
        place, row = np.nonzero(who & (seen.confirmed == IN) & self._is_zone[:, None])
        frames, since = seen.last[row] + self._step, seen.since[place, row]
        return Crossings(place, frames, seen.ids[row], seen.class_ids[row], np.zeros(len(row), bool), since)

    def _gone_between(self, rows: Rows, lives: Lives, now: _Now) -> list[Crossings]:
        """Who was inside, was away for too long, and is seen again."""
        if not lives.begins.any():
            return []
        place, row = np.nonzero(lives.begins & ~rows.is_first)
        before = lives.number[place, row] - 1
        inside = (now.confirmed[before] == IN) & self._is_zone[place]
        place, row, since = place[inside], row[inside] - 1, now.since[before[inside]]
        out = np.zeros(len(row), bool)
        here = Crossings(place, rows.frames[row] + self._step, rows.ids[row], rows.class_ids[row], out, since)
        over = np.zeros(self._seen.confirmed.shape, bool)
        place, row = np.nonzero(lives.begins & rows.is_first & (lives.slot >= 0))
        over[place, lives.slot[row]] = True
        return [here, self._leave(over)]

    def _changes(self, rows: Rows, lives: Lives) -> tuple[Crossings, _Now]:
        """The crossings within lives, and how things stand at the end of each."""
        sights = Sights.of(rows, lives, self._seen, self._thresholds, self._is_zone)
        start, length, before = sights.runs()
        life, side = sights.life[start], sights.side[start]
        need = self._thresholds[lives.place[life]]
        is_first = np.append(True, life[1:] != life[:-1])[: len(life)]
        long = np.flatnonzero(is_first | (length >= need))
        changed = long[1:][(life[long[1:]] == life[long[:-1]]) & (side[long[1:]] != side[long[:-1]])]
        row = sights.row[np.searchsorted(np.cumsum(sights.weight), before[changed] + need[changed])]
        count = len(lives.place)
        now = _Now(
            np.full(count, UNDECIDED, np.int8), np.full(count, UNDECIDED, np.int8), np.zeros(count, np.int64),
            lives.since(self._seen),
        )  # fmt: skip
        now.confirmed[life[long]] = side[long]  # of several the last one stays
        now.side[life], now.run[life] = side, np.minimum(length, need)
        of, frames, into = life[changed], rows.frames[row], side[changed] == IN
        follows = np.append(False, of[1:] == of[:-1])[: len(of)]  # another change of the same life: it goes in and out
        since = np.where(follows, np.append(NEVER, frames[:-1])[: len(of)], now.since[of])
        since[into] = NEVER
        now.since[of[into]] = frames[into]
        return Crossings(lives.place[of], frames, rows.ids[row], rows.class_ids[row], into, since), now
