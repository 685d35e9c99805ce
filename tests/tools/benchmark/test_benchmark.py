"""The benchmark: what its stream is like, what its ratios mean, what it writes."""

from __future__ import annotations

import io
import itertools
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from rich.console import Console

from embedding import Descriptor
from embedding.config import parse_model
from embedding.vae.model import FlatVAE
from embedding.vae.weights import save_model
from tools.benchmark import __main__ as benchmark
from tools.benchmark import accuracy as benchmark_accuracy
from tools.benchmark import embedding as benchmark_embedding
from tools.benchmark.__main__ import Timing, ratio
from tools.benchmark.accuracy import compare
from tools.benchmark.embedding import EAGER, Speed, error, measure, table_of, ways
from tools.benchmark.stream import stream
from tracker.commands.command_line import run_command
from tracker.errors import InputError
from tracker.files.motchallenge import DetectionTable, TrackTable
from tracker.input.sequences import Sequence


def test_the_stream_is_what_it_says() -> None:
    frames = list(itertools.islice(stream(50, with_features=True, seed=3), 40))
    seen = sum(map(len, frames)) / (40 * 50)
    assert 0.92 < seen < 0.98  # one detection in twenty is missing
    features = np.concatenate([frame.features for frame in frames if len(frame) == len(frames[0])])
    assert features.shape[1] == 128
    again = next(stream(50, with_features=True, seed=3))
    np.testing.assert_array_equal(frames[0].boxes, again.boxes)
    assert next(stream(50, with_features=False)).features is None


def test_a_ratio_is_to_our_preset_on_the_same_stream() -> None:
    timings = [
        Timing("sort", False, 10, 100.0, 0, 1, 1),
        Timing("deepsort", True, 10, 200.0, 0, 1, 1),
        Timing("sort", False, 30, 1000.0, 0, 1, 1),
        Timing("other (x 1)", False, 10, 300.0, 0, 1, 1),
        Timing("other (x 1)", True, 10, 300.0, 0, 1, 1),
    ]
    assert [ratio(timing, timings) for timing in timings] == [1.0, 1.0, 1.0, 3.0, 1.5]


