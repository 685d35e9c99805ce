"""What smells in a run, a line each: boxes in another form or place, scores on another scale, nobody tracked, cuts."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from tracker.core.detections import FloatArray

FRACTION = 1.5  # pixels; coordinates that never pass it are parts of the picture
ENOUGH = 20  # boxes, from which on a coincidence is none
FEW = 0.02  # share of the scores
NAMED = 5  # cuts
LEAST_FRAMES = 20  # between cuts, on average

Size = tuple[int, int]  # width, height of a picture, pixels


def outside(boxes: FloatArray, width: float, height: float) -> NDArray[np.bool_]:
    """Which xyxy boxes [N, 4] show nothing of a picture of that size."""
    return (boxes[:, 2] <= 0) | (boxes[:, 3] <= 0) | (boxes[:, 0] >= width) | (boxes[:, 1] >= height)


def about_boxes(boxes: FloatArray, size: Size | None, seen: int, away: int) -> Iterator[str]:
    """Doubts about how boxes are written.

    Args:
        boxes: [N, 4] corners, as read from left, top, width and height in a file; none of a detector's.
        size: of the picture, None where unknown.
        seen, away: detections that were shown to the tracker, and those of them outside the picture.
    """
    expected = "expected left, top, width, height in pixels"
    if len(boxes) and np.abs(boxes).max() <= FRACTION:
        yield f"no coordinate passes {np.abs(boxes).max():.3g}: are the boxes fractions of the picture? {expected}"
    elif len(boxes) >= ENOUGH and _could_be_corners(boxes, size):
        yield f"every width is larger than left, every height than top: are these corners? {expected}"
    if size is not None and away > seen / 2:
        where = f"the picture of {size[0]}x{size[1]}"
        yield f"{away} of {seen} boxes lie outside {where}: made for another size? {expected}"


def _could_be_corners(boxes: FloatArray, size: Size | None) -> bool:
    """Whether all of left, top, width, height read as left, top, right, bottom too, which is rare in a whole file."""
    size_read = boxes[:, 2:] - boxes[:, :2]
    if not (size_read > boxes[:, :2]).all():
        return False
    return size is None or bool((boxes[:, 2:] > size).any(axis=1).mean() > FEW)


def about_scores(start: float, seen: int, starting: int, largest: float) -> Iterator[str]:
    """Doubts about the scores.

    Args:
        start: the score from which a detection can start a track; -inf: any.
        seen, starting: detections, and those that score enough to start one.
        largest: score.
    """
    if not seen or math.isinf(start) or starting > FEW * seen or (starting and seen < ENOUGH):
        return
    reach = "no score reaches" if not starting else f"{starting} of {seen} scores reach"
    advice = max(round(0.8 * largest, 2), 0)
    yield f"{reach} {start:g}, from which tracks start; the largest is {largest:g} (--set min_confidence={advice:g}?)"


def about_tracks(
    tracks: int, frames: int, seen: int, starting: int, n_init: int, classes_matter: bool = False
) -> Iterator[str]:
    """Why there is no track at all, where scores are not why.

    Args:
        classes_matter: whether detections have several classes, and tracks take but their own.
    """
    if tracks:
        return
    if not seen:
        yield f"no track: no detection in {frames} frames"
    elif starting:
        alike = ", of one class (--set class_gating=false lets it change)" if classes_matter else ""
        yield f"no track: nothing was detected in {n_init} frames in a row at places that overlap{alike}"


def about_cuts(cuts: Sequence[int], frames: int, count: int | None = None) -> Iterator[str]:
    """Where a video was cut; what changes more often than that flickers.

    Args:
        cuts: the first ones.
        count: of all; None: these are all.
    """
    total = len(cuts) if count is None else count
    if cuts and total * LEAST_FRAMES <= frames:
        more = f" and {total - NAMED} more" if total > NAMED else ""
        yield (
            f"the picture changes at once in frame {', '.join(map(str, cuts[:NAMED]))}{more}: if these are cuts, "
            "track their parts one by one; who stands where somebody stood takes over the identity"
        )
