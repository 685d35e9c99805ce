"""The demo: a MOTChallenge sequence that is whole, repeatable, honest about what hides what, and no easy one."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tracker.core.boxes import iou, tlwh_to_xyxy
from tracker.demo.figure import EYE, FOCAL, Pose, bounding_box, figure, project
from tracker.demo.render import FRAME_RATE, PEOPLE, cast, detect, render_demo, visibility
from tracker.demo.scene import HEIGHT, WIDTH, occluders
from tracker.errors import InputError
from tracker.input.frames import open_frames

FRAMES = 40


@pytest.fixture(scope="module")
def sequence(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return render_demo(tmp_path_factory.mktemp("demo"), frames=FRAMES)


@pytest.mark.slow
def test_layout_is_that_of_motchallenge(sequence: Path) -> None:
    with open_frames(sequence / "img1") as frames:
        assert (frames.length, frames.size) == (FRAMES, (WIDTH, HEIGHT))
        assert [frame_index for frame_index, _ in frames] == list(range(1, FRAMES + 1))
    assert f"seqLength={FRAMES}\n" in (sequence / "seqinfo.ini").read_text()
    truth = np.loadtxt(sequence / "gt/gt.txt", delimiter=",")
    detections = np.loadtxt(sequence / "det/det.txt", delimiter=",")
    assert truth.shape[1] == 9
    assert detections.shape[1] == 10
    assert (truth[:, 4:6] > 0).all()
    assert (truth[:, 6:8] == 1).all()
    assert set(truth[:, 1]) <= set(range(1, PEOPLE + 1))
    assert len(np.unique(truth[:, :2], axis=0)) == len(truth)  # nobody is twice in a frame


def test_boxes_are_where_the_people_are(sequence: Path) -> None:
    """Inside a box well seen the picture changes between frames that are far apart; beside it, only by shadows."""
    truth = np.loadtxt(sequence / "gt/gt.txt", delimiter=",")
    images = {frame: cv2.imread(str(sequence / f"img1/{frame:06d}.jpg")).astype(int) for frame in (1, FRAMES)}
    changed = np.abs(images[1] - images[FRAMES]).max(axis=2) > 40
    people = np.zeros_like(changed)
    for left, top, width, height in truth[np.isin(truth[:, 0], (1, FRAMES)), 2:6]:
        people[max(0, int(top) - 1) : int(top + height) + 2, max(0, int(left) - 1) : int(left + width) + 2] = True
    assert changed[people].mean() > 0.15
    assert changed[~people].mean() < 0.02  # shadows


@pytest.mark.slow
def test_a_seed_gives_the_same_sequence_and_another_another(tmp_path: Path) -> None:
    first, again, other = (render_demo(tmp_path / str(run), frames=2, seed=seed) for run, seed in enumerate((3, 3, 4)))
    for name in ("img1/000002.jpg", "gt/gt.txt", "det/det.txt"):
        assert (first / name).read_bytes() == (again / name).read_bytes()
        assert (first / name).read_bytes() != (other / name).read_bytes()


@pytest.mark.slow
def test_a_shorter_run_leaves_nothing_of_a_longer_one(tmp_path: Path) -> None:
    render_demo(tmp_path, frames=3)
    sequence = render_demo(tmp_path, frames=2)
    assert sorted(path.name for path in (sequence / "img1").iterdir()) == ["000001.jpg", "000002.jpg"]


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be written"):
        render_demo(tmp_path / "file", frames=1)


def test_people_meet_and_hide_each_other() -> None:
    walkers = cast(seed=0, seconds=200 / FRAME_RATE)
    hidden, standing = 0, occluders()
    for second in np.arange(0, 200, 8) / FRAME_RATE:
        poses = [walker.pose(second) for walker in walkers]
        boxes = np.array([bounding_box(figure(walker.look, pose)) for walker, pose in zip(walkers, poses, strict=True)])
        visible = visibility(boxes, np.array([pose.position[1] for pose in poses]), standing)
        inside = (boxes[:, 0] > 0) & (boxes[:, 2] < WIDTH)
        hidden += (visible[inside] < 0.5).sum()
    assert hidden > 10
    assert len({walker.look.top for walker in walkers}) == PEOPLE


def test_visibility_counts_what_is_nearer_and_the_border() -> None:
    boxes = np.array([[100, 100, 200, 200], [150, 100, 250, 200], [-50, 300, 50, 400]], float)
    depths = np.array([10.0, 8.0, 5.0])
    np.testing.assert_allclose(visibility(boxes, depths, []), [0.5, 1.0, 0.5])
    np.testing.assert_allclose(visibility(boxes, depths[[1, 0, 2]], []), [1.0, 0.5, 0.5])


def test_the_column_hides() -> None:
    column = occluders()[0]
    box = np.array([column.box], float)
    assert visibility(box, np.array([column.position[1] + 1]), [column])[0] == 0
    assert visibility(box, np.array([column.position[1] - 1]), [column])[0] == 1


def test_detections_miss_what_is_hidden_and_score_what_is_seen() -> None:
    rng = np.random.default_rng(0)
    box = np.array([[100.0, 100, 150, 250]])
    counts, scores, alarms = {}, {}, 0
    for part in (0.2, 0.4, 1.0):
        drawn = [detect(box, np.array([part]), rng) for _ in range(600)]
        hits = [iou(box, found)[0] > 0.5 for found, _ in drawn]
        counts[part] = np.mean([hit.any() for hit in hits])
        scores[part] = np.mean(np.concatenate([score[hit] for (_, score), hit in zip(drawn, hits, strict=True)]))
        alarms += sum(int((~hit).sum()) for hit in hits)
    assert counts[0.2] < 0.15 < 0.4 < counts[0.4] < 0.6 < 0.95 < counts[1.0]
    assert scores[0.4] < 0.6 < 0.85 < scores[1.0]
    assert 0.25 < alarms / 1800 < 0.42


@given(
    x=st.floats(-5, 5), z=st.floats(6, 25), angle=st.floats(0, 6.3), phase=st.floats(0, 6.3), number=st.integers(0, 9)
)
@settings(max_examples=30, deadline=None)
def test_a_figure_stands_on_the_ground_at_its_height(
    x: float, z: float, angle: float, phase: float, number: int
) -> None:
    look = cast(0, 10)[number].look
    left, top, right, bottom = bounding_box(figure(look, Pose((x, z), (np.cos(angle), np.sin(angle)), phase, 1.0)))
    foot, crown = project(np.array([[x, 0, z], [x, look.height, z]]))
    metre = FOCAL / z
    assert left < foot[0] < right
    assert abs(bottom - foot[1]) < 0.12 * metre + 0.5 * EYE / z * metre  # a foot forward is nearer to the camera
    assert abs(top - crown[1]) < 0.2 * metre
    assert right - left < 1.3 * metre


def test_detections_are_boxes(sequence: Path) -> None:
    boxes = tlwh_to_xyxy(np.loadtxt(sequence / "det/det.txt", delimiter=",")[:, 2:6])
    assert (boxes[:, 2:] > boxes[:, :2]).all()
