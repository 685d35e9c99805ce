"""What the comparison of descriptors needs of the tracker's side: sequences, ground truth, tracklets, frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from embedding.descriptors.cropping import SIDE, cut_crops
from embedding.files import atomic_path
from tools.paper.describe import Array, Describe, describe_boxes, safe_name
from tracker.commands.crops import match_identities, visibility
from tracker.core.detections import FloatArray, Image, IntArray
from tracker.core.tracklets import link
from tracker.errors import InputError
from tracker.evaluate.scores import is_counted
from tracker.files.cache import kept_path
from tracker.files.motchallenge import DetectionTable, TrackTable, read_detections, read_tracks
from tracker.input.sequences import Sequence as Video
from tracker.input.sequences import find_detections, find_sequences

if TYPE_CHECKING:
    from embedding.retrieval import Labels
    from tools.paper.bench import Bench

VISIBILITY = 0.3  # share of a person that a crop shows at least
NO_TRACKLET = -1
CROPS = "crops"  # kept as if they were a descriptor's features


@dataclass(frozen=True)
class Truth:
    """The ground-truth crops of one sequence.

    Attributes:
        video: the sequence.
        frames, identities: [N], frames ascending.
        boxes: [N, 4] corners in pixels.
        tracklets: [N] label-free tracklet of the detection that shows the person, -1 where none does.
    """

    video: Video
    frames: IntArray
    identities: IntArray
    boxes: FloatArray
    tracklets: IntArray

    def __len__(self) -> int:
        return len(self.frames)


def run(
    bench: Bench, root: Path | None, names: Sequence[str], det: Sequence[str], specs: Sequence[str], every: int
) -> dict[str, Any]:
    """Compare descriptors on ground-truth crops; what they make of them is kept in the bench's folder.

    Args:
        bench: where to, and whether quickly.
        root: of the sequences.
        names: of sequences with frames, ground truth and detections.
        det: files of the detections whose tracklets are a query's own; each sequence uses the first that it has.
        specs: names or files of descriptors; none: all that ship.
        every: of N frames one is used.

    Returns:
        The figures, as DIR/descriptors.json holds them.

    Raises:
        InputError: a sequence, file or descriptor is absent or malformed.
    """
    from tools.paper.descriptors import compare as descriptors  # torch takes seconds to import: a wrong name should not

    if every < 1:
        raise InputError(f"--every {every}: expected a number of frames from 1")
    truths = [read_truth(video, first_of(det, video), every) for video in find_sequences(names, root)]
    compared = descriptors.load_compared(specs or descriptors.shipped())
    describers: dict[str, tuple[str, Describe]] = {CROPS: (CROPS, cut)}
    describers |= {one.label: (one.describe.name, one.describe) for one in compared}
    kept = [describe(truth, describers, bench.output) for truth in truths]
    columns = {name: np.concatenate([part[name] for part in kept]) for name in describers}
    about = {
        "sequences": [truth.video.name for truth in truths],
        "det": " or ".join(det),
        "every": every,
        "visibility": VISIBILITY,
    }
    return descriptors.run(bench, columns.pop(CROPS), label_crops(truths), compared, columns, about)


def first_of(names: Sequence[str], video: Video) -> str:
    """The first of several files of detections that a sequence has; the last, to be missed by name, if it has none."""
    for name in names[:-1]:
        with suppress(InputError):
            find_detections(name, video)
            return name
    return names[-1]


def read_truth(video: Video, det: str, every: int) -> Truth:
    """The people of every N-th frame who are to be found and are visible enough.

    Raises:
        InputError: the sequence lacks frames, ground truth or the detections, or nobody is left.
    """
    if video.ground_truth is None or video.frames is None:
        lacking = "frames" if video.frames is None else "gt/gt.txt"
        raise InputError(f"{video.name}: has no {lacking}, expected frames and ground truth")
    path = find_detections(det, video)
    if path is None:
        raise InputError(f"--det {det}: a detector, expected a file of detections, whose tracklets are needed")
    truth = read_tracks(video.ground_truth)
    seen = visibility(video.ground_truth, truth) >= VISIBILITY
    counted = is_counted(truth) & truth.has_area
    tracklets = own_tracklets(truth.select(counted), read_detections(path))
    chosen = (seen & ((truth.frames - 1) % every == 0))[counted]
    if not chosen.any():
        raise InputError(f"{video.ground_truth}: nobody to compare in every {every} frames, expected pedestrians")
    people = truth.select(counted).select(chosen)
    return Truth(video, people.frames, people.ids, people.boxes, tracklets[chosen])


def own_tracklets(truth: TrackTable, detections: DetectionTable) -> IntArray:
    """Tracklet [N] of the detection that shows each box of the ground truth, -1 where none overlaps it enough.

    Tracklets know nothing of identities: a person's crops are on as many as the linking breaks into.
    """
    identities = match_identities(detections.frames, detections.boxes, truth)
    shows = np.flatnonzero(identities >= 0)
    stride = 1 + max(truth.ids.max(initial=0), 0)
    keys = detections.frames[shows] * stride + identities[shows]  # one detection at most a person and frame
    order = np.argsort(keys)
    wanted = truth.frames * stride + truth.ids
    place = np.searchsorted(keys, wanted, sorter=order)
    found = np.full(len(truth), NO_TRACKLET)
    matched = np.isin(wanted, keys)
    found[matched] = link(detections.frames, detections.boxes)[shows[order[place[matched]]]]
    return found


def label_crops(truths: Sequence[Truth]) -> Labels:
    """The labels of all sequences' crops, one sequence after the other."""
    from embedding.retrieval import Labels

    return Labels(
        np.concatenate([truth.identities for truth in truths]),
        np.repeat(np.arange(len(truths)), [len(truth) for truth in truths]),
        np.concatenate([truth.frames for truth in truths]),
        np.concatenate([truth.tracklets for truth in truths]),
    )


def cut(image: Image, boxes: FloatArray) -> Array:
    """Crops [K, 64, 64, 3] as the networks see them; black for a box outside the image."""
    crops = np.zeros((len(boxes), SIDE, SIDE, 3), np.uint8)
    found, inside = cut_crops(image, boxes)
    crops[inside] = found
    return crops


def describe(truth: Truth, describers: Mapping[str, tuple[str, Describe]], folder: Path) -> dict[str, Array]:
    """What each describer makes of a sequence's crops, kept from an earlier run or computed in one pass.

    Args:
        truth: the crops.
        describers: label -> name, which differs between describers that give different features, and the describer.
        folder: features are kept in FOLDER/SEQUENCE.LABEL-DIGEST.npy.

    Returns:
        label -> [N, ...].

    Raises:
        InputError: a frame is missing or cannot be read.
    """
    video, beside = truth.video, folder / f"{truth.video.name}.txt"
    files = {
        label: kept_path(beside, safe_name(label), ".npy", video.frames, truth.frames, truth.boxes, name)
        for label, (name, _) in describers.items()
    }
    found = {label: array for label in describers if (array := _read_kept(files[label])) is not None}
    missing = {label: describer for label, (_, describer) in describers.items() if label not in found}
    if missing:
        for label, array in describe_boxes(video, truth.frames, truth.boxes, missing).items():
            with atomic_path(files[label]) as temporary:
                np.save(temporary, array)
            found[label] = array
    return found


def _read_kept(path: Path) -> Array | None:
    """What an earlier run kept, or None."""
    try:
        return np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
