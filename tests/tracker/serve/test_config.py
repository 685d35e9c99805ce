"""`cameras.yaml`: what is there, what is refused in which words, and that no password is in them."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from tracker.errors import InputError
from tracker.serve.config import load, revealed

WHOLE = """
defaults: {det: fastestdet, max_rate: 10}
cameras:
  door:
    source: rtsp://admin:${DOOR}@10.0.0.7/stream1
    classes: person,car
    set: {max_age: 60}
    descriptor: none
    delay: 10
    max_rate: 5
  hall: {source: 0}
  clip: {source: clips/walk.mp4, reconnect: 3}
output: {tracks: out, lines: tcp://127.0.0.1:9000}
listen: 0.0.0.0:9464
pool: {workers: 2, gpus: 0.5}
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "cameras.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_file_is_read(tmp_path: Path) -> None:
    config = load(write(tmp_path, WHOLE))
    door, hall, clip = config.cameras.values()
    assert list(config.cameras) == ["door", "hall", "clip"]
    assert (door.max_rate, hall.max_rate, door.det) == (5, 10, "fastestdet")
    assert door.tracker_config().max_age == 60 and hall.tracker_config().max_age != 60
    assert [camera.is_recording for camera in (door, hall, clip)] == [False, False, True]
    assert [camera.patience for camera in (door, hall, clip)] == [math.inf, math.inf, 3]
    assert (config.pool.workers, config.pool.gpus, config.engine) == (2, 0.5, "ray")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        # a key of a camera, and which was meant
        ("cameras: {door: {sorce: 0}}", "cameras.door: unknown key 'sorce'; did you mean 'source'?"),
        # of the defaults
        ("defaults: {dett: hog}\ncameras: {door: {source: 0}}", "defaults: unknown key 'dett'; did you mean 'det'?"),
        # of the whole
        ("cameras: {a: {source: 0}}\nlistn: 1", "unknown key 'listn'; did you mean 'listen'?"),
        # of the tracker
        ("cameras: {a: {source: 0, set: {max_agee: 3}}}", "cameras.a: flatsort.yaml: unknown key 'max_agee'"),
        # no zones
        ("cameras: {a: {source: 0, zones: absent.json}}", "cameras.a: absent.json: cannot be read"),
        # nothing to look at
        ("cameras: {a: {det: hog}}", "cameras.a: key 'source' is missing"),
        ("output: {tracks: out}", "key 'cameras' is missing"),
        ("cameras: {}", "cameras: Dictionary should have at least 1 item"),
        ("cameras: {a: rtsp://x/}", "cameras.a: expected `key: value` lines"),
        # a name that is no folder
        ("cameras: {../a: {source: 0}}", "expected names of letters, digits, _ - and . for cameras, found '../a'"),
        # a file of detections is none of a camera
        ("cameras: {a: {source: 0, det: det.txt}}", "expected a detector"),
        ("cameras: {a: {source: 0, max_rate: 0}}", "max_rate: Input should be greater than 0"),
        ("cameras: {a: {source: 0}}\nlisten: 9464", "listen: "),
        ("cameras: {a: {source: 0}}\nlisten: nowhere", "expected HOST:PORT"),
        ("cameras: {a: {source: 0}}\nengine: dask", "engine: Input should be 'ray' or 'local'"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as error:
        load(write(tmp_path, text))
    assert said in str(error.value) and "\n" not in str(error.value)
    assert str(error.value).startswith(str(tmp_path / "cameras.yaml"))


@pytest.mark.parametrize(
    "text",
    [
        "cameras: {door: 'rtsp://admin:S3cret@cam/'}",
        "cameras: 'rtsp://admin:S3cret@cam/'",
        "cameras: {door: {source: ['rtsp://admin:S3cret@cam/a']}}",
        "cameras: {door: {sorce: 'rtsp://admin:S3cret@cam/'}}",
        "cameras: {'rtsp://admin:S3cret@cam/': {source: 0}}",
    ],
)
def test_no_message_shows_a_password(text: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as error:
        load(write(tmp_path, text))
    assert "S3cret" not in str(error.value)


def test_a_configuration_can_be_printed(tmp_path: Path) -> None:
    assert "S3cret" not in repr(load(write(tmp_path, "cameras: {a: {source: 'rtsp://me:S3cret@cam/'}}")))


def test_variables_come_from_the_environment() -> None:
    assert revealed("rtsp://${USER}:${PASS}@cam", "a", {"USER": "me", "PASS": "p$1"}) == "rtsp://me:p$1@cam"
    assert revealed(3, "a", {}) == 3
    with pytest.raises(InputError, match=r"cameras.a.source: the variable \$\{PASS\} is not set in the environment"):
        revealed("rtsp://me:${PASS}@cam", "cameras.a.source", {})
