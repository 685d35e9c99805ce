"""JSON lines to a file, standard output and sockets; who does not read them loses them, and holds up nobody."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tracker.errors import InputError
from tracker.serve.lines import LinesOut

Until = Callable[..., None]


def test_a_file_grows_from_run_to_run(tmp_path: Path) -> None:
    path = tmp_path / "new" / "tracks.jsonl"
    for number in range(3):
        out = LinesOut(str(path))
        out.put(b"%d a\n%d b\n" % (number, number))
        out.put(b"")
        out.close()
    assert path.read_bytes() == b"0 a\n0 b\n1 a\n1 b\n2 a\n2 b\n"


@pytest.mark.parametrize("before", [b"", b"whole\n", b"whole\ncu", b"cu", b"whole\n" + 200_000 * b"c"])
def test_what_a_kill_cut_is_removed(before: bytes, tmp_path: Path) -> None:
    path = tmp_path / "tracks.jsonl"
    path.write_bytes(before)
    out = LinesOut(str(path))
    out.put(b"next\n")
    out.close()
    assert path.read_bytes() == (b"whole\n" if b"\n" in before else b"") + b"next\n"


def test_a_file_that_is_emptied_meanwhile_goes_on_at_its_start(tmp_path: Path, until: Until) -> None:
    path = tmp_path / "tracks.jsonl"
    path.write_bytes(b"before\n")
    out = LinesOut(str(path))
    out.put(b"one\n")
    until(lambda: path.read_bytes() == b"before\none\n")
    with path.open("r+b") as file:  # as logrotate's copytruncate does
        file.truncate(0)
    out.put(b"two\n")
    out.close()
    assert path.read_bytes() == b"two\n"


def test_standard_output() -> None:
    program = "from tracker.serve.lines import LinesOut; out = LinesOut('-'); out.put(b'a\\n' * 50000); out.close()"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=60)
    assert done.stdout == b"a\n" * 50000 and not done.stderr


def test_a_reader_that_goes_away_ends_nothing() -> None:
    program = (
        "import time; from tracker.serve.lines import LinesOut; out = LinesOut('-')\n"
        "for _ in range(3): out.put(b'a\\n' * 50000); time.sleep(0.1)\n"
        "out.close(); import sys; print(out.dropped > 0, file=sys.stderr)"
    )
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None and process.stderr is not None
    assert process.stdout.readline() == b"a\n"
    process.stdout.close()
    said = process.stderr.read().decode()
    assert process.wait(30) == 0
    assert said == "-: lines are lost: Broken pipe\nTrue\n"


class Listener:
    """Takes connections and keeps what comes."""

    def __init__(self, listening: socket.socket) -> None:
        self.listening, self.got = listening, b""
        self.connections: list[socket.socket] = []
        listening.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self.listening.accept()
            except OSError:
                return
            self.connections.append(connection)
            while data := connection.recv(1000):
                self.got += data


@pytest.mark.parametrize("kind", ["tcp", "unix"])
def test_a_socket(kind: str, tmp_path: Path, until: Until) -> None:
    if kind == "tcp":
        listening = socket.create_server(("127.0.0.1", 0))
        where = f"tcp://127.0.0.1:{listening.getsockname()[1]}"
    else:
        listening = socket.socket(socket.AF_UNIX)
        listening.bind(str(tmp_path / "s"))
        where = f"unix:{tmp_path / 's'}"
    listener = Listener(listening)
    out = LinesOut(where)
    out.put(b"one\n")
    until(lambda: listener.got == b"one\n")
    out.put(b"two\n")
    out.close()
    until(lambda: listener.got == b"one\ntwo\n")
    assert out.dropped == 0
    listening.close()


def test_a_socket_where_nobody_listens_is_tried_again(
    monkeypatch: pytest.MonkeyPatch, until: Until, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("tracker.serve.lines.PAUSE", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    out = LinesOut(f"tcp://127.0.0.1:{port}")
    out.put(b"lost\n")
    until(lambda: out.dropped == 1)
    out.put(b"lost\n")
    until(lambda: out.dropped == 2)
    listener = Listener(socket.create_server(("127.0.0.1", port)))
    out.put(b"come\n")
    until(lambda: listener.got == b"come\n")
    out.close()
    listener.listening.close()
    assert capsys.readouterr().err == f"tcp://127.0.0.1:{port}: lines are lost: Connection refused\n"  # once


def test_who_does_not_read_costs_lines_and_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tracker.serve.lines.WAITING", 10_000)
    monkeypatch.setattr("tracker.serve.lines.PATIENCE", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        out = LinesOut(f"tcp://127.0.0.1:{listening.getsockname()[1]}")
        started = time.monotonic()
        for _ in range(10_000):
            out.put(1000 * b"a" + b"\n")
            assert out._bytes <= 10_000
        assert time.monotonic() - started < 5  # it never waits
        assert out.dropped > 1000
        out.close()


@pytest.mark.parametrize(("where", "said"), [("ftp://x/y", "expected -, a file, tcp://"), ("/proc/a/b", "written")])
def test_no_place_for_lines(where: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        LinesOut(where)
