"""The benchmark: what its stream is like, what its ratios mean, what it writes."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import pytest

from tools import benchmark
from tools.benchmark import Timing, ratio, stream
from tools.benchmark_accuracy import compare
from tracker.command import run_command


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
        (["speed"], "speed: expected update, accuracy or training"),
        (["accuracy"], "--root: missing"),
    ],
)
def test_bad_options_are_named(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        run_command(benchmark.main, "benchmark", arguments)
    message = capsys.readouterr().err
    assert (ended.value.code, message.count("\n")) == (2, 1)
    assert said in message


def test_presets_are_scored_on_the_same_boxes(tmp_path: Path) -> None:
    folder = tmp_path / "walk"
    (folder / "det").mkdir(parents=True)
    (folder / "gt").mkdir()
    rows = [(frame, person, 50 * person + 3 * frame, 20, 20, 60) for frame in range(1, 21) for person in (1, 2)]
    (folder / "gt/gt.txt").write_text("".join(f"{f},{p},{x},{y},{w},{h},1,1,1\n" for f, p, x, y, w, h in rows))
    (folder / "det/det.txt").write_text("".join(f"{f},-1,{x},{y},{w},{h},1\n" for f, _, x, y, w, h in rows))
    scores = compare(tmp_path, "det.txt", with_peers=False)
    assert scores["sort"]["MOTA"] == 100  # written from the first frame on
    assert scores["flatsort, no features"]["IDs"] == 0
    assert 80 < scores["flatsort, no features"]["Recall"] < 100  # tracks are confirmed by their third detection
