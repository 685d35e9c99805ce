"""The sound of a video file, copied as it is beside new pictures of the same length."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from fractions import Fraction
from itertools import islice
from pathlib import Path
from types import TracebackType

import av

TRIAL = 8  # packets

logger = logging.getLogger(__name__)


class SoundCopy:
    """Copies the first sound of a file into an mp4 that is being written, without decoding it.

    Args:
        source: the file.
        start: second of it that is second 0 of the new one.
    """

    def __init__(self, source: Path, start: Fraction) -> None:
        self._start = start
        self._container = av.open(str(source))
        self._source = self._container.streams.audio[0] if self._container.streams.audio else None
        self._stream: av.AudioStream | None = None
        self._packets = self._read()
        self._waiting = next(self._packets, None)
        if self._source is not None and not self._fits(source):
            kind = self._source.codec_context.name
            logger.warning(f"{source}: its sound ({kind}) does not fit into mp4 and is left out")
            self._source = None

    def _fits(self, source: Path) -> bool:
        """Whether an mp4 in memory takes the first packets; PCM, which few players find in an mp4, is taken by none."""
        assert self._source is not None
        if self._source.codec_context.name.startswith("pcm_"):
            return False
        try:
            with av.open(str(source)) as again, av.open(io.BytesIO(), "w", format="mp4") as trial:
                stream = trial.add_stream_from_template(again.streams.audio[0])
                for packet in islice(again.demux(again.streams.audio[0]), TRIAL):
                    if packet.size and packet.dts is not None:
                        packet.stream = stream
                        trial.mux(packet)
        except (av.FFmpegError, ValueError):
            return False
        return True

    def add_to(self, container: av.container.OutputContainer) -> None:
        """Announce the sound to a container to which nothing has been written yet."""
        if self._source is not None:
            self._stream = container.add_stream_from_template(self._source)

    def copy(self, container: av.container.OutputContainer, until: Fraction) -> None:
        """Write what begins before a second of the new file."""
        while self._stream is not None and self._waiting is not None and self._time(self._waiting) < until:
            packet = self._waiting
            shift = round(self._start / packet.time_base)
            packet.pts, packet.dts = (packet.pts or 0) - shift, (packet.dts or 0) - shift
            packet.stream = self._stream
            container.mux(packet)
            self._waiting = next(self._packets, None)

    def _read(self) -> Iterator[av.Packet]:
        """The packets from the start on; a damaged end is an end."""
        if self._source is None:
            return
        try:
            for packet in self._container.demux(self._source):
                if packet.dts is not None and not packet.is_discard and self._time(packet) >= 0:
                    yield packet
        except av.FFmpegError:
            return

    def _time(self, packet: av.Packet) -> Fraction:
        return (packet.pts or 0) * packet.time_base - self._start

    def __enter__(self) -> SoundCopy:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._container.close()
