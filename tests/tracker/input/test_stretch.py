"""A stretch of a video has the pictures that decoding from the beginning gives, or is refused."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from tracker.input.frames import open_frames
from tracker.input.stretch import listing, open_stretch
from tracker.input.video_file import NotAsListed

LENGTH = 60


def pictures() -> list[np.ndarray]:
    """A square that moves over noise."""
    noise = np.random.default_rng(0).integers(0, 60, (96, 128, 3), dtype=np.uint8)
    found = []
    for number in range(LENGTH):
        image = np.roll(noise, number, axis=1)
        image[30:60, number : number + 40] = (40, 200, 120)
        found.append(image)
    return found


def write_video(path: Path, options: dict[str, str], times: list[int] | None = None) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options=options)
        stream.height, stream.width, stream.pix_fmt = 96, 128, "yuv420p"
        for number, image in enumerate(pictures()):
            frame = av.VideoFrame.from_ndarray(image, "bgr24")
            if times is not None:
                frame.pts, frame.time_base = times[number], Fraction(1, 100)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


@pytest.mark.parametrize(
    ("name", "options", "times"),
    [
        ("a.mp4", {"g": "12", "bf": "3"}, None),  # pictures come in another order than they are shown
        ("a.mkv", {"g": "25"}, None),  # times in whole milliseconds
        ("a.mp4", {"g": "300"}, None),  # a single key frame
        ("a.mp4", {"g": "12"}, [4 * n + n * n // 9 for n in range(LENGTH)]),  # unequal steps
    ],
)
def test_a_stretch_of_a_video(tmp_path: Path, name: str, options: dict[str, str], times: list[int] | None) -> None:
    path = write_video(tmp_path / name, options, times)
    whole = dict(open_frames(path))
    listed = listing(path)
    assert listed is not None and listed.length == len(whole) == LENGTH and listed.size == (128, 96)
    for first, last in ((1, 7), (8, 8), (13, 40), (59, LENGTH)):
        found = dict(open_stretch(listed, first, last))
        assert list(found) == list(range(first, last + 1))
        assert all((found[frame] == whole[frame]).all() for frame in found)


@pytest.mark.parametrize("parameters", ["open-gop=1:keyint=20", "intra-refresh=1:keyint=30:bframes=0"])
def test_where_nothing_in_the_middle_stands_for_itself(tmp_path: Path, parameters: str) -> None:
    """Open groups and periodic refresh: refused, or seen at the picture before the stretch, where the two meet."""
    path = write_video(tmp_path / "a.mp4", {"x264-params": parameters})
    whole, listed = dict(open_frames(path)), listing(path)
    assert listed is not None
    for first in range(2, LENGTH, 7):
        try:
            found = dict(open_stretch(listed, first, LENGTH))
        except NotAsListed:
            continue
        if (found[first] == whole[first]).all():
            assert all((found[frame] == whole[frame]).all() for frame in found)


def test_times_that_are_not_those_listed_are_refused(tmp_path: Path) -> None:
    listed = listing(write_video(tmp_path / "a.mp4", {"g": "12"}))
    assert listed is not None and listed.times is not None
    moved = replace(listed, times=listed.times + np.where(np.arange(LENGTH) == 30, 1, 0))
    with pytest.raises(NotAsListed, match="frame 31 comes at another time"):
        list(open_stretch(moved, 20, LENGTH))


def test_a_stretch_of_a_folder(tmp_path: Path) -> None:
    for number, image in enumerate(pictures()[:9], start=1):
        cv2.imwrite(str(tmp_path / f"{number:06d}.png"), image)
    whole, listed = dict(open_frames(tmp_path)), listing(tmp_path)
    assert listed is not None
    found = dict(open_stretch(listed, 4, 9))
    assert list(found) == [4, 5, 6, 7, 8, 9]
    assert all((found[frame] == whole[frame]).all() for frame in found)
    (tmp_path / "000005.png").unlink()
    assert listing(tmp_path) is None  # with a gap it has no stretches
