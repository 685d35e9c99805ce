"""A few looks at each identity: which boxes are described, and what the descriptor says of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from embedding.progress import Progress
from tracker.core.detections import FloatArray, IntArray
from tracker.errors import InputError
from tracker.files.cache import kept_path
from tracker.files.motchallenge import DetectionTable, TrackTable, read_detections, write_detections_npy
from tracker.input.sequences import Sequence
from tracker.linking.pieces import visible
from tracker.run.pipeline import embed

EVERY = 0.2  # seconds, of which the best box of each identity is described
MOST = 20_000  # looks at a result; of longer ones fewer a second


@dataclass(frozen=True)
class Looks:
    """Boxes that were described.

    Attributes:
        rows: [L] of the table, ascending.
        features: [L, D].
        shown: [L] share of each box that nobody nearer covers.
        step: frames of which each identity's best box was described.
        rate: frames a second.
    """

    rows: IntArray
    features: NDArray[np.float32]
    shown: FloatArray
    step: int
    rate: float


def chosen_rows(table: TrackTable, rate: float, most: int = MOST) -> tuple[IntArray, FloatArray, int]:
    """The least covered box of each identity in every fifth of a second.

    Returns:
        Its rows [L], ascending; the share shown of all boxes [N]; and how many frames were taken together.

    Args:
        table: sorted by frame.
        rate: frames a second.
        most: rows; more seconds are taken together where there would be more.
    """
    shown = visible(table.frames, np.where(table.has_area[:, None], table.boxes, [0.0, 0, 1, 1]))
    usable = np.flatnonzero(table.has_area)
    step = max(1, round(EVERY * rate))
    while True:
        window = table.frames[usable] // step
        order = usable[np.lexsort((-shown[usable], window, table.ids[usable]))]
        firsts = np.ones(len(order), bool)
        firsts[1:] = (np.diff(table.ids[order]) != 0) | (np.diff(table.frames[order] // step) != 0)
        rows = np.sort(order[firsts])
        if len(rows) <= most or step > table.frames[-1]:
            return rows, shown, step
        step *= 2


def take_looks(
    sequence: Sequence, table: TrackTable, name: str, descriptor: str, beside: Path, progress: Progress
) -> Looks:
    """Describe a few boxes of each identity; kept beside a file for the next time.

    Args:
        table: the result's, with identities as they were read.
        name: of the result, for messages.
        descriptor: as `Descriptor.load` takes it.
        beside: file beside which features are kept.

    Raises:
        InputError: there are no frames to look at, or not those of the result; no descriptor of that name.
    """
    rate = sequence.frame_rate or 30.0
    rows, shown, step = chosen_rows(table, rate)
    asked = DetectionTable(table.frames[rows], table.boxes[rows], table.scores[rows])
    assert isinstance(sequence.frames, Path)
    place = kept_path(beside, "looks", ".npy", sequence.frames, asked, descriptor, _model(descriptor))
    features = _kept(place, len(rows))
    if features is None:
        found = embed(sequence, name, descriptor, progress, asked, write=(place, _write)).features
        assert found is not None
        features = found
    return Looks(rows, np.asarray(features), shown[rows], step, rate)


def _model(descriptor: str) -> str:
    from embedding import Descriptor

    return Descriptor.load(descriptor).name


def _kept(place: Path, count: int) -> NDArray[np.float32] | None:
    if not place.is_file():
        return None
    try:
        features = read_detections(place).features
    except InputError:  # damaged: computed again
        return None
    return features if features is not None and len(features) == count else None


def _write(place: Path, table: DetectionTable) -> None:
    assert table.features is not None
    write_detections_npy(place, table.frames, table.boxes, table.scores, table.features)
