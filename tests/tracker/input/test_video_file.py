"""Video files as people have them: interlaced, trimmed, turned, in unequal steps, cut short; all against OpenCV."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from tracker.errors import InputError
from tracker.input.frames import open_frames
from tracker.input.video_file import missing_bytes

SIZE = (160, 96)
RATE = 25
VARIED = [0, *np.cumsum([33, 33, 100, 33, 400, 67, 33, 200, 33, 33] * 5).tolist()][:50]  # milliseconds


def painted(number: int, size: tuple[int, int] = SIZE) -> np.ndarray:
    """A picture whose eight upright bars are the bits of a number, over colours that run."""
    width, height = size
    ramp = np.linspace(0, 120, width, dtype=np.uint8)
    image = np.dstack([np.broadcast_to(channel, (height, width)) for channel in (ramp, ramp[::-1], ramp)]).copy()
    for bit in range(8):
        bar = slice(bit * width // 8, (bit + 1) * width // 8)
        image[height // 3 : 2 * height // 3, bar] = 255 if number >> bit & 1 else 0
    return image


def number_in(image: np.ndarray) -> int:
    row = image[image.shape[0] // 2].mean(axis=1)
    middles = (2 * np.arange(8) + 1) * image.shape[1] // 16
    return int(sum(1 << bit for bit in range(8) if row[middles[bit]] > 127))


def write(
    path: Path,
    codec: str = "libx264",
    pixels: str = "yuv420p",
    frames: int = 30,
    size: tuple[int, int] = SIZE,
    times: Sequence[int] | None = None,
    interlaced: bool = False,
    colours: tuple[int, int] | None = None,
) -> Path:
    """A video of painted numbers 0, 1, 2, ...; `times` in milliseconds, `colours` a matrix and a range."""
    options = {"movflags": "+faststart"} if path.suffix in (".mp4", ".mov") else {}
    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream(codec, rate=RATE)
        stream.width, stream.height = size
        stream.pix_fmt = pixels
        context = stream.codec_context
        if times is not None:
            context.time_base = Fraction(1, 1000)
        if interlaced:
            context.flags |= av.codec.context.Flags.interlaced_dct | av.codec.context.Flags.interlaced_me
            if codec == "libx264":
                context.options = {"x264-params": "tff=1"}
        if colours is not None:
            context.colorspace, context.color_range = colours
        for number in range(frames):
            frame = av.VideoFrame.from_ndarray(painted(number, size), format="bgr24").reformat(format=pixels)
            if times is not None:
                frame.pts, frame.time_base = times[number], Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def trim(source: Path, path: Path, hidden: int) -> Path:
    """The packets of a clip with its first frames before time 0: the muxer hides them by an edit list."""
    with av.open(str(source)) as clip, av.open(str(path), "w", options={"movflags": "+faststart"}) as trimmed:
        stream = trimmed.add_stream_from_template(clip.streams.video[0])
        for packet in clip.demux(video=0):
            if packet.dts is not None:
                shift = round(Fraction(hidden, RATE) / packet.time_base)
                packet.pts, packet.dts = packet.pts - shift, packet.dts - shift
                packet.stream = stream
                trimmed.mux(packet)
    return path


def by_opencv(path: Path) -> list[np.ndarray]:
    capture, read = cv2.VideoCapture(str(path)), []
    while (decoded := capture.read())[0]:
        read.append(decoded[1])
    return read


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("a.mp4", {}),  # what most people have
        ("a.mp4", {"size": (162, 98)}),
        ("a.mp4", {"colours": (1, 1)}),  # BT.709
        ("a.mp4", {"colours": (5, 2), "pixels": "yuvj420p"}),  # BT.601, full range
        ("a.mp4", {"pixels": "yuv420p10le"}),  # ten bits
        ("a.mp4", {"pixels": "yuv444p"}),
        ("a.mkv", {"codec": "ffv1", "size": (159, 95)}),  # odd sizes
        ("a.mkv", {"codec": "ffv1", "size": (159, 95), "colours": (9, 1)}),  # BT.2020
        ("a.mkv", {"codec": "ffv1", "pixels": "gray"}),
        ("a.mkv", {"codec": "ffv1", "pixels": "yuv410p"}),
        ("a.mkv", {"codec": "ffv1", "pixels": "bgra"}),  # transparency
        ("a.avi", {"codec": "mjpeg", "pixels": "yuvj422p"}),
        ("a.avi", {"codec": "mpeg4"}),
        ("a.ts", {"codec": "mpeg2video"}),
        ("a.flv", {"codec": "flv1"}),
        ("a.mkv", {"times": VARIED}),  # unequal steps
    ],
)
@pytest.mark.slow
def test_pictures_are_opencvs_bit_by_bit(tmp_path: Path, name: str, given: dict, caplog) -> None:
    path = write(tmp_path / name, **given)
    with open_frames(path) as frames:
        read = dict(frames)
        capture = cv2.VideoCapture(str(path))
        assert frames.frame_rate == capture.get(cv2.CAP_PROP_FPS)
        assert frames.length == capture.get(cv2.CAP_PROP_FRAME_COUNT)
    assert list(read) == list(range(1, 31))
    assert [number_in(image) for image in read.values()] == list(range(30))
    np.testing.assert_array_equal(list(read.values()), by_opencv(path))
    assert not caplog.records  # no doubts about a whole file


@pytest.mark.parametrize("threads", ["1", "3", "0", "many", ""])
@pytest.mark.slow
def test_threads_change_nothing(tmp_path: Path, threads: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a.mp4")
    expected = by_opencv(path)
    monkeypatch.setenv("OPENCV_FFMPEG_THREADS", threads)
    with open_frames(path) as frames:
        np.testing.assert_array_equal([image for _, image in frames], expected)


@pytest.mark.parametrize(("name", "codec"), [("a.mp4", "libx264"), ("a.ts", "libx264"), ("a.mpg", "mpeg2video")])
def test_interlaced(tmp_path: Path, name: str, codec: str) -> None:
    path = write(tmp_path / name, codec, interlaced=True)
    with av.open(str(path)) as container:
        assert next(container.decode(video=0)).interlaced_frame
    with open_frames(path) as frames:
        assert [number_in(image) for _, image in frames] == list(range(30))


@pytest.mark.parametrize("hidden", [1, 7, 20])
def test_a_trimmed_clip_is_whole(tmp_path: Path, hidden: int, caplog) -> None:
    path = trim(write(tmp_path / "whole.mp4"), tmp_path / "trimmed.mp4", hidden)
    with av.open(str(path)) as container:
        assert container.streams.video[0].frames == 30  # in the header
    with open_frames(path) as frames:
        assert frames.length == 30 - hidden
        assert [number_in(image) for _, image in frames] == list(range(hidden, 30))
    assert not caplog.records


@pytest.mark.parametrize("hidden", [0, 7])
@pytest.mark.slow
def test_a_trimmed_clip_may_be_cut_short_too(tmp_path: Path, hidden: int) -> None:
    path = trim(write(tmp_path / "whole.mp4", frames=100), tmp_path / "trimmed.mp4", hidden)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 3 // 4])
    expected = rf"ends after frame \d+, expected {100 - hidden}: cut short"
    with open_frames(path) as frames, pytest.raises(InputError, match=expected):
        list(frames)


@pytest.mark.parametrize(
    ("name", "codec", "times"),
    [
        ("a.mp4", "libx264", None),
        ("a.mp4", "libx264", VARIED),
        ("a.mov", "mjpeg", None),
        ("a.mkv", "libx264", None),
        ("a.mkv", "libx264", VARIED),
        ("a.avi", "mpeg4", None),
        ("a.flv", "flv1", None),
    ],
)
@pytest.mark.parametrize("share", [0.97, 0.93])
@pytest.mark.slow
def test_a_file_cut_a_little_gives_frames_and_a_line(tmp_path: Path, name, codec, times, share, caplog) -> None:
    path = write(tmp_path / name, codec, "yuvj420p" if codec == "mjpeg" else "yuv420p", 50, times=times)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    read = []
    try:
        with open_frames(path) as frames:
            read.extend(number_in(image) for _, image in frames)
    except InputError as error:
        assert "cut short" in str(error)
        assert len(read) < 50
    else:
        (line,) = caplog.messages
        assert line.startswith(f"{path}: ends after frame {len(read)}")
        assert line.endswith("cut short or corrupt?")
    assert len(read) >= len(by_opencv(path)) >= 30  # which keeps some back after damage
    assert read[:30] == list(range(30))  # of the last, some lack what they refer to


def test_damage_in_the_middle_is_said(tmp_path: Path, caplog) -> None:
    path = write(tmp_path / "a.mp4", "mpeg4", frames=60)
    with av.open(str(path)) as container:
        places = [packet.pos for packet in container.demux(video=0) if packet.size]
    damaged = bytearray(path.read_bytes())
    damaged[places[20] : places[20] + 40] = b"\xff" * 40
    path.write_bytes(damaged)
    with open_frames(path) as frames:
        read = [number_in(image) for _, image in frames]
    assert len(read) == 59  # OpenCV ends there
    assert (read[:20], read[40:]) == (
        list(range(20)),
        list(range(41, 60)),
    )  # until a key frame, pictures lack something
    assert "ends after frame 59, expected 60" in caplog.text


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_a_turned_video_is_upright(tmp_path: Path, degrees: int) -> None:
    """As phones write it: a matrix in the track header, here written into the file by hand."""
    path = write(tmp_path / "a.mp4")
    turned = bytearray(path.read_bytes())
    cosine, sine = {90: (0, 1), 180: (-1, 0), 270: (0, -1)}[degrees]
    matrix = turned.index(b"tkhd") + 4 + 40
    one = 1 << 16
    values = (cosine * one, sine * one, 0, -sine * one, cosine * one, 0, 0, 0, 1 << 30)
    turned[matrix : matrix + 36] = struct.pack(">9i", *values)
    path.write_bytes(turned)
    with open_frames(path) as frames:
        assert frames.size == (SIZE if degrees == 180 else SIZE[::-1])
        read = [image for _, image in frames]
    np.testing.assert_array_equal(read, by_opencv(path))
    upright = np.rot90(read[5], degrees // 90)  # numpy turns back
    assert number_in(upright) == 5


def test_frames_have_the_times_of_the_file(tmp_path: Path) -> None:
    with open_frames(write(tmp_path / "a.mkv", frames=len(VARIED), times=VARIED)) as frames:
        found = [frames.time_of(frame_index) for frame_index, _ in frames]
    assert found == [Fraction(time, 1000) for time in VARIED]


def test_other_sources_have_no_times(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "1.png"), painted(1))
    with open_frames(tmp_path) as frames:
        assert [frames.time_of(frame_index) for frame_index, _ in frames] == [None]


def test_a_change_of_size_is_scaled_and_said(tmp_path: Path, caplog) -> None:
    """Two transport streams behind each other, as a camera's recording whose resolution was changed."""
    path = write(tmp_path / "a.ts", "mpeg2video")
    path.write_bytes(path.read_bytes() + write(tmp_path / "b.ts", "mpeg2video", size=(320, 192)).read_bytes())
    with open_frames(path) as frames:
        assert {image.shape for _, image in frames} == {(96, 160, 3)}
    assert "is 320x192 pixels, scaled to 160x96 like the first" in caplog.text


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.avi", "a.ts"])
def test_bytes_that_a_file_lacks(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / name, "mpeg4" if name != "a.ts" else "mpeg2video")
    assert missing_bytes(path) == 0
    whole = path.read_bytes()
    path.write_bytes(whole + b"\0" * 10)
    assert missing_bytes(path) == 0
    path.write_bytes(whole[:-100])
    assert missing_bytes(path) == (0 if name == "a.ts" else 100)  # a transport stream may end anywhere


def test_a_picture_too_large_is_not_decoded(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + struct.pack(">II", 60000, 60000) + b"\x08\0\0\0\0")
    with pytest.raises(InputError, match="declares 60000x60000 pixels"):
        open_frames(path)


@pytest.mark.parametrize(
    ("name", "count"), [("MOT16-09.mp4", 60), ("PETS09-S2L1.avi", 100), ("MOT16-01.webm", 60), ("TownCentre.mp4", 30)]
)
@pytest.mark.slow
def test_real_videos_are_opencvs_bit_by_bit(shared: Path, name: str, count: int) -> None:
    path = shared / "data/video" / name
    capture = cv2.VideoCapture(str(path))
    with open_frames(path) as frames:
        for frame_index, image in frames:
            np.testing.assert_array_equal(image, capture.read()[1])
            if frame_index == count:
                break
