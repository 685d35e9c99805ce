"""The comparison of descriptors from end to end on a rendered sequence of known people, and its parts."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from embedding.config import parse_model
from embedding.retrieval import Labels
from embedding.vae.model import FlatVAE
from embedding.vae.weights import load_model, save_model
from tools.paper import describe
from tools.paper.__main__ import main
from tools.paper.bench import Bench
from tools.paper.descriptors import compare as descriptors
from tools.paper.descriptors import plots as descriptor_plots
from tools.paper.descriptors import truth as paper_descriptors
from tools.paper.descriptors.truth import Truth, own_tracklets
from tracker.commands.command_line import run_command
from tracker.core.boxes import iou
from tracker.core.tracklets import link
from tracker.errors import InputError
from tracker.files.motchallenge import DetectionTable, TrackTable
from tracker.input.sequences import read_sequence

LATENT_DIM = 6
LENGTH, EVERY = 73, 8  # frames 1, 9, ..., 73
PEOPLE = {1: (40, 40, 220), 2: (220, 60, 40), 3: (40, 200, 60)}  # id -> BGR
HIDDEN = 41  # the frame in which nobody is detected, so that tracklets end
DATA = {"kind": "crops", "scale": "unit", "mean": [0.4, 0.5, 0.6], "std": [0.2, 0.25, 0.3]}


def box(person: int, frame: int) -> tuple[float, float, float, float]:
    """Left, top, width, height of a person who walks slowly."""
    return 10.0 + 60 * (person - 1) + 0.2 * frame, 20.0, 30.0, 70.0


def row(frame: int, person: int, *rest: object) -> str:
    return ",".join(map(str, (frame, person, *box(abs(person), frame), *rest))) + "\n"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """ROOT/MOT16-00: three people in clothes of one colour each, a fourth too hidden to count, and a car."""
    root = tmp_path_factory.mktemp("root")
    folder = root / "MOT16-00"
    for name in ("img1", "gt", "det"):
        (folder / name).mkdir(parents=True)
    random = np.random.default_rng(0)
    truth, detections = [], []
    for frame in range(1, LENGTH + 1):
        image = random.integers(90, 160, (100, 220, 3), dtype=np.uint8)
        for person, colour in PEOPLE.items():
            left, top, width, height = map(int, box(person, frame))
            image[top : top + height, left : left + width] = np.array(colour) + random.integers(
                -20, 20, (height, width, 3)
            )
            truth.append(row(frame, person, 1, 1, 0.9))
            if frame != HIDDEN:
                detections.append(row(frame, person, 0.9).replace(f"{frame},{person},", f"{frame},-1,"))
        truth += [
            row(frame, 4, 1, 1, 0.2),
            row(frame, 5, 1, 3, 1),
            row(frame, 6, 0, 1, 1),
        ]  # hidden, a car, not to count
        cv2.imwrite(str(folder / "img1" / f"{frame:06d}.png"), image)
    (folder / "gt" / "gt.txt").write_text("".join(truth))
    (folder / "det" / "sdp.txt").write_text("".join(detections))
    return root


def write_model(path: Path, whitened: bool = False) -> FlatVAE:
    """A linear model whose encoder inverts its decoder: everything about it has a closed form."""
    small: dict[str, Any] = {"kind": "mlp", "widths": []}
    model = FlatVAE(
        parse_model({"latent_dim": LATENT_DIM, "encoder": small, "decoder": small, "prior": {"widths": [4]}}, "test"),
        (3, 64, 64),
    )
    generator = torch.Generator().manual_seed(0)
    directions = torch.linalg.qr(torch.randn(3 * 64 * 64, LATENT_DIM, generator=generator))[0]
    scale = torch.arange(1, LATENT_DIM + 1).float()
    with torch.no_grad():
        model.decoder.last.weight.copy_(directions * scale)  # JᵀJ = diag(1, 4, 9, ...)
        model.decoder.last.bias.zero_()
        head = model.encoder[1].head
        head.mean.weight.copy_((directions / scale).T)
        head.mean.bias.zero_()
    model.latent_mean.copy_(torch.randn(LATENT_DIM, generator=generator))
    if whitened:
        model.latent_whitening.copy_(torch.randn(LATENT_DIM, LATENT_DIM, generator=generator))
    save_model(model, path, {"data": DATA, "figures": {"step": 7, "F": 12.5}})
    return model


def compare(*arguments: object) -> int:
    with pytest.raises(SystemExit) as ended:
        run_command(
            main,
            "paper",
            ["descriptors", *map(str, arguments)],
            many_values=("--seq", "--descriptor"),
        )
    return int(ended.value.code or 0)


@pytest.mark.slow
def test_the_comparison_from_end_to_end(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_model(tmp_path / "flat.safetensors", whitened=True)
    out = tmp_path / "out"
    specs = ("pixels", "colour", tmp_path / "flat.safetensors")
    assert compare("--root", root, "--seq", "MOT16-00", "--out", out, "--descriptor", *specs) == 0
    figures = json.loads((out / "descriptors.json").read_text())
    assert figures["sequences"] == ["MOT16-00"]
    assert (figures["crops"], figures["people"], figures["gap"]) == (30, 3, 30)
    assert figures["on_tracklet"] == pytest.approx(27 / 30)  # nobody is detected in the hidden frame, which is used
    found = figures["descriptors"]
    assert list(found) == ["pixels", "colour", "flat"]
    assert [len(found[name]["comparison"]) for name in found] == [4, 4, 6]
    for comparison in found["colour"]["comparison"]:
        assert (comparison["rank1"], comparison["auc"], comparison["queries"]) == (1, 1, 30)
        assert comparison["off_tracklet"]["rank1"] == 1
        assert comparison["off_tracklet"]["queries"] == 30  # everybody has crops before and after the hidden frame
    assert set(found["flat"]["model"]) == {
        "latents",
        "unexplained",
        "relative_spread",
        "effective_dimension",
        "scale",
        "condition",
        "condition_large",
        "active_units",
        "training",
    }
    assert found["flat"]["model"]["training"] == {"step": 7, "F": 12.5}
    pictures = {path.name for path in out.glob("*.png")}
    assert pictures == {"map-pixels.png", "map-colour.png", "map-flat.png", "neighbours.png", "spectra.png"}
    report = (out / "descriptors.md").read_text()
    assert "| colour | 1.000 | 1.000 | 1.000 | 1.000 | 1.000 | 1.000 | 1.000 |" in report
    assert "| flat | whitened | euclidean |" in report
    assert "30 ground-truth crops of 3 people" in report
    printed = capsys.readouterr().out
    assert "flat, whitened" in printed
    assert not list(out.glob(".*")), "a temporary file was left behind"


@pytest.mark.slow
def test_what_was_described_is_kept(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    common = ("--root", root, "--seq", "MOT16-00", "--out", tmp_path, "--quick", "--descriptor")
    passes = []
    opened = describe.open_frames
    monkeypatch.setattr(describe, "open_frames", lambda source: passes.append(source) or opened(source))
    assert compare(*common, "pixels", "colour") == 0
    assert len(passes) == 1, "more than one pass over the frames"
    first = (tmp_path / "descriptors.json").read_bytes()
    assert compare(*common, "pixels", "colour") == 0
    assert len(passes) == 1
    assert (tmp_path / "descriptors.json").read_bytes() == first
    (kept,) = tmp_path.glob("MOT16-00.colour-*.npy")
    kept.write_bytes(b"damaged")
    assert compare(*common, "pixels", "colour") == 0
    assert len(passes) == 2
    assert (tmp_path / "descriptors.json").read_bytes() == first
    assert compare("--every", 4, *common, "pixels", "colour") == 0  # other boxes
    assert len(passes) == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--seq", "MOT16-99"], "MOT16-99"),  # no such sequence
        (["--det", "absent.txt"], "absent.txt"),  # no such file
        (["--det", "hog"], "--det hog: a detector, expected a file of detections"),
        (["--every", "0"], "--every 0: expected a number of frames from 1"),
        (["--descriptor", "osnet"], "'osnet': not known"),
        (["--descriptor", "pixels", "pixels"], "'pixels': named 2 times"),
    ],
)
def test_bad_input_ends_with_one_line(
    arguments: list[str], message: str, root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seq = [] if "--seq" in arguments else ["--seq", "MOT16-00"]
    assert compare("--root", root, "--out", tmp_path / "out", *seq, *arguments) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_missing_frame_is_named(root: Path, tmp_path: Path) -> None:
    truth = paper_descriptors.read_truth(read_sequence(root / "MOT16-00"), "sdp.txt", EVERY)
    late = dataclasses.replace(truth, frames=truth.frames + 1000)
    with pytest.raises(InputError, match=r"img1: frame 1001 is missing"):
        paper_descriptors.describe(late, {"crops": ("crops", paper_descriptors.cut)}, tmp_path)


def test_the_ground_truth_is_that_of_visible_pedestrians(root: Path) -> None:
    truth = paper_descriptors.read_truth(read_sequence(root / "MOT16-00"), "sdp.txt", EVERY)
    assert sorted(set(truth.identities)) == [1, 2, 3]
    assert sorted(set(truth.frames)) == list(range(1, LENGTH + 1, EVERY))
    before, after = truth.tracklets[truth.frames < HIDDEN], truth.tracklets[truth.frames > HIDDEN]
    assert len(set(before)) == len(set(after)) == 3
    assert not set(before) & set(after)
    assert (truth.tracklets[truth.frames == HIDDEN] == -1).all()


def test_own_tracklets_are_those_of_the_overlapping_detections() -> None:
    """Random walks and detections that miss, against a loop over ground-truth boxes."""
    random = np.random.default_rng(0)
    people, length = 6, 40
    start = np.column_stack([np.arange(people) * 60, random.integers(0, 30, people)])
    walk = start + np.cumsum(random.normal(0, 1.5, (length, people, 2)), axis=0)
    corners = np.concatenate([walk, walk + np.array([30, 80])], axis=2).reshape(-1, 4)
    frames, ids = np.repeat(np.arange(1, length + 1), people), np.tile(np.arange(people) * 7, length)
    truth = TrackTable(frames, ids, corners, np.ones(len(ids)))
    seen = random.random(len(ids)) < 0.85
    noisy = corners[seen] + random.normal(0, 2, (seen.sum(), 4))
    detections = DetectionTable(frames[seen], noisy, np.ones(seen.sum()))
    tracklets = link(detections.frames, detections.boxes)
    expected = []
    for frame, corner in zip(frames, corners, strict=True):
        rows = np.flatnonzero(detections.frames == frame)
        overlap = iou(corner[None], detections.boxes[rows])[0]
        hit = len(rows) and overlap.max() >= 0.5
        expected.append(tracklets[rows[overlap.argmax()]] if hit else -1)
    found = own_tracklets(truth, detections)
    np.testing.assert_array_equal(found, expected)
    assert -1 in found
    assert len(set(found)) > people + 1


def test_without_detections_nobody_is_on_a_tracklet() -> None:
    truth = TrackTable(np.array([1, 2]), np.array([0, 3]), np.array([[0.0, 0, 9, 9]] * 2), np.ones(2))
    nothing = DetectionTable(np.zeros(0, np.int64), np.zeros((0, 4)), np.zeros(0))
    assert own_tracklets(truth, nothing).tolist() == [-1, -1]


@pytest.mark.parametrize(
    "change",
    [
        lambda truth: dataclasses.replace(truth, boxes=truth.boxes + 1),
        lambda truth: dataclasses.replace(truth, frames=np.minimum(truth.frames + 1, LENGTH)),
        lambda truth: dataclasses.replace(truth, video=read_sequence(truth.video.folder.parent / "MOT16-01")),
    ],
)
def test_features_of_other_crops_are_kept_apart(change: Callable[[Truth], Truth], root: Path, tmp_path: Path) -> None:
    shutil.copytree(root / "MOT16-00", root / "MOT16-01", dirs_exist_ok=True)
    last = max((root / "MOT16-01" / "img1").iterdir())
    shutil.copy(root / "MOT16-01" / "img1" / "000001.png", last)  # another picture
    truth = paper_descriptors.read_truth(read_sequence(root / "MOT16-00"), "sdp.txt", EVERY)
    describers = {"mean": ("a", lambda image, boxes: np.full((len(boxes), 1), image.mean()))}
    paper_descriptors.describe(truth, describers, tmp_path)
    paper_descriptors.describe(dataclasses.replace(truth), describers, tmp_path)
    assert len(list(tmp_path.iterdir())) == 1
    paper_descriptors.describe(change(truth), describers, tmp_path)
    assert len(list(tmp_path.iterdir())) == 2
    paper_descriptors.describe(truth, {"mean": ("b", describers["mean"][1])}, tmp_path)
    assert len(list(tmp_path.iterdir())) == 3


def test_forms_of_a_baseline_and_of_a_model(tmp_path: Path) -> None:
    features = np.random.default_rng(0).normal(size=(20, LATENT_DIM)).astype(np.float32)
    plain, centred = descriptors.forms(features, None).values()
    np.testing.assert_array_equal(plain, features)
    np.testing.assert_allclose(centred.mean(axis=0), 0, atol=1e-6)
    model = write_model(tmp_path / "w.safetensors", whitened=True)
    forms = descriptors.forms(features, tmp_path / "w.safetensors")
    assert list(forms) == ["plain", "centred", "whitened"]
    np.testing.assert_allclose(forms["centred"], features - model.latent_mean.numpy())
    whitened = [(model.latent_whitening @ torch.from_numpy(one)).numpy() for one in forms["centred"]]
    np.testing.assert_allclose(forms["whitened"], whitened, rtol=1e-4, atol=1e-5)
    write_model(tmp_path / "plain.safetensors")
    assert list(descriptors.forms(features, tmp_path / "plain.safetensors")) == ["plain", "centred"]


def test_the_features_compared_are_the_shipped_descriptor_s(tmp_path: Path) -> None:
    """Plain features, then centred and whitened, are what the descriptor of the same file gives."""
    write_model(tmp_path / "w.safetensors", whitened=True)
    image = np.random.default_rng(0).integers(0, 256, (90, 90, 3), dtype=np.uint8)
    boxes = [[0, 0, 40, 80], [20, 5, 70, 85]]
    (compared,) = descriptors.load_compared([str(tmp_path / "w.safetensors")])
    found = descriptors.forms(compared.describe(image, boxes), compared.weights)["whitened"]
    expected = descriptors.Descriptor.load(str(tmp_path / "w.safetensors"))(image, boxes)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)


def test_model_figures_of_a_linear_model(tmp_path: Path) -> None:
    """The metric of x = W diag(s) z is diag(s²) everywhere; what is unexplained lies off W's columns."""
    model = write_model(tmp_path / "w.safetensors")
    crops = np.random.default_rng(1).integers(0, 256, (40, 64, 64, 3), dtype=np.uint8)
    figures, values = descriptors.model_figures(tmp_path / "w.safetensors", crops, latents=3)
    squares = np.arange(1, LATENT_DIM + 1) ** 2.0
    np.testing.assert_allclose(values, np.tile(squares, (3, 1)), rtol=1e-4)
    assert figures["condition"] == pytest.approx(36, rel=1e-4)
    assert figures["condition_large"] == pytest.approx(36 / 4, rel=1e-4)  # a tenth of six, rounded: one is left out
    assert figures["scale"] == pytest.approx(np.sqrt(squares.mean()), rel=1e-4)
    assert figures["relative_spread"] == pytest.approx(squares.var() / squares.mean() ** 2, rel=1e-4)
    assert figures["effective_dimension"] == pytest.approx(squares.sum() ** 2 / np.square(squares).sum(), rel=1e-4)
    x = crops.transpose(0, 3, 1, 2) / 255.0
    x = ((x - np.reshape(DATA["mean"], (3, 1, 1))) / np.reshape(DATA["std"], (3, 1, 1))).reshape(40, -1)
    basis = model.decoder.last.weight.detach().double().numpy() / np.arange(1, LATENT_DIM + 1)
    rest = x - x @ basis @ basis.T
    assert figures["unexplained"] == pytest.approx(np.square(rest).mean() / x.var(axis=0).mean(), rel=1e-4)
    with torch.no_grad():
        mean, std = model.encode(torch.from_numpy(x.reshape(40, 3, 64, 64)).float())
    share = mean.var(0, unbiased=False) / (mean.var(0, unbiased=False) + std.square().mean(0))
    assert figures["active_units"] == int((share > 0.01).sum())


