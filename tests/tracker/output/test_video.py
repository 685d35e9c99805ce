"""Video that plays in a browser, and nothing left behind by a run that fails."""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from embedding.files import partial_path
from tracker.core.detections import Tracks
from tracker.errors import InputError
from tracker.input.frames import open_frames
from tracker.output.sinks import VideoSink
from tracker.output.video import VideoWriter

COLOURS = np.array([[20, 40, 200], [200, 80, 30], [128, 128, 128], [10, 220, 60]], np.uint8)  # BGR


def flat(colour: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    return np.broadcast_to(colour, (size[1], size[0], 3)).copy()


@pytest.mark.parametrize(
    ("size", "padded"),
    [
        ((64, 48), (64, 48)),  # as it is
        ((65, 48), (66, 48)),  # odd width
        ((33, 35), (34, 36)),  # both odd
    ],
)
def test_written_frames_come_back(tmp_path: Path, size: tuple[int, int], padded: tuple[int, int]) -> None:
    path = tmp_path / "new/folder/clip.mp4"
    with VideoWriter(path, 29.97, size) as video:
        for colour in COLOURS:
            video.write(flat(colour, size))
    with open_frames(path) as frames:
        assert frames.size == padded
        assert frames.frame_rate == pytest.approx(29.97, abs=1e-2)
        shown = np.array([image.mean(axis=(0, 1)) for _, image in frames])
    np.testing.assert_allclose(shown, COLOURS, atol=8)


def test_video_is_what_browsers_play(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    with VideoWriter(path, 30, (64, 48)) as video:
        video.write(flat(COLOURS[0], (64, 48)))
    with av.open(str(path)) as container:
        context = container.streams.video[0].codec_context
        assert (context.name, context.pix_fmt) == ("h264", "yuv420p")
    written = path.read_bytes()
    assert written.index(b"moov") < written.index(b"mdat")  # plays before it has been downloaded


def test_a_failed_run_leaves_no_file_and_keeps_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"an older video")
    with pytest.raises(KeyboardInterrupt), VideoWriter(path, 30, (64, 48)) as video:
        video.write(flat(COLOURS[0], (64, 48)))
        raise KeyboardInterrupt
    assert [file.name for file in tmp_path.iterdir()] == ["clip.mp4"]
    assert path.read_bytes() == b"an older video"


def write_nothing(path: Path) -> None:
    with VideoWriter(path, 30, (64, 48)):
        pass


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("clip.avi", "ends in .mp4"),  # another format
        ("file/clip.mp4", "cannot be written"),  # a folder that is a file
        ("clip.mp4", "no frame to write"),  # a run without frames
    ],
)
def test_what_cannot_be_written_says_so(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=message):
        write_nothing(tmp_path / name)
    assert [file.name for file in tmp_path.iterdir()] == ["file"]


def test_a_frame_of_another_size_is_refused(tmp_path: Path) -> None:
    with (
        pytest.raises(ValueError, match=r"expected shape \(48, 64, 3\)"),
        VideoWriter(tmp_path / "clip.mp4", 30, (64, 48)) as video,
    ):
        video.write(flat(COLOURS[0], (48, 64)))


# --- of a video file: its times and its sound ------------------------------------------------------------------------

STEPS = np.cumsum([0, 40, 120, 33, 400, 40, 40, 900, 40, 40]).tolist()  # milliseconds


