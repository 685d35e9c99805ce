"""Who is who: pairs of tracks by looks, the surest first, never two that cannot be one person."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from embedding.extras import require_package
from embedding.progress import say
from tracker.across.looks import Gallery, Worth
from tracker.core.detections import FloatArray, IntArray

RETURNING = 0.5  # share of people who are expected to be seen in another video: nobody knows
SURE = 0.5  # confidence of a match, at least
EXACT = 100_000  # tracks, from which on neighbours are found about
NEIGHBOURS = 50  # of a track, where they are found about
BLOCK = 2048  # tracks that are compared with all others at once
CELLS, LOOKED_INTO = 4.0, 32  # of the index: so many times the root of the tracks, and how many a search looks into


@dataclass(frozen=True)
class Matches:
    """Pairs of tracks that are one person.

    Attributes:
        first, second: [M] tracks, of two videos.
        distance: [M] of their looks, 0 the same to 2 the opposite.
        confidence: [M] that they are one person, from 0 to 1.
        people: [T] number of each track's person, from 1; 0 for whom nobody matches.
    """

    first: IntArray
    second: IntArray
    distance: FloatArray
    confidence: FloatArray
    people: IntArray


@dataclass(frozen=True)
class Possible:
    """Which tracks could be one person, by where and when they were seen.

    Attributes:
        video: [T].
        camera: [V] of each video, numbers.
        view: [V] what each camera sees, numbers; those of one number overlap; -1: nobody knows.
        clock: [V] whether its seconds are those of the other videos that have a clock.
    """

    gallery: Gallery
    camera: IntArray
    view: IntArray
    clock: NDArray[np.bool_]

    def are(self, a: IntArray, b: IntArray) -> NDArray[np.bool_]:
        """Whether tracks `a` [...] and `b` [...] could be: whoever is seen at once in one camera, or in two that see
        nothing in common, are two.
        """
        one, other = self.gallery.video[a], self.gallery.video[b]
        apart = (self.view[one] >= 0) & (self.view[other] >= 0) & (self.view[one] != self.view[other])
        comparable = (one == other) | (
            self.clock[one] & self.clock[other] & ((self.camera[one] == self.camera[other]) | apart)
        )
        at_once = (self.gallery.first[a] <= self.gallery.last[b]) & (self.gallery.first[b] <= self.gallery.last[a])
        return ~(comparable & at_once)


def match(gallery: Gallery, worth: Worth, possible: Possible) -> Matches:
    """Match the tracks of several videos.

    Of `N` tracks of other videos each may be the person of this one, or, by half, none: before looks are seen the odds
    of a pair are 1 to 2 N. Log-odds by looks come on top; a pair is a match where it is more likely one person than
    not. That is the gate: it grows with the number of people who could be confused.
    """
    a, b, distance = _near(gallery, worth)
    keep = possible.are(a, b)
    a, b, distance = a[keep], b[keep], distance[keep]
    confidence = _confidence(gallery, worth, a, b, distance)
    order = np.argsort(-confidence, kind="stable")
    order = order[confidence[order] >= SURE]
    groups = _Groups(len(gallery), possible)
    chosen = np.array([row for row in order.tolist() if groups.join(int(a[row]), int(b[row]))], np.int64)
    return Matches(a[chosen], b[chosen], distance[chosen], confidence[chosen], groups.numbers())


def gate(gallery: Gallery) -> float:
    """The log-odds by looks from which any pair is a match; of larger videos than the smallest, less may do."""
    others = len(gallery) - np.bincount(gallery.video)
    return float(np.log(max(others.max(initial=0), 1) / RETURNING))


def _confidence(gallery: Gallery, worth: Worth, a: IntArray, b: IntArray, distance: FloatArray) -> FloatArray:
    others = len(gallery) - np.bincount(gallery.video)[gallery.video]
    prior = -np.log(np.maximum(np.maximum(others[a], others[b]), 1) / RETURNING)
    odds = worth(distance, np.minimum(gallery.boxes[a], gallery.boxes[b]).astype(np.float64)) + prior
    return np.asarray(1 / (1 + np.exp(-np.clip(odds, -60, 60))))


def _near(gallery: Gallery, worth: Worth) -> tuple[IntArray, IntArray, FloatArray]:
    """Pairs [P] of tracks of different videos that may be sure enough, each once, and the distance of their looks."""
    blocks = _all_pairs(gallery) if len(gallery) < EXACT else _neighbours(gallery)
    found = []
    for a, b, distance in blocks:
        other = gallery.video[a] != gallery.video[b]
        a, b, distance = a[other], b[other], distance[other]
        sure = _confidence(gallery, worth, a, b, distance) >= SURE
        found.append((a[sure], b[sure], distance[sure]))
    if not found:
        return np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0)
    a, b, distance = (np.concatenate(column) for column in zip(*found, strict=True))
    _, once = np.unique(np.minimum(a, b) * len(gallery) + np.maximum(a, b), return_index=True)
    return np.minimum(a, b)[once], np.maximum(a, b)[once], distance[once]


def _all_pairs(gallery: Gallery) -> Iterator[tuple[IntArray, IntArray, FloatArray]]:
    looks = gallery.directions
    for start in range(0, len(looks), BLOCK):
        distance = 1 - looks[start : start + BLOCK] @ looks[start:].T
        a, b = np.nonzero(np.triu(np.ones(distance.shape, bool), 1))
        yield a + start, b + start, distance[a, b]


def _neighbours(gallery: Gallery) -> Iterator[tuple[IntArray, IntArray, FloatArray]]:
    """The nearest tracks of each, about, from an inverted file of faiss (Johnson et al., 2017)."""
    require_package("faiss", f"{len(gallery)} tracks, of which fewer than {EXACT} are compared one by one")
    import faiss

    looks = np.ascontiguousarray(gallery.directions, np.float32)
    cells = int(CELLS * np.sqrt(len(looks)))
    index = faiss.IndexIVFFlat(faiss.IndexFlatIP(looks.shape[1]), looks.shape[1], cells, faiss.METRIC_INNER_PRODUCT)
    index.train(looks)
    index.add(looks)
    index.nprobe = LOOKED_INTO
    say(f"{len(looks)} tracks: the {NEIGHBOURS} nearest of each, about")
    for start in range(0, len(looks), BLOCK):
        likeness, near = index.search(looks[start : start + BLOCK], NEIGHBOURS + 1)
        a = np.repeat(np.arange(start, start + len(near)), NEIGHBOURS + 1)
        b, distance = near.ravel().astype(np.int64), 1 - likeness.ravel().astype(np.float64)
        real = (b >= 0) & (a != b)
        yield a[real], b[real], distance[real]


class _Groups:
    """Tracks of one person each; begins with one track in each."""

    def __init__(self, count: int, possible: Possible) -> None:
        self._possible = possible
        self._group = np.arange(count)
        self._members: dict[int, list[int]] = {}

    def join(self, a: int, b: int) -> bool:
        """Make two tracks one person, if all of both groups can be; False where they are already, or cannot."""
        one, other = int(self._group[a]), int(self._group[b])
        if one == other:
            return True
        mine, theirs = (np.array(self._members.get(group, [group])) for group in (one, other))
        if not self._possible.are(mine[:, None], theirs[None, :]).all():
            return False
        self._members[one] = [*mine.tolist(), *theirs.tolist()]
        self._members.pop(other, None)
        self._group[theirs] = one
        return True

    def numbers(self) -> IntArray:
        """Number [T] of each track's person, from 1 in the order of tracks; 0 for those that are alone."""
        numbers = np.zeros(len(self._group), np.int64)
        for number, group in enumerate(sorted(self._members, key=lambda group: min(self._members[group])), start=1):
            numbers[self._members[group]] = number
        return numbers
