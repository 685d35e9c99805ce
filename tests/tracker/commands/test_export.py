"""`tools.export`: what it prints, what it writes, and what it says of bad options."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from embedding import Descriptor
from embedding.config import parse_model
from embedding.vae.model import FlatVAE
from embedding.vae.weights import save_model
from tracker.commands.command_line import run_command
from tracker.commands.export import main

pytest.importorskip("onnx", reason="needs onnx: pip install 'flatsort[onnx]'")
pytest.importorskip("onnxruntime", reason="needs onnxruntime: pip install 'flatsort[onnx]'")


def run(*arguments: object) -> int | str | None:
    with pytest.raises(SystemExit) as ended:
        run_command(main, "export", [str(argument) for argument in arguments])
    return ended.value.code


def save_descriptor(path: Path) -> Path:
    torch.manual_seed(0)
    layers = {"widths": [4]}
    encoder = {"kind": "vgg16", "width": 0.05, "norm": "batch"}
    config = parse_model({"latent_dim": 4, "encoder": encoder, "decoder": layers, "prior": layers}, "test")
    data = {"kind": "crops", "mean": [0.5] * 3, "std": [0.25] * 3}
    save_model(FlatVAE(config, (3, 64, 64)), path, {"data": data})
    return path


def test_what_is_written_describes_boxes_as_the_descriptor_does(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = save_descriptor(tmp_path / "model.safetensors")
    assert not run("--descriptor", weights, "--out", tmp_path / "model.onnx")
    said = capsys.readouterr().out
    assert f"{tmp_path / 'model.onnx'}: 0." in said
    assert "72 made-up crops: largest difference" in said
    image = np.random.default_rng(0).integers(0, 256, (120, 160, 3), dtype=np.uint8)
    boxes = np.array([[10.0, 20, 50, 100], [500, 500, 600, 700], [60, 10, 100, 90]])
    expected, found = (
        Descriptor.load(str(tmp_path / f"model.{kind}"))(image, boxes) for kind in ("safetensors", "onnx")
    )
    np.testing.assert_allclose(found, expected, atol=1e-5 * float(np.abs(expected).max()))


def test_eight_bits_are_calibrated_on_a_pack(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    weights = save_descriptor(tmp_path / "model.safetensors")
    np.save(tmp_path / "pack.npy", np.random.default_rng(0).integers(0, 256, (50, 64, 64, 3), dtype=np.uint8))
    options = ("--input", "crops", "--int8", "--calibrate", tmp_path / "pack.npy")
    assert not run("--descriptor", weights, "--out", tmp_path / "model.onnx", *options)
    assert "25 crops of the pack" in capsys.readouterr().out  # every other one; the rest were calibrated on


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--descriptor", "colour"), "descriptor 'colour': not a model trained here"),
        (("--input", "rgb"), "input 'rgb': expected imagenet or crops"),
        (("--opset", "9"), "opset 9: expected one from 16"),
    ],
)
def test_bad_options_end_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: tuple[str, ...], said: str
) -> None:
    weights = save_descriptor(tmp_path / "model.safetensors")
    assert run("--out", tmp_path / "model.onnx", "--descriptor", weights, *options) == 2
    message = capsys.readouterr().err
    assert said in message
    assert message.count("\n") == 1
    assert not (tmp_path / "model.onnx").exists()