def footage(path: Path, sound: str | None = None, times: list[int] | None = None, seconds: float = 3.0) -> Path:
    """Ten pictures at `times`, and a tone."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=5)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        video.codec_context.time_base = Fraction(1, 1000)
        audio = container.add_stream(sound, rate=44_100, layout="mono") if sound else None
        for number in range(10):
            frame = av.VideoFrame.from_ndarray(flat(COLOURS[number % 4], (64, 48)), format="bgr24")
            frame.pts, frame.time_base = 200 * number if times is None else times[number], Fraction(1, 1000)
            container.mux(video.encode(frame))
        container.mux(video.encode())
        if audio is not None:
            tone = (8000 * np.sin(np.arange(round(44_100 * seconds)) / 10)).astype(np.int16)[None]
            whole = av.AudioFrame.from_ndarray(tone, format="s16", layout="mono")
            whole.sample_rate, whole.pts = 44_100, 0
            resampler = av.AudioResampler(audio.format, "mono", 44_100, audio.codec_context.frame_size or 1024)
            for part in [*resampler.resample(whole), *resampler.resample(None)]:
                container.mux(audio.encode(part))
            container.mux(audio.encode())
    return path


def shown(source: Path, path: Path, last: int = 10) -> Path:
    """As `track --video` does."""
    nothing = Tracks(np.zeros(0, np.int64), np.zeros((0, 4)), np.zeros(0), np.zeros(0, np.int64), np.zeros(0, np.int64))
    with open_frames(source) as frames, VideoSink(path, frames.frame_rate or 30, frames) as sink:
        for frame_index, image in frames:
            if frame_index <= last:
                sink.write(frame_index, image, nothing)
    return path


def times_in(path: Path) -> list[int]:
    with av.open(str(path)) as container:
        return [round(1000 * frame.time) for frame in container.decode(video=0)]


@pytest.mark.parametrize("name", ["clip.mp4", "clip.mkv", "clip.ts"])
@pytest.mark.parametrize("times", [None, STEPS])
def test_a_video_keeps_the_times_of_its_source(tmp_path: Path, name: str, times: list[int] | None) -> None:
    written = shown(footage(tmp_path / name, times=times), tmp_path / "out.mp4")
    assert times_in(written) == (list(range(0, 2000, 200)) if times is None else times)


@pytest.mark.parametrize(
    ("name", "sound", "decoder"), [("a.mp4", "aac", "aac"), ("a.ts", "aac", "aac"), ("a.mkv", "flac", "flac")]
)
def test_sound_is_copied(tmp_path: Path, name: str, sound: str, decoder: str, caplog) -> None:
    source = footage(tmp_path / name, sound)
    with av.open(str(shown(source, tmp_path / "out.mp4"))) as container:
        packets = [bytes(packet) for packet in container.demux(audio=0) if packet.size]
        (stream,) = container.streams.audio
        assert stream.codec_context.name == decoder
        assert float(stream.duration * stream.time_base) == pytest.approx(2.0, abs=0.11)  # as long as the pictures
    with av.open(str(shown(source, tmp_path / "short.mp4", last=5))) as container:
        (stream,) = container.streams.audio
        assert float(stream.duration * stream.time_base) == pytest.approx(1.0, abs=0.11)
    if name != "a.ts":  # whose packets carry headers of their own
        with av.open(str(source)) as container:
            given = [bytes(packet) for packet in container.demux(audio=0) if packet.size and not packet.is_discard]
        assert packets == given[: len(packets)]
    assert not caplog.records


@pytest.mark.parametrize(("name", "sound"), [("a.avi", "pcm_s16le"), ("a.mov", "pcm_s16le"), ("a.mkv", "wavpack")])
def test_sound_that_does_not_fit_is_left_out_and_said(tmp_path: Path, name: str, sound: str, caplog) -> None:
    source = footage(tmp_path / name, sound)
    with av.open(str(shown(source, tmp_path / "out.mp4"))) as container:
        assert not container.streams.audio
    assert f"{source}: its sound ({sound}) does not fit into mp4 and is left out" in caplog.text


def test_sound_begins_with_the_pictures(tmp_path: Path) -> None:
    """The pictures begin at 1 s, the tone at 0: its first second is not heard."""
    source = footage(tmp_path / "a.mkv", "flac", [1000 + 200 * number for number in range(10)])
    written = shown(source, tmp_path / "out.mp4")
    with av.open(str(written)) as container:
        assert float(next(container.decode(audio=0)).time) == pytest.approx(0, abs=0.06)
        assert times_in(written)[0] == 0


# --- while it is written ---------------------------------------------------------------------------------------------


def test_a_video_that_is_cut_plays(tmp_path: Path) -> None:
    """What lies there when the machine stops, at any moment, holds the frames up to some seconds before."""
    path, cut = tmp_path / "clip.mp4", tmp_path / "cut.mp4"
    with VideoWriter(path, 10, (64, 48)) as video:
        for number in range(300):
            video.write(flat(COLOURS[number // 60 % 4], (64, 48)))
        left = partial_path(path).read_bytes()
        assert not path.exists()
    cut.write_bytes(left[: len(left) - 100])
    with av.open(str(cut)) as container:
        played = 0
        with suppress(av.FFmpegError):
            for _ in container.decode(video=0):
                played += 1
    assert 150 <= played < 300
    assert len(times_in(path)) == 300
    assert [file.name for file in sorted(tmp_path.iterdir())] == ["clip.mp4", "cut.mp4"]


def test_a_video_into_a_pipe_plays(tmp_path: Path) -> None:
    pipe, copy = tmp_path / "pipe.mp4", tmp_path / "copy.mp4"
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: copy.write_bytes(pipe.read_bytes()))
    reader.start()
    with VideoWriter(pipe, 10, (64, 48)) as video:
        for _ in range(20):
            video.write(flat(COLOURS[0], (64, 48)))
    reader.join(20)
    assert len(times_in(copy)) == 20 and pipe.is_fifo()
