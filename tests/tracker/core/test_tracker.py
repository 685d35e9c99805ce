"""The tracker frame by frame: life cycles by hand, and what must hold for any stream."""

from __future__ import annotations

from collections.abc import Iterable
from copy import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tracker import Detections, Tracker, Tracks
from tracker.core.detections import FloatArray

PRESETS = ("sort", "deepsort", "flatsort")
LOOKS = np.eye(8, dtype=np.float32)  # eight people who could not look more different
NOTHING = Detections([])


def box(x: float, y: float = 100.0) -> list[float]:
    """A person 40 x 80 pixels."""
    return [x, y, x + 40, y + 80]


def run(tracker: Tracker, frames: Iterable[Detections]) -> list[Tracks]:
    return [tracker.update(detections) for detections in frames]


def rows(results: list[Tracks]) -> FloatArray:
    """Everything that was reported, one row a track and frame."""
    return np.concatenate(
        [
            np.column_stack((np.full(len(r), frame), r.ids, r.boxes, r.scores, r.detection, r.class_ids))
            for frame, r in enumerate(results)
        ]
    )


# --- life cycles -----------------------------------------------------------------------------------------------------


def life(tracker: Tracker, script: str) -> str:
    """Play one person at rest: `#` seen, `+` seen with score 0.3, `-` with 0.05, `.` missed. Answer for each frame the
    id that was written, a small letter (a is 1) while coasting, or `.` for nothing."""
    scores = {"#": 0.9, "+": 0.3, "-": 0.05}
    story = ""
    for mark in script:
        seen = mark in scores
        tracks = tracker.update(Detections([box(100)], [scores[mark]], LOOKS[:1]) if seen else NOTHING)
        assert len(tracks) <= 1
        if not len(tracks):
            story += "."
        elif tracks.detection[0] == 0:
            assert tracks.scores[0] == scores[mark]
            story += str(tracks.ids[0])
        else:
            story += chr(ord("a") + tracks.ids[0] - 1)
    return story


