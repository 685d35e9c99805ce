"""The `track` command: options, output files, and one line with exit code 2 for whatever is wrong."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from tracker.commands.main import track as main
from tracker.files.motchallenge import TrackTable, read_tracks
from tracker.run.job import Job
from tracker.run.parallel import Outcome

CHECKOUT = Path(__file__).resolve().parents[3]
LENGTH = 12


def rows(frames: Sequence[int] = range(1, LENGTH + 1), people: int = 2, score: float = 0.9) -> np.ndarray:
    """MOT rows of people who walk side by side."""
    return np.array([[f, -1, 50 + 3 * f, 20 + 120 * p, 30, 70, score] for f in frames for p in range(people)])


def add_sequence(root: Path, name: str, detections: np.ndarray | None = None, length: int = LENGTH) -> Path:
    """A sequence without frames: `seqinfo.ini`, `det/det.txt` and ground truth that agrees with `rows`."""
    folder = root / name
    for part in ("det", "gt"):
        (folder / part).mkdir(parents=True)
    np.savetxt(folder / "det/det.txt", rows() if detections is None else detections, fmt="%g", delimiter=",")
    truth = rows()
    truth[:, 1] = np.arange(len(truth)) % 2 + 1
    np.savetxt(folder / "gt/gt.txt", np.column_stack((truth[:, :6], np.ones((len(truth), 3)))), "%g", delimiter=",")
    (folder / "seqinfo.ini").write_text(f"[Sequence]\nname={name}\nseqLength={length}\nframeRate=25\n")
    return folder


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two sequences below `data/`, and an empty working folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MOT_ROOT", raising=False)
    for name in ("A", "B"):
        add_sequence(tmp_path / "data", name)
    return tmp_path / "data"


def track(*arguments: object) -> int:
    """Run the command in this process; its exit code."""
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    assert isinstance(ended.value.code, int)
    return ended.value.code


def files_in(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


# --- options ---------------------------------------------------------------------------------------------------------


def test_from_a_folder_of_detections_to_a_scored_result(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = track("--root", root, "--seq", "A", "--det", "det.txt", "--config", "sort", "--evaluate", "--out", "a.txt")
    assert code == 0
    result = read_tracks("a.txt")
    assert result.frames.tolist() == [f for f in range(1, LENGTH + 1) for _ in range(2)]
    assert set(result.ids.tolist()) == {1, 2}
    table = capsys.readouterr().out
    assert "MOTA" in table and "HOTA" in table and "OVERALL" in table
    assert "100.0" in table  # all found, one identity each


@pytest.mark.parametrize(
    ("arguments", "written"),
    [
        (["--seq", "A"], {"output/A.txt"}),
        (["--seq", "A", "--out", "some/where/a.txt"], {"some/where/a.txt"}),  # folders are made
        (["--seq", "A", "--out", "data"], {"data/A.txt"}),  # an existing folder
        (["--seq", "A", "B"], {"output/A.txt", "output/B.txt"}),
        (["--seq", "A", "--seq", "B", "--out", "new"], {"new/A.txt", "new/B.txt"}),
        (["--seq", "all", "--out", "new"], {"new/A.txt", "new/B.txt"}),
        (["--out", "new", "--seq", "A", "B", "--config", "sort"], {"new/A.txt", "new/B.txt"}),
        (["--seq", "A", "B", "--table", "t/{seq}.csv"], {"output/A.txt", "output/B.txt", "t/A.csv", "t/B.csv"}),
    ],
)
def test_where_results_go(root: Path, arguments: list[str], written: set[str]) -> None:
    before = files_in(root.parent)
    assert track("--root", "data", "--det", "det.txt", "--descriptor", "none", *arguments) == 0
    assert files_in(root.parent) - before == written


def test_several_overrides_at_once(root: Path) -> None:
    sparse = [f for f in range(1, LENGTH + 1) if f % 3 == 1]
    add_sequence(root, "C", rows(sparse))
    shared = ("--root", root, "--seq", "C", "--det", "det.txt", "--config", "sort")
    assert track(*shared, "--out", "plain.txt") == 0
    assert track(*shared, "--set", "max_age=5", "min_hits=0", "--out", "set.txt") == 0
    assert track(*shared, "--set", "max_age=5", "--set", "min_hits=0", "--out", "twice.txt") == 0
    assert len(np.unique(read_tracks("set.txt").ids)) == 2
    assert len(read_tracks("set.txt")) == 2 * len(sparse) > len(read_tracks("plain.txt"))
    assert Path("twice.txt").read_bytes() == Path("set.txt").read_bytes()


def test_what_happened_is_said_and_written(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    add_sequence(root, "C", np.vstack((rows(), [[2, -1, 5, 5, 0, 9, 0.9]])))
    options = ("--root", root, "--det", "det.txt", "--descriptor", "none")
    assert track(*options, "--seq", "A", "C", "--json", "what/happened.json") == 0
    said = capsys.readouterr().err
    assert "A: 24 detections, 24 used; appearance off (--descriptor none)" in said
    assert "C: 25 detections, 24 used, 1 without area; appearance off (--descriptor none)" in said
    told = json.loads(Path("what/happened.json").read_text())
    assert {name: one["dropped"]["no_area"] for name, one in told.items()} == {"A": 0, "C": 1}
    assert told["A"]["out"] == "output/A.txt" and told["A"]["timing"]["tracking"] > 0
    assert track(*options, "--seq", "C", "--strict") == 2
    assert "line 25: width is 0, expected a positive number" in capsys.readouterr().err


@pytest.mark.slow
def test_two_processes_write_what_one_writes(root: Path) -> None:
    shared = ("--root", root, "--seq", "A", "B", "--det", "{seq}.txt", "--config", "sort")
    for name, people in (("A", 2), ("B", 3)):
        np.savetxt(root / name / "det" / f"{name}.txt", rows(people=people), fmt="%g", delimiter=",")
    assert track(*shared, "--out", "one") == 0
    assert track(*shared, "--out", "two", "--jobs", 2) == 0
    for name, people in (("A", 2), ("B", 3)):
        assert Path(f"one/{name}.txt").read_bytes() == Path(f"two/{name}.txt").read_bytes()
        assert len(np.unique(read_tracks(f"two/{name}.txt").ids)) == people


def read_csv(path: str) -> dict[str, list[float]]:
    with Path(path).open(newline="") as file:
        lines = list(csv.DictReader(file))
    return {name: [float(line[name]) for line in lines] for name in lines[0]}


def test_tables_tell_the_detection_behind_each_box(root: Path) -> None:
    add_sequence(root, "C", rows([1, 2, 3, 4, 6, 7]))
    shared = ("--root", root, "--seq", "C", "--det", "det.txt", "--config", "deepsort", "--descriptor", "none")
    assert track(*shared, "--out", "c.txt", "--table", "c.csv") == 0
    table, result = read_csv("c.csv"), read_tracks("c.txt")
    assert table["frame"] == result.frames.tolist()
    assert table["id"] == result.ids.tolist()
    corners = np.stack([table[name] for name in ("left", "top", "right", "bottom")], axis=1)
    np.testing.assert_allclose(corners, result.boxes, atol=2e-4)
    coasted = [detection for frame, detection in zip(table["frame"], table["detection"], strict=True) if frame == 5]
    assert coasted == [-1, -1]
    assert {d for f, d in zip(table["frame"], table["detection"], strict=True) if f not in (5, 8)} == {0, 1}


def test_a_parquet_table_holds_what_the_csv_holds(root: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="needs pyarrow")
    shared = ("--root", root, "--seq", "A", "--det", "det.txt", "--config", "sort", "--out", "a.txt")
    assert track(*shared, "--table", "a.csv") == track(*shared, "--table", "a.parquet") == 0
    assert parquet.read_table("a.parquet").to_pydict() == read_csv("a.csv")


def with_gap(root: Path) -> TrackTable:
    """Track a sequence with frames 6 to 8 missed."""
    add_sequence(root, "C", rows([1, 2, 3, 4, 5, 9, 10, 11, 12]))
    shared = ("--root", root, "--seq", "C", "--det", "det.txt", "--config", "sort", "--set", "max_age=5", "min_hits=0")
    assert track(*shared, "--out", "gap.txt") == 0
    assert track(*shared, "--out", "short.txt", "--interpolate", 2) == 0
    assert track(*shared, "--out", "filled.txt", "--interpolate", 3) == 0
    assert track(*shared, "--out", "both.txt", "--interpolate", 3, "--smooth") == 0
    return read_tracks("gap.txt")


def test_gaps_are_filled_and_tracks_smoothed(root: Path) -> None:
    plain = with_gap(root)
    assert set(plain.frames.tolist()) == {1, 2, 3, 4, 5, 9, 10, 11, 12}
    assert Path("short.txt").read_bytes() == Path("gap.txt").read_bytes()
    for name, tolerance in (("filled.txt", 1e-3), ("both.txt", 0.5)):  # the smoother's first velocity is a guess
        filled = read_tracks(name)
        assert filled.frames.tolist() == [f for f in range(1, 13) for _ in range(2)]
        assert filled.ids.tolist() == [1, 2] * 12
        np.testing.assert_allclose(filled.boxes[:, 0], 50 + 3.0 * filled.frames, atol=tolerance)
    assert Path("both.txt").read_bytes() != Path("filled.txt").read_bytes()


def test_a_published_sequence_from_its_own_folder(shared: Path, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = shared / "data/mot15/TUD-Campus"
    arguments = ("--det", "sort.txt", "--config", "sort", "--evaluate")
    assert track("--seq", folder, *arguments) == 0
    assert "62.67" in capsys.readouterr().out  # MOTA of the SORT README
    result = Path("output/TUD-Campus.txt").read_bytes()
    assert track("--root", folder.parent, "--seq", "TUD-Campus", *arguments, "--out", "again.txt") == 0
    assert Path("again.txt").read_bytes() == result


@pytest.mark.parametrize(
    ("options", "minutes"), [([], None), (["--adapt"], 4.0), (["--adapt", "--adapt-minutes", "0.5"], 0.5)]
)
def test_how_long_to_adapt(
    root: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], minutes: float | None
) -> None:
    with_frames(root / "A")
    jobs: list[Job] = []
    monkeypatch.setattr("tracker.run.parallel.attempt_all", lambda given, *_: jobs.extend(given) or Outcome())
    assert track("--root", root, "--seq", "A", "--det", "det.txt", "--descriptor", "default", *options) == 0
    assert [job.adapt_minutes for job in jobs] == [minutes]


def with_frames(folder: Path) -> None:
    (folder / "img1").mkdir()
    (folder / "img1/000001.png").write_bytes(b"")  # is not read where these tests need frames


# --- bad input -------------------------------------------------------------------------------------------------------

GOOD = {"--root": "data", "--seq": "A", "--det": "det.txt", "--config": "sort", "--out": "result.txt"}


def check_refused(capsys: pytest.CaptureFixture[str], root: Path, arguments: list[str], expected: str) -> None:
    """Exit code 2, exactly one line on standard error, and not one file more than before."""
    before = files_in(root.parent)
    assert track(*arguments) == 2
    printed = capsys.readouterr()
    assert printed.err.count("\n") == 1, printed.err
    assert expected in printed.err
    assert printed.out == ""
    assert files_in(root.parent) == before


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"--seq": None}, "--seq: missing"),
        ({"--det": None, "--seq": "data/A/gt"}, "holds no sequence"),
        ({"--seq": "Z"}, "sequence 'Z': not found"),
        ({"--seq": ""}, "an empty name"),
        ({"--root": "nowhere"}, "--root nowhere: no such folder"),
        ({"--det": "none.txt"}, "detections 'none.txt' of A: no file"),
        ({"--det": ""}, "no file"),
        ({"--config": "strongsort"}, "presets are deepsort, flatsort, sort"),
        ({"--set": "max_agee=3"}, "did you mean 'max_age'?"),
        ({"--set": "max_age=soon"}, "max_age"),
        ({"--set": "max_age"}, "expected KEY=VALUE"),
        ({"--camera-motion": "gyro"}, "'gyro' is not one of 'ecc', 'sparse'"),
        ({"--camera-motion": "ecc"}, "frames are needed"),
        ({"--video": "v.mp4"}, "frames are needed"),
        ({"--config": "flatsort"}, "frames are needed"),  # no features, no frames; the way out is named
        ({"--config": "flatsort"}, "--descriptor none"),
        ({"--interpolate": "-1"}, "--interpolate"),
        ({"--interpolate": "some"}, "--interpolate"),
        ({"--jobs": "0"}, "--jobs 0: expected a number from 1, or ray"),
        ({"--jobs": "many"}, "--jobs many"),
        ({"--colour": "red"}, "--colour"),  # no such option
        ({"--table": "t.json"}, "--table t.json: expected a name that ends in .csv or .parquet"),
        ({"--table": "t.json", "--interpolate": "3"}, "--table t.json"),  # before the second pass wrote anything
        ({"--out": "data/A/seqinfo.ini/result.txt"}, "cannot be written"),  # below a file
        ({"--out": "/dev/full"}, "cannot be written: No space left on device"),
    ],
)
def test_bad_options_are_named(
    root: Path, capsys: pytest.CaptureFixture[str], changed: dict[str, str | None], expected: str
) -> None:
    options = {**GOOD, **changed}
    check_refused(capsys, root, [part for o, v in options.items() if v is not None for part in (o, v)], expected)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--seq", "A", "A"], "'A': named 2 times"),
        (["--seq", "A", "B", "--out", "data/A/seqinfo.ini"], "is a file, expected a folder for 2 sequences"),
        (["--seq", "A", "B", "--table", "t.csv"], "--table t.csv: expected {seq} in the name"),
        (["--seq", "A", "B", "--video", "v.mp4"], "--video v.mp4: expected {seq} in the name"),
        (["--seq", "A", "--det"], "--det"),  # a value is missing
        (["--seq", "data/A/gt", "--evaluate"], "holds no sequence"),
    ],
)
def test_bad_combinations_are_named(
    root: Path, capsys: pytest.CaptureFixture[str], options: list[str], expected: str
) -> None:
    check_refused(capsys, root, ["--root", "data", "--det", "det.txt", "--config", "sort", *options], expected)


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"--seq": "0"}, "camera0: a camera or stream, expected a folder or a video file"),
        ({"--seq": "rtsp://host/door"}, "door: a camera or stream"),
        ({"--seq": "B"}, "B: has no frames"),
        ({"--config": "sort"}, "--adapt: the preset does not look at appearance"),
        ({"--descriptor": "none"}, "--adapt: --descriptor is none, expected a trained model"),
        ({"--descriptor": "colour"}, "descriptor 'colour': cannot be adapted, expected a trained model"),
        ({"--descriptor": "default.onnx"}, "descriptor 'default.onnx': cannot be adapted, expected a trained model"),
        ({"--adapt-minutes": "0"}, "minutes of adaptation: found 0, expected a number above 0"),
        ({"--adapt-minutes": "long"}, "--adapt-minutes"),
        ({"--out": "/dev/null"}, "--out /dev/null: is not a file"),
    ],
)
def test_adaptations_that_cannot_be_are_named(
    root: Path, capsys: pytest.CaptureFixture[str], changed: dict[str, str], expected: str
) -> None:
    with_frames(root / "A")
    options = {**GOOD, "--config": "flatsort", "--descriptor": "default", **changed}
    check_refused(capsys, root, ["--adapt", *(part for pair in options.items() for part in pair)], expected)


def test_minutes_without_an_adaptation(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [part for pair in GOOD.items() for part in pair]
    check_refused(capsys, root, [*arguments, "--adapt-minutes", "2"], "--adapt-minutes 2: does nothing without --adapt")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1,-1,5,5,10\n", "det.txt"),  # too few columns
        ("1,-1,5,5,10,20,1\n2,-1,5,5,ten,20,1\n", "det.txt, line 2: field 5 (width) is 'ten', expected a number"),
        ("1,-1,5,5,10,20,1\n2,-1,5,5\n", "det.txt, line 2: 4 fields, expected 7"),
        ("1,-1,nan,5,10,20,1\n", "left is nan, expected a finite number"),
        ("1,-1,5,inf,10,20,1\n", "top is inf, expected a finite number"),
        ("0,-1,5,5,10,20,1\n", "frame is 0, expected an integer from 1"),
        ("1.5,-1,5,5,10,20,1\n", "frame is 1.5, expected an integer from 1"),
        ("\x00\x01\x02", "det.txt"),
    ],
)
def test_bad_detections_are_named(root: Path, capsys: pytest.CaptureFixture[str], text: str, expected: str) -> None:
    (root / "A/det/det.txt").write_text(text)
    check_refused(capsys, root, [part for pair in GOOD.items() for part in pair], expected)


@pytest.mark.parametrize("shape", [(5,), (5, 9), (2, 5, 12)])
def test_an_npy_of_a_wrong_shape_is_named(
    root: Path, capsys: pytest.CaptureFixture[str], shape: tuple[int, ...]
) -> None:
    np.save(root / "A/det/bad.npy", np.ones(shape))
    options = {**GOOD, "--det": "bad.npy", "--config": "deepsort"}
    check_refused(capsys, root, [part for pair in options.items() for part in pair], f"bad.npy: shape {shape}")


def test_no_ground_truth_to_evaluate(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "A/gt/gt.txt").unlink()
    arguments = [part for pair in GOOD.items() for part in pair]
    check_refused(capsys, root, [*arguments, "--evaluate"], "--evaluate: no ground truth (gt/gt.txt) in A")


def test_an_old_result_survives_a_failed_run(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("result.txt").write_text("precious")
    (root / "A/det/det.txt").write_text("1,-1,5,5,10,20,1\nrubbish\n")
    check_refused(capsys, root, [part for pair in GOOD.items() for part in pair], "line 2")
    assert Path("result.txt").read_text() == "precious"


@pytest.mark.parametrize("det", ["unsorted", "duplicated", "empty"])
def test_what_is_odd_but_not_wrong_is_tracked(root: Path, det: str) -> None:
    good = rows()
    table = {
        "unsorted": good[::-1],
        "duplicated": np.repeat(good, 2, axis=0),  # every detection twice
        "empty": good[:0],
    }[det]
    np.savetxt(root / "A/det/det.txt", table, fmt="%g", delimiter=",")
    assert track(*(part for pair in GOOD.items() for part in pair)) == 0
    assert len(read_tracks("result.txt")) == {"unsorted": 24, "duplicated": 48, "empty": 0}[det]


# --- as a process ----------------------------------------------------------------------------------------------------


def start(*arguments: str, cwd: Path) -> subprocess.Popen[str]:
    """The command in a process of its own."""
    signals = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "  # none in the background
    signals += "signal.signal(signal.SIGHUP, signal.SIG_DFL)"  # ignored under nohup
    program = [sys.executable, "-c", f"{signals}; from tracker.commands.main import track; track()", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    return subprocess.Popen(
        program, cwd=cwd, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def test_a_process_ends_with_code_two_and_one_line(root: Path) -> None:
    process = start("--root", "data", "--seq", "A", "--det", "none.txt", cwd=root.parent)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err.count("\n")) == (2, "", 1)
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("signal_number", "code"),
    [
        (signal.SIGKILL, -9),
        (signal.SIGINT, 130),  # Ctrl-C
        (signal.SIGTERM, 143),
        (signal.SIGHUP, 129),
    ],
)
@pytest.mark.slow
def test_a_run_that_is_stopped_leaves_nothing_that_looks_whole(
    root: Path, signal_number: signal.Signals, code: int
) -> None:
    folder = add_sequence(root, "Long", length=100_000_000)  # hours of empty frames
    before = files_in(root.parent)
    process = start(
        *("--seq", str(folder), "--det", "det.txt", "--config", "sort", "--out", "long.txt"), cwd=root.parent
    )
    deadline = time.monotonic() + 60
    while not list(root.parent.glob("long.txt.partial")) and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.2)
    process.send_signal(signal_number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == code
    assert "Traceback" not in err
    left = {Path(name).name for name in files_in(root.parent) - before}
    assert left <= {"long.txt.partial"}  # what it was writing, and says so
    if signal_number != signal.SIGKILL:
        assert left == set()
        assert err.count("\n") == 1


@pytest.fixture
def clip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of twelve pictures in which nobody is, and an empty working folder."""
    import cv2

    monkeypatch.chdir(tmp_path)
    (tmp_path / "clip").mkdir()
    for number in range(1, LENGTH + 1):
        cv2.imwrite(f"clip/{number:06}.jpg", np.full((96, 128, 3), 9 * number, np.uint8))
    return tmp_path


