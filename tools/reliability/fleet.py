"""A batch on a Ray cluster of two nodes on this machine: the same bytes, what it costs, and what kills cost.

    python -m tools.reliability fleet --root MOT16 [--clips 40] [--frames 50] [--times 3]

Clips are cut from the sequences of the root, every tenth eight times as long, so that it is described in parts. They
are tracked by `--jobs 1`, by `--jobs 2`, on one node and on two; then again and again on two, while a worker is killed
at a random moment and a node at another (a new one comes instead). Every result must have the bytes of the first run,
and may be written once.
"""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from embedding.extras import require_package
from embedding.progress import say
from tools.reliability.kills import _digests
from tracker.files.motchallenge import read_detections
from tracker.input.sequences import Sequence, find_detections, find_sequences
from tracker.input.stretch import listing, open_stretch
from tracker.output.video import VideoWriter

RATE = 30
LONG = 8  # times as many frames
PATIENCE = 1800.0
STORE = 80_000_000  # bytes of Ray's object store on each node; next to nothing lies in it


@dataclass
class Run:
    """One run of the batch.

    Attributes:
        seconds, cpu: of the clock; of all processes that took part, Ray's own too.
        kinds: `cpu` of the command, of Ray's workers and of Ray itself.
        written: result -> how many times it was put in place.
        said: what the command printed.
    """

    seconds: float = 0.0
    cpu: float = 0.0
    kinds: dict[str, float] = field(default_factory=dict)
    written: dict[str, int] = field(default_factory=dict)
    said: str = ""


def fleet_all(root: Path, clips: int, frames: int, times: int, seed: int, det: str) -> int:
    """Do all of it and say how it went; how many runs broke something."""
    require_package("ray", "fleet")
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        cut_clips(root, place / "clips", clips, frames, det)
        say(f"{clips} clips; load of this machine {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
        one = _track(place, "one", ("--jobs", "1"))
        expected = _digests(place / "one", ("*.txt", "*.npy"))
        two = _track(place, "two", ("--jobs", "2"))
        _compare("--jobs 1", one, one)
        broken = _judge("--jobs 2", place / "two", expected, _compare("--jobs 2", two, two))
        for nodes in (1, 2):
            with Nodes(nodes) as cluster:
                run = _track(place, f"ray{nodes}", _on(cluster, frames))
            broken += _judge(f"{nodes} nodes", place / f"ray{nodes}", expected, _compare(f"{nodes} nodes", run, two))
        for number in range(times):
            with Nodes(2) as cluster:
                kill = Killer(cluster, [chance.uniform(0.1, 0.8) * run.seconds for _ in range(2)], chance)
                killed = _track(place, f"killed{number}", _on(cluster, frames), beside=kill)
            broken += _judge(f"killed {number + 1}", place / f"killed{number}", expected, killed)
            say(f"  {'; '.join(kill.done)}; said: {len(re.findall(' again: ', killed.said))} steps again")
    return broken


def cut_clips(root: Path, folder: Path, count: int, frames: int, det: str) -> None:
    """Clips at half the size with their detections, `clipNN.mp4` and `clipNN.txt`, and a manifest of them."""
    import cv2

    sequences = [one for one in find_sequences(["all"], root) if one.frames is not None and _has(det, one)]
    folder.mkdir(parents=True)
    rows = ["video,det"]
    for number in range(count):
        sequence = sequences[number % len(sequences)]
        table = read_detections(find_detections(det, sequence) or "")
        assert isinstance(sequence.frames, Path)
        listed = listing(sequence.frames)
        assert listed is not None
        length = min(frames * (LONG if number % 10 == 0 else 1), listed.length)
        first = 1 + 37 * number % max(1, listed.length - length)
        half = (listed.size[0] // 2, listed.size[1] // 2)
        with (
            open_stretch(listed, first, first + length - 1) as pictures,
            VideoWriter(folder / f"clip{number:02d}.mp4", RATE, half) as writer,
        ):
            for _, image in pictures:
                writer.write(np.asarray(cv2.resize(image, half, interpolation=cv2.INTER_AREA), np.uint8))
        chosen = (table.frames >= first) & (table.frames < first + length)
        left, top, right, bottom = table.boxes[chosen].T / 2
        columns = (table.frames[chosen] - first + 1, -np.ones(len(left)), left, top, right - left, bottom - top)
        values = np.column_stack((*columns, table.scores[chosen]))
        np.savetxt(folder / f"clip{number:02d}.txt", values, fmt="%.4f", delimiter=",")
        rows.append(f"clip{number:02d}.mp4,clip{number:02d}.txt")
    (folder / "manifest.csv").write_text("\n".join(rows) + "\n")


def _has(det: str, sequence: Sequence) -> bool:
    return sequence.folder is not None and (sequence.folder / "det" / det).is_file()


class Nodes:
    """A Ray cluster on this machine, of nodes of one core; its head runs nothing."""

    def __init__(self, count: int) -> None:
        self._count = count

    def __enter__(self) -> Nodes:
        from ray.cluster_utils import Cluster

        self.cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "object_store_memory": STORE})
        self.nodes = [self.add() for _ in range(self._count)]
        self.cluster.wait_for_nodes()
        return self

    def add(self) -> Any:
        return self.cluster.add_node(num_cpus=1, object_store_memory=STORE)

    def __exit__(self, *_: object) -> None:
        self.cluster.shutdown()


