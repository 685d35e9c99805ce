"""The command that packs crops: its options, its shards, and what it says where it cannot."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from embedding.data.crop_pack import read_index
from tracker.commands.command_line import run_command
from tracker.commands.crops import main

ROOT = Path(__file__).parents[3]
LENGTH = 12
RED = (0, 0, 250)


def make_sequence(folder: Path) -> Path:
    """Frames, exact detections and ground truth of somebody who walks, hidden in the last four frames."""
    for part in ("img1", "det", "gt"):
        (folder / part).mkdir(parents=True)
    boxes = np.array([(frame, 1, 150 + 4 * frame, 100, 40, 90, 1, 1, float(frame <= 8)) for frame in range(1, 13)])
    for frame, left in boxes[:, [0, 2]].astype(int).tolist():
        image = np.full((300, 400, 3), 128, np.uint8)
        cv2.rectangle(image, (left, 100), (left + 39, 189), RED, -1)
        cv2.imwrite(str(folder / "img1" / f"{frame:06d}.png"), image)
    np.savetxt(folder / "det/det.txt", boxes[:, :7], fmt="%g", delimiter=",")
    np.savetxt(folder / "gt/gt.txt", boxes, fmt="%g", delimiter=",")
    return folder


@pytest.fixture
def root(tmp_path: Path) -> Path:
    make_sequence(tmp_path / "root" / "A")
    return tmp_path / "root"


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as caught:
        run_command(main, "crops", [str(part) for part in arguments], ("--seq", "--det"))
    assert isinstance(caught.value.code, int)
    return caught.value.code


def test_sequences_that_lack_something_are_named_and_left_out(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (root / "B/det").mkdir(parents=True)
    (root / "B/det/det.txt").write_text("1,-1,1,1,9,9,1\n")
    (root / "C").mkdir()
    (make_sequence(root / "D") / "det/det.txt").unlink()
    assert run("--root", root, "--out", tmp_path / "pack.npy") == 0
    said = capsys.readouterr()
    assert said.err.splitlines() == ["B: left out, it has no frames", "D: left out, it has no detections det.txt"]
    assert said.out == f"12 crops in 1 tracklets, 100% in those of 10 and more: {tmp_path / 'pack.npy'}\n"
    assert read_index(tmp_path / "pack.npy").names == ("A",)


def test_crops_are_padded_where_asked(root: Path, tmp_path: Path) -> None:
    assert run("--root", root, "--out", tmp_path / "pack.npy", "--aspect", "pad") == 0
    crop = np.load(tmp_path / "pack.npy")[0]
    assert (crop[:, [0, -1]] == 0).all()
    assert (crop[:, 30:34] == RED).all()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--out", "pack"], "expected .npy"),
        (["--seq", "Z"], "not found"),
        (["--seq", "0"], "a camera or stream"),
        (["--gt", "--det", "det.txt"], "expected one"),
        (["--every", "0"], "--every 0"),
        (["--aspect", "squeeze"], "--aspect squeeze"),
        (["--det", "absent.onnx"], "absent.onnx"),  # a detector without its file
        (["--det", "none.txt"], "no box is left"),
        (["--min-height", "1000"], "no box is left"),
        (["--det", "late.txt"], "frame 13 is missing"),  # of another sequence
        (["--det", "broken.txt"], "broken.txt, line 1"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    (root / "A/det/late.txt").write_text("13,-1,150,100,40,90,0.9\n")
    (root / "A/det/broken.txt").write_text("1,-1,150,100,forty,90,0.9\n")
    folder = tmp_path / "out"
    out = [] if "--out" in arguments else ["--out", folder / "pack.npy"]
    assert run("--root", root, *out, *arguments) == 2
    printed = capsys.readouterr()
    assert said in printed.err.splitlines()[-1]
    assert printed.err.splitlines()[-1].startswith("crops: ")
    assert printed.out == ""
    assert not folder.exists() or not list(folder.iterdir())


@pytest.mark.slow
def test_the_command_itself(root: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tools.crops", "--root", str(root), "--seq", "A", "--out", str(tmp_path / "p.npy")]
    done = subprocess.run([*command, "--gt"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("8 crops in 1 tracklets, 0% in those of 10 and more")
