"""How all cameras go, for Prometheus and for whoever asks whether they deliver."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from embedding.extras import require_package
from tracker.serve.status import OVER, Status

# Name -> kind, what it says, and how it is read from a status. Counters begin at 0 with each actor, as they may.
CAMERA_METRICS: dict[str, tuple[str, str, Callable[[Status], float]]] = {
    "frames": ("counter", "Pictures that were tracked.", lambda one: one.frames),
    "frames_received": ("counter", "Pictures that came whole.", lambda one: one.received),
    "frames_dropped": ("counter", "Pictures that waited too long and gave way to newer ones.", lambda one: one.dropped),
    "frames_skipped": ("counter", "Pictures that came faster than max_rate.", lambda one: one.skipped),
    "frames_broken": ("counter", "Pictures that came damaged.", lambda one: one.broken),
    "frames_unlooked": ("counter", "Pictures that no detector could look at.", lambda one: one.unlooked),
    "frames_per_second": ("gauge", "Pictures tracked a second, over 20 s.", lambda one: one.rate),
    "lag_seconds": ("gauge", "From a picture's arrival until it is tracked, the latest.", lambda one: one.lag),
    "lag_worst_seconds": ("gauge", "The same, the worst of 20 s.", lambda one: one.worst_lag),
    "tracks": ("counter", "Identities so far.", lambda one: one.tracks),
    "tracks_visible": ("gauge", "Tracks in the latest picture.", lambda one: one.visible),
    "rows": ("counter", "Rows written.", lambda one: one.rows),
    "lines_dropped": ("counter", "Rows that left no JSON line, as nobody took them.", lambda one: one.lines_dropped),
    "reconnects": ("counter", "Connections after the first.", lambda one: one.reconnects),
    "lost_seconds": ("counter", "Without a connection or a picture.", lambda one: one.seconds_lost),
    "restarts": ("counter", "Times that the camera's process died.", lambda one: one.restarts),
}


class Board:
    """The latest status of every camera.

    Args:
        stale: seconds without a picture after which a camera does not count as delivering.
        now: the clock.
    """

    def __init__(self, names: Iterable[str], stale: float, now: Callable[[], float] = time.time) -> None:
        self._statuses = {name: Status(name) for name in names}
        self._stale, self._now = stale, now
        self._updated = time.monotonic()
        self.lines_dropped = 0
        """JSON lines that left the cameras and were not taken."""

    def take(self, status: Status) -> None:
        """Take in how a camera goes."""
        self._statuses[status.name] = status
        self._updated = time.monotonic()

    @property
    def statuses(self) -> list[Status]:
        """By camera, in the order of the configuration."""
        return list(self._statuses.values())

    @property
    def seconds_since_update(self) -> float:
        """Since any camera told anything."""
        return time.monotonic() - self._updated

    @property
    def is_over(self) -> bool:
        """Whether no camera will send anything more."""
        return all(status.state in OVER for status in self.statuses)

    def troubles(self) -> dict[str, str]:
        """Why cameras do not deliver, by name; those that do are left out."""
        found = ((one.name, one.trouble(self._now(), self._stale)) for one in self.statuses)
        return {name: why for name, why in found if why is not None}

    def text(self) -> bytes:
        """All metrics as Prometheus reads them."""
        from prometheus_client import CollectorRegistry, generate_latest
        from prometheus_client.process_collector import ProcessCollector

        registry = CollectorRegistry(auto_describe=False)
        registry.register(_Collector(self))
        ProcessCollector(registry=registry)
        return bytes(generate_latest(registry))


class _Collector:
    def __init__(self, board: Board) -> None:
        self._board = board

    def collect(self) -> Iterator[Any]:
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        kinds = {"counter": CounterMetricFamily, "gauge": GaugeMetricFamily}
        for name, (kind, about, read) in CAMERA_METRICS.items():
            family = kinds[kind](f"flatsort_{name}", about, labels=["camera"])
            for status in self._board.statuses:
                family.add_metric([status.name], read(status))
            yield family
        troubles = self._board.troubles()
        family = GaugeMetricFamily("flatsort_up", "Whether the camera delivers.", labels=["camera"])
        for status in self._board.statuses:
            family.add_metric([status.name], float(status.name not in troubles))
        yield family
        yield from self._places()
        dropped = "JSON lines that could not be handed on."
        yield CounterMetricFamily("flatsort_output_lines_dropped", dropped, value=self._board.lines_dropped)

    def _places(self) -> Iterator[Any]:
        """Lines and zones."""
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        about = "Times that somebody went into a zone or out of it, or crossed a line that way."
        crossings = CounterMetricFamily("flatsort_crossings", about, labels=["camera", "place", "direction"])
        inside = GaugeMetricFamily("flatsort_inside", "People in a zone.", labels=["camera", "place"])
        for status in self._board.statuses:
            for place, count in status.places.items():
                crossings.add_metric([status.name, place, "in"], count.into)
                crossings.add_metric([status.name, place, "out"], count.out)
                inside.add_metric([status.name, place], count.inside)
        yield from (crossings, inside)


def require_metrics() -> None:
    """InputError where prometheus-client is missing."""
    require_package("prometheus_client", "listen (null does without)")
