"""The gate found without labels, as a command: figures, verdicts, pictures and errors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from embedding import Descriptor
from embedding.config import parse_model
from embedding.vae.model import FlatVAE
from embedding.vae.weights import save_model
from tracker.commands.calibrate import latent_scale, main
from tracker.commands.command_line import run_command
from tracker.core.appearance import Metric, prepare
from tracker.core.boxes import iou
from tracker.core.gate import BINS, LAG, OnlineThreshold
from tracker.files.motchallenge import DetectionTable, read_detections, write_detections_npy
from tracker.footage.calibration import CalibrationReport, calibrate, percent, report
from tracker.footage.calibration_plot import draw_calibration
from tracker.input.sequences import find_sequence
from tracker.run.pipeline import embed

ROOT = Path(__file__).resolve().parents[3]
PEOPLE, FRAMES = 20, 2 * (LAG + 1)


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as caught:
        run_command(main, "calibrate", [str(part) for part in arguments], ("--seq", "--det"))
    assert isinstance(caught.value.code, int)
    return caught.value.code


def standing(noise: float, people: int = PEOPLE, frames: int = FRAMES, dimension: int = 32) -> DetectionTable:
    """People beside each other whose features are their looks and noise; inf: nothing but noise; nan: constant."""
    random = np.random.default_rng(0)
    left = 100.0 * np.arange(people)
    boxes = np.tile(np.stack((left, 0 * left, left + 40, 0 * left + 80), axis=1), (frames, 1))
    looks = np.tile(random.normal(size=(people, dimension)), (frames, 1))
    noises = random.normal(size=looks.shape)
    features = np.ones_like(looks) if np.isnan(noise) else noises if np.isinf(noise) else looks + noise * noises
    numbers = np.repeat(np.arange(1, frames + 1), people)
    return DetectionTable(numbers, boxes, np.ones(len(boxes)), features.astype(np.float32))


def write(path: Path, table: DetectionTable) -> Path:
    assert table.features is not None
    write_detections_npy(path, table.frames, table.boxes, table.scores, table.features)
    return path


def found(noise: float, metric: Metric = "cosine", **sizes: int) -> CalibrationReport:
    return report("a", calibrate(standing(noise, **sizes), metric))


METRICS: tuple[Metric, ...] = ("cosine", "euclidean")


@pytest.mark.parametrize("metric", METRICS)
def test_a_descriptor_that_separates(metric: Metric) -> None:
    figures = found(0.2, metric)
    assert figures.separates
    assert figures.verdict.startswith(f"separates: the gate lets in {percent(figures.true_accepts or 0)} of the pairs")
    assert figures.setting == f"--set max_{metric}_distance={figures.gate:.3g}"
    assert figures.auc == pytest.approx(1, abs=1e-3)
    assert figures.d_prime is not None and figures.d_prime > 3
    assert (figures.different_pairs, figures.same_pairs) == (22 * 190, 2 * 20)


@pytest.mark.parametrize("metric", METRICS)
def test_a_descriptor_that_does_not(metric: Metric) -> None:
    figures = found(np.inf, metric)
    assert figures.separates is False
    assert figures.verdict.startswith("does not separate: the gate lets in only ")
    assert figures.verdict.endswith(f"one person {LAG} frames apart; flatsort will go on by motion")
    assert figures.setting is None
    assert figures.auc == pytest.approx(0.5, abs=0.15)
    assert figures.d_prime == pytest.approx(0, abs=0.5)


@pytest.mark.parametrize("metric", METRICS)
def test_constant_features_say_so(metric: Metric) -> None:
    figures = found(np.nan, metric)
    assert figures.verdict == "does not separate: all people look the same to it; flatsort will go on by motion"
    assert (figures.auc, figures.d_prime, figures.setting) == (0.5, None, None)


@pytest.mark.parametrize(
    ("people", "frames", "missing"),
    [
        (20, LAG, [f"0 pairs of one person {LAG} frames apart, expected 10"]),
        (3, FRAMES, ["66 pairs of two people in one frame, expected 300", "6 pairs of one person"]),
        (5, FRAMES, ["220 pairs of two people"]),
        (1, FRAMES, ["0 pairs of two people in one frame", "0 pairs of one person"]),
    ],
)
def test_too_little_footage_says_what_is_missing(people: int, frames: int, missing: list[str]) -> None:
    figures = found(0.2, people=people, frames=frames)
    assert figures.separates is None
    assert figures.setting is None
    assert figures.verdict.startswith("too little footage: ")
    assert all(text in figures.verdict for text in missing)
    assert figures.verdict.count("expected") == len(missing)


def test_the_euclidean_gate_is_told_in_units_of_the_observations(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path / "a.npy", standing(0.2))
    assert run("--det", path, "--metric", "euclidean", "--scale", 2.5, "--json", tmp_path / "a.json") == 0
    row = json.loads((tmp_path / "a.json").read_text())["a"]
    gate = calibrate(read_detections(path), "euclidean").gate
    assert gate is not None
    assert row["gate"] == gate
    assert row["observed_gate"] == 2.5 * gate
    out = capsys.readouterr().out
    assert f"times c = 2.5 that is {2.5 * gate:.3g} in units of the observations" in out
    assert f"--set max_euclidean_distance={gate:.3g} --set metric=euclidean" in out
    assert run("--det", path, "--scale", 2.5) == 0
    assert "times c" not in capsys.readouterr().out  # an angle has no such unit


def save_latent(path: Path, whitened: bool) -> Path:
    torch.manual_seed(0)
    layers = {"widths": [4]}
    model = FlatVAE(
        parse_model({"latent_dim": 3, "encoder": layers, "decoder": layers, "prior": layers}, "test"), (3, 16, 8)
    )
    model.latent_scale.fill_(1.75)
    if whitened:
        model.latent_whitening[0, 0] = 2.0
    save_model(model, path, {"data": {"kind": "crops", "mean": [0, 0, 0], "std": [1, 1, 1]}})
    return path


def test_c_is_read_from_the_weights_unless_they_are_whitened(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    det = write(tmp_path / "a.npy", standing(0.2))
    flat = save_latent(tmp_path / "flat.safetensors", whitened=False)
    assert run("--det", det, "--metric", "euclidean", "--descriptor", flat) == 0
    assert "times c = 1.75" in capsys.readouterr().out
    whitened = save_latent(tmp_path / "white.safetensors", whitened=True)
    assert run("--det", det, "--metric", "euclidean", "--descriptor", whitened) == 0
    out = capsys.readouterr().out
    assert "whitened, c does not apply" in out
    assert "times c" not in out
    assert latent_scale("colour") is None


def test_every_file_has_its_figures_and_its_picture(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good, bad = write(tmp_path / "good.npy", standing(0.2)), write(tmp_path / "bad.npy", standing(np.inf))
    assert run("--det", good, bad, "--out", tmp_path / "out", "--json", tmp_path / "figures.json") == 0
    out = capsys.readouterr().out
    assert "good: separates: " in out and "bad: does not separate: " in out
    rows = json.loads((tmp_path / "figures.json").read_text())
    assert [(name, row["separates"]) for name, row in rows.items()] == [("good", True), ("bad", False)]
    assert out.count("--set max_cosine_distance=") == 1
    assert rows["good"]["setting"] in out
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["bad.png", "good.png"]
    picture = cv2.imread(str(tmp_path / "out/good.png"))
    assert picture is not None
    green = (picture[..., 1].astype(int) - picture[..., 2] > 60).sum()
    red = (picture[..., 2].astype(int) - picture[..., 1] > 100).sum()
    assert green > 300 and red > 300  # both curves


def test_the_share_to_let_in_can_be_chosen(tmp_path: Path) -> None:
    path = write(tmp_path / "a.npy", standing(1.2))
    for share in (0.003, 0.1):
        run("--det", path, "--false-accepts", share, "--json", tmp_path / f"{share}.json")
    strict, loose = (json.loads((tmp_path / f"{share}.json").read_text())["a"] for share in (0.003, 0.1))
    assert strict["gate"] < loose["gate"]
    assert strict["true_accepts"] < loose["true_accepts"]


def test_a_picture_is_whole_or_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from matplotlib.figure import Figure

    threshold = calibrate(standing(0.2), "cosine")

    def fail(self: Figure, path: Path, **options: Any) -> None:
        path.write_bytes(b"half")
        raise KeyboardInterrupt

    (tmp_path / "a.png").write_bytes(b"before")
    monkeypatch.setattr(Figure, "savefig", fail)
    with pytest.raises(KeyboardInterrupt):
        draw_calibration(threshold, report("a", threshold), tmp_path / "a.png")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("a.png", b"before")]


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("noise", [np.nan, None])
def test_a_picture_of_little_is_drawn_too(tmp_path: Path, noise: float | None, metric: Metric) -> None:
    threshold = OnlineThreshold(metric) if noise is None else calibrate(standing(noise), metric)
    draw_calibration(threshold, report("a", threshold, 2.0), tmp_path / "a.png")
    assert cv2.imread(str(tmp_path / "a.png")) is not None


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sequence of people in their own colours, with frames and detections."""
    root = tmp_path_factory.mktemp("root")
    (root / "street/img1").mkdir(parents=True)
    (root / "street/det").mkdir()
    random = np.random.default_rng(0)
    colours = random.integers(0, 256, (PEOPLE, 3)).tolist()
    rows = []
    for frame in range(1, FRAMES + 1):
        image = np.full((70, 40 * PEOPLE, 3), 128, np.uint8)
        for person, colour in enumerate(colours):
            cv2.rectangle(image, (40 * person + 5, 5), (40 * person + 34, 64), colour, -1)
            rows.append((frame, -1, 40 * person + 5, 5, 30, 60, 0.9))
        noisy: NDArray[np.int64] = image + random.integers(-20, 21, image.shape)
        cv2.imwrite(str(root / f"street/img1/{frame:06d}.png"), noisy.clip(0, 255).astype(np.uint8))
    np.savetxt(root / "street/det/det.txt", rows, fmt="%g", delimiter=",")
    return root


