"""What the program that serves failing cameras finds wrong: each fault is made, and is to be said."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tools.reliability.cameras import Watched, _compared, _memory
from tracker.core.detections import Tracks
from tracker.serve.hours import HourlyTracks
from tracker.serve.rows import lines_of

pytest.importorskip("pyarrow")

Change = Callable[[Path], object]


def served(folder: Path, frames: int = 5) -> None:
    """What a service leaves that saw two people."""
    one = np.array([1, 2])
    tracks = Tracks(one, np.tile([1.0, 2.0, 3.0, 4.0], (2, 1)), one / 2, one, 0 * one)
    lines = [lines_of("door", 3600.0 + frame, frame, 0, tracks, {}) for frame in range(1, frames + 1)]
    with HourlyTracks(folder / "tracks/door") as hours:
        for frame, written in enumerate(lines, start=1):
            hours.write(3600.0 + frame, written)
    (folder / "tracks.jsonl").write_bytes(b"".join(lines))
    (folder / "errors.txt").write_text(f"door: {frames} frames, 2 tracks, {2 * frames} rows; stopped\n", "utf-8")


def cut(folder: Path) -> None:
    lines = (folder / "tracks.jsonl").read_bytes().splitlines(keepends=True)
    (folder / "tracks.jsonl").write_bytes(b"".join(lines[:-1]))


def double(folder: Path) -> None:
    lines = (folder / "tracks.jsonl").read_bytes().splitlines(keepends=True)
    (folder / "tracks.jsonl").write_bytes(b"".join([*lines, lines[-1]]))


def more(folder: Path) -> None:
    lines = (folder / "tracks.jsonl").read_text("utf-8")
    (folder / "tracks.jsonl").write_text(lines + lines.splitlines()[0].replace('"id":1', '"id":9') + "\n", "utf-8")


@pytest.mark.parametrize(
    ("change", "killed", "faults"),
    [
        (lambda folder: None, 0, []),
        (cut, 0, ["1 rows are in Parquet alone"]),
        (cut, 1, []),  # a process that was killed may have had it
        (double, 1, ["1 rows are twice in JSON lines"]),
        (more, 1, ["1 JSON lines are not in Parquet"]),
        (lambda folder: (folder / "tracks/door/08.jsonl.partial").touch(), 0, ["left: 08.jsonl.partial"]),
        (
            lambda folder: (folder / "errors.txt").write_text("door: 5 frames, 2 tracks, 11 rows; stopped\n", "utf-8"),
            0,
            ["door: 10 rows, 11 were said"],
        ),
    ],
)
def test_faults_of_rows_are_said(change: Change, killed: int, faults: list[str], tmp_path: Path) -> None:
    served(tmp_path)
    change(tmp_path)
    assert _compared(tmp_path, killed) == faults


@pytest.mark.parametrize(
    ("memory", "faults"),
    [
        ([100.0] * 80, []),
        ([50.0] * 20 + [100.0] * 60, []),  # what is loaded at the start is no growth
        ([100.0 + number for number in range(80)], ["memory grows from 130 to 170 MB"]),
        ([100.0 + number for number in range(40)], []),  # too short to say
    ],
)
def test_memory_that_grows_is_said(memory: list[float], faults: list[str]) -> None:
    assert _memory(Watched(memory=memory)) == faults
