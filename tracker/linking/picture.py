"""A picture of what linking decided on one video: every identity's pieces over time, and both crops at joins."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from embedding.files import atomic_path
from tracker.core.detections import FloatArray, Image
from tracker.linking.explanation import Explanation, Junction, Place

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from tracker.input.frames import Frames

MOST_JOINED, MOST_REFUSED = 32, 16  # pairs with crops: the least sure joins, the nearest that were refused
COLUMNS = 8
MARGIN = 1.15  # of a crop over the box
SHAPE = 128, 64  # pixels of a crop, rows and columns
INK = {True: "#1b8946", False: "#c02020"}  # joined, refused
NOBODY = -1

IdentityAt = Callable[[Place], int]


def draw_explanation(
    explanation: Explanation, frames: Frames, identity_at: IdentityAt, rate: float, title: str, path: Path
) -> None:
    """Write the picture as PNG.

    Args:
        explanation: of the whole video.
        frames: of the video, from its first one on.
        identity_at: which identity a box has in the result, -1 for none.
        rate: frames a second.
        title: what is shown.

    Raises:
        InputError: a frame cannot be read, or the file cannot be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    shown = chosen(explanation)
    crops = _crops(shown, frames)
    lines = -(-max(len(shown), 1) // COLUMNS)
    people = sorted({identity_at(first) for first, _ in explanation.pieces} - {NOBODY})
    height = 1.0 + 0.13 * max(len(people), 8)
    figure = Figure(figsize=(2.4 * COLUMNS, height + 2.6 * lines), layout="constrained")
    grid = figure.add_gridspec(1 + lines, COLUMNS, height_ratios=[height, *[2.6] * lines])
    _draw_pieces(figure.add_subplot(grid[0, :]), explanation, people, identity_at, rate)
    for number, junction in enumerate(shown):
        axes = figure.add_subplot(grid[1 + number // COLUMNS, number % COLUMNS])
        _draw_junction(axes, junction, crops, identity_at, rate)
    joins = sum(junction.is_joined for junction in explanation.junctions)
    figure.suptitle(
        f"{title}: {len(explanation.pieces)} pieces, {joins} joins, {len(people)} identities\n"
        f"below: at most the {MOST_JOINED} least sure joins (green) and the {MOST_REFUSED} nearest pairs that were "
        "refused (red); log-odds above 0 speak for one person",
        fontsize=12,
    )
    with atomic_path(path) as temporary:
        FigureCanvasAgg(figure).print_png(str(temporary))


def chosen(explanation: Explanation) -> list[Junction]:
    """The pairs that are shown: the least sure joins first, then the nearest that were refused, in order of odds."""
    joined = sorted((one for one in explanation.junctions if one.is_joined), key=lambda one: one.odds)
    refused = sorted((one for one in explanation.junctions if not one.is_joined), key=lambda one: -one.odds)
    return joined[:MOST_JOINED] + refused[:MOST_REFUSED]


def evidence_lines(junction: Junction, rate: float) -> list[str]:
    """What is written below a pair.

    Example:
        >>> ends = Place(10, np.zeros(4)), Place(35, np.zeros(4))
        >>> print(*evidence_lines(Junction(*ends, 0.31, 0.4, 2.06, 1.0, "joined"), 25.0), sep="; ")
        after 1.0 s, looks 0.31 apart: +2.1; way misses by 0.4 heights: +1.0; joined
    """
    seconds = (junction.after.frame - junction.before.frame) / rate
    return [
        f"after {seconds:.1f} s, looks {junction.distance:.2f} apart: {junction.by_looks:+.1f}",
        f"way misses by {junction.miss:.1f} heights: {junction.by_way:+.1f}",
        junction.decision,
    ]


def _crops(junctions: Sequence[Junction], frames: Frames) -> dict[tuple[int, bytes], NDArray[np.uint8]]:
    """RGB crop of each place, in one way through the video."""
    wanted: dict[int, list[Place]] = {}
    for junction in junctions:
        for place in (junction.before, junction.after):
            wanted.setdefault(place.frame, []).append(place)
    found = {}
    for frame, image in frames:
        for place in wanted.get(frame, ()):
            found[_key(place)] = _crop(image, place.box)
        if frame >= max(wanted, default=0):
            break
    return found


def _key(place: Place) -> tuple[int, bytes]:
    return place.frame, place.box.tobytes()


def _crop(image: Image, box: FloatArray) -> NDArray[np.uint8]:
    import cv2

    middle, half = (box[:2] + box[2:]) / 2, MARGIN * (box[2:] - box[:2]) / 2
    left, top = np.maximum(middle - half, 0).astype(int)
    right, bottom = np.ceil(middle + half).astype(int)
    part = image[top:bottom, left:right]
    if not part.size:  # a box outside the picture
        return np.zeros((*SHAPE, 3), np.uint8)
    return np.asarray(cv2.resize(part, SHAPE[::-1], interpolation=cv2.INTER_AREA)[..., ::-1], np.uint8)


def _draw_pieces(
    axes: Axes, explanation: Explanation, people: Sequence[int], identity_at: IdentityAt, rate: float
) -> None:
    """A row an identity, a bar a piece, a line where two were joined."""
    row = {one: number for number, one in enumerate(people)}
    for number, (first, last) in enumerate(sorted(explanation.pieces, key=lambda piece: piece[0].frame)):
        if (one := identity_at(first)) in row:
            span = first.frame / rate, (last.frame - first.frame + 1) / rate
            axes.broken_barh([span], (row[one] - 0.38, 0.76), color=f"C{number % 10}")
    for junction in explanation.junctions:
        if junction.is_joined and (one := identity_at(junction.before)) in row:
            times = [junction.before.frame / rate, junction.after.frame / rate]
            axes.plot(times, [row[one]] * 2, color="black", linewidth=1)
    axes.set(xlabel="seconds", ylabel="identity", ylim=(max(len(people), 1) - 0.5, -0.5))
    axes.set_yticks(range(len(people)), [str(one) for one in people], fontsize=6)
    axes.set_title("pieces (bars) and joins (lines)", fontsize=10)
    axes.margins(x=0.01)


def _draw_junction(
    axes: Axes,
    junction: Junction,
    crops: dict[tuple[int, bytes], NDArray[np.uint8]],
    identity_at: IdentityAt,
    rate: float,
) -> None:
    """Both crops side by side, what they are called above, the evidence below."""
    nothing = np.zeros((*SHAPE, 3), np.uint8)
    pair = [crops.get(_key(place), nothing) for place in (junction.before, junction.after)]
    gap = np.full((SHAPE[0], 6, 3), 255, np.uint8)
    axes.imshow(np.concatenate((pair[0], gap, pair[1]), axis=1))
    axes.set(xticks=[], yticks=[])
    names = (f"{identity_at(place)} in frame {place.frame}" for place in (junction.before, junction.after))
    ink = INK[junction.is_joined]
    axes.set_title(" | ".join(names), fontsize=7, color=ink)
    axes.set_xlabel("\n".join(evidence_lines(junction, rate)), fontsize=7, color=ink)
    for spine in axes.spines.values():
        spine.set(color=ink, linewidth=2)
