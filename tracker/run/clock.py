"""How long each stage of a run takes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock
from time import perf_counter
from typing import ParamSpec, TypeVar

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


class Clock:
    """Seconds of the clock, stage by stage; stages that run side by side in threads each count in full."""

    def __init__(self) -> None:
        self._seconds: defaultdict[str, float] = defaultdict(float)
        self._lock = Lock()

    @contextmanager
    def measure(self, stage: str, within: str | None = None) -> Iterator[None]:
        """The block belongs to that stage, and not to the one that is measured around it."""
        started = perf_counter()
        try:
            yield
        finally:
            seconds = perf_counter() - started
            self.add(stage, seconds)
            if within is not None:
                self.add(within, -seconds)

    def measured(self, stage: str, function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
        """The function, all of whose calls belong to that stage."""

        def call(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
            with self.measure(stage):
                return function(*args, **kwargs)

        return call

    def add(self, stage: str, seconds: float) -> None:
        """Count seconds that were measured elsewhere."""
        with self._lock:
            self._seconds[stage] += seconds

    @property
    def seconds(self) -> dict[str, float]:
        """Stage -> seconds, in the order in which stages were met."""
        return dict(self._seconds)
