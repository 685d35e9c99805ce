"""Tracks drawn on frames, contact sheets, and a live window.

Drawn with OpenCV directly: importing `supervision` takes seconds, and its annotators have no dashed box for a track
that coasts.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from embedding.files import atomic_path
from tracker.core.detections import FloatArray, Image, Tracks
from tracker.errors import InputError
from tracker.output.palette import Colour, colour_of, ink_on

WINDOW = "tracks (q to quit)"
SECONDS_TO_OPEN = 20.0  # a window; over ssh the first one takes a while
MEDIUM = 240  # pixels of the shorter side, from which lines are two wide at least
EDGE = (24, 24, 24)  # around lines, which so are seen on bright and on dark ground
LABELS = ("id", "class", "score")

Overlay = Callable[[Image, int, Tracks], None]
DASH = 8  # pixels at a line width of one
GAP = 6  # pixels between the images of a contact sheet


class Trails:
    """Where each track's feet have been: the middle of the box's lower edge, over its last `length` frames."""

    def __init__(self, length: int = 40) -> None:
        self.length = length
        self._points: dict[int, deque[tuple[float, float]]] = {}
        self._unseen: dict[int, int] = {}

    def update(self, tracks: Tracks) -> None:
        """Add the tracks of the next frame; a track that has gone unseen as long as a trail is forgotten."""
        feet = np.stack((tracks.boxes[:, [0, 2]].mean(axis=1), tracks.boxes[:, 3]), axis=1)
        self._unseen = {track: unseen + 1 for track, unseen in self._unseen.items() if unseen < self.length}
        self._points = {track: points for track, points in self._points.items() if track in self._unseen}
        for track, point in zip(tracks.ids.tolist(), feet.tolist(), strict=True):
            self._points.setdefault(track, deque(maxlen=self.length)).append(tuple(point))
            self._unseen[track] = 0

    def visible(self) -> dict[int, FloatArray]:
        """Points [P, 2] of the tracks seen in the last frame, oldest first, by id."""
        return {track: np.array(points) for track, points in self._points.items() if self._unseen[track] == 0}


@dataclass(frozen=True)
class Style:
    """What is drawn of tracks beside their boxes.

    Attributes:
        labels: what stands on a box, of `LABELS`; nothing at all where there is none.
        class_names: by class id, for the labels; empty where nobody knows.
        overlays: each is called for every frame that is drawn, with the picture to draw on, the number of the frame
            and its tracks; boxes come on top. Frames may be left out: what counts them is told of them elsewhere.
        captions: the same, drawn on top of boxes.
    """

    labels: Sequence[str] = ("id",)
    class_names: Mapping[int, str] = field(default_factory=dict)
    overlays: Sequence[Overlay] = ()
    captions: Sequence[Overlay] = ()

    def label(self, track: int, class_id: int, score: float | None) -> str:
        """The text on a box.

        Args:
            score: of the detection; None where there was none.

        Example:
            >>> Style(("id", "class", "score"), {2: "car"}).label(7, 2, 0.914)
            '7 car 0.91'
        """
        known = {"id": str(track), "class": self.class_names.get(class_id, "")}
        known["score"] = "" if score is None else f"{score:.2f}"
        return " ".join(known[name] for name in LABELS if name in self.labels and known[name])


PLAIN = Style()


def labels_of(text: str) -> tuple[str, ...]:
    """What `--labels` asks for: names of `LABELS` with commas between them, or `none`.

    Raises:
        InputError: another name.

    Example:
        >>> labels_of("class,id"), labels_of("none")
        (('class', 'id'), ())
    """
    names = tuple(name.strip() for name in text.split(","))
    if names == ("none",):
        return ()
    for name in names:
        if name not in LABELS:
            raise InputError(f"--labels {text}: {name or 'nothing'!r} is none of {', '.join(LABELS)}; or none")
    return names


def line_width(image: Image) -> int:
    """Pixels, by the picture's size: 2 at 640x480, 3 at 1920x1080, 6 at 4K; lines are seen, and hide little."""
    shorter = min(image.shape[:2])
    return max(2, round(shorter / 360)) if shorter >= MEDIUM else 1


