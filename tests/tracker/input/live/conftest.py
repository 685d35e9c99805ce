"""A camera on this machine that closes, resets, stalls and sends broken pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tools.reliability.mjpeg import Server


@pytest.fixture
def serve() -> Iterator[Callable[[str], Server]]:
    servers: list[Server] = []

    def start(mode: str) -> Server:
        servers.append(Server(mode))
        return servers[-1]

    yield start
    for server in servers:
        server.close()
