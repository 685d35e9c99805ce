"""A trained model as a descriptor: what its encoder makes of a crop."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.utils import fuse_conv_bn_eval

from embedding.descriptors.base import CropDescriptor
from embedding.distributed import choose_device
from embedding.errors import InputError
from embedding.files import digest
from embedding.vae.model import FlatVAE
from embedding.vae.networks import VGG16Encoder
from embedding.vae.weights import load_model, read_record, weight_files, weights_path

LARGEST_BATCH = 128  # crops
CPU_BATCH = 32  # 1.4 to 1.8 times as many crops a second as 128 (mot16-lite, one and two threads)


@dataclass(frozen=True)
class Stages:
    """What lies between a crop's bytes and its features: x = (bytes / 255 - mean) / std, then W (m(x) - m0).

    Attributes:
        mean, std: [3, 1, 1], blue, green, red, of colours in [0, 1].
        encoder: x [B, 3, height, width] -> (m(x), standard deviation), each [B, n], ready for inference.
        offset: m0 [n].
        matrix: W [n, n].
    """

    mean: Tensor
    std: Tensor
    encoder: nn.Module
    offset: Tensor
    matrix: Tensor


class LatentDescriptor(CropDescriptor):
    """The posterior mean m(x), minus the training data's, whitened: W (m(x) - m0), D = n.

    A crop goes through the arithmetic of training (`embedding.data.crops`): its bytes over 255, minus the mean and
    over the standard deviation of each colour that the record beside the weights states. The same crops give the same
    features, up to the last digits if they come in other batches. Of the model only the encoder is kept, with its
    batch normalisation folded into the convolutions.

    Args:
        path: NAME.safetensors with NAME.json beside it, whole or in parts, or a run's folder.
        device: `auto`, `cpu`, `cuda` or `mps`.
        whiten: False leaves out W.
        centre: False leaves out m0.

    Attributes:
        name: of the file, with a digest of its content, for caches; options that are off are in it too.
        dimension: n.
        width, height: of the crops, pixels.
        scale: c, the length in observation space of a unit step in latent space. Distances of features that are not
            whitened, times c, are in units of the observations.

    Raises:
        InputError: files missing or broken, a model of anything but crops of three colours, no such device.
    """

    def __init__(self, path: str | Path, device: str = "auto", whiten: bool = True, centre: bool = True) -> None:
        weights = weights_path(path)
        record = read_record(weights)
        mean, std = colour_scale(weights, record)
        model = load_model(weights)
        _, self.height, self.width = model.shape
        self.dimension = model.latent_dim
        self.scale = float(model.latent_scale)
        self.name = f"{weights.stem}-{digest(mean.numpy(), std.numpy(), weight_files(weights, record))}"
        self.name += ("" if whiten else "-unwhitened") + ("" if centre else "-uncentred")
        self._device = choose_device(device)
        self._encoder = for_inference(model.encoder).to(self._device)
        self._mean, self._std = (values.view(3, 1, 1).to(self._device) for values in (mean, std))
        offset, matrix = _map_to_features(model, whiten, centre)
        self._offset, self._matrix = offset.to(self._device), matrix.to(self._device)

    @torch.inference_mode()
    def describe_crops(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        """BGR crops uint8 [N, height, width, 3], which may be memory-mapped -> float32 [N, n].

        Raises:
            ValueError: crops of another shape or type.
        """
        self.require_crops(crops)
        features = np.empty((len(crops), self.dimension), np.float32)
        size = CPU_BATCH if self._device.type == "cpu" else LARGEST_BATCH
        with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False):
            for first in range(0, len(crops), size):
                rows = slice(first, first + size)
                features[rows] = self._describe(torch.from_numpy(np.array(crops[rows]))).cpu().numpy()
        return features

    @property
    def stages(self) -> Stages:
        """The descriptor's parts, for who runs them elsewhere."""
        return Stages(self._mean, self._std, self._encoder, self._offset, self._matrix)

    def _describe(self, crops: Tensor) -> Tensor:
        """uint8 [B, height, width, 3] -> float32 [B, n] on the device."""
        values = crops.to(self._device).permute(0, 3, 1, 2).float() / 255
        latent, _ = self._encoder((values - self._mean) / self._std)
        features: Tensor = (latent - self._offset) @ self._matrix.T
        return features


def for_inference(encoder: nn.Module) -> nn.Module:
    """The encoder, frozen and changed in place, with fewer passes over memory and to rounding the same output.

    A batch normalisation at rest is a scale and a shift of each channel, which its convolution can apply itself; a ReLU
    in place needs no memory of its own. 1.1 times as many crops a second (`python -m tools.benchmark embedding`).
    """
    if isinstance(encoder, VGG16Encoder):
        layers: list[nn.Module] = []
        for layer in encoder.body.eval():
            if isinstance(layer, nn.BatchNorm2d):
                convolution = layers.pop()
                assert isinstance(convolution, nn.Conv2d)
                layers.append(fuse_conv_bn_eval(convolution, layer))
            else:
                layers.append(nn.ReLU(inplace=True) if isinstance(layer, nn.ReLU) else layer)
        encoder.body = nn.Sequential(*layers)
    return encoder.eval().requires_grad_(False)


def colour_scale(weights: Path, record: dict[str, Any]) -> tuple[Tensor, Tensor]:
    """Each colour's mean and divisor [3], in units of 0 to 1, as `CropDataSet.describe` recorded them."""
    data, where = record.get("data"), weights.with_suffix(".json")
    if not isinstance(data, dict) or data.get("kind") != "crops" or len(record["shape"]) != 3:
        kind = data.get("kind") if isinstance(data, dict) else None
        raise InputError(f"{where}: a model of {kind or 'unrecorded data'}, a descriptor must be trained on crops")
    try:
        mean, std = (torch.tensor([float(value) for value in data[key]]) for key in ("mean", "std"))
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{where}: data: expected mean and std of three colours ({error})") from error
    finite = bool(mean.isfinite().all() and std.isfinite().all())
    if record["shape"][0] != 3 or len(mean) != 3 or len(std) != 3 or not finite or float(std.min()) <= 0:
        raise InputError(f"{where}: data: found mean {data['mean']} and std {data['std']}, expected three colours'")
    return mean, std


def _map_to_features(model: FlatVAE, whiten: bool, centre: bool) -> tuple[Tensor, Tensor]:
    """m0 [n] and W [n, n], or what leaves the latent as it is."""
    offset = model.latent_mean if centre else torch.zeros_like(model.latent_mean)
    matrix = model.latent_whitening if whiten else torch.eye(model.latent_dim)
    return offset, matrix