def test_a_source_alone_is_tracked_by_our_detector_and_drawn(clip: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert track("clip") == 0
    assert (
        "clip: no --det: fastestdet, the small detector that ships with us\nclip: fastestdet looks for person\n"
        in capsys.readouterr().err
    )
    assert files_in(clip / "output") == {"clip.json", "clip.mp4", "clip.txt"}
    assert json.loads((clip / "output/clip.json").read_text())["clip"]["frames"] == LENGTH


def test_who_says_where_to_write_gets_that_alone(clip: Path) -> None:
    assert track("clip", "--out", "tracks.csv", "--classes", "car,person") == 0
    assert (
        (clip / "tracks.csv").read_text().startswith("frame,id,left,top,right,bottom,score,detection,class,class_name")
    )
    assert not (clip / "output").exists()


def test_a_sequence_s_own_detections_come_first(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert track("--root", "data", "--seq", "A", "--config", "sort") == 0
    assert "A: no --det: its own det.txt" in capsys.readouterr().err
    (root / "A/det/det.txt").rename(root / "A/det/sdp.txt")
    assert track("--root", "data", "--seq", "A", "--config", "sort") == 2
    assert "--det: missing; data/A/det holds sdp.txt; or a detector: fastestdet, hog" in capsys.readouterr().err
    (root / "A/det/sdp.txt").unlink()
    assert track("--root", "data", "--seq", "A", "--config", "sort") == 2
    assert "--det: missing, and A has no frames" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--tiles", "2"], "--tiles 2: data/A/det/det.txt is no detector"),
        (["--classes", "person"], "--classes person: data/A/det/det.txt says no classes"),
        (["--det", "hog", "--classes", "car"], "--classes car: detector 'hog' has none to choose from"),
        (["--det", "fastestdet:car", "--classes", "car"], "names classes too, expected one of both"),
    ],
)
def test_what_does_not_go_together(
    root: Path, capsys: pytest.CaptureFixture[str], options: list[str], expected: str
) -> None:
    assert track("--root", "data", "--seq", "A", "--config", "sort", "--det", "det.txt", *options) == 2
    assert expected in capsys.readouterr().err


