"""The rows of Table 2 and beyond: which tracker with which descriptor, and what it makes of given detections."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tools.paper.describe import safe_name
from tools.paper.table2.features import USELESS, with_features
from tracker.core.config import TrackerConfig, load_config
from tracker.core.tracker import Tracker
from tracker.errors import InputError
from tracker.evaluate.scores import OVERALL, evaluate
from tracker.files.motchallenge import DetectionTable, TrackTable, read_detections, write_results
from tracker.input.scores import on_scale
from tracker.input.sequences import Sequence as Video
from tracker.input.sequences import find_detections
from tracker.run.offline import TrackRecord
from tracker.run.second_pass import SecondPass, completed

Scores = dict[str, dict[str, float]]  # sequence -> column -> value

# Chen et al. 2020, App. A.3.
DETECTIONS = ("min_confidence=0.3", "nms_max_overlap=0.7")
PAPER = {"sort": DETECTIONS, "deepsort": (*DETECTIONS, "max_cosine_distance=0.2", "budget=100"), "flatsort": ()}
FRAME_RATE = 30.0  # of sequences that do not say
SECOND_PASS = {"none": "", "fill": ", gaps filled", "link": ", linked"}  # after the last frame -> in a row's title
SORT_AGES = (1, 30)  # frames: SORT's own, and DeepSORT's

FILE, SUPERVISED, ADAPTED = "file", "supervised", "adapted"
BASE = "mot16-lite-heldout"  # what is adapted to each sequence
PAPERS = {  # label -> what Descriptor.load takes, unless --descriptor LABEL=SPEC names another; trained where needed:
    # embedding/weights/README.md for a CPU, `tools.paper mot16` at full size
    "VHP-VAE": "runs/vhp_vae",
    "VHP-FMVAE 300": "runs/vhp_fmvae300",
    "VHP-FMVAE 3000": "runs/vhp_fmvae3000",
    "VHP-FMVAE scale-free": "runs/vhp_fmvae",
}
MODELS = {
    **PAPERS,
    "default": "default",
    "held out": BASE,
}
BASELINES = {"colour": "colour", "default+colour": "default+colour"}
LABELS = (FILE, SUPERVISED, *MODELS, ADAPTED, *BASELINES, *USELESS)


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        preset: of the tracker.
        descriptor: label of the features; None tracks by motion alone.
        settings: `KEY=VALUE` that replace the preset's.
        second_pass: what is done after the last frame, see `tracker.run.second_pass`.
    """

    preset: str
    descriptor: str | None
    settings: tuple[str, ...] = ()
    second_pass: Literal["none", "fill", "link"] = "none"

    @property
    def config(self) -> TrackerConfig:
        return load_config(self.preset, self.settings)

    @property
    def title(self) -> str:
        """The tracker's column in the table."""
        first = f"{self.preset}, max_age {self.config.max_age}" if self.preset == "sort" else self.preset
        return first + SECOND_PASS[self.second_pass]

    @property
    def label(self) -> str:
        return f"{self.title}, {self.descriptor or 'motion only'}"


@dataclass(frozen=True)
class Input:
    """A sequence and its detections, the same for every row.

    Attributes:
        video: with ground truth.
        table: as the file has them, without features.
        file: where they come from.
        has_features: whether that file has features of its own.
    """

    video: Video
    table: DetectionTable
    file: Path
    has_features: bool

    @property
    def length(self) -> int:
        """Number of frames to track."""
        return max(self.video.length or 0, self.table.last_frame)


def rows_of(descriptors: Iterable[str]) -> list[Row]:
    """SORT, then `deepsort` and `flatsort` with each descriptor; `flatsort` by motion too, and in its second passes."""
    labels = list(descriptors)
    rows = [Row("sort", None, (*PAPER["sort"], f"max_age={age}")) for age in SORT_AGES]
    rows += [Row("deepsort", label, PAPER["deepsort"]) for label in labels]
    rows += [Row("flatsort", label, PAPER["flatsort"]) for label in (None, *labels)]
    rows += [Row("flatsort", label, PAPER["flatsort"], "fill") for label in (None, *labels)]
    return rows + [Row("flatsort", label, PAPER["flatsort"], "link") for label in labels]


