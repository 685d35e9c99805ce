"""The command that gives detections features: its file is the one `track` takes, and what it says where it cannot."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from embedding import Descriptor
from tracker.commands.command_line import run_command
from tracker.commands.embed import main
from tracker.files.motchallenge import read_detections

LENGTH = 5


def make_sequence(folder: Path) -> Path:
    """Somebody in red and somebody in blue; in the third frame nobody."""
    for part in ("img1", "det"):
        (folder / part).mkdir(parents=True)
    rows = []
    for frame in range(1, LENGTH + 1):
        image = np.full((120, 200, 3), 90, np.uint8)
        for left, colour in ((20 + frame, (0, 0, 250)), (120 - frame, (250, 0, 0))):
            if frame != 3:
                cv2.rectangle(image, (left, 20), (left + 29, 99), colour, -1)
                rows.append((frame, -1, left, 20, 30, 80, 0.9))
        cv2.imwrite(str(folder / "img1" / f"{frame:06d}.png"), image)
    np.savetxt(folder / "det/det.txt", rows[::-1], fmt="%g", delimiter=",")  # in any order
    return folder


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as caught:
        run_command(main, "embed", [str(part) for part in arguments], ("--seq",))
    assert isinstance(caught.value.code, int)
    return caught.value.code


def test_every_detection_gets_its_feature(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, out = make_sequence(tmp_path / "A"), tmp_path / "new" / "A.npy"
    assert run("--seq", folder, "--det", "det.txt", "--out", out, "--descriptor", "colour") == 0
    assert capsys.readouterr().out == f"A: 8 detections with 2048 features each -> {out}\n"
    table, plain = read_detections(out), read_detections(folder / "det/det.txt")
    np.testing.assert_array_equal(table.frames, [1, 1, 2, 2, 4, 4, 5, 5])
    np.testing.assert_allclose(table.boxes, plain.boxes, atol=1e-4)
    describe = Descriptor.load("colour")
    for frame in (1, 5):
        image = cv2.imread(str(folder / f"img1/{frame:06d}.png"))
        np.testing.assert_allclose(table.at(frame).features, describe(image, table.at(frame).boxes), atol=1e-6)
    assert sorted(path.name for path in out.parent.iterdir()) == ["A.npy"]


def test_several_sequences_at_once(tmp_path: Path) -> None:
    for name in "AB":
        make_sequence(tmp_path / "root" / name)
    out = tmp_path / "{seq}.npy"
    arguments = ("--root", tmp_path / "root", "--seq", "A", "B", "--det", "det.txt", "--descriptor", "pixels")
    assert run(*arguments, "--out", out) == 0
    assert (tmp_path / "A.npy").read_bytes() == (tmp_path / "B.npy").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--out", "A.txt"], "--out A.txt: expected a name that ends in .npy"),
        (["--seq", "A", "B"], "A.npy: expected {seq} in the name, as 2 sequences would share it"),
        (["--det", "absent.txt"], "absent.txt"),
        (["--det", "full.npy"], "full.npy: has features, expected detections without"),
        (["--det", "empty.txt"], "empty.txt: no detections to describe"),
        (["--descriptor", "absent"], "descriptor 'absent': not known"),
        (["--descriptor", "none"], "--descriptor none: expected a descriptor"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    folder = make_sequence(tmp_path / "A")
    make_sequence(tmp_path / "B")
    (folder / "det/empty.txt").write_text("")
    np.save(folder / "det/full.npy", np.array([[1, -1, 5, 5, 20, 40, 1, -1, -1, -1, 1, 0]], np.float32))
    options = {"--seq": ["A"], "--det": ["det.txt"], "--out": [str(tmp_path / "A.npy")], "--descriptor": ["colour"]}
    options[arguments[0]] = arguments[1:]
    given = [part for key, values in options.items() for part in (key, *values)]
    assert run("--root", tmp_path, *given) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert not (tmp_path / "A.npy").exists()
