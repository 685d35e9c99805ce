"""What a configuration is scored on, and the scores: computed once each, kept in a file, in processes if wanted."""

from __future__ import annotations

import hashlib
import json
import re
import sqlite3
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from types import TracebackType

import numpy as np

import tracker
from tracker import InputError, Tracker, TrackerConfig
from tracker.evaluation import Row, Rule, is_counted, prepare, score
from tracker.motchallenge import DetectionTable, TrackTable, read_detections, read_tracks
from tracker.record import TrackRecord
from tracker.sequences import Sequence, find_detections, find_sequences


@dataclass(frozen=True, eq=False)
class Case:
    """One sequence with one file of its detections.

    Attributes:
        name: the sequence and the file as the user named it.
        sequence: of the sequence.
        digest: differs where the boxes, features, scores or ground truth do.
        length: frames.
    """

    name: str
    sequence: str
    digest: str
    detections: DetectionTable
    truth: TrackTable
    length: int

    @property
    def has_features(self) -> bool:
        return self.detections.features is not None


def load_cases(root: Path, names: Iterable[str], files: list[str]) -> list[Case]:
    """Every file of `files` for every sequence that has it and ground truth, sequence by sequence.

    Args:
        names: sequences below the root; `all` for every one.
        files: as `track --det` takes them; `{seq}` stands for the sequence's name.

    Raises:
        InputError: fewer than two sequences have ground truth, one has none of the files, a file is nobody's, or is a
            detector and no file.
    """
    found = find_sequences(names, root)
    with_truth = [sequence for sequence in found if sequence.ground_truth is not None]
    if len(with_truth) < 2:
        raise InputError(
            f"{root}: {len(with_truth)} of {len(found)} sequences with gt/gt.txt, expected two or more: "
            "one is held out, the others are searched on"
        )
    paths = {(sequence.name, file): _find(sequence, file) for sequence in with_truth for file in files}
    missing = [
        *(f"{root}: no sequence has {file}" for file in files if not any(paths[s.name, file] for s in with_truth)),
        *(f"{s.name}: has none of {', '.join(files)}" for s in with_truth if not any(paths[s.name, f] for f in files)),
    ]
    if missing:
        raise InputError(f"--det: {missing[0]}")
    return [
        _load(sequence, file, path)
        for sequence in with_truth
        for file in files
        if (path := paths[sequence.name, file]) is not None
    ]


def _find(sequence: Sequence, file: str) -> Path | None:
    """The file of the sequence, None where it has none: features, say, can only be had where there are frames."""
    try:
        path = find_detections(file, sequence)
    except InputError:
        return None
    if path is None:
        raise InputError(f"--det {file}: a detector, expected a file of its detections")
    return path


def _load(sequence: Sequence, file: str, path: Path) -> Case:
    assert sequence.ground_truth is not None
    detections, truth = read_detections(path), read_tracks(sequence.ground_truth)
    if not is_counted(truth).any():
        raise InputError(f"{sequence.ground_truth}: no box that counts, expected pedestrians to be found")
    if sequence.length is not None and detections.last_frame > sequence.length:
        raise InputError(
            f"{path}: detections in frame {detections.last_frame}, but {sequence.name} has {sequence.length} frames"
        )
    length = max(sequence.length or 0, detections.last_frame)
    return Case(f"{sequence.name} {file}", sequence.name, _digest(detections, truth, length), detections, truth, length)


def _digest(detections: DetectionTable, truth: TrackTable, length: int) -> str:
    digest = hashlib.sha1(str(length).encode())
    tables = (detections.frames, detections.boxes, detections.scores, detections.features, detections.class_ids)
    for array in (*tables, truth.frames, truth.ids, truth.boxes, truth.scores, truth.class_ids):
        digest.update(b"none" if array is None else np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:12]


