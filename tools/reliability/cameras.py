"""`flatsort serve` on cameras of this machine that fail in every way they can, for as long as one likes."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from embedding.progress import say
from tools.reliability.mjpeg import Server
from tracker.demo.render import render_demo

MODES = ("endless", "endless", "close", "reset", "stall", "garbage", "corrupt", "resize")  # a camera each
FRAMES = 120  # rendered, and shown to and fro
CONNECTION = 20.0  # seconds until a camera fails
SAMPLE = 5.0  # seconds between two looks
PATIENCE = 120.0  # seconds until all cameras deliver, and for the end
WARM = 300.0  # seconds of a run, from which on its memory is judged
MOST_GROWTH = 1.05  # of the memory, from the second quarter of a run to its last
NAMES = "frames_total|lag_worst_seconds|frames_per_second|reconnects_total|restarts_total|frames_dropped_total"
METRIC = re.compile(rf'flatsort_({NAMES})\{{camera="([^"]+)"\}} (\S+)')


@dataclass
class Watched:
    """What was seen of a service.

    Attributes:
        memory: MB of all its processes, shared pages counted once, sample by sample; `parts`: of each kind of them.
        values: metric -> camera -> its value at each sample.
        healthy: samples in which all cameras delivered; `failing`: how often each did not.
        killed: processes that were killed on purpose.
    """

    memory: list[float] = field(default_factory=list)
    parts: list[Counter[str]] = field(default_factory=list)
    values: dict[str, dict[str, list[float]]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(list)))
    healthy: int = 0
    failing: Counter[str] = field(default_factory=Counter)
    killed: int = 0


def serve_cameras(minutes: float, rate: float, engine: str, kills: int, out: Path | None, seed: int) -> int:
    """Serve eight cameras; how many faults there are, which are said.

    Args:
        rate: frames a second of each camera.
        engine: `ray` or `local`.
        kills: processes of cameras, and of who looks, that are killed meanwhile, at random times; with Ray.
        out: folder that is kept; None: one that is not.
    """
    with tempfile.TemporaryDirectory() as temporary:
        place = (out or Path(temporary)).resolve()
        place.mkdir(parents=True, exist_ok=True)
        pictures = [path.read_bytes() for path in _rendered(Path(temporary))]
        servers = [_camera(mode, number, pictures, rate) for number, mode in enumerate(MODES)]
        config = place / "cameras.yaml"
        config.write_text(_yaml(servers, engine, place), encoding="utf-8")
        with (place / "errors.txt").open("wb") as errors:
            command = [sys.executable, "-m", "tracker.commands.main", "serve", "--config", str(config)]
            process = subprocess.Popen(command, stderr=errors, cwd=Path(__file__).resolve().parents[2])
            try:
                address = _address(place / "errors.txt", process)
                seen = _watch(process, address, 60 * minutes, kills, random.Random(seed), place / "samples.csv")
                process.send_signal(signal.SIGTERM)
                code = process.wait(PATIENCE)
            finally:
                process.kill()
        for server in servers:
            server.close()
        faults = [f"exit code {code}"] if code else []
        faults += [*_memory(seen), *_compared(place, seen.killed)]
        _tell(seen, place)
        say("; ".join(faults) or "nothing lost, nothing twice")
        return len(faults)


def _rendered(place: Path) -> list[Path]:
    return sorted((render_demo(place, frames=FRAMES) / "img1").iterdir())


def _camera(mode: str, number: int, pictures: list[bytes], rate: float) -> Server:
    def shown(at: int, width: int, height: int) -> bytes:
        step = (at + 17 * number) % (2 * len(pictures) - 2)
        return pictures[min(step, 2 * len(pictures) - 2 - step)]

    return Server(mode, shown, 1 / rate, round(CONNECTION * rate))


def _yaml(servers: list[Server], engine: str, place: Path) -> str:
    cameras = {f"{server.mode}{number}": {"source": server.address} for number, server in enumerate(servers)}
    output = {"tracks": str(place / "tracks"), "lines": str(place / "tracks.jsonl")}
    return yaml.safe_dump({"engine": engine, "listen": "127.0.0.1:0", "output": output, "cameras": cameras})


def _address(errors: Path, process: subprocess.Popen[bytes]) -> str:
    """Where the service answers."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until and process.poll() is None:
        if found := re.search(r"http://([\d.:]+)/metrics", errors.read_text("utf-8", "replace")):
            return found[1]
        time.sleep(0.2)
    raise RuntimeError(f"the service does not start: {errors.read_text('utf-8', 'replace')[-500:]}")


