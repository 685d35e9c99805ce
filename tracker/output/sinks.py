"""Where tracks go, frame by frame: MOT text, annotated video, a live window."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np

from tracker.core.detections import Image, Tracks
from tracker.files.motchallenge import ResultWriter
from tracker.input.frames import Frames
from tracker.output.drawing import PLAIN, Style, Trails, contact_sheet, draw_tracks, show
from tracker.output.video import VideoWriter


class StopTracking(Exception):
    """The user closed the live window: end in good order."""


class Sink(AbstractContextManager["Sink"]):
    """Takes the tracks of each frame inside a `with` block; a file appears when the block ends without an error.

    Attributes:
        is_wanted: whether somebody asked for it, and is to be told by the exit code where there is none.
        draws: whether it shows pictures.
    """

    is_wanted = True
    draws = False

    def __init__(self, resource: AbstractContextManager[Any] | None = None) -> None:
        self._resource = resource

    def __enter__(self) -> Sink:
        if self._resource is not None:
            self._resource.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        if self._resource is not None:
            self._resource.__exit__(*error)

    def write(self, frame_index: int, image: Image | None, tracks: Tracks) -> None:
        """Take one frame: its number, its picture BGR uint8 [H, W, 3] where there is one, its tracks."""
        raise NotImplementedError


class TextSink(Sink):
    """MOTChallenge rows in a file.

    Args:
        writer: opens and closes the file.
        is_wanted: see `Sink`.
        with_classes: whether the eighth column is to say the class; else it is -1.
    """

    def __init__(self, writer: ResultWriter, is_wanted: bool = True, with_classes: bool = False) -> None:
        self._writer = writer
        self.is_wanted = is_wanted
        self._with_classes = with_classes
        super().__init__(self._writer)

    def write(self, frame_index: int, image: Image | None, tracks: Tracks) -> None:
        kinds = tracks.class_ids if self._with_classes else None
        self._writer.write(frame_index, tracks.ids, tracks.boxes, tracks.scores, kinds)


class VideoSink(Sink):
    """H.264 video with the tracks drawn in; of a video file, with its times and its sound.

    Args:
        style: how they are drawn.
        with_sound: whether the sound is copied, where there is one.
    """

    draws = True

    def __init__(
        self, path: Path, frame_rate: float, frames: Frames, style: Style = PLAIN, with_sound: bool = True
    ) -> None:
        self._frames = frames
        self._style = style
        self._writer = VideoWriter(path, frame_rate, frames.size)
        if (video := frames.video) is not None:
            sound = video.path if with_sound else None
            self._writer = VideoWriter(path, frame_rate, frames.size, video.time_base, sound, video.start)
        self._trails = Trails()
        super().__init__(self._writer)

    def write(self, frame_index: int, image: Image | None, tracks: Tracks) -> None:
        if image is not None:
            drawn = draw_tracks(image, tracks, self._trails, self._style, frame_index)
            self._writer.write(drawn, self._frames.time_of(frame_index))


class SheetSink(Sink):
    """A picture of annotated frames, evenly spread over the sequence.

    Args:
        path: of the picture, .png or .jpg.
        length: frames of the sequence; None where nobody knows, and then every hundredth frame is taken.
    """

    draws = True
    COUNT, COLUMNS, WIDTH = 6, 2, 640  # frames; of them side by side; pixels of one

    def __init__(self, path: Path, length: int | None, style: Style = PLAIN) -> None:
        self._path = path
        self._style = style
        self._every = max(length // self.COUNT, 1) if length else 100
        self._trails = Trails()
        self._images: list[Image] = []
        super().__init__()

    def write(self, frame_index: int, image: Image | None, tracks: Tracks) -> None:
        import cv2

        wanted = frame_index % self._every == self._every // 2 and len(self._images) < self.COUNT
        if image is None or not wanted:
            self._trails.update(tracks)
            return
        drawn = draw_tracks(image, tracks, self._trails, self._style, frame_index)
        height = round(drawn.shape[0] * self.WIDTH / drawn.shape[1])
        self._images.append(np.asarray(cv2.resize(drawn, (self.WIDTH, height), interpolation=cv2.INTER_AREA), np.uint8))

    def __exit__(self, *error: Any) -> None:
        if error[0] is None and self._images:
            contact_sheet(self._images, self.COLUMNS, self._path)


class WindowSink(Sink):
    """A live window; closing it, or pressing q, ends the run early."""

    draws = True

    def __init__(self, style: Style = PLAIN) -> None:
        self._style = style
        self._trails = Trails()
        super().__init__()

    def write(self, frame_index: int, image: Image | None, tracks: Tracks) -> None:
        if image is not None and not show(draw_tracks(image, tracks, self._trails, self._style, frame_index)):
            raise StopTracking