def detector_name(det: str) -> str:
    """What a detector is called in tables: `sdp` for sdp.txt, the folder's name for a folder of SEQUENCE.npy."""
    path = Path(det)
    return path.name if path.is_dir() else path.parent.name or "detections" if "{seq}" in path.name else path.stem


def read_input(det: str, video: Video) -> Input:
    """The detections of a sequence: a file as `track --det` takes it, or SEQUENCE.npy or .txt in a folder DET.

    Raises:
        InputError: no ground truth, no such file, a detector, or detections past the sequence's end.
    """
    if video.ground_truth is None:
        raise InputError(f"{video.name}: has no gt/gt.txt, expected ground truth to score against")
    path = _find_in_folder(Path(det), video) if Path(det).is_dir() else find_detections(det, video)
    if path is None:
        raise InputError(f"--det {det}: a detector, expected a file of detections, the same for every row")
    found = read_detections(path)
    if video.length is not None and found.last_frame > video.length:
        raise InputError(f"{path}: detections in frame {found.last_frame}, but {video.name} has {video.length} frames")
    table = DetectionTable(found.frames, found.boxes, found.scores, None, found.class_ids)
    return Input(video, table, path, found.features is not None)


def _find_in_folder(folder: Path, video: Video) -> Path:
    places = [folder / f"{video.name}{suffix}" for suffix in (".npy", ".txt")]
    path = next(filter(Path.is_file, places), None)
    if path is None:
        raise InputError(f"--det {folder}: holds neither {places[0].name} nor {places[1].name}")
    return path


def track(
    table: DetectionTable, config: TrackerConfig, length: int, second_pass: str = "none", rate: float = FRAME_RATE
) -> TrackTable:
    """The tracks of frames 1 to `length`, from detections and features in memory, as `track` writes them.

    Args:
        second_pass: as a row's.
        rate: frames a second.
    """
    tracker, linking, records = Tracker(config), SecondPass(config.high_confidence, rate), []
    table, _ = on_scale(table, config)
    for frame in range(1, length + 1):
        detections = table.at(frame)
        tracks = tracker.update(detections, frame)
        if second_pass == "link":
            linking.add(frame, detections, tracks)
        else:
            records.append(TrackRecord.of_frame(frame, tracks, detections))
    record = linking.finish()[0] if second_pass == "link" else TrackRecord.concatenate(records)
    if second_pass == "fill":
        record = completed(record, rate)
    return TrackTable(record.frames, record.ids, record.boxes, record.scores)


def track_all(row: Row, inputs: Sequence[Input], files: Mapping[str, Path | None]) -> dict[str, TrackTable]:
    """Sequence -> its tracks, with features from `files` (sequence -> file, or None for motion alone)."""
    found = {}
    for one in inputs:
        table = with_features(one.table, files[one.video.name])
        rate = one.video.frame_rate or FRAME_RATE
        found[one.video.name] = track(table, row.config, one.length, row.second_pass, rate)
    return found


def scores_of(inputs: Sequence[Input], results: Mapping[str, TrackTable]) -> Scores:
    """The figures of each sequence and of all together, by the ground truth."""
    truth = {one.video.name: one.video.ground_truth for one in inputs if one.video.ground_truth is not None}
    return evaluate(truth, results, count_missing=True)


def measure(
    row: Row, inputs: Sequence[Input], files: Mapping[str, Path | None], folder: Path
) -> tuple[Scores, dict[str, TrackTable]]:
    """Track with one row's settings, write FOLDER/ROW/SEQUENCE.txt and score them; the scores and the tracks."""
    results = track_all(row, inputs, files)
    for name, tracks in results.items():
        path = folder / safe_name(row.label) / f"{name}.txt"
        write_results(path, tracks.frames, tracks.ids, tracks.boxes, tracks.scores)
    return scores_of(inputs, results), results


def summary(scores: Scores) -> str:
    """One line of how a row did."""
    overall = scores[OVERALL]
    return ", ".join(f"{column} {overall[column]:.1f}" for column in ("IDF1", "HOTA", "MOTA", "IDs"))
