"""The pictures of one camera: the newest where they come too fast, thinned out, and recordings at their own pace."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tools.reliability.mjpeg import Server
from tracker.errors import InputError
from tracker.output.video import VideoWriter
from tracker.serve.config import CameraConfig
from tracker.serve.source import CameraSource

Start = Callable[..., Server]
STEP = 0.04


def test_who_is_slow_gets_the_newest_pictures_and_the_others_are_counted(cameras: Start) -> None:
    source = CameraSource("a", CameraConfig(source=cameras().address, queue=2))
    taken, waiting = [], []
    for picture in source:
        taken.append(picture.frame)
        waiting.append(source._ahead._waiting.qsize())
        time.sleep(5 * STEP)
        if len(taken) == 8:
            break
    source.close()
    assert max(waiting) <= 2  # which is all the memory there is
    steps = np.diff(taken)
    assert (steps[2:] >= 3).all() and steps[2:].sum() / len(steps[2:]) == pytest.approx(5, abs=1.5)
    assert source.dropped == pytest.approx(source.received - len(taken) - 2, abs=2)
    assert source.dropped > 10


def test_pictures_that_come_faster_than_wanted_are_skipped_and_not_dropped(cameras: Start) -> None:
    source = CameraSource("a", CameraConfig(source=cameras().address, max_rate=10))
    started, taken = time.monotonic(), []
    for picture in source:
        taken.append(picture.frame)
        if time.monotonic() - started > 2:
            break
    source.close()
    assert len(taken) == pytest.approx(20, abs=4)
    assert source.skipped == pytest.approx(source.received - len(taken), abs=2)
    assert source.dropped == 0
    assert np.diff(taken).mean() == pytest.approx(2.5, abs=0.6)  # numbers are the camera's own


def test_as_many_as_wanted_are_all_taken(cameras: Start) -> None:
    source = CameraSource("a", CameraConfig(source=cameras().address, max_rate=1 / STEP))
    for picture in source:
        if picture.frame > 25:
            break
    source.close()
    assert source.skipped <= 3  # though they come unevenly


def test_a_recording_is_played_at_its_own_pace_and_ends(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "clip.mp4", 20.0, (64, 48)) as video:
        for number in range(20):
            video.write(np.full((48, 64, 3), 10 * number, np.uint8))
    started = time.monotonic()
    source = CameraSource("a", CameraConfig(source=str(tmp_path / "clip.mp4")))
    frames = [picture.frame for picture in source]
    source.close()
    assert frames == sorted(set(frames)) and len(frames) >= 15
    assert time.monotonic() - started == pytest.approx(len(frames) / 20, abs=0.4)
    assert source.live.given_up is None


@pytest.mark.parametrize("address", ["http://me:S3cret@127.0.0.1:9/a", "/nowhere/clip.mp4", "12345"])
def test_what_cannot_be_opened_is_said_by_the_camera_s_name(address: str) -> None:
    with pytest.raises(InputError, match="door: cannot be opened") as error:
        CameraSource("door", CameraConfig(source=address))
    assert "S3cret" not in str(error.value)