def test_a_model_of_other_crops_is_refused(tmp_path: Path) -> None:
    write_model(tmp_path / "w.safetensors")
    with pytest.raises(InputError, match=r"takes crops of 64 x 64, expected 32 x 64"):
        descriptors.model_figures(tmp_path / "w.safetensors", np.zeros((2, 64, 32, 3), np.uint8))


def test_features_that_are_not_finite_are_refused_by_name(tmp_path: Path) -> None:
    (pixels,) = descriptors.load_compared(["pixels"])
    labels = Labels(*np.zeros((4, 2), np.int64))
    with pytest.raises(InputError, match="'pixels': gives features that are not finite"):
        descriptors.run(
            Bench(tmp_path),
            np.zeros((2, 64, 64, 3), np.uint8),
            labels,
            [pixels],
            {"pixels": np.full((2, 3), np.nan)},
            {},
        )


def test_a_run_s_folder_is_labelled_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    write_model(tmp_path / "mine" / "model.safetensors")
    (one,) = descriptors.load_compared([str(tmp_path / "mine")])
    assert one.label == "mine"
    assert one.weights == tmp_path / "mine" / "model.safetensors"
    assert load_model(one.weights).latent_dim == LATENT_DIM


def test_all_that_ships_is_compared_by_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(descriptors, "SHIPPED", tmp_path)
    for name in ("mot16-b", "mot16-a", "human-a"):
        (tmp_path / f"{name}.json").touch()
    assert descriptors.shipped() == ["pixels", "colour", "statistics", "mot16-a", "mot16-b"]


