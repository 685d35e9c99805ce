"""Tracklets against brute force, and against who the ground truth says they show."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tracker.commands.crops import match_identities
from tracker.core.boxes import iou
from tracker.core.detections import FloatArray
from tracker.core.tracklets import link, mutual_overlaps
from tracker.evaluate.scores import is_counted
from tracker.files.motchallenge import read_detections, read_tracks

NONE = np.zeros((0, 4))


def squares(*left: float) -> FloatArray:
    """Squares of 10 pixels in a row; IoU of two that are d apart is (10 - d) / (10 + d)."""
    corner = np.array(left, dtype=np.float64)
    return np.stack((corner, np.zeros(len(corner)), corner + 10, np.full(len(corner), 10.0)), axis=1)


@pytest.mark.parametrize(
    ("old", "new", "rule", "pairs"),
    [
        (squares(0), squares(1), (0.5, 0.3), [(0, 0)]),  # IoU 0.82
        (squares(0), squares(4), (0.5, 0.3), []),  # 0.43 is too little
        (squares(0), squares(0), (1.0, 0.3), []),  # the least overlap is exclusive
        (squares(0, 50), squares(51, 1), (0.5, 0.3), [(0, 1), (1, 0)]),  # each its own
        (squares(0), squares(1, 2), (0.5, 0.3), []),  # two claim one
        (squares(1, 2), squares(0), (0.5, 0.3), []),  # one claims two
        (squares(0), squares(1, 2), (0.5, 1.0), [(0, 0)]),  # the better one where doubt is allowed
        (squares(0), squares(1, 6), (0.5, 0.25), [(0, 0)]),  # 0.25 of a third box is just allowed
        (squares(0), squares(0, 0), (0.5, 0.9), []),  # a detection given twice
        (squares(0, 3), squares(2), (0.1, 1.0), [(1, 0)]),  # best for the old, not for the new
        (NONE, squares(0), (0.5, 0.3), []),
        (squares(0), NONE, (0.5, 0.3), []),
        (NONE, NONE, (0.5, 0.3), []),
    ],
)
def test_pairs(old: FloatArray, new: FloatArray, rule: tuple[float, float], pairs: list[tuple[int, int]]) -> None:
    rows, columns = mutual_overlaps(old, new, *rule)
    assert list(zip(rows.tolist(), columns.tolist(), strict=True)) == pairs
    assert rows.dtype == columns.dtype == np.int64


def crowd(random: np.random.Generator, count: int) -> FloatArray:
    corner = random.uniform(0, 60, (count, 2))
    return np.concatenate((corner, corner + random.uniform(10, 30, (count, 2))), axis=1)


def pairs_by_definition(old: FloatArray, new: FloatArray, min_overlap: float, max_second: float) -> set[tuple]:
    overlap = iou(old, new)
    return {
        (i, j)
        for i in range(len(old))
        for j in range(len(new))
        if overlap[i, j] > min_overlap
        and all(overlap[i, k] <= min(overlap[i, j], max_second) for k in range(len(new)) if k != j)
        and all(overlap[k, j] <= min(overlap[i, j], max_second) for k in range(len(old)) if k != i)
    }


@settings(max_examples=200)
@given(
    seed=st.integers(0, 10**6),
    counts=st.tuples(st.integers(0, 12), st.integers(0, 12)),
    rule=st.sampled_from([(0.5, 0.3), (0.7, 1.0), (0.2, 0.2), (0.0, 1.0)]),
)
def test_pairs_are_those_of_the_definition(seed: int, counts: tuple[int, int], rule: tuple[float, float]) -> None:
    random = np.random.default_rng(seed)
    old, new = (crowd(random, count) for count in counts)
    rows, columns = mutual_overlaps(old, new, *rule)
    assert set(zip(rows.tolist(), columns.tolist(), strict=True)) == pairs_by_definition(old, new, *rule)
    assert (np.diff(rows) > 0).all()


@pytest.mark.parametrize(
    ("frames", "left", "tracklets"),
    [
        ([1, 2, 3], [0, 1, 2], [0, 0, 0]),  # a chain goes further than its ends overlap
        ([1, 2, 4], [0, 1, 1], [0, 0, 1]),  # not across a gap
        ([1, 2, 3], [0, 50, 0], [0, 1, 2]),  # nor past a frame that lacks it
        ([1, 1, 2, 2], [0, 50, 51, 1], [0, 1, 1, 0]),  # order within a frame is no matter
        ([1, 2, 2], [0, 1, 2], [0, 1, 2]),  # doubt: tracklets of their own
        ([7], [0], [0]),
        ([], [], []),
    ],
)
def test_chains(frames: list[int], left: list[float], tracklets: list[int]) -> None:
    found = link(np.array(frames, dtype=np.int64), squares(*left))
    assert found.dtype == np.int64
    assert found.tolist() == tracklets


def test_frames_must_ascend() -> None:
    with pytest.raises(ValueError, match="ascending"):
        link(np.array([2, 1]), squares(0, 0))


def walkers(random: np.random.Generator, people: int, length: int) -> tuple[np.ndarray, FloatArray]:
    """Frames and boxes of a crowd that jitters, some of it undetected; whole frames may be empty."""
    home = crowd(random, people)
    frame, person = np.nonzero(random.random((length, people)) < random.uniform(0.2, 1))
    return frame + 1, home[person] + random.normal(0, 1.5, (len(frame), 1))


@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 10**6), people=st.integers(1, 8), length=st.integers(1, 12))
def test_tracklets_do_not_depend_on_the_order_within_a_frame(seed: int, people: int, length: int) -> None:
    random = np.random.default_rng(seed)
    frames, boxes = walkers(random, people, length)
    order = np.lexsort((random.random(len(frames)), frames))
    together = link(frames, boxes)[order]
    shuffled = link(frames[order], boxes[order])
    assert np.array_equal(together[:, None] == together, shuffled[:, None] == shuffled)


@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 10**6), people=st.integers(1, 8), length=st.integers(1, 12))
@pytest.mark.slow
def test_a_tracklet_is_one_detection_a_frame_without_gaps(seed: int, people: int, length: int) -> None:
    frames, boxes = walkers(np.random.default_rng(seed), people, length)
    tracklets = link(frames, boxes)
    for tracklet in range(tracklets.max(initial=-1) + 1):  # numbered without gaps
        rows = np.flatnonzero(tracklets == tracklet)
        assert (np.diff(frames[rows]) == 1).all()
        assert len(rows) > 0
        links = iou(boxes[rows[:-1]], boxes[rows[1:]]).diagonal()
        assert (links > 0.5).all()
    assert (np.diff(np.unique(tracklets, return_index=True)[1]) > 0).all()  # in order of first detections


def purity(tracklets: np.ndarray, identities: np.ndarray) -> float:
    """Share of the matched crops, in tracklets with two and more of them, that show their tracklet's main person."""
    matched = identities >= 0
    counts = np.zeros((tracklets.max() + 1, identities.max() + 1), np.int64)
    np.add.at(counts, (tracklets[matched], identities[matched]), 1)
    counts = counts[counts.sum(axis=1) >= 2]
    return float(counts.max(axis=1).sum() / counts.sum())


@pytest.mark.parametrize(
    ("name", "detections", "least_long"),
    [
        ("MOT16-11", "sdp.txt", 0.75),  # a moving camera
        ("MOT16-11", "frcnn.txt", 0.85),
        ("MOT16-09", "frcnn.txt", 0.85),  # SDP's boxes there come to 0.975
    ],
)
def test_tracklets_of_real_detections_are_pure(shared: Path, name: str, detections: str, least_long: float) -> None:
    folder = shared / "data/mot16" / name
    table, truth = read_detections(folder / "det" / detections), read_tracks(folder / "gt/gt.txt")
    tracklets = link(table.frames, table.boxes)
    found = purity(tracklets, match_identities(table.frames, table.boxes, truth.select(is_counted(truth))))
    sizes = np.bincount(tracklets)
    long = sizes[sizes >= 10].sum() / len(table)
    print(f"{name} {detections}: purity {found:.4f}, {long:.0%} of the crops in tracklets of 10 and more")
    assert found >= 0.99
    assert long >= least_long
