"""Do the next thing while the last one is used: an iterator that runs ahead in a background thread.

Decoding and networks let go of the interpreter's lock, so a chain of these (decode, describe) keeps two cores busy
while the tracker follows in the main thread.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Iterator
from contextlib import suppress
from time import perf_counter
from typing import Generic, TypeVar

Item = TypeVar("Item")

PATIENCE = 0.1  # seconds after which a waiting thread looks whether it is still wanted


class Ahead(Generic[Item]):
    """The items of an iterator, in order, to be taken once; what it raises is raised where they are taken.

    Args:
        items: are made in the background thread, from the first `iter` on.
        depth: items that wait at most.
        live: where the taker is too slow, the oldest waiting item is dropped instead of halting the maker.
        name: of the thread.
    """

    def __init__(self, items: Iterable[Item], depth: int, live: bool = False, name: str = "ahead") -> None:
        self._items = items
        self._live = live
        self._waiting: queue.Queue[Item | _End] = queue.Queue(depth)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._make, name=name, daemon=True)
        self._taken = False
        self.seconds = 0.0
        """Of the clock, spent making items."""
        self.dropped = 0
        """Items that nobody took in time."""

    @property
    def was_taken(self) -> bool:
        """Whether somebody has iterated, or closed it: there is no second time."""
        return self._taken or self._stopped.is_set()

    def __iter__(self) -> Iterator[Item]:
        if self.was_taken:
            raise RuntimeError(f"{self._thread.name}: can be taken only once")
        self._taken = True
        self._thread.start()
        return self._take()

    def close(self, patience: float | None = None) -> None:
        """Stop making items; safe to call again. A maker that itself waits for items must be let go of first.

        Args:
            patience: seconds to wait for the thread to end; None: as long as it takes.
        """
        self._stopped.set()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(patience)

    def _take(self) -> Iterator[Item]:
        try:
            while not self._stopped.is_set():
                with suppress(queue.Empty):
                    item = self._waiting.get(timeout=PATIENCE)
                    if isinstance(item, _End):
                        if item.error is not None:
                            raise item.error
                        return
                    yield item
        finally:
            self._stopped.set()  # without waiting for the maker, who may be waiting for somebody else

    def _make(self) -> None:
        end = _End(None)
        try:
            for item in self._timed():
                if not self._hand_over(item):
                    return
        except Exception as error:  # raised again where the items are taken
            end = _End(error)
        self._hand_over(end)

    def _timed(self) -> Iterator[Item]:
        items = iter(self._items)
        while True:
            started = perf_counter()
            try:
                item = next(items)
            except StopIteration:
                return
            finally:
                self.seconds += perf_counter() - started
            yield item

    def _hand_over(self, item: Item | _End) -> bool:
        while not self._stopped.is_set():
            with suppress(queue.Full):
                self._waiting.put(item, timeout=0.0 if self._live else PATIENCE)
                return True
            if self._live:
                with suppress(queue.Empty):
                    self._waiting.get_nowait()
                    self.dropped += 1
        return False


class _End:
    """Behind the last item: nothing more comes, or why."""

    def __init__(self, error: Exception | None) -> None:
        self.error = error
