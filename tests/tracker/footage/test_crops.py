"""Crops of people out of sequences: which boxes, whose they are, and what is raised where there are none."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from embedding.data.crop_pack import identity_path, read_identities, read_index
from tracker.core.detections import Detections, Image
from tracker.errors import InputError
from tracker.files.motchallenge import read_tracks
from tracker.footage.crops import CropRule, detect_all, match_identities, pack_sequences, visibility
from tracker.input.sequences import Sequence, find_sequence, find_sequences

WIDTH, HEIGHT, LENGTH = 400, 300, 12
COLOURS = {1: (0, 0, 250), 2: (0, 250, 0), 3: (250, 0, 0)}  # of the people, BGR
ALL = CropRule(min_height=0, min_score=-1e9, min_visibility=0, border=True)


def place(person: int, frame: int) -> tuple[float, float, float, float]:
    """Left, top, width, height: one walks, one stands far off, one stands in the image's left border."""
    return {1: (150 + 4 * frame, 100, 40, 90), 2: (300, 20, 10, 24), 3: (-20, 200, 40, 80)}[person]


def make_sequence(folder: Path, visible: bool = True) -> Path:
    """Frames, exact detections and ground truth; with `visible` in the columns of MOT16, else in MOT15's."""
    for part in ("img1", "det", "gt"):
        (folder / part).mkdir(parents=True)
    detections, truth = [], []
    for frame in range(1, LENGTH + 1):
        image = np.full((HEIGHT, WIDTH, 3), 128, np.uint8)
        for person, colour in COLOURS.items():
            left, top, width, height = place(person, frame)
            cv2.rectangle(image, (int(left), top), (int(left) + width - 1, top + height - 1), colour, -1)
            detections.append((frame, -1, left, top, width, height, 1 - person / 5))
            seen = (1, 1, 0.1 if person == 1 and frame > 8 else 1.0)
            truth.append((frame, person, left, top, width, height, *(seen if visible else (1, -1, -1, -1))))
        cv2.imwrite(str(folder / "img1" / f"{frame:06d}.png"), image)
    np.savetxt(folder / "det/det.txt", detections, fmt="%g", delimiter=",")
    np.savetxt(folder / "gt/gt.txt", truth[::-1], fmt="%g", delimiter=",")  # from the last frame on
    return folder


@pytest.fixture
def root(tmp_path: Path) -> Path:
    make_sequence(tmp_path / "root" / "A")
    return tmp_path / "root"


def colour_of(crops: np.ndarray) -> list[int]:
    """Which person each crop shows in its middle."""
    middle = crops[:, 32, 32].astype(int)
    return [min(COLOURS, key=lambda person: np.abs(pixel - COLOURS[person]).sum()) for pixel in middle]


def test_crops_show_who_the_identities_say(root: Path, tmp_path: Path) -> None:
    out = tmp_path / "out" / "pack.npy"
    index = pack_sequences(find_sequences(["all"], root), out, rule=ALL)
    crops, identities = np.load(out), read_identities(out)
    assert len(index) == 3 * LENGTH
    assert colour_of(crops) == identities.tolist()
    assert np.array_equal(index.tracklet[:, None] == index.tracklet, identities[:, None] == identities)
    wanted = [place(person, frame) for frame, person in zip(index.frame, identities, strict=True)]
    np.testing.assert_array_equal(np.c_[index.box[:, :2], index.box[:, 2:] - index.box[:, :2]], wanted)
    np.testing.assert_allclose(index.score, 1 - identities / 5, atol=1e-6)


PEOPLE = set(COLOURS)


@pytest.mark.parametrize("ground_truth", [False, True])
@pytest.mark.parametrize(
    ("change", "people", "frames"),
    [
        ({}, PEOPLE, range(1, 13)),
        ({"min_height": 32}, {1, 3}, range(1, 13)),
        ({"border": False}, {1, 2}, range(1, 13)),  # half of the third is outside
        ({"every": 5}, PEOPLE, (1, 6, 11)),
    ],
)
def test_which_boxes_are_packed(
    root: Path, tmp_path: Path, ground_truth: bool, change: dict, people: set[int], frames: range
) -> None:
    rule = CropRule(**{**vars(ALL), **change})
    out = tmp_path / "pack.npy"
    index = pack_sequences(find_sequences(["A"], root), out, ground_truth=ground_truth, rule=rule)
    assert set(index.frame.tolist()) == set(frames)
    assert len(index) == len(people) * len(frames)
    assert set(read_identities(out).tolist()) == people
    assert len(np.unique(index.tracklet)) == len(people)  # every frame is linked, whatever is packed


