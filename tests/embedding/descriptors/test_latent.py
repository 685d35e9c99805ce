"""A trained model as a descriptor against its encoder on crops prepared by hand, and its files."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from embedding import Descriptor
from embedding.config import DataConfig, ModelConfig, parse_model
from embedding.data.crops import load_crops
from embedding.descriptors.cropping import cut_crops
from embedding.descriptors.latent import LatentDescriptor
from embedding.errors import InputError
from embedding.vae.model import FlatVAE
from embedding.vae.weights import load_model, save_model

LATENT_DIM = 5
CROPS = np.random.default_rng(0).integers(0, 256, (70, 64, 64, 3), dtype=np.uint8)
IMAGE = np.random.default_rng(1).integers(0, 256, (120, 160, 3), dtype=np.uint8)
STANDARDISED = {"kind": "crops", "scale": "standardised", "mean": [0.3, 0.4, 0.5], "std": [0.2, 0.25, 0.3]}
RAW = {"kind": "crops", "scale": "raw", "mean": [0.0] * 3, "std": [1 / 255] * 3}
UNIT = {"kind": "crops", "scale": "unit", "mean": [0.0] * 3, "std": [1.0] * 3}

Spoil = Callable[[dict[str, Any]], object]


def config(encoder: str = "vgg16") -> ModelConfig:
    small = {"widths": [8], "activation": "tanh"}
    vgg16 = {"kind": "vgg16", "width": 0.1}
    kinds = {"vgg16": vgg16, "mlp": small, "normalised": {**vgg16, "norm": "batch", "stripes": 2}}
    return parse_model({"latent_dim": LATENT_DIM, "encoder": kinds[encoder], "decoder": small, "prior": small}, "test")


def write(path: Path, data: dict[str, Any] | None = None, encoder: str = "vgg16", part_bytes: int = 10**9) -> FlatVAE:
    """An untrained model, with numbers in place of what training finds out about the latents."""
    torch.manual_seed(0)
    model = FlatVAE(config(encoder), (3, 64, 64)).eval()
    model.latent_mean.copy_(torch.randn(LATENT_DIM))
    model.latent_whitening.copy_(torch.randn(LATENT_DIM, LATENT_DIM))
    model.latent_scale.fill_(2.5)
    for layer in model.encoder.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            assert layer.running_mean is not None and layer.running_var is not None
            layer.running_mean.normal_()
            layer.running_var.uniform_(0.5, 2)
    save_model(model, path, {"data": STANDARDISED if data is None else data}, part_bytes)
    return model


@torch.no_grad()
@pytest.mark.parametrize("data", [STANDARDISED, RAW, UNIT])
@pytest.mark.parametrize("encoder", ["vgg16", "mlp", "normalised"])
@pytest.mark.parametrize(("whiten", "centre"), [(True, True), (False, True), (True, False), (False, False)])
@pytest.mark.slow
def test_equals_the_encoder_on_crops_prepared_by_hand(
    tmp_path: Path, data: dict[str, Any], encoder: str, whiten: bool, centre: bool
) -> None:
    model = write(tmp_path / "model.safetensors", data, encoder)
    pixels = CROPS.astype(np.float32).transpose(0, 3, 1, 2) / np.float32(255)
    mean, std = (np.array(data[key], np.float32).reshape(3, 1, 1) for key in ("mean", "std"))
    expected = model.encode(torch.from_numpy((pixels - mean) / std))[0].double()
    if centre:
        expected -= model.latent_mean
    if whiten:
        expected = expected @ model.latent_whitening.double().T
    describe = LatentDescriptor(tmp_path, "cpu", whiten=whiten, centre=centre)
    features = describe.describe_crops(CROPS)
    assert features.dtype == np.float32
    assert describe.dimension == LATENT_DIM
    assert describe.scale == 2.5
    rounding = 1e-5 if encoder == "normalised" else 1e-6  # what is folded is added up in another order
    np.testing.assert_allclose(features, expected.numpy(), rtol=rounding, atol=rounding * float(expected.abs().max()))


@pytest.mark.parametrize("scale", ["raw", "unit", "standardised"])
def test_prepares_crops_exactly_as_training_does(tmp_path: Path, scale: str) -> None:
    """The record goes through JSON; the numbers come back to the bit, and so do the encoder's inputs."""
    np.save(tmp_path / "crops.npy", CROPS)
    data = load_crops(DataConfig(kind="crops", path=str(tmp_path / "crops.npy"), scale=scale))  # type: ignore[arg-type]
    write(tmp_path / "model.safetensors", data.describe())
    describe = LatentDescriptor(tmp_path, "cpu")
    seen: list[torch.Tensor] = []
    describe._encoder.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    describe.describe_crops(CROPS)
    assert torch.equal(torch.cat(seen), data.batch(torch.arange(len(CROPS))))


