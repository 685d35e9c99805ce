"""What a configuration is scored on, and the scores: computed once each, kept in a file, in processes if wanted."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from embedding.errors import shortened
from embedding.files import digest
from tracker import InputError, Tracker, TrackerConfig
from tracker.evaluate.scores import Row, Rule, is_counted, prepare, score
from tracker.files.motchallenge import DetectionTable, TrackTable, read_detections, read_tracks
from tracker.input.scores import on_scale
from tracker.input.sequences import Sequence, find_detections, find_sequences
from tracker.run.offline import TrackRecord
from tracker.tune.parameters import require_optuna

if TYPE_CHECKING:
    from optuna.study import Study


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
    return Case(f"{sequence.name} {file}", sequence.name, digest(detections, truth, length), detections, truth, length)


def run_case(config: TrackerConfig, case: Case) -> Row:
    """Track the case from its first frame to its last and score it; columns of `tracker.evaluate.table`."""
    tracking = Tracker(config)
    shown, _ = on_scale(case.detections, config)
    parts = []
    for frame in range(1, case.length + 1):
        detections = shown.at(frame)
        parts.append(TrackRecord.of_frame(frame, tracking.update(detections, frame), detections))
    record = TrackRecord.concatenate(parts)
    result = TrackTable(record.frames, record.ids, record.boxes, record.scores)
    return score({case.name: prepare(case.truth, result, case.length, Rule.of(case.sequence))})[case.name]


class Scores:
    """The figures of configurations on cases, each computed once.

    They lie in Optuna's storage, as attributes of a study, written as they come: a search that was killed asks again
    for what it had asked for, and is answered from there. A case whose data changed is another one, and so is any case
    in another version of the project.

    Args:
        path: of the SQLite file; created with its folder.
        cases: all that will be asked for; each worker process keeps a copy.
        jobs: processes; 1 computes in this one.
    """

    def __init__(self, path: Path, cases: list[Case], jobs: int = 1) -> None:
        self.computed = 0
        """Figures that this object had to compute."""
        self._cases = cases
        self._path = path
        self._study = _open_study(path)
        self._known: dict[str, Row] = self._study.user_attrs
        self._pool: ProcessPoolExecutor | None = None
        if jobs > 1:  # spawn: no thread of this process (BLAS's) is forked in an unknown state
            self._pool = ProcessPoolExecutor(jobs, get_context("spawn"), initializer=_keep, initargs=(cases,))

    def __enter__(self) -> Scores:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def rows(self, config: TrackerConfig, cases: list[Case]) -> list[Row]:
        """The figures of one configuration on each of the cases."""
        settings = digest(config.model_dump_json())
        keys = {case: f"{settings} {case.digest} {case.name}" for case in cases}
        missing = [case for case, key in keys.items() if key not in self._known]
        missing.sort(key=lambda case: len(case.detections), reverse=True)  # the end waits for none of the long ones
        if self._pool is None:
            for case in missing:
                self._add(keys[case], run_case(config, case))
        else:
            futures = [self._pool.submit(_run_kept, config, self._cases.index(case)) for case in missing]
            for case, future in zip(missing, futures, strict=True):
                self._add(keys[case], future.result())
        return [self._known[key] for key in keys.values()]

    def _add(self, key: str, row: Row) -> None:
        self.computed += 1
        self._known[key] = row
        from sqlalchemy.exc import SQLAlchemyError

        try:
            self._study.set_user_attr(key, row)
        except SQLAlchemyError as error:  # such as a full disk
            reason = shortened(str(error).partition("\n")[0])
            raise InputError(f"{self._path}: cannot be written: {reason}") from None


def _open_study(path: Path) -> Study:
    optuna = require_optuna()
    from sqlalchemy.exc import SQLAlchemyError

    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        study: Study = optuna.create_study(
            storage=f"sqlite:///{path}", study_name=f"flatsort {version('flatsort')}", load_if_exists=True
        )
    except (SQLAlchemyError, RuntimeError) as error:  # the latter of another version of Optuna
        reason = str(error).partition("\n")[0]
        raise InputError(f"{path}: {reason}, expected the scores of an earlier run, or no such file") from None
    return study


_kept: list[Case] = []  # of a worker process


def _keep(cases: list[Case]) -> None:
    _kept[:] = cases


def _run_kept(config: TrackerConfig, index: int) -> Row:
    return run_case(config, _kept[index])
