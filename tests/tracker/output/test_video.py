"""Video that plays in a browser, and nothing left behind by a run that fails."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from tracker.errors import InputError
from tracker.input.frames import open_frames
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