def test_a_crop_does_not_depend_on_its_batch(tmp_path: Path) -> None:
    write(tmp_path / "model.safetensors")
    describe = LatentDescriptor(tmp_path, "cpu")
    together = describe.describe_crops(CROPS)
    alone = np.concatenate([describe.describe_crops(CROPS[i : i + 1]) for i in range(len(CROPS))])
    np.testing.assert_allclose(together, alone, rtol=0, atol=1e-5 * float(np.abs(together).max()))  # single precision
    np.testing.assert_array_equal(describe.describe_crops(CROPS), together)  # deterministic
    np.testing.assert_array_equal(LatentDescriptor(tmp_path, "cpu").describe_crops(CROPS), together)
    assert describe.describe_crops(CROPS[:0]).shape == (0, LATENT_DIM)


def test_crops_may_be_memory_mapped(tmp_path: Path) -> None:
    write(tmp_path / "model.safetensors")
    np.save(tmp_path / "crops.npy", CROPS)
    describe = LatentDescriptor(tmp_path, "cpu")
    mapped = describe.describe_crops(np.load(tmp_path / "crops.npy", mmap_mode="r"))
    np.testing.assert_array_equal(mapped, describe.describe_crops(CROPS))


def test_boxes_are_cut_by_the_common_rule(tmp_path: Path) -> None:
    write(tmp_path / "model.safetensors")
    boxes = np.array([[10.0, 20, 50, 100], [500, 500, 600, 700], [-30, -30, 20, 30]])  # the second is outside
    describe = LatentDescriptor(tmp_path, "cpu")
    features = describe(IMAGE, boxes)
    crops, inside = cut_crops(IMAGE, boxes)
    assert inside.tolist() == [True, False, True]
    np.testing.assert_array_equal(features[inside], describe.describe_crops(crops))
    np.testing.assert_array_equal(features[1], 0)
    np.testing.assert_array_equal(describe(IMAGE, boxes[1:2]), np.zeros((1, LATENT_DIM)))


@pytest.mark.parametrize("crops", [CROPS[:, :32], CROPS[0], CROPS.astype(np.float32), CROPS.transpose(0, 3, 1, 2)])
def test_other_crops_are_refused(tmp_path: Path, crops: np.ndarray) -> None:
    write(tmp_path / "model.safetensors")
    with pytest.raises(ValueError, match=r"crops: expected uint8 \[N, 64, 64, 3\]"):
        LatentDescriptor(tmp_path, "cpu").describe_crops(crops)


def test_parts_describe_as_the_whole(tmp_path: Path) -> None:
    write(tmp_path / "whole.safetensors")
    write(tmp_path / "parts.safetensors", part_bytes=100_000)
    assert not (tmp_path / "parts.safetensors").exists()
    whole, parts = (Descriptor.load(str(tmp_path / f"{name}.safetensors"), "cpu") for name in ("whole", "parts"))
    np.testing.assert_array_equal(whole(IMAGE, [[0, 0, 50, 90]]), parts(IMAGE, [[0, 0, 50, 90]]))


