"""One camera without Ray: identities that outlive lost connections and lost pictures, and rows that are whole."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tools.reliability.mjpeg import Server
from tracker.core.detections import Detections, Image
from tracker.core.tracker import Tracker
from tracker.input.frames import open_frames
from tracker.output.video import VideoWriter
from tracker.serve.camera import Camera
from tracker.serve.config import CameraConfig
from tracker.serve.hours import HourlyTracks

parquet = pytest.importorskip("pyarrow.parquet")

Start = Callable[..., Server]
Look = Callable[[Image], Detections]
Until = Callable[..., None]
NAMES = {0: "person"}


def config(server: Server, **others: Any) -> CameraConfig:
    return CameraConfig(source=server.address, descriptor="none", **others)


def stored(folder: Path) -> list[dict[str, Any]]:
    return [row for path in sorted(folder.rglob("*.parquet")) for row in parquet.read_table(path).to_pylist()]


class Taken:
    """The rows that a camera told, and how it went last."""

    def __init__(self, camera: Camera) -> None:
        self.camera = camera
        self.rows: list[dict[str, Any]] = []

    def status(self) -> Any:
        report = self.camera.report()
        self.rows += [json.loads(line) for lines in report.lines for line in lines.splitlines()]
        return report.status

    def end(self) -> Any:
        assert self.camera.stop(10)
        return self.status()


def require_same(told: list[dict[str, Any]], kept: list[dict[str, Any]]) -> None:
    keys = [(row["frame"], row["id"], row["left"]) for row in told]
    assert keys == [(row["frame"], row["id"], row["left"]) for row in kept]
    assert len({key[:2] for key in keys}) == len(keys)


def test_one_identity_over_lost_connections(cameras: Start, red: Look, until: Until, tmp_path: Path) -> None:
    camera = Camera("door", config(cameras("close")), red, tmp_path, NAMES)
    taken = Taken(camera)
    camera.start()
    until(lambda: taken.status().reconnects >= 2 and taken.status().frames > 70)
    status = taken.end()
    assert (status.state, status.tracks, status.visible, status.broken) == ("stopped", 1, 1, 0)
    assert status.rows == len(taken.rows) > 60
    assert {row["id"] for row in taken.rows} == {1}
    assert (taken.rows[0]["camera"], taken.rows[0]["class_name"]) == ("door", "person")
    require_same(taken.rows, stored(tmp_path))
    assert not list(tmp_path.rglob("*.partial"))
    assert 0 < status.lag <= status.worst_lag and status.rate > 0


def test_its_tracks_are_those_of_a_tracker_that_sees_the_same_pictures(red: Look, until: Until, tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "clip.mp4", 10.0, (160, 96)) as video:
        for number in range(20):
            image = np.full((96, 160, 3), 60, np.uint8)
            image[20:80, 3 * number + 10 : 3 * number + 34] = (0, 0, 255)
            video.write(image)
    tracker = Tracker("sort", min_hits=1)
    with open_frames(tmp_path / "clip.mp4") as frames:
        expected = {frame: tracker.update(red(image), frame).boxes.round(2).tolist() for frame, image in frames}
    settings = CameraConfig(source=str(tmp_path / "clip.mp4"), config="sort", set={"min_hits": 1}, queue=20)
    taken = Taken(Camera("clip", settings, red, None, NAMES))
    taken.camera.start()
    until(lambda: taken.status().state == "ended")
    sides = ("left", "top", "right", "bottom")
    assert len(taken.rows) > 15
    assert {row["frame"]: [[row[side] for side in sides]] for row in taken.rows}.items() <= expected.items()


def test_pictures_that_nobody_looks_at_cost_no_identity(cameras: Start, red: Look, until: Until) -> None:
    calls = 0

    def look(image: Image) -> Detections:
        nonlocal calls
        calls += 1
        if 15 <= calls < 20:
            raise RuntimeError("the pool is away")
        return red(image)

    camera = Camera("door", config(cameras()), look, None, NAMES)
    taken, reasons = Taken(camera), set()
    camera.start()
    until(lambda: reasons.add(taken.status().why) or taken.status().frames > 40)
    status = taken.end()
    assert (status.unlooked, status.tracks) == (5, 1)
    assert "nobody looks at its pictures: the pool is away" in reasons


def test_whatever_happens_to_it_it_begins_anew_and_numbers_go_on(
    cameras: Start, red: Look, until: Until, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writes, write = 0, HourlyTracks.write

    def full(self: HourlyTracks, seconds: float, lines: bytes) -> None:
        nonlocal writes
        writes += 1
        if writes == 30:
            raise OSError(28, "No space left on device")
        write(self, seconds, lines)

    monkeypatch.setattr(HourlyTracks, "write", full)
    camera = Camera("door", config(cameras()), red, tmp_path, NAMES)
    taken, states = Taken(camera), set()
    camera.start()
    until(lambda: states.add((taken.status().state, taken.status().why)) or taken.status().frames > 60)
    status = taken.end()
    assert ("failing", "No space left on device") in states
    assert (status.state, status.tracks) == ("stopped", 2)
    assert [row["id"] for row in taken.rows] == sorted(row["id"] for row in taken.rows)
    assert {row["id"] for row in taken.rows} == {1, 2}
    require_same(taken.rows, stored(tmp_path))


def test_a_camera_that_is_gone_is_given_up_when_it_was_to(cameras: Start, red: Look, until: Until) -> None:
    camera = Camera("door", config(cameras("gone"), reconnect=1), red, None, NAMES)
    taken = Taken(camera)
    camera.start()
    until(lambda: taken.status().state == "given up")
    assert taken.status().frames >= 25 and taken.status().why
    assert taken.end().trouble(0, 10) == taken.status().why


def test_a_camera_that_never_comes_is_given_up_too(red: Look, until: Until) -> None:
    settings = CameraConfig(source="http://127.0.0.1:9/", reconnect=0.5)
    camera = Camera("door", settings, red, None, NAMES)
    camera.start()
    until(lambda: camera.report().status.state == "given up")
    assert camera.report().status.why.startswith("cannot be opened: ")


def test_identities_are_settled_later_and_all_are_told_in_the_end(
    cameras: Start, red: Look, until: Until, tmp_path: Path
) -> None:
    camera = Camera("door", config(cameras(), delay=2), red, tmp_path, NAMES)
    taken = Taken(camera)
    camera.start()
    until(lambda: taken.status().rows > 20)
    assert taken.status().frames - taken.rows[-1]["frame"] > 1.2 / 0.04
    status = taken.end()
    assert status.frames - len(taken.rows) < 5
    require_same(taken.rows, stored(tmp_path))


def test_lines_that_nobody_takes_cost_no_memory(
    cameras: Start, red: Look, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tracker.serve.camera.LINES_KEPT", 1000)
    camera = Camera("door", config(cameras()), red, None, NAMES)
    camera.start()
    until(lambda: camera._status.rows > 20)
    camera.stop(10)
    report = camera.report()
    assert sum(map(len, report.lines)) <= 1000
    kept = [json.loads(lines) for lines in report.lines]
    assert report.status.lines_dropped == report.status.rows - len(kept) > 0
    assert kept[-1]["frame"] >= report.status.frames  # the newest stay


def test_lines_and_zones_are_counted(cameras: Start, red: Look, until: Until, tmp_path: Path) -> None:
    whole = [[[0, 0], [160, 0], [160, 96], [0, 96], [0, 0]]]
    left = [[[0, 0], [45, 0], [45, 96], [0, 96], [0, 0]]]  # whoever walks is there now and then
    features = [
        {"type": "Feature", "properties": {"name": name}, "geometry": {"type": "Polygon", "coordinates": ring}}
        for name, ring in (("whole", whole), ("left", left))
    ]
    zones = tmp_path / "zones.json"
    zones.write_text(json.dumps({"type": "FeatureCollection", "features": features}), encoding="utf-8")
    camera = Camera("door", config(cameras("close", length=100), zones=zones), red, None, NAMES)
    camera.start()
    until(lambda: camera.report().status.frames > 130)
    camera.stop(10)
    places = camera.report().status.places
    assert (places["whole"].into, places["whole"].out, places["whole"].inside) == (1, 0, 1)
    assert places["left"].inside == places["left"].into - places["left"].out


def test_the_next_service_numbers_on(cameras: Start, red: Look, until: Until, tmp_path: Path) -> None:
    server = cameras()
    for _ in range(2):
        camera = Camera("door", config(server), red, tmp_path, NAMES)
        camera.start()
        until(lambda: camera.report().status.frames > 15)  # noqa: B023 (called at once)
        camera.stop(10)
    rows = stored(tmp_path)
    assert {row["id"] for row in rows} == {1, 2}
    assert [row["frame"] for row in rows] == sorted({row["frame"] for row in rows})
