"""Our presets and the motion-only trackers of `trackers` on the same boxes of the same sequences, scored alike."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from tools.benchmark_peers import peers
from tracker import Detections, InputError, Tracker
from tracker.evaluation import evaluate
from tracker.metrics_table import print_table
from tracker.motchallenge import DetectionTable, TrackTable, read_detections, read_tracks
from tracker.sequences import find_detections, find_sequences

Track = Callable[[Detections], tuple[np.ndarray, np.ndarray, np.ndarray]]  # -> ids [K], boxes [K, 4], scores [K]


def compare(root: Path, det: str, with_peers: bool) -> dict[str, dict[str, float]]:
    """Print and return the OVERALL figures of every tracker, by motion alone, over the sequences with ground truth."""
    truth, detections, lengths = {}, {}, {}
    for sequence in find_sequences(["all"], root):
        path = find_detections(det, sequence)
        if sequence.ground_truth is not None and path is not None:
            truth[sequence.name] = read_tracks(sequence.ground_truth)
            detections[sequence.name] = read_detections(path)
            lengths[sequence.name] = max(sequence.length or 0, detections[sequence.name].last_frame)
    if not truth:
        raise InputError(f"{root}: no sequence with ground truth and {det}")
    rows = {}
    for name, make in _trackers(with_peers).items():
        results = {sequence: _run(make(), detections[sequence], lengths[sequence]) for sequence in truth}
        rows[name] = evaluate(truth, results)["OVERALL"]
    print_table(rows)
    return rows


def _trackers(with_peers: bool) -> dict[str, Callable[[], Track]]:
    chosen = {
        "sort": _ours("sort"),
        "sort, max_age 30": _ours("sort", max_age=30),
        "deepsort, no features": _ours("deepsort"),
        "flatsort, no features": _ours("flatsort"),
    }
    if with_peers:
        for peer in peers():
            if peer.package == "trackers" and peer.is_installed:
                chosen[peer.label] = _roboflow(peer.make)
    return chosen


def _ours(preset: str, **overrides: object) -> Callable[[], Track]:
    def make() -> Track:
        tracker = Tracker.from_config(preset, **overrides)

        def track(detections: Detections) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
            tracks = tracker.update(Detections(detections.boxes, detections.scores))
            return tracks.ids, tracks.boxes, tracks.scores

        return track

    return make


def _roboflow(make_peer: Callable) -> Callable[[], Track]:
    def make() -> Track:
        update, prepare = make_peer()

        def track(detections: Detections) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
            found = update(*prepare(detections))
            ids = np.array([] if found.tracker_id is None else found.tracker_id, np.int64)
            named = ids >= 0  # -1: not a track yet
            return ids[named], found.xyxy[named].astype(np.float64), found.confidence[named]

        return track

    return make


def _run(track: Track, detections: DetectionTable, length: int) -> TrackTable:
    frames = range(1, length + 1)
    parts = [track(detections.at(frame)) for frame in frames]
    counts = [len(ids) for ids, _, _ in parts]
    ids, boxes, scores = (np.concatenate([part[column] for part in parts]) for column in range(3))
    return TrackTable(np.repeat(np.arange(1, length + 1), counts), ids, boxes, scores)