@pytest.mark.parametrize(
    ("preset", "overrides", "script", "written"),
    [
        # SORT: three hits after the first, or at once in the first three frames; nothing is written while missed.
        ("sort", {}, "#####", "11111"),
        ("sort", {}, "....#####", ".......11"),  # seen from frame 5 on: written from its fourth detection
        ("sort", {}, "..####", "..1..1"),  # the first three frames are free, then the run counts
        ("sort", {}, "#.####", "1.1.11"),  # both at once
        ("sort", {}, "######.####", "111111...11"),  # one miss survives max_age 1; the run starts again
        ("sort", {}, "######..######", "111111.....222"),  # two do not
        ("sort", {"min_hits": 0}, "#.#..#", "1.1..2"),  # everything is written
        ("sort", {"min_hits": 1, "max_age": 3}, "##...###", "11...111"),  # the run of one: written when found
        ("sort", {"max_age": 0}, "####.#####", "1111....22"),  # dies at once
        # DeepSORT: third detection in a row; one coasted frame is written; tentative tracks die at the first miss.
        ("deepsort", {}, "#####", "..111"),
        ("deepsort", {}, "##.###", ".....2"),
        ("deepsort", {}, "#.#.#.#", "......."),  # never two in a row
        ("deepsort", {}, "####.##", "..11a11"),
        ("deepsort", {}, "####...##", "..11a..11"),  # it returns at once, being confirmed
        ("deepsort", {"max_coast": 0}, "####.##", "..11.11"),
        ("deepsort", {"max_coast": 3}, "####.....#", "..11aaa..1"),
        ("deepsort", {}, "###" + "." * 29 + "#", "..1a" + "." * 28 + "1"),  # max_age 30: the cascade's last level
        ("deepsort", {}, "###" + "." * 30 + "###", "..1a" + "." * 31 + "2"),  # no level for 30 misses
        ("deepsort", {"max_age": 5}, "###" + "." * 4 + "#", "..1a...1"),  # as many levels as max_age, whatever it is
        ("deepsort", {"max_age": 5}, "###" + "." * 5 + "###", "..1a" + "." * 6 + "2"),
        ("deepsort", {"stages.0.last_chance": True}, "###" + "." * 30 + "#", "..1a" + "." * 29 + "1"),  # 30 misses live
        ("deepsort", {"stages.0.last_chance": True}, "###" + "." * 31 + "###", "..1a" + "." * 32 + "2"),  # 31 do not
        ("flatsort", {"stages.2.last_chance": False, "max_age": 5}, "###" + "." * 5 + "#", "..1a....."),  # any round
        ("deepsort", {"n_init": 1}, "#.#", "1a1"),  # confirmed at once
        ("deepsort", {}, "###++", "..111"),  # 0.3 is good enough,
        ("deepsort", {}, "###--", "..1a."),  # 0.05 is not
        ("deepsort", {}, "---", "..."),
        ("deepsort", {"min_confidence": 0}, "---", "..1"),
        # FlatSORT: doubtful detections continue a track, but start none.
        ("flatsort", {"max_coast": 0}, "#####", "..111"),
        ("flatsort", {"max_coast": 0}, "##.###", ".....2"),
        ("flatsort", {"max_coast": 0}, "###.###", "..1.111"),
        ("flatsort", {"max_coast": 0}, "###++#", "..1111"),
        ("flatsort", {"max_coast": 0}, "+++++", "....."),
        ("flatsort", {"max_coast": 0}, "###---#", "..1...1"),  # below low_confidence is nothing at all
        ("flatsort", {"max_coast": 0}, "###.+#", "..1..1"),  # a doubtful one does not bring a lost track back
        ("flatsort", {"max_coast": 0, "max_age": 5}, "###" + "." * 5 + "#", "..1.....1"),
        ("flatsort", {"max_coast": 0, "max_age": 5}, "###" + "." * 6 + "###", "..1" + "." * 8 + "2"),
        ("flatsort", {"max_coast": 0, "min_confidence": 0}, "---", "..1"),  # nothing is doubtful then
        ("flatsort", {"max_coast": 0, "new_track_confidence": 0.95}, "####", "...."),
    ],
)
def test_life_of_one_person(preset: str, overrides: dict[str, Any], script: str, written: str) -> None:
    assert life(Tracker.from_config(preset, **overrides), script) == written


@pytest.mark.parametrize("overrides", [{}, {"max_cosine_distance": "auto"}])
def test_deepsort_without_appearance_goes_on_by_overlap(overrides: dict[str, Any]) -> None:
    """Where `auto` finds no gate it used to lose everybody who was missed twice."""
    tracker = Tracker.from_config("deepsort", **overrides)
    seen = Detections([box(100)])
    found = run(tracker, [seen, seen, seen, NOTHING, NOTHING, NOTHING, seen, seen])
    assert [result.ids.tolist() for result in found] == [[], [], [1], [1], [], [], [1], [1]]


def test_ids_count_up_and_are_never_given_twice() -> None:
    tracker = Tracker.from_config("sort", min_hits=0)
    ids = [tracker.update(Detections([box(300 * place)])).ids.tolist() for place in (0, 1, 2, 3, 0)]
    assert ids == [[1], [2], [3], [4], [5]]


@pytest.mark.parametrize("preset", PRESETS)
def test_empty_streams_are_empty(preset: str) -> None:
    tracker = Tracker.from_config(preset)
    for _ in range(5):
        tracks = tracker.update(NOTHING)
        assert len(tracks) == 0
        assert tracks.boxes.shape == (0, 4)
    assert len(tracker.update(Detections(np.zeros((0, 4)), features=np.zeros((0, 128))))) == 0


# --- frame numbers ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("gap", [1, 2, 5])
def test_a_step_of_k_frames_predicts_k_times(preset: str, gap: int) -> None:
    tracker = Tracker.from_config(preset, max_age=10)
    for step in range(6):
        tracker.update(Detections([box(100 + 5 * step, 100 + 2 * step)]), frame_index=step + 10)
    before = copy(tracker.filter)
    assert len(before) == 1
    once = copy(before)
    once.predict()
    step_of_one = once.mean - before.mean  # constant velocity: k predictions move k times as far
    tracker.update(NOTHING, frame_index=15 + gap)
    np.testing.assert_allclose(tracker.filter.mean, before.mean + gap * step_of_one, rtol=1e-12)


