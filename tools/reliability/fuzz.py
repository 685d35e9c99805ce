"""Damaged files of every kind, read in processes that are watched: one line may come of each, nothing else."""

from __future__ import annotations

import contextlib
import faulthandler
import multiprocessing
import os
import random
import re
import resource
import sys
import tempfile
import time
import traceback
from ctypes import c_longlong
from pathlib import Path
from typing import Any

from embedding.progress import say
from tools.reliability.readers import READERS
from tracker.errors import InputError

PATIENCE = 10.0  # seconds for a case
MEMORY = 2 << 20  # kB
ODD = [
    b"",
    b"nan",
    b"inf",
    b"-1",
    b"1e400",
    b"0x10",
    b"9" * 400,
    b"[" * 3000,
    b"\xff\xfe",
    b"\x00",
    b"!!python/x 1",
    b"*a",
]
SHOWN = 5  # faults of a kind


def damaged(kind: str, seed: int, case: int) -> bytes:
    """The content of a case; the same whenever it is asked for."""
    chance, reader = random.Random(f"{kind} {seed} {case}"), READERS[kind]
    wholes = _wholes(kind)
    content = bytearray(wholes[case % len(wholes)])
    for _ in range(chance.choice((1, 1, 1, 2, 4, 16))):
        change = chance.randrange(6)
        if reader.is_text and change < 3:
            content = _with_odd_field(content, chance)
        elif change == 3:
            del content[chance.randrange(len(content) + 1) :]
        elif change == 4:
            place = chance.randrange(len(content) + 1)
            content[place:place] = chance.randbytes(chance.randrange(1, 9))
        elif content:
            place = chance.randrange(min(len(content), chance.choice((64, 512, len(content)))))
            content[place] = chance.choice((0, 255, chance.randrange(256), content[place] ^ 1 << chance.randrange(8)))
    return bytes(content)


def _with_odd_field(content: bytearray, chance: random.Random) -> bytearray:
    fields = list(re.finditer(rb"[^\s,:=]+", content))
    if not fields:
        return content
    field = chance.choice(fields)
    return content[: field.start()] + chance.choice(ODD) + content[field.end() :]


_made: dict[str, list[bytes]] = {}


def _wholes(kind: str) -> list[bytes]:
    if kind not in _made:
        _made[kind] = READERS[kind].make()
    return _made[kind]


def fuzz(kinds: list[str], cases: int, seed: int) -> int:
    """Read so many damaged files of each kind; how many broke something."""
    total = 0
    for kind in kinds:
        started, faults = time.monotonic(), _fuzz_kind(kind, cases, seed)
        total += len(faults)
        say(f"{kind}: {cases} cases, {len(faults)} faults, {time.monotonic() - started:.0f} s")
        for case, fault in sorted(faults.items())[:SHOWN]:
            say(f"  python -m tools.reliability fuzz --only {kind} --seed {seed} --case {case}: {fault}")
    return total


def _fuzz_kind(kind: str, cases: int, seed: int) -> dict[int, str]:
    context = multiprocessing.get_context("spawn")
    faults: dict[int, str] = {}
    now = context.Value(c_longlong, 0)
    while now.value < cases:
        said: Any = context.Queue()
        worker = context.Process(target=_work, args=(kind, seed, now, cases, said), daemon=True)
        worker.start()
        _watch(worker, now, faults)
        while not said.empty():
            case, fault = said.get()
            faults[case] = fault
    return faults


def _watch(worker: Any, now: Any, faults: dict[int, str]) -> None:
    """Wait for a worker, and end it where a case takes too long; that, and a crash, is a fault of the case."""
    case, since = -1, time.monotonic()
    while worker.is_alive():
        worker.join(0.2)
        if now.value != case:
            case, since = now.value, time.monotonic()
        elif time.monotonic() - since > PATIENCE + 20 * (case == 0):  # the first one imports
            worker.kill()
            worker.join()
            faults[case] = f"takes more than {PATIENCE:.0f} s"
            now.value += 1
            return
    if worker.exitcode:
        faults[now.value] = f"ends the process, exit code {worker.exitcode}"
        now.value += 1


def _work(kind: str, seed: int, now: Any, cases: int, said: Any) -> None:
    faulthandler.disable()
    with contextlib.suppress(OSError):  # what libraries print by themselves
        for stream in (1, 2):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream)
    with tempfile.TemporaryDirectory() as place:
        while now.value < cases:
            case = now.value
            fault = _read(kind, seed, case, Path(place))
            if fault:
                said.put((case, fault))
            now.value = case + 1
            if resource.getrusage(resource.RUSAGE_SELF).ru_maxrss > MEMORY:
                said.put((case, "takes more than 2 GB"))
                break
    said.close()
    said.join_thread()


def _read(kind: str, seed: int, case: int, place: Path) -> str:
    """What is wrong with how a case is read; empty where nothing is."""
    reader = READERS[kind]
    path = place / reader.name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(damaged(kind, seed, case))
    try:
        reader.read(path)
    except InputError as error:
        line = str(error)
        return "" if "\n" not in line and len(line) < 2000 else f"a message of {len(line)} characters"
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        return f"{type(error).__name__} at {Path(where.filename).name}:{where.lineno}: {str(error)[:100]!r}"
    return ""


def show(kind: str, seed: int, case: int) -> None:
    """Read a case in this process, with its traceback if there is one."""
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / READERS[kind].name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(damaged(kind, seed, case))
        try:
            READERS[kind].read(path)
        except InputError as error:
            print(f"one line: {error}")
        except Exception:
            traceback.print_exc(file=sys.stdout)
        else:
            print("read without a complaint")
