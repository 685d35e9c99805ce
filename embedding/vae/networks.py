"""Encoder and decoder families. No decoder has BatchNorm or Dropout: they couple samples and spoil the Jacobian.

All are plain modules under `torch.func`: no in-place activation and no memory-format change, which vmap refuses.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from embedding.config import DecoderConfig, EncoderConfig
from embedding.errors import InputError
from embedding.vae.colour_stripes import ColourStripes

SMALLEST_STD = 1e-4
ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
    "softplus": nn.Softplus,
}


def perceptron(inputs: int, widths: Sequence[int], activation: str) -> nn.Sequential:
    """Hidden layers of the given widths, each followed by the activation; the last width is the output's."""
    sizes = [inputs, *widths]
    layers: list[nn.Module] = []
    for before, after in pairwise(sizes):
        layers += [nn.Linear(before, after), ACTIVATIONS[activation]()]
    return nn.Sequential(*layers)


class GaussianHead(nn.Module):
    """Features [..., inputs] -> mean and standard deviation of a diagonal Gaussian, each [..., outputs].

    std = softplus(raw) + 1e-4: bounded away from 0, and without the overflow of an unbounded log-variance.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.mean = nn.Linear(inputs, outputs)
        self.raw_std = nn.Linear(inputs, outputs)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        with torch.autocast(features.device.type, enabled=False):  # log-densities divide by the std: keep its digits
            features = features.to(self.mean.weight.dtype)
            return self.mean(features), functional.softplus(self.raw_std(features)) + SMALLEST_STD


class GaussianPerceptron(nn.Module):
    """A conditional diagonal Gaussian N(mean(a), diag std(a)^2) computed by a perceptron from a [..., inputs]."""

    def __init__(self, inputs: int, widths: Sequence[int], outputs: int, activation: str) -> None:
        super().__init__()
        self.body = perceptron(inputs, widths, activation)
        self.head = GaussianHead(widths[-1] if widths else inputs, outputs)

    def forward(self, condition: Tensor) -> tuple[Tensor, Tensor]:
        mean, std = self.head(self.body(condition))
        return mean, std


class VGG16Encoder(nn.Module):
    """Images [B, C, H, W], sides multiples of 32 -> mean and std [B, outputs]; torchvision's VGG16 features.

    With `stripes` the mean is a sum of two: what the network sees, and a linear map of a colour histogram.
    """

    channel_mean: Tensor
    channel_std: Tensor

    def __init__(self, shape: Sequence[int], outputs: int, config: EncoderConfig) -> None:
        super().__init__()
        channels, height, breadth = _image(shape, 32)
        width, pretrained = config.width, config.pretrained
        if pretrained and (width != 1 or channels != 3 or config.norm != "none"):
            raise InputError("encoder.pretrained: ImageNet weights fit width 1, three channels and norm none only")
        vgg = _torchvision_vgg()
        plan = [layer if isinstance(layer, str) else max(1, round(width * layer)) for layer in vgg.cfgs["D"]]
        self.body = vgg.make_layers(plan, batch_norm=config.norm == "batch")
        if channels != 3:
            self.body[0] = nn.Conv2d(channels, int(plan[0]), 3, padding=1)
        _initialise(self.body)
        for module in self.body:
            if isinstance(module, nn.ReLU):
                module.inplace = False
        self.head = GaussianHead(int(plan[-2]) * (height // 32) * (breadth // 32), outputs)
        self.stripes: ColourStripes | None = None
        if config.stripes:
            if channels != 3:
                raise InputError(f"encoder.stripes: {channels} channels, a colour histogram needs three")
            self.stripes = ColourStripes(height, breadth, outputs, config.stripes, config.bins)
        mean, std = [0.0] * channels, [1.0] * channels
        if pretrained:
            self.body.load_state_dict(vgg.vgg16(weights="IMAGENET1K_V1").features.state_dict())
            mean, std = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]  # of ImageNet, for images in [0, 1]
        self.register_buffer("channel_mean", torch.tensor(mean).view(-1, 1, 1))
        self.register_buffer("channel_std", torch.tensor(std).view(-1, 1, 1))
        self.to(memory_format=torch.channels_last)  # half the time of a convolution on a CPU

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        scaled = (images - self.channel_mean) / self.channel_std
        features = self.body(scaled.contiguous(memory_format=torch.channels_last))
        mean, std = self.head(features.flatten(1))
        return (mean if self.stripes is None else mean + self.stripes(images)), std


class ConvolutionalDecoder(nn.Module):
    """Latents [B, n] -> images [B, C, H, W] by doublings of the side, sides multiples of 2^len(widths) (Table 3).

    Each doubling is a transposed convolution and a convolution of the same channels. Every layer is several times n
    wide, or the Jacobian loses rank and no flatness is possible.
    """

    def __init__(self, latent_dim: int, widths: Sequence[int], shape: Sequence[int], activation: str) -> None:
        super().__init__()
        channels, height, breadth = _image(shape, 2 ** len(widths))
        sizes = [2 * widths[0], *widths]
        self.start = (sizes[0], height >> len(widths), breadth >> len(widths))
        layers: list[nn.Module] = []
        for before, after in pairwise(sizes):
            layers += [nn.ConvTranspose2d(before, after, 4, stride=2, padding=1), ACTIVATIONS[activation]()]
            layers += [nn.Conv2d(after, after, 3, padding=1), ACTIVATIONS[activation]()]
        layers.append(nn.Conv2d(widths[-1], channels, 3, padding=1))
        first = nn.Linear(latent_dim, math.prod(self.start))
        nn.init.zeros_(first.bias)
        self.grow = nn.Sequential(first, nn.Unflatten(1, self.start), ACTIVATIONS[activation]())
        self.body = nn.Sequential(*layers)
        _initialise(self.body)
        _unit_variance([*self.grow, *self.body], torch.randn(16, latent_dim))

    def forward(self, z: Tensor) -> Tensor:
        images: Tensor = self.layers(z)
        return images

    @property
    def layers(self) -> nn.Sequential:
        return nn.Sequential(*self.grow, *self.body)


class PerceptronDecoder(nn.Module):
    """Latents [B, n] -> observations [B, *shape] by a perceptron with a linear last layer."""

    def __init__(self, latent_dim: int, widths: Sequence[int], shape: Sequence[int], activation: str) -> None:
        super().__init__()
        self.shape = tuple(shape)
        self.body = perceptron(latent_dim, widths, activation)
        self.last = nn.Linear(widths[-1] if widths else latent_dim, math.prod(shape))

    def forward(self, z: Tensor) -> Tensor:
        values: Tensor = self.layers(z)
        return values

    @property
    def layers(self) -> nn.Sequential:
        return nn.Sequential(*self.body, self.last, nn.Unflatten(-1, self.shape))


def build_encoder(config: EncoderConfig, shape: Sequence[int], latent_dim: int) -> nn.Module:
    """The module x [B, *shape] -> (mean, std), each [B, n]."""
    if config.kind == "vgg16":
        return VGG16Encoder(shape, latent_dim, config)
    flat = nn.Flatten(1)
    return nn.Sequential(flat, GaussianPerceptron(math.prod(shape), config.widths, latent_dim, config.activation))


def build_decoder(config: DecoderConfig, shape: Sequence[int], latent_dim: int) -> nn.Module:
    """The module z [B, n] -> [B, *shape]: means of a Gaussian likelihood, logits of a Bernoulli one."""
    kinds = {"mlp": PerceptronDecoder, "convolutional": ConvolutionalDecoder}
    return kinds[config.kind](latent_dim, config.widths, shape, config.activation)


def _initialise(layers: nn.Sequential) -> None:
    """He's initialisation, by the inputs an output sums: of a transposed convolution, kernel / stride squared."""
    for module in layers:
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            stride = math.prod(module.stride) if module.transposed else 1
            fan_in = module.in_channels * math.prod(module.kernel_size) / stride
            nn.init.normal_(module.weight, std=math.sqrt(2 / fan_in))
            module.bias = nn.Parameter(torch.zeros(module.out_channels))


@torch.no_grad()
def _unit_variance(layers: Iterable[nn.Module], signal: Tensor) -> None:
    """Scale each linear layer in turn so that its output's variance is 1 (Mishkin and Matas, ICLR 2016).

    He's rule knows neither SiLU nor the zeros around a 4 x 4 image: with it alone the Jacobian of eleven layers starts
    a hundred times too small, and a penalty on its spread holds it there.
    """
    for layer in layers:
        signal = layer(signal)
        if isinstance(layer, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
            layer.weight /= signal.std()
            signal = signal / signal.std()


def _torchvision_vgg() -> Any:
    """torchvision.models.vgg, imported on use: it takes seconds, and warns of its own use of torch.jit."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        from torchvision.models import vgg
    return vgg


def _image(shape: Sequence[int], multiple: int) -> tuple[int, int, int]:
    if len(shape) != 3 or shape[1] % multiple or shape[2] % multiple:
        raise InputError(
            f"observations of shape {tuple(shape)}: expected (channels, H, W), H and W multiples of {multiple}"
        )
    return shape[0], shape[1], shape[2]