def test_half_precision_describes_nearly_alike(tmp_path: Path) -> None:
    model = write(tmp_path / "model.safetensors")
    single = LatentDescriptor(tmp_path, "cpu", whiten=False).describe_crops(CROPS)
    save_model(model.half(), tmp_path / "model.safetensors", {"data": STANDARDISED})
    half = LatentDescriptor(tmp_path, "cpu", whiten=False).describe_crops(CROPS)
    np.testing.assert_allclose(half, single, atol=0.02 * float(single.std()))


def test_name_tells_what_changes_the_features(tmp_path: Path) -> None:
    model = write(tmp_path / "model.safetensors")
    first = LatentDescriptor(tmp_path, "cpu").name
    assert first.startswith("model-")
    assert LatentDescriptor(tmp_path / "model.safetensors", "cpu").name == first
    others = [
        LatentDescriptor(tmp_path, "cpu", whiten=False).name,
        LatentDescriptor(tmp_path, "cpu", centre=False).name,
    ]
    save_model(model, tmp_path / "model.safetensors", {"data": UNIT})  # the same weights, other inputs
    others.append(LatentDescriptor(tmp_path, "cpu").name)
    model.latent_mean += 1
    save_model(model, tmp_path / "model.safetensors", {"data": UNIT})
    others.append(LatentDescriptor(tmp_path, "cpu").name)
    assert len({first, *others}) == 5
    assert all(name.replace("-", "").replace("_", "").isalnum() for name in [first, *others])  # part of a file's name


def test_only_the_encoder_is_kept(tmp_path: Path) -> None:
    write(tmp_path / "model.safetensors")
    describe = LatentDescriptor(tmp_path, "cpu")
    kept = {name for name, value in vars(describe).items() if isinstance(value, torch.nn.Module)}
    assert kept == {"_encoder"}
    assert not describe._encoder.training
    assert not any(parameter.requires_grad for parameter in describe._encoder.parameters())


def test_batch_normalisation_is_part_of_the_convolutions(tmp_path: Path) -> None:
    """Folding changes nothing that `test_equals_the_encoder_on_crops_prepared_by_hand` sees, and leaves this."""
    model = write(tmp_path / "model.safetensors", encoder="normalised")
    encoder = LatentDescriptor(tmp_path, "cpu").stages.encoder
    kinds = [type(layer) for layer in encoder.modules()]
    assert torch.nn.BatchNorm2d in [type(layer) for layer in model.encoder.modules()]
    assert torch.nn.BatchNorm2d not in kinds
    assert kinds.count(torch.nn.Conv2d) == 13  # of VGG16
    assert all(layer.inplace for layer in encoder.modules() if isinstance(layer, torch.nn.ReLU))


def test_stages_make_the_features(tmp_path: Path) -> None:
    write(tmp_path / "model.safetensors", encoder="normalised")
    describe = LatentDescriptor(tmp_path, "cpu")
    stages = describe.stages
    colours = torch.from_numpy(CROPS[:32]).permute(0, 3, 1, 2).float() / 255
    with torch.inference_mode():
        features = (stages.encoder((colours - stages.mean) / stages.std)[0] - stages.offset) @ stages.matrix.T
    np.testing.assert_array_equal(features.numpy(), describe.describe_crops(CROPS[:32]))


