"""Crops a second that a CPU describes, network by network and way by way, and what each way does to the features."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from torch import Tensor

from embedding.config import load_config
from embedding.descriptors.cropping import cut_crops
from embedding.descriptors.latent import CPU_BATCH, LatentDescriptor
from embedding.descriptors.onnx import OnnxDescriptor
from embedding.descriptors.spec import model_path
from embedding.export import export_onnx
from embedding.vae.model import FlatVAE
from embedding.vae.networks import VGG16Encoder
from embedding.vae.weights import load_model, save_model
from tracker.demo.render import render_demo
from tracker.files.motchallenge import read_detections
from tracker.input.frames import open_frames

Describe = Callable[[NDArray[np.uint8]], NDArray[np.float32]]  # crops [N, 64, 64, 3] -> features [N, D]

EAGER = "eager"  # what the others are compared with
SECONDS = 10.0  # of the clock, for all ways of one network and one number of threads
MIN_TURNS = 3  # however slow
PAUSE = 0.05  # seconds between turns: threads without work spin for a while before they sleep, in the next one's way
DEMO_FRAMES = 24  # ten people in each


@dataclass(frozen=True)
class Speed:
    """Of one way to run one network.

    Attributes:
        network: `lite`, the default descriptor, or `full`, the paper's VGG16, untrained.
        way: how it is run.
        threads: of the CPU.
        crops_a_second: by the median time of a batch; NaN where the way is not available.
        ratio: how many times as many as `eager`, which took its turns between the others'.
        error: mean distance to eager's features, as a share of their length.
        missing: why the way is not available; empty where it is.
    """

    network: str
    way: str
    threads: int
    crops_a_second: float
    ratio: float
    error: float
    missing: str = ""


def benchmark_embedding(out: Path, seconds: float = SECONDS) -> list[Speed]:
    """Measure, print, and keep the table and the numbers as embedding.txt and embedding.json in the folder `out`."""
    speeds = []
    with TemporaryDirectory() as name:
        folder = Path(name)
        crops = demo_crops(folder)
        for network, weights in networks(folder).items():
            for threads in sorted({1, min(2, os.cpu_count() or 1)}):
                speeds += measure(network, ways(weights, folder, crops, threads), crops[1::2], threads, seconds)
                print(f"{network}, {threads} threads done", file=sys.stderr, flush=True)
    Console(width=None if sys.stdout.isatty() else 120).print(table_of(speeds))
    write(speeds, out)
    return speeds


def demo_crops(folder: Path, frames: int = DEMO_FRAMES) -> NDArray[np.uint8]:
    """People of the rendered demo, [N, 64, 64, 3]."""
    sequence = render_demo(folder / "demo", frames)
    detections = read_detections(sequence / "det/det.txt")
    cut = [cut_crops(image, detections.at(frame).boxes)[0] for frame, image in open_frames(sequence / "img1")]
    return np.concatenate(cut)


def networks(folder: Path) -> dict[str, Path]:
    """Weights of the two networks; those that do not ship are written into the folder, untrained."""
    trained = model_path("mot16-lite")
    return {
        "lite": trained if trained is not None else _untrained("mot16-lite", folder),
        "full": _untrained("mot16", folder),
    }


def _untrained(name: str, folder: Path) -> Path:
    torch.manual_seed(0)
    model = FlatVAE(load_config(name).model, (3, 64, 64))
    path = folder / f"{name}.safetensors"
    save_model(model, path, {"data": {"kind": "crops", "mean": [0.4] * 3, "std": [0.25] * 3}})
    return path


def ways(weights: Path, folder: Path, crops: NDArray[np.uint8], threads: int) -> dict[str, Describe | str]:
    """Ways to describe crops, by name; of one that is not available, the reason."""
    makers: dict[str, Callable[[], Describe]] = {
        EAGER: lambda: _channels_first(weights),
        "channels-last": lambda: _with_encoder(weights, _trained_encoder(weights)),
        "folded (ours)": lambda: LatentDescriptor(weights, "cpu").describe_crops,
        "bf16": lambda: _bfloat16(weights),
        "compiled": lambda: _compiled(weights),
        "ONNX Runtime": lambda: _exported(weights, folder, threads),
        "ONNX Runtime, int8": lambda: _exported(weights, folder, threads, crops[::2]),
    }
    with _threads(threads):
        return {name: _tried(make, crops[:CPU_BATCH]) for name, make in makers.items()}


def _tried(make: Callable[[], Describe], crops: NDArray[np.uint8]) -> Describe | str:
    """What `make` makes, once it has described some crops: compilers compile only then. Or why it does not."""
    try:
        describe = make()
        describe(crops)
    except Exception as error:  # without a compiler or a package, each fails in its own manner
        return str(error).strip().partition("\n")[0] or type(error).__name__
    return describe


def _trained_encoder(weights: Path) -> torch.nn.Module:
    """As training leaves it: the batch normalisation is a layer of its own."""
    return load_model(weights).encoder.requires_grad_(False)


def _with_encoder(weights: Path, encode: Callable[[Tensor], tuple[Tensor, Tensor]]) -> Describe:
    """The descriptor's arithmetic around another way to run its encoder."""
    stages = LatentDescriptor(weights, "cpu").stages

    @torch.inference_mode()
    def describe(crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        values = torch.from_numpy(crops.copy()).permute(0, 3, 1, 2).float() / 255
        latent, _ = encode((values - stages.mean) / stages.std)
        features: Tensor = (latent - stages.offset) @ stages.matrix.T
        return features.numpy()

    return describe


def _channels_first(weights: Path) -> Describe:
    """torch's ordinary layout, which `VGG16Encoder` does not use."""
    encoder = _trained_encoder(weights).to(memory_format=torch.contiguous_format)
    assert isinstance(encoder, VGG16Encoder)

    def encode(images: Tensor) -> tuple[Tensor, Tensor]:
        scaled = (images.contiguous() - encoder.channel_mean) / encoder.channel_std
        mean, std = encoder.head(encoder.body(scaled).flatten(1))
        return (mean if encoder.stripes is None else mean + encoder.stripes(images)), std

    return _with_encoder(weights, encode)


def _bfloat16(weights: Path) -> Describe:
    encoder = LatentDescriptor(weights, "cpu").stages.encoder

    def encode(images: Tensor) -> tuple[Tensor, Tensor]:
        with torch.autocast("cpu", torch.bfloat16):
            mean, std = encoder(images)
        return mean, std

    return _with_encoder(weights, encode)


def _compiled(weights: Path) -> Describe:
    torch.compiler.reset()  # or the code of another number of threads would count against a limit
    return _with_encoder(weights, torch.compile(LatentDescriptor(weights, "cpu").stages.encoder))


def _exported(weights: Path, folder: Path, threads: int, calibration: NDArray[np.uint8] | None = None) -> Describe:
    pack = folder / "calibration.npy"
    if calibration is not None:
        np.save(pack, calibration)
    path = folder / "exported.onnx"
    int8 = calibration is not None
    export_onnx(str(weights), path, "crops", int8=int8, calibration=pack if int8 else None)
    return OnnxDescriptor(path, "cpu", threads).describe_crops


@contextmanager
def _threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)  # whatever OMP_NUM_THREADS says
    try:
        yield
    finally:
        torch.set_num_threads(before)


