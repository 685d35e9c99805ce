"""The page's server: on this machine, for this person alone.

It listens on 127.0.0.1. Every address begins with a secret of 128 bits, which other programs' pages do not know;
requests that name another host (DNS rebinding) or come from another page (CSRF) are refused; frames and boxes are asked
for by numbers, so that no path ever comes from outside. The page may load nothing but what this server hands out.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import secrets
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np

from tracker.errors import InputError
from tracker.output.pages.render import render
from tracker.output.palette import PALETTE
from tracker.review.advice import Advice
from tracker.review.pictures import Pictures
from tracker.review.session import Session, described

ADDRESS = "127.0.0.1"
HOSTS = re.compile(r"(127\.0\.0\.1|localhost|\[::1\])(:\d{1,5})?", re.ASCII)  # any port: behind `ssh -L` it is another
MOST_BYTES = 1 << 16  # of what a page says
JSON, JPEG, BYTES, HTML = "application/json", "image/jpeg", "application/octet-stream", "text/html; charset=utf-8"
IDLE = 60.0  # seconds after which a connection is given up

Answer = tuple[HTTPStatus, str, bytes]


class ReviewServer(ThreadingHTTPServer):
    """Serves one review.

    Args:
        session, pictures, advice: what is reviewed.
        name: of the result, as the page calls it.
        port: 0 takes one that is free.

    Raises:
        InputError: the port is taken.
    """

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, session: Session, pictures: Pictures, advice: Advice, name: str, port: int = 0) -> None:
        self.session, self.pictures, self.advice, self.name = session, pictures, advice, name
        self.token = secrets.token_urlsafe(16)
        self.page, self.policy = _page(session, pictures, name)
        try:
            super().__init__((ADDRESS, port), _Handler)
        except (OSError, OverflowError) as error:
            why = getattr(error, "strerror", None) or error
            raise InputError(f"--port {port}: {why}; expected one that is free, or none") from None

    @property
    def url(self) -> str:
        """Where the page is."""
        return f"http://{ADDRESS}:{self.server_address[1]}/{self.token}/"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that goes away is none."""

    def get(self, place: str) -> Answer:
        """What is at a place of the page, below the secret."""
        session = self.session
        if place == "":
            return HTTPStatus.OK, HTML, self.page
        if place == "state":
            return _json(self.state())
        if place == "suggestions":
            return _json(self.advice.as_json())
        if place == "rows":
            table = session.table
            parts = table.frames.astype("<f8"), table.boxes.astype("<f4")
            return HTTPStatus.OK, BYTES, b"".join(part.tobytes() for part in parts)
        if place == "ids":
            return HTTPStatus.OK, BYTES, session.reviewed.ids.astype("<f8").tobytes()
        if found := re.fullmatch(r"(frame|crop)/(\d{1,15})\.jpg", place, re.ASCII):
            return self._picture(found[1], int(found[2]))
        return _error(HTTPStatus.NOT_FOUND, "nothing is there")

    def post(self, place: str, content: Any) -> Answer:
        """What becomes of what the page says."""
        try:
            if place == "say" and isinstance(content, dict):
                words = self.session.say(content)
            elif place == "save":
                words = self.session.save()
            else:
                return _error(HTTPStatus.NOT_FOUND, "nothing is there")
        except InputError as error:
            return _error(HTTPStatus.CONFLICT, str(error))
        return _json({"words": words, **self.state()})

    def state(self) -> dict[str, Any]:
        """What the page shows beside boxes and suggestions."""
        session = self.session
        with session.lock:
            return {
                "version": session.version,
                "names": {str(one): name for one, name in session.reviewed.names.items()},
                "done": [described(one) for one in session.history.done],
                "undone": [described(one) for one in session.history.undone],
                "saved": session.is_saved,
                "unused": session.reviewed.unused,
            }

    def _picture(self, kind: str, number: int) -> Answer:
        table = self.session.table
        try:
            if kind == "frame":
                picture = self.pictures.jpeg(number)
            elif number < len(table):
                picture = self.pictures.crop(int(table.frames[number]), table.boxes[number])
            else:
                picture = None
        except (OSError, InputError) as error:
            return _error(HTTPStatus.NOT_FOUND, str(error))
        if picture is None:
            return _error(HTTPStatus.NOT_FOUND, "that frame is not there, or not yet")
        return HTTPStatus.OK, JPEG, picture


