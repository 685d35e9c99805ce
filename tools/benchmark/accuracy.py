"""Our presets and the motion-only trackers of other packages on the same boxes of the same sequences, scored alike."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embedding.progress import progress_shown
from tools.benchmark.peers import Contender, Prepare, peers
from tracker import Detections, InputError, Tracker
from tracker.core.detections import Image
from tracker.evaluate.scores import evaluate
from tracker.evaluate.table import print_table
from tracker.files.motchallenge import DetectionTable, TrackTable, read_detections, read_tracks
from tracker.input.frames import open_frames
from tracker.input.sequences import Sequence as Footage
from tracker.input.sequences import find_detections, find_sequences
from tracker.run.pipeline import embed

Track = Callable[[Detections, Image | None], tuple[np.ndarray, np.ndarray, np.ndarray]]  # -> ids, boxes [K, 4], scores


@dataclass(frozen=True)
class Entry:
    """A tracker to score.

    Attributes:
        make: a fresh one.
        descriptor: whose features it is given; None: none.
        sees_frames: whether it is given the pictures.
    """

    make: Callable[[], Track]
    descriptor: str | None = None
    sees_frames: bool = False


def compare(
    root: Path | None,
    det: str,
    with_peers: bool,
    names: Sequence[str] = ("all",),
    descriptors: Sequence[str] = (),
) -> dict[str, dict[str, float]]:
    """Print and return the OVERALL figures of every tracker over the sequences with ground truth.

    Args:
        root: where the sequences lie.
        det: their detections.
        with_peers: those of other packages too; BoT-SORT with its camera compensation only where there are frames.
        names: sequences; `all` stands for all below the root.
        descriptors: `deepsort` and `flatsort` also get the features of each, for which there must be frames.

    Raises:
        InputError: no sequence with ground truth and detections, or frames are needed and missing.
    """
    sequences = [
        sequence
        for sequence in find_sequences(names, root)
        if sequence.ground_truth is not None and find_detections(det, sequence) is not None
    ]
    if not sequences:
        raise InputError(f"{root or ', '.join(names)}: no sequence with ground truth and {det}")
    entries = _entries(with_peers, descriptors, all(sequence.frames is not None for sequence in sequences))
    truth: dict[str, TrackTable] = {}
    results: dict[str, dict[str, TrackTable]] = {name: {} for name in entries}
    for sequence in sequences:
        assert sequence.ground_truth is not None
        truth[sequence.name] = read_tracks(sequence.ground_truth)
        for name, table in _tracked(sequence, det, entries):
            results[name][sequence.name] = table
    rows = {name: evaluate(truth, found)["OVERALL"] for name, found in results.items()}
    print_table(rows)
    return rows


def _entries(with_peers: bool, descriptors: Sequence[str], with_frames: bool) -> dict[str, Entry]:
    chosen = {
        "sort": Entry(_ours("sort")),
        "sort, max_age 30": Entry(_ours("sort", max_age=30)),
        "deepsort, no features": Entry(_ours("deepsort")),
        "flatsort, no features": Entry(_ours("flatsort")),
    }
    for descriptor in descriptors:
        for preset in ("deepsort", "flatsort"):
            chosen[f"{preset}, {descriptor}"] = Entry(_ours(preset), descriptor)
    if with_peers:
        for peer in peers():
            if peer.read is not None and not peer.features and peer.is_installed:
                chosen[peer.label] = Entry(_theirs(peer))
                if peer.name == "BoTSORT" and with_frames:
                    compensated = _camera_compensated(peer)
                    chosen[compensated.label] = Entry(_theirs(compensated), sees_frames=True)
    return chosen


def _camera_compensated(botsort: Contender) -> Contender:
    """BoT-SORT as its package has it by default, with an eye on the camera."""

    def make() -> tuple[Callable[..., Any], Prepare]:
        import trackers

        _, prepare = botsort.make()
        return trackers.BoTSORTTracker().update, prepare

    return replace(botsort, name=f"{botsort.name}, camera compensated", make=make)


def _tracked(sequence: Footage, det: str, entries: dict[str, Entry]) -> Iterator[tuple[str, TrackTable]]:
    """Every entry's name and what it makes of the sequence; each descriptor looks at the frames once."""
    path = find_detections(det, sequence)
    assert path is not None
    plain = read_detections(path)
    length = max(sequence.length or 0, plain.last_frame)
    for descriptor in dict.fromkeys(entry.descriptor for entry in entries.values()):
        features = None if descriptor is None else _features(sequence, det, descriptor)
        table = DetectionTable(plain.frames, plain.boxes, plain.scores, features)
        for name, entry in entries.items():
            if entry.descriptor == descriptor:
                yield name, _run(entry, sequence, table, length)


def _features(sequence: Footage, det: str, descriptor: str) -> NDArray[np.float32] | None:
    with progress_shown() as progress:
        return embed(sequence, det, descriptor, progress).features


def _ours(preset: str, **overrides: object) -> Callable[[], Track]:
    def make() -> Track:
        tracker = Tracker.from_config(preset, **overrides)

        def track(detections: Detections, _: Image | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
            tracks = tracker.update(detections)
            return tracks.ids, tracks.boxes, tracks.scores

        return track

    return make


def _theirs(peer: Contender) -> Callable[[], Track]:
    def make() -> Track:
        update, prepare = peer.make()
        read = peer.read
        assert read is not None

        def track(detections: Detections, image: Image | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
            arguments = prepare(detections)
            return read(update(*arguments) if image is None else update(*arguments, frame=image))

        return track

    return make


def _run(entry: Entry, sequence: Footage, table: DetectionTable, length: int) -> TrackTable:
    track = entry.make()
    parts = [track(table.at(frame), image) for frame, image in _frames(entry, sequence, length)]
    counts = [len(ids) for ids, _, _ in parts]
    ids, boxes, scores = (np.concatenate([part[column] for part in parts]) for column in range(3))
    return TrackTable(np.repeat(np.arange(1, length + 1), counts), ids, boxes, scores)


def _frames(entry: Entry, sequence: Footage, length: int) -> Iterator[tuple[int, Image | None]]:
    """Every frame's number, with its picture where the tracker wants it and there is one."""
    following = 1
    if entry.sees_frames:
        assert sequence.frames is not None
        with open_frames(sequence.frames) as frames:
            for frame, image in frames:
                if frame > length:
                    break
                yield from ((missing, None) for missing in range(following, frame))
                yield frame, image
                following = frame + 1
    yield from ((missing, None) for missing in range(following, length + 1))
