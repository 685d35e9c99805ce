"""Frames a second of `track`, from the video to the result file, on all cores, and where the time goes."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import numpy as np

from tools.benchmark.track_run import Request, Run, run_apart
from tools.benchmark.track_scene import Footage, cut_people, find_footage, write_people
from tracker.errors import InputError

FRAMES = 300  # of the sequence, at most
REPEATS = 3  # of which the middle one counts
CALIBRATION = 512  # crops; the export calibrates on one half and compares on the other
OVERLAPPED, IN_TURN = "default", "default, one after another"


@dataclass(frozen=True)
class Way:
    """A way to track.

    Attributes:
        name: as the tables show it.
        descriptor, embed_when: as a job's.
        in_turn: as a request's.
    """

    name: str
    descriptor: str
    embed_when: Literal["always", "ambiguous"] = "always"
    in_turn: bool = False


@dataclass(frozen=True)
class Speed:
    """Of one way with one number of people.

    Attributes:
        way, people, frames: what was measured.
        frames_a_second: of the run whose time is the middle one.
        all_frames_a_second: of every run.
        detections, described: in all frames, and how many of them were described.
        cores: kept busy, on average.
        parts: milliseconds a frame by part, which add up to the frame's; empty where parts overlap.
    """

    way: str
    people: int
    frames: int
    frames_a_second: float
    all_frames_a_second: list[float]
    detections: int
    described: int
    cores: float
    parts: dict[str, float]

    @property
    def milliseconds(self) -> float:
        """A frame's."""
        return 1e3 / self.frames_a_second


def benchmark_track(
    seq: str | None, root: Path | None, people: str, out: Path, frames: int = FRAMES, repeats: int = REPEATS
) -> list[Speed]:
    """Measure, print, and keep tables, numbers and a picture as benchmark-track.{txt,json,png} in the folder `out`.

    Args:
        seq: sequence or video; None: the rendered demo.
        root: where sequences lie.
        people: numbers of people a frame, separated by commas.
        out: folder for what is measured.
        frames: of the sequence, at most.
        repeats: of every way with every number of people.

    Raises:
        InputError: no such sequence, or something else than positive numbers.
    """
    from tools.benchmark.track_report import Measured, print_tables, write

    counts = _counts(people)
    with TemporaryDirectory() as name:
        folder = Path(name)
        footage = find_footage(seq, root, frames, folder)
        speeds = measure(footage, counts, folder, repeats)
    measured = Measured(footage.name, footage.size, os.cpu_count() or 1, speeds)
    print_tables(measured)
    write(measured, out)
    return speeds


def _counts(people: str) -> list[int]:
    counts = [int(part) if part.strip().isdecimal() else 0 for part in people.split(",")]
    if min(counts) < 1 or len(set(counts)) < len(counts):
        raise InputError(f"--people {people}: expected different numbers from 1, separated by commas")
    return sorted(counts)


def measure(footage: Footage, counts: list[int], folder: Path, repeats: int) -> list[Speed]:
    """Every way with every number of people; the ways take turns, so that drift of the machine meets all alike."""
    speeds = []
    chosen: list[Way] = []
    for people in counts:
        detections = folder / f"{people}.txt"
        write_people(footage, people, detections)
        chosen = chosen or ways(footage, detections, folder)
        runs: dict[Way, list[Run]] = {way: [] for way in chosen}
        for turn in range(repeats):
            for number, way in enumerate(chosen):
                fresh = folder / f"{people}-{turn}-{number}"  # where no features of an earlier run lie
                fresh.mkdir()
                runs[way].append(run_apart(_request(way, footage, detections, fresh / "tracks.txt")))
        speeds += [_speed(way, people, done) for way, done in runs.items()]
        print(f"{people} people done", file=sys.stderr, flush=True)
    return speeds


def ways(footage: Footage, detections: Path, folder: Path) -> list[Way]:
    """All that can be run here; of the exported networks only those that onnxruntime can."""
    default = Way(OVERLAPPED, "default")
    chosen = [
        Way("motion only", "none"),
        Way("colour", "colour"),
        replace(default, name=IN_TURN, in_turn=True),
        default,
        replace(default, name="default, where ambiguous", embed_when="ambiguous"),
    ]
    try:
        exported = _export(footage, detections, folder)
    except InputError as error:
        print(f"default as ONNX left out: {error}", file=sys.stderr)
        return chosen
    return chosen + [Way(f"default, ONNX {precision}", str(path)) for precision, path in exported.items()]


def _export(footage: Footage, detections: Path, folder: Path) -> dict[str, Path]:
    from embedding.export import export_onnx

    files = {"float": folder / "float.onnx", "int8": folder / "int8.onnx"}
    export_onnx("default", files["float"], "crops")
    pack = folder / "calibration.npy"
    np.save(pack, cut_people(footage, detections, CALIBRATION))
    export_onnx("default", files["int8"], "crops", int8=True, calibration=pack)
    return files


def _request(way: Way, footage: Footage, detections: Path, out: Path) -> Request:
    return Request(
        str(footage.frames), footage.length, str(detections), str(out), way.descriptor, way.embed_when, way.in_turn
    )


def _speed(way: Way, people: int, runs: list[Run]) -> Speed:
    middle = sorted(runs, key=lambda run: run.seconds)[len(runs) // 2]
    return Speed(
        way=way.name,
        people=people,
        frames=middle.frames,
        frames_a_second=middle.frames / middle.seconds,
        all_frames_a_second=[run.frames / run.seconds for run in runs],
        detections=middle.detections,
        described=middle.described,
        cores=middle.cores,
        parts={part: 1e3 * seconds / middle.frames for part, seconds in middle.parts.items()},
    )