@pytest.mark.parametrize(
    ("gap", "alive"),
    [
        (1, True),  # the next frame
        (11, True),  # ten frames in between, which max_age allows
        (12, False),  # eleven
        (1_000_000, False),  # a day; must not predict a million times
    ],
)
def test_frames_that_were_not_seen_count_as_age(gap: int, alive: bool) -> None:
    tracker = Tracker.from_config("flatsort", max_age=10)
    for frame in range(1, 5):
        tracker.update(Detections([box(100)]), frame_index=frame)
    tracker.update(Detections([box(100)]), frame_index=4 + gap)
    assert tracker.state.ids.tolist() == ([1] if alive else [2])


@pytest.mark.parametrize("index", [7, 6, 0, -1])
def test_frame_numbers_must_grow(index: int) -> None:
    tracker = Tracker.from_config("sort")
    tracker.update(NOTHING, frame_index=7)
    with pytest.raises(ValueError, match=rf"frame_index: expected more than the last frame's 7, found {index}"):
        tracker.update(NOTHING, frame_index=index)
    tracker.update(NOTHING)  # is frame 8
    with pytest.raises(ValueError, match="the last frame's 8"):
        tracker.update(NOTHING, frame_index=8)


@pytest.mark.parametrize("first", [-5, 0, 1, 1000])
def test_the_first_frame_may_have_any_number(first: int) -> None:
    tracker = Tracker.from_config("sort")
    assert tracker.update(Detections([box(0)]), frame_index=first).ids.tolist() == [1]
    assert tracker.update(Detections([box(0)]), frame_index=first + 1).ids.tolist() == [1]


# --- features and classes --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("preset", ["deepsort", "flatsort"])
def test_features_may_come_late_and_go_again(preset: str) -> None:
    tracker = Tracker.from_config(preset)
    place, look = np.array([box(100), box(300)]), LOOKS[:2]
    plain, described = Detections(place), Detections(place, features=look)
    for detections in (plain, plain, plain, described, described, plain, plain, described):
        tracks = tracker.update(detections)
    assert tracks.ids.tolist() == [1, 2]


@pytest.mark.parametrize(
    ("preset", "overrides"),
    [
        ("deepsort", {}),  # a gallery
        ("deepsort", {"metric": "euclidean", "max_euclidean_distance": 0.5}),
        ("flatsort", {"max_cosine_distance": 0.2}),  # an average
        ("flatsort", {}),  # an average and a calibrated threshold
    ],
)
def test_features_of_another_dimension_are_an_error(preset: str, overrides: dict[str, Any]) -> None:
    tracker = Tracker.from_config(preset, **overrides)
    for _ in range(4):
        tracker.update(Detections([box(100), box(300)], features=np.eye(2, 8)))
    tracker.update(Detections([], features=np.zeros((0, 5))))  # no row, no matter
    with pytest.raises(ValueError, match="features: expected 8 columns as in earlier frames, found 9"):
        tracker.update(Detections([box(100), box(300)], features=np.eye(2, 9)))
    tracker.reset()
    tracker.update(Detections([box(100)], features=np.ones((1, 9))))


def test_appearance_decides_where_boxes_cannot() -> None:
    """Two people change places behind a pillar: boxes say they stayed, looks say they crossed."""
    here, there = box(100), box(160)
    frames = [Detections([here, there], features=LOOKS[:2])] * 4 + [NOTHING] * 2
    crossed = Detections([there, here], features=LOOKS[:2])
    for preset, overrides, expected in (
        ("deepsort", {"gating_threshold": 1000.0}, [1, 2]),
        ("flatsort", {"gating_threshold": 1000.0, "max_cosine_distance": 0.2}, [1, 2]),
        ("sort", {"max_age": 5, "min_hits": 0}, [2, 1]),
    ):
        tracker = Tracker.from_config(preset, **overrides)
        run(tracker, frames)
        tracks = tracker.update(crossed)
        assert tracks.ids[np.argsort(tracks.detection)].tolist() == expected


