"""How a camera goes: plain values that travel from its actor to who asks."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field
from typing import Literal

from tracker.serve.places import PlaceCount

SECONDS = 20.0  # over which frames a second and the worst lag are told

State = Literal["connecting", "running", "failing", "ended", "given up", "stopped"]
OVER: frozenset[State] = frozenset({"ended", "given up", "stopped"})


@dataclass
class Status:
    """One camera, since its actor was started.

    Attributes:
        state: `connecting`: no picture has come yet; `failing`: it is begun anew, `why` says what went wrong;
            `given up`: nothing came for longer than it was to be waited for.
        latest: when the latest picture came, `time.time()`; None before the first.
        received, skipped, dropped, broken: pictures that came whole; of them those beyond `max_rate`, and those that
            nobody took in time; and those that came damaged.
        unlooked: of them, those that nobody could look at.
        frames, tracked: pictures that were tracked, and when the latest of them was.
        tracks, visible: identities so far, and in the latest frame.
        rows: that were written.
        lines_dropped: rows that nobody took as JSON lines in time; Parquet has them.
        reconnects, seconds_lost: of its connections.
        rate: frames tracked a second, over the last seconds.
        lag, worst_lag: seconds from a picture's arrival until it is tracked: of the latest, and the worst of the last
            seconds.
        restarts: of its actor.
        places: what came of its lines and zones, by name.
    """

    name: str
    state: State = "connecting"
    why: str = ""
    latest: float | None = None
    received: int = 0
    skipped: int = 0
    dropped: int = 0
    broken: int = 0
    unlooked: int = 0
    frames: int = 0
    tracked: float | None = None
    tracks: int = 0
    visible: int = 0
    rows: int = 0
    lines_dropped: int = 0
    reconnects: int = 0
    seconds_lost: float = 0.0
    rate: float = 0.0
    lag: float = 0.0
    worst_lag: float = 0.0
    restarts: int = 0
    places: dict[str, PlaceCount] = field(default_factory=dict)

    def trouble(self, now: float, stale: float) -> str | None:
        """Why the camera delivers nothing, in words; None where it does, and where it has ended as it was to.

        Args:
            now: `time.time()`.
            stale: seconds without a picture that are still none.
        """
        if self.state in ("ended", "stopped"):
            return None
        if self.state in ("failing", "given up"):
            return self.why
        if self.latest is None:
            return "no picture yet"
        if now - self.latest > stale:
            return f"no picture for {now - self.latest:.0f} s"
        if self.tracked is None or now - self.tracked > stale:
            return self.why or "its pictures are not tracked"
        return None


@dataclass
class Report:
    """What an actor tells at a time: how it goes, and its rows since the last report as JSON lines."""

    status: Status
    lines: list[bytes] = field(default_factory=list)


class Recent:
    """The lag of the frames of the last seconds."""

    def __init__(self) -> None:
        self._lags: deque[tuple[float, float]] = deque()
        self._started = time.monotonic()

    def add(self, lag: float) -> None:
        """Take in a frame that is done."""
        self._lags.append((time.monotonic(), lag))
        self._forget()

    def rate(self) -> float:
        """Frames a second."""
        self._forget()
        return len(self._lags) / min(max(time.monotonic() - self._started, 1.0), SECONDS)

    def worst(self) -> float:
        """The longest lag."""
        self._forget()
        return max((lag for _, lag in tuple(self._lags)), default=0.0)

    def _forget(self) -> None:
        while self._lags and time.monotonic() - self._lags[0][0] > SECONDS:
            self._lags.popleft()