def test_detections_below_the_score_are_left_out(root: Path, tmp_path: Path) -> None:
    index = pack_sequences(find_sequences(["A"], root), tmp_path / "pack.npy", rule=CropRule(0, 0.5, border=True))
    assert set(read_identities(tmp_path / "pack.npy").tolist()) == {1, 2}  # 0.8, 0.6, and 0.4
    assert index.score.min() >= 0.5


def test_hidden_people_are_left_out(root: Path, tmp_path: Path) -> None:
    rule = CropRule(min_height=0, min_visibility=0.3, border=True)
    index = pack_sequences(find_sequences(["A"], root), tmp_path / "pack.npy", ground_truth=True, rule=rule)
    identities = read_identities(tmp_path / "pack.npy")
    assert index.frame[identities == 1].tolist() == list(range(1, 9))
    assert len(index) == 3 * LENGTH - 4


def test_visibility_is_of_the_row_it_stands_in(tmp_path: Path) -> None:
    for name, visible in (("A", True), ("B", False)):
        path = make_sequence(tmp_path / name, visible) / "gt/gt.txt"
        truth = read_tracks(path)
        hidden = (truth.ids == 1) & (truth.frames > 8) & visible  # MOT15 has no such column
        np.testing.assert_array_equal(visibility(path, truth), np.where(hidden, 0.1, 1))


def test_a_tracklet_does_not_tell_identities(tmp_path: Path) -> None:
    """Ground truth is linked by overlap too: a person who jumps has two tracklets and one identity."""
    folder = make_sequence(tmp_path / "A")
    rows = np.loadtxt(folder / "gt/gt.txt", delimiter=",")
    rows[(rows[:, 0] > 6) & (rows[:, 1] == 1), 2] -= 140
    np.savetxt(folder / "gt/gt.txt", rows, fmt="%g", delimiter=",")
    index = pack_sequences([find_sequence(str(folder))], tmp_path / "pack.npy", ground_truth=True, rule=ALL)
    identities = read_identities(tmp_path / "pack.npy")
    assert len(np.unique(index.tracklet[identities == 1])) == 2


def test_identities_are_one_to_one(tmp_path: Path) -> None:
    truth = read_tracks(make_sequence(tmp_path / "A") / "gt/gt.txt")
    left, top, width, height = place(1, 1)
    exact = [left, top, left + width, top + height]
    boxes = np.array(
        [[left + 2, top, left + width, top + height], exact, [0, 0, 9, 9], [left, top, left + 15, top + height]]
    )
    assert match_identities(np.array([1, 1, 1, 1]), boxes, truth).tolist() == [-1, 1, -1, -1]  # the better one has it
    assert match_identities(np.array([1, 99]), boxes[:2], truth).tolist() == [1, -1]  # no such frame
    assert match_identities(np.zeros(0, np.int64), np.zeros((0, 4)), truth).shape == (0,)


def test_the_first_detections_that_a_sequence_has(root: Path, tmp_path: Path) -> None:
    make_sequence(root / "B")
    (root / "A/det/good.txt").write_text("3,-1,150,100,40,90,0.9\n")
    index = pack_sequences(find_sequences(["all"], root), tmp_path / "pack.npy", ["good.txt", "det.txt"], rule=ALL)
    assert index.names == ("A", "B")
    assert np.bincount(index.sequence).tolist() == [1, 3 * LENGTH]


def test_without_ground_truth_there_are_no_identities(root: Path, tmp_path: Path) -> None:
    (root / "A/gt/gt.txt").unlink()
    pack_sequences(find_sequences(["all"], root), tmp_path / "pack.npy")
    assert not identity_path(tmp_path / "pack.npy").exists()


