"""Cut people out of sequences and link them into tracklets: the crops that descriptors learn from.

What is written, and who may read what of it, says `embedding.data.crop_pack`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from embedding.progress import Progress, say, unseen
from tracker.core.assignment import assign
from tracker.core.boxes import area, intersection, iou
from tracker.core.detections import FloatArray, Image, IntArray
from tracker.core.tracklets import link
from tracker.errors import InputError
from tracker.evaluate.metrics import MIN_OVERLAP
from tracker.evaluate.scores import is_counted
from tracker.files.motchallenge import DetectionTable, TrackTable, read_detections, read_tracks
from tracker.input.detectors import Detector, is_detector, load_detector
from tracker.input.frames import open_frames, picture_size
from tracker.input.numbering import renumbered
from tracker.input.sequences import Sequence, find_detections

if TYPE_CHECKING:
    from embedding.data.crop_pack import CropIndex, CropWriter
    from embedding.descriptors.cropping import Aspect

NOBODY = -1
MIN_SHARE_INSIDE = 0.75  # of a box's area within the image: less shows too little of a person


@dataclass(frozen=True)
class CropRule:
    """Which boxes are packed and how they are cut.

    Attributes:
        min_height: of a box, pixels.
        min_score: of a detection; one below it is not even linked.
        min_visibility: visible share of a ground-truth box, where its file says it.
        border: keep boxes that leave the image by more than a quarter of their area.
        every: of N frames the first is packed; all are linked.
        aspect: how a box becomes a square, see `embedding.descriptors.cropping`.
    """

    min_height: float = 32.0
    min_score: float = 0.0
    min_visibility: float = 0.3
    border: bool = False
    every: int = 1
    aspect: Aspect = "stretch"

    def __post_init__(self) -> None:
        if self.every < 1:
            raise InputError(f"--every {self.every}: expected a number of frames from 1")
        if self.aspect not in ("stretch", "pad"):
            raise InputError(f"--aspect {self.aspect}: expected stretch or pad")

    def choose(self, boxes: LinkedBoxes) -> LinkedBoxes:
        """Those that are high enough and in a frame to be packed; what the border cuts off shows in the frames only."""
        height = boxes.boxes[:, 3] - boxes.boxes[:, 1]
        return boxes.select((height >= self.min_height) & ((boxes.frames - 1) % self.every == 0))


@dataclass(frozen=True)
class LinkedBoxes:
    """Boxes of one sequence, sorted by frame.

    Attributes:
        frames, scores, tracklets: [N].
        boxes: [N, 4] corners in pixels.
        identities: [N], -1 for nobody; None where there is no ground truth.
    """

    frames: IntArray
    boxes: FloatArray
    scores: FloatArray
    tracklets: IntArray
    identities: IntArray | None = None

    def __len__(self) -> int:
        return len(self.frames)

    def select(self, rows: NDArray[np.generic] | slice) -> LinkedBoxes:
        """The rows of `rows`: a mask, indices or a slice."""
        identities = None if self.identities is None else self.identities[rows]
        return LinkedBoxes(self.frames[rows], self.boxes[rows], self.scores[rows], self.tracklets[rows], identities)

    def at(self, frame: int) -> LinkedBoxes:
        """The boxes of one frame."""
        return self.select(slice(*np.searchsorted(self.frames, (frame, frame + 1))))


def pack_sequences(
    sequences: Iterable[Sequence],
    out: str | Path,
    detections: Iterable[str] = ("det.txt",),
    ground_truth: bool = False,
    rule: CropRule | None = None,
    progress: Progress = unseen,
) -> CropIndex:
    """Write the crops of sequences to FILE.npy, its index and, where there is ground truth, who they show.

    A sequence without frames, or without what is to be cut out of them, is left out with a line on standard error.

    Args:
        sequences: to cut from; not cameras or streams, which cannot be read twice.
        out: FILE.npy.
        detections: files or detectors as `track --det` takes them; each sequence uses the first that it has.
        ground_truth: cut out the ground truth's boxes instead.
        rule: which boxes, and how.
        progress: is told what is going on, and how many of its frames are done.

    Returns:
        The index of what was written.

    Raises:
        InputError: a file is malformed or does not belong to its frames, or no box is left; nothing is written then.
    """
    from embedding.data.crop_pack import CropWriter, read_index  # torch takes seconds: a wrong name should not

    rule = rule or CropRule()
    writer = CropWriter(out)
    found = list(_find_boxes(sequences, list(detections), ground_truth, rule, progress))  # all are read before any cut
    with writer:
        for sequence, boxes in found:
            cut_boxes(sequence, boxes, rule, writer, progress)
        if not len(writer):
            raise InputError(f"{out}: no box is left to pack, expected sequences with frames and boxes; {rule}")
    return read_index(out)


def _find_boxes(
    sequences: Iterable[Sequence], detections: list[str], ground_truth: bool, rule: CropRule, progress: Progress
) -> Iterator[tuple[Sequence, LinkedBoxes]]:
    """What is to be cut out of each sequence."""
    for sequence in sequences:
        if sequence.frames is None:
            _tell_skipped(sequence, "no frames")
            continue
        require_rereadable(sequence)
        if ground_truth:
            boxes, wanted = _true_boxes(sequence, rule), "ground truth"
        else:
            boxes, wanted = (
                _detected_boxes(sequence, detections, rule, progress),
                f"detections {' or '.join(detections)}",
            )
        if boxes is None:
            _tell_skipped(sequence, f"no {wanted}")
            continue
        yield sequence, rule.choose(boxes)


def require_rereadable(sequence: Sequence) -> None:
    """InputError unless the frames can be read more than once."""
    if sequence.frames is None:
        raise InputError(f"{sequence.name}: has no frames, expected a folder of images or a video file")
    if not isinstance(sequence.frames, Path):
        raise InputError(f"{sequence.name}: a camera or stream, expected a folder or a video file")


def _tell_skipped(sequence: Sequence, lacking: str) -> None:
    say(f"{sequence.name}: left out, it has {lacking}")


def _detected_boxes(sequence: Sequence, names: list[str], rule: CropRule, progress: Progress) -> LinkedBoxes | None:
    table = _first_detections(sequence, names, progress)
    if table is None:
        return None
    truth = None
    if sequence.ground_truth is not None:
        truth = read_tracks(sequence.ground_truth)
        truth = truth.select(is_counted(truth) & truth.has_area)
    return link_detections(table, rule, truth)


def link_detections(table: DetectionTable, rule: CropRule, truth: TrackTable | None = None) -> LinkedBoxes:
    """The detections of one sequence that are good enough to be linked; with who they show where `truth` says it."""
    good = table.scores >= rule.min_score
    frames, boxes = table.frames[good], table.boxes[good]
    identities = None if truth is None else match_identities(frames, boxes, truth)
    return LinkedBoxes(frames, boxes, table.scores[good], link(frames, boxes), identities)


def _first_detections(sequence: Sequence, names: list[str], progress: Progress) -> DetectionTable | None:
    for name in names:
        if is_detector(name):
            return detect_all(sequence, _load_once(name), progress)
        path = None
        with suppress(InputError):  # it has no such file; what is wrong with one it has is said
            path = find_detections(name, sequence)
        if path is not None:
            return renumbered(read_detections(path, size=lambda: picture_size(sequence)), sequence.frames)
    return None


_load_once = cache(load_detector)


def detect_all(sequence: Sequence, detect: Detector, progress: Progress = unseen) -> DetectionTable:
    """What a detector finds in every frame: a first pass, as a box's tracklet shows in the frames around it."""
    return DetectionTable.of_frames(
        [(frame, detect(image)) for frame, image in _frames(sequence, "detecting", progress)]
    )