def _watch(
    process: subprocess.Popen[bytes], address: str, seconds: float, kills: int, chance: random.Random, csv: Path
) -> Watched:
    """Look again and again, from when all cameras deliver."""
    until = time.monotonic() + PATIENCE
    while _failing(address) and time.monotonic() < until:
        time.sleep(0.5)
    seen, started, spent = Watched(), time.monotonic(), _cpu_seconds(process.pid)
    when = sorted(chance.uniform(0.1, 0.9) * seconds for _ in range(kills))
    while (now := time.monotonic() - started) < seconds and process.poll() is None:
        if when and now > when[0]:
            del when[0]
            seen.killed += _kill_one(process.pid, chance)
        seen.parts.append(_megabytes_by_kind(process.pid))
        seen.memory.append(sum(seen.parts[-1].values()))
        for metric, camera, value in METRIC.findall(_read(f"http://{address}/metrics")[1]):
            seen.values[metric][camera].append(float(value))
        failing = _failing(address)
        seen.healthy += not failing
        seen.failing.update(failing)
        worst = max((values[-1] for values in seen.values["lag_worst_seconds"].values()), default=0.0)
        with csv.open("a", encoding="utf-8") as file:
            parts = " ".join(f"{kind}={size}" for kind, size in sorted(seen.parts[-1].items()))
            file.write(f"{now:.1f},{seen.memory[-1]:.1f},{worst:.3f},{' '.join(failing)},{parts}\n")
        time.sleep(SAMPLE)
    frames = sum(values[-1] - values[0] for values in seen.values["frames_total"].values())
    spent = _cpu_seconds(process.pid) - spent
    parts = ", ".join(f"{1000 * one / max(frames, 1):.1f} {kind}" for kind, one in spent.most_common())
    share = 100 * spent.total() / seconds
    say(f"ms of CPU a frame: {parts}; {share:.0f} % of a core for {frames / seconds:.1f} frames a second")
    return seen


def _failing(address: str) -> list[str]:
    """Cameras that do not deliver, as the service says."""
    code, text = _read(f"http://{address}/healthz")
    return [] if code == 200 else list(json.loads(text)["failing"]) or ["?"]


