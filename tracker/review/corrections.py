"""What a person can say of a table of tracks, and what then becomes of it.

A correction changes who boxes belong to, never the boxes. What was said of two people, or of one, is remembered by rows
of the table, as ids change hands with later corrections.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import reduce
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from tracker.core.detections import IntArray
from tracker.errors import InputError
from tracker.files.tables import EXACT, TrackTable

REMOVED = -1  # the id of boxes that are deleted

Id = Annotated[int, Field(ge=0, lt=int(EXACT), strict=True)]
Frame = Annotated[int, Field(ge=1, lt=int(EXACT), strict=True)]
RowPair = tuple[int, int]


class Said(BaseModel):
    """One correction; its fields are what its line in the log holds."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Merge(Said):
    """`keep` and `other` are one person, who is called `keep`."""

    do: Literal["merge"] = "merge"
    keep: Id
    other: Id


class Cut(Said):
    """From `frame` on, `id` is somebody else, who is called `new`."""

    do: Literal["cut"] = "cut"
    id: Id
    frame: Frame
    new: Id


class Swap(Said):
    """From `frame` on, `one` and `other` are each other."""

    do: Literal["swap"] = "swap"
    one: Id
    other: Id
    frame: Frame


class Delete(Said):
    """`id` is nobody."""

    do: Literal["delete"] = "delete"
    id: Id


class Renumber(Said):
    """`id` is to have the number `to`."""

    do: Literal["renumber"] = "renumber"
    id: Id
    to: Id


class Name(Said):
    """`id` has a name; an empty one takes it away."""

    do: Literal["name"] = "name"
    id: Id
    name: Annotated[str, Field(max_length=80, pattern=r"^[^\x00-\x1f\x7f]*$")]


class Different(Said):
    """`one` and `other` are two people. Changes no box; they are not suggested again."""

    do: Literal["different"] = "different"
    one: Id
    other: Id


class Sound(Said):
    """`id` is one person before and after `frame`. Changes no box; is not suspected again."""

    do: Literal["sound"] = "sound"
    id: Id
    frame: Frame


Correction = Annotated[
    Merge | Cut | Swap | Delete | Renumber | Name | Different | Sound, Field(discriminator="do")
]  # fmt: skip


@dataclass(frozen=True, eq=False)
class Reviewed:
    """A table of tracks and what a person has said of it so far.

    Attributes:
        table: as it was read; rows are sorted by frame.
        ids: [N] whose each box is now; `REMOVED` for those of nobody.
        names: of ids.
        joined: pairs of rows that show one person.
        apart: pairs of rows that show two.
        sound: rows at which their identity is known not to change.
    """

    table: TrackTable
    ids: IntArray
    names: Mapping[int, str] = field(default_factory=dict)
    joined: tuple[RowPair, ...] = ()
    apart: tuple[RowPair, ...] = ()
    sound: tuple[int, ...] = ()

    @classmethod
    def of(cls, table: TrackTable) -> Reviewed:
        """Nothing said yet."""
        return cls(table, table.ids)

    def rows(self, identity: int) -> IntArray:
        """Rows of an identity, ascending in frames.

        Raises:
            InputError: there is none of that number.
        """
        found = np.flatnonzero(self.ids == identity)
        if identity == REMOVED or not len(found):
            raise InputError(f"identity {identity}: there is none of that number")
        return found

    @property
    def unused(self) -> int:
        """A number that no identity ever had."""
        return int(max(self.ids.max(initial=0), self.table.ids.max(initial=0))) + 1

    @property
    def told_apart(self) -> set[frozenset[int]]:
        """Identities that are known to be two people."""
        pairs = (frozenset(self.ids[list(pair)].tolist()) for pair in self.apart)
        return {pair for pair in pairs if len(pair) == 2 and REMOVED not in pair}

    def corrected(self) -> TrackTable:
        """The tracks as they are now, sorted by frame, then id."""
        kept = np.flatnonzero(self.ids != REMOVED)
        order = kept[np.lexsort((self.ids[kept], self.table.frames[kept]))]
        chosen = self.table.select(order)
        chosen.ids = self.ids[order]
        return chosen


