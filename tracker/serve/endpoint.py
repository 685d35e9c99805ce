"""A small HTTP server: /metrics for Prometheus, /healthz for whoever watches, /livez for who restarts."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tracker.errors import InputError
from tracker.serve.metrics import Board

STUCK = 30.0  # seconds without news of any camera after which the service itself is taken to be stuck


class Endpoint:
    """Answers as long as the `with` block lasts.

    Args:
        listen: HOST:PORT; port 0 takes any that is free.
        board: what there is to tell.

    Attributes:
        address: HOST:PORT, with the port that was taken.

    Raises:
        InputError: the port is taken, or not ours to take.
    """

    def __init__(self, listen: str, board: Board) -> None:
        host, _, port = listen.rpartition(":")
        try:
            self._server = _Server((host.strip("[]"), int(port)), _handler(board))
        except OSError as error:
            raise InputError(f"listen {listen}: {error.strerror or error}") from error
        self.address = f"{host}:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, name="endpoint", daemon=True).start()

    def __enter__(self) -> Endpoint:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Who asks and does not wait for the answer is nobody's trouble."""


def _handler(board: Board) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = 10.0

        def do_GET(self) -> None:
            if self.path == "/metrics":
                self._answer(200, board.text(), "text/plain; version=0.0.4; charset=utf-8")
            elif self.path == "/healthz":
                troubles = board.troubles()
                told = {"status": "failing" if troubles else "ok", "failing": troubles}
                self._answer(503 if troubles else 200, json.dumps(told).encode() + b"\n", "application/json")
            elif self.path == "/livez":
                self._answer(503 if board.seconds_since_update > STUCK else 200, b"", "text/plain")
            else:
                self._answer(404, b"/metrics, /healthz or /livez\n", "text/plain")

        def _answer(self, code: int, body: bytes, kind: str) -> None:
            self.send_response(code)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Standard error is for what goes wrong."""

    return Handler
