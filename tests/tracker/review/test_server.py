"""Who may ask the server for what."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from tests.tracker.review.test_corrections import SCENE
from tracker.errors import InputError
from tracker.files.motchallenge import read_tracks, write_results
from tracker.input.sequences import Sequence
from tracker.review.advice import Advice
from tracker.review.pictures import opened
from tracker.review.server import ReviewServer
from tracker.review.session import Session, target_of


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ReviewServer]:
    result, images = tmp_path / "clip.txt", tmp_path / "img1"
    write_results(result, SCENE.frames, SCENE.ids, SCENE.boxes, SCENE.scores)
    images.mkdir()
    for frame in range(1, 9):
        cv2.imwrite(str(images / f"{frame:06}.png"), np.full((48, 64, 3), frame * 20, np.uint8))
    table = read_tracks(result)
    session = Session(table, result, tmp_path / "log.jsonl", target_of(result, None, (64, 48)), "clip")
    with (
        opened(Sequence("clip", frames=images), table, "clip.txt", session.log) as pictures,
        ReviewServer(session, pictures, Advice(session, None), "clip.txt") as serving,
    ):
        thread = threading.Thread(target=serving.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield serving
        serving.shutdown()
        thread.join()
    session.close()


def ask(
    server: ReviewServer, place: str, body: Any = None, token: str | None = None, **headers: str | None
) -> tuple[int, bytes, http.client.HTTPMessage]:
    port = server.server_address[1]
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    path = f"/{server.token if token is None else token}/{place}"
    given: dict[str, str | None] = {"Host": f"127.0.0.1:{port}"}
    if body is not None:
        given |= {"Origin": f"http://127.0.0.1:{port}", "Content-Type": "application/json"}
    given |= {name.replace("_", "-"): value for name, value in headers.items()}
    data = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    connection.putrequest("GET" if body is None else "POST", path, skip_host=True, skip_accept_encoding=True)
    for name, value in given.items():
        if value is not None:
            connection.putheader(name, value)
    if data is not None and "Content-Length" not in given:
        connection.putheader("Content-Length", str(len(data)))
    connection.endheaders(data)
    answer = connection.getresponse()
    found = answer.status, answer.read(), answer.headers
    connection.close()
    return found


MERGE = {"do": "merge", "keep": 3, "other": 7}


def test_what_the_page_asks_for(server: ReviewServer) -> None:
    assert server.server_address[0] == "127.0.0.1"
    status, page, headers = ask(server, "")
    assert status == 200 and b"Review of clip.txt" in page
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "unsafe-inline" not in headers["Content-Security-Policy"].partition("script-src")[2]
    assert b"http://" not in page.replace(b"http://127.0.0.1", b"") and b"https://" not in page  # loads nothing else
    assert len(ask(server, "rows")[1]) == 24 * len(SCENE)
    assert np.frombuffer(ask(server, "ids")[1]).tolist() == SCENE.ids.tolist()
    picture = cv2.imdecode(np.frombuffer(ask(server, "frame/3.jpg")[1], np.uint8), cv2.IMREAD_COLOR)
    assert picture.shape == (48, 64, 3) and abs(picture.mean() - 60) < 2
    assert cv2.imdecode(np.frombuffer(ask(server, "crop/0.jpg")[1], np.uint8), cv2.IMREAD_COLOR).shape[0] == 220
    status, answer, _ = ask(server, "say", MERGE)
    assert (status, json.loads(answer)["done"]) == (200, ["merged 7 into 3"])
    assert np.frombuffer(ask(server, "ids")[1]).tolist() == server.session.reviewed.ids.tolist()
    assert ask(server, "save", {})[0] == 200
    assert server.session.is_saved


@pytest.mark.parametrize(
    ("place", "headers"),
    [
        ("", {"token": ""}),
        ("state", {"token": "x" * 22}),  # another secret
        ("state", {"token": "é"}),
        ("state", {"Host": "evil.example:80"}),  # a name that was made to lead here
        ("", {"Host": "127.0.0.1.evil.example"}),
        ("", {"Host": None}),
        ("frame/1.jpg", {"Sec_Fetch_Site": "cross-site"}),  # a picture on another page
        ("state", {"Sec_Fetch_Site": "same-site"}),  # a page of another port
    ],
)
def test_reading_is_refused(server: ReviewServer, place: str, headers: dict[str, Any]) -> None:
    if headers.get("token") == "é":
        headers = {"token": "%C3%A9"}
    assert ask(server, place, **headers)[0] == 403


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": None},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},  # a page of another program of this machine
        {"Content_Type": "text/plain"},  # what a form can send
        {"Sec_Fetch_Site": "cross-site"},
        {"token": "guess"},
        {"Host": "evil.example"},
    ],
)
def test_saying_is_refused(server: ReviewServer, headers: dict[str, Any]) -> None:
    assert ask(server, "say", MERGE, **headers)[0] == 403
    assert not server.session.history.done


@pytest.mark.parametrize(
    ("place", "status"),
    [
        ("frame/9.jpg", 404),  # behind the last
        ("frame/0.jpg", 404),
        ("crop/999.jpg", 404),
        ("../../etc/passwd", 404),
        ("frame/..%2f..%2fetc%2fpasswd", 404),
        ("frame/000001.png", 404),
        ("frame/١.jpg", 404),  # a digit of another script
        ("nothing", 404),
        ("suggestions", 200),
    ],
)
def test_what_is_not_there(server: ReviewServer, place: str, status: int) -> None:
    if not place.isascii():
        place = "frame/%D9%A1.jpg"
    assert ask(server, place)[0] == status


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"{", {}, 400),
        ([], {}, 404),
        ({"do": "merge", "keep": 3, "other": 5}, {}, 409),  # seen at once
        ({"do": "undo"}, {}, 409),
        (b"", {"Content_Length": "70000"}, 413),
        (b"", {"Content_Length": "-1"}, 413),
        (b"[" * 60_000, {}, 400),
    ],
)
def test_what_is_said_wrongly(server: ReviewServer, body: Any, headers: dict[str, Any], status: int) -> None:
    found = ask(server, "say", body, **headers)
    assert found[0] == status
    assert json.loads(found[1])["error"]
    assert not server.session.history.done


def test_behind_a_tunnel(server: ReviewServer) -> None:
    assert ask(server, "say", MERGE, Host="localhost:9000", Origin="http://localhost:9000")[0] == 200


def test_a_port_that_is_taken(server: ReviewServer) -> None:
    with pytest.raises(InputError, match=r"--port \d+: .*in use"):
        ReviewServer(server.session, server.pictures, server.advice, "clip.txt", server.server_address[1])
