"""Cameras of this machine, and a detector that needs no network."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from tools.reliability.mjpeg import Server
from tracker.core.detections import Detections, Image


def find_red(image: Image) -> Detections:
    """The one who walks through a `Server`'s pictures: whatever is red."""
    rows, columns = np.nonzero(image[:, :, 2] > 150)
    if not len(rows):
        return Detections(np.zeros((0, 4)))
    box = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
    return Detections([box], [0.9], None, [0])


def wait_for(is_so: Callable[[], object], seconds: float = 20.0) -> None:
    """Until something is so; AssertionError where it does not come to be."""
    until = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.02)


@pytest.fixture
def cameras() -> Iterator[Callable[..., Server]]:
    """`cameras(mode, step=, length=)` starts one, see `tools.reliability.mjpeg`."""
    servers: list[Server] = []

    def start(mode: str = "endless", step: float = 0.04, length: int = 30) -> Server:
        servers.append(Server(mode, step=step, length=length))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@pytest.fixture
def red() -> Callable[[Image], Detections]:
    return find_red


@pytest.fixture
def until() -> Callable[..., None]:
    return wait_for
