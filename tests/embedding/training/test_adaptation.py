"""Adaptation on rendered people: it learns, it never makes worse, it says why it did nothing, it can be repeated."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from embedding.config import EncoderConfig, ModelConfig, PriorConfig
from embedding.data.crop_pack import CropIndex, CropWriter, read_index
from embedding.descriptors.latent import LatentDescriptor
from embedding.errors import InputError
from embedding.training.adaptation import AdaptationSettings, adapt
from embedding.training.held_back import known_pairs
from embedding.vae.model import FlatVAE
from embedding.vae.weights import load_model, save_model

FRAMES, SIDE = 100, 32  # as rendered
Render = Callable[..., Path]
SETTINGS = AdaptationSettings(steps=24, batch=24, held_out=0.4, device="cpu")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained model."""
    torch.manual_seed(0)
    encoder = EncoderConfig(kind="vgg16", width=0.05, norm="batch", stripes=2, bins=4)
    prior = PriorConfig(widths=(8,), samples=1)
    model = FlatVAE(ModelConfig(latent_dim=8, encoder=encoder, prior=prior), (3, SIDE, SIDE))
    path = tmp_path_factory.mktemp("base") / "base.safetensors"
    save_model(model, path, {"data": {"kind": "crops", "scale": "standardised", "mean": [0.5] * 3, "std": [0.25] * 3}})
    return path


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory, render_people: Render) -> Path:
    return render_people(tmp_path_factory.mktemp("crowd") / "crops.npy", people=8)


@pytest.mark.slow
def test_it_learns_and_says_how_much(base: Path, crowd: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.safetensors"
    heard: list[float] = []
    report = adapt(base, crowd, out, SETTINGS, lambda _, share, total: heard.append(share))
    assert set(report.separation) == {"shipped", "whitened", "adapted"}
    assert report.chosen != "shipped"
    before, after = report.separation["shipped"], report.separation[report.chosen]
    assert after.auc + after.true_accepts > before.auc + before.true_accepts
    assert (report.tracklets, report.held_out) == (40, 16)
    assert heard == sorted(heard)
    assert report.steps == (24 if report.chosen == "adapted" else 12)
    record = json.loads(out.with_suffix(".json").read_text())["adaptation"]
    assert record["chosen"] == report.chosen
    assert record["sequences"] == ["a"]
    describe = LatentDescriptor(out)
    crops = np.load(crowd)
    features = describe.describe_crops(crops)
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    person = np.arange(len(crops)) % 8
    similarity = features @ features.T
    same = person[:, None] == person
    assert similarity[same].mean() > similarity[~same].mean() + 0.5


@pytest.mark.slow
def test_the_best_candidate_is_what_is_written(
    base: Path, crowd: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A learning that destroys the encoder is found out, and the weights do not carry it."""
    from embedding.training import adaptation

    def destroy(self: adaptation._Learning, *_: object) -> tuple[int, float]:
        with torch.no_grad():
            for parameter in self.model.encoder.parameters():
                parameter.normal_()
        return 1, 0.0

    monkeypatch.setattr(adaptation._Learning, "learn", destroy)
    report = adapt(base, crowd, tmp_path / "out.safetensors", SETTINGS)
    assert report.separation["adapted"].auc < 0.99 * report.separation["whitened"].auc
    assert report.chosen in ("shipped", "whitened")
    written, before = load_file(tmp_path / "out.safetensors"), load_file(base)
    assert all(torch.equal(written[name], before[name]) for name in before if name.startswith("encoder."))


@pytest.mark.slow
def test_equal_steps_equal_bits(base: Path, crowd: Path, tmp_path: Path) -> None:
    for name in ("one", "other"):
        report = adapt(base, crowd, tmp_path / f"{name}.safetensors", replace(SETTINGS, steps=8))
        assert report.separation
    one, other = (load_file(tmp_path / f"{name}.safetensors") for name in ("one", "other"))
    assert all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.slow
def test_weights_keep_the_precision_of_the_file(base: Path, crowd: Path, tmp_path: Path) -> None:
    half = tmp_path / "half.safetensors"
    save_model(load_model(base).half(), half, {"data": json.loads(base.with_suffix(".json").read_text())["data"]})
    for given, dtype in ((base, torch.float32), (half, torch.float16)):
        adapt(given, crowd, tmp_path / "out.safetensors", replace(SETTINGS, steps=2))
        assert load_file(tmp_path / "out.safetensors")["latent_mean"].dtype == dtype


@pytest.mark.slow
def test_identities_are_not_looked_at(base: Path, crowd: Path, tmp_path: Path) -> None:
    """With a file of identities that cannot be read it does the same."""
    with_identities = tmp_path / "crops.npy"
    for suffix in (".npy", ".index.npz"):
        (tmp_path / f"crops{suffix}").write_bytes((crowd.parent / f"crops{suffix}").read_bytes())
    (tmp_path / "crops.identity.npz").write_bytes(b"whoever reads this fails")
    settings = replace(SETTINGS, steps=4)
    one, other = (
        adapt(base, pack, tmp_path / "out.safetensors", settings).separation for pack in (crowd, with_identities)
    )
    assert one == other != {}


@pytest.mark.parametrize(
    ("people", "frames", "noise"),
    [
        (0, 5, 25.0),  # nobody
        (1, 40, 25.0),  # one person, nobody to be told from
        (2, 6, 25.0),  # two, for too short
        (8, 40, 0.0),  # a crowd, but see below: still pictures
    ],
)
def test_where_it_cannot_help_everything_stays(
    base: Path, tmp_path: Path, render_people: Render, people: int, frames: int, noise: float
) -> None:
    pack = render_people(tmp_path / "crops.npy", people, frames, noise)
    if not noise:  # the very same crop in every frame: no covariance within tracklets
        crops = np.load(pack)
        crops[:] = crops[np.arange(len(crops)) % people]
        np.save(pack, crops)
    report = adapt(base, pack, tmp_path / "out.safetensors", SETTINGS)
    assert report.chosen == "shipped"
    assert report.reason.startswith("nothing to learn from: ")
    written, before = load_file(tmp_path / "out.safetensors"), load_file(base)
    assert written.keys() == before.keys()
    assert all(torch.equal(written[name], before[name]) for name in before)


def test_crops_of_another_size_are_refused(base: Path, tmp_path: Path) -> None:
    with CropWriter(tmp_path / "crops.npy", (16, 48)) as writer:
        writer.append("a", 1, np.zeros((1, 48, 16, 3), np.uint8), np.zeros((1, 4)), np.ones(1), np.zeros(1, int))
    with pytest.raises(InputError, match=r"crops of \(48, 16\) pixels"):
        adapt(base, tmp_path / "crops.npy", tmp_path / "out.safetensors", SETTINGS)
    with pytest.raises(InputError, match=r"no such file"):
        adapt(base, tmp_path / "absent.npy", tmp_path / "out.safetensors", SETTINGS)


def test_known_pairs_against_loops(crowd: Path) -> None:
    index: CropIndex = read_index(crowd).select(np.arange(0, 8 * FRAMES, 9))
    same, different = known_pairs(index)
    for i in range(len(index)):
        for j in range(len(index)):
            apart = abs(int(index.frame[i]) - int(index.frame[j])) >= 10
            alike = index.tracklet[i] == index.tracklet[j]
            spans = [index.frame[index.tracklet == index.tracklet[k]] for k in (i, j)]
            together = spans[0].min() <= spans[1].max() and spans[1].min() <= spans[0].max()
            assert same[i, j] == (i < j and alike and apart)
            assert different[i, j] == (i < j and not alike and together)
