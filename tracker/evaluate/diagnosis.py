"""Why results and ground truth do not match: the usual slips, each tried on the boxes themselves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from tracker.core.boxes import iou
from tracker.core.detections import FloatArray
from tracker.evaluate.metrics import MIN_OVERLAP
from tracker.files.motchallenge import TrackTable

POOR = 0.1  # share of boxes that overlap, below which something is likely to be wrong with the file
BETTER = 3  # how many times the boxes must overlap under another reading to believe in it
NORMALISED = 2.0  # pixels; coordinates that all lie below are fractions of the frame


def explain_poor_match(truth: TrackTable, result: TrackTable) -> str | None:
    """One line on why hardly any result overlaps ground truth, or None where enough do."""
    if not len(result):
        return "the result is empty"
    truth, result = truth.select(truth.has_area), result.select(result.has_area)
    if not len(truth) or not len(result):
        return f"no box of {'the result' if len(truth) else 'ground truth'} has an area"
    possible = min(len(truth), len(result))
    count = count_overlapping(truth, result)
    if count >= POOR * possible:
        return None
    found = f"only {count} of {len(result)} result boxes overlap ground truth"
    if np.abs(result.boxes).max() <= NORMALISED:
        return f"{found}: coordinates are fractions of the frame (largest {result.boxes.max():.4g}), expected pixels"
    best, reading = max(
        ((count_overlapping(truth, changed), reading) for reading, changed in _other_readings(truth, result)),
        key=lambda pair: pair[0],
    )
    if best >= max(POOR * possible, BETTER * count):
        return f"{found}; {best} would {reading}"
    return f"{found}: results span {_extent(result)}, ground truth {_extent(truth)}; is it the same video and size?"


def count_overlapping(truth: TrackTable, result: TrackTable) -> int:
    """How many result boxes have a ground-truth box at IoU 0.5 or more in their frame."""
    frames = np.intersect1d(truth.frames, result.frames)
    gt_start, gt_stop = np.searchsorted(truth.frames, (frames, frames + 1))
    start, stop = np.searchsorted(result.frames, (frames, frames + 1))
    return sum(
        int((iou(truth.boxes[a:b], result.boxes[c:d]) >= MIN_OVERLAP).any(axis=0).sum())
        for a, b, c, d in zip(gt_start, gt_stop, start, stop, strict=True)
    )


def _other_readings(truth: TrackTable, result: TrackTable) -> Iterator[tuple[str, TrackTable]]:
    size = result.boxes[:, 2:] - result.boxes[:, :2]  # the third and fourth number of each box in the file
    corners = np.concatenate((result.boxes[:, :2], size), axis=1)
    yield "if read as left, top, right, bottom (expected left, top, width, height)", _with_boxes(result, corners)
    centred = result.boxes - 0.5 * np.tile(size, 2)
    yield (
        "if read as centre x, centre y, width, height (expected left, top, width, height)",
        _with_boxes(result, centred),
    )
    for shift in sorted({-1, 1, int(truth.frames[0] - result.frames[0])} - {0}, key=abs):
        moved = replace(result, frames=result.frames + shift)
        yield f"with {shift:+d} on every frame number (expected the ground truth's, from 1)", moved


def _with_boxes(result: TrackTable, boxes: FloatArray) -> TrackTable:
    changed = replace(result, boxes=boxes)
    return changed.select(changed.has_area)


def _extent(table: TrackTable) -> str:
    left, top = table.boxes[:, :2].min(axis=0)
    right, bottom = table.boxes[:, 2:].max(axis=0)
    return f"frames {table.frames[0]}-{table.frames[-1]}, x {left:.0f}-{right:.0f}, y {top:.0f}-{bottom:.0f} px"