def apply(before: Reviewed, correction: Correction) -> Reviewed:
    """What becomes of a table by one correction.

    Raises:
        InputError: an identity that it speaks of is not there, or it would put one into two places at once.

    Example:
        >>> table = TrackTable(np.array([1, 2]), np.array([3, 7]), np.zeros((2, 4)), np.ones(2))
        >>> apply(Reviewed.of(table), Merge(keep=3, other=7)).ids.tolist()
        [3, 3]
    """
    match correction:
        case Merge():
            return _merge(before, correction)
        case Cut():
            return _cut(before, correction)
        case Swap():
            return _swap(before, correction)
        case Delete(id=one):
            return _given(before, before.rows(one), REMOVED, {one: None})
        case Renumber(id=one, to=to):
            _require_free(before, to)
            return _given(before, before.rows(one), to, {one: None, to: before.names.get(one)})
        case Name(id=one, name=name):
            return _given(before, before.rows(one), one, {one: name.strip() or None})
        case Different(one=one, other=other):
            _require_two(one, other)
            pair = _nearest_ends(before.rows(one), before.rows(other))
            return replace(before, apart=(*before.apart, pair))
        case Sound(id=one, frame=frame):
            rows = before.rows(one)
            early, late = _parts(before, one, frame)
            row = int(late[0]) if len(late) else int(rows[-1])
            joined = ((int(early[-1]), row),) if len(early) and len(late) else ()
            return replace(before, sound=(*before.sound, row), joined=(*before.joined, *joined))


def apply_all(table: TrackTable, corrections: Iterable[Correction]) -> Reviewed:
    """What becomes of a table by several corrections, one after the other."""
    return reduce(apply, corrections, Reviewed.of(table))


def _merge(before: Reviewed, said: Merge) -> Reviewed:
    _require_two(said.keep, said.other)
    rows, others = before.rows(said.keep), before.rows(said.other)
    both = np.intersect1d(before.table.frames[rows], before.table.frames[others])
    if len(both):
        raise InputError(
            f"{said.keep} and {said.other} are both seen in {_frames(both)}, so they are two; cut or delete one first"
        )
    name = before.names.get(said.keep) or before.names.get(said.other)
    after = _given(before, others, said.keep, {said.other: None, said.keep: name})
    return replace(after, joined=(*before.joined, _nearest_ends(rows, others)))


def _cut(before: Reviewed, said: Cut) -> Reviewed:
    early, late = _parts(before, said.id, said.frame)
    if not len(early) or not len(late):
        first, last = before.table.frames[before.rows(said.id)[[0, -1]]].tolist()
        raise InputError(f"{said.id}: is seen from frame {first} to {last}, a cut at {said.frame} would cut nothing")
    _require_free(before, said.new)
    after = _given(before, late, said.new, {})
    return replace(after, apart=(*before.apart, (int(early[-1]), int(late[0]))))


def _swap(before: Reviewed, said: Swap) -> Reviewed:
    _require_two(said.one, said.other)
    (early, late), (early_other, late_other) = (_parts(before, one, said.frame) for one in (said.one, said.other))
    if not (len(early) or len(early_other)) or not (len(late) or len(late_other)):
        raise InputError(f"{said.one} and {said.other}: frame {said.frame} is not between, nothing to exchange")
    ids = before.ids.copy()
    ids[late], ids[late_other] = said.other, said.one
    gone = {one: None for one in (said.one, said.other) if not (ids == one).any()}
    seams = [(a, b) for a, b in ((early, late_other), (early_other, late)) if len(a) and len(b)]
    breaks = [(a, b) for a, b in ((early, late), (early_other, late_other)) if len(a) and len(b)]
    after = _named(replace(before, ids=ids), gone)
    return replace(
        after,
        joined=(*before.joined, *((int(a[-1]), int(b[0])) for a, b in seams)),
        apart=(*before.apart, *((int(a[-1]), int(b[0])) for a, b in breaks)),
    )


def _parts(before: Reviewed, one: int, frame: int) -> tuple[IntArray, IntArray]:
    """Rows of an identity before a frame, and from it on."""
    rows = before.rows(one)
    return tuple(np.split(rows, [np.searchsorted(before.table.frames[rows], frame)]))  # type: ignore[return-value]


def _nearest_ends(one: IntArray, other: IntArray) -> RowPair:
    """The end of the rows that come first and the beginning of those that come later; rows ascend in time."""
    early, late = (one, other) if one[0] <= other[0] else (other, one)
    after = late[late > early[-1]]
    return (int(early[-1]), int(after[0])) if len(after) else (int(early[0]), int(late[0]))


def _given(before: Reviewed, rows: NDArray[np.integer], identity: int, names: Mapping[int, str | None]) -> Reviewed:
    ids = before.ids.copy()
    ids[rows] = identity
    return _named(replace(before, ids=ids), names)


def _named(before: Reviewed, names: Mapping[int, str | None]) -> Reviewed:
    """With these names, None for none."""
    changed = {**before.names, **names}
    return replace(before, names={one: name for one, name in sorted(changed.items()) if name is not None})


def _require_two(one: int, other: int) -> None:
    if one == other:
        raise InputError(f"identity {one}: named twice, expected two of them")


def _require_free(before: Reviewed, identity: int) -> None:
    if (before.ids == identity).any():
        raise InputError(f"identity {identity}: is there already, expected a number that is free; or merge the two")


def _frames(frames: IntArray) -> str:
    first, last = int(frames[0]), int(frames[-1])
    return f"frame {first}" if first == last else f"{len(frames)} frames from {first} to {last}"
