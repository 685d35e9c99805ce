"""The command as it is typed: cameras in threads and as actors of Ray, signals, exit codes, no password anywhere."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from tools.reliability.mjpeg import Server
from tracker.output.video import VideoWriter

parquet = pytest.importorskip("pyarrow.parquet")

CHECKOUT = Path(__file__).resolve().parents[3]
Start = Callable[..., Server]
Until = Callable[..., None]


@pytest.fixture
def det(tmp_path: Path, write_network: Callable[..., Path]) -> str:
    """A detector that sees somebody at the same place whatever it is shown."""
    output = np.zeros((1, 84, 189))
    output[0, :4, 0], output[0, 4, 0] = [40, 40, 10, 24], 0.8
    return write_network(tmp_path / "network.onnx", output).name  # in the service's folder


class Service:
    """`flatsort serve` in a process of its own, in a folder."""

    def __init__(self, folder: Path, cameras: dict[str, Any], *arguments: str, **others: Any) -> None:
        self.folder = folder
        output = {"tracks": "tracks", "lines": "tracks.jsonl"}
        tree = {"engine": "local", "listen": "127.0.0.1:0", "output": output, "cameras": cameras, **others}
        (folder / "cameras.yaml").write_text(yaml.safe_dump(tree), encoding="utf-8")
        program = [sys.executable, "-m", "tracker.commands.main", "serve", "--config", "cameras.yaml", *arguments]
        environment = {**os.environ, "PYTHONPATH": str(CHECKOUT), "PASSWORD": "S3cret"}
        with (folder / "said").open("wb") as said:
            self.process = subprocess.Popen(program, cwd=folder, env=environment, stderr=said)

    @property
    def said(self) -> str:
        return (self.folder / "said").read_text("utf-8")

    def metric(self, name: str, camera: str) -> float:
        found = re.search(r"http://([\d.:]+)/metrics", self.said)
        if found is None:
            return 0.0
        with urllib.request.urlopen(f"http://{found[1]}/metrics", timeout=5) as answer:
            text = answer.read().decode()
        value = re.search(rf'^flatsort_{name}{{camera="{camera}"}} (\S+)$', text, re.MULTILINE)
        return float(value[1]) if value else 0.0

    def end(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)

    def require_whole(self) -> list[dict[str, Any]]:
        """The rows in Parquet, which are those of the JSON lines."""
        rows = [
            row for path in sorted(self.folder.glob("tracks/*/*/*")) for row in parquet.read_table(path).to_pylist()
        ]
        lines = [json.loads(line) for line in (self.folder / "tracks.jsonl").read_text("utf-8").splitlines()]
        keys = [sorted((one["camera"], one["frame"], one["id"], one["left"]) for one in many) for many in (rows, lines)]
        assert keys[0] == keys[1] and len(set(keys[0])) == len(keys[0])
        return rows


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Service]]:
    started: list[Service] = []

    def start(cameras: dict[str, Any], *arguments: str, **others: Any) -> Service:
        started.append(Service(tmp_path, cameras, *arguments, **others))
        return started[-1]

    yield start
    for service in started:
        service.process.kill()
        service.process.wait()


@pytest.mark.slow
def test_a_signal_ends_it_with_everything_on_the_disk(
    cameras: Start, det: str, serve: Callable[..., Service], until: Until
) -> None:
    servers = {"door": cameras(), "hall": cameras("close")}
    sources = {name: {"source": one.address.replace("S3cret", "${PASSWORD}")} for name, one in servers.items()}
    service = serve({**sources, "gone": {"source": "rtsp://me:${PASSWORD}@127.0.0.1:9/x"}}, defaults={"det": det})
    until(lambda: min(service.metric("rows_total", name) for name in servers) > 40, 60)
    assert service.end() == 0
    rows = service.require_whole()
    assert {row["camera"] for row in rows} == set(servers)
    assert {row["id"] for row in rows} == {1}  # somebody who stands still, over connections that are lost
    assert "\ngone: cannot be opened: Connection refused; trying again\n" in service.said
    everything = [path for path in service.folder.rglob("*") if path.is_file()]
    assert not [path for path in everything if b"S3cret" in path.read_bytes() or path.suffix == ".partial"]


@pytest.mark.slow
def test_a_kill_costs_nothing_that_was_told_and_the_next_run_goes_on(
    cameras: Start, det: str, serve: Callable[..., Service], until: Until
) -> None:
    source = {"door": {"source": cameras().address, "det": det}}
    service = serve(source)
    until(lambda: service.metric("rows_total", "door") > 20, 60)
    service.process.kill()
    service.process.wait()
    told = (service.folder / "tracks.jsonl").read_bytes()
    assert told.count(b"\n") > 5
    partial = next(service.folder.rglob("*.jsonl.partial")).read_bytes()
    assert partial.startswith(told[: told.rfind(b"\n")])
    service = serve(source)
    until(lambda: service.metric("rows_total", "door") > 20, 60)
    assert service.end() == 0
    lines = [json.loads(line) for line in (service.folder / "tracks.jsonl").read_text("utf-8").splitlines()]
    rows = parquet.read_table(next(service.folder.rglob("*.parquet"))).to_pylist()
    keys = [[(row["frame"], row["id"]) for row in many] for many in (lines, rows)]
    assert set(keys[0]) <= set(keys[1]) and all(len(set(one)) == len(one) for one in keys)
    assert {row["id"] for row in rows} == {1, 2}


@pytest.mark.slow
def test_recordings_end_by_themselves(det: str, serve: Callable[..., Service], tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "clip.mp4", 25.0, (96, 96)) as video:
        for _ in range(30):
            video.write(np.zeros((96, 96, 3), np.uint8))
    service = serve({"clip": {"source": "clip.mp4", "det": det}})
    assert service.process.wait(60) == 0
    assert len(service.require_whole()) > 15
    assert re.search(r"clip: \d+ frames, 1 tracks, \d+ rows; ended", service.said)


@pytest.mark.slow
def test_a_camera_that_is_given_up_is_told_by_the_exit_code(det: str, serve: Callable[..., Service]) -> None:
    service = serve({"door": {"source": "http://127.0.0.1:9/", "reconnect": 0.3, "det": det}})
    assert service.process.wait(60) == 3
    assert "door: given up" in service.said


@pytest.mark.parametrize(
    ("camera", "others", "said"),
    [
        ({"source": 0, "det": "absent.onnx"}, {}, "absent.onnx: cannot be read"),
        ({"source": "absent.mp4"}, {}, "cameras.door.source absent.mp4: no such file"),
        ({"source": "rtsp://${NOBODY}@x"}, {}, "the variable ${NOBODY} is not set"),
        ({"source": 0}, {"output": {"lines": "cameras.yaml"}}, "output.lines cameras.yaml: is --config"),
        ({"source": 0}, {"listen": "192.0.2.1:80"}, "listen 192.0.2.1:80: "),
    ],
)
@pytest.mark.slow
def test_what_cannot_be_is_refused_before_anything_starts(
    camera: dict[str, Any], others: dict[str, Any], said: str, serve: Callable[..., Service]
) -> None:
    service = serve({"door": camera}, **others)
    assert service.process.wait(60) == 2
    assert said in service.said.splitlines()[-1]
    assert "Traceback" not in service.said and not (service.folder / "tracks").exists()


@pytest.mark.slow
def test_a_file_can_be_checked(serve: Callable[..., Service]) -> None:
    service = serve({"door": {"source": 0}, "hall": {"source": 1}}, "--check")
    assert service.process.wait(60) == 0
    assert service.said == "cameras.yaml: 2 cameras: door, hall\n"


@pytest.mark.slow
def test_actors_of_ray(cameras: Start, det: str, serve: Callable[..., Service], until: Until) -> None:
    pytest.importorskip("ray", reason="needs ray")
    servers = {"door": cameras(step=0.2), "hall": cameras("close", step=0.2)}
    sources = {name: {"source": one.address, "det": det} for name, one in servers.items()}
    service = serve(sources, engine="ray")
    until(lambda: min(service.metric("rows_total", name) for name in servers) > 5, 200)
    assert service.end() == 0
    assert {row["camera"] for row in service.require_whole()} == set(servers)
    assert "Traceback" not in service.said
