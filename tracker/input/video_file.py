"""The frames of a video file: upright, with their times, and whether all are there that the file promises.

Decoded by PyAV with the conversion that OpenCV uses, so that pictures equal those of `cv2.VideoCapture`, bit by bit;
interlaced ones are right, for which that hands back memory it has not written to.
"""

from __future__ import annotations

import logging
import os
from array import array
from collections.abc import Generator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from tracker.errors import InputError, shortened
from tracker.input.images import IMAGE_SUFFIXES, MAX_PIXELS, require_image

SHORTFALL = 0.1  # part of the promised frames that may be missing before a file is refused
LISTED = frozenset({"mov", "avi"})  # containers that list every frame, so that one missing is known to be
HEADED = frozenset({"matroska", "flv", "asf"})  # those whose header says how long the whole file lasts
ROUNDING = 0.002  # seconds; times in Matroska are whole milliseconds

logger = logging.getLogger(__name__)


class NotAsListed(Exception):
    """A video whose frames are not those that its packets announce: it has to be decoded in one go."""


class VideoFile:
    """One video stream of a file, to be decoded once.

    Attributes:
        size: width and height in pixels, as shown.
        frame_rate: frames a second, or None where the file does not say; of frames in unequal steps, about the mean.
        time_base: seconds, the unit in which its frames' times are whole.
        length: number of frames, exact where the file lists them and an estimate elsewhere; None where nothing is said.
    """

    def __init__(self, path: Path, container: av.container.InputContainer) -> None:
        self.path, self.name = path, str(path)
        self._container = container
        self._stream = container.streams.video[0]
        if self._stream.codec_context is None:
            raise InputError(f"{path}: cannot be opened: its video is in a format that nothing here decodes")
        self.time_base = self._stream.time_base or Fraction(1, 1000)  # a closed container forgets it
        # One thread costs least, and tracking goes on beside it; OpenCV's variable asks for more, 0 for one a core.
        asked = os.environ.get("OPENCV_FFMPEG_THREADS", "")
        self._threads = int(asked) if asked.isdecimal() else 1
        self._stream.thread_type = "AUTO"
        self._stream.codec_context.thread_count = self._threads
        self._kind = container.format.name.split(",")[0]
        self._pixels = self._stream.codec_context.width, self._stream.codec_context.height
        if self._pixels[0] * self._pixels[1] > MAX_PIXELS:
            raise InputError(
                f"{path}: declares {self._pixels[0]}x{self._pixels[1]} pixels, expected {MAX_PIXELS} in all at most"
            )
        self._times = array("q")  # of the frames decoded so far, in units of the stream's time base
        self._seen = _Seen()
        self._undecodable = 0
        self._is_scaled = False
        rate = self._stream.guessed_rate or self._stream.average_rate
        self.frame_rate = float(rate) if rate and 0 < rate <= 1000 else None
        seconds = self._seconds()
        mean_rate = self._stream.average_rate or rate
        self.length = round(seconds * mean_rate) or None if seconds and mean_rate else None
        self._decoded = self._decode()
        self._first = next(self._decoded, None)
        if self._first is None:
            raise InputError(f"{path}: cannot be opened: no frame can be decoded")
        self.size = self._first.shape[1], self._first.shape[0]

    @classmethod
    def open(cls, path: Path) -> VideoFile | None:
        """The file, or None where it is no video to PyAV.

        Raises:
            InputError: it is one, but no frame of it can be decoded.
        """
        if path.suffix.lower() in IMAGE_SUFFIXES:
            require_image(path.read_bytes(), path)
        try:
            container = av.open(str(path))
        except (av.FFmpegError, ValueError):
            return None
        try:
            if container.streams.video:
                return cls(path, container)
        except BaseException:
            container.close()
            raise
        container.close()
        return None

    def frames(self) -> Generator[tuple[int, NDArray[np.uint8]], None, None]:
        """Number, from 1, and picture, BGR uint8 [H, W, 3], of every frame.

        Raises:
            InputError: at the end, where much is missing of what the file promises; where little is, a line says so.
        """
        assert self._first is not None
        yield 1, self._first
        self._first = None
        count = 1
        for count, image in enumerate(self._decoded, start=2):
            yield count, image
        self._require_whole(count)

    def listed(self) -> NDArray[np.int64] | None:
        """The time of every frame in its own unit, in order, as the packets say without being decoded.

        None where they do not say it of each. Of a file of which something is missing, a line says so.

        Raises:
            InputError: much is missing.
        """
        seen, times = _Seen(), []
        with av.open(str(self.path)) as container:
            stream = container.streams.video[0]
            try:
                for packet in container.demux():
                    seen.add(packet, stream)
                    if packet.stream_index == stream.index and packet.size:
                        if packet.pts is None or packet.is_discard or packet.is_corrupt:
                            return None
                        times.append(packet.pts)
            except av.FFmpegError:
                return None
        found = np.unique(np.array(times, np.int64))
        if not len(found) or len(found) < len(times):
            return None
        self._seen, self._times = seen, array("q", found.tolist())
        self._require_whole(len(found))
        return found

    def between(
        self, times: NDArray[np.int64], first: int, last: int
    ) -> Generator[tuple[int, NDArray[np.uint8]], None, None]:
        """Frames `first` to `last`, decoded from the key frame before them on.

        Args:
            times: as `listed` returns them.

        Raises:
            NotAsListed: what is decoded has other times than those listed.
        """
        with av.open(str(self.path)) as container:
            stream = container.streams.video[0]
            stream.thread_type, stream.codec_context.thread_count = "AUTO", self._threads
            expected = first
            try:
                if first > 1:
                    container.seek(int(times[first - 1]), stream=stream)
                for packet in container.demux(stream):
                    for frame in packet.decode():
                        if frame.pts is not None and frame.pts < times[first - 1]:
                            continue
                        if frame.pts != times[expected - 1]:
                            raise NotAsListed(f"{self.name}: frame {expected} comes at another time than listed")
                        yield expected, self._picture(frame)
                        expected += 1
                        if expected > last:
                            return
            except av.FFmpegError as error:
                raise NotAsListed(f"{self.name}: frame {expected}: {shortened(error)}") from None
        raise NotAsListed(f"{self.name}: ends before frame {expected}, which is listed")

    def time_of(self, frame_index: int) -> Fraction:
        """Seconds from the first frame to one that has been decoded; grows from frame to frame."""
        return (self._times[frame_index - 1] - self._times[0]) * self.time_base

    @property
    def start(self) -> Fraction:
        """The time, by the file's own clock, of the first frame, seconds."""
        return self._times[0] * self.time_base

    def close(self) -> None:
        self._container.close()

    def _seconds(self) -> Fraction | None:
        """How long the file says that it lasts: this stream, or all of them."""
        if self._kind == "avi" and self._stream.frames:  # FFmpeg shortens the duration with the file
            return self._stream.frames * self.time_base
        if self._stream.duration:  # without what an edit list hides
            return self._stream.duration * self.time_base
        return Fraction(self._container.duration, av.time_base) if self._container.duration else None

    def _decode(self) -> Generator[NDArray[np.uint8], None, None]:
        for packet in self._packets():
            try:
                decoded = self._stream.codec_context.decode(packet)
            except EOFError:  # asked for its last frames a second time
                return
            except av.FFmpegError:
                self._undecodable += 1
                continue
            for frame in decoded:
                yield self._picture(frame)

    def _packets(self) -> Generator[av.Packet | None, None, None]:
        """The stream's packets, and None behind the last: a decoder keeps some frames back until then."""
        try:
            for packet in self._container.demux():
                self._seen.add(packet, self._stream)
                if packet.stream_index == self._stream.index and packet.size:
                    yield packet
        except av.FFmpegError:  # the damaged end of a file
            self._undecodable += 1
        yield None

    def _picture(self, frame: av.VideoFrame) -> NDArray[np.uint8]:
        if not self._times:
            self._pixels = frame.width, frame.height
        self._times.append(self._following_time(frame.pts))
        width, height = self._pixels
        if (frame.width, frame.height) != self._pixels and not self._is_scaled:
            self._is_scaled = True
            logger.warning(
                f"{self.name}: frame {len(self._times)} is {frame.width}x{frame.height} pixels, scaled to "
                f"{width}x{height} like the first"
            )
        try:
            shown = frame.reformat(width, height, "bgr24", interpolation="BICUBIC", threads=self._threads)
            image = np.asarray(shown.to_ndarray(), np.uint8)
        except (av.FFmpegError, ValueError) as error:
            raise InputError(
                f"{self.name}: frame {len(self._times)}: {frame.format.name} becomes no BGR: {error}"
            ) from None
        return _upright(image, frame.rotation)

    def _following_time(self, pts: int | None) -> int:
        if not self._times:
            return pts or 0
        if pts is not None and pts > self._times[-1]:
            return pts
        step = 1 / (Fraction(self.frame_rate or 25).limit_denominator(1001) * self.time_base)
        return self._times[-1] + max(1, round(step))

    def _require_whole(self, count: int) -> None:
        seconds, seen = self._seconds(), self._seen
        lacking = missing_bytes(self.path) if self._kind in LISTED | HEADED else 0
        found, is_short = f"{self.name}: ends after frame {count}", lacking > 0
        # How long the last frame of a stream in unequal steps is shown is known of mp4 alone.
        longest = int(max(np.diff(self._times), default=0)) * self.time_base
        if seconds and self.length and self._kind in LISTED:
            found += f", expected {self.length}"
            end = seen.shown if self._kind == "mov" else self._times[-1] * self.time_base + longest
            is_short |= seconds - end > ROUNDING or count < seen.packets
            least = 1 - SHORTFALL
            if end < least * seconds or (self._undecodable and count < least * seen.packets):
                raise InputError(f"{found}: cut short or corrupt?")
        elif seconds and self._kind in HEADED:
            found += f" at {float(seen.end_of_all):.2f} s, expected {float(seconds):.2f} s"
            is_short |= seconds - seen.end_of_all > longest + ROUNDING
        if is_short:
            logger.warning(f"{found}{f' ({lacking} bytes are missing)' if lacking else ''}: cut short or corrupt?")
        elif self._undecodable:
            logger.warning(f"{self.name}: parts of it cannot be decoded, {count} frames can: corrupt?")


