"""Cameras that go away: reads that fail are told from ends, connections come back, numbers follow the clock."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tracker.core.detections import Image
from tracker.errors import InputError
from tracker.files.motchallenge import read_tracks
from tracker.input.frames import open_frames
from tracker.input.live.address import is_address, short_name, shown
from tracker.input.live.connections import Lost
from tracker.input.live.source import LiveSource
from tracker.input.sequences import find_sequence

CHECKOUT = Path(__file__).resolve().parents[4]
Serve = Callable[[str], Any]  # of a mode, see `conftest.Server`
LENGTH, STEP = 30, 0.04  # pictures until that shows, and seconds between them

# --- the camera in each mode -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["close", "reset", "away", pytest.param("stall", marks=pytest.mark.slow)])
def test_a_lost_connection_comes_back_and_frames_are_numbered_by_the_clock(serve: Serve, mode: str) -> None:
    server = serve(mode)
    with open_frames(server.address, reconnect=20) as frames:
        started, seen = time.monotonic(), []
        for frame_index, _ in frames:
            seen.append((frame_index, time.monotonic() - started))
            if server.connections == 2 and len(seen) > LENGTH + 10:
                break
        assert frames.live is not None
        assert frames.live.reconnections == 1 and frames.live.given_up is None
        assert frames.size == (160, 96)
    numbers = np.array([frame for frame, _ in seen])
    jump = int(np.diff(numbers).argmax())
    gap = seen[jump + 1][1] - seen[jump][1]
    assert numbers[jump + 1] - numbers[jump] == pytest.approx(gap / STEP, rel=0.3, abs=3)
    assert (np.diff(numbers) >= 1).all()


def test_broken_pictures_are_left_out_and_counted(serve: Serve) -> None:
    with open_frames(serve("corrupt").address, reconnect=0) as frames:
        numbers = [frame for frame, _ in frames]
        assert frames.live is not None and frames.live.broken == 3
    assert numbers[-1] == LENGTH + 1
    assert set(range(1, LENGTH + 2)) - set(numbers) >= {10, 11, 12}  # and what came too fast


@pytest.mark.slow
def test_a_camera_that_sends_nothing_but_broken_pictures_is_lost(serve: Serve, capfd: pytest.CaptureFixture) -> None:
    with open_frames(serve("garbage").address, reconnect=0) as frames:
        assert len(list(frames)) <= LENGTH + 1
        assert frames.live is not None and frames.live.given_up == "its pictures are broken"
    assert "lost after frame" in capfd.readouterr().err


@pytest.mark.parametrize(("mode", "reason"), [("reset", "reset by peer"), ("gone", "refused")])
def test_a_camera_that_stays_away_is_given_up(
    serve: Serve, mode: str, reason: str, capfd: pytest.CaptureFixture
) -> None:
    with open_frames(serve(mode).address, reconnect=1 if mode == "gone" else 0) as frames:
        assert frames.frame_rate == pytest.approx(25)  # as FFmpeg takes for granted
        assert list(frames)[-1][0] == LENGTH + 1
        assert frames.live is not None and reason in (frames.live.given_up or "")
    told = capfd.readouterr().err
    assert reason in told and "S3cret" not in told and "admin" not in told


def test_pictures_of_another_size_are_scaled_to_the_first(serve: Serve) -> None:
    server = serve("resize")
    with open_frames(server.address, reconnect=10) as frames:
        shapes = set()
        for count, (_, image) in enumerate(frames):
            shapes.add(image.shape)
            if server.connections == 2 and count > LENGTH + 5:
                break
    assert shapes == {(96, 160, 3)}


@pytest.mark.slow
def test_who_never_answers_is_named_within_seconds(serve: Serve) -> None:
    with pytest.raises(InputError, match=r"^http://127\.0\.0\.1:\d+/cam/video\.cgi: cannot be opened: ") as raised:
        open_frames(serve("silent").address)
    assert "S3cret" not in str(raised.value)


# --- without a network -----------------------------------------------------------------------------------------------


class Scripted:
    """A connection that gives pictures, None for broken ones, and then ends or is lost."""

    frame_rate = 10.0

    def __init__(self, script: list[Image | Exception | None]) -> None:
        self._script = script
        self.is_closed = False

    def pictures(self) -> Iterator[Image | None]:
        for part in self._script:
            if isinstance(part, Exception):
                raise part
            yield part

    def close(self) -> None:
        self.is_closed = True


GREY = np.full((4, 6, 3), 128, np.uint8)


def test_an_end_is_no_loss_where_nobody_tries_again() -> None:
    connection = Scripted([GREY, None, GREY])
    source = LiveSource("a", lambda: connection, 0)
    assert [frame for frame, _ in source.frames()] == [1, 3]
    assert source.given_up is None and source.broken == 1 and connection.is_closed


def test_an_end_and_a_failed_read_are_both_tried_again() -> None:
    scripts = iter([[GREY], [GREY, Lost("reset")], [GREY]])
    source = LiveSource("a", lambda: Scripted(next(scripts, [])), 2)
    assert len(list(itertools.islice(source.frames(), 3))) == 3
    assert source.reconnections == 2


def test_a_source_without_a_first_picture_is_bad_input() -> None:
    with pytest.raises(InputError, match="a: cannot be opened: it ends before its first picture"):
        LiveSource("a", lambda: Scripted([None]), 5)
    with pytest.raises(InputError, match="a: cannot be opened: no route"):
        LiveSource("a", lambda: Scripted([Lost("no route")]), 5)


def test_a_source_that_is_stopped_while_it_is_away_ends() -> None:
    def connect() -> Scripted:
        if not attempts.append(0) and len(attempts) == 1:
            return Scripted([GREY, Lost("gone")])
        raise Lost("gone")

    attempts: list[int] = []
    source = LiveSource("a", connect, 3600)
    frames = source.frames()
    next(frames)
    source.stop()
    assert list(frames) == [] and source.given_up is None


# --- addresses -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("rtsp://admin:S3cret@cam", "cam"),
        ("rtsp://admin:S3cret@cam:554", "cam"),
        ("rtsp://admin:S3/cr@et@cam/door", "door"),
        ("http://cam/?user=admin&password=S3cret", "cam"),
        ("http://cam/video?user=admin&password=S3cret", "video"),
        ("rtsp://cam:554/user=admin_password=S3cret_channel=1_stream=0.sdp", "cam"),
        ("https://cam/live/token:S3cret/index.m3u8", "index.m3u8"),
        ("rtmp://host/app/key=S3cret", "host"),
        ("http://host/stream.m3u8/", "stream.m3u8"),
        ("http://host/a b|c*.ts#S3cret", "a_b_c_.ts"),
        ("rtsp://", "stream"),
        ("http://[::1]:8000", "_"),
    ],
)
def test_no_password_in_a_name(address: str, name: str) -> None:
    assert short_name(address) == name
    assert find_sequence(address).name == name
    assert find_sequence(address).frames == address
    for text in (short_name(address), shown(address)):
        assert "S3" not in text and "admin" not in text


def test_a_file_is_no_address() -> None:
    assert not is_address("a/b.mp4") and not is_address("C:\\clip.mp4")
    assert shown("a/b.mp4") == "a/b.mp4"


# --- the command -----------------------------------------------------------------------------------------------------

DETECTOR = """
import signal
import sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in the background
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # ignored under nohup
import numpy as np
import tracker.input.detectors as detectors
from tracker import Detections


