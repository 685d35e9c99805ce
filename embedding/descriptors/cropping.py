"""How a box becomes a crop: one rule for training, description and every adapter.

A descriptor compares what it sees now with what it was trained on, so both must be cut in the same way.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

SIDE = 64  # pixels, width and height of the crops that the networks see

Aspect = Literal["stretch", "pad"]


def cut_crops(
    image: NDArray[np.uint8], boxes: ArrayLike, width: int = SIDE, height: int = SIDE, aspect: Aspect = "stretch"
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Cut boxes out of an image and bring them to one size.

    A box is rounded outward to whole pixels and what lies outside the image is cut off. The rest is halved while it is
    at least twice as large as a crop, then resampled by averaging over areas where it shrinks in both directions,
    bilinearly otherwise. Halving is the same averaging over 2 x 2 pixels, but for rounding and for a few pixels at the
    borders, so that sides can be halved; it is four times faster where people are 500 pixels tall.

    Args:
        image: BGR uint8 [H, W, 3].
        boxes: [N, 4] corners (left, top, right, bottom) in pixels.
        width, height: of a crop, pixels.
        aspect: `stretch` fills the crop with the box; `pad` keeps the box's proportions, in the middle of a crop that
            is black elsewhere.

    Returns:
        Crops uint8 [M, height, width, 3] of the boxes that meet the image, in their order, and which [N] do.
    """
    corners = np.asarray(boxes, np.float64).reshape(-1, 4)
    image_height, image_width = image.shape[:2]
    outward = np.concatenate((np.floor(corners[:, :2]), np.ceil(corners[:, 2:])), axis=1)
    clipped = np.clip(outward, 0, [image_width, image_height, image_width, image_height])
    inside = (clipped[:, 2:] > clipped[:, :2]).all(axis=1)
    crops = np.zeros((np.count_nonzero(inside), height, width, 3), np.uint8)
    for crop, (left, top, right, bottom) in zip(crops, clipped[inside].astype(np.int64).tolist(), strict=True):
        region = image[top:bottom, left:right]
        _resample(region, crop if aspect == "stretch" else _middle(crop, right - left, bottom - top))
    return crops, inside


def _middle(crop: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    """The largest part of a crop, in its middle, with the proportions of `width` to `height`."""
    crop_height, crop_width = crop.shape[:2]
    scale = min(crop_width / width, crop_height / height)
    inner_width, inner_height = max(1, round(width * scale)), max(1, round(height * scale))
    left, top = (crop_width - inner_width) // 2, (crop_height - inner_height) // 2
    return crop[top : top + inner_height, left : left + inner_width]


def _middle_of_multiple(region: NDArray[np.uint8], factor: int) -> NDArray[np.uint8]:
    """The largest part, in the middle, whose sides are multiples of the factor."""
    rows, columns = (side // factor * factor for side in region.shape[:2])
    top, left = (region.shape[0] - rows) // 2, (region.shape[1] - columns) // 2
    return region[top : top + rows, left : left + columns]


def _resample(region: NDArray[np.uint8], target: NDArray[np.uint8]) -> None:
    """Fill the target, in place, with the region."""
    import cv2

    height, width = target.shape[:2]
    halvings = max(0, min(region.shape[0] // height, region.shape[1] // width).bit_length() - 1)
    region = _middle_of_multiple(region, 1 << halvings)
    for _ in range(halvings):
        half = region.shape[1] // 2, region.shape[0] // 2
        region = np.asarray(cv2.resize(region, half, interpolation=cv2.INTER_AREA), np.uint8)
    shrinks = region.shape[0] >= height and region.shape[1] >= width
    cv2.resize(region, (width, height), dst=target, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