def _read(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def _family(pid: int) -> Iterator[int]:
    """A process and all it started."""
    yield pid
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            for child in task.read_text().split():
                yield from _family(int(child))


def _cpu_seconds(pid: int) -> Counter[str]:
    """Time of the processor that a service has had, by kind of process; of those that have ended, nothing."""
    found: Counter[str] = Counter()
    for one in _family(pid):
        with suppress(OSError):
            ticks = sum(map(int, Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()[11:13]))
            found[_kind(one, pid)] += ticks / os.sysconf("SC_CLK_TCK")  # type: ignore[assignment]
    return found


def _megabytes_by_kind(pid: int) -> Counter[str]:
    """Memory of the service itself, of Ray's actors by their class, and of what else Ray runs."""
    found: Counter[str] = Counter()
    for one in _family(pid):
        found[_kind(one, pid)] += round(_megabytes(one))
    return found


def _kind(pid: int, service: int) -> str:
    if pid == service:
        return "service"
    with suppress(OSError):
        if actor := re.match(rb"ray::(\w+)", Path(f"/proc/{pid}/cmdline").read_bytes()):
            return actor[1].decode()
    return "ray"


def _megabytes(pid: int) -> float:
    """Memory of a process; what several share is counted in parts."""
    with suppress(OSError):
        found = re.search(r"^Pss:\s+(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
        return int(found[1]) / 1024 if found else 0.0
    return 0.0


def _kill_one(pid: int, chance: random.Random) -> int:
    """Kill the process of a camera, or of who looks; how many were killed."""
    actors = [one for one in _family(pid) if _kind(one, pid).endswith("Actor")]
    if actors:
        os.kill(chance.choice(actors), signal.SIGKILL)
    return min(len(actors), 1)


def _memory(seen: Watched) -> list[str]:
    """What is wrong with the memory."""
    quarters = np.array_split(np.array(seen.memory), 4)
    before, after = (float(np.median(quarters[number])) if len(quarters[number]) else 0.0 for number in (1, 3))
    for kind in seen.parts[-1] if seen.parts else ():
        sizes = [one[kind] for one in seen.parts]
        early, late = (np.median(sizes[len(sizes) * k // 4 : len(sizes) * (k + 1) // 4]) for k in (1, 3))
        say(f"memory of {kind}: {early:.0f} MB in the second quarter, {late:.0f} MB in the last")
    say(f"memory: {before:.0f} MB in the second quarter, {after:.0f} MB in the last, {max(seen.memory):.0f} MB at most")
    is_long = len(seen.memory) * SAMPLE > WARM
    return [f"memory grows from {before:.0f} to {after:.0f} MB"] if is_long and after > MOST_GROWTH * before else []


def _compared(place: Path, killed: int) -> list[str]:
    """What is wrong with the rows: Parquet, the JSON lines and what the service says are to agree.

    Args:
        killed: processes; rows that one had not handed on are in its Parquet files alone.
    """
    from pyarrow.parquet import read_table

    files = sorted(place.glob("tracks/*/*/*.parquet"))
    stored = [_key(row) for file in files for row in read_table(file).to_pylist()]
    told = [_key(json.loads(line)) for line in (place / "tracks.jsonl").read_text("utf-8").splitlines()]
    faults = []
    for what, rows in (("Parquet", stored), ("JSON lines", told)):
        twice = len(rows) - len({row[:3] for row in rows})
        faults += [f"{twice} rows are twice in {what}"] if twice else []
    missing, more = len(set(stored) - set(told)), len(set(told) - set(stored))
    faults += [f"{more} JSON lines are not in Parquet"] if more else []
    faults += [f"{missing} rows are in Parquet alone"] if missing and not killed else []
    said = dict(re.findall(r"^([\w.-]+): .* (\d+) rows; ", (place / "errors.txt").read_text("utf-8"), re.MULTILINE))
    counted = Counter(row[0] for row in stored)
    faults += [f"{camera}: {counted[camera]} rows, {said.get(camera)} were said" for camera in counted
               if not killed and int(said.get(camera, -1)) != counted[camera]]  # fmt: skip
    faults += [
        f"{camera}: identities have holes" for camera, ids in _ids(stored).items() if ids != set(range(1, len(ids) + 1))
    ]
    left = [path.name for path in place.rglob("*") if path.name.startswith(".") or path.suffix == ".partial"]
    faults += [f"left: {', '.join(left)}"] if left else []
    say(f"{len(stored)} rows of {len(counted)} cameras in {len(files)} files, {missing} of them in Parquet alone")
    return faults


Key = tuple[str, int, int, float]  # camera, frame, identity, and where


def _key(row: dict[str, Any]) -> Key:
    return row["camera"], row["frame"], row["id"], row["left"]


def _ids(rows: list[Key]) -> dict[str, set[int]]:
    """Identities of each camera."""
    found: dict[str, set[int]] = defaultdict(set)
    for camera, _, one, _ in rows:
        found[camera].add(one)
    return found


def _tell(seen: Watched, place: Path) -> None:
    """A table of what was seen, a line a camera."""
    say(f"{len(seen.memory)} samples, all cameras delivered in {seen.healthy}; {seen.killed} processes were killed")
    again = re.findall(r"(\w+): connected again after ([\d.]+) s", (place / "errors.txt").read_text("utf-8", "replace"))
    values = seen.values
    for camera in values["lag_worst_seconds"]:
        lags = values["lag_worst_seconds"][camera]
        gaps = [float(seconds) for name, seconds in again if name == camera]
        say(
            f"{camera}: {np.median(values['frames_per_second'][camera]):.2f} frames/s, "
            f"worst lag {max(lags):.2f} s (median of the worst {np.median(lags):.2f}), "
            f"{values['frames_dropped_total'][camera][-1]:.0f} dropped, {len(gaps)} reconnects "
            f"after {max(gaps, default=0):.1f} s at most, not delivering in {seen.failing[camera]} samples"
        )
