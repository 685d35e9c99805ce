"""An iterator that runs ahead: order, errors, and that stopping it leaves no thread behind."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from tracker.input.ahead import Ahead


def threads(name: str) -> int:
    return sum(thread.name == name and thread.is_alive() for thread in threading.enumerate())


@pytest.mark.parametrize(("count", "depth"), [(0, 1), (1, 1), (50, 1), (50, 7), (3, 100)])
def test_items_come_whole_and_in_order(count: int, depth: int) -> None:
    assert list(Ahead(range(count), depth)) == list(range(count))


def test_it_runs_ahead_but_not_farther_than_it_may() -> None:
    made: list[int] = []

    def items() -> Iterator[int]:
        for item in range(100):
            made.append(item)
            yield item

    ahead = Ahead(items(), 3)
    taken = iter(ahead)
    assert next(taken) == 0
    until = time.monotonic() + 5
    while len(made) < 5 and time.monotonic() < until:
        time.sleep(0.001)
    time.sleep(0.05)
    assert len(made) == 5  # one taken, three waiting, one in hand
    ahead.close()


def test_what_the_maker_raises_is_raised_behind_the_last_item() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise ValueError("broken")

    taken = iter(Ahead(items(), 4))
    assert next(taken) == 1
    with pytest.raises(ValueError, match="broken"):
        next(taken)


def test_there_is_no_second_time() -> None:
    ahead = Ahead([1], 1)
    assert list(ahead) == [1]
    with pytest.raises(RuntimeError, match="once"):
        iter(ahead)


@pytest.mark.parametrize("started", [True, False])
def test_closing_ends_a_maker_that_waits_to_hand_over(started: bool) -> None:
    ahead = Ahead(iter(int, 1), 2, name="endless")
    if started:
        taken = iter(ahead)
        next(taken)
        assert threads("endless") == 1
    ahead.close()
    ahead.close()
    assert threads("endless") == 0


def test_a_chain_closes_from_its_source() -> None:
    """The second waits for the first: once that is closed, nothing holds the second."""
    gate = threading.Event()

    def items() -> Iterator[int]:
        yield 1
        while not gate.wait(0.01):
            pass

    first = Ahead(items(), 2, name="chain")
    second = Ahead(iter(first), 2, name="chain")
    taken = iter(second)
    assert next(taken) == 1
    gate.set()
    first.close()
    second.close()
    assert threads("chain") == 0


def test_a_taker_that_goes_away_is_not_kept_waiting() -> None:
    gate = threading.Event()

    def items() -> Iterator[int]:
        yield 1
        gate.wait(10)

    ahead = Ahead(items(), 2, name="left")
    for item in ahead:
        assert item == 1
        break  # the generator is closed here, while the maker waits for something that does not come
    assert not gate.is_set()
    gate.set()
    ahead.close()
    assert threads("left") == 0


def test_live_items_that_are_not_taken_in_time_are_dropped() -> None:
    done = threading.Event()

    def items() -> Iterator[int]:
        yield from range(50)
        done.set()

    taken = iter(Ahead(items(), 4, live=True))
    first = next(taken)
    assert done.wait(5)
    rest = list(taken)
    assert [first, *rest] == sorted({first, *rest})
    assert len(rest) <= 4
    assert rest[-1] == 49 or len(rest) == 4