def test_the_cascade_prefers_who_was_seen_last() -> None:
    """Somebody who could be either of two, and looks and stands more like the one missed longer, is the other."""
    first, second = np.array([1.0, 0]), np.array([0.75, 0.66])  # 1 - cos is 0.25: nobody takes one for the other
    either = 0.6 * first + 0.4 * second  # within 0.2 of both
    for cascade, expected in ((True, [2]), (False, [1])):
        tracker = Tracker.from_config("deepsort", **{"gating_threshold": 1e6, "stages.0.cascade": cascade})
        run(tracker, [Detections([box(100), box(220)], features=[first, second])] * 4)
        run(tracker, [Detections([box(220)], features=[second])] * 2)  # the first is missed
        tracks = tracker.update(Detections([box(110)], features=[either]))
        assert tracks.ids[tracks.detection == 0].tolist() == expected


def test_doubtful_detections_teach_no_looks() -> None:
    tracker = Tracker.from_config("flatsort", max_cosine_distance=0.2)
    run(tracker, [Detections([box(100)], [0.9], LOOKS[:1])] * 4)
    tracks = run(tracker, [Detections([box(100)], [0.3], LOOKS[1:2])] * 4)[-1]  # half hidden by somebody else
    assert tracks.detection.tolist() == [0]
    assert tracker.memory is not None
    distance = tracker.memory.distance(np.array([0]), LOOKS[:2], np.ones((1, 2), bool), 2.0)
    np.testing.assert_allclose(distance, [[0, 1]], atol=1e-6)


def test_a_round_may_have_a_threshold_of_its_own() -> None:
    seen, turned = LOOKS[:1], np.array([[0.9, 0.436, 0, 0, 0, 0, 0, 0]])  # 1 - cos is 0.1
    for limit, expected in ((None, [1]), (0.15, [1]), (0.05, [])):
        tracker = Tracker.from_config("deepsort", **{"stages.0.max_distance": limit})
        run(tracker, [Detections([box(100)], features=seen)] * 4 + [NOTHING] * 2)
        assert tracker.update(Detections([box(100)], features=turned)).ids.tolist() == expected


def test_the_threshold_follows_people_through_frames_without_features() -> None:
    """Every other frame has none; over two frames people walk too far for their boxes alone."""
    tracker = Tracker.from_config("flatsort")
    assert tracker.threshold is not None
    for frame in range(60):
        boxes = [box(100 + 12 * frame, 200 * person) for person in range(8)]
        tracker.update(Detections(boxes, features=LOOKS if frame % 2 == 0 else None))
    assert tracker.threshold.true_accepts == 1.0


@pytest.mark.parametrize("preset", PRESETS)
def test_a_track_takes_only_its_own_class(preset: str) -> None:
    tracker = Tracker.from_config(preset)
    person, car, unknown = (Detections([box(100)], features=LOOKS[:1], class_ids=[c]) for c in (0, 2, -1))
    run(tracker, [person] * 5)
    assert tracker.state.ids.tolist() == [1]
    tracker.update(car)
    assert tracker.state.ids.tolist()[-1] == 2
    assert tracker.state.class_ids.tolist()[-1] == 2
    tracker.reset()
    run(tracker, [person] * 4)
    last = run(tracker, [unknown, Detections([box(100)], features=LOOKS[:1]), person])[-1]  # an unknown class fits all
    assert (last.ids.tolist(), last.class_ids.tolist()) == ([1], [0])


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("features", [True, False])
def test_classes_that_flicker_need_not_count(preset: str, features: bool) -> None:
    """Car, car, lorry, lorry, ...: with gating hardly anybody, without it one vehicle, of its usual class."""
    kinds = [2, 2, 7, 7] * 14 + [7, 7, 7, -1]
    frames = [
        Detections([box(100 + 2 * frame)], features=LOOKS[:1] if features else None, class_ids=[kind])
        for frame, kind in enumerate(kinds)
    ]
    gated, free = (Tracker.from_config(preset, class_gating=gating, max_coast=0) for gating in (True, False))
    assert sum(len(tracks) for tracks in run(gated, frames)) < 8  # at both ends
    found = run(free, frames)
    assert {track for tracks in found for track in tracks.ids.tolist()} == {1}
    assert [len(tracks) for tracks in found[2:]] == [1] * 58
    assert [found[frame].class_ids.tolist() for frame in (2, 5, 55, 58, 59)] == [[2], [2], [2], [7], [7]]


