"""Table 2 from end to end on TUD-Campus (71 frames, detections with features), and its parts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from tools.paper import describe
from tools.paper.__main__ import main
from tools.paper.table2 import rows as table2_rows
from tools.paper.table2.features import USELESS, described, with_features
from tools.paper.table2.occlusion import Occlusion, Sighting, difference, find_occlusions, tally
from tools.paper.table2.report import COLUMNS, PUBLISHED_BOXES, lines
from tools.paper.table2.rows import MODELS, PAPER, Input, Row, detector_name, read_input, rows_of
from tools.paper.table2.sources import find_features
from tools.paper.table2.strip import Scene, draw_strip
from tools.paper.table2.sweep import QUICK, calibrated_threshold, sweep
from tracker.commands.command_line import run_command
from tracker.core.config import load_config
from tracker.errors import InputError
from tracker.evaluate.scores import OVERALL
from tracker.files.motchallenge import DetectionTable, TrackTable, read_detections
from tracker.input.sequences import read_sequence

pytestmark = pytest.mark.slow

SEQUENCE = "TUD-Campus"
PNG = b"\x89PNG"


def table2(*arguments: object) -> int:
    with pytest.raises(SystemExit) as ended:
        run_command(
            main,
            "paper",
            ["table2", *map(str, arguments)],
            many_values=("--seq", "--det", "--descriptor"),
        )
    return int(ended.value.code or 0)


@pytest.fixture(scope="module")
def arguments(shared: Path) -> tuple[object, ...]:
    root = shared / "data" / "mot15"
    common = ("--root", root, "--seq", SEQUENCE, "--det", "features.npy", "--adapt-minutes", 0)
    return (*common, "--descriptor", "mine=pixels")


@pytest.fixture(scope="module")
def campus(shared: Path) -> Input:
    return read_input("features.npy", read_sequence(shared / "data" / "mot15" / SEQUENCE))


@pytest.fixture(scope="module")
def written(arguments: tuple[object, ...], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Any]]:
    """The folder of a whole run, and the detections that each row tracked."""
    out = tmp_path_factory.mktemp("table2")
    tracked = []
    track = table2_rows.track
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(table2_rows, "track", lambda table, *rest: tracked.append(table) or track(table, *rest))
        assert table2(*arguments, "--out", out) == 0
    return out, tracked


def rows_in(out: Path) -> dict[tuple[str, str | None], dict[str, Any]]:
    (found,) = json.loads((out / "table2.json").read_text())["detectors"].values()
    return {(row["tracker"], row["descriptor"]): row for row in found["rows"]}


def test_every_tracker_has_a_row_with_every_descriptor(written: tuple[Path, list[Any]]) -> None:
    out, _ = written
    rows = rows_in(out)
    (found,) = json.loads((out / "table2.json").read_text())["detectors"].values()
    ours = {*MODELS, "colour", "default+colour"} - set(found["absent"])
    assert {"default", "held out"} <= ours
    descriptors = {"file", *ours, *USELESS, "mine"}
    assert {label for tracker, label in rows if tracker == "deepsort"} == descriptors
    assert {label for tracker, label in rows if tracker == "flatsort"} == {None, *descriptors}
    assert {label for tracker, label in rows if tracker == "flatsort, linked"} == descriptors
    motion = {"sort, max_age 1", "sort, max_age 30", "flatsort", "flatsort, gaps filled"}
    assert {tracker for tracker, label in rows if label is None} == motion
    assert found["absent"]["adapted"] == "no --adapt-minutes"
    for row in rows.values():
        assert set(row["scores"]) == {SEQUENCE, OVERALL}
        assert 20 < row["scores"][OVERALL]["IDF1"] < 100


def test_every_row_tracks_the_same_detections(written: tuple[Path, list[Any]], campus: Input) -> None:
    out, tracked = written
    assert len(tracked) == len(rows_in(out))
    for table in tracked:
        np.testing.assert_array_equal(table.boxes, campus.table.boxes)
        np.testing.assert_array_equal(table.scores, campus.table.scores)
    own = read_detections(campus.file).features
    assert sum(table.features is not None and np.array_equal(table.features, own) for table in tracked) == 4


def test_features_that_say_nothing_leave_flatsort_where_motion_puts_it(written: tuple[Path, list[Any]]) -> None:
    rows = rows_in(written[0])
    motion = rows["flatsort", None]["scores"][OVERALL]
    for label in USELESS:
        assert rows["flatsort", label]["scores"][OVERALL]["IDF1"] >= motion["IDF1"]
    filled = rows["flatsort, gaps filled", None]["scores"]
    assert rows["flatsort, linked", "constant"]["scores"] == filled  # nobody is told from anybody
    assert rows["deepsort", "constant"]["scores"][OVERALL] != rows["deepsort", "file"]["scores"][OVERALL]


def test_the_report_has_the_paper_s_rows_and_says_on_what(written: tuple[Path, list[Any]]) -> None:
    out, _ = written
    report = (out / "table2.md").read_text()
    assert f"## features: {SEQUENCE}" in report
    assert "measured on POI detections of all seven sequences" in report
    assert report.count("| SORT | 57.0 | 58.2 | 1486 |") == 1
    assert report.count("| DeepSORT | 64.7 | 60.3 | 585 |") == 1
    trained = {descriptor for _, descriptor in rows_in(out)}  # the paper's models, by whoever runs this
    assert report.count("| VHP-VAE-SORT |  | 59.0 | 693 |") == ("VHP-VAE" in trained)
    assert report.count("| VHP-FMVAE-SORT 3000 | 64.2 | 59.1 | 598 |") == ("VHP-FMVAE 3000" in trained)
    assert f"### {SEQUENCE}" in report
    assert (out / "table2-bars.png").read_bytes().startswith(PNG)
    assert not (out / "table2-occlusion.png").exists(), "MOT15 does not say who is hidden"
    assert not list(out.rglob(".*")), "a temporary file was left behind"


def test_results_can_be_scored_again(written: tuple[Path, list[Any]]) -> None:
    results = {path.parent.name for path in (written[0] / "results" / "features").glob(f"*/{SEQUENCE}.txt")}
    assert len(results) == len(rows_in(written[0]))


def test_nothing_is_described_twice(
    written: tuple[Path, list[Any]], arguments: tuple[object, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    out, _ = written
    first = (out / "table2.json").read_bytes()
    opened = []
    open_frames = describe.open_frames
    monkeypatch.setattr(describe, "open_frames", lambda path: opened.append(path) or open_frames(path))
    assert table2(*arguments, "--out", out) == 0
    assert not opened
    assert (out / "table2.json").read_bytes() == first
    (kept,) = (out / "features" / "features").glob(f"{SEQUENCE}.pixels*.npy")
    kept.unlink()
    assert table2(*arguments, "--out", out) == 0
    assert len(opened) == 1
    assert (out / "table2.json").read_bytes() == first


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--seq", "MOT16-99"], "'MOT16-99': not found"),  # no such sequence
        (["--det", "absent.txt"], "absent.txt"),  # no such file
        (["--det", "hog"], "--det hog: a detector, expected a file of detections"),
        (["--det", "sort.txt", "det/../sort.txt"], "'sort' is named twice"),
        (["--det", "."], "holds neither TUD-Campus.npy nor TUD-Campus.txt"),  # a folder of other things
        (["--descriptor", "random=colour"], "'random' is taken"),
        (["--descriptor", "mine="], "--descriptor mine=: expected LABEL=SPEC"),
        (["--descriptor", "mine=osnet"], "'osnet': not known"),
        (["--supervised", "absent.onnx"], "'absent.onnx': not known"),
    ],
)
def test_bad_input_ends_with_one_line(
    arguments: list[str], message: str, shared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seq = [] if "--seq" in arguments else ["--seq", SEQUENCE]
    det = [] if "--det" in arguments else ["--det", "sort.txt"]
    root = shared / "data" / "mot15"
    assert table2("--root", root, "--out", tmp_path / "out", *seq, *det, *arguments) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_folder_of_detections_and_a_sequence_without_frames(shared: Path, tmp_path: Path, campus: Input) -> None:
    """The rows that need no frames are there, the others are absent with the reason."""
    folder = tmp_path / "root" / SEQUENCE
    (folder / "gt").mkdir(parents=True)
    truth = shared / "data" / "mot15" / SEQUENCE / "gt" / "gt.txt"
    (folder / "gt" / "gt.txt").write_bytes(truth.read_bytes())
    (tmp_path / "poi").mkdir()
    (tmp_path / "poi" / f"{SEQUENCE}.npy").write_bytes(campus.file.read_bytes())
    out = tmp_path / "out"
    assert table2("--root", tmp_path / "root", "--seq", SEQUENCE, "--det", tmp_path / "poi", "--out", out) == 0
    figures = json.loads((out / "table2.json").read_text())["detectors"]["poi"]
    assert {row["descriptor"] for row in figures["rows"]} == {None, "file", *USELESS}
    assert figures["absent"]["default"] == f"{SEQUENCE} has no frames"


def test_a_detector_s_name_is_that_of_its_file_or_folder(tmp_path: Path) -> None:
    assert detector_name("sdp.txt") == "sdp"
    assert detector_name(str(tmp_path)) == tmp_path.name
    assert detector_name("poi/{seq}.npy") == "poi"
    assert detector_name("{seq}.npy") == "detections"


def test_the_rows_have_the_paper_s_settings() -> None:
    for row in rows_of(["colour"]):
        if row.preset != "flatsort":
            assert (row.config.min_confidence, row.config.nms_max_overlap) == (0.3, 0.7)
    deep = Row("deepsort", "colour", PAPER["deepsort"]).config
    assert (deep.max_cosine_distance, deep.budget, deep.max_age) == (0.2, 100, 30)


def test_an_adaptation_that_is_no_use_tracks_as_its_base(campus: Input, tmp_path: Path) -> None:
    """TUD-Campus has no pair of people to compare on, so that the base stays as it was."""
    from embedding import Descriptor

    describers = {"held out": Descriptor.load(table2_rows.BASE)}
    found = find_features([campus], describers, tmp_path, minutes=0.01)
    files = found.files
    assert list(files) == ["file", "held out", "adapted", *USELESS]
    assert not found.absent
    assert found.adaptations[SEQUENCE].startswith("the descriptor stays as it was: ")
    base, adapted = (with_features(campus.table, files[label][SEQUENCE]).features for label in ("held out", "adapted"))
    assert base is not None and adapted is not None
    np.testing.assert_allclose(adapted, base, atol=1e-4)


def test_features_of_other_detections_are_refused(campus: Input) -> None:
    fewer = DetectionTable(campus.table.frames[1:], campus.table.boxes[1:], campus.table.scores[1:])
    with pytest.raises(InputError, match="does not belong to these detections"):
        with_features(fewer, campus.file)


def test_a_sweep_holds_the_table_s_own_row(campus: Input, written: tuple[Path, list[Any]]) -> None:
    swept = sweep("deepsort", [campus], {SEQUENCE: campus.file}, quick=True)
    overall = rows_in(written[0])["deepsort", "file"]["scores"][OVERALL]
    assert [point["threshold"] for point in swept["points"]] == list(QUICK)
    assert swept["published"]["IDF1"] == pytest.approx(overall["IDF1"])
    assert swept["best"]["IDF1"] == max(point["IDF1"] for point in swept["points"])
    assert swept["calibrated"]["thresholds"].keys() == {SEQUENCE}


def test_a_calibrated_threshold_is_a_quantile_of_the_pairs_within_frames() -> None:
    """Far boxes, so that every pair counts; a doubtful detection's does not."""
    random = np.random.default_rng(0)
    frames, people = 400, 3
    features = random.normal(size=(frames, people, 8)).astype(np.float32)
    boxes = np.tile([[0, 0, 10, 20], [50, 0, 60, 20], [100, 0, 110, 20]], (frames, 1)).astype(float)
    scores = np.tile([0.9, 0.9, 0.1], frames)
    table = DetectionTable(np.repeat(np.arange(1, frames + 1), people), boxes, scores, features.reshape(-1, 8))
    first, second = features[:, 0], features[:, 1]
    cosine = (first * second).sum(axis=1) / np.linalg.norm(first, axis=1) / np.linalg.norm(second, axis=1)
    found = calibrated_threshold(table, load_config("deepsort"))
    assert found is not None
    assert found == pytest.approx(np.sort(1 - cosine)[1], abs=2 / 4096)  # 0.3 % of 400 pairs is one
    nobody = DetectionTable(table.frames[:1], table.boxes[:1], table.scores[:1], table.features[:1])  # type: ignore[index]
    assert calibrated_threshold(nobody, load_config("deepsort")) is None


