"""Images of a pendulum: a one-dimensional manifold, a closed curve, whose metric is known.

Each 16x16 image shows a rod from the centre to a bob, both blurred, so that the image is a smooth function of the
angle. The noise-free images trace a closed curve in observation space; two latents are enough to hold it as a ring.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from embedding.data.dataset import ArrayDataSet

if TYPE_CHECKING:
    from embedding.config import DataConfig

SIDE = 16  # pixels
COUNT = 15_000  # images, as in the paper's section 4.1
ROD_LENGTH = 5.0  # pixels, pivot to the centre of the bob
ROD_BLUR = 0.8  # pixels, standard deviation across the rod
BOB_BLUR = 1.5  # pixels, standard deviation of the bob
ROD_BRIGHTNESS = 0.6  # of the bob's


def render_pendulum(angles: np.ndarray) -> np.ndarray:
    """Noise-free images of a pendulum.

    Args:
        angles: [N] degrees from hanging straight down, counter-clockwise as seen.

    Returns:
        [N, 16, 16] float32 in [0, 1]; row 0 is the top.
    """
    angle = np.deg2rad(np.asarray(angles, dtype=np.float64))
    direction = np.stack([np.sin(angle), np.cos(angle)], axis=-1)[:, None, None, :]  # x to the right, y down
    axis = np.arange(SIDE) - (SIDE - 1) / 2
    pixel = np.stack(np.meshgrid(axis, axis), axis=-1)[None]  # [1, row, column, (x, y)]
    along = np.clip((pixel * direction).sum(-1), 0, ROD_LENGTH)[..., None]
    rod = _blob(pixel - along * direction, ROD_BLUR)
    bob = _blob(pixel - ROD_LENGTH * direction, BOB_BLUR)
    return (1 - (1 - ROD_BRIGHTNESS * rod) * (1 - bob)).astype(np.float32)


def _blob(offset: np.ndarray, blur: float) -> np.ndarray:
    """Gaussian brightness of pixels at an offset [..., 2] from the thing drawn."""
    return np.exp(-(offset**2).sum(-1) / (2 * blur**2))


def load_pendulum(config: DataConfig) -> ArrayDataSet:
    """Pendulums at uniform angles in [0, 360) degrees with additive Gaussian noise; the same for the same seed.

    `scale: standardised` subtracts the data's mean and divides by its standard deviation, one of each for all pixels.
    """
    random = np.random.default_rng(config.seed)
    angles = random.uniform(0, 360, config.count or COUNT)
    clean = render_pendulum(angles)
    noisy = clean + random.normal(0, config.noise, clean.shape).astype(np.float32)
    mean, std = (noisy.mean(), noisy.std()) if config.scale == "standardised" else (0.0, 1.0)
    return ArrayDataSet(
        values=torch.from_numpy((noisy - mean) / std).float(),
        clean=torch.from_numpy((clean - mean) / std).float(),
        angles=angles,
        about={"kind": "pendulum", "noise": config.noise, "seed": config.seed, "mean": float(mean), "std": float(std)},
    )
