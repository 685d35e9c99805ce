"""The account of a run: every detection is used or dropped for a reason, and the reasons are right."""

from __future__ import annotations

import json
from collections.abc import Sequence as Rows
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from tracker import Detections, InputError, load_config
from tracker.files.motchallenge import DetectionTable, read_tracks
from tracker.input.sequences import read_sequence
from tracker.run.account import Account
from tracker.run.job import Job
from tracker.run.parallel import run_all
from tracker.run.source import looked_at

LENGTH, WIDTH, HEIGHT = 30, 320, 240
PEOPLE = 3
Row = tuple[float, ...]


def walk(frames: Rows[int] = range(1, LENGTH + 1), score: float = 0.9) -> list[Row]:
    """MOT rows of people side by side who walk to the right."""
    return [(f, -1, 20 + 4 * f, 10 + 75 * p, 30, 60, score) for f in frames for p in range(PEOPLE)]


def write(folder: Path, rows: list[Row], pictures: bool = False) -> Path:
    (folder / "det").mkdir(parents=True)
    np.savetxt(folder / "det/det.txt", np.array(rows).reshape(-1, 7), fmt="%g", delimiter=",")
    (folder / "seqinfo.ini").write_text(
        f"[Sequence]\nname={folder.name}\nseqLength={LENGTH}\nframeRate=25\nimWidth={WIDTH}\nimHeight={HEIGHT}\n"
    )
    if pictures:
        (folder / "img1").mkdir()
        for frame in range(1, LENGTH + 1):
            level = 40 if frame <= 20 else 200  # a cut
            cv2.imwrite(str(folder / f"img1/{frame:06d}.png"), np.full((HEIGHT, WIDTH, 3), level, np.uint8))
    return folder


def job(folder: Path, config: str = "flatsort", **options: Any) -> Job:
    overrides = options.pop("overrides", {})
    given = {"detections": "det.txt", "descriptor": "none", "out": folder / "out.txt", **options}
    return Job(sequence=read_sequence(folder), config=load_config(config, overrides), **given)


def account_of(folder: Path, config: str = "flatsort", **options: Any) -> Account:
    (summary,) = run_all([job(folder, config, **options)])
    return summary.account


def test_every_detection_is_accounted_for(tmp_path: Path) -> None:
    rows = [
        *walk(),
        *((f, -1, 200, 10, 30, 60, 0.05) for f in range(1, 8)),  # below the least score
        *((f, -1, 250, 100, 0, 60, 0.9) for f in range(1, 5)),  # no area
        *((f, -1, 400, 100, 20, 60, 0.9) for f in range(1, 4)),  # outside, and used
    ]
    found = account_of(write(tmp_path / "A", rows))
    assert found.detections == {"read": 90 + 7 + 4 + 3, "used": 93, "outside": 3}
    assert found.dropped == {
        "no_area": 4,
        "low_score": 7,
        "suppressed": 0,
        "after_end": 0,
    }
    assert (found.frames, found.doubts) == (LENGTH, [])
    assert found.appearance == {"gate": None, "since": None, "why": "--descriptor none"}


def test_what_a_better_one_covers_is_counted(tmp_path: Path) -> None:
    rows = [*walk(), *((f, -1, 21 + 4 * f, 10, 30, 60, 0.5) for f in range(1, 11))]
    found = account_of(write(tmp_path / "A", rows), overrides={"nms_max_overlap": 0.7})
    assert (found.dropped["suppressed"], found.detections["used"]) == (10, 90)