def test_a_device_that_is_not_there_is_named(tmp_path: Path) -> None:
    write(tmp_path / "model.safetensors")
    missing = "mps" if torch.cuda.is_available() else "cuda"
    with pytest.raises(InputError, match=rf"device: '{missing}' is not available"):
        LatentDescriptor(tmp_path, missing)


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (lambda record: record.pop("data"), "a model of unrecorded data.*trained on crops"),
        (lambda record: record.update(data={"kind": "mnist"}), "a model of mnist"),
        (lambda record: record["data"].pop("mean"), "expected mean and std"),
        (lambda record: record["data"].update(mean=None), "expected mean and std"),
        (lambda record: record["data"].update(mean=["dark", 0, 0]), "expected mean and std"),
        (lambda record: record["data"].update(std=[1.0, 1.0]), "three colours"),
        (lambda record: record["data"].update(std=[1.0, 1.0, 0.0]), "three colours"),
        (lambda record: record["data"].update(mean=[float("nan")] * 3), "three colours"),
        (lambda record: record.update(shape=[64, 64]), "trained on crops"),
        (lambda record: record.update(shape=[1, 64, 64]), "three colours"),
        (lambda record: record.update(shape=[3, 65, 64]), "multiples of 32"),
    ],
)
def test_records_that_do_not_fit_are_refused(tmp_path: Path, spoil: Spoil, complaint: str) -> None:
    write(tmp_path / "model.safetensors")
    record = json.loads((tmp_path / "model.json").read_text())
    spoil(record)
    (tmp_path / "model.json").write_text(json.dumps(record))
    with pytest.raises(InputError, match=complaint) as error:
        Descriptor.load(str(tmp_path), "cpu")
    assert "\n" not in str(error.value)


def test_broken_numbers_are_refused(tmp_path: Path) -> None:
    model = write(tmp_path / "model.safetensors")
    model.latent_whitening[0, 0] = torch.inf
    save_model(model, tmp_path / "model.safetensors", {"data": STANDARDISED})
    with pytest.raises(InputError, match="latent_whitening holds NaN or infinity"):
        LatentDescriptor(tmp_path, "cpu")


def test_a_truncated_file_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "model.safetensors", part_bytes=100_000)
    part = sorted(tmp_path.glob("model-*.safetensors"))[1]
    part.write_bytes(part.read_bytes()[:-100])
    with pytest.raises(InputError, match=rf"{part.name}: cannot be read") as error:
        LatentDescriptor(tmp_path, "cpu")
    assert "\n" not in str(error.value)
    with pytest.raises(InputError, match=rf"{part.name}: cannot be read"):
        load_model(tmp_path)


# The first five of 128 numbers of two boxes in a rendered image, at unit length. The second is of the model that has
# not seen MOT16-11, the third the one of VGG16's full width, in parts.
PINNED = {
    "mot16-lite": [
        [0.1867, -0.1813, 0.0560, 0.0984, -0.0892],
        [0.0801, -0.1805, 0.0368, 0.1173, -0.0828],
    ],
    "mot16-lite-heldout": [
        [0.1629, 0.0080, -0.0104, 0.1004, -0.0294],
        [0.0220, 0.0529, -0.1032, 0.1132, -0.0747],
    ],
    "mot16": [
        [0.0983, -0.0457, 0.0343, 0.3245, 0.0496],
        [0.0587, 0.0769, -0.0339, 0.2457, 0.1132],
    ],
}


@pytest.mark.parametrize("name", PINNED)
def test_what_ships_gives_these_features(name: str) -> None:
    """Whoever changes cropping, scaling, the network or the weights changes what people's galleries hold."""
    from embedding import Descriptor

    down, across = np.mgrid[:120, :160]
    image = np.stack([down * 2, across, (across + down) % 256], axis=2).astype(np.uint8)
    describe = Descriptor.load(name)
    features = describe(image, np.array([[10.0, 20, 50, 100], [60, 10, 100, 90]]))
    assert features.shape == (2, describe.dimension) == (2, 128)
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    np.testing.assert_allclose(features[:, :5], PINNED[name], atol=1e-3)


def test_two_loads_of_the_full_width_give_the_same_bytes() -> None:
    """Half precision on disk, in parts: nothing of it may depend on the load."""
    first, second = (Descriptor.load("mot16", "cpu") for _ in range(2))
    boxes = np.array([[10.0, 20, 50, 100], [60, 10, 100, 90]])
    assert first.name == second.name
    assert first(IMAGE, boxes).tobytes() == second(IMAGE, boxes).tobytes()