# Person 1 walks behind person 2 and comes out again; person 3 stands apart.
FRAMES = np.arange(1, 41)
HIDDEN, MIDDLE = (18, 23), 20


def walk() -> tuple[TrackTable, np.ndarray]:
    boxes, ids, frames, visible = [], [], [], []
    for frame in FRAMES.tolist():
        x = 6.0 * frame
        for person, left, bottom in ((1, x, 100), (2, 246 - x, 105), (3, 300, 100)):
            boxes.append([left, bottom - 80, left + 30, bottom])
            ids.append(person)
            frames.append(frame)
            behind = person == 1 and HIDDEN[0] <= frame <= HIDDEN[1]
            visible.append(0.1 + 0.01 * abs(frame - MIDDLE) if behind else 1.0)
    return TrackTable(np.array(frames), np.array(ids), np.array(boxes, float), np.ones(len(ids))), np.array(visible)


def seen_as(before: int | None, after: int | None) -> Sighting:
    """A tracker that gives person 1 an id before and after, or no box, and everybody else their own."""
    truth, _ = walk()
    ids = truth.ids + 10
    first = truth.ids == 1
    early = first & (truth.frames < HIDDEN[0])
    late = first & (truth.frames > HIDDEN[1])
    ids[early], ids[late] = before or 0, after or 0
    wanted = ~first | (early & (before is not None)) | (late & (after is not None))
    return Sighting.of(TrackTable(truth.frames, ids, truth.boxes, truth.scores).select(wanted), truth)