class Red:
    class_names = {}

    def __call__(self, image):
        rows, columns = np.nonzero((image[..., 2] > 150) & (image[..., 1] < 90))
        if not len(rows):
            return Detections(np.zeros((0, 4)))
        return Detections([[columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]], [0.9])


detectors._HogDetector = Red
import tracker.run.source
from tracker.commands.main import track
track()
"""


def start(server: Any, cwd: Path, *options: str) -> subprocess.Popen[str]:
    """`track` on the camera, with a detector that finds what is red."""
    arguments = ["--seq", server.address, "--det", "hog", "--descriptor", "none", "--out", "o.txt", *options]
    return subprocess.Popen(
        [sys.executable, "-c", DETECTOR, *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def wait_for_rows(path: Path, count: int) -> None:
    deadline = time.monotonic() + 60
    while not path.exists() or path.read_text().count("\n") < count:
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def test_an_identity_outlives_a_gap_of_two_seconds(serve: Serve, tmp_path: Path) -> None:
    process = start(serve("away"), tmp_path, "--json", "j.json", "--set", "max_age=300", "--reconnect", "4")
    out, err = process.communicate(timeout=120)
    assert process.returncode == 3, err
    result = read_tracks(tmp_path / "o.txt")
    assert set(result.ids.tolist()) == {1}
    assert np.diff(result.frames).max() >= 1.5 / STEP  # the gap is there
    told = json.loads((tmp_path / "j.json").read_text())["video.cgi"]["stream"]
    assert told["reconnections"] >= 1 and told["given_up"] and told["seconds_lost"] > 2
    assert "given up after 4 s" in err
    for text in (out, err, (tmp_path / "j.json").read_text(), str(list(tmp_path.iterdir()))):
        assert "S3cret" not in text and "admin" not in text


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_stream_that_is_told_to_end_keeps_its_result(serve: Serve, tmp_path: Path, number: int) -> None:
    process = start(serve("endless"), tmp_path, "--table", "t.csv", "--video", "v.mp4")
    wait_for_rows(tmp_path / "o.txt.partial", 20)  # rows can be read meanwhile
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert {path.name for path in tmp_path.iterdir()} == {"o.txt", "t.csv", "v.mp4"}
    assert len(read_tracks(tmp_path / "o.txt")) >= 20


@pytest.mark.slow
def test_a_stream_that_was_killed_keeps_its_rows_when_it_is_started_again(serve: Serve, tmp_path: Path) -> None:
    server = serve("endless")
    process = start(server, tmp_path)
    wait_for_rows(tmp_path / "o.txt.partial", 20)
    process.kill()
    process.communicate()
    again = start(server, tmp_path)
    wait_for_rows(tmp_path / "o.txt.cut-1", 20)
    wait_for_rows(tmp_path / "o.txt.partial", 1)
    again.terminate()
    _, err = again.communicate(timeout=60)
    assert again.returncode == 0 and "o.txt.cut-1: the rows of a run that was cut short" in err
    assert len(read_tracks(tmp_path / "o.txt.cut-1")) >= 20
