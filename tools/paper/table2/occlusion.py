"""People who pass behind others: where the ground truth says so, and which tracker still knows them afterwards."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from tracker.commands.crops import match_identities, visibility
from tracker.core.boxes import area, intersection
from tracker.core.detections import FloatArray, IntArray
from tracker.evaluate.scores import is_counted
from tracker.files.motchallenge import TrackTable, read_tracks
from tracker.input.sequences import Sequence as Video

HIDDEN, SHOWN = 0.2, 0.6  # visible share below which a person is gone, and above which they are back
LONGEST = 120  # frames from seen to seen again
COVERED = 0.5  # share of the hidden person's box inside the other's, at least
LEAST_HEIGHT = 0.15  # of the frame's height: large enough to look at
PATIENCE = 15  # frames before and after in which a tracker must have a box on the person

KEPT, SWITCHED, LOST, UNSEEN = "kept", "switched", "lost", "unseen"


@dataclass(frozen=True)
class Occlusion:
    """Person A passes behind person B.

    Attributes:
        person, other: identities of A and B.
        before: last frame in which A is well visible.
        hidden: frame in which least of A is visible, the middle one of several.
        after: first frame in which A is well visible again.
        height: of A's box, the lesser of before and after, pixels.
    """

    person: int
    other: int
    before: int
    hidden: int
    after: int
    height: float


def read_people(video: Video) -> tuple[TrackTable, FloatArray]:
    """The people to be found, and how much of each box is visible [N]."""
    assert video.ground_truth is not None
    truth = read_tracks(video.ground_truth)
    counted = is_counted(truth) & truth.has_area
    return truth.select(counted), visibility(video.ground_truth, truth)[counted]


def find_occlusions(truth: TrackTable, visible: FloatArray, frame_height: float) -> list[Occlusion]:
    """Every time that a person of some height is hidden by another and comes out again, by frame.

    Args:
        truth: the people.
        visible: [N] share of each box that shows.
        frame_height: pixels.
    """
    found = []
    for person in np.unique(truth.ids):
        rows = np.flatnonzero(truth.ids == person)
        shown = np.flatnonzero(visible[rows] > SHOWN)
        for first, last in pairwise(shown.tolist()):
            between = rows[first + 1 : last]
            if len(between) and visible[between].min() < HIDDEN:
                least = between[visible[between] == visible[between].min()]
                found.append(_occlusion(truth, rows[first], int(least[len(least) // 2]), rows[last]))
    large = [one for one in found if one is not None and one.height >= LEAST_HEIGHT * frame_height]
    return sorted((one for one in large if one.after - one.before <= LONGEST), key=lambda one: one.before)


def _occlusion(truth: TrackTable, before: int, hidden: int, after: int) -> Occlusion | None:
    """The occlusion between these rows; None where no nearer person covers the hidden one."""
    others = np.flatnonzero((truth.frames == truth.frames[hidden]) & (truth.ids != truth.ids[hidden]))
    nearer = others[truth.boxes[others, 3] >= truth.boxes[hidden, 3]]
    if not len(nearer):
        return None
    box = truth.boxes[hidden][None]
    covered = intersection(box, truth.boxes[nearer])[0] / area(box)
    if covered.max() < COVERED:
        return None
    other = int(truth.ids[nearer[np.argmax(covered)]])
    height = float(min(truth.boxes[row, 3] - truth.boxes[row, 1] for row in (before, after)))
    first, least, last = truth.frames[[before, hidden, after]].tolist()
    return Occlusion(int(truth.ids[hidden]), other, first, least, last, height)


@dataclass(frozen=True)
class Sighting:
    """One tracker's rows with the person of the ground truth that each shows, -1 for nobody."""

    tracks: TrackTable
    identities: IntArray

    @classmethod
    def of(cls, tracks: TrackTable, truth: TrackTable) -> Sighting:
        return cls(tracks, match_identities(tracks.frames, tracks.boxes, truth))

    def row(self, person: int, frame: int) -> int | None:
        """The row that shows a person in a frame."""
        rows = np.flatnonzero((self.identities == person) & (self.tracks.frames == frame))
        return int(rows[0]) if len(rows) else None

    def outcome(self, occlusion: Occlusion) -> str:
        """Whether the person has one id before and after: kept, switched, lost (no box after), unseen (none before)."""
        rows = self.identities == occlusion.person
        before = self._ids(rows, occlusion.before - PATIENCE, occlusion.before)
        after = self._ids(rows, occlusion.after, occlusion.after + PATIENCE)
        if not len(before):
            return UNSEEN
        if not len(after):
            return LOST
        return KEPT if before[-1] == after[0] else SWITCHED

    def _ids(self, rows: NDArray[np.bool_], first: int, last: int) -> IntArray:
        return self.tracks.ids[rows & (self.tracks.frames >= first) & (self.tracks.frames <= last)]


def tally(sightings: Mapping[str, Sighting], occlusions: Sequence[Occlusion]) -> dict[str, dict[str, int]]:
    """Tracker -> how many occlusions ended each way."""
    found = {name: Counter(map(sighting.outcome, occlusions)) for name, sighting in sightings.items()}
    return {name: {end: count[end] for end in (KEPT, SWITCHED, LOST, UNSEEN)} for name, count in found.items()}


def difference(sightings: Mapping[str, Sighting], occlusion: Occlusion) -> tuple[int, int, float]:
    """How well an occlusion shows that trackers differ, larger is better: the last of them should keep the person,
    the first (motion only) and as many others as possible not; then the person's height.
    """
    first, *_, last = ends = [sighting.outcome(occlusion) for sighting in sightings.values()]
    switched = ends.count(SWITCHED)
    return int(last == KEPT) + int(first == SWITCHED), switched, occlusion.height
