"""What Prometheus and a watchdog are told, read by the parser of Prometheus' own client."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest

from tracker.errors import InputError
from tracker.serve.endpoint import Endpoint
from tracker.serve.metrics import CAMERA_METRICS, Board
from tracker.serve.places import PlaceCount
from tracker.serve.status import Status

parser = pytest.importorskip("prometheus_client.parser", reason="needs prometheus-client")

NOW = 1000.0


def good(name: str) -> Status:
    """One that delivers."""
    gate = {"gate": PlaceCount(into=5, out=3, inside=2)}
    one = Status(name, "running", latest=NOW - 1, tracked=NOW - 1, rate=2.5, lag=0.1, places=gate)
    one.frames, one.received, one.dropped = 40, 50, 7
    return one


@pytest.fixture
def board() -> Board:
    board = Board(["door", "hall"], stale=5, now=lambda: NOW)
    board.take(good("door"))
    return board


def values(text: bytes) -> dict[tuple[str, str], float]:
    families = parser.text_string_to_metric_families(text.decode())
    return {(one.name, one.labels.get("camera", "")): one.value for family in families for one in family.samples}


def test_lines_and_zones(board: Board) -> None:
    families = list(parser.text_string_to_metric_families(board.text().decode()))
    samples = {(one.name, *sorted(one.labels.values())): one.value for family in families for one in family.samples}
    assert samples["flatsort_crossings_total", "door", "gate", "in"] == 5
    assert samples["flatsort_crossings_total", "door", "gate", "out"] == 3
    assert samples["flatsort_inside", "door", "gate"] == 2


def test_every_metric_is_there_for_every_camera(board: Board) -> None:
    found = values(board.text())
    assert found["flatsort_frames_total", "door"] == 40
    assert found["flatsort_frames_received_total", "door"] == 50
    assert found["flatsort_frames_dropped_total", "door"] == 7
    assert found["flatsort_frames_per_second", "door"] == 2.5
    assert found["flatsort_lag_seconds", "door"] == 0.1
    assert (found["flatsort_up", "door"], found["flatsort_up", "hall"]) == (1, 0)
    for name, (kind, *_) in CAMERA_METRICS.items():
        assert {("flatsort_" + name + ("_total" if kind == "counter" else ""), one) for one in ("door", "hall")} <= set(
            found
        )
    assert found["process_resident_memory_bytes", ""] > 1e6


@pytest.mark.parametrize(
    ("status", "trouble"),
    [
        (good("a"), None),
        (Status("a"), "no picture yet"),
        (Status("a", "running", latest=NOW - 6, tracked=NOW - 6), "no picture for 6 s"),
        # pictures come, nobody looks at them
        (Status("a", "running", "the pool is away", latest=NOW, tracked=NOW - 6), "the pool is away"),
        (Status("a", "running", latest=NOW), "its pictures are not tracked"),
        (Status("a", "failing", "the disk is full", latest=NOW, tracked=NOW), "the disk is full"),
        (Status("a", "given up", "it ended", latest=NOW, tracked=NOW), "it ended"),
        (Status("a", "ended"), None),  # a recording, as it was to
        (Status("a", "stopped"), None),
    ],
)
def test_who_does_not_deliver_is_told_with_the_reason(status: Status, trouble: str | None) -> None:
    assert status.trouble(NOW, stale=5) == trouble


def ask(address: str, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://{address}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


@pytest.fixture
def address(board: Board) -> Iterator[str]:
    with Endpoint("127.0.0.1:0", board) as endpoint:
        yield endpoint.address


def test_health(board: Board, address: str) -> None:
    assert ask(address, "/livez")[0] == 200
    code, text = ask(address, "/healthz")
    assert (code, json.loads(text)) == (503, {"status": "failing", "failing": {"hall": "no picture yet"}})
    board.take(good("hall"))
    code, text = ask(address, "/healthz")
    assert (code, json.loads(text)) == (200, {"status": "ok", "failing": {}})
    assert ask(address, "/secret")[0] == 404
    board._updated -= 60
    assert ask(address, "/livez")[0] == 503


def test_metrics_over_http(address: str) -> None:
    code, text = ask(address, "/metrics")
    assert code == 200 and values(text.encode())["flatsort_frames_total", "door"] == 40


def test_a_port_that_is_taken(board: Board, address: str) -> None:
    with pytest.raises(InputError, match=f"listen {address}: Address already in use"):
        Endpoint(address, board)