def test_features_are_computed_from_frames(root: Path, tmp_path: Path) -> None:
    options = ("--seq", "street", "--root", root, "--det", "det.txt", "--json", tmp_path / "a.json")
    assert run(*options, "--descriptor", "colour", "--out", tmp_path) == 0
    row = json.loads((tmp_path / "a.json").read_text())["street"]
    table = read_detections(root / "street/det/det.txt")
    image = cv2.imread(str(root / "street/img1/000003.png"))
    described = embed(find_sequence("street", root), "det.txt", "colour", table=table)
    third = described.at(3)
    np.testing.assert_array_equal(third.features, Descriptor.load("colour")(np.asarray(image, np.uint8), third.boxes))
    assert row["gate"] == calibrate(described, "cosine").gate
    assert row["different_pairs"] == FRAMES * PEOPLE * (PEOPLE - 1) // 2
    assert (tmp_path / "street.png").is_file()


def test_one_name_for_two_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = []
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        paths.append(write(tmp_path / folder / "det.npy", standing(0.2)))
    assert run("--det", *paths) == 2
    assert "the second that is called det, expected different names" in capsys.readouterr().err


def test_bad_input_ends_in_one_line(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = write(tmp_path / "good.npy", standing(0.2))
    spoilt = standing(0.2)
    assert spoilt.features is not None
    spoilt.features[7, 3] = np.nan
    (tmp_path / "empty.txt").touch()
    det = root / "street/det/det.txt"
    street = ("--seq", "street", "--root", root, "--det", "det.txt")
    cases: list[tuple[tuple[object, ...], str]] = [
        (("--det", det), "has no features, expected some, or --seq"),
        (("--det", write(tmp_path / "nan.npy", spoilt)), "a feature is not finite"),
        (("--det", write(tmp_path / "one.npy", standing(0.2, frames=1))), "all detections are in one frame"),
        (("--det", tmp_path / "empty.txt"), "no detections"),
        (("--det", tmp_path / "none.npy"), "none.npy"),
        (("--det", good, "--metric", "manhattan"), "--metric manhattan: expected cosine or euclidean"),
        (("--det", good, "--false-accepts", 1.5), "--false-accepts 1.5: expected a share between 0 and 1"),
        (("--det", good, "--scale", -1), "--scale -1: expected a number above 0"),
        (("--det", good, "--out", good), "good.npy"),
        ((*street, "--descriptor", "no_such"), "'no_such': not known"),
        ((*street, "--descriptor", "colour+x*pixels"), "the weight 'x'"),
        (("--seq", "nobody", "--root", root, "--det", "det.txt"), "'nobody': not found"),
    ]
    for arguments, message in cases:
        assert run(*arguments) == 2, arguments
        error = capsys.readouterr().err
        assert message in error
        assert error.startswith("calibrate: ") and error.count("\n") == 1


def test_frames_that_are_missing_are_named(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "street/img1/000003.png").unlink()
    assert run("--seq", "street", "--root", root, "--det", "det.txt", "--descriptor", "pixels") == 2
    assert "frame 3 is missing, but det.txt has detections there" in capsys.readouterr().err


def test_the_deepsort_features_of_a_real_sequence(shared: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = shared / "data/mot15/TUD-Campus/det/features.npy"
    assert run("--det", path) == 0
    table = read_detections(path)
    assert table.features is not None
    unit = prepare(table.features, "cosine").astype(np.float64)
    good = table.scores >= (0.6 if (table.scores >= 0.6).any() else -np.inf)
    upper = np.triu(good[:, None] & good, 1) & (table.frames[:, None] == table.frames)
    two = upper & (iou(table.boxes, table.boxes) < 0.3)
    figures = report("features", calibrate(table, "cosine"))
    assert figures.different_pairs == two.sum()
    assert figures.gate == pytest.approx(np.sort((1 - unit @ unit.T)[two])[int(0.003 * two.sum())], abs=2 / BINS)
    assert f"features: {figures.verdict}" in capsys.readouterr().out