def test_without_gating_an_unknown_class_is_filled_in() -> None:
    tracker = Tracker.from_config("flatsort", class_gating=False, n_init=1)
    frames = [Detections([box(100)], class_ids=kind) for kind in (None, [-1], [3], None, [5], [5], [3])]
    assert [tracks.class_ids.tolist() for tracks in run(tracker, frames)] == [[-1], [-1], [3], [3], [3], [5], [5]]


def test_settled_by_motion_whatever_the_class() -> None:
    """Features on demand: a change of class is no doubt where classes do not count."""
    for gating, asked in ((True, 1), (False, 0)):
        tracker = Tracker.from_config("flatsort", class_gating=gating, max_cosine_distance=0.2, max_feature_age=50)
        for _ in range(4):
            tracker.update(Detections([box(100)], class_ids=[2]), describe=lambda boxes: LOOKS[: len(boxes)])
        calls: list[int] = []

        def describe(boxes: FloatArray, calls: list[int] = calls) -> FloatArray:
            calls.append(len(boxes))
            return LOOKS[: len(boxes)]

        tracker.update(Detections([box(100)], class_ids=[7]), describe=describe)
        assert len(calls) == asked


# --- which detection -------------------------------------------------------------------------------------------------


def test_the_detection_index_counts_the_callers_rows() -> None:
    """Rows that were filtered out, by score and by suppression, still count."""
    boxes = [box(500), box(100), box(103), box(300), box(700)]
    scores = [0.1, 0.8, 0.9, 0.7, 0.2]  # 0 and 4 are too doubtful, 1 is a double of 2
    tracker = Tracker.from_config("deepsort")
    tracks = run(tracker, [Detections(boxes, scores)] * 3)[-1]
    assert tracks.detection.tolist() == [2, 3]
    assert tracks.scores.tolist() == [0.9, 0.7]
    np.testing.assert_allclose(tracks.boxes, [box(103), box(300)], atol=1e-9)


def test_the_detection_index_counts_rows_without_area_too() -> None:
    """Boxes clipped to the picture, of no width or height, are no detections, but rows."""
    boxes = [[640, 10, 640, 90], box(100), [0, 480, 40, 480], box(300), [700, 5, 640, 90]]
    detections = Detections(boxes, [0.9, 0.8, 0.9, 0.2, 0.9], np.eye(5, 8), [0, 1, 2, 3, 4])
    tracker = Tracker.from_config("deepsort")  # which leaves out row 3 for its score
    tracks = run(tracker, [detections] * 3)[-1]
    assert (tracks.detection.tolist(), tracks.scores.tolist(), tracks.class_ids.tolist()) == ([1], [0.8], [1])
    np.testing.assert_allclose(tracks.boxes, [box(100)], atol=1e-9)


def test_doubtful_detections_count_in_the_callers_rows_too() -> None:
    tracker = Tracker.from_config("flatsort")
    run(tracker, [Detections([box(100), box(300)], [0.9, 0.9])] * 4)
    tracks = tracker.update(Detections([box(800), box(300), box(600), box(100)], [0.05, 0.3, 0.9, 0.8]))
    by_id = dict(zip(tracks.ids.tolist(), tracks.detection.tolist(), strict=True))
    assert by_id == {1: 3, 2: 1}


def test_a_good_detection_is_preferred_to_a_doubtful_one() -> None:
    tracker = Tracker.from_config("flatsort")
    run(tracker, [Detections([box(100)], [0.9])] * 4)
    tracks = tracker.update(Detections([box(100), box(110)], [0.3, 0.9]))  # the doubtful one lies better
    assert tracks.detection[tracks.ids == 1].tolist() == [1]