def measure(
    network: str, found: dict[str, Describe | str], crops: NDArray[np.uint8], threads: int, seconds: float
) -> list[Speed]:
    """Time the ways in turns, a batch each, and compare their features on all crops with eager's."""
    describers = {name: describe for name, describe in found.items() if not isinstance(describe, str)}
    taken: dict[str, list[float]] = {name: [] for name in describers}
    with _threads(threads):
        features = {name: describe(crops) for name, describe in describers.items()}
        began = time.perf_counter()
        while len(taken[EAGER]) < MIN_TURNS or time.perf_counter() - began < seconds:
            for name, run in describers.items():
                time.sleep(PAUSE)
                started = time.perf_counter()
                run(crops[:CPU_BATCH])
                taken[name].append(time.perf_counter() - started)
    medians = {name: float(np.median(times)) for name, times in taken.items()}
    batch = len(crops[:CPU_BATCH])
    speeds = []
    for name, describe in found.items():
        if isinstance(describe, str):
            speeds.append(Speed(network, name, threads, np.nan, np.nan, np.nan, describe))
            continue
        ratio, changed = medians[EAGER] / medians[name], error(features[name], features[EAGER])
        speeds.append(Speed(network, name, threads, batch / medians[name], ratio, changed))
    return speeds


def error(features: NDArray[np.floating], expected: NDArray[np.floating]) -> float:
    """Mean distance between rows [N, D], as a share of the expected rows' length."""
    return float((np.linalg.norm(features - expected, axis=1) / np.linalg.norm(expected, axis=1)).mean())


def table_of(speeds: list[Speed]) -> Table:
    """Networks and ways down, threads across: crops a second and the ratio to eager; at the end the error."""
    threads = sorted({speed.threads for speed in speeds})
    table = Table(title=f"crops a second (times eager), batches of {CPU_BATCH}; error of the features against eager's")
    for column in ("network", "way"):
        table.add_column(column)
    for count in threads:
        table.add_column(f"{count} thread{'s' if count > 1 else ''}", justify="right")
    table.add_column("error")
    for network, way in dict.fromkeys((speed.network, speed.way) for speed in speeds):
        row = [speed for speed in speeds if (speed.network, speed.way) == (network, way)]
        if row[0].missing:
            table.add_row(network, way, *["-"] * len(threads), f"not available: {row[0].missing}")
        else:
            cells = [f"{speed.crops_a_second:.0f} ({speed.ratio:.1f}x)" for speed in row]
            table.add_row(network, way, *cells, f"{row[0].error:.1e}")
    return table


def write(speeds: list[Speed], out: Path) -> None:
    """Keep the numbers and the table in the folder `out`."""
    import json

    from embedding.files import atomic_path

    rows = [
        {key: None if value != value else value for key, value in asdict(speed).items()}  # JSON knows no NaN
        for speed in speeds
    ]
    with atomic_path(out / "embedding.json") as path:
        path.write_text(json.dumps(rows, indent=1), encoding="utf-8")
    with atomic_path(out / "embedding.txt") as path, path.open("w", encoding="utf-8") as file:
        Console(file=file, width=120).print(table_of(speeds))