class _Handler(BaseHTTPRequestHandler):
    server: ReviewServer
    server_version, sys_version = "FlatSORT", ""
    protocol_version = "HTTP/1.1"  # connections stay open: scrubbing asks for many frames
    timeout = IDLE

    def do_GET(self) -> None:
        place = self._allowed()
        self._send(*(self.server.get(place) if place is not None else _error(HTTPStatus.FORBIDDEN, "not allowed")))

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdecimal() and int(length) <= MOST_BYTES):
            self.close_connection = True  # what follows is not read
            self._send(*_error(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "expected a short message"))
            return
        body = self.rfile.read(int(length))
        place = self._allowed()
        if place is None or not self._is_from_our_page():
            self._send(*_error(HTTPStatus.FORBIDDEN, "not allowed"))
            return
        try:
            content = json.loads(body)
        except (ValueError, RecursionError):
            self._send(*_error(HTTPStatus.BAD_REQUEST, "expected JSON"))
            return
        self._send(*self.server.post(place, content))

    def log_message(self, format: str, *arguments: Any) -> None:
        """Nothing: addresses hold the secret."""

    def _allowed(self) -> str | None:
        """The place that is asked for, below the secret; None where the request is not for us to answer."""
        token, _, place = self.path.partition("?")[0].removeprefix("/").partition("/")
        is_ours = hmac.compare_digest(token.encode(), self.server.token.encode())
        is_here = HOSTS.fullmatch(self.headers.get("Host", "")) is not None
        is_apart = self.headers.get("Sec-Fetch-Site", "none") in ("none", "same-origin")
        return place if is_ours and is_here and (is_apart or place == "") else None

    def _is_from_our_page(self) -> bool:
        """JSON from a page of this very server: what a form or another page sends is neither."""
        origin = self.headers.get("Origin")
        kind = self.headers.get("Content-Type", "").partition(";")[0].strip()
        return kind == JSON and origin == f"http://{self.headers.get('Host')}"

    def _send(self, status: HTTPStatus, kind: str, body: bytes) -> None:
        self.send_response(status)
        for name, value in (
            ("Content-Type", kind),
            ("Content-Length", str(len(body))),
            ("Cache-Control", "private, max-age=3600" if kind == JPEG else "no-store"),
            ("Content-Security-Policy", self.server.policy),
            ("X-Content-Type-Options", "nosniff"),
            ("Referrer-Policy", "same-origin"),
            ("Cross-Origin-Resource-Policy", "same-origin"),
            ("Cross-Origin-Opener-Policy", "same-origin"),
        ):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


def _json(content: Any) -> Answer:
    return HTTPStatus.OK, JSON, json.dumps(content).encode()


def _error(status: HTTPStatus, why: str) -> Answer:
    return status, JSON, json.dumps({"error": why}).encode()


def _page(session: Session, pictures: Pictures, name: str) -> tuple[bytes, str]:
    """The page, and the policy under which its own program alone may run."""
    given = {
        "last": max(pictures.last, int(np.max(session.table.frames, initial=1))),
        "size": pictures.size,
        "reduction": pictures.reduction,
        "rate": pictures.rate or 30.0,
        "palette": PALETTE,
    }
    text = str(
        render(
            "review.html", title=f"Review of {name}", given=given, target=session.target.path.name, log=session.log.name
        )
    )
    programs = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    hashes = [base64.b64encode(hashlib.sha256(program.encode()).digest()).decode() for program in programs]
    allowed = " ".join(f"'sha256-{one}'" for one in hashes)
    policy = (
        "default-src 'none'; img-src 'self' data: blob:; connect-src 'self'; style-src 'unsafe-inline'; "
        f"script-src {allowed}; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return text.encode(), policy