def test_an_occlusion_is_found_and_its_outcome_told() -> None:
    truth, visible = walk()
    (found,) = find_occlusions(truth, visible, frame_height=200)
    assert found == Occlusion(1, 2, HIDDEN[0] - 1, MIDDLE, HIDDEN[1] + 1, 80.0)
    assert not find_occlusions(truth, visible, frame_height=800), "too small to look at"
    assert not find_occlusions(truth, np.ones(len(truth)), 200), "nobody is hidden"
    ends = {"a": seen_as(1, 1), "b": seen_as(1, 2), "c": seen_as(1, None), "d": seen_as(None, 1)}
    assert [one.outcome(found) for one in ends.values()] == ["kept", "switched", "lost", "unseen"]
    assert tally(ends, [found])["b"] == {"kept": 0, "switched": 1, "lost": 0, "unseen": 0}


def test_nobody_nearer_means_no_occlusion() -> None:
    truth, visible = walk()
    truth.boxes[truth.ids == 2, 1::2] -= 10  # now person 2 is the farther one
    assert not find_occlusions(truth, visible, 200)


def test_the_occlusion_to_draw_is_where_the_last_tracker_keeps_and_the_first_does_not() -> None:
    truth, visible = walk()
    (found,) = find_occlusions(truth, visible, 200)
    good, bad = seen_as(1, 1), seen_as(1, 2)
    assert difference({"a": bad, "b": bad, "c": good}, found) > difference({"a": bad, "b": good, "c": good}, found)
    assert difference({"a": bad, "c": good}, found) > difference({"a": good, "c": good}, found)
    assert difference({"a": bad, "c": good}, found) > difference({"a": bad, "c": bad}, found)