def test_a_run_that_fails_keeps_the_pack_that_was_there(root: Path, tmp_path: Path) -> None:
    out = tmp_path / "pack.npy"
    pack_sequences(find_sequences(["A"], root), out)
    before = out.read_bytes()
    (make_sequence(root / "B") / "img1/000007.png").write_bytes(b"no image")
    with pytest.raises(InputError, match=r"000007\.png"):
        pack_sequences(find_sequences(["all"], root), out)
    assert out.read_bytes() == before
    assert len(read_index(out)) == 12


@pytest.mark.parametrize(
    ("out", "sequence", "said"),
    [
        ("pack", None, "expected .npy"),  # found by the other half of the project
        (".", None, "expected .npy"),
        ("pack.npy", Sequence("camera0", frames=0), "camera0: a camera or stream"),
        ("pack.npy", Sequence("bare"), "no box is left"),
    ],
)
def test_bad_input_is_the_trackers_error(root: Path, tmp_path: Path, out: str, sequence: Sequence, said: str) -> None:
    with pytest.raises(InputError, match=said):
        pack_sequences([sequence or find_sequence("A", root)], tmp_path / "out" / out)
    assert not list(tmp_path.glob("out/*"))


def test_it_tells_what_it_does(root: Path, tmp_path: Path) -> None:
    told: list[tuple[str, float, float | None]] = []
    pack_sequences(find_sequences(["A"], root), tmp_path / "pack.npy", progress=lambda *now: told.append(now))
    assert told == [("A, cutting", done, LENGTH) for done in range(1, LENGTH + 1)]


@pytest.mark.parametrize("class_id", [None, 7])
def test_a_detector_sees_every_frame_once(root: Path, class_id: int | None) -> None:
    def detect(image: Image) -> Detections:
        seen.append(image)
        count = len(seen) % 3
        return Detections(
            np.tile([0.0, 0, 9, len(seen)], (count, 1)), None, None, None if class_id is None else [class_id] * count
        )

    seen: list[Image] = []
    table = detect_all(find_sequence("A", root), detect)
    assert len(seen) == LENGTH
    assert table.frames.tolist() == [frame for frame in range(1, LENGTH + 1) for _ in range(frame % 3)]
    assert table.boxes[:, 3].tolist() == table.frames.tolist()
    assert (table.class_ids is None) if class_id is None else (table.class_ids == class_id).all()


@pytest.mark.slow
def test_importing_it_loads_neither_torch_nor_opencv() -> None:
    program = "import tracker.footage.crops, tracker.footage.adapt, sys; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert not {"torch", "cv2"} & set(loaded)


def test_a_detector_on_a_video(shared: Path, tmp_path: Path) -> None:
    """The last resort, on a file that has neither folder nor detections."""
    images = sorted((shared / "data/mot15/TUD-Campus/img1").iterdir())[:20]
    video = tmp_path / "clip.avi"
    writer = cv2.VideoWriter(str(video), cv2.VideoWriter.fourcc(*"MJPG"), 25, (640, 480))
    for path in images:
        writer.write(cv2.imread(str(path)))
    writer.release()
    detector = str(shared / "data/weights/FastestDet.onnx")
    index = pack_sequences(find_sequences([str(video)]), tmp_path / "pack.npy", ["det.txt", detector])
    sizes = np.bincount(index.tracklet)
    print(f"{len(index)} crops in {np.count_nonzero(sizes)} tracklets, the longest of {sizes.max()}")
    assert len(index) >= 20
    assert sizes.max() >= 5
    assert set(index.frame.tolist()) <= set(range(1, 21))


def test_real_detections_show_people(shared: Path, tmp_path: Path) -> None:
    """TUD-Stadtmitte: most of what a good detector finds is somebody, and tracklets are theirs."""
    sequence = find_sequence(str(shared / "data/mot15/TUD-Stadtmitte"))
    index = pack_sequences([sequence], tmp_path / "pack.npy", ["sort.txt"])
    identities = read_identities(tmp_path / "pack.npy")
    matched = identities >= 0
    counts = np.zeros((index.tracklet.max() + 1, identities.max() + 1), np.int64)
    np.add.at(counts, (index.tracklet[matched], identities[matched]), 1)
    purity = counts.max(axis=1).sum() / counts.sum()
    print(f"{len(index)} crops, {matched.mean():.2f} matched, purity {purity:.4f}")
    assert matched.mean() > 0.9
    assert purity > 0.98
