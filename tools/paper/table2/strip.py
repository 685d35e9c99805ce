"""One occlusion as a film strip (the paper's Fig. 10): a row a tracker, a column a frame, a colour an identity."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from tools.paper.plots import panels, save
from tools.paper.table2.occlusion import KEPT, SWITCHED, Occlusion, Sighting
from tracker.core.detections import FloatArray, Image
from tracker.errors import InputError
from tracker.files.motchallenge import TrackTable
from tracker.input.frames import open_frames
from tracker.input.sequences import Sequence as Video

AFTERWARDS = 10  # frames past the end of the occlusion: a new track takes some until it is written
CELL = 360  # pixels: height of a cell's picture
SHAPE = 0.8  # width over height of a cell
MARGIN = 1.25  # height of a cell over that of the person
PALETTE = ("#2f7ed8", "#f28f43", "#d84fb0", "#35b37e", "#8a63d2", "#e0c341", "#20b2c0")  # A, B, then new identities
CHANGED = "#e02020"


@dataclass(frozen=True)
class Scene:
    """What is drawn.

    Attributes:
        video: the sequence.
        detector: name of the detections.
        truth: the people, and `visible` [N], how much of each shows.
        occlusion: what happens.
        sightings: tracker -> its tracks, in the order of the rows.
    """

    video: Video
    detector: str
    truth: TrackTable
    visible: FloatArray
    occlusion: Occlusion
    sightings: Mapping[str, Sighting]

    @property
    def frames(self) -> list[int]:
        """Six frames: seen, half hidden, hidden, half out, seen again, and a little later."""
        one = self.occlusion
        half_in, half_out = (one.before + one.hidden) // 2, (one.hidden + one.after) // 2
        last = int(self.truth.frames[-1])
        return [one.before, half_in, one.hidden, half_out, one.after, min(one.after + AFTERWARDS, last)]

    def window(self, frame: int) -> FloatArray:
        """Left, top, right, bottom of the part of a frame to show, around the hidden person."""
        rows = np.flatnonzero(self.truth.ids == self.occlusion.person)
        known, boxes = self.truth.frames[rows], self.truth.boxes[rows]
        span = (known >= self.frames[0]) & (known <= self.frames[-1])
        height = MARGIN * float((boxes[span, 3] - boxes[span, 1]).max())
        box = np.array([np.interp(frame, known, column) for column in boxes.T])
        half = np.array([SHAPE * height, height]) / 2
        middle = (box[:2] + box[2:]) / 2
        return np.concatenate((middle - half, middle + half))


def draw_strip(scene: Scene, path: Path) -> None:
    """Write the film strip; the first row is the ground truth, a red mark says where an identity changed.

    Raises:
        InputError: a frame is missing or cannot be read.
    """
    images = _read_frames(scene.video, scene.frames)
    figure, axes = panels(len(scene.frames), 1 + len(scene.sightings), width=2.0, height=2.0 / SHAPE + 0.12)
    figure.set_layout_engine("constrained", w_pad=0.02, h_pad=0.02)
    for line in axes:
        for axis, frame in zip(line, scene.frames, strict=True):
            window = scene.window(frame)
            axis.imshow(_cut(images[frame], window), extent=(window[0], window[2], window[3], window[1]))
            axis.set(xticks=[], yticks=[], xlim=window[[0, 2]], ylim=window[[3, 1]])
    _draw_truth(axes[0], scene)
    for line, (name, sighting) in zip(axes[1:], scene.sightings.items(), strict=True):
        _draw_tracker(line, scene, name, sighting)
    event = f"{scene.video.name}, {scene.detector}: person A passes behind person B"
    figure.suptitle(
        f"{event}\nchosen because trackers differ, in favour of the last row where possible: not a sample", fontsize=11
    )
    save(figure, path)


def _read_frames(video: Video, wanted: list[int]) -> dict[int, Image]:
    assert video.frames is not None
    found = {}
    with open_frames(video.frames) as source:
        for frame, image in source:
            if frame in wanted:
                found[frame] = image
            if frame >= wanted[-1]:
                break
    for frame in wanted:
        if frame not in found:
            raise InputError(f"{video.frames}: frame {frame} is missing, but there is ground truth in it")
    return found


def _cut(image: Image, window: FloatArray) -> NDArray[np.uint8]:
    """RGB picture of a window, which may leave the image; nothing is black."""
    import cv2

    width, height = window[2:] - window[:2]
    scale = CELL / height
    affine = np.array([[scale, 0, -scale * window[0]], [0, scale, -scale * window[1]]])
    size = max(1, round(scale * width)), CELL
    flags = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.warpAffine(image, affine, size, flags=flags)[..., ::-1], np.uint8)


def _draw_truth(line: NDArray, scene: Scene) -> None:
    """The two people by name, and how much of A shows."""
    people = {scene.occlusion.person: "A", scene.occlusion.other: "B"}
    line[0].set_ylabel("who is who", fontsize=9)
    for axis, frame in zip(line, scene.frames, strict=True):
        here = scene.truth.frames == frame
        for (person, name), colour in zip(people.items(), PALETTE, strict=False):
            for row in np.flatnonzero(here & (scene.truth.ids == person)):
                _draw_box(axis, scene.truth.boxes[row], name, colour)
        shown = scene.visible[here & (scene.truth.ids == scene.occlusion.person)]
        share = f"A visible {shown[0]:.0%} (gt)" if len(shown) else "A is not there"
        axis.set_title(f"frame {frame}, {share}", fontsize=8)


def _draw_tracker(line: NDArray, scene: Scene, name: str, sighting: Sighting) -> None:
    """The boxes that show A or B, or have an identity that once did; colours are those of first appearance."""
    people = {scene.occlusion.person: "A", scene.occlusion.other: "B"}
    tracks = sighting.tracks
    colours: dict[int, str] = {}
    last: dict[str, int] = {}
    for axis, frame in zip(line, scene.frames, strict=True):
        changes = []
        for person, letter in people.items():
            row = sighting.row(person, frame)
            if row is None:
                continue
            track = int(tracks.ids[row])
            colours.setdefault(track, _colour(letter, last, colours))
            if last.setdefault(letter, track) != track:
                changes.append(f"{letter}: {last[letter]} → {track}")
                last[letter] = track
        here = tracks.select(tracks.frames == frame)
        for track, box in zip(here.ids.tolist(), here.boxes, strict=True):
            if track in colours:
                _draw_box(axis, box, str(track), colours[track])
        if changes:
            _mark(axis, ", ".join(changes))
    outcome = sighting.outcome(scene.occlusion)
    line[0].set_ylabel(f"{name}\nA: {outcome}", fontsize=9, color=_outcome_colour(outcome))


def _colour(letter: str, last: Mapping[str, int], colours: Mapping[int, str]) -> str:
    """That of the person for their first identity, a new one for every other."""
    if letter not in last:
        return PALETTE["AB".index(letter)]
    new = [colour for colour in PALETTE[2:] if colour not in colours.values()]
    return new[0] if new else PALETTE[-1]


def _outcome_colour(outcome: str) -> str:
    return {KEPT: "#1b8946", SWITCHED: CHANGED}.get(outcome, "black")


def _draw_box(axis: Axes, box: FloatArray, text: str, colour: str) -> None:
    left, top, right, bottom = box.tolist()
    axis.add_patch(Rectangle((left, top), right - left, bottom - top, fill=False, edgecolor=colour, linewidth=1.8))
    low, high = sorted(axis.get_xlim())
    upper, lower = sorted(axis.get_ylim())
    x, y = min(max(left, low), high - 0.08 * (high - low)), min(max(top, upper + 0.06 * (lower - upper)), lower)
    label = {"facecolor": colour, "edgecolor": "none", "pad": 1.2}
    axis.text(x, y, text, color="white", fontsize=7.5, va="bottom", ha="left", bbox=label, clip_on=True)


def _mark(axis: Axes, text: str) -> None:
    """A red frame and what changed."""
    for spine in axis.spines.values():
        spine.set(visible=True, color=CHANGED, linewidth=3.5)
    label = {"facecolor": CHANGED, "edgecolor": "none", "pad": 2}
    style = {"color": "white", "fontsize": 8.5, "weight": "bold", "ha": "center", "va": "bottom"}
    axis.text(0.5, 0.03, text, style, transform=axis.transAxes, bbox=label)
