"""Changes to the images an encoder sees, so that it learns to see past them. All at once, from given random numbers."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from embedding.config import AugmentationConfig

NUMBERS = 16  # random numbers an image takes
ERASED = (0.2, 0.6)  # smallest and largest side of a hidden rectangle, in sides of the image


def augment(images: Tensor, numbers: Tensor, config: AugmentationConfig) -> Tensor:
    """Images moved, mirrored, lit and partly hidden.

    Args:
        images: [B, C, H, W], scaled around 0 (hidden parts become a random grey near it).
        numbers: [B, NUMBERS], uniform on [0, 1); equal numbers give equal changes.
        config: how much of each; what is 0 leaves the images as they are.
    """
    place, light, rectangle = numbers.split((5, 5, 6), dim=1)
    if config.flip or config.shift:
        images = _move(images, place, config)
    if config.brightness or config.colour:
        images = _light(images, light, config)
    return _hide(images, rectangle, config.erase) if config.erase else images


def _around_zero(numbers: Tensor, reach: float) -> Tensor:
    """Uniform on [0, 1) -> uniform on [-reach, reach)."""
    return (2 * numbers - 1) * reach


def _move(images: Tensor, numbers: Tensor, config: AugmentationConfig) -> Tensor:
    """Mirror, resize and shift; what comes in from outside repeats the edge."""
    mirrored = torch.where(numbers[:, 4] < 0.5, -1.0, 1.0) if config.flip else torch.ones_like(numbers[:, 4])
    moves = _around_zero(numbers[:, :4], config.shift)
    transform = torch.zeros(len(images), 2, 3, device=images.device)
    transform[:, 0, 0] = mirrored * (1 + moves[:, 0])
    transform[:, 1, 1] = 1 + moves[:, 1]
    transform[:, :, 2] = moves[:, 2:]
    grid = functional.affine_grid(transform, list(images.shape), align_corners=False)
    return functional.grid_sample(images, grid, padding_mode="border", align_corners=False)


def _light(images: Tensor, numbers: Tensor, config: AugmentationConfig) -> Tensor:
    """Contrast and brightness of the image, and the strength of each of up to three colours."""
    contrast, brightness = _around_zero(numbers[:, :2], config.brightness)[:, :, None, None, None].unbind(1)
    colours = 1 + _around_zero(numbers[:, 2 : 2 + images.shape[1]], config.colour)[:, :, None, None]
    return (images * (1 + contrast) + brightness) * colours


def _hide(images: Tensor, numbers: Tensor, share: float) -> Tensor:
    """Cover a rectangle with one grey, in a share of the images: people are hidden by others."""
    size = ERASED[0] + (ERASED[1] - ERASED[0]) * numbers[:, 1:3]  # height and width
    start = numbers[:, 3:5] * (1 - size)

    def inside(length: int, axis: int) -> Tensor:
        at = (torch.arange(length, device=images.device) + 0.5) / length
        return (at >= start[:, axis, None]) & (at < (start + size)[:, axis, None])

    covered = inside(images.shape[2], 0)[:, :, None] & inside(images.shape[3], 1)[:, None, :]
    covered &= (numbers[:, 0] < share)[:, None, None]
    return torch.where(covered[:, None], _around_zero(numbers[:, 5], 1.0)[:, None, None, None], images)
