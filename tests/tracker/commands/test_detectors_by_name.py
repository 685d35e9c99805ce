"""Detectors with classes behind their names, through every command; what is said of the classes."""

from __future__ import annotations

import csv
from pathlib import Path

import cv2
import numpy as np
import pytest

from tracker.commands.main import main

CELLS = 12 * 12 + 6 * 6 + 3 * 3
FRAMES = 12
SORT = ("--config", "sort", "--set", "min_hits=0")


@pytest.fixture
def folder(tmp_path: Path, write_network, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Pictures of nothing, and networks that see a person and a car in each: `v8.onnx`, `Named.ONNX`."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "img").mkdir()
    for number in range(1, FRAMES + 1):
        cv2.imwrite(str(tmp_path / f"img/{number:06}.png"), np.full((64, 128, 3), 9 * number, np.uint8))
    output = np.zeros((1, 84, CELLS))
    output[0, :4, :2] = np.transpose([[22.5, 30, 30, 30], [60, 30, 24, 24]])
    output[0, 4, 0], output[0, 6, 1] = 0.9, 0.8
    write_network(tmp_path / "v8.onnx", output)
    names = {0: "person", 1: "bicycle", 2: "car", **{number: f"thing {number}" for number in range(3, 80)}}
    write_network(tmp_path / "Named.ONNX", output, notes={"names": str(names)})
    return tmp_path


def run(command: str, *arguments: str) -> int:
    """Run `flatsort COMMAND` in this process; its exit code."""
    with pytest.raises(SystemExit) as ended:
        main([command, *arguments])
    assert isinstance(ended.value.code, int)
    return ended.value.code


COMMANDS = [
    ("track", ["--seq", "img", *SORT, "--out", "out.txt"]),
    ("embed", ["--seq", "img", "--descriptor", "colour", "--out", "out.npy"]),
    ("crops", ["--seq", "img", "--out", "out.npy"]),
    ("calibrate", ["--seq", "img", "--descriptor", "colour"]),
    ("adapt", ["--seq", "img", "--minutes", "0.001", "--out", "out.safetensors"]),
]


@pytest.mark.parametrize("detector", ["v8.onnx:0,2", "v8.onnx:all", "Named.ONNX", "Named.ONNX:person,car"])
@pytest.mark.parametrize(("command", "arguments"), COMMANDS, ids=[command for command, _ in COMMANDS])
@pytest.mark.slow
def test_every_command_takes_classes(folder: Path, command: str, arguments: list[str], detector: str) -> None:
    assert run(command, "--det", detector, *arguments) == 0


@pytest.mark.parametrize(("command", "arguments"), COMMANDS, ids=[command for command, _ in COMMANDS])
def test_every_command_names_a_class_that_is_not_there(
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    command: str,
    arguments: list[str],
) -> None:
    assert run(command, "--det", "Named.ONNX:cat", *arguments) == 2
    said = capsys.readouterr().err.splitlines()
    assert said[-1].startswith(f"{command}: Named.ONNX: class 'cat' is not known, expected one of person, bicycle, car")
    assert said[-1].endswith("and 68 more")


def test_a_detector_is_not_read_as_a_file(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("calibrate", "--det", "v8.onnx:0") == 2
    assert "--det v8.onnx:0: is a detector, expected --seq too" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("detector", "shown", "classes"),
    [
        ("v8.onnx", "img: v8.onnx looks for person\n", {("0", "person")}),  # names none of its 80: COCO's
        ("Named.ONNX", "img: Named.ONNX looks for person\n", {("0", "person")}),
        ("Named.ONNX:car,0", "img: Named.ONNX:car,0 looks for person, car\n", {("0", "person"), ("2", "car")}),
    ],
)
def test_class_names_are_shown_and_written(
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    detector: str,
    shown: str,
    classes: set[tuple[str, str | None]],
) -> None:
    options = ("--seq", "img", *SORT, "--out", "out.txt", "--table", "out.csv")
    assert run("track", "--det", detector, *options) == 0
    assert capsys.readouterr().err.startswith(f"{shown}img: ")
    with Path("out.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == FRAMES * len(classes)
    assert {(row["class"], row.get("class_name")) for row in rows} == classes


def test_the_box_that_the_network_gave_is_written(folder: Path) -> None:
    assert run("track", "--seq", "img", "--det", "v8.onnx:0", *SORT, "--out", "out.txt") == 0
    rows = np.loadtxt("out.txt", delimiter=",")
    np.testing.assert_allclose(rows[:, 2:7], np.tile([10, 20, 40, 40, 0.9], (FRAMES, 1)), atol=1e-3)


@pytest.mark.slow
def test_class_names_go_into_parquet(folder: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    options = ("--seq", "img", *SORT, "--out", "out.txt", "--table", "out.parquet")
    assert run("track", "--det", "Named.ONNX:all", *options) == 0
    assert set(parquet.read_table("out.parquet")["class_name"].to_pylist()) == {"person", "car"}
