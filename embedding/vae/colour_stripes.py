"""Where on a person is which colour, as a linear part of an encoder's mean."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

SPREAD = 0.35  # of a pixel's weight about the middle, in half widths: near the edges is background
SAMPLE = 2048  # images that the principal components are taken from


class ColourStripes(nn.Module):
    """A histogram of colours in horizontal stripes, square roots of its frequencies, mapped linearly to the latents.

    A network that is trained on a few hundred people learns their colours by heart; a histogram has nothing to learn,
    and its map starts at the principal components of the data. It is `descriptors.colour` as a layer: the dot product
    of two histograms is Bhattacharyya's coefficient.

    Args:
        height, width: of the images, pixels.
        outputs: n.
        stripes: of equal height.
        bins: a colour, over [0, 1].
    """

    scale: Tensor  # [2, 3, 1, 1], mean and divisor that made the images of colours in [0, 1]
    weight_of_pixel: Tensor  # [H * W], sums to 1
    first_bin: Tensor  # [H * W], of the pixel's stripe
    centre: Tensor  # [D], the histogram that is mapped to 0

    def __init__(self, height: int, width: int, outputs: int, stripes: int, bins: int) -> None:
        super().__init__()
        self.bins = bins
        self.dimension = stripes * bins**3
        across = (torch.arange(width) + 0.5) / width * 2 - 1
        weight = torch.exp(-0.5 * (across / SPREAD) ** 2).repeat(height)
        stripe = torch.arange(height) * stripes // height
        self.register_buffer("scale", torch.tensor([0.0, 1.0])[:, None, None, None].repeat(1, 3, 1, 1))
        self.register_buffer("weight_of_pixel", weight / weight.sum(), persistent=False)
        self.register_buffer("first_bin", (stripe * bins**3).repeat_interleave(width), persistent=False)
        self.register_buffer("centre", torch.zeros(self.dimension))
        self.map = nn.Linear(self.dimension, outputs, bias=False)

    def histogram(self, images: Tensor) -> Tensor:
        """Images [B, 3, H, W] -> [B, D] of unit length, not negative. No gradient: a bin is a bin."""
        with torch.no_grad(), torch.autocast(images.device.type, enabled=False):
            mean, std = self.scale
            colours = (images.float() * std + mean).clamp(0, math.nextafter(1, 0))
            first, second, third = (colours * self.bins).long().clamp_max(self.bins - 1).unbind(1)
            bin_of_pixel = ((first * self.bins + second) * self.bins + third).flatten(1) + self.first_bin
            frequencies = torch.zeros(len(images), self.dimension, device=images.device)
            frequencies.scatter_add_(1, bin_of_pixel, self.weight_of_pixel.expand(len(images), -1))
            return frequencies.sqrt()

    @torch.no_grad()
    def fit(self, images: Tensor, mean: Tensor, std: Tensor) -> None:
        """Start at the principal components of some images [M, 3, H, W], scaled so that a latent's variance is 1.

        Args:
            images: scaled as the encoder sees them, (colour - mean) / std.
            mean, std: [3], in units where colours are in [0, 1].
        """
        self.scale.copy_(torch.stack([mean, std])[:, :, None, None])
        histograms = self.histogram(images)
        self.centre.copy_(histograms.mean(0))
        _, spread, components = torch.linalg.svd(histograms - self.centre, full_matrices=False)
        count = min(len(components), self.map.out_features)  # fewer images than latents leave the rest at 0
        variance = spread[:count].square().sum() / len(images) / self.map.out_features
        self.map.weight.zero_()
        self.map.weight[:count] = components[:count] / variance.clamp_min(1e-12).sqrt()

    def forward(self, images: Tensor) -> Tensor:
        """Images [B, 3, H, W] -> [B, n]."""
        mapped: Tensor = self.map(self.histogram(images) - self.centre)
        return mapped
