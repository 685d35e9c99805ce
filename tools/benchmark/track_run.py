"""One timed run over a sequence, in a process of its own: with the threads a user's would have, and nobody else's.

    python -m tools.benchmark.track_run REQUEST

`tools.benchmark.track` starts it; REQUEST is a `Request` as JSON, and so is the `Run` it prints.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal
from unittest.mock import patch

import numpy as np

from embedding.descriptor import CropDescriptor, model_path
from embedding.descriptors.cropping import cut_crops
from tracker import Detections, Tracker
from tracker.commands.command_line import let_threads_sleep
from tracker.core.config import load_config
from tracker.core.detections import FloatArray, Image
from tracker.errors import InputError
from tracker.files.motchallenge import read_detections
from tracker.input.sequences import Sequence
from tracker.output.sinks import TextSink
from tracker.run.features import BATCH, FeatureCache, Observed
from tracker.run.pipeline import Job, run

PRESET = "flatsort"
PARTS = ("decode", "crops", "describe", "track", "write")
ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")  # which `tools.benchmark` asks for


@dataclass(frozen=True)
class Request:
    """What to run.

    Attributes:
        frames: video or folder of images.
        length: number of frames.
        detections: MOT text.
        out: result file, in a folder without features of an earlier run.
        descriptor, embed_when: as a job's.
        in_turn: decode, describe and track a frame before the next one, in one thread, instead of all at once.
    """

    frames: str
    length: int
    detections: str
    out: str
    descriptor: str
    embed_when: Literal["always", "ambiguous"] = "always"
    in_turn: bool = False


@dataclass(frozen=True)
class Run:
    """What came of it.

    Attributes:
        frames: that were tracked.
        detections: in them.
        described: detections that a network or a histogram looked at.
        seconds: of the clock, without the start of the process, loading of weights and opening of files.
        cores: kept busy, on average, between the first frame and the last.
        parts: seconds by part, which add up to `seconds`; empty where parts overlap.
    """

    frames: int
    detections: int
    described: int
    seconds: float
    cores: float
    parts: dict[str, float] = field(default_factory=dict)


def run_apart(request: Request) -> Run:
    """Run it in a new process that is free to use every core.

    Raises:
        InputError: it ends without a result; the message is its last line.
    """
    command = [sys.executable, "-m", "tools.benchmark.track_run", json.dumps(asdict(request))]
    environment = {name: value for name, value in os.environ.items() if name not in ONE_THREAD}
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if ended.returncode:
        said = ended.stderr.strip().splitlines() or [f"exit code {ended.returncode}"]
        raise InputError(f"{request.descriptor}: {said[-1]}")
    return Run(**json.loads(ended.stdout.splitlines()[-1]))


def run_here(request: Request) -> Run:
    """Run it in this process."""
    return _run_in_turn(request) if request.in_turn else _run_overlapped(request)


class _CountingCache(FeatureCache):
    """The pipeline's own, which also counts the boxes it describes."""

    described = 0

    def describe_boxes(self, image: Image, boxes: FloatArray) -> np.ndarray:
        _CountingCache.described += len(boxes)
        return super().describe_boxes(image, boxes)

    def describe(self, frames: Iterable[Observed], batch: int = BATCH, workers: int = 1) -> Iterator[Observed]:
        for observed in super().describe(frames, batch, workers):
            _CountingCache.described += len(observed[2])
            yield observed


def _run_overlapped(request: Request) -> Run:
    sequence = Sequence("footage", frames=Path(request.frames), length=request.length)
    job = Job(
        sequence,
        load_config(PRESET),
        request.detections,
        request.descriptor,
        Path(request.out),
        embed_when=request.embed_when,
    )
    _CountingCache.described = 0
    meter = _CoreMeter()
    with patch("tracker.run.source.FeatureCache", _CountingCache):
        summary = run(job, lambda done, total: meter.note())
    detections = len(read_detections(request.detections))
    return Run(summary.frames, detections, _CountingCache.described, summary.seconds, meter.cores)


class _CoreMeter:
    """How many cores the process keeps busy between the first note and the last."""

    def __init__(self) -> None:
        self._noted: list[tuple[float, float]] = []

    def note(self) -> None:
        self._noted.append((time.perf_counter(), time.process_time()))

    @property
    def cores(self) -> float:
        (began, cpu_before), (ended, cpu_after) = self._noted[0], self._noted[-1]
        return (cpu_after - cpu_before) / max(ended - began, 1e-9)


class _Stopwatch:
    """Seconds by part; what passes between two laps belongs to the part that the second one names."""

    def __init__(self) -> None:
        self.seconds = dict.fromkeys(PARTS, 0.0)
        self._last = time.perf_counter()

    def lap(self, part: str) -> None:
        now = time.perf_counter()
        self.seconds[part] += now - self._last
        self._last = now


def _run_in_turn(request: Request) -> Run:
    """What `tracker.run.pipeline.run` does, by its parts, without anything running ahead or several frames together."""
    describe = _crop_descriptor(request.descriptor)
    table = read_detections(request.detections)
    tracker = Tracker.from_config(PRESET)
    described = frame_index = 0
    images = _decoded(Path(request.frames))
    watch, meter = _Stopwatch(), _CoreMeter()
    with TextSink(Path(request.out)) as sink:
        for frame_index, image in enumerate(images, start=1):
            watch.lap("decode")
            here = table.at(frame_index)
            crops, inside = cut_crops(image, here.boxes, describe.width, describe.height)
            watch.lap("crops")
            features = np.zeros((len(inside), describe.dimension), np.float32)
            if len(crops):
                features[inside] = describe.describe_crops(crops)
            watch.lap("describe")
            tracks = tracker.update(Detections(here.boxes, here.scores, features), frame_index)
            watch.lap("track")
            sink.write(frame_index, image, tracks)
            watch.lap("write")
            meter.note()
            described += len(features)
    watch.lap("write")  # the file appears
    return Run(frame_index, len(table), described, sum(watch.seconds.values()), meter.cores, watch.seconds)


def _crop_descriptor(name: str) -> CropDescriptor:
    """A descriptor in which cutting crops and describing them can be told apart."""
    path = model_path(name)
    if path is not None:
        from embedding.descriptors.latent import LatentDescriptor

        return LatentDescriptor(path)
    if name.endswith(".onnx"):
        from embedding.descriptors.onnx import OnnxDescriptor

        return OnnxDescriptor(name)
    raise InputError(f"descriptor {name!r}: not a network's, of which alone the parts can be timed")


def _decoded(source: Path) -> Iterator[Image]:
    """The frames, each decoded when it is asked for, of a file that is open before the first is."""
    import cv2

    if source.is_dir():
        images = sorted(source.iterdir())
        return (np.asarray(cv2.imread(str(path)), np.uint8) for path in images)
    capture = cv2.VideoCapture(str(source))

    def read() -> Iterator[Image]:
        while (decoded := capture.read())[0]:
            yield np.asarray(decoded[1], np.uint8)

    return read()


if __name__ == "__main__":
    let_threads_sleep()  # as the command does
    try:
        print(json.dumps(asdict(run_here(Request(**json.loads(sys.argv[1]))))))
    except ValueError as error:  # both kinds of InputError are one
        sys.exit(str(error))
