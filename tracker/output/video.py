"""Pictures out: H.264 video that plays in a browser."""

from __future__ import annotations

from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import numpy as np

from embedding.files import PARTIAL, atomic_path, growing_path, sync
from tracker.core.detections import Image
from tracker.errors import InputError
from tracker.output.growing import Pace

if TYPE_CHECKING:
    import av

QUALITY = "23"  # libx264's constant rate factor, its default: lower is better and larger
FRAGMENTS = "+frag_keyframe+delay_moov+default_base_moof"  # a file that plays however short it is cut
HYBRID = "+hybrid_fragmented+delay_moov"  # likewise, until it is finished with an index at its end
FRAGMENT = "2000000"  # microseconds
BT601 = 6  # the matrix FFmpeg converts BGR with; written down so that players undo the same one


class VideoWriter:
    """Writes frames to an MP4 (H.264, yuv420p, index first), which appears when the `with` block ends without an error.

    Until then the pictures lie in NAME.mp4.partial, in fragments of a few seconds, and play up to the last of them. A
    pipe gets such fragments too, without sound.

    Args:
        path: the file to write; its name ends in .mp4.
        frame_rate: frames a second.
        size: width and height in pixels of every frame; an odd one is padded by one pixel, as yuv420p needs even ones.
        time_base: seconds, the unit of the times that frames come with; None where they come in equal steps.
        sound: a video file whose sound is copied, where mp4 can hold it; a line says where it cannot.
        sound_start: the second of that file which the first frame shows.

    Raises:
        InputError: the name does not end in .mp4, or nothing can be written there.
    """

    def __init__(
        self,
        path: str | Path,
        frame_rate: float,
        size: tuple[int, int],
        time_base: Fraction | None = None,
        sound: Path | None = None,
        sound_start: Fraction = Fraction(0),
    ) -> None:
        if Path(path).suffix.lower() != ".mp4":
            raise InputError(f"{path}: expected a name that ends in .mp4")
        if not (frame_rate > 0 and min(size) > 0):
            raise ValueError(f"expected a positive frame rate and size, found {frame_rate} and {size}")
        self._path = path
        self._size = size
        self._frame_rate = Fraction(frame_rate).limit_denominator(1001)
        self._time_base = time_base
        self._sound_of, self._sound_start = sound, sound_start
        self._end = Fraction(0)  # seconds
        self._pace = Pace()

    def __enter__(self) -> VideoWriter:
        import av

        with ExitStack() as stack:
            self._temporary = stack.enter_context(growing_path(self._path))
            grows = self._temporary.suffix == PARTIAL
            if grows:
                stack.push(self._finish)
            options = {"movflags": HYBRID if grows else FRAGMENTS, "frag_duration": FRAGMENT, "flush_packets": "1"}
            # FFmpeg keeps to itself that the last bytes could not be written
            file = stack.enter_context(self._temporary.open("wb", buffering=0))
            self._container = stack.enter_context(av.open(file, "w", format="mp4", options=options))
            self._stream = self._add_stream(self._container)
            self._open = stack.pop_all()
        return self

    def _add_stream(self, container: av.container.OutputContainer) -> av.VideoStream:
        stream = container.add_stream("libx264", rate=self._frame_rate, options={"crf": QUALITY, "preset": "veryfast"})
        stream.width, stream.height = (side + side % 2 for side in self._size)
        stream.pix_fmt = "yuv420p"
        stream.codec_context.colorspace = BT601
        if self._time_base is not None:
            stream.codec_context.time_base = self._time_base
        return stream

    def write(self, image: Image, time: Fraction | None = None) -> None:
        """Append one frame, BGR uint8 [H, W, 3], to be shown at `time` seconds where frames come with times."""
        import av

        width, height = self._size
        if image.shape != (height, width, 3):
            raise ValueError(f"image: expected shape ({height}, {width}, 3), found {image.shape}")
        if height % 2 or width % 2:
            image = np.pad(image, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
        frame = av.VideoFrame.from_ndarray(image, format="bgr24")
        if time is not None and self._time_base is not None:
            frame.pts, frame.time_base = round(time / self._time_base), self._time_base
        self._container.mux(self._stream.encode(frame))
        self._end = (self._end if time is None else time) + 1 / self._frame_rate
        if self._pace.is_due():
            sync(self._temporary)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self._open.push(self._flush)
        self._open.__exit__(kind, error, trace)

    def _finish(self, kind: type[BaseException] | None, *_: object) -> None:
        """Copy the finished pictures, packet by packet, behind an index of all of them, with the sound."""
        import av

        if kind is not None:
            return
        with ExitStack() as stack:
            whole = stack.enter_context(atomic_path(self._temporary))
            source = stack.enter_context(av.open(str(self._temporary)))
            options = {"movflags": "+faststart"}
            container = stack.enter_context(av.open(str(whole), "w", format="mp4", options=options))
            stream, sound = container.add_stream_from_template(source.streams.video[0]), None
            if self._sound_of is not None:
                from tracker.output.sound import SoundCopy

                sound = stack.enter_context(SoundCopy(self._sound_of, self._sound_start))
                sound.add_to(container)
            for packet in source.demux():
                if packet.dts is not None:
                    if sound is not None:
                        sound.copy(container, until=packet.dts * packet.time_base)
                    packet.stream = stream
                    container.mux(packet)
            if sound is not None:
                sound.copy(container, until=self._end)

    def _flush(self, *_: object) -> None:
        if not self._stream.codec_context.is_open:
            raise InputError(f"{self._path}: not written, as there was no frame to write")
        self._container.mux(self._stream.encode())
