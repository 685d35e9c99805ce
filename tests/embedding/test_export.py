"""Descriptors as .onnx files against the descriptors themselves, on small untrained models."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from embedding import Descriptor, export
from embedding.config import parse_model
from embedding.descriptors.latent import LatentDescriptor
from embedding.descriptors.onnx import OnnxDescriptor
from embedding.errors import InputError
from embedding.export import export_onnx, licence
from embedding.vae.model import FlatVAE
from embedding.vae.networks import VGG16Encoder
from embedding.vae.weights import save_model

onnx = pytest.importorskip("onnx", reason="needs onnx: pip install 'flatsort[onnx]'")
onnxruntime = pytest.importorskip("onnxruntime", reason="needs onnxruntime: pip install 'flatsort[onnx]'")

LATENT_DIM = 5
CROPS = np.random.default_rng(0).integers(0, 256, (72, 64, 64, 3), dtype=np.uint8)
CROPS[:36] //= np.arange(1, 37, dtype=np.uint8)[:, None, None, None]  # dark ones too
CROPS[0], CROPS[1] = 0, 255  # the ends of the histogram
DATA = {"kind": "crops", "mean": [0.3, 0.4, 0.5], "std": [0.2, 0.25, 0.3], "crops": {"MOT16-09": 70}}
NORMALISED = {"kind": "vgg16", "width": 0.1, "norm": "batch"}
ENCODERS: dict[str, dict[str, Any]] = {
    "plain": {"kind": "vgg16", "width": 0.1},
    "normalised": NORMALISED,
    "striped": {**NORMALISED, "stripes": 4, "bins": 8},  # the default descriptor's kind
    **{name: {"widths": [8, 6], "activation": name} for name in ("relu", "silu", "tanh", "softplus")},
}


def write(path: Path, encoder: str = "striped", sides: tuple[int, int] = (64, 64)) -> Path:
    """An untrained model of crops of (height, width), with numbers in place of what training finds out."""
    torch.manual_seed(0)
    small = {"widths": [8], "activation": "tanh"}
    tree = {"latent_dim": LATENT_DIM, "encoder": ENCODERS[encoder], "decoder": small, "prior": small}
    model = FlatVAE(parse_model(tree, "test"), (3, *sides)).eval()
    model.latent_mean.copy_(torch.randn(LATENT_DIM))
    model.latent_whitening.copy_(torch.randn(LATENT_DIM, LATENT_DIM))
    for layer in model.encoder.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.running_mean.normal_()
            layer.running_var.uniform_(0.5, 2)
    if isinstance(model.encoder, VGG16Encoder) and model.encoder.stripes is not None:
        model.encoder.stripes.fit(torch.randn(50, 3, *sides), torch.tensor(DATA["mean"]), torch.tensor(DATA["std"]))
    save_model(model, path, {"data": DATA})
    return path


def metadata(path: Path) -> dict[str, str]:
    return {entry.key: entry.value for entry in onnx.load(path).metadata_props}


@pytest.mark.parametrize("kind", ["imagenet", "crops"])
@pytest.mark.parametrize("encoder", ENCODERS)
@pytest.mark.slow
def test_the_file_gives_the_descriptors_features(tmp_path: Path, encoder: str, kind: str) -> None:
    weights = write(tmp_path / "model.safetensors", encoder)
    report = export_onnx(str(weights), tmp_path / "model.onnx", kind)
    describe = LatentDescriptor(weights, "cpu")
    exported = OnnxDescriptor(tmp_path / "model.onnx", "cpu")
    assert exported.dimension == LATENT_DIM
    for count in (1, 7, 64):
        expected = describe.describe_crops(CROPS[:count])
        found = exported.describe_crops(CROPS[:count])
        np.testing.assert_allclose(found, expected, atol=1e-5 * float(np.linalg.norm(expected, axis=1).max()))
    assert report.difference < 1e-5
    assert report.smallest_cosine > 1 - 1e-6
    assert (report.crops, report.real) == (72, False)


@pytest.mark.slow
def test_any_batch_goes_through_the_session_at_once(tmp_path: Path) -> None:
    """As another program runs the file: images prepared by hand, all of them in one run."""
    weights = write(tmp_path / "model.safetensors")
    export_onnx(str(weights), tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
    expected = LatentDescriptor(weights, "cpu").describe_crops(CROPS)
    images = CROPS[..., [2, 1, 0]].astype(np.float64) / 255  # red first
    images = ((images - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]).astype(np.float32).transpose(0, 3, 1, 2)
    found = session.run(["features"], {"images": images})[0]
    np.testing.assert_allclose(found, expected, atol=1e-5 * float(np.abs(expected).max()))
    assert session.run(None, {"images": images[:0]})[0].shape == (0, LATENT_DIM)


def test_crops_need_not_be_square(tmp_path: Path) -> None:
    weights = write(tmp_path / "model.safetensors", sides=(64, 32))
    export_onnx(str(weights), tmp_path / "model.onnx", "crops")
    exported = OnnxDescriptor(tmp_path / "model.onnx", "cpu")
    assert (exported.height, exported.width) == (64, 32)
    image = CROPS[:4].reshape(128, 128, 3)
    boxes = [[10.0, 20, 50, 100], [60, 10, 100, 90]]
    expected = Descriptor.load(str(weights), "cpu")(image, boxes)
    np.testing.assert_allclose(exported(image, boxes), expected, atol=1e-5 * float(np.abs(expected).max()))


@pytest.mark.slow
def test_the_file_says_what_it_is(tmp_path: Path) -> None:
    weights = write(tmp_path / "model.safetensors")
    export_onnx(str(weights), tmp_path / "a.onnx")
    export_onnx(str(weights), tmp_path / "b.onnx", "crops", int8=True)
    said, bytes_said = metadata(tmp_path / "a.onnx"), metadata(tmp_path / "b.onnx")
    assert said["descriptor"] == LatentDescriptor(weights, "cpu").name
    assert said["crop_size"] == "64x64"
    assert (said["colour_order"], bytes_said["colour_order"]) == ("RGB", "BGR")
    assert said["input"].startswith("float32 [n, 3, 64, 64]")
    assert bytes_said["input"] == "uint8 [n, 64, 64, 3]"
    assert (said["precision"], bytes_said["precision"]) == ("float32", "int8")
    assert said["licence"] == "weights trained on MOTChallenge data, CC BY-NC-SA 3.0: for non-commercial use"


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ({"data": {"crops": {"shop": 3, "TUD-Campus": 1}}}, "CC BY-NC-SA"),  # some of it
        ({"data": {"crops": {"shop": 3}}, "adaptation": {"sequences": ["MOT17-02"]}}, "CC BY-NC-SA"),  # adapted to it
        ({"data": {"crops": {"shop": 3}}, "adaptation": {"sequences": ["yard"]}}, "trained on shop, yard, whose terms"),
        ({"data": {"kind": "crops"}}, "trained on unrecorded data"),
    ],
)
def test_terms_are_those_of_the_data(record: dict[str, Any], expected: str) -> None:
    assert expected in licence(record)
    assert ("non-commercial" in licence(record)) == ("CC BY-NC-SA" in expected)


@pytest.mark.parametrize("opset", [16, 17, 20])
@pytest.mark.slow
def test_opset_is_the_one_asked_for(tmp_path: Path, opset: int) -> None:
    export_onnx(str(write(tmp_path / "model.safetensors")), tmp_path / "model.onnx", opset=opset)
    model = onnx.load(tmp_path / "model.onnx")
    onnx.checker.check_model(model, full_check=True)
    assert [version.version for version in model.opset_import] == [opset]


@pytest.mark.parametrize("kind", ["imagenet", "crops"])
@pytest.mark.parametrize("calibrated", [False, True])
@pytest.mark.slow
def test_eight_bits_describe_nearly_alike(tmp_path: Path, kind: str, calibrated: bool) -> None:
    weights = write(tmp_path / "model.safetensors", "normalised")
    np.save(tmp_path / "pack.npy", CROPS)
    pack = tmp_path / "pack.npy" if calibrated else None
    report = export_onnx(str(weights), tmp_path / "int8.onnx", kind, int8=True, calibration=pack)
    expected = LatentDescriptor(weights, "cpu").describe_crops(CROPS)
    found = OnnxDescriptor(tmp_path / "int8.onnx", "cpu").describe_crops(CROPS)
    lengths = np.linalg.norm(found, axis=1) * np.linalg.norm(expected, axis=1)
    cosines = (found * expected).sum(axis=1) / lengths
    assert 0.98 < cosines.mean() < 1 - 1e-9  # and it is not the float file
    assert report.cosine > 0.98
    assert report.real == calibrated
    operators = [node.op_type for node in onnx.load(tmp_path / "int8.onnx").graph.node]
    if calibrated:
        assert operators.index("Conv") < operators.index("QuantizeLinear")  # the first stays in float
    else:
        assert operators.count("ConvInteger") == 13


def test_a_file_that_does_not_agree_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = write(tmp_path / "model.safetensors")
    (tmp_path / "model.onnx").write_bytes(b"the one before")
    monkeypatch.setattr(export, "LARGEST_DIFFERENCE", 0.0)  # rounding is more than that
    with pytest.raises(InputError, match=r"model\.onnx: not written, features differ by .*e-0[5-9], cosine 1\.0"):
        export_onnx(str(weights), tmp_path / "model.onnx")
    assert (tmp_path / "model.onnx").read_bytes() == b"the one before"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.json", "model.onnx", "model.safetensors"]


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"descriptor": "colour"}, "descriptor 'colour': not a model trained here"),
        ({"descriptor": "pixels"}, "descriptor 'pixels': not a model trained here"),
        ({"descriptor": "nobody"}, "descriptor 'nobody': not known"),
        ({"out": "model.pt"}, r"model\.pt: expected the name of a file that ends in \.onnx"),
        ({"kind": "rgb"}, "input 'rgb': expected imagenet or crops"),
        ({"opset": 15}, "opset 15: expected one from 16 to"),
        ({"opset": 1000}, "opset 1000: expected one from 16 to"),
        ({"calibration": "crops.npy"}, "nothing to calibrate without int8"),
        ({"int8": True, "calibration": "absent.npy"}, r"absent\.npy: cannot calibrate on it"),
        ({"int8": True, "calibration": "small.npy"}, r"small\.npy: cannot calibrate on it .*expected uint8"),
        ({"int8": True, "calibration": "one.npy"}, r"one\.npy: 1 crops"),
    ],
)
def test_what_cannot_be_exported_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], complaint: str
) -> None:
    monkeypatch.chdir(tmp_path)
    weights = write(tmp_path / "model.safetensors")
    np.save("small.npy", CROPS[:, :32])
    np.save("one.npy", CROPS[:1])
    with pytest.raises(InputError, match=complaint) as error:
        export_onnx(**{"descriptor": str(weights), "out": "model.onnx", **options})
    assert "\n" not in str(error.value)
    assert not Path("model.onnx").exists()


def test_without_onnx_the_remedy_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(InputError, match=r"pip install 'flatsort\[onnx\]'"):
        export_onnx("default", tmp_path / "model.onnx")


@pytest.mark.parametrize(("said", "threads"), [("3", 3), ("2,4", 2), ("", 0), ("many", 0), (None, 0)])
def test_sessions_take_as_many_threads_as_torch_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str | None, threads: int
) -> None:
    export_onnx(str(write(tmp_path / "model.safetensors", "tanh")), tmp_path / "model.onnx")
    if said is None:
        monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    else:
        monkeypatch.setenv("OMP_NUM_THREADS", said)
    session = OnnxDescriptor(tmp_path / "model.onnx", "cpu")._session
    assert session.get_session_options().intra_op_num_threads == threads
    chosen = OnnxDescriptor(tmp_path / "model.onnx", "cpu", threads=2)._session
    assert chosen.get_session_options().intra_op_num_threads == 2


@pytest.mark.parametrize("kind", ["imagenet", "crops"])
@pytest.mark.parametrize("opset", [17, 18])
def test_the_closed_form_without_eigenvectors(tmp_path: Path, kind: str, opset: int) -> None:
    """The logarithm of matrices by products alone, and a colour's words from a table."""
    report = export_onnx("default", tmp_path / "closed.onnx", kind, opset=opset)
    assert report.smallest_cosine > 0.9999
    assert Descriptor.load(str(tmp_path / "closed.onnx"), device="cpu").dimension == 128
    with pytest.raises(InputError, match="has no convolutions"):
        export_onnx("default", tmp_path / "small.onnx", int8=True)


@pytest.mark.slow
def test_the_network_at_the_paper_s_size_is_exported(tmp_path: Path) -> None:
    """What ships in parts is one file of ONNX, with the terms of its data."""
    report = export_onnx("mot16", tmp_path / "mot16.onnx")
    assert report.smallest_cosine > 0.9999
    assert report.difference < 1e-4
    described = OnnxDescriptor(tmp_path / "mot16.onnx", "cpu")(CROPS[2], [[0, 0, 64, 64]])
    assert described.shape == (1, 128) and np.isfinite(described).all()
    assert "non-commercial" in metadata(tmp_path / "mot16.onnx")["licence"]
