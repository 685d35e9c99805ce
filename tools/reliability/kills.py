"""Commands that are killed with all they started, at random moments, and started again until they are done."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from embedding.progress import say
from tracker.demo.render import render_demo

FRAMES = 120  # of a sequence
PATIENCE = 600.0  # seconds after which a command hangs


@dataclass(frozen=True)
class Command:
    """What is killed.

    Attributes:
        arguments: behind `python -m`; {data} and {out} are folders, {name} a sequence's name.
        compared: patterns of the files below {out} whose bytes must not differ.
        resume: added from the second start on.
    """

    arguments: str
    compared: tuple[str, ...]
    resume: str = ""


OUTPUTS = "--out {out}/a.txt --video {out}/a.mp4 --table {out}/a.csv --sheet {out}/a.png"
COMMANDS: dict[str, Command] = {
    "track": Command(
        f"tracker.commands.main_track --seq {{data}}/S1 --det det.txt {OUTPUTS}", ("*.txt", "*.mp4", "*.csv", "*.png")
    ),
    "jobs": Command(
        "tracker.commands.main_track --root {data} --seq S1 S2 S3 --det det.txt --jobs 2 --out {out}",
        ("*.txt", "*.npy"),
    ),
    "embed": Command("tools.embed --seq {data}/S1 --det det.txt --out {out}/a.npy", ("*.npy",)),
    "crops": Command("tools.crops --root {data} --det det.txt --out {out}/a.npy", ("*",)),
    "adapt": Command("tools.adapt --seq {data}/S1 --det det.txt --out {out}/a.npz", ("*.npz",)),
    "train": Command(
        "tools.train mot16-lite --set data.path={data}/crops.npy steps=60 batch=16 log_every=5 checkpoint_every=10"
        " --out {out}/run",
        ("run/model.safetensors",),
        " --resume",
    ),
    "tune": Command(
        "tools.tune --root {data} --det det.txt --config sort --trials 6 --out {out}/tuned", ("tuned/*.yaml",)
    ),
}


def kill_all(names: list[str], times: int, seed: int) -> int:
    """Kill each command so often; how many of them broke something."""
    chance = random.Random(seed)
    broken = 0
    with tempfile.TemporaryDirectory() as place:
        data = Path(place) / "data"
        for name in ("S1", "S2", "S3"):
            render_demo(data / f"{name}-made", frames=FRAMES, seed=ord(name[-1])).rename(data / name)
        _run(COMMANDS["crops"], data, data / "packed")
        for path in (data / "packed").iterdir():
            path.rename(data / path.name.replace("a", "crops", 1))
        for name in names:
            broken += _kill(name, data, Path(place) / name, times, chance)
    return broken


def _kill(name: str, data: Path, place: Path, times: int, chance: random.Random) -> int:
    """Kill one command; 1 where something broke, which is said."""
    command = COMMANDS[name]
    started = time.monotonic()
    _run(command, data, place / "whole")
    seconds = time.monotonic() - started
    expected, left = _digests(place / "whole", command.compared), _hidden(place / "whole")
    killed = done = 0
    faults: set[str] = {f"an undisturbed run leaves {path}" for path in left}
    out = place / "cut-0"
    while killed < times:
        if _run(command, data, out, kill_after=chance.uniform(0.0, seconds), resume=killed > 0):
            killed += 1
        else:
            done += 1
        for path, digest in _digests(out, command.compared).items():
            if digest != expected.get(path):
                faults.add(f"{path} looks whole after a kill and is not")
        if done and not killed % 5:  # begin anew, so that every part of a run has its kills
            faults |= _finish(command, data, out, expected)
            done, out = 0, place / f"cut-{killed}"
    faults |= _finish(command, data, out, expected)
    say(f"{name}: {killed} kills of a run of {seconds:.1f} s: {'; '.join(sorted(faults)) or 'nothing lost or left'}")
    return int(bool(faults))


def _finish(command: Command, data: Path, out: Path, expected: dict[str, str]) -> set[str]:
    """Let a command come to its end, and say how what it wrote differs."""
    _run(command, data, out, resume=True)
    found = _digests(out, command.compared)
    faults = {f"{path} is missing at the end" for path in expected.keys() - found.keys()}
    faults |= {f"{path} differs at the end" for path, digest in found.items() if expected.get(path) != digest}
    return faults | {f"{path} is left at the end" for path in _hidden(out)}


def _run(command: Command, data: Path, out: Path, kill_after: float | None = None, resume: bool = False) -> bool:
    """Start a command; whether it was killed before it was done.

    Raises:
        RuntimeError: it failed by itself, or hangs.
    """
    out.mkdir(parents=True, exist_ok=True)
    module, *arguments = (command.arguments + (command.resume if resume else "")).format(data=data, out=out).split()
    program = ["-c", "from tracker.commands.main import track; track()"] if "main_track" in module else ["-m", module]
    process = subprocess.Popen(
        [sys.executable, *program, *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
        cwd=Path(__file__).resolve().parents[2],
    )
    try:
        _, said = process.communicate(timeout=PATIENCE if kill_after is None else kill_after)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        if kill_after is None:
            raise RuntimeError(f"{module}: hangs") from None
        return True
    if process.returncode:
        raise RuntimeError(f"{module}: exit code {process.returncode}: {said.decode(errors='replace')[-500:]}")
    return False


def _digests(folder: Path, patterns: tuple[str, ...]) -> dict[str, str]:
    """Digest of every file that has its name, by its path below the folder."""
    files = {path for pattern in patterns for path in folder.glob(pattern) if path.is_file()}
    return {
        str(path.relative_to(folder)): _frames(path) if path.suffix == ".mp4" else _sha1(path)
        for path in files
        if not _is_temporary(path)
    }


def _sha1(path: Path) -> str:
    return hashlib.sha1(path.read_bytes()).hexdigest()


def _frames(path: Path) -> str:
    """Of a video how many pictures can be decoded: x264 does not always write the same bits for the same pictures."""
    from tracker.input.frames import open_frames

    with open_frames(path) as frames:
        return f"{sum(1 for _ in frames)} frames of {frames.size}"


def _hidden(folder: Path) -> list[str]:
    """What nobody asked for: temporaries, partial files, journals."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file() and _is_temporary(path))


def _is_temporary(path: Path) -> bool:
    return path.name.startswith(".") or path.suffix in (".partial", ".journal", ".tmp")