def test_principal_components_are_those_of_the_covariance() -> None:
    features = np.random.default_rng(0).normal(size=(200, 5)) * [5, 1, 3, 0.5, 0.1] + 7
    places, share = descriptor_plots.principal_components(features)
    values, vectors = np.linalg.eigh(np.cov(features.T, bias=True))
    np.testing.assert_allclose(share, values[::-1][:2] / values.sum())
    expected = (features - features.mean(axis=0)) @ vectors[:, ::-1][:, :2]
    np.testing.assert_allclose(np.abs(places), np.abs(expected), atol=1e-9)


def test_a_framed_crop_is_rgb_in_its_frame() -> None:
    blue = np.zeros((64, 64, 3), np.uint8)
    blue[..., 0] = 255  # BGR
    image = descriptor_plots.framed(blue, (1, 2, 3))
    assert image.shape == (88, 48, 3)
    assert image[44, 24].tolist() == [0, 0, 255]
    assert image[0, 0].tolist() == image[-1, -1].tolist() == [1, 2, 3]


def test_queries_are_spread_over_the_people_with_a_true_match() -> None:
    """Person 2 has no crop thirty frames away from another of theirs."""
    identities = np.array([1, 1, 1, 2, 2, 3, 3, 4, 4])
    frames = np.array([1, 50, 99, 1, 9, 1, 90, 5, 60])
    labels = Labels(identities, np.zeros(9, int), frames, np.full(9, -1))
    assert descriptor_plots.choose_queries(labels, 10).tolist() == [1, 6, 8]
    assert descriptor_plots.choose_queries(labels, 2).tolist() == [1, 8]


