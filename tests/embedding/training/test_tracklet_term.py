"""Training on a pack: tracklets, augmentation, whitening, held-out sequences; and that no identity is read."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from embedding.config import TrainingConfig, parse_config
from embedding.data import load_data
from embedding.data.crop_pack import CropWriter
from embedding.descriptors.whitening import covariance_within
from embedding.errors import InputError
from embedding.retrieval import Labels, measure_retrieval
from embedding.training.loop import train
from embedding.vae.weights import load_model

Render = Callable[..., Path]
PERCEPTRON = {"widths": [16], "activation": "silu"}


def config(pack: Path, **overrides: Any) -> TrainingConfig:
    tree: dict[str, Any] = {
        "data": {"kind": "crops", "path": str(pack), "scale": "standardised"},
        "model": {
            "latent_dim": 8,
            "encoder": {"kind": "vgg16", "width": 0.05, "norm": "batch", "stripes": 2, "bins": 4},
            "decoder": {"kind": "convolutional", "widths": [16, 8]},
            "prior": {**PERCEPTRON, "samples": 2},
        },
        "flatness": {"weight": 0.1, "mode": "relative", "estimator": "directional", "directions": 1},
        "augmentation": {"flip": True, "shift": 0.1, "brightness": 0.1, "erase": 0.3},
        "tracklet": {"weight": 1.0},
        "whiten": 0.0,
        "constraint": {"bound_fraction": 0.5, "max_initial_steps": 5},
        "optimiser": {"learning_rate": 1e-3},
        "steps": 12,
        "batch": 24,
        "decode_fraction": 0.5,
        "log_every": 4,
        "checkpoint_every": 4,
        "threads": 1,
        "device": "cpu",
        "tensorboard": False,
    }
    return parse_config({**tree, **overrides}, "test")


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory, render_people: Render) -> Path:
    return render_people(tmp_path_factory.mktemp("crowd") / "crops.npy", people=6, frames=40)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, crowd: Path) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    train(config(crowd), folder, progress=False)
    return folder


@pytest.mark.slow
def test_it_resumes_to_the_same_bits(trained: Path, crowd: Path, tmp_path: Path) -> None:
    """Batch statistics, pairs and augmentation too are functions of seed and step, or in the checkpoint."""
    train(config(crowd, steps=8), tmp_path, progress=False)
    train(config(crowd), tmp_path, resume=True, progress=False)
    one, other = load_model(trained).state_dict(), load_model(tmp_path).state_dict()
    assert all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.slow
def test_the_log_has_the_term(trained: Path, crowd: Path, tmp_path: Path) -> None:
    def terms(folder: Path) -> list[float]:
        with (folder / "log.csv").open() as file:
            return [float(row["contrast"]) for row in csv.DictReader(file)]

    assert len(terms(trained)) == 3
    assert all(0 < term < np.log(23) for term in terms(trained))  # better than chance among the batch's other crops
    train(config(crowd, tracklet={"weight": 0.0}, steps=4), tmp_path, progress=False)
    assert np.isnan(terms(tmp_path)).all()
    assert "NaN" not in (tmp_path / "model.json").read_text()


@pytest.mark.slow
def test_the_whitening_makes_tracklets_round(trained: Path, crowd: Path) -> None:
    """With no shrinkage the covariance within tracklets is the identity afterwards."""
    model, data = load_model(trained), load_data(config(crowd).data)
    with torch.no_grad():
        means, _ = model.encode(data.batch(torch.arange(len(data))))
    white = ((means - model.latent_mean) @ model.latent_whitening.T).double().numpy()
    tracklet = np.load(crowd.with_suffix(".index.npz"))["tracklet"]
    np.testing.assert_allclose(covariance_within(white, tracklet), np.eye(8), atol=0.02)
    np.testing.assert_allclose(means.mean(0), model.latent_mean, atol=1e-3)


@pytest.mark.slow
def test_people_are_told_apart_better_than_without_the_term(trained: Path, crowd: Path, tmp_path: Path) -> None:
    """Two runs of 40 steps that differ in the term alone, without colours to start from."""
    people = np.arange(240) % 6
    labels = Labels(people, np.zeros(240, int), np.arange(240) // 6, np.full(240, -1))
    found = {}
    for weight in (0.0, 1.0):
        changed = config(crowd, steps=40, tracklet={"weight": weight}, whiten=None)
        plain = changed.model.encoder.model_copy(update={"stripes": 0})
        changed = changed.model_copy(update={"model": changed.model.model_copy(update={"encoder": plain})})
        model = load_model(train(changed, tmp_path / str(weight), progress=False))
        data = load_data(changed.data)
        with torch.no_grad():
            means, _ = model.encode(data.batch(torch.arange(240)))
        found[weight] = measure_retrieval((means - means.mean(0)).numpy(), labels, gap=20).auc
    assert found[1.0] > found[0.0] + 0.02


@pytest.mark.slow
def test_identities_are_never_read(crowd: Path, trained: Path, tmp_path: Path) -> None:
    """With an unreadable file of identities beside the pack, training gives the same bits."""
    for suffix in (".npy", ".index.npz"):
        (tmp_path / f"crops{suffix}").write_bytes((crowd.parent / f"crops{suffix}").read_bytes())
    (tmp_path / "crops.identity.npz").write_bytes(b"whoever reads this fails")
    train(config(tmp_path / "crops.npy"), tmp_path / "run", progress=False)
    one, other = load_model(trained).state_dict(), load_model(tmp_path / "run").state_dict()
    assert all(torch.equal(one[name], other[name]) for name in one)


def two_sequences(path: Path) -> Path:
    with CropWriter(path, (32, 32)) as writer:
        for name, frames, value in (("kept", 30, 50), ("held", 20, 200)):
            for frame in range(1, frames + 1):
                crops = np.full((2, 32, 32, 3), value, np.uint8)
                writer.append(name, frame, crops, np.zeros((2, 4)), np.ones(2), np.arange(2))
    return path


def test_a_sequence_is_held_out(tmp_path: Path) -> None:
    pack = two_sequences(tmp_path / "crops.npy")
    data = load_data(config(pack, data={"kind": "crops", "path": str(pack), "exclude": ["held"]}).data)
    assert len(data) == 60
    assert data.batch(torch.arange(60)).unique().tolist() == pytest.approx([50 / 255])
    assert data.describe()["crops"] == {"kept": 60}


@pytest.mark.parametrize(
    ("exclude", "message"),
    [(["hold"], "has no hold, only kept, held"), (["kept", "held"], "leaves nothing")],
)
def test_what_cannot_be_held_out(tmp_path: Path, exclude: list[str], message: str) -> None:
    pack = two_sequences(tmp_path / "crops.npy")
    with pytest.raises(InputError, match=message):
        load_data(config(pack, data={"kind": "crops", "path": str(pack), "exclude": exclude}).data)


@pytest.mark.parametrize("asked", [{"whiten": None}, {"tracklet": {"weight": 0.0}}])
def test_a_bare_array_has_no_tracklets(tmp_path: Path, asked: dict[str, Any]) -> None:
    np.save(tmp_path / "crops.npy", np.zeros((60, 32, 32, 3), np.uint8))
    with pytest.raises(InputError, match=r"the data has no tracklets, expected a pack of tools\.crops"):
        train(config(tmp_path / "crops.npy", **asked), tmp_path / "run", progress=False)
    with pytest.raises(InputError, match=r"data\.exclude: .* has no index"):
        load_data(config(tmp_path, data={"kind": "crops", "path": str(tmp_path / "crops.npy"), "exclude": ["a"]}).data)


def test_the_record_says_what_it_was_trained_on(trained: Path) -> None:
    record = json.loads((trained / "model.json").read_text())
    assert record["data"]["crops"] == {"a": 240}
    assert record["config"]["tracklet"]["weight"] == 1.0
