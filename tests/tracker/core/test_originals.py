"""`sort` and `deepsort` against plain programs of one object a track, written from the papers for this test, and the
three rules in which the authors' programs differ from the nearest simple ones."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from filterpy.kalman import KalmanFilter
from scipy.optimize import linear_sum_assignment

from tracker import Detections, Tracker
from tracker.core.boxes import iou, xyah_to_xyxy, xysr_to_xyxy, xyxy_to_xyah, xyxy_to_xysr
from tracker.core.detections import FloatArray

Written = dict[int, FloatArray]  # id -> box of the tracks written in a frame
LOOKS = np.eye(8, dtype=np.float32)


# --- plain programs --------------------------------------------------------------------------------------------------


@dataclass
class PlainTrack:
    """A filter, and when it was seen."""

    id: int
    kalman: KalmanFilter
    hits: int = 1
    streak: int = 0
    age: int = 0
    looks: list[FloatArray] = field(default_factory=list)


def one(function: Any, row: FloatArray) -> FloatArray:
    return np.asarray(function(np.asarray(row, float).reshape(1, -1)))[0]


class PlainSort:
    """Bewley et al. 2016: seven states, IoU, one assignment."""

    def __init__(self, max_age: int) -> None:
        self.max_age, self.frames, self.born, self.tracks = max_age, 0, 0, list[PlainTrack]()

    def start(self, box: FloatArray) -> PlainTrack:
        kalman = KalmanFilter(dim_x=7, dim_z=4)
        kalman.F, kalman.H = np.eye(7) + np.eye(7, k=4), np.eye(4, 7)
        kalman.P = np.diag([10, 10, 10, 10, 1e4, 1e4, 1e4])
        kalman.Q, kalman.R = np.diag([1, 1, 1, 1, 1e-2, 1e-2, 1e-4]), np.diag([1, 1, 10, 10])
        kalman.x[:4, 0] = one(xyxy_to_xysr, box)
        self.born += 1
        return PlainTrack(self.born, kalman)

    def update(self, boxes: FloatArray) -> Written:
        self.frames += 1
        for track in self.tracks:
            if track.kalman.x[2] + track.kalman.x[6] <= 0:
                track.kalman.x[6] = 0
            track.kalman.predict()
            track.streak = track.streak if track.age == 0 else 0
            track.age += 1
        free = set(range(len(boxes)))
        for row, column in self.match(boxes):
            track = self.tracks[row]
            track.kalman.update(one(xyxy_to_xysr, boxes[column]))
            track.age, track.streak = 0, track.streak + 1
            free.discard(column)
        self.tracks += [self.start(boxes[column]) for column in sorted(free)]
        self.tracks = [track for track in self.tracks if track.age <= self.max_age]
        return {
            track.id: one(xysr_to_xyxy, track.kalman.x[:4, 0])
            for track in self.tracks
            if track.age == 0 and (track.streak >= 3 or self.frames <= 3)
        }

    def match(self, boxes: FloatArray) -> list[tuple[int, int]]:
        if not self.tracks or not len(boxes):
            return []
        overlap = iou(np.array([one(xysr_to_xyxy, track.kalman.x[:4, 0]) for track in self.tracks]), boxes)
        pairs = np.argwhere(overlap > 0.3)
        if not len(pairs) or len(set(pairs[:, 0])) < len(pairs) or len(set(pairs[:, 1])) < len(pairs):
            pairs = np.stack(linear_sum_assignment(-overlap), axis=1)
        return [(row, column) for row, column in pairs.tolist() if overlap[row, column] >= 0.3]


class PlainDeepSort:
    """Wojke et al. 2017: eight states, cascade over ages, gallery of 100, then IoU."""

    def __init__(self, max_age: int) -> None:
        self.max_age, self.born, self.tracks = max_age, 0, list[PlainTrack]()

    @staticmethod
    def deviations(height: float, position: float, velocity: float, aspect: float, turn: float) -> FloatArray:
        p, v = position * height, velocity * height
        return np.diag(np.square([p, p, aspect, p, v, v, turn, v]))

    def start(self, box: FloatArray, look: FloatArray) -> PlainTrack:
        kalman = KalmanFilter(dim_x=8, dim_z=4)
        kalman.F, kalman.H = np.eye(8) + np.eye(8, k=4), np.eye(4, 8)
        kalman.x[:4, 0] = one(xyxy_to_xyah, box)
        kalman.P = self.deviations(kalman.x[3, 0], 2 / 20, 10 / 160, 1e-2, 1e-5)
        self.born += 1
        return PlainTrack(self.born, kalman, looks=[look])

    def noise(self, track: PlainTrack) -> FloatArray:
        return self.deviations(track.kalman.x[3, 0], 1 / 20, 0, 1e-1, 0)[:4, :4]

    def update(self, boxes: FloatArray, looks: FloatArray) -> Written:
        for track in self.tracks:
            track.kalman.predict(Q=self.deviations(track.kalman.x[3, 0], 1 / 20, 1 / 160, 1e-2, 1e-5))
            track.age += 1
        free = list(range(len(boxes)))
        confirmed = [track for track in self.tracks if track.hits >= 3]
        for level in range(1, self.max_age + 1):
            cost = lambda track, column: self.appearance(track, boxes[column], looks[column])  # noqa: E731
            self.assign([track for track in confirmed if track.age == level], free, cost, 0.2, boxes, looks)
        near = [track for track in self.tracks if track.age == 1]  # whom the cascade took has age 0 by now
        overlap = lambda track, column: 1 - iou(self.box(track)[None], boxes[column][None])[0, 0]  # noqa: E731
        self.assign(near, free, overlap, 0.7, boxes, looks)
        self.tracks = [
            track for track in self.tracks if track.age == 0 or (track.hits >= 3 and track.age <= self.max_age)
        ]
        self.tracks += [self.start(boxes[column], looks[column]) for column in free]
        return {track.id: self.box(track) for track in self.tracks if track.hits >= 3 and track.age <= 1}

    def box(self, track: PlainTrack) -> FloatArray:
        return one(xyah_to_xyxy, track.kalman.x[:4, 0])

    def appearance(self, track: PlainTrack, box: FloatArray, look: FloatArray) -> float:
        spread = track.kalman.P[:4, :4] + self.noise(track)
        missed_by = one(xyxy_to_xyah, box) - track.kalman.x[:4, 0]
        if missed_by @ np.linalg.solve(spread, missed_by) > 9.4877:
            return 1e5
        return min(1 - float(seen @ look) for seen in track.looks)

    def assign(
        self, tracks: list[PlainTrack], free: list[int], cost: Any, limit: float, boxes: FloatArray, looks: FloatArray
    ) -> None:
        if not tracks or not free:
            return
        costs = np.array([[cost(track, column) for column in free] for track in tracks])
        pairs = np.stack(linear_sum_assignment(np.where(costs > limit, limit + 1e-5, costs)), axis=1).tolist()
        taken = [(row, free[column]) for row, column in pairs if costs[row, column] <= limit]
        for row, column in taken:
            track = tracks[row]
            track.kalman.update(one(xyxy_to_xyah, boxes[column]), R=self.noise(track))
            track.age, track.hits, track.looks = 0, track.hits + 1, [*track.looks, looks[column]][-100:]
            free.remove(column)


# --- streams ---------------------------------------------------------------------------------------------------------


def crowd(seed: int, frames: int = 90) -> list[tuple[FloatArray, FloatArray]]:
    """Boxes and looks a frame: people who walk, overlap, stay away for long, and shrink or grow quickly."""
    random = np.random.default_rng(seed)
    people = int(random.integers(3, 9))
    place, velocity = random.uniform(0, 260, (people, 2)), random.normal(0, 2, (people, 2))
    height, growth = random.uniform(60, 140, people), random.normal(0, 5, people)
    looks = random.normal(size=(people, 8))
    away = np.zeros(people, int)
    stream = []
    for _ in range(frames):
        place, height = place + velocity, np.maximum(height + growth, 3)
        growth = np.where((height < 8) | (height > 150), -growth, growth)
        leaves = (away < -6) & (random.random(people) < 0.12)
        away = np.where(leaves, random.integers(1, 14, people), away - 1)
        here = np.flatnonzero(away <= 0)
        here = here[random.permutation(len(here))]
        size = height[here, None] * [0.4, 1.0] * random.uniform(0.97, 1.03, (len(here), 2))
        corner = place[here] + random.normal(0, 1, (len(here), 2))
        seen = looks[here] + random.normal(0, 0.25, (len(here), 8))
        stream.append(
            (np.concatenate((corner, corner + size), axis=1), seen / np.linalg.norm(seen, axis=1, keepdims=True))
        )
    return stream


def written(tracker: Tracker, detections: Detections) -> Written:
    tracks = tracker.update(detections)
    return dict(zip(tracks.ids.tolist(), tracks.boxes, strict=True))


def check_same(ours: list[Written], theirs: list[Written]) -> int:
    """The same rows in each frame, ids renumbered one to one; how many there are."""
    there, back, rows = dict[int, int](), dict[int, int](), 0
    for frame, (mine, other) in enumerate(zip(ours, theirs, strict=True)):
        assert len(mine) == len(other), frame
        for track, box in mine.items():
            gap = {theirs_id: np.abs(box - at).max() for theirs_id, at in other.items()}
            nearest = min(gap, key=gap.__getitem__)
            assert gap[nearest] < 0.01, frame
            assert there.setdefault(track, nearest) == nearest, frame
            assert back.setdefault(nearest, track) == track, frame
        rows += len(mine)
    return rows


@pytest.mark.parametrize("max_age", [1, 30])
@pytest.mark.parametrize("seed", range(5))
@pytest.mark.slow
def test_sort_is_the_plain_program(seed: int, max_age: int) -> None:
    tracker, plain, stream = Tracker.from_config("sort", max_age=max_age), PlainSort(max_age), crowd(seed)
    ours = [written(tracker, Detections(boxes)) for boxes, _ in stream]
    assert check_same(ours, [plain.update(boxes) for boxes, _ in stream]) > 100


@pytest.mark.parametrize("max_age", [3, 8, 30])
@pytest.mark.parametrize("seed", range(5))
@pytest.mark.slow
def test_deepsort_is_the_plain_program(seed: int, max_age: int) -> None:
    tracker = Tracker.from_config("deepsort", max_age=max_age, min_confidence=None, nms_max_overlap=1)
    plain, stream = PlainDeepSort(max_age), crowd(seed)
    ours = [written(tracker, Detections(boxes, features=looks)) for boxes, looks in stream]
    assert check_same(ours, [plain.update(boxes, looks) for boxes, looks in stream]) > 100


# --- the three rules, by hand ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("keeps", "ids"), [(True, [1]), (False, [])])
def test_who_shrinks_to_nothing_while_unseen_is_known_again(keeps: bool, ids: list[int]) -> None:
    """Twelve pixels less a frame: two frames after the last look the predicted height is below zero."""
    tracker = Tracker.from_config("deepsort", gating_threshold=1e6, keep_shrunk=keeps)

    def seen(height: float) -> Detections:
        return Detections([[200, 100, 200 + 0.4 * height, 100 + height]], features=LOOKS[:1])

    for height in range(100, 10, -12):
        tracker.update(seen(height))
    assert tracker.update(Detections([])).ids.tolist() == [1]
    coasting = tracker.update(Detections([]))
    assert len(coasting) == 0
    assert (tracker.filter.mean[:, 3] < 0).tolist() == ([True] if keeps else [])
    assert tracker.update(seen(12)).ids.tolist() == ids


def test_a_shrunk_track_coasts_inside_out() -> None:
    """The authors' program writes the predicted box of the frame after the last look, whatever it is."""
    tracker = Tracker.from_config("deepsort")
    for height in (100, 68, 36, 4):
        tracker.update(Detections([[200, 100, 200 + 0.4 * height, 100 + height]], features=LOOKS[:1]))
    tracks = tracker.update(Detections([]))
    assert (tracks.ids.tolist(), tracks.detection.tolist()) == ([1], [-1])
    assert (tracks.boxes[:, 2:] < tracks.boxes[:, :2]).all()
    assert len(tracker.update(Detections([]))) == 0