def test_classes_of_a_file_are_chosen_and_written(root: Path) -> None:
    people = rows(people=1)
    cars = people + np.eye(7)[2] * 200  # to the right of them
    table = np.column_stack((np.concatenate((people, cars)), [3] * LENGTH + [1] * LENGTH))
    np.savetxt(root / "A/det/det.txt", np.column_stack((table, np.full((len(table), 2), -1))), fmt="%g", delimiter=",")
    options = ["--root", "data", "--seq", "A", "--config", "sort", "--set", "min_hits=0", "--out", "r.txt"]
    assert track(*options) == 0
    assert np.loadtxt("r.txt", delimiter=",").shape == (2 * LENGTH, 10)
    assert track(*options, "--classes", "3") == 0
    found = np.loadtxt("r.txt", delimiter=",")
    assert len(found) == LENGTH
    assert set(found[:, 7]) == {3}


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".json"])
def test_results_in_other_formats_are_scored_all_the_same(
    root: Path, capsys: pytest.CaptureFixture[str], suffix: str
) -> None:
    options = ["--root", "data", "--seq", "A", "--config", "sort", "--set", "min_hits=0", "--evaluate"]
    assert track(*options, "--out", "r.txt") == 0
    expected = capsys.readouterr().out
    assert track(*options, "--out", f"r{suffix}", "--interpolate", "3") == 0
    assert capsys.readouterr().out == expected
    np.testing.assert_allclose(read_tracks(f"r{suffix}").boxes, read_tracks("r.txt").boxes, atol=1e-3)