def draw_tracks(
    image: Image, tracks: Tracks, trails: Trails | None = None, style: Style = PLAIN, frame_index: int = 0
) -> Image:
    """A copy of the frame with boxes, labels and trails.

    A track seen in this frame has a solid box and a filled label; one that coasts (`tracks.detection` is -1) a dashed
    box and an outlined label. Boxes lower in the image, as a rule nearer to the camera, are drawn over those behind.

    Args:
        image: BGR uint8 [H, W, 3]; it is not changed.
        tracks: the tracks of this frame.
        trails: `trails.update(tracks)` is called, and what it remembers is drawn.
        style: labels, and what else is drawn.
        frame_index: for the overlays.
    """
    drawn = image.copy()
    width = line_width(image)
    for overlay in style.overlays:
        overlay(drawn, frame_index, tracks)
    if trails is not None:
        trails.update(tracks)
        _draw_trails(drawn, trails, width)
    corners = _pixels(tracks.boxes, image)
    for row in np.argsort(tracks.boxes[:, 3], kind="stable"):
        track, coasts = int(tracks.ids[row]), bool(tracks.detection[row] < 0)
        _draw_box(drawn, corners[row], colour_of(track), width, dashed=coasts)
        label = style.label(track, int(tracks.class_ids[row]), None if coasts else float(tracks.scores[row]))
        if label:
            draw_label(drawn, corners[row], label, colour_of(track), filled=not coasts)
    for caption in style.captions:
        caption(drawn, frame_index, tracks)
    return drawn


def _pixels(coordinates: FloatArray, image: Image) -> NDArray[np.int32]:
    limit = 4 * max(image.shape)  # OpenCV's own coordinates overflow
    return np.clip(coordinates, -limit, limit).round().astype(np.int32)


def _draw_trails(image: Image, trails: Trails, width: int) -> None:
    import cv2

    for track, points in trails.visible().items():
        pixels = _pixels(points, image)
        older = len(pixels) // 2
        parts = ((pixels[: older + 1], width), (pixels[older:], 2 * width))
        for edge, colour in ((2, EDGE), (0, colour_of(track))):
            for part, thick in parts:
                cv2.polylines(image, [part], False, colour, thick + edge, cv2.LINE_AA)


def _draw_box(image: Image, corners: NDArray[np.int32], colour: Colour, width: int, dashed: bool) -> None:
    import cv2

    left, top, right, bottom = corners.tolist()
    for edge, ink in ((2, EDGE), (0, colour)):
        if not dashed:
            cv2.rectangle(image, (left, top), (right, bottom), ink, width + edge)
            continue
        dash = DASH * width
        for start in range(left, right, 2 * dash):
            for y in (top, bottom):
                cv2.line(image, (start, y), (min(start + dash, right), y), ink, width + edge)
        for start in range(top, bottom, 2 * dash):
            for x in (left, right):
                cv2.line(image, (x, start), (x, min(start + dash, bottom)), ink, width + edge)


def label_size(image: Image, text: str) -> tuple[int, int]:
    """Width and height of a label in pixels."""
    import cv2

    scale, padding, line = _font(image)
    (width, height), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_DUPLEX, scale, line)
    return width + 2 * padding, height + 2 * padding


def _font(image: Image) -> tuple[float, int, int]:
    """Scale, padding and width of lines, by the picture's size."""
    enlarged = max(1.0, min(image.shape[:2]) / 540)
    return 0.48 * enlarged, round(3 * enlarged), round(enlarged)