def test_it_writes_table_numbers_and_plot(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(benchmark, "WARM_UP", 5)
    monkeypatch.setattr(benchmark, "MEASURED", 5)
    with pytest.raises(SystemExit) as ended:
        run_command(benchmark.main, "benchmark", ["--sizes", "3,6", "--out", str(tmp_path)])
    assert not ended.value.code
    rows = json.loads((tmp_path / "benchmark.json").read_text())
    assert {(row["name"], row["objects"]) for row in rows} >= {("sort", 3), ("deepsort", 6), ("flatsort", 3)}
    assert all(row["median_us"] > 0 and row["frames"] >= 5 and row["warm_up"] == 5 for row in rows)
    assert "6 objects" in capsys.readouterr().out
    assert (tmp_path / "benchmark.png").stat().st_size > 10_000
    assert "deepsort" in (tmp_path / "benchmark.txt").read_text()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--sizes", "5,x"], "--sizes 5,x: expected numbers"),
        (["speed"], "speed: expected update, accuracy, training or embedding"),
        (["accuracy"], "--root: missing"),
    ],
)
def test_bad_options_are_named(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        run_command(benchmark.main, "benchmark", arguments, many_values=benchmark.MANY_VALUES)
    message = capsys.readouterr().err
    assert (ended.value.code, message.count("\n")) == (2, 1)
    assert said in message


def write_walk(folder: Path, with_frames: bool = False) -> Path:
    """Two people walk side by side through 20 frames; the detections are the ground truth."""
    (folder / "det").mkdir(parents=True)
    (folder / "gt").mkdir()
    rows = [(frame, person, 50 * person + 3 * frame, 20, 20, 60) for frame in range(1, 21) for person in (1, 2)]
    (folder / "gt/gt.txt").write_text("".join(f"{f},{p},{x},{y},{w},{h},1,1,1\n" for f, p, x, y, w, h in rows))
    (folder / "det/det.txt").write_text("".join(f"{f},-1,{x},{y},{w},{h},1\n" for f, _, x, y, w, h in rows))
    if with_frames:
        (folder / "img1").mkdir()
        colours = {1: (30, 30, 220), 2: (220, 60, 30)}
        for frame in range(1, 21):
            image = np.random.default_rng(0).integers(90, 160, (100, 240, 3), dtype=np.uint8)
            for at, person, x, y, w, h in rows:
                if at == frame:
                    image[y : y + h, x : x + w] = colours[person]
            cv2.imwrite(str(folder / "img1" / f"{frame:06d}.png"), image)
    return folder


def test_presets_are_scored_on_the_same_boxes(tmp_path: Path) -> None:
    write_walk(tmp_path / "walk")
    scores = compare(tmp_path, "det.txt", with_peers=False)
    assert scores["sort"]["MOTA"] == 100  # written from the first frame on
    assert scores["flatsort, no features"]["IDs"] == 0
    assert 80 < scores["flatsort, no features"]["Recall"] < 100  # tracks are confirmed by their third detection


def test_only_the_named_sequences_are_scored(tmp_path: Path) -> None:
    write_walk(tmp_path / "one")
    write_walk(tmp_path / "two")
    ground_truth = {
        names: compare(tmp_path, "det.txt", False, names)["sort"]["GT"] for names in (("one",), ("one", "two"))
    }
    assert ground_truth == {("one",): 2, ("one", "two"): 4}


def test_presets_are_scored_with_the_features_of_descriptors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_walk(tmp_path / "walk", with_frames=True)
    given: dict[str, tuple[int, ...]] = {}
    run = benchmark_accuracy._run

    def spy(entry: benchmark_accuracy.Entry, sequence: Sequence, table: DetectionTable, length: int) -> TrackTable:
        given[str(entry.descriptor)] = () if table.features is None else table.features.shape
        return run(entry, sequence, table, length)

    monkeypatch.setattr(benchmark_accuracy, "_run", spy)
    scores = compare(tmp_path, "det.txt", False, descriptors=("colour", "pixels"))
    dimensions = {name: Descriptor.load(name).dimension for name in ("colour", "pixels")}
    assert given == {"None": (), **{name: (40, dimension) for name, dimension in dimensions.items()}}
    assert scores["deepsort, colour"]["IDs"] == scores["flatsort, pixels"]["IDs"] == 0
    assert scores["flatsort, colour"]["Recall"] > 80


def test_features_need_frames(tmp_path: Path) -> None:
    write_walk(tmp_path / "walk")
    with pytest.raises(InputError, match="walk: frames are needed"):
        compare(tmp_path, "det.txt", False, descriptors=("colour",))


def test_botsort_sees_the_frames_where_there_are_some(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trackers = pytest.importorskip("trackers", reason="needs trackers: pip install trackers")
    seen: list[tuple[int, ...] | None] = []
    update = trackers.BoTSORTTracker.update

    def spy(self: Any, detections: Any, frame: np.ndarray | None = None) -> Any:
        seen.append(None if frame is None else frame.shape)
        return update(self, detections, frame)

    monkeypatch.setattr(trackers.BoTSORTTracker, "update", spy)
    write_walk(tmp_path / "without/walk")
    assert not any("camera" in name for name in compare(tmp_path / "without", "det.txt", True))
    assert seen == [None] * 20
    seen.clear()
    write_walk(tmp_path / "with/walk", with_frames=True)
    scores = compare(tmp_path / "with", "det.txt", True)
    assert seen == [None] * 20 + [(100, 240, 3)] * 20
    assert next(row for name, row in scores.items() if "camera" in name)["IDs"] == 0


def test_the_descriptors_speed_is_asked_for_by_its_word(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folders: list[Path] = []
    monkeypatch.setattr(benchmark_embedding, "benchmark_embedding", folders.append)
    with pytest.raises(SystemExit) as ended:
        run_command(benchmark.main, "benchmark", ["embedding", "--out", str(tmp_path)])
    assert not ended.value.code
    assert folders == [tmp_path]


def save_small_network(path: Path) -> Path:
    torch.manual_seed(0)
    layers = {"widths": [4]}
    encoder = {"kind": "vgg16", "width": 0.05, "norm": "batch", "stripes": 2}
    config = parse_model({"latent_dim": 4, "encoder": encoder, "decoder": layers, "prior": layers}, "test")
    save_model(FlatVAE(config, (3, 64, 64)), path, {"data": {"kind": "crops", "mean": [0.5] * 3, "std": [0.25] * 3}})
    return path


@pytest.mark.slow
def test_ways_to_run_a_network_are_compared_and_missing_ones_explained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("onnx", reason="needs onnx: pip install 'flatsort[onnx]'")
    pytest.importorskip("onnxruntime", reason="needs onnxruntime: pip install 'flatsort[onnx]'")

    def no_compiler(weights: Path) -> None:
        raise RuntimeError("no C++ compiler\nand a long story")

    monkeypatch.setattr(benchmark_embedding, "_compiled", no_compiler)
    crops = np.random.default_rng(0).integers(0, 256, (40, 64, 64, 3), dtype=np.uint8)
    before = torch.get_num_threads()
    found = ways(save_small_network(tmp_path / "small.safetensors"), tmp_path, crops, threads=2)
    speeds = measure("small", found, crops, threads=2, seconds=0.0)
    assert torch.get_num_threads() == before
    by_way = {speed.way: speed for speed in speeds}
    assert by_way.pop("compiled").missing == "no C++ compiler"
    assert by_way[EAGER].ratio == 1.0
    assert by_way[EAGER].error == 0.0
    assert all(speed.crops_a_second > 0 and not speed.missing for speed in by_way.values())
    exact = {"channels-last", "folded (ours)", "ONNX Runtime"}
    assert all((speed.error < 1e-5) == (way in exact) for way, speed in by_way.items() if way != EAGER)
    assert by_way["bf16"].error < 0.05
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(table_of(speeds))
    assert "not available: no C++ compiler" in console.export_text()


def test_threads_are_those_asked_for_whatever_the_environment_says() -> None:
    """tools.benchmark sets OMP_NUM_THREADS to 1."""
    seen: list[int] = []

    def describe(crops: np.ndarray) -> np.ndarray:
        seen.append(torch.get_num_threads())
        return np.ones((len(crops), 2), np.float32)

    measure("any", {EAGER: describe}, np.zeros((3, 64, 64, 3), np.uint8), threads=2, seconds=0.0)
    assert set(seen) == {2}


def test_speeds_are_written_as_table_and_numbers(tmp_path: Path) -> None:
    there = Speed("lite", EAGER, 1, 900.0, 1.0, 0.0)
    missing = Speed("lite", "compiled", 1, np.nan, np.nan, np.nan, "no C++ compiler")
    benchmark_embedding.write([there, missing], tmp_path)
    rows = json.loads((tmp_path / "embedding.json").read_text())
    assert [row["crops_a_second"] for row in rows] == [900.0, None]
    assert "900 (1.0x)" in (tmp_path / "embedding.txt").read_text()


def test_error_is_a_share_of_the_length() -> None:
    expected = np.array([[3.0, 4.0], [0.0, 10.0]])
    assert error(expected + np.array([[0.0, 0.5], [1.0, 0.0]]), expected) == pytest.approx(0.1)