def test_results_are_copies() -> None:
    tracker = Tracker.from_config("sort")
    boxes = np.array([box(100)])
    first = tracker.update(Detections(boxes))
    kept = first.boxes.copy()
    boxes[:] = 0
    for column in (first.ids, first.boxes, first.scores, first.detection, first.class_ids):
        column[:] = 77
    second = tracker.update(Detections([box(100)]))
    assert second.ids.tolist() == [1]
    np.testing.assert_allclose(second.boxes, kept)


# --- moving cameras --------------------------------------------------------------------------------------------------

AFFINES = {
    "pan": np.array([[1, 0, 150.0], [0, 1, -60]]),
    "roll": np.array([[np.cos(0.2), -np.sin(0.2), 40], [np.sin(0.2), np.cos(0.2), -20]]),
    "zoom": np.array([[1.4, 0, -100.0], [0, 1.4, 30]]),
}


def warped(boxes: FloatArray, affine: FloatArray) -> FloatArray:
    """Boxes whose centres moved and whose sides grew, as upright boxes do."""
    centre = 0.5 * (boxes[:, :2] + boxes[:, 2:]) @ affine[:, :2].T + affine[:, 2]
    half = 0.5 * (boxes[:, 2:] - boxes[:, :2]) * np.sqrt(np.linalg.det(affine[:, :2]))
    return np.concatenate((centre - half, centre + half), axis=1)


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("motion", AFFINES)
def test_a_given_warp_makes_up_for_the_camera(preset: str, motion: str) -> None:
    boxes = np.array([box(100), box(300), box(500, 300), box(800, 50)])
    aware, blind = Tracker.from_config(preset, camera_shift=False), Tracker.from_config(preset, camera_shift=False)
    for tracker in (aware, blind):
        run(tracker, [Detections(boxes)] * 5)
    boxes = warped(boxes, AFFINES[motion])
    tracks = aware.update(Detections(boxes), warp=AFFINES[motion])
    assert tracks.ids.tolist() == [1, 2, 3, 4]
    assert tracks.detection.tolist() == [0, 1, 2, 3]
    np.testing.assert_allclose(tracks.boxes, boxes, atol=1e-6)
    blind.update(Detections(boxes))
    assert len(blind.state) > 4  # which took at least one of them for somebody new


@pytest.mark.parametrize("preset", PRESETS)
def test_the_identity_warp_changes_nothing(preset: str) -> None:
    stream = Stream.random(3, frames=25)
    plain, still = (Tracker.from_config(preset, camera_shift=False) for _ in range(2))
    for detections in stream.frames:
        a, b = plain.update(detections), still.update(detections, warp=np.eye(2, 3))
        np.testing.assert_array_equal(a.ids, b.ids)
        np.testing.assert_array_equal(a.detection, b.detection)
        np.testing.assert_allclose(a.boxes, b.boxes, atol=1e-6)


@pytest.mark.parametrize(
    "warp",
    [
        np.eye(3),  # a homography
        np.eye(2),  # no shift
        [1, 0, 0, 0, 1, 0],  # flat
        np.full((2, 3), np.nan),  # an estimate that failed
        np.zeros((2, 3)),  # nothing left of the picture
        [[1, 1, 0], [1, 1, 0]],  # flattened to a line
    ],
)
def test_a_bad_warp_is_an_error(warp: Any) -> None:
    tracker = Tracker.from_config("deepsort")
    tracker.update(Detections([box(100)]))
    with pytest.raises(ValueError, match=r"warp: expected a finite, invertible \[2, 3\] affine matrix, found"):
        tracker.update(Detections([box(100)]), warp=warp)
    assert tracker.update(Detections([box(100)]), frame_index=2) is not None  # the frame was not taken in


def test_a_jolt_is_told_from_the_boxes() -> None:
    """All boxes jump by half a width, and one of a close pair lands where the other was."""
    boxes = np.array([box(x) for x in (100, 122, 300, 420, 560, 700)])
    jolted = boxes + np.array([20.0, 5, 20, 5])
    found = {}
    for notices in (True, False):
        tracker = Tracker.from_config("flatsort", camera_shift=notices, max_coast=0)
        run(tracker, [Detections(boxes)] * 5)
        tracks = tracker.update(Detections(jolted))
        found[notices] = dict(zip(tracks.ids.tolist(), tracks.detection.tolist(), strict=True))
    assert found[True] == {1: 0, 2: 1, 3: 2, 4: 3, 5: 4, 6: 5}
    assert found[False][2] == 0