def match_identities(frames: IntArray, boxes: FloatArray, truth: TrackTable) -> IntArray:
    """Identity [N] of boxes [N, 4] in ascending frames [N]: one to one within a frame, at IoU 0.5; -1 for nobody."""
    identities = np.full(len(frames), NOBODY)
    for frame in np.intersect1d(frames, truth.frames):
        rows = slice(*np.searchsorted(frames, (frame, frame + 1)))
        true_rows = slice(*np.searchsorted(truth.frames, (frame, frame + 1)))
        matched, true_matched = assign(1 - iou(boxes[rows], truth.boxes[true_rows]), 1 - MIN_OVERLAP)
        identities[rows][matched] = truth.ids[true_rows][true_matched]
    return identities


def _true_boxes(sequence: Sequence, rule: CropRule) -> LinkedBoxes | None:
    if sequence.ground_truth is None:
        return None
    truth = read_tracks(sequence.ground_truth)
    counted = is_counted(truth) & truth.has_area
    visible = visibility(sequence.ground_truth, truth)[counted]
    truth = truth.select(counted)
    tracklets = link(truth.frames, truth.boxes)  # as for detections: a tracklet must not tell identities
    boxes = LinkedBoxes(truth.frames, truth.boxes, np.ones(len(truth)), tracklets, truth.ids)
    return boxes.select(visible >= rule.min_visibility)


def visibility(path: Path, truth: TrackTable) -> FloatArray:
    """Visible share [N] of the boxes of a checked ground truth, in its order; 1 where the file does not say."""
    if truth.class_ids is None:
        return np.ones(len(truth))
    lines = path.read_text(encoding="utf-8-sig").replace(",", " ").splitlines()
    rows = np.loadtxt(lines, comments=None, ndmin=2)
    return rows[np.lexsort((rows[:, 1], rows[:, 0])), 8] if rows.shape[1] == 9 else np.ones(len(truth))


def cut_boxes(
    sequence: Sequence, boxes: LinkedBoxes, rule: CropRule, writer: CropWriter, progress: Progress = unseen
) -> None:
    """Read the frames of a sequence and append the crops of its boxes to a pack.

    Raises:
        InputError: a box is in a frame that the sequence does not have.
    """
    from embedding.descriptors.cropping import cut_crops

    seen = []
    for frame, image in _frames(sequence, "cutting", progress):
        here = boxes.at(frame)
        seen.append(frame)
        if not rule.border:
            here = here.select(_share_inside(here.boxes, image) >= MIN_SHARE_INSIDE)
        crops, inside = cut_crops(image, here.boxes, aspect=rule.aspect)
        here = here.select(inside)
        writer.append(sequence.name, frame, crops, here.boxes, here.scores, here.tracklets, here.identities)
    missing = boxes.frames[~np.isin(boxes.frames, seen)]
    if len(missing):
        raise InputError(f"{sequence.frames}: frame {missing[0]} is missing, but there are boxes in it")


def _share_inside(boxes: FloatArray, image: Image) -> FloatArray:
    """Share [N] of each box's area that lies within the image."""
    height, width = image.shape[:2]
    return intersection(boxes, np.array([[0.0, 0.0, width, height]]))[:, 0] / area(boxes)


def _frames(sequence: Sequence, doing: str, progress: Progress) -> Iterator[tuple[int, Image]]:
    require_rereadable(sequence)
    assert isinstance(sequence.frames, Path)
    with open_frames(sequence.frames) as source:
        for done, frame in enumerate(source, start=1):
            yield frame
            progress(f"{sequence.name}, {doing}", done, source.length)
