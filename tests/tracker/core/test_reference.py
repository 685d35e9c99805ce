"""Against what was published and recorded: golden outputs of SORT and DeepSORT, and SORT's own figures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tracker import Tracker
from tracker.core.boxes import tlwh_to_xyxy
from tracker.core.detections import FloatArray
from tracker.evaluate.scores import OVERALL, Row, evaluate
from tracker.files.motchallenge import DetectionTable, TrackTable, read_detections, read_tracks

LENGTHS = {"MOT16-04": 1050, "MOT16-09": 525, "MOT16-10": 654, "MOT16-11": 900, "MOT16-13": 750}


def track(preset: str, detections: DetectionTable, length: int, **overrides: Any) -> TrackTable:
    tracker = Tracker.from_config(preset, **overrides)
    found = [tracker.update(detections.at(frame), frame) for frame in range(1, length + 1)]
    frames = np.repeat(np.arange(1, length + 1), [len(tracks) for tracks in found])
    columns = [np.concatenate([getattr(tracks, name) for tracks in found]) for name in ("ids", "boxes", "scores")]
    return TrackTable(frames, *columns)


def pair_rows(ours: TrackTable, reference: TrackTable) -> tuple[FloatArray, FloatArray]:
    """Which of our ids stands in each reference row, -1 for none, and how far its box is off, pixels.

    A reference row is paired with our row of the same frame whose box is nearest, if within 0.01 pixels.
    """
    ids, distance = np.full(len(reference), -1), np.full(len(reference), np.inf)
    for frame in np.unique(reference.frames):
        theirs, mine = np.flatnonzero(reference.frames == frame), np.flatnonzero(ours.frames == frame)
        if not len(mine):
            continue
        gap = np.abs(reference.boxes[theirs][:, None] - ours.boxes[mine]).max(axis=2)
        nearest = gap.argmin(axis=1)
        distance[theirs] = gap[np.arange(len(theirs)), nearest]
        ids[theirs] = np.where(distance[theirs] < 0.01, ours.ids[mine[nearest]], -1)
    return ids, distance


def share_of_same_identity(ours: TrackTable, reference: TrackTable) -> float:
    """Share of the reference rows that agree under the best one-to-one renumbering of its ids."""
    ids, _ = pair_rows(ours, reference)
    found = ids >= 0
    pairs, counts = np.unique(np.stack((reference.ids[found], ids[found])), axis=1, return_counts=True)
    agreed, taken_theirs, taken_ours = 0, set(), set()
    for index in np.argsort(-counts):
        theirs, mine = pairs[:, index].tolist()
        if theirs not in taken_theirs and mine not in taken_ours:
            taken_theirs.add(theirs)
            taken_ours.add(mine)
            agreed += counts[index]
    return agreed / len(reference)


@pytest.mark.parametrize("name", LENGTHS)
@pytest.mark.slow
def test_sort_is_the_original(shared: Path, name: str) -> None:
    detections = read_detections(shared / "data/mot16" / name / "det/sdp.txt")
    reference = read_tracks(shared / "data/reference/sort_sdp" / f"{name}.txt")
    ours = track("sort", detections, LENGTHS[name], max_age=30)
    assert share_of_same_identity(ours, reference) >= 0.999
    assert abs(len(ours) - len(reference)) <= 0.001 * len(reference)  # and nothing beside them


@pytest.mark.parametrize("name", ["MOT16-09", "MOT16-13"])
@pytest.mark.slow
def test_deepsort_is_the_original(shared: Path, name: str) -> None:
    detections = read_detections(shared / "data/reference/deepsort_sim" / f"{name}.npy")
    reference = read_tracks(shared / "data/reference/deepsort_sim" / f"{name}.txt")
    ours = track("deepsort", detections, LENGTHS[name], min_confidence=0, nms_max_overlap=1)
    ids, distance = pair_rows(ours, reference)
    assert len(ours) == len(reference)
    assert distance.max() < 0.01
    pairs = np.unique(np.stack((reference.ids, ids)), axis=1)
    assert len(np.unique(pairs[0])) == len(np.unique(pairs[1])) == pairs.shape[1]  # one to one, both ways


@pytest.mark.parametrize("preset", ["sort", "deepsort"])
@pytest.mark.parametrize("number", [*range(16), *range(24, 32), *range(36, 42)])
@pytest.mark.slow
def test_streams_made_to_tell_programs_apart(shared: Path, number: int, preset: str) -> None:
    """Long absences, boxes that shrink to nothing while unseen, crowds, partial overlaps: every row, nothing beside."""
    with np.load(shared / f"data/reference/stress/{number:02}.npz") as stream:
        if preset not in stream:
            pytest.skip(f"stress/{number:02}.npz has no rows of {preset}")
        detections, rows, length = stream["detections"].astype(float), stream[preset], int(stream["frames"])
        max_age = int(stream["sort_max_age"])
    table = DetectionTable(
        detections[:, 0].astype(int), tlwh_to_xyxy(detections[:, 2:6]), detections[:, 6], detections[:, 10:]
    )
    reference = TrackTable(rows[:, 0].astype(int), rows[:, 1].astype(int), tlwh_to_xyxy(rows[:, 2:]), rows[:, 0])
    overrides = {"max_age": max_age} if preset == "sort" else {"min_confidence": None, "nms_max_overlap": 1}
    ours = track(preset, table, length, **overrides)
    ids, distance = pair_rows(ours, reference)
    assert len(ours) == len(reference)
    assert distance.max() < 0.01  # written with two decimals, left and width
    pairs = np.unique(np.stack((reference.ids, ids)), axis=1)
    assert len(np.unique(pairs[0])) == len(np.unique(pairs[1])) == pairs.shape[1]


SORT_FIGURES: dict[str, dict[str, float]] = {
    # the line of the SORT README
    "TUD-Campus": {"MOTA": 62.7, "FP": 15, "FN": 113, "IDs": 6, "Recall": 68.5, "Precision": 94.3},
    "TUD-Stadtmitte": {"MOTA": 71.7, "IDF1": 73.5, "FP": 22, "FN": 295, "IDs": 10},
}


@pytest.mark.parametrize("name", SORT_FIGURES)
def test_sort_has_its_published_figures(shared: Path, name: str) -> None:
    folder = shared / "data/mot15" / name
    detections = read_detections(folder / "det/sort.txt")
    row = evaluate({name: folder / "gt/gt.txt"}, {name: track("sort", detections, detections.last_frame)})[name]
    found = {column: round(row[column], 1) for column in SORT_FIGURES[name]}
    assert found == SORT_FIGURES[name]


@pytest.mark.slow
def test_flatsort_is_above_sort_by_motion_alone(shared: Path) -> None:
    names = ("MOT16-09", "MOT16-11", "MOT16-13")  # the shorter ones with a moving and a resting camera
    truth = {name: shared / "data/mot16" / name / "gt/gt.txt" for name in names}
    detections = {name: read_detections(shared / "data/mot16" / name / "det/sdp.txt") for name in names}
    figures: dict[str, Row] = {}
    for preset in ("sort", "flatsort"):
        results = {name: track(preset, detections[name], LENGTHS[name]) for name in names}
        figures[preset] = evaluate(truth, results)[OVERALL]
    assert figures["flatsort"]["HOTA"] > figures["sort"]["HOTA"] + 1
    assert figures["flatsort"]["IDF1"] > figures["sort"]["IDF1"] + 1