def test_who_coasts_does_not_tell_a_jolt() -> None:
    """Five people stop while unseen for a frame: their predictions ran ahead, the camera stood still."""
    standing = [box(x, 500) for x in (100, 300, 500)]
    tracker = Tracker.from_config("flatsort", max_coast=0)
    for frame in range(8):
        walking = [box(100 + 6 * frame, 100 * row) for row in range(5)]
        tracker.update(Detections(standing + ([] if frame == 7 else walking)))
    tracks = tracker.update(Detections(standing + [box(136, 100 * row) for row in range(5)]))
    np.testing.assert_allclose(tracks.boxes[:3], standing, atol=1e-6)


# --- whatever comes --------------------------------------------------------------------------------------------------


@dataclass
class Stream:
    """People who walk across the picture, missed now and then, with false detections among them."""

    frames: list[Detections]

    @classmethod
    def random(cls, seed: int, frames: int = 40, classes: bool = False, features: bool = True) -> Stream:
        random = np.random.default_rng(seed)
        people = int(random.integers(0, 9))
        place, velocity = random.uniform(0, 500, (people, 2)), random.normal(0, 4, (people, 2))
        size = random.uniform(20, 60, (people, 1)) * [1, 2]
        kind = random.integers(-1, 3, people)
        seen_rate, false_rate = random.uniform(0.3, 1), random.uniform(0, 2)
        stream = []
        for frame in range(frames):
            here = np.flatnonzero((random.random(people) < seen_rate) & (frame % 17 != 16))
            false = int(random.poisson(false_rate))
            corner = np.concatenate(
                (
                    (place + frame * velocity + random.normal(0, 1, (people, 2)))[here],
                    random.uniform(0, 500, (false, 2)),
                )
            )
            sides = np.concatenate((size[here] * random.uniform(0.95, 1.05, (len(here), 2)), np.full((false, 2), 50.0)))
            order = random.permutation(len(corner))
            looks = np.concatenate((LOOKS[here % 8], random.normal(size=(false, 8)))) + random.normal(
                0, 0.05, (len(corner), 8)
            )
            kinds = np.concatenate((kind[here], random.integers(0, 3, false)))
            stream.append(
                Detections(
                    np.concatenate((corner, corner + sides), axis=1)[order],
                    random.uniform(0, 1, len(corner)),
                    looks[order] if features else None,
                    kinds[order] if classes else None,
                )
            )
        return cls(stream)


OVERRIDES: tuple[dict[str, Any], ...] = (
    {},
    {"max_age": 3, "max_coast": 3},
    {"n_init": 1, "nms_max_overlap": 0.5},
)


