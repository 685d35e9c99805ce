"""The results that are linked: whose they are, when they begin, and what their people look like."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np

from embedding.progress import Progress
from tracker.core.detections import FloatArray, IntArray
from tracker.errors import InputError, quoted
from tracker.files.motchallenge import DetectionTable, TrackTable, read_tracks
from tracker.input.lists import read_manifest
from tracker.input.sequences import Sequence, find_sequence
from tracker.linking.pieces import visible
from tracker.run.pipeline import embed

MOST_LOOKS = 60  # boxes of a track that are described, evenly over its time


@dataclass(frozen=True)
class Result:
    """One result, and what a manifest says of it.

    Attributes:
        path: its file.
        sequence: with frames.
        camera: its name; results of one camera share it.
        view: what the camera sees; cameras of one view may see a person at once, others cannot; empty: unknown.
        start: second of its first frame by a clock that results share; None: unknown.
    """

    path: Path
    sequence: Sequence
    camera: str
    view: str = ""
    start: float | None = None


@dataclass(frozen=True)
class Looked:
    """The boxes of a result that were looked at.

    Attributes:
        frames, ids: [N], sorted by frame.
        features: [N, D].
        shown: [N] how much of each person shows, squared.
        rate: frames a second.
        spans: identity -> its first and last frame in the result.
    """

    frames: IntArray
    ids: IntArray
    features: FloatArray
    shown: FloatArray
    rate: float
    spans: dict[int, tuple[int, int]]


def find_results(paths: list[Path], sequences: list[str], manifest: Path | None, root: Path | None) -> list[Result]:
    """The results with their sequences.

    Args:
        sequences: of each result; none: the manifest's, or what the files are called.
        manifest: table with the columns `sequence` or `video`, and `name` where the result's file is called otherwise;
            `camera`, `view`, `start` (seconds, or a date and time as in 2024-01-31T10:59:59).

    Raises:
        InputError: a sequence is not found, or the numbers do not fit.
    """
    if sequences and (manifest is not None or len(sequences) != len(paths)):
        other = "a manifest" if manifest is not None else f"{len(paths)} results"
        raise InputError(f"--seq: {len(sequences)} given beside {other}, expected one for each result, in their order")
    stems = [path.stem for path in paths]
    for stem in stems:
        if stems.count(stem) > 1:
            raise InputError(f"{stem}: the name of {stems.count(stem)} results, expected names that differ")
    if manifest is None:
        found = [find_sequence(spec, root) for spec in sequences or stems]
        return [Result(path, one, path.stem) for path, one in zip(paths, found, strict=True)]
    rows = {}
    for entry in read_manifest(str(manifest)):
        rows[entry.name or find_sequence(entry.spec, root).name] = entry
    for path in paths:
        if path.stem not in rows:
            raise InputError(f"{manifest}: no row of {path.stem}, found {', '.join(list(rows)[:5])}")
    results = []
    for path in paths:
        columns = dict(rows[path.stem].columns)
        start = _seconds(columns.get("start", ""), f"{manifest}, {path.stem}")
        sequence = find_sequence(rows[path.stem].spec, root)
        results.append(Result(path, sequence, columns.get("camera") or path.stem, columns.get("view", ""), start))
    return results


def look_at(result: Result, descriptor: str, progress: Progress) -> Looked:
    """Describe the people of a result.

    Raises:
        InputError: it cannot be read, or its sequence has no frames, or not those of the tracks.
    """
    tracks = read_tracks(result.path)
    tracks = tracks.select(tracks.has_area)
    if not len(tracks):
        raise InputError(f"{result.path}: holds no tracks, nothing to link")
    shown = visible(tracks.frames, tracks.boxes) ** 2
    chosen = np.zeros(len(tracks), bool)
    spans = {}
    for one in np.unique(tracks.ids).tolist():
        rows = np.flatnonzero(tracks.ids == one)
        spans[one] = int(tracks.frames[rows[0]]), int(tracks.frames[rows[-1]])
        chosen[rows[np.unique(np.linspace(0, len(rows) - 1, min(len(rows), MOST_LOOKS)).round().astype(int))]] = True
    some = tracks.select(chosen)
    table = DetectionTable(some.frames, some.boxes, some.scores)
    described = embed(result.sequence, str(result.path), descriptor, progress, table)
    assert described.features is not None
    features = np.asarray(described.features, np.float64)
    return Looked(some.frames, some.ids, features, shown[chosen], _rate(result, tracks), spans)


def _rate(result: Result, tracks: TrackTable) -> float:
    """Frames a second: of the sequence, else of its video, else 30."""
    if result.sequence.frame_rate is not None or not isinstance(result.sequence.frames, Path):
        return result.sequence.frame_rate or 30.0
    from tracker.input.frames import open_frames

    with open_frames(result.sequence.frames) as frames:
        return frames.frame_rate or 30.0


def _seconds(text: str, where: str) -> float | None:
    if not text:
        return None
    try:
        return float(text)
    except ValueError:
        pass
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        raise InputError(f"{where}: start is {quoted(text)}, expected seconds or a date and time") from None
