"""The descriptor for a user without weights: where on a person is which colour.

A histogram of colours in horizontal stripes, compared by Bhattacharyya's coefficient: the features' dot product, as
they hold the square roots of the frequencies (Hellinger embedding). It needs no training and no torch.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from embedding.descriptors.cropping import cut_crops

CROP_WIDTH, CROP_HEIGHT = 32, 64  # pixels; twice that gained 0.006 and 0.004 mAP at four times the work


class ColourHistogram:
    """Striped colour histogram of image regions: `describe(image, boxes)`.

    A box is stretched to 32 x 64 pixels (see `cropping`). Each of `stripes` horizontal stripes has `bins` ** 3
    bins over blue, green and red. A pixel counts by a Gaussian of its horizontal distance to the box's middle, as what
    is near the edges is background.

    On ground-truth crops of MOT16-09 (visibility at least 0.3, every fifth frame, 707 queries, neighbours at least 30
    frames apart) the weighting takes rank-1 from 0.781 to 0.904 and mAP from 0.566 to 0.721; on MOT16-11 (every eighth
    frame, 814 queries), which had no part in choosing `spread`, from 0.912 to 0.937 and from 0.691 to 0.767.

    Args:
        stripes: horizontal stripes of equal height.
        bins: bins a colour channel.
        spread: standard deviation of the Gaussian in half box widths; `inf` counts every pixel alike.

    Attributes:
        dimension: length of a feature, `stripes * bins ** 3`.
        name: the name of this descriptor, for caches.
    """

    def __init__(self, stripes: int = 4, bins: int = 8, spread: float = 0.35) -> None:
        if stripes < 1 or not 1 <= bins <= 256 or not spread > 0:
            raise ValueError(f"expected stripes >= 1, 1 <= bins <= 256, spread > 0; found {stripes}, {bins}, {spread}")
        self.bins = bins
        self.dimension = stripes * bins**3
        self.name = f"colour-{stripes}x{bins}x{spread:g}-area"  # by its resampling: cached features of another differ
        self._first_bin = (np.arange(CROP_HEIGHT) * stripes // CROP_HEIGHT * bins**3)[:, None]
        across = (np.arange(CROP_WIDTH) + 0.5) / CROP_WIDTH * 2 - 1
        self._weight = np.tile(np.exp(-0.5 * (across / spread) ** 2), CROP_HEIGHT)

    def __call__(self, image: NDArray[np.uint8], boxes: ArrayLike) -> NDArray[np.float32]:
        """Features [N, dimension] of unit norm, none negative.

        Args:
            image: BGR uint8 [H, W, 3].
            boxes: [N, 4] corners in pixels; what lies outside the image is cut off. A box wholly outside it gets the
                feature of a uniform histogram.
        """
        corners = np.asarray(boxes, np.float64).reshape(-1, 4)
        crops, inside = cut_crops(image, corners, CROP_WIDTH, CROP_HEIGHT)
        bin_of_channel = crops.astype(np.int32) * self.bins // 256
        blue, green, red = np.moveaxis(bin_of_channel, -1, 0)
        bin_of_pixel = (blue * self.bins + green) * self.bins + red + self._first_bin
        bin_of_pixel += (np.arange(len(crops)) * self.dimension)[:, None, None]
        histograms = np.bincount(bin_of_pixel.ravel(), np.tile(self._weight, len(crops)), len(crops) * self.dimension)
        features = np.full((len(corners), self.dimension), self.dimension**-0.5, np.float32)
        features[inside] = np.sqrt(histograms.reshape(-1, self.dimension) / self._weight.sum())
        return features