@settings(max_examples=40, deadline=None)
@given(
    preset=st.sampled_from(PRESETS),
    overrides=st.sampled_from(OVERRIDES),
    seed=st.integers(0, 10**9),
    classes=st.booleans(),
    features=st.booleans(),
    warps=st.booleans(),
    gaps=st.booleans(),
)
@pytest.mark.slow
def test_what_holds_for_every_stream(
    preset: str, overrides: dict[str, Any], seed: int, classes: bool, features: bool, warps: bool, gaps: bool
) -> None:
    random = np.random.default_rng(seed)
    tracker = Tracker.from_config(preset, **overrides)
    config = tracker.config
    frame_index, newest = 0, 0
    class_of: dict[int, int] = {}
    for detections in Stream.random(seed, classes=classes, features=features).frames:
        frame_index += int(random.integers(1, 6)) if gaps else 1
        warp = np.eye(2, 3) + random.normal(0, 0.03, (2, 3)) * [1, 1, 100] if warps and random.random() < 0.3 else None
        tracks = tracker.update(detections, frame_index, warp)
        assert (np.diff(tracks.ids) > 0).all()  # ascending, so each once
        assert (tracks.ids >= 1).all()
        assert np.isfinite(tracks.boxes).all()
        has_area = (tracks.boxes[:, 2:] > tracks.boxes[:, :2]).all(axis=1)
        assert (has_area | (config.keep_shrunk & (tracks.detection < 0))).all()
        found = tracks.detection[tracks.detection >= 0]
        assert len(np.unique(found)) == len(found)
        assert ((tracks.detection >= -1) & (tracks.detection < len(detections))).all()
        assert (detections.scores[found] >= config.least_confidence).all()
        np.testing.assert_array_equal(tracks.scores[tracks.detection >= 0], detections.scores[found])
        if config.max_coast == 0:
            assert (tracks.detection >= 0).all()
        for track, kind, row in zip(tracks.ids, tracks.class_ids, tracks.detection, strict=True):
            assert class_of.setdefault(track, kind) == kind  # a class is for life
            if row >= 0 and detections.class_ids is not None and kind != -1:
                assert detections.class_ids[row] in (kind, -1)
        assert tracker.next_id > newest
        assert len(tracker.state) == len(tracker.filter)
        newest = tracker.next_id - 1
        assert (tracker.state.age <= config.max_age).all()


@pytest.mark.parametrize("preset", PRESETS)
@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10**9))
@pytest.mark.slow
def test_the_order_of_detections_only_renumbers(preset: str, seed: int) -> None:
    stream = Stream.random(seed)
    plain, shuffled = Tracker.from_config(preset), Tracker.from_config(preset)
    random = np.random.default_rng(seed)
    there: dict[int, int] = {}
    back: dict[int, int] = {}
    for detections in stream.frames:
        order = random.permutation(len(detections))
        a, b = plain.update(detections), shuffled.update(detections.select(order))
        assert len(a) == len(b)
        key_a, key_b = (np.round(tracks.boxes, 6) for tracks in (a, b))
        for i, j in zip(np.lexsort(key_a.T), np.lexsort(key_b.T), strict=True):
            np.testing.assert_allclose(a.boxes[i], b.boxes[j], atol=1e-6)
            assert there.setdefault(a.ids[i], b.ids[j]) == b.ids[j]
            assert back.setdefault(b.ids[j], a.ids[i]) == a.ids[i]
            assert a.detection[i] == (order[b.detection[j]] if b.detection[j] >= 0 else -1)


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.slow
def test_reset_forgets_everything_and_trackers_share_nothing(preset: str) -> None:
    stream, other = Stream.random(7, frames=150), Stream.random(6, frames=150)
    tracker = Tracker.from_config(preset)
    alone = rows(run(tracker, stream.frames))
    assert len(alone) > 30
    assert len(np.unique(alone[:, 1])) > 2
    tracker.update(NOTHING, warp=AFFINES["roll"])  # leaves the full filter behind
    tracker.reset()
    np.testing.assert_array_equal(rows(run(tracker, stream.frames)), alone)
    first, second = Tracker.from_config(preset), Tracker.from_config(preset)
    interleaved = []
    for mine, theirs in zip(stream.frames, other.frames, strict=True):
        second.update(theirs)
        interleaved.append(first.update(mine))
    np.testing.assert_array_equal(rows(interleaved), alone)


@pytest.mark.parametrize("preset", PRESETS)
def test_input_arrays_are_left_alone(preset: str) -> None:
    stream, same = Stream.random(8, classes=True), Stream.random(8, classes=True)
    run(Tracker.from_config(preset), stream.frames)
    for used, fresh in zip(stream.frames, same.frames, strict=True):
        for name in ("boxes", "scores", "features", "class_ids"):
            np.testing.assert_array_equal(getattr(used, name), getattr(fresh, name))


def test_who_crosses_without_looks_keeps_walking() -> None:
    """The velocity carries two people through each other."""
    tracker = Tracker.from_config("flatsort")
    for step in range(40):
        left, right = box(100 + 6 * step, 100), box(340 - 6 * step, 112)
        tracks = tracker.update(Detections([left, right]))
    assert tracks.ids.tolist() == [1, 2]
    assert tracks.detection.tolist() == [0, 1]
