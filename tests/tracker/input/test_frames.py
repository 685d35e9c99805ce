"""Frames from folders, files and cameras: numbering, reading ahead, and what is said when they cannot be read."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import cv2
import numpy as np
import pytest

from tracker.errors import InputError
from tracker.input.frames import READ_AHEAD, Frames, open_frames
from tracker.input.live.source import LiveSource
from tracker.output.video import VideoWriter


def image(value: int, size: tuple[int, int] = (48, 32)) -> np.ndarray:
    return np.full((size[1], size[0], 3), value, np.uint8)


def write_images(folder: Path, names: list[str]) -> None:
    folder.mkdir(exist_ok=True)
    for value, name in enumerate(names):
        cv2.imwrite(str(folder / name), image(10 * value))


def write_video(path: Path, frames: int = 30) -> None:
    with VideoWriter(path, 25, (48, 32)) as video:
        for value in range(frames):
            video.write(image(4 * value))


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["000001.png", "000002.png", "000003.png"], [1, 2, 3]),  # MOTChallenge
        (["1.png", "2.png", "10.png"], [1, 2, 10]),  # by number, not by letter; a gap stays a gap
        (["000000.png", "000001.png", "000003.png"], [1, 2, 4]),  # KITTI counts from 0
        (["clip2_007.png", "clip2_009.png"], [7, 9]),  # the last number in the name counts
        (["b.png", "a.png"], [1, 2]),  # no numbers: by name
    ],
)
def test_folder_is_numbered_by_its_names(tmp_path: Path, names: list[str], expected: list[int]) -> None:
    write_images(tmp_path, names)
    with open_frames(tmp_path) as frames:
        assert (frames.length, frames.size, frames.frame_rate) == (len(names), (48, 32), None)
        assert [frame_index for frame_index, _ in frames] == expected


def test_folder_gives_the_pixels_of_its_files(tmp_path: Path) -> None:
    write_images(tmp_path, ["2.png", "1.png"])
    assert [int(pixels.mean()) for _, pixels in open_frames(tmp_path)] == [10, 0]


def test_video_file(tmp_path: Path) -> None:
    write_video(tmp_path / "clip.mp4")
    with open_frames(tmp_path / "clip.mp4") as frames:
        assert (frames.length, frames.size, frames.frame_rate) == (30, (48, 32), 25)
        read = list(frames)
    assert [frame_index for frame_index, _ in read] == list(range(1, 31))
    np.testing.assert_allclose([pixels.mean() for _, pixels in read], 4 * np.arange(30), atol=6)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: None, "cannot be read: No such file"),  # nothing there
        (lambda path: path.mkdir(), "holds no images"),  # an empty folder
        (lambda path: (path / "img1").mkdir(parents=True), r"did you mean .*img1"),  # the folder above the images
        (lambda path: write_images(path, ["1.jpg", "1.png"]), "both frame 1"),  # one frame twice
        (lambda path: path.write_bytes(b""), "cannot be opened"),  # an empty file
        (lambda path: path.write_bytes(b"not a video" * 100), "cannot be opened"),  # no video
    ],
)
def test_a_source_that_cannot_be_opened_says_so_in_one_line(tmp_path: Path, make, message: str, capfd) -> None:
    source = tmp_path / "source"
    make(source)
    with pytest.raises(InputError, match=message) as raised:
        open_frames(source)
    assert str(source) in str(raised.value)
    assert "\n" not in str(raised.value)
    assert capfd.readouterr().err == ""  # OpenCV and FFmpeg keep quiet


@pytest.mark.parametrize("source", [99, "99", "rtsp://127.0.0.1:1/none"])  # absent cameras, a stream nobody serves
def test_absent_camera_and_stream(source: int | str) -> None:
    with pytest.raises(InputError, match=f"{source}: cannot be opened"):
        open_frames(source)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:300]), "000002.jpg: cannot be decoded"),  # cut short
        (lambda path: path.write_bytes(b""), r"000002.jpg: cannot be decoded as an image \(0 bytes\)"),  # full disk
        (lambda path: cv2.imwrite(str(path), image(0, (32, 48))), "is 32x48 pixels, expected 48x32"),  # another camera
    ],
)
def test_a_spoilt_frame_is_named_when_it_is_reached(tmp_path: Path, spoil, message: str) -> None:
    write_images(tmp_path, ["000001.jpg", "000002.jpg", "000003.jpg"])
    spoil(tmp_path / "000002.jpg")
    read: list[int] = []
    with pytest.raises(InputError, match=message), open_frames(tmp_path) as frames:
        for frame_index, _ in frames:
            read.append(frame_index)
    assert read == [1]


def test_a_video_without_its_index_cannot_be_opened(tmp_path: Path) -> None:
    write_video(tmp_path / "clip.mp4")
    cut = tmp_path / "cut.mp4"
    cut.write_bytes((tmp_path / "clip.mp4").read_bytes()[:200])
    with pytest.raises(InputError, match=r"cut.mp4: cannot be opened"):
        open_frames(cut)


def test_a_video_cut_short_says_so_at_its_end(tmp_path: Path) -> None:
    write_video(tmp_path / "clip.mp4", frames=60)  # index first, so that a half still opens
    whole = (tmp_path / "clip.mp4").read_bytes()
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(whole[: len(whole) * 3 // 4])
    with pytest.raises(InputError, match=r"cut.mp4: ends after frame \d+, expected 60"), open_frames(cut) as frames:
        list(frames)


def test_a_real_video_cut_short(tmp_path: Path, shared: Path) -> None:
    cut = tmp_path / "cut.avi"
    cut.write_bytes((shared / "data/video/PETS09-S2L1.avi").read_bytes()[:400_000])
    with pytest.raises(InputError, match=r"ends after frame \d+, expected 795"), open_frames(cut) as frames:
        list(frames)


def test_frames_can_be_read_once(tmp_path: Path) -> None:
    write_images(tmp_path, ["1.png"])
    frames = open_frames(tmp_path)
    assert len(list(frames)) == 1
    with pytest.raises(RuntimeError, match="only once"):
        iter(frames)


def endless(decoded: list[int]):
    for frame_index in range(1, 1_000_000):
        decoded.append(frame_index)
        yield frame_index, image(0)


def test_decoding_runs_ahead_but_not_away() -> None:
    decoded: list[int] = []
    with Frames("endless", endless(decoded), (48, 32)) as frames:
        reader = iter(frames)
        next(reader)
        deadline = time.monotonic() + 10
        while len(decoded) < READ_AHEAD + 2 and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(0.05)
        assert len(decoded) == READ_AHEAD + 2  # one taken, four waiting, one in the decoder's hand
    assert not [thread for thread in threading.enumerate() if thread.name == "decode endless"]


def test_a_live_source_drops_what_comes_too_fast_and_keeps_its_number() -> None:
    decoded: list[int] = []
    with Frames("live", endless(decoded), (48, 32), live=cast(LiveSource, SimpleNamespace(stop=int))) as frames:
        reader = iter(frames)
        next(reader)
        while len(decoded) < 100:
            time.sleep(0.001)
        later = [next(reader)[0] for _ in range(READ_AHEAD + 1)]
    assert later[-1] > 90
    assert later == sorted(later)