def draw_label(image: Image, corners: NDArray[np.int32], text: str, colour: Colour, filled: bool) -> None:
    """A label on the upper left corner of a box, moved into the picture where it would leave it.

    Args:
        corners: [4] left, top, right, bottom of the box.
        filled: text on the colour; else on dark, in a frame of the colour.
    """
    import cv2

    font = cv2.FONT_HERSHEY_DUPLEX
    scale, padding, line = _font(image)
    tag_width, tag_height = label_size(image, text)
    left = int(np.clip(corners[0], 0, max(0, image.shape[1] - tag_width)))
    top = int(np.clip(corners[1] - tag_height, 0, max(0, image.shape[0] - tag_height)))
    tag = (left, top), (left + tag_width, top + tag_height)
    if filled:
        cv2.rectangle(image, *tag, colour, cv2.FILLED)
    else:
        cv2.rectangle(image, *tag, EDGE, cv2.FILLED)
        cv2.rectangle(image, *tag, colour, line)
    ink = ink_on(colour) if filled else (255, 255, 255)
    baseline = (left + padding, top + tag_height - padding)
    cv2.putText(image, text, baseline, font, scale, ink, line, cv2.LINE_AA)


def contact_sheet(images: Sequence[Image], columns: int, path: str | Path) -> Path:
    """Write BGR images of one size [H, W, 3] as one picture, row by row, `columns` wide; returns its path.

    Args:
        path: NAME.jpg or NAME.jpeg for JPEG, any other name for PNG.

    Raises:
        ValueError: there is no image, or their sizes differ.
        InputError: nothing can be written there.
    """
    import cv2

    if not images or len({image.shape for image in images}) != 1:
        raise ValueError(f"images: expected at least one, all of one size, found {[image.shape for image in images]}")
    height, width, _ = images[0].shape
    rows = -(-len(images) // columns)
    sheet = np.full((rows * (height + GAP) - GAP, columns * (width + GAP) - GAP, 3), 255, np.uint8)
    for position, image in enumerate(images):
        top, left = (position // columns) * (height + GAP), (position % columns) * (width + GAP)
        sheet[top : top + height, left : left + width] = image
    with atomic_path(path) as temporary:
        suffix = ".jpg" if Path(path).suffix.lower() in (".jpg", ".jpeg") else ".png"
        encoded, picture = cv2.imencode(suffix, sheet)
        assert encoded
        temporary.write_bytes(picture.tobytes())
    return Path(path)


def require_window() -> None:
    """Raise where no window can be opened. Qt ends the process at a display that nobody answers at, so a child tries.

    Raises:
        InputError: there is no display, nobody answers at it, or this OpenCV cannot open windows.
    """
    if sys.platform.startswith("linux") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        raise InputError("live window: no display here (DISPLAY is not set); write a video instead")
    program = "import cv2; cv2.namedWindow('a'); cv2.waitKey(1); cv2.destroyAllWindows()"
    command = [sys.executable, "-c", program]
    try:
        opened = subprocess.run(command, capture_output=True, timeout=SECONDS_TO_OPEN, check=False).returncode == 0
    except subprocess.TimeoutExpired:
        opened = False
    if not opened:
        place = os.environ.get("WAYLAND_DISPLAY") or os.environ.get("DISPLAY") or "this machine"
        raise InputError(
            f"live window: none can be opened on {place} (nobody is there, or OpenCV has no window support: "
            "opencv-python-headless?); write a video instead"
        )


def show(image: Image) -> bool:
    """Show a frame in the live window; False once the user presses q or Esc, or closes it.

    Raises:
        InputError: this OpenCV cannot open windows.
    """
    import cv2

    try:
        cv2.imshow(WINDOW, image)
        pressed = cv2.waitKey(1) & 0xFF
        closed = cv2.getWindowProperty(WINDOW, cv2.WND_PROP_VISIBLE) < 1
        if not closed and pressed not in (ord("q"), 27):
            return True
        cv2.destroyAllWindows()
    except cv2.error as error:
        raise InputError(
            "live window: this OpenCV has no window support (opencv-python-headless?); write a video instead"
        ) from error
    return False