class Killer:
    """Kills a worker and a node, each when its second of a run has come; is called again and again meanwhile."""

    def __init__(self, cluster: Nodes, after: list[float], chance: random.Random) -> None:
        self._cluster, self._chance = cluster, chance
        self._plans = sorted(zip(after, (self._worker, self._node), strict=True), key=lambda plan: plan[0])
        self.done: list[str] = []

    def __call__(self, seconds: float) -> None:
        if self._plans and seconds >= self._plans[0][0]:
            what = self._plans[0][1]()
            if what:
                self._plans.pop(0)
                self.done.append(f"{what} killed after {seconds:.1f} s")

    def _worker(self) -> str:
        busy = [one for one in _descendants() if _title(one).startswith("ray::perform")]
        if not busy:
            return ""  # later
        os.kill(self._chance.choice(busy).pid, signal.SIGKILL)
        return "a worker"

    def _node(self) -> str:
        node = self._cluster.nodes.pop(self._chance.randrange(len(self._cluster.nodes)))
        self._cluster.cluster.remove_node(node, allow_graceful=False)
        self._cluster.nodes.append(self._cluster.add())
        return "a node"


def _on(cluster: Nodes, frames: int) -> tuple[str, ...]:
    return ("--jobs", "ray", "--address", cluster.cluster.address, "--part", str(frames))


def _track(
    place: Path,
    name: str,
    options: tuple[str, ...],
    beside: Callable[[float], None] = lambda seconds: None,
) -> Run:
    """Track all clips in a process of its own, count what is put in place, and do something else beside.

    Raises:
        RuntimeError: it failed.
    """
    program = [sys.executable, "-c", "from tracker.commands.main import track; track()"]
    arguments = ["--seq", str(place / "clips/manifest.csv"), "--out", str(place / name), *options]
    meter, started, run = Meter(), time.monotonic(), Run()
    with (place / f"{name}.log").open("w") as log:
        process = subprocess.Popen([*program, *arguments], stdout=log, stderr=log, cwd=Path(__file__).parents[2])
        seen: dict[str, set[int]] = {}
        while process.poll() is None and time.monotonic() < started + PATIENCE:
            for path in (place / name).glob("*.txt"):
                seen.setdefault(path.name, set()).add(path.stat().st_ino)
            beside(time.monotonic() - started)
            meter.look()
            time.sleep(0.05)
        run.seconds, run.cpu, run.kinds = time.monotonic() - started, meter.seconds, meter.by_kind()
    run.said = (place / f"{name}.log").read_text()
    if process.poll() != 0:
        process.kill()
        raise RuntimeError(f"{name}: exit code {process.returncode}: {run.said[-2000:]}")
    run.written = {name: len(inodes) for name, inodes in seen.items()}
    return run


def _compare(name: str, run: Run, two: Run) -> Run:
    kinds = ", ".join(f"{kind} {seconds:.1f}" for kind, seconds in sorted(run.kinds.items()))
    say(
        f"{name}: {run.seconds:.1f} s, {run.cpu:.1f} CPU s; against --jobs 2 {run.seconds / two.seconds:.2f} of the "
        f"time, {run.cpu / two.cpu:.2f} of the CPU ({kinds}); "
        f"load {os.getloadavg()[0]:.1f}"
    )
    return run


def _judge(name: str, folder: Path, expected: dict[str, str], run: Run) -> int:
    """1 where something is wrong with what a run has written, which is said."""
    found = _digests(folder, ("*.txt", "*.npy"))
    faults = [f"{path} is missing" for path in expected.keys() - found.keys()]
    faults += [f"{path} differs" for path, digest in found.items() if expected.get(path) != digest]
    faults += [f"{path} was written {times} times" for path, times in run.written.items() if times > 1]
    if (table := folder / "batch.parquet").is_file():
        import pyarrow.parquet

        rows = pyarrow.parquet.read_table(table, columns=["name", "status"])
        wanted = sum(path.endswith(".txt") for path in expected)
        if rows["status"].to_pylist() != ["done"] * wanted or len(set(rows["name"].to_pylist())) != wanted:
            faults.append(f"the table has {len(rows)} rows, expected {wanted} that are done")
    say(f"{name}: {'; '.join(sorted(faults)) or f'{len(found)} files with the same bytes, nothing written twice'}")
    return int(bool(faults))


def _descendants() -> list[Any]:
    import psutil

    return list(psutil.Process().children(recursive=True))


def _title(process: Any) -> str:
    import psutil

    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


class Meter:
    """CPU seconds of all processes that this one started, and they: looked at again and again, as those that end take
    theirs with them, and nobody waits for Ray's workers.
    """

    def __init__(self) -> None:
        self._seen: dict[int, float] = {}
        self._kinds: dict[int, str] = {}
        self.look()
        self._before = dict(self._seen)

    def look(self) -> None:
        import psutil

        for one in _descendants():
            with suppress(psutil.Error):
                self._seen[one.pid] = sum(one.cpu_times()[:2])
                if self._kinds.get(one.pid) != WORKERS:
                    self._kinds[one.pid] = _kind(_title(one))

    @property
    def seconds(self) -> float:
        """Since it was made, up to the last look."""
        return sum(self.by_kind().values())

    def by_kind(self) -> dict[str, float]:
        """The same for each kind of process."""
        spent: dict[str, float] = {}
        for pid, seconds in self._seen.items():
            kind = self._kinds[pid]
            spent[kind] = spent.get(kind, 0.0) + seconds - self._before.get(pid, 0.0)
        return spent


COMMAND, WORKERS, DAEMONS = "the command", "workers", "Ray itself"


def _kind(title: str) -> str:
    """What a process is for, by how it was started."""
    if title.startswith(("ray::IDLE", "ray::perform")) or "default_worker.py" in title:
        return WORKERS
    is_rays = title.startswith("ray::") or "site-packages/ray/" in title
    return DAEMONS if is_rays else COMMAND