def run_case(config: TrackerConfig, case: Case) -> Row:
    """Track the case from its first frame to its last and score it; columns of `tracker.metrics_table`."""
    tracking = Tracker(config)
    parts = []
    for frame in range(1, case.length + 1):
        detections = case.detections.at(frame)
        parts.append(TrackRecord.of_frame(frame, tracking.update(detections, frame), detections))
    record = TrackRecord.concatenate(parts)
    result = TrackTable(record.frames, record.ids, record.boxes, record.scores)
    return score({case.name: prepare(case.truth, result, case.length, Rule.of(case.sequence))})[case.name]


class Scores:
    """The figures of configurations on cases, each computed once.

    They lie in an SQLite file, written as they come: what a killed run had computed is not computed again. A case
    whose data changed is another one, and so is any case once a module of `tracker` changed that tracks or scores.

    Args:
        path: of the file; created with its folder.
        cases: all that will be asked for; each worker process keeps a copy.
        jobs: processes; 1 computes in this one.
    """

    def __init__(self, path: Path, cases: list[Case], jobs: int = 1) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.computed = 0
        """Figures that this object had to compute."""
        self._code = _digest_of_code()
        self._cases = cases
        self._known: dict[tuple[str, str], Row] = {}
        self._file = self._open(path)
        self._pool: ProcessPoolExecutor | None = None
        if jobs > 1:  # spawn: no thread of this process (BLAS's) is forked in an unknown state
            self._pool = ProcessPoolExecutor(jobs, get_context("spawn"), initializer=_keep, initargs=(cases,))

    def _open(self, path: Path) -> sqlite3.Connection:
        file = sqlite3.connect(path)
        columns = "name TEXT, digest TEXT, code TEXT, config TEXT, figures TEXT, PRIMARY KEY (digest, code, config)"
        try:
            with file:
                file.execute(f"CREATE TABLE IF NOT EXISTS scores ({columns})")
            rows = file.execute("SELECT digest, config, figures FROM scores WHERE code = ?", (self._code,)).fetchall()
        except sqlite3.DatabaseError as error:
            file.close()
            raise InputError(f"{path}: {error}, expected the scores of an earlier run, or no such file") from None
        self._known = {(digest, config): json.loads(figures) for digest, config, figures in rows}
        return file

    def __enter__(self) -> Scores:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
        self._file.close()

    def rows(self, config: TrackerConfig, cases: list[Case]) -> list[Row]:
        """The figures of one configuration on each of the cases."""
        key = config.model_dump_json()
        missing = [case for case in cases if (case.digest, key) not in self._known]
        missing.sort(
            key=lambda case: len(case.detections), reverse=True
        )  # long ones first: less to wait for at the end
        if self._pool is None:
            for case in missing:
                self._add(case, key, run_case(config, case))
        else:
            futures = [self._pool.submit(_run_kept, config, self._cases.index(case)) for case in missing]
            for case, future in zip(missing, futures, strict=True):
                self._add(case, key, future.result())
        return [self._known[case.digest, key] for case in cases]

    def _add(self, case: Case, key: str, row: Row) -> None:
        self.computed += 1
        self._known[case.digest, key] = row
        with self._file:
            values = (case.name, case.digest, self._code, key, json.dumps(row))
            self._file.execute("INSERT OR REPLACE INTO scores VALUES (?, ?, ?, ?, ?)", values)


def _digest_of_code() -> str:
    """Differs where a module of `tracker` does that tracking or scoring needs, and so where a score may."""
    digest = hashlib.sha1()
    for path in modules_behind("tracker", "record", "evaluation"):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def modules_behind(*names: str) -> list[Path]:
    """The files of these modules of `tracker`, and of what they import from it, and so on; sorted."""
    folder = Path(tracker.__file__).parent
    pending, found = list(names), set[str]()
    while pending:
        name = pending.pop()
        if name not in found:
            found.add(name)
            pending += re.findall(r"^ *from tracker\.(\w+) import", (folder / f"{name}.py").read_text("utf-8"), re.M)
    return [folder / f"{name}.py" for name in sorted(found)]


_kept: list[Case] = []  # of a worker process


def _keep(cases: list[Case]) -> None:
    _kept[:] = cases


def _run_kept(config: TrackerConfig, index: int) -> Row:
    return run_case(config, _kept[index])
