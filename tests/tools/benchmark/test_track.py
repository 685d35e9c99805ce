"""The benchmark of `track`: what it runs, what it counts and what it shows; nothing is asserted of the clock."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from rich.console import Console

from tools.benchmark import __main__ as benchmark
from tools.benchmark import track as benchmark_track
from tools.benchmark import track_run as benchmark_track_run
from tools.benchmark.track import IN_TURN, OVERLAPPED, Way, measure, ways
from tools.benchmark.track_report import Measured, print_tables, write
from tools.benchmark.track_run import PARTS, Request, Run, run_apart, run_here
from tools.benchmark.track_scene import Footage, cut_people, find_footage, write_people
from tracker.commands.command_line import run_command
from tracker.errors import InputError
from tracker.files.motchallenge import read_detections
from tracker.input.frames import open_frames
from tracker.output.video import VideoWriter

LENGTH, SIZE = 40, (320, 180)


@pytest.fixture(scope="module")
def footage(tmp_path_factory: pytest.TempPathFactory) -> Footage:
    """Noise that moves, as a video."""
    path = tmp_path_factory.mktemp("footage") / "noise.mp4"
    noise = np.random.default_rng(0).integers(0, 256, (SIZE[1], SIZE[0], 3), dtype=np.uint8)
    smooth = cv2.GaussianBlur(noise, (0, 0), 8)
    with VideoWriter(path, 25, SIZE) as video:
        for frame in range(LENGTH):
            video.write(np.roll(smooth, 2 * frame, axis=1))
    return Footage("noise", path, LENGTH, SIZE)


def request_of(footage: Footage, people: int, folder: Path, descriptor: str = "colour") -> Request:
    folder.mkdir(exist_ok=True)
    detections = folder / "people.txt"
    write_people(footage, people, detections)
    return Request(str(footage.frames), footage.length, str(detections), str(folder / "tracks.txt"), descriptor)


def test_people_are_as_many_as_asked_for_and_in_the_picture(footage: Footage, tmp_path: Path) -> None:
    count = write_people(footage, 10, tmp_path / "people.txt")
    table = read_detections(tmp_path / "people.txt")
    assert len(table) == count
    assert 0.9 < count / (10 * LENGTH) < 1  # one detection in twenty is missing
    centres = (table.boxes[:, :2] + table.boxes[:, 2:]) / 2
    assert (centres > -5).all()
    assert (centres < np.array(SIZE) + 5).all()
    heights = table.boxes[:, 3] - table.boxes[:, 1]
    assert 80 / 6 - 2 < heights.min() < heights.max() < 200 / 6 + 2  # a sixth of 1080 lines
    crops = cut_people(footage, tmp_path / "people.txt", count=100)
    assert crops.shape[1:] == (64, 64, 3)
    assert 50 < len(crops) < 150


def test_the_beginning_of_a_video_is_copied_as_it_is_encoded(footage: Footage, tmp_path: Path) -> None:
    found = find_footage(str(footage.frames), None, 12, tmp_path)
    assert (found.length, found.size) == (12, SIZE)
    with open_frames(found.frames) as beginning, open_frames(footage.frames) as whole:
        for (_, copied), (_, original) in islice(zip(beginning, whole, strict=False), 8):  # packets are out of order
            np.testing.assert_array_equal(copied, original)
    (tmp_path / "long").mkdir()
    assert find_footage(str(footage.frames), None, 1000, tmp_path / "long").length == LENGTH


def test_images_are_numbered_without_gaps(tmp_path: Path) -> None:
    (tmp_path / "walk/img1").mkdir(parents=True)
    for number in (3, 4, 7, 9):
        cv2.imwrite(str(tmp_path / f"walk/img1/{number:06d}.png"), np.full((20, 30, 3), number, np.uint8))
    (tmp_path / "copy").mkdir()
    found = find_footage("walk", tmp_path, 3, tmp_path / "copy")
    assert (found.length, found.size) == (3, (30, 20))
    with open_frames(found.frames) as frames:
        assert [(frame, int(image[0, 0, 0])) for frame, image in frames] == [(1, 3), (2, 4), (3, 7)]


def test_the_demo_is_a_video_of_full_size(tmp_path: Path) -> None:
    found = find_footage(None, None, 3, tmp_path)
    assert (found.name, found.length, found.size) == ("demo", 3, (1920, 1080))
    assert found.frames.suffix == ".mp4"


def test_no_video_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("nothing of the kind")
    with pytest.raises(InputError, match=r"text.mp4: its first 5 frames cannot be copied"):
        find_footage(str(tmp_path / "text.mp4"), None, 5, tmp_path)


@pytest.mark.parametrize("source", ["video", "images"])
def test_parts_add_up_and_tracks_are_those_of_track(source: str, footage: Footage, tmp_path: Path) -> None:
    if source == "images":
        (tmp_path / "img1").mkdir()
        with open_frames(footage.frames) as frames:
            for frame, image in frames:
                cv2.imwrite(str(tmp_path / f"img1/{frame:06d}.png"), image)
        footage = replace(footage, frames=tmp_path / "img1")
    request = request_of(footage, 2, tmp_path / "in turn", "default")
    in_turn = run_here(replace(request, in_turn=True))
    overlapped = run_here(replace(request, out=str(tmp_path / "in turn/again.txt")))
    assert tuple(in_turn.parts) == PARTS
    assert all(seconds > 0 for seconds in in_turn.parts.values())
    assert sum(in_turn.parts.values()) == pytest.approx(in_turn.seconds)
    assert overlapped.parts == {}
    for run in (in_turn, overlapped):
        assert run.frames == LENGTH
        assert run.detections == run.described == len(read_detections(request.detections))
        assert run.cores > 0
    assert Path(request.out).read_text()
    first, second = (np.loadtxt(tmp_path / "in turn" / name, delimiter=",") for name in ("tracks.txt", "again.txt"))
    np.testing.assert_allclose(first, second, atol=1e-3)


def test_motion_describes_nothing_and_ambiguous_describes_fewer(footage: Footage, tmp_path: Path) -> None:
    request = request_of(footage, 12, tmp_path / "people")
    motion = run_here(replace(request, descriptor="none", frames=str(tmp_path / "not there")))
    always = run_here(replace(request, out=str(tmp_path / "always.txt")))
    ambiguous = run_here(replace(request, out=str(tmp_path / "ambiguous.txt"), embed_when="ambiguous"))
    assert (motion.described, always.described) == (0, always.detections)
    assert 0 < ambiguous.described < always.described
    assert motion.frames == always.frames == ambiguous.frames == LENGTH


def test_a_run_apart_is_free_to_use_every_core(
    footage: Footage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[str, str] = {}
    plain = benchmark_track_run.subprocess.run

    def spy(command: list[str], env: dict[str, str], **options: Any) -> Any:
        seen.update(env)
        return plain(command, env=env, **options)

    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setattr(benchmark_track_run.subprocess, "run", spy)
    run = run_apart(request_of(footage, 2, tmp_path / "apart", "none"))
    assert (run.frames, run.described) == (LENGTH, 0)
    assert "PATH" in seen
    assert "OMP_NUM_THREADS" not in seen


def test_a_run_apart_that_fails_says_why_in_one_line(footage: Footage, tmp_path: Path) -> None:
    request = replace(request_of(footage, 2, tmp_path / "apart"), detections=str(tmp_path / "missing.txt"))
    with pytest.raises(InputError, match=r"^colour: detections .*missing.txt") as raised:
        run_apart(request)
    assert "\n" not in str(raised.value)


def test_only_a_networks_parts_can_be_told_apart(footage: Footage, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="'colour': not a network's"):
        run_here(replace(request_of(footage, 2, tmp_path / "people"), in_turn=True))


def test_ways_are_those_that_can_run_here(
    footage: Footage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def no_onnx(*_: object) -> dict[str, Path]:
        raise InputError("needs onnxruntime")

    monkeypatch.setattr(benchmark_track, "_export", no_onnx)
    chosen = {way.name: way for way in ways(footage, tmp_path / "people.txt", tmp_path)}
    assert "needs onnxruntime" in capsys.readouterr().err
    assert [way.descriptor for way in chosen.values()] == ["none", "colour", "default", "default", "default"]
    assert [name for name, way in chosen.items() if way.in_turn] == [IN_TURN]
    assert [name for name, way in chosen.items() if way.embed_when == "ambiguous"] == ["default, where ambiguous"]


def test_the_default_is_exported_where_onnxruntime_is(footage: Footage, tmp_path: Path) -> None:
    pytest.importorskip("onnx", reason="needs onnx: pip install 'flatsort[onnx]'")
    pytest.importorskip("onnxruntime", reason="needs onnxruntime: pip install 'flatsort[onnx]'")
    request = request_of(footage, 2, tmp_path / "people")
    exported = [way for way in ways(footage, Path(request.detections), tmp_path) if "ONNX" in way.name]
    assert [way.name for way in exported] == ["default, ONNX float", "default, ONNX int8"]
    for way in exported:
        run = run_here(replace(request, descriptor=way.descriptor, out=str(tmp_path / f"{way.name}.txt")))
        assert run.described == run.detections


def test_ways_take_turns_and_the_middle_run_counts(
    footage: Footage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Request] = []

    def pretend(request: Request) -> Run:
        asked.append(request)
        seconds = (4.0, 8.0, 2.0)[(len(asked) - 1) // 2 % 3]
        parts = {part: seconds / len(PARTS) for part in PARTS} if request.in_turn else {}
        return Run(LENGTH, 100, 50, seconds, 1.5, parts)

    two = [Way(IN_TURN, "default", in_turn=True), Way(OVERLAPPED, "default")]
    monkeypatch.setattr(benchmark_track, "run_apart", pretend)
    monkeypatch.setattr(benchmark_track, "ways", lambda *_: two)
    speeds = measure(footage, [2, 3], tmp_path, repeats=3)
    assert [request.in_turn for request in asked] == [True, False] * 6
    assert len({Path(request.out).parent for request in asked}) == 12  # no features of an earlier run
    assert [(speed.way, speed.people) for speed in speeds] == [(w.name, people) for people in (2, 3) for w in two]
    assert {speed.frames_a_second for speed in speeds} == {LENGTH / 4.0}
    assert speeds[0].all_frames_a_second == [LENGTH / 4.0, LENGTH / 8.0, LENGTH / 2.0]
    assert sum(speeds[0].parts.values()) == pytest.approx(speeds[0].milliseconds)
    write_and_check(Measured("noise", SIZE, 2, speeds), tmp_path)


def write_and_check(measured: Measured, out: Path) -> None:
    write(measured, out)
    kept = json.loads((out / "benchmark-track.json").read_text())
    assert [(row["way"], row["people"]) for row in kept["speeds"]] == [(s.way, s.people) for s in measured.speeds]
    assert (out / "benchmark-track.png").stat().st_size > 10_000
    console = Console(width=140, record=True, file=io.StringIO())
    print_tables(measured, console)
    text = console.export_text()
    assert "10.0 (100.0 ms; 1.5; 50 %)" in text
    assert " 20.00 │" in text  # a fifth of a frame's time
    assert (out / "benchmark-track.txt").read_text().count("10.0 (100.0 ms") == 4


def test_it_runs_from_the_video_to_the_picture(
    footage: Footage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(benchmark_track, "run_apart", run_here)
    monkeypatch.setattr(benchmark_track, "_export", lambda *_: {})
    arguments = ["track", "--seq", str(footage.frames), "--people", "2", "--frames", "6", "--out", str(tmp_path)]
    with pytest.raises(SystemExit) as ended:
        run_command(benchmark.main, "benchmark", arguments, many_values=benchmark.MANY_VALUES)
    assert not ended.value.code
    speeds = json.loads((tmp_path / "benchmark-track.json").read_text())["speeds"]
    assert {speed["frames"] for speed in speeds} == {6}
    assert len(speeds) == 5
    assert "milliseconds a frame" in capsys.readouterr().out
    assert (tmp_path / "benchmark-track.png").is_file()