def test_a_track_in_its_last_frame_has_no_level_in_the_cascade() -> None:
    """max_age 3: seen again after two misses it is matched by its looks, after three it is somebody new."""
    for missed, known in ((2, True), (3, False)):
        tracker = Tracker.from_config("deepsort", max_age=3, n_init=1)
        here = Detections([[100, 100, 140, 180]], features=LOOKS[:1])
        for detections in (here, here, *[Detections([])] * missed):
            tracker.update(detections)
        assert len(tracker.state) == 1  # it is still there
        assert tracker.update(here).ids.tolist() == ([1] if known else [2])


def test_good_pairs_that_are_one_to_one_need_no_assignment() -> None:
    """Overlaps of 0.36 and, crosswise, twice 0.25: the assignment would rather have the two, and lose them."""
    first, second = [0.0, 0, 100, 100], [500.0, 0, 600, 100]

    def slid(box: list[float], by: float) -> list[float]:
        return [box[0] + by, box[1], box[2] + by, box[3]]

    tracker = Tracker.from_config("sort", min_hits=0)
    tracker.update(Detections([first, slid(first, 107)]))  # 107 apart: no overlap with each other
    # The one detection overlaps the left track by 0.36, the right one by 0.25; the other, the left one by 0.25.
    tracks = tracker.update(Detections([slid(first, 47), slid(first, -60), second]))
    assert dict(zip(tracks.ids.tolist(), tracks.detection.tolist(), strict=True)) == {1: 0, 3: 1, 4: 2}


def test_where_somebody_has_a_choice_all_overlaps_are_weighed() -> None:
    """Left track: 0.6 with one, 0.4 with the other; right track: 0.4 with the one. The two 0.4 are the better sum."""
    tracker = Tracker.from_config("sort", min_hits=0)
    tracker.update(Detections([[0, 0, 100, 100], [68, 0, 168, 100]]))
    tracks = tracker.update(Detections([[25, 0, 125, 100], [-43, 0, 57, 100]]))
    assert dict(zip(tracks.ids.tolist(), tracks.detection.tolist(), strict=True)) == {1: 1, 2: 0}
