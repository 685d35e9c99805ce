"""Linking of long sequences and of streams: window by window, what is settled stays settled."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace

import numpy as np

from tracker.core.detections import Detections, IntArray
from tracker.files.motchallenge import DetectionTable
from tracker.linking.completion import NOBODY
from tracker.linking.link import Linked, link_identities


@dataclass(frozen=True)
class Settled:
    """The identities of some frames, which nothing changes any more.

    Attributes:
        until: the last of these frames.
        table: detections of these frames, and of later ones that are known already.
        identities: [N] of each detection, from 1; -1 for nobody. After `until` they are a guess.
        found: by linking; where it linked nothing, the identities above are the online tracker's under other numbers.
    """

    until: int
    table: DetectionTable
    identities: IntArray
    found: Linked


class LinkingWindows:
    """Takes in one frame after the other, and settles identities when asked to.

    A window holds the frames that are not settled and, before them, `overlap` seconds that are: a piece that reaches
    into them has its identity, and no two identities become one.

    Args:
        rate: frames a second.
        least_score: see `link_identities`.
        overlap: seconds; longer than anybody may be away.
        explained: say why pieces were joined, too.
    """

    def __init__(self, rate: float, least_score: float, overlap: float, explained: bool = False) -> None:
        self._rate = rate
        self._explained = explained
        self._least_score = least_score
        self._overlap = round(overlap * rate)
        self._frames: deque[tuple[int, Detections, IntArray]] = deque()  # with the online tracker's identities
        self._settled: deque[IntArray] = deque()  # identities in the first of these frames
        self._largest = 0
        self._names: dict[int, int] = {}

    @property
    def first_open(self) -> int | None:
        """The first frame that is not settled."""
        return self._frames[len(self._settled)][0] if len(self._frames) > len(self._settled) else None

    def add(self, frame_index: int, detections: Detections, online: IntArray) -> None:
        """Take in the next frame: its detections and the online tracker's identity [N] of each, -1 for none."""
        self._frames.append((frame_index, detections, online))

    def settle(self, until: int) -> Settled:
        """Settle all frames up to `until`, and forget those that no later window needs."""
        table = DetectionTable.of_frames([(frame, found) for frame, found, _ in self._frames])
        online = _joined([here for _, _, here in self._frames])
        known = _joined(list(self._settled))
        before = np.concatenate((known, np.full(len(table) - len(known), NOBODY)))
        found = link_identities(
            table,
            online,
            self._rate,
            self._least_score,
            settled=before,
            largest=self._largest,
            explained=self._explained,
        )
        found = replace(found, explanation=found.explanation.between(self.first_open or 0, until))
        guessed = self._as_online(table.frames, online, before) if found.identities is None else found.identities
        identities = np.concatenate((known, guessed[len(known) :]))
        settled = identities[: int(np.searchsorted(table.frames, until + 1))]
        self._largest = max(self._largest, int(settled.max(initial=0)))
        of_both = np.flatnonzero((online[: len(settled)] >= 0) & (settled >= 0))
        self._names |= dict(zip(online[of_both].tolist(), settled[of_both].tolist(), strict=True))
        self._forget(until, table.frames, identities)
        return Settled(until, table, identities, found)

    def _as_online(self, frames: IntArray, online: IntArray, before: IntArray) -> IntArray:
        """The online tracker's identities, under the numbers that they have where something is settled."""
        names: dict[int, int] = {}
        taken: dict[int, int] = {}  # identity -> last frame
        largest = max(self._largest, *self._names.values(), 0)
        for one in np.unique(online[online >= 0]).tolist():
            rows = np.flatnonzero(online == one)
            known = rows[before[rows] >= 0]
            name = int(before[known[-1]]) if len(known) else self._names.get(one, NOBODY)
            if name == NOBODY or taken.get(name, -1) >= frames[rows[0]]:
                largest += 1
                name = largest
            names[one] = name
            taken[name] = max(taken.get(name, -1), int(frames[rows[-1]]))
        return np.array([names.get(one, NOBODY) for one in online.tolist()], np.int64)

    def _forget(self, until: int, frames: IntArray, identities: IntArray) -> None:
        begins = np.searchsorted(frames, [frame for frame, _, _ in self._frames])
        ends = np.append(begins[1:], len(frames))
        self._settled = deque(
            identities[begin:end]
            for (frame, _, _), begin, end in zip(self._frames, begins, ends, strict=True)
            if frame <= until
        )
        while self._frames and self._frames[0][0] <= until - self._overlap:
            self._frames.popleft()
            self._settled.popleft()


def _joined(parts: list[IntArray]) -> IntArray:
    return np.concatenate([np.zeros(0, np.int64), *parts])
