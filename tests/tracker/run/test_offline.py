"""Interpolation and smoothing of finished tracks."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tracker import Detections, Tracks
from tracker.core.detections import FloatArray, IntArray
from tracker.run import offline
from tracker.run.offline import REACH, SMOOTHED, TrackRecord, interpolate, smooth


def make(
    frames: list[int] | IntArray, boxes: FloatArray, seen: list[bool] | None = None, track_id: int = 1
) -> TrackRecord:
    """One track, measured where it is written unless `seen` says otherwise."""
    count = len(frames)
    detection = np.zeros(count, np.int64) if seen is None else np.where(seen, 0, -1)
    measured = np.where((detection >= 0)[:, None], boxes, np.nan)
    return TrackRecord(
        np.asarray(frames, np.int64),
        np.full(count, track_id),
        np.asarray(boxes, float).copy(),
        np.linspace(0.5, 1, count),
        detection,
        measured,
        np.full(count, 3),
    )


def line(frames: list[int] | IntArray) -> FloatArray:
    """A person who walks and grows along a straight line."""
    t = np.asarray(frames, float)[:, None]
    return np.array([100.0, 50, 140, 130]) + t * np.array([3.0, 1, 3.5, 2])


# --- interpolation ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("frames", "max_gap", "expected"),
    [
        ([1, 2, 5], 2, [1, 2, 3, 4, 5]),  # a gap of two
        ([1, 2, 5], 1, [1, 2, 5]),  # too long
        ([1, 3, 7, 9], 1, [1, 2, 3, 7, 8, 9]),  # two are short enough, one is not
        ([1, 3, 7, 9], 3, [1, 2, 3, 4, 5, 6, 7, 8, 9]),
        ([4], 10, [4]),  # one row
        ([], 10, []),  # none
        ([1, 2, 3], 10, [1, 2, 3]),  # no gap
    ],
)
def test_a_straight_line_is_filled_up_to_the_limit(frames: list[int], max_gap: int, expected: list[int]) -> None:
    filled = interpolate(make(frames, line(frames)), max_gap)
    assert filled.frames.tolist() == expected
    np.testing.assert_allclose(filled.boxes, line(expected), rtol=1e-12)
    assert (filled.detection >= 0).tolist() == [frame in frames for frame in expected]
    assert np.isnan(filled.measured[filled.detection < 0]).all()
    assert (filled.class_ids == 3).all()
    if len(frames) > 1:
        np.testing.assert_allclose(filled.scores, np.interp(expected, frames, np.linspace(0.5, 1, len(frames))))


def test_coasted_boxes_in_a_filled_gap_are_replaced_and_others_stay() -> None:
    frames = [1, 2, 3, 4, 5, 9, 10, 11]
    seen = [True, False, True, True, False, True, False, False]  # coasted: in a short gap, into a long one, at the end
    boxes = line(frames)
    boxes[[1, 4, 6, 7]] += 25  # drifted
    filled = interpolate(make(frames, boxes, seen), 2)
    assert filled.frames.tolist() == frames
    np.testing.assert_allclose(filled.boxes[1], line([2])[0])
    np.testing.assert_allclose(filled.boxes[2:], boxes[2:])


@settings(deadline=None)
@given(seed=st.integers(0, 10**6), max_gap=st.integers(0, 6))
def test_interpolation_of_many_tracks_is_that_of_each(seed: int, max_gap: int) -> None:
    random = np.random.default_rng(seed)
    tracks = []
    for track_id in range(1, int(random.integers(2, 6))):
        frames = np.flatnonzero(random.random(25) < random.uniform(0.1, 0.9)) + 1
        tracks.append(make(frames, line(frames) + random.normal(0, 5, (len(frames), 4)), track_id=track_id))
    together = interpolate(TrackRecord.concatenate(tracks), max_gap)
    for track in filter(len, tracks):
        mine = together.select(together.ids == track.ids[0])
        short = [(a, b) for a, b in pairwise(track.frames.tolist()) if b - a - 1 <= max_gap]
        wanted = sorted({*track.frames.tolist(), *(frame for a, b in short for frame in range(a, b))})
        assert mine.frames.tolist() == wanted
        for corner in range(4):
            np.testing.assert_allclose(mine.boxes[:, corner], np.interp(wanted, track.frames, track.boxes[:, corner]))
    keys = list(zip(together.frames.tolist(), together.ids.tolist(), strict=True))
    assert keys == sorted(set(keys))  # sorted, no row twice


@pytest.mark.parametrize(
    ("jump", "filled"),
    [
        (0.0, True),  # on the line it was on
        (60.0, True),  # three quarters of a person's height aside
        (200.0, False),  # somewhere else
    ],
)
def test_a_longer_gap_is_filled_where_the_ways_agree(jump: float, filled: bool) -> None:
    before, after = np.arange(1, 21), np.arange(60, 80)
    boxes = np.array([100.0, 50, 140, 130]) + np.concatenate((before, after))[:, None] * np.array([3.0, 1, 3, 1])
    boxes[20:] += np.array([jump, 0, jump, 0])
    record = make(np.concatenate((before, after)), boxes)
    assert len(interpolate(record, 20)) == 40
    assert len(interpolate(record, 20, 30)) == 40  # too long for that, too
    assert len(interpolate(record, 20, 50)) == (79 if filled else 40)


# --- smoothing -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
def test_smoothing_is_a_weighted_line_through_the_boxes_around(seed: int) -> None:
    random = np.random.default_rng(seed)
    frames = np.flatnonzero(random.random(60) < 0.7) + 5
    boxes = line(frames) + random.normal(0, 4, (len(frames), 4))
    seen = random.random(len(frames)) < 0.8
    record = make(frames, boxes + 9, seen.tolist())
    record.measured[seen] = boxes[seen]  # what was measured counts, not the filter's estimate
    smoothed = smooth(record)
    evidence = np.where(seen[:, None], boxes, boxes + 9)
    for row, frame in enumerate(frames):
        near = np.flatnonzero(np.abs(frames - frame) <= REACH)
        weights = np.exp(-0.25 * ((frames[near] - frame) / SMOOTHED) ** 2)  # polyfit squares them
        wanted = np.polyfit(frames[near] - frame, evidence[near], 1, w=weights)[1]
        np.testing.assert_allclose(smoothed.boxes[row], wanted, rtol=1e-8)
    assert smoothed.frames.tolist() == frames.tolist()


def test_smoothing_halves_the_error_of_a_noisy_walk() -> None:
    random = np.random.default_rng(0)
    frames = np.arange(1, 121)
    true = np.array([100.0, 50, 150, 170]) + np.stack(
        (2 * frames, 20 * np.sin(frames / 20), 2 * frames, 20 * np.sin(frames / 20)), axis=1
    )
    noisy = true + random.normal(0, 5, true.shape)
    smoothed = smooth(make(frames, noisy)).boxes
    error_before, error_after = (np.sqrt(np.square(boxes - true).mean()) for boxes in (noisy, smoothed))
    assert error_after < 0.55 * error_before


def test_a_person_at_rest_stays_at_rest() -> None:
    frames = np.arange(1, 30)
    boxes = np.tile([10.0, 20, 50, 100], (29, 1))
    np.testing.assert_allclose(smooth(make(frames, boxes)).boxes, boxes, rtol=1e-12)


def test_a_straight_line_stays_straight() -> None:
    frames = np.arange(1, 80)
    boxes = np.array([10.0, 20, 50, 100]) + frames[:, None] * np.array([4.0, -1, 4, -1])
    np.testing.assert_allclose(smooth(make(frames, boxes)).boxes, boxes, rtol=1e-9)


def test_each_track_is_smoothed_by_itself_and_rows_stay() -> None:
    random = np.random.default_rng(4)
    tracks = [
        make(frames, line(frames) + random.normal(0, 3, (len(frames), 4)), track_id=track_id)
        for track_id, frames in enumerate(([1, 2, 3, 6, 7], [2, 3, 4], [3], [5, 9]), start=1)
    ]
    together = TrackRecord.concatenate(tracks)
    smoothed = smooth(together)
    assert smoothed.frames.tolist() == together.frames.tolist()
    assert smoothed.ids.tolist() == together.ids.tolist()
    assert (together.boxes != smoothed.boxes).any()
    for track in tracks:
        alone = smooth(track)
        np.testing.assert_array_equal(alone.boxes, smoothed.boxes[smoothed.ids == track.ids[0]])
    np.testing.assert_array_equal(smooth(tracks[2]).boxes, tracks[2].boxes)  # one row: nothing to go by


def test_nothing_comes_of_nothing() -> None:
    for record in (smooth(TrackRecord.empty()), interpolate(TrackRecord.empty(), 5), TrackRecord.concatenate([])):
        assert len(record) == 0
        assert record.boxes.shape == record.measured.shape == (0, 4)


def test_a_record_gives_back_the_tracks_of_each_frame() -> None:
    detections = Detections([[0, 0, 10, 10], [20, 0, 30, 10]], [0.5, 0.7])
    tracks = Tracks(
        ids=np.array([4, 9]),
        boxes=np.array([[1.0, 0, 11, 10], [50, 0, 60, 10]]),
        scores=np.array([0.7, 0.2]),
        detection=np.array([1, -1]),
        class_ids=np.array([2, -1]),
    )
    record = TrackRecord.concatenate(
        [TrackRecord.of_frame(8, tracks, detections), TrackRecord.of_frame(7, tracks, detections)]
    )
    assert record.frames.tolist() == [7, 7, 8, 8]
    np.testing.assert_array_equal(record.measured[:2], [[20, 0, 30, 10], [np.nan] * 4])
    for frame, count in ((7, 2), (8, 2), (9, 0)):
        found = record.at(frame)
        for name in ("ids", "boxes", "scores", "detection", "class_ids"):
            np.testing.assert_array_equal(getattr(found, name), getattr(tracks, name)[:count])


def test_a_gap_of_years_is_neither_filled_nor_stepped_through() -> None:
    """A slip of a digit, or pictures numbered by time: two ends, each by itself."""
    early, late = [1, 2, 3, 4], [900_000_001, 900_000_002, 900_000_003]
    record = make(early + late, np.concatenate((line(early), line([5, 6, 7]))))
    assert interpolate(record, 10**9).frames.tolist() == early + late
    smoothed = smooth(record)
    np.testing.assert_allclose(smoothed.boxes[:4], smooth(make(early, line(early))).boxes)
    np.testing.assert_allclose(smoothed.boxes[4:], smooth(make([1, 2, 3], line([5, 6, 7]))).boxes)


def test_a_record_finds_the_detections_behind_rows_without_area() -> None:
    detections = Detections([[5, 5, 5, 9], [10, 20, 30, 60], [5, 5, 9, 5], [50, 20, 70, 60]])
    tracks = Tracks(np.array([1, 2, 3]), np.ones((3, 4)), np.ones(3), np.array([3, -1, 1]), np.full(3, -1))
    measured = TrackRecord.of_frame(1, tracks, detections).measured
    np.testing.assert_array_equal(measured, [[50, 20, 70, 60], [np.nan] * 4, [10, 20, 30, 60]])


def test_a_long_record_is_smoothed_in_parts_that_nobody_can_see(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    tracks = [make(np.arange(1, 40), random.normal(0, 9, (39, 4)), track_id=number) for number in (1, 2, 3)]
    together = TrackRecord.concatenate(tracks)
    whole = smooth(together)
    for size in (1, 7, 39, 40):
        monkeypatch.setattr(offline, "ROWS_AT_ONCE", size)
        np.testing.assert_allclose(smooth(together).boxes, whole.boxes, rtol=1e-12)