def test_people_of_two_sequences_keep_their_own_colours() -> None:
    """The same number in both sequences: two people, the one with more crops first."""
    labels = Labels(np.array([1, 1, 1, 1, 1]), np.array([0, 1, 1, 0, 1]), np.arange(5), np.full(5, -1))
    legend, colours = descriptor_plots._colours_of_people(labels)
    assert list(legend) == ["person 1 of sequence 2", "person 1 of sequence 1", "others"]
    first, second, _ = legend.values()
    assert colours.tolist() == [list(second), list(first), list(first), list(second), list(first)]


@pytest.mark.slow
def test_pictures_of_few_crops(tmp_path: Path) -> None:
    """Fewer crops than places in a row, all at one place on the map, a spectrum with zeros."""
    labels = Labels(np.array([1, 1, 2]), np.zeros(3, int), np.array([1, 50, 99]), np.full(3, -1))
    crops = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), dtype=np.uint8)
    descriptor_plots.draw_map(crops, np.ones((3, 4)), labels, "constant", tmp_path / "map.png")
    features: dict[str, NDArray] = {"first": np.eye(3), "second": np.ones((3, 2))}
    descriptor_plots.draw_neighbours(crops, features, labels, tmp_path / "rows.png")
    descriptor_plots.draw_spectra({"collapsed": np.array([[0.0, 0.0, 1.0]])}, tmp_path / "spectra.png")
    for name in ("map", "rows", "spectra"):
        assert (tmp_path / f"{name}.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_real_people_are_told_apart_by_their_colours(shared: Path, tmp_path: Path) -> None:
    """TUD-Campus: eight people, 71 frames, no visibility and no classes."""
    root = shared / "data" / "mot15"
    common = ("--root", root, "--seq", "TUD-Campus", "--det", "det.txt", "--every", 2, "--out", tmp_path, "--quick")
    assert compare(*common, "--descriptor", "colour") == 0
    figures = json.loads((tmp_path / "descriptors.json").read_text())
    centred = figures["descriptors"]["colour"]["comparison"][2]
    assert (centred["form"], centred["metric"]) == ("centred", "cosine")
    assert centred["rank1"] > 0.7
    assert centred["auc"] > 0.75