def test_a_batch_goes_on_with_what_is_not_done(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = [
        "--root",
        "data",
        "--seq",
        "A",
        "B",
        "--det",
        "det.txt",
        "--config",
        "sort",
        "--out",
        "out",
        "--evaluate",
    ]
    assert track(*options) == 0
    whole = capsys.readouterr().out
    before = Path("out/B.txt").stat().st_mtime_ns
    Path("out/A.txt").unlink()
    assert track(*options, "--resume") == 0
    printed = capsys.readouterr()
    assert printed.out == whole
    assert "B: done before -> out/B.txt" in printed.err
    assert "A: 2 tracks" in printed.err
    assert Path("out/B.txt").stat().st_mtime_ns == before
    assert track(*options, "--resume") == 0
    assert capsys.readouterr().out == whole


# --- pages and pictures ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "written"),
    [
        (["--seq", "A", "--report", "r"], {"r/index.html"}),
        (["--seq", "A", "B", "--report", "r"], {"r/A/index.html", "r/B/index.html"}),  # a folder each
        (["--seq", "A", "B", "--report", "r_{seq}"], {"r_A/index.html", "r_B/index.html"}),
    ],
)
def test_where_reports_go(root: Path, arguments: list[str], written: set[str]) -> None:
    assert track("--root", root, "--det", "det.txt", "--descriptor", "none", "--out", "results/", *arguments) == 0
    assert {path for path in files_in(root.parent) if path.endswith(".html")} == written
    assert track("--root", root, "--det", "det.txt", "--descriptor", "none", "--out", "results/", *arguments) == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--labels", "name"], "--labels name: 'name' is none of id, class, score; or none"),
        (["--blur", "people"], "--blur people: does nothing without --video, --sheet, --report or --show"),
        (["--report", "data"], "lies in the folder of --report"),
        (["--report", "s3://bucket/r"], "--report s3://bucket/r: only --out may lie on shared storage"),
    ],
)
def test_pages_and_pictures_that_cannot_be(
    root: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    before = files_in(root.parent)
    assert track("--root", root, "--seq", "A", "--det", "det.txt", "--config", "sort", *arguments) == 2
    assert message in capsys.readouterr().err
    assert files_in(root.parent) == before


def test_without_the_extra_a_report_is_refused_before_the_work(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "jinja2", None)
    assert track("--root", root, "--seq", "A", "--det", "det.txt", "--config", "sort", "--report", "r") == 2
    assert "--report r: needs jinja2, which is not installed: pip install 'flatsort[report]'" in capsys.readouterr().err
    assert not Path("output/A.txt").exists()