def test_a_film_strip_is_drawn_and_marks_a_change_in_red(tmp_path: Path) -> None:
    truth, visible = walk()
    images = tmp_path / "img1"
    images.mkdir()
    for frame in FRAMES:
        cv2.imwrite(str(images / f"{frame:06d}.png"), np.full((200, 360, 3), 128, np.uint8))
    video = read_sequence(tmp_path)
    (found,) = find_occlusions(truth, visible, 200)
    red = {}
    for name, after in (("kept", 1), ("switched", 2)):
        scene = Scene(video, "made up", truth, visible, found, {"tracker": seen_as(1, after)})
        assert scene.frames == sorted(scene.frames)
        draw_strip(scene, tmp_path / f"{name}.png")
        picture = cv2.imread(str(tmp_path / f"{name}.png")).astype(int)
        red[name] = int((np.abs(picture - [32, 32, 224]).max(axis=2) < 8).sum())
    assert red["switched"] > red["kept"] + 1000


def test_a_missing_frame_is_named(tmp_path: Path, campus: Input) -> None:
    from embedding import Descriptor

    table = campus.table
    late = DetectionTable(table.frames + 1000, table.boxes, table.scores)
    with pytest.raises(InputError, match=r"img1: frame 1001 is missing"):
        described(campus.video, late, {"pixels": Descriptor.load("pixels")}, tmp_path)


def test_switches_in_the_paper_are_of_more_boxes() -> None:
    """The seven sequences' ground truth, as tools.evaluate counts it; the bars divide by it."""
    assert PUBLISHED_BOXES == 110_407
    row = {
        "tracker": "deepsort",
        "descriptor": "VHP-FMVAE 300",
        "scores": {OVERALL: dict.fromkeys(COLUMNS, 1)},
    }
    assert lines([row])[0][-4:] == ["VHP-FMVAE-SORT 300", "", "59.1", "616"]
