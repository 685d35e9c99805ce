"""What a report gathers while the frames are written: the video, crops, a view of the scene, and the rows."""

from __future__ import annotations

import shutil
from array import array
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from embedding.progress import say
from tracker.core.boxes import area
from tracker.core.detections import Image, Tracks
from tracker.input.frames import Frames
from tracker.output.drawing import PLAIN, Style
from tracker.output.sinks import Sink, VideoSink
from tracker.report.crops import BestCrops
from tracker.report.identities import Film, Rows

SECONDS_BETWEEN_VIEWS = 1.0  # of which the emptiest is kept


class ReportSink(Sink):
    """Memory grows by 36 bytes a track and frame, and by small pictures of a bounded number of identities.

    Args:
        video: the annotated video to write.
        frame_rate: frames a second.
        frames: where pictures come from; None where there are none.
        style: how tracks are drawn.
        with_sound: whether the video gets the sound.
        length: frames of the recording, where there are no pictures to count.
        same_as: a video that another sink writes of the same frames in the same style: it is copied in place of being
            encoded twice. None where there is none.
    """

    draws = True
    is_whole = False  # until the last frame has come and the video is closed

    def __init__(
        self,
        video: Path,
        frame_rate: float,
        frames: Frames | None,
        style: Style = PLAIN,
        with_sound: bool = True,
        length: int | None = None,
        same_as: Path | None = None,
    ) -> None:
        self.video, self._same_as = video, same_as
        self._rate, self._frames, self._length = frame_rate, frames, length
        self._film = VideoSink(video, frame_rate, frames, style, with_sound) if frames and same_as is None else None
        self.crops = BestCrops()
        self.scene: Image | None = None
        self._least = np.inf  # share of the picture that people cover in it
        self._last_view = -np.inf  # second
        self._numbers, self._seconds, self._places = array("q"), array("d"), array("d")
        self._is_timed = frames is not None and frames.video is not None
        self._frames_of, self._ids, self._boxes, self._kinds = array("q"), array("q"), array("f"), array("i")
        super().__init__()

    def __enter__(self) -> ReportSink:
        with ExitStack() as stack:
            if self._film is not None:
                stack.enter_context(self._film)
            self._open = stack.pop_all()
        return self

    def write(self, frame_index: int, image: Image | None, tracks: Tracks) -> None:
        self._frames_of.extend([frame_index] * len(tracks))
        self._ids.extend(tracks.ids.tolist())
        self._boxes.extend(tracks.boxes.ravel().tolist())
        self._kinds.extend(tracks.class_ids.tolist())
        if image is not None:
            second = self._second(frame_index)
            self._places.append(second if self._is_timed else len(self._numbers) / self._rate)
            self._numbers.append(frame_index)
            self._seconds.append(second)
            if self._film is not None:
                self._film.write(frame_index, image, tracks)
            self.crops.see(frame_index, image, tracks)
            self._view(second, image, tracks)

    def _second(self, frame_index: int) -> float:
        time = None if self._frames is None else self._frames.time_of(frame_index)
        return (frame_index - 1) / self._rate if time is None else float(time)

    def _view(self, second: float, image: Image, tracks: Tracks) -> None:
        """Keep the frame in which people cover least, as the picture of the scene."""
        if second - self._last_view < SECONDS_BETWEEN_VIEWS:
            return
        self._last_view = second
        covered = float(area(tracks.boxes).sum())
        if covered < self._least:
            self._least, self.scene = covered, image.copy()

    def __exit__(self, *error: Any) -> None:
        self._open.__exit__(*error)
        if error[0] is None and self._same_as is not None:
            if self._same_as.is_file():
                shutil.copyfile(self._same_as, self.video)
            else:
                say(f"{self._same_as}: is not there, the report has no video")
        self.is_whole = error[0] is None

    @property
    def film(self) -> Film:
        """When the frames were that came by."""
        if self._frames is None:
            last = max(self._length or 0, *self._frames_of[-1:], 0)
            numbers = np.arange(1, last + 1)
            seconds = (numbers - 1) / self._rate
            return Film(numbers, seconds, seconds, self._rate, None)
        numbers, size = np.array(self._numbers, np.int64), self._frames.size
        return Film(numbers, np.array(self._seconds, float), np.array(self._places, float), self._rate, size)

    @property
    def rows(self) -> Rows:
        """All tracks that came by."""
        boxes = np.array(self._boxes, np.float32).reshape(-1, 4)
        frames, ids, kinds = (np.array(one, np.int64) for one in (self._frames_of, self._ids, self._kinds))
        return Rows.sorted(frames, ids, boxes, kinds)