def test_the_end_of_a_run_that_was_left_early(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tracker.output.sinks import StopTracking, TextSink

    write_text = TextSink.write

    def leave(self: TextSink, frame_index: int, *rest: Any) -> None:
        write_text(self, frame_index, *rest)
        if frame_index == 10:
            raise StopTracking

    monkeypatch.setattr(TextSink, "write", leave)
    found = account_of(write(tmp_path / "A", walk()))
    assert found.dropped["after_end"] >= 20 * PEOPLE


def test_appearance_on_and_off(tmp_path: Path) -> None:
    folder = write(tmp_path / "A", walk())
    rows = np.array(walk())
    looks = np.eye(8)[np.tile(np.arange(PEOPLE), LENGTH)] + 0.01 * np.random.default_rng(0).normal(size=(len(rows), 8))
    for name, features in (("people.npy", looks), ("constant.npy", np.ones_like(looks))):
        np.save(folder / "det" / name, np.column_stack((rows, -np.ones((len(rows), 3)), features)))
    fixed = account_of(folder, "deepsort", detections="people.npy")
    assert fixed.appearance == {"gate": 0.2, "since": 1, "why": None}
    own = account_of(folder, detections="people.npy", overrides={"max_cosine_distance": 0.3})
    assert own.appearance["gate"] == 0.3
    alike = account_of(folder, detections="constant.npy")
    assert alike.appearance["gate"] is None
    assert alike.appearance["why"] in (
        "the descriptor does not tell these people apart",
        "too few people were seen side by side to set its gate",
    )
    assert account_of(folder, "sort").appearance["why"] == "the preset looks at motion alone"


def test_a_detector_s_boxes_are_counted_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def detect(image: np.ndarray) -> Detections:
        return Detections([[10, 10, 50, 90], [60, 10, 60, 90], [400, 10, 440, 90]], [0.9, 0.9, 0.05])

    monkeypatch.setattr("tracker.input.detectors.load_detector", lambda name: detect)
    found = account_of(write(tmp_path / "A", [], pictures=True), detections="hog")
    assert found.detections == {"read": 3 * LENGTH, "used": LENGTH, "outside": LENGTH}
    assert found.dropped["no_area"] == found.dropped["low_score"] == LENGTH
    assert found.cuts == [21]
    assert "changes at once in frame 21" in found.doubts[-1]


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (walk(score=0.5), "no score reaches 0.6"),
        (walk(score=90), "taken for percent"),
        (walk(score=-1), "taken for unknown"),
        ([(f, -1, x, y, x + w, y + h, s) for f, _, x, y, w, h, s in walk()], "are these corners?"),
        (
            [(f, -1, x / 320, y / 240, w / 320, h / 240, s) for f, _, x, y, w, h, s in walk()],
            "fractions of the picture",
        ),
        ([(f, -1, x + 900, y, w, h, s) for f, _, x, y, w, h, s in walk()], "outside the picture of 320x240"),
        ([], "no track: no detection in 30 frames"),
        ([(f, -1, 200 * (f % 2), 10, 30, 60, 0.9) for f in range(1, 31)], "no track: nothing was detected in 3 frames"),
        (walk(range(2, 31, 4)), "in one frame of 4 from frame 2 on"),
    ],
)
def test_what_smells_is_said(tmp_path: Path, rows: list[Row], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = account_of(write(tmp_path / "A", rows))
    assert sum(said in doubt for doubt in found.doubts) == 1
    assert any(line.startswith("A: careful: ") and said in line for line in capsys.readouterr().err.splitlines())


@pytest.mark.parametrize(
    ("rows", "said"),
    [([*walk(), (3, -1, 5, 5, 0, 9, 0.9)], "line 91: width is 0"), (walk(score=90), "taken for percent; --strict")],
)
def test_strict_refuses(tmp_path: Path, rows: list[Row], said: str) -> None:
    folder = write(tmp_path / "A", rows)
    with pytest.raises(InputError, match=said):
        account_of(folder, strict=True)
    assert not (folder / "out.txt").exists()
    assert account_of(folder).tracks == PEOPLE


@pytest.mark.parametrize("pictures", [False, True])
@pytest.mark.parametrize("stride", [1, 2, 5])
def test_frames_that_nobody_looked_at_are_no_misses(tmp_path: Path, stride: int, pictures: bool) -> None:
    rows = [(f, -1, 20 + f, y, w, h, s) for f, _, _, y, w, h, s in walk(range(1, LENGTH + 1, stride))]
    folder = write(tmp_path / "A", rows, pictures)
    found = account_of(folder, video=tmp_path / "out.mp4" if pictures else None)
    assert (found.tracks, found.frames) == (PEOPLE, len(range(1, LENGTH + 1, stride)))
    assert set(read_tracks(folder / "out.txt").frames) <= set(range(1, LENGTH + 1, stride))
    filled = account_of(folder, interpolate=stride)
    assert filled.tracks == PEOPLE
    if stride > 1:
        frames = set(read_tracks(folder / "out.txt").frames.tolist())
        assert frames == set(range(min(frames), max(frames) + 1))


@pytest.mark.parametrize(
    ("frames", "expected"),
    [
        ([], (1, 1)),
        ([1, 6, 11, 16], (1, 1)),  # four looks may be chance
        ([1, 6, 11, 16, 21], (1, 5)),
        ([3, 8, 8, 13, 23, 28, 33], (3, 5)),  # nobody there in frame 18
        ([5, 10, 15, 20, 25], (5, 5)),
        ([10, 15, 20, 25, 30], (5, 5)),  # nobody there in the first
        ([2, 4, 6, 8, 9, 10], (1, 1)),
        ([1, 11, 21, 41, 81, 161], (1, 1)),  # people come and go; the steps are not one stride
        (list(range(1, 30)), (1, 1)),
    ],
)
def test_how_often_somebody_looked(frames: list[int], expected: tuple[int, int]) -> None:
    count = len(frames)
    table = DetectionTable(np.array(frames, np.int64), np.zeros((count, 4)), np.ones(count))
    assert looked_at(table.frames) == expected


def test_the_account_is_plain_json(tmp_path: Path) -> None:
    found = account_of(write(tmp_path / "A", walk()))
    assert json.loads(json.dumps(found.as_json()))["detections"]["read"] == 90