@dataclass(slots=True)
class _Seen:
    """What the packets of a file have added up to, in seconds."""

    packets: int = 0  # of the stream that are to be shown
    shown: Fraction = Fraction(0)  # how long they are, all together
    end_of_all: Fraction = Fraction(0)  # where the last packet of any stream ends

    def add(self, packet: av.Packet, stream: av.VideoStream) -> None:
        if not packet.size or packet.is_discard or packet.time_base is None:
            return
        duration = 0 if packet.is_corrupt else (packet.duration or 0) * packet.time_base
        self.end_of_all = max(self.end_of_all, (packet.pts or 0) * packet.time_base + duration)
        if packet.stream_index == stream.index:
            self.packets += 1
            self.shown += duration


def missing_bytes(path: Path) -> int:
    """How many bytes a file is shorter than the parts of it that its container announces; 0 where it announces none."""
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(1024)
        if head.startswith(b"\x1a\x45\xdf\xa3"):
            return max(_end_of_matroska(head) - size, 0)
        if head[:4] == b"RIFF":
            return max(8 + int.from_bytes(head[4:8], "little") - size, 0)
        end = 0
        while head[4:8].isalnum() and head[4:8].isascii() and end < size:  # the boxes of an mp4
            length = int.from_bytes(head[:4], "big")
            if length == 1:
                length = int.from_bytes(head[8:16], "big")
            if length < 8:  # 0: to the end of the file
                return 0
            end += length
            file.seek(end)
            head = file.read(16)
        return max(end - size, 0)


def _end_of_matroska(head: bytes) -> int:
    """Where the segment behind the header ends; 0 where it does not say, as in a live recording."""
    start = sum(_matroska_size(head, 4))
    if head[start : start + 4] != b"\x18\x53\x80\x67":
        return 0
    begin, length = _matroska_size(head, start + 4)
    return begin + length if length else 0


def _matroska_size(head: bytes, start: int) -> tuple[int, int]:
    """Where the content of an element begins, and its length; 0 for unknown, which is written as all ones."""
    width = 9 - head[start].bit_length()  # bytes: as many leading zero bits, and one
    value = int.from_bytes(head[start : start + width], "big") & ((1 << 7 * width) - 1)
    return start + width, 0 if value == (1 << 7 * width) - 1 else value


def _upright(image: NDArray[np.uint8], degrees: int) -> NDArray[np.uint8]:
    """Turned as the file asks for, in quarters, counter-clockwise."""
    import cv2

    turns = {90: cv2.ROTATE_90_COUNTERCLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_CLOCKWISE}
    turn = turns.get(degrees % 360)
    return image if turn is None else np.asarray(cv2.rotate(image, turn), np.uint8)
