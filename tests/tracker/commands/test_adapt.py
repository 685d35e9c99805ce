"""Fitting a descriptor to a camera: what is written, what is said, and what is left alone."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

import tracker.footage.adapt
from embedding import Descriptor
from embedding.config import parse_model
from embedding.training.held_back import AdaptationReport, Separation
from embedding.vae.model import FlatVAE
from embedding.vae.weights import read_record, save_model
from tracker.commands.adapt import main, print_report
from tracker.commands.command_line import run_command
from tracker.errors import InputError
from tracker.files.motchallenge import read_detections, write_detections_npy
from tracker.footage.adapt import adapt_to
from tracker.input.sequences import find_sequence, find_sequences

ROOT = Path(__file__).resolve().parents[3]
LENGTH = 36
ACROSS, DOWN = 12, 3  # people; enough that those held back make 200 pairs
CELL = (40, 60)  # pixels each has for herself


def save_base(path: Path, side: int = 64, kind: str = "crops") -> Path:
    """A small untrained model of crops."""
    torch.manual_seed(0)
    layers = {"widths": [4]}
    encoder = {"kind": "vgg16", "width": 0.05, "norm": "batch"}
    config = parse_model({"latent_dim": 4, "encoder": encoder, "decoder": layers, "prior": layers}, "test")
    data = {"kind": kind, "scale": "standardised", "mean": [0.5] * 3, "std": [0.25] * 3}
    save_model(FlatVAE(config, (3, side, side)), path, {"data": data, "config": "of a run"})
    return path


def make_sequence(folder: Path, people: int = ACROSS * DOWN) -> Path:
    """People who sway, each in her place and of her colours, with exact detections."""
    for part in ("img1", "det"):
        (folder / part).mkdir(parents=True)
    random = np.random.default_rng(0)
    colours = random.integers(0, 256, (people, 2, 3)).tolist()
    detections = []
    for frame in range(1, LENGTH + 1):
        image = np.full((DOWN * CELL[1], ACROSS * CELL[0], 3), 128, np.uint8)
        for person, (coat, trousers) in enumerate(colours):
            left = person % ACROSS * CELL[0] + 5 + (frame + person) % 5
            top = person // ACROSS * CELL[1] + 8
            cv2.rectangle(image, (left, top), (left + 23, top + 21), coat, -1)
            cv2.rectangle(image, (left, top + 22), (left + 23, top + 43), trousers, -1)
            detections.append((frame, -1, left, top, 24, 44, 0.9))
        noise = random.integers(-20, 21, image.shape)
        cv2.imwrite(str(folder / "img1" / f"{frame:06d}.png"), np.clip(image + noise, 0, 255).astype(np.uint8))
    np.savetxt(folder / "det/det.txt", np.reshape(detections, (-1, 7)), fmt="%g", delimiter=",")
    return folder


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_base(tmp_path_factory.mktemp("base") / "model.safetensors")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("root")
    for name, people in (("crowd", ACROSS * DOWN), ("alone", 1), ("nobody", 0)):
        make_sequence(root / name, people)
    return root


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as caught:
        run_command(main, "adapt", [str(part) for part in arguments], ("--seq",))
    assert isinstance(caught.value.code, int)
    return caught.value.code


def adapted(root: Path, name: str, base: Path, out: Path, **options: Any) -> AdaptationReport:
    return adapt_to([find_sequence(name, root)], "det.txt", str(base), out, **{"steps": 4, "device": "cpu", **options})


def features(weights: Path, root: Path) -> np.ndarray:
    """Of the first frame of the crowd."""
    image = cv2.imread(str(root / "crowd/img1/000001.png"))
    boxes = read_detections(root / "crowd/det/det.txt").at(1).boxes
    return Descriptor.load(str(weights), device="cpu")(image, boxes)


@pytest.mark.slow
def test_the_best_candidate_is_written_with_what_came_of_it(root: Path, base: Path, tmp_path: Path) -> None:
    told: list[tuple[str, float, float | None]] = []
    report = adapted(root, "crowd", base, tmp_path / "out.safetensors", progress=lambda *now: told.append(now))
    assert set(report.separation) == {"shipped", "whitened", "adapted"}
    assert report.steps == (4 if report.chosen == "adapted" else 2)  # half of them learn while some are held back
    record = read_record(tmp_path / "out.safetensors")
    best = max(report.separation.items(), key=lambda item: item[1].auc + item[1].true_accepts)[0]
    assert record["adaptation"]["chosen"] == report.chosen == best
    assert record["adaptation"]["crops"] == LENGTH * ACROSS * DOWN
    assert record["config"] == "of a run"
    is_new = np.abs(features(tmp_path / "out.safetensors", root) - features(base, root)).max() > 0.01
    assert is_new == (report.chosen != "shipped")
    assert told[0] == ("crowd, cutting", 1, LENGTH)
    assert told[-1] == ("crowd, learning, finished", 1, 1)
    assert "crowd, learning, step 2, " in told[-2][0]
    assert {path.name for path in tmp_path.iterdir()} == {"out.safetensors", "out.json"}


@pytest.mark.parametrize("name", ["nobody", "alone"])
@pytest.mark.slow
def test_with_nothing_to_learn_from_the_descriptor_stays(root: Path, base: Path, tmp_path: Path, name: str) -> None:
    report = adapted(root, name, base, tmp_path / "out.safetensors")
    assert (report.chosen, report.separation) == ("shipped", {})
    assert report.reason.startswith("nothing to learn from")
    np.testing.assert_array_equal(features(tmp_path / "out.safetensors", root), features(base, root))


@pytest.mark.slow
def test_of_many_crops_some_are_taken_from_all_over(
    root: Path, base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracker.footage.adapt, "MOST_CROPS", 2 * ACROSS * DOWN * LENGTH // 5)
    sequences = find_sequences(["crowd", "alone"], root)
    adapt_to(sequences, "det.txt", str(base), tmp_path / "out.safetensors", steps=1, device="cpu")
    about = read_record(tmp_path / "out.safetensors")["adaptation"]
    assert about["crops"] == (ACROSS * DOWN + 1) * LENGTH // 3  # every third frame
    assert about["sequences"] == ["crowd", "alone"]


def interrupt(doing: str, done: float, total: float | None) -> None:
    if "learning" in doing:
        raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"progress": interrupt}, KeyboardInterrupt),
        ({"device": "no such device"}, InputError),
        ({"minutes": 0}, InputError),
        ({"minutes": float("nan")}, InputError),
    ],
)
@pytest.mark.slow
def test_a_run_that_ends_early_leaves_nothing(
    root: Path, base: Path, tmp_path: Path, options: dict[str, Any], error: type[BaseException]
) -> None:
    with pytest.raises(error):
        adapted(root, "crowd", base, tmp_path / "out.safetensors", **options)
    assert list(tmp_path.iterdir()) == []


def test_frames_that_do_not_belong_are_named_and_leave_nothing(base: Path, tmp_path: Path) -> None:
    folder = make_sequence(tmp_path / "A", people=1)
    (folder / "img1/000007.png").unlink()
    (tmp_path / "out").mkdir()
    with pytest.raises(InputError, match="frame 7 is missing"):
        adapted(tmp_path, "A", base, tmp_path / "out/out.safetensors")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_model_of_other_crops_is_refused(root: Path, tmp_path: Path) -> None:
    other = save_base(tmp_path / "other.safetensors", side=32)
    with pytest.raises(InputError, match="a model of crops of 32 x 32, expected 64 x 64"):
        adapted(root, "crowd", other, tmp_path / "out.safetensors")


def test_detections_with_features_are_adapted_to_like_others(root: Path, base: Path, tmp_path: Path) -> None:
    """They are of another descriptor; here only the boxes count."""
    table = read_detections(root / "alone/det/det.txt")
    write_detections_npy(tmp_path / "det.npy", table.frames, table.boxes, table.scores, np.ones((len(table), 3)))
    report = adapt_to(
        find_sequences(["alone"], root), str(tmp_path / "det.npy"), str(base), tmp_path / "out.safetensors", steps=1
    )
    assert report.chosen == "shipped"


# --- the command -----------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_command_says_what_it_did(
    root: Path, base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "my camera/out.safetensors"
    arguments = ("--root", root, "--seq", "crowd", "alone", "--det", "det.txt", "--descriptor", base, "--out", out)
    assert run(*arguments, "--minutes", "0.002", "--device", "cpu") == 0
    lines = capsys.readouterr().out.splitlines()
    (chosen,) = [line.split()[0] for line in lines if "chosen" in line]
    assert lines[0].split() == ["AUC", "true", "accepts", "at", "1", "%"]
    assert [line.split()[0] for line in lines[1:4]] == ["shipped", "whitened", "adapted"]
    if chosen == "shipped":
        assert lines[-1] == f"{out}: not written; --descriptor {base} is what there is"
        assert list(out.parent.iterdir()) == []
        return
    assert read_record(out)["adaptation"]["chosen"] == chosen
    assert f"weights: {out}, {out.with_suffix('.json')}" in lines
    assert lines[-1] == (
        f"use them: track --root {root} --seq crowd alone --det det.txt --descriptor '{out}'"  # the name has a space
    )


def test_a_report_without_comparison_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    print_report(AdaptationReport("shipped", "too few people", {}))
    assert capsys.readouterr().out == "the descriptor stays as it was: too few people\n"


def test_a_report_with_one(capsys: pytest.CaptureFixture[str]) -> None:
    separation = {"shipped": Separation(0.9, 0.5), "whitened": Separation(0.95, 0.625), "adapted": Separation(0.8, 0.4)}
    print_report(AdaptationReport("whitened", "it rose", separation, 30, 5, 77, 3.0))
    printed = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert printed[1:4] == [
        ["shipped", "0.900", "50.0%"],
        ["whitened", "0.950", "62.5%", "chosen"],
        ["adapted", "0.800", "40.0%"],
    ]
    assert " ".join(printed[4]) == "learnt from 30 tracklets in 77 steps, compared on 5 others"
    assert " ".join(printed[5]) == "the descriptor has a new whitening: it rose"


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"--out": "out.npy"}, "--out out.npy: expected a name that ends in .npz or .safetensors"),
        ({"--out": "taken/out.safetensors"}, "cannot be written"),
        ({"--seq": "Z"}, "sequence 'Z': not found"),
        ({"--seq": "0"}, "camera0: a camera or stream, expected a folder or a video file"),
        ({"--seq": "bare"}, "bare: has no frames"),
        ({"--det": "none.txt"}, "no file"),
        ({"--det": "none.onnx"}, "none.onnx"),  # a detector without its file
        ({"--descriptor": "colour"}, "descriptor 'colour': cannot be adapted"),
        ({"--descriptor": "nets"}, "descriptor 'nets': cannot be adapted"),
        ({"--descriptor": "pixels"}, "descriptor 'pixels': cannot be adapted"),
        ({"--descriptor": "net.onnx"}, "descriptor 'net.onnx': cannot be adapted"),
        ({"--descriptor": "pendulum.safetensors"}, "a model of pendulum"),
        ({"--minutes": "0"}, "found 0, expected a number above 0"),
        ({"--device": "abacus"}, "'abacus' is not available"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(
    root: Path,
    base: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    changed: dict[str, str],
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("taken", "net.onnx"):
        Path(name).write_bytes(b"")
    (tmp_path / "bare/det").mkdir(parents=True)
    save_base(tmp_path / "pendulum.safetensors", kind="pendulum")
    good = {"--seq": "alone", "--det": "det.txt", "--descriptor": str(base), "--out": "out.safetensors"}
    options = {"--root": str(root), **good, **changed}
    assert run(*(part for pair in options.items() for part in pair)) == 2
    printed = capsys.readouterr()
    assert said in printed.err
    assert printed.err.startswith("adapt: ")
    assert printed.err.count("\n") == 1
    assert printed.out == ""
    assert {path.name for path in tmp_path.iterdir()} == {
        "taken",
        "net.onnx",
        "bare",
        "pendulum.safetensors",
        "pendulum.json",
    }


@pytest.mark.slow
def test_the_command_itself_on_the_folder_of_a_run(root: Path, base: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tools.adapt", "--seq", str(root / "alone"), "--det", "det.txt"]
    command += ["--descriptor", str(base.parent), "--out", str(tmp_path / "out.safetensors")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert all("frames/s" in line for line in done.stderr.splitlines())  # progress, where the machine is slow
    assert done.stdout.startswith("the descriptor stays as it was: nothing to learn from")
