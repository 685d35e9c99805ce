"""What a crop's colours and edges say in closed form: colour words, and Gaussians of colours and gradients, in stripes.

Two statistics of horizontal stripes, of a crop whose light is brought half way to grey:

* colour words (`ColourWords`): how often each of 64 colours is seen, softly assigned; what somebody wears.
* Gaussians (`StripeGaussians`): mean and covariance of height, colour and gradients, a point on the manifold of
  covariance matrices, brought to a flat space by the matrix logarithm (Matsukawa et al., CVPR 2016; Arsigny et al.,
  2006). They stand changes of light.

`compiled/statistics.cpp` computes the same, four times faster; what is here is its oracle, and runs where it is absent.
Neither has anything to learn. What is learnt is which of their directions tell people apart
(`descriptors.closed_form`).
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]

ROWS, COLUMNS = 64, 32  # pixels that a crop is averaged to
SPREAD = 0.35  # of a pixel's weight about the middle, in half widths: near the edges is background
GREY = 0.5  # how far a crop's light is brought to grey; 1 would take the clothes' colour for the light's
XYZ_OF_BGR = np.array(  # of linear light, over the white point
    [
        [0.180423 / 0.950456, 0.357580 / 0.950456, 0.412453 / 0.950456],
        [0.072169, 0.715160, 0.212671],
        [0.950227 / 1.088754, 0.119193 / 1.088754, 0.019334 / 1.088754],
    ],
    np.float32,
)
BANDS = 8  # of rows, of which a stripe has two; stripes overlap by half


def prepared(crops: NDArray[np.uint8]) -> FloatArray:
    """Crops uint8 [N, 64, 64, 3], blue, green, red -> float32 [N, 64, 32, 3] in 0 to 1, half way to grey.

    Each colour is multiplied by a power of the mean grey level over its own mean: von Kries' correction under the
    grey-world assumption (Buchsbaum, 1980), by half of its logarithm.
    """
    pairs = crops.reshape(len(crops), ROWS, COLUMNS, 2, 3)
    pixels = (pairs[..., 0, :].astype(np.float32) + pairs[..., 1, :]) / np.float32(510)
    means = np.maximum(pixels.mean(axis=(1, 2)), 1 / 255)
    gains = (means.mean(axis=1, keepdims=True) / means) ** GREY
    return np.minimum(pixels * gains[:, None, None], 1)


def weight_of_column() -> FloatArray:
    """[32], sums to 1."""
    across = (np.arange(COLUMNS) + 0.5) / COLUMNS * 2 - 1
    weight = np.exp(-0.5 * (across / SPREAD) ** 2)
    return (weight / weight.sum()).astype(np.float32)


def lab(pixels: FloatArray) -> FloatArray:
    """CIE L*a*b* under D65 of sRGB, float32 [..., 3] blue, green, red in 0 to 1: L in 0 to 100.

    By the formulas, which OpenCV's table meets to half a unit only: exported graphs and the compiled code use them too.
    """
    linear = np.where(pixels <= 0.04045, pixels / 12.92, ((pixels + 0.055) / 1.055) ** 2.4).astype(np.float32)
    xyz = np.minimum(linear @ XYZ_OF_BGR.T, 1)
    x, y, z = np.moveaxis(np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116), -1, 0)
    return np.stack((116 * y - 16, 500 * (x - y), 200 * (y - z)), axis=-1).astype(np.float32)


class ColourWords:
    """Soft histogram of colours in eight overlapping stripes, square roots of its frequencies: [N, 8 x words].

    A word is a colour in (0.6 L, a, b): brightness depends on the light more than hue does. A pixel counts for the
    `NEAREST` words, by a Gaussian of its distance to each.

    Args:
        words: [W, 3] in (0.6 L, a, b).
    """

    NEAREST = 4
    SIGMA = 8.0  # of the Gaussian, in units of L*a*b*
    BRIGHTNESS = 0.6
    LEVELS = 32  # a colour channel in the table of assignments

    def __init__(self, words: FloatArray) -> None:
        self.words = words
        self.dimension = self.size(len(words))
        self.nearest, self.share = _assignments(np.ascontiguousarray(words, np.float32).tobytes())
        middle = (np.arange(BANDS) + 0.5) * ROWS / BANDS
        triangle = 1 - np.abs(np.arange(ROWS) + 0.5 - middle[:, None]) * BANDS / ROWS / 2
        triangle = np.maximum(triangle, 0)
        self.stripes = (triangle / triangle.sum(axis=1, keepdims=True)).astype(np.float32)  # [BANDS, ROWS]
        self.columns = weight_of_column()

    @staticmethod
    def size(words: int) -> int:
        """D, of that many words."""
        return BANDS * words

    def __call__(self, pixels: FloatArray) -> FloatArray:
        """`prepared` crops [N, 64, 32, 3] -> [N, dimension] of unit length in each stripe."""
        count = len(pixels)
        level = (pixels * self.LEVELS).astype(np.int64).clip(0, self.LEVELS - 1)
        colour = ((level[..., 0] * self.LEVELS + level[..., 1]) * self.LEVELS + level[..., 2]).reshape(-1)
        row = np.repeat(np.arange(count * ROWS) * len(self.words), COLUMNS)
        weight = np.tile(self.columns, count * ROWS)
        word = self.nearest[colour] + row[:, None]
        counts = np.bincount(
            word.ravel(), (self.share[colour] * weight[:, None]).ravel(), count * ROWS * len(self.words)
        )
        of_row = counts.reshape(count, ROWS, len(self.words)).astype(np.float32)
        return np.sqrt(self.stripes @ of_row).reshape(count, self.dimension)


@lru_cache(4)  # a tenth of a second, which who loads a descriptor for each of many short videos pays once
def _assignments(words: bytes) -> tuple[NDArray[np.int32], FloatArray]:
    """The nearest words of each colour of a coarse cube, and their shares: [LEVELS ** 3, NEAREST] both.

    Args:
        words: [W, 3] in (0.6 L, a, b), the bytes of its float32.
    """
    levels, nearby = ColourWords.LEVELS, ColourWords.NEAREST
    level = ((np.arange(levels) + 0.5) / levels).astype(np.float32)
    cube = np.stack(np.meshgrid(level, level, level, indexing="ij"), axis=-1).reshape(-1, 3)
    colours = lab(cube) * np.array([ColourWords.BRIGHTNESS, 1, 1], np.float32)
    squares = ((colours[:, None] - np.frombuffer(words, np.float32).reshape(-1, 3)) ** 2).sum(axis=2)
    nearest = np.ascontiguousarray(np.argsort(squares, axis=1, kind="stable")[:, :nearby], np.int32)
    near = np.take_along_axis(squares, nearest, axis=1)
    share = np.exp(-(near - near[:, :1]) / (2 * ColourWords.SIGMA**2))
    share = np.ascontiguousarray(share / share.sum(axis=1, keepdims=True), np.float32)
    nearest.flags.writeable = share.flags.writeable = False  # several descriptors hold them
    return nearest, share


class StripeGaussians:
    """Gaussians of pixel features in seven overlapping stripes, on a flat space: [N, 7 x 55].

    A pixel's features are its height in the crop, L, a, b, saturation, size of the horizontal and of the vertical
    gradient of L, blue and red. A stripe's Gaussian of mean m and covariance S is the matrix [[S + m m', m], [m', 1]]
    over the tenth root of its determinant (Matsukawa et al., eq. 7), whose logarithm is symmetric with trace 0; what is
    off the diagonal counts by the root of 2, so that distances are those of matrices.
    """

    RIDGE = 3e-3  # on the diagonal
    FEATURES = 9
    DARKEST = 0.05  # value below which a pixel has no saturation to speak of

    def __init__(self) -> None:
        side = self.FEATURES + 1
        self.dimension = self.size()
        self._upper = np.triu_indices(side)
        self._scale = np.where(self._upper[0] == self._upper[1], 1, np.sqrt(2)).astype(np.float32)
        weight = np.tile(weight_of_column(), ROWS // BANDS) * BANDS / ROWS
        self.root = np.sqrt(weight).astype(np.float32)
        self.height = np.repeat((np.arange(ROWS, dtype=np.float32) / ROWS)[:, None], COLUMNS, axis=1)

    def __call__(self, pixels: FloatArray) -> FloatArray:
        """`prepared` crops [N, 64, 32, 3] -> [N, dimension]."""
        values, vectors = np.linalg.eigh(self.moments(pixels))
        logs = np.log(values)
        logs -= logs.mean(axis=-1, keepdims=True)
        logarithm = (vectors * logs[..., None, :]) @ np.swapaxes(vectors, -1, -2)
        upper = logarithm[..., self._upper[0], self._upper[1]] * self._scale
        return upper.reshape(len(pixels), self.dimension)

    @classmethod
    def size(cls) -> int:
        """D."""
        side = cls.FEATURES + 1
        return (BANDS - 1) * side * (side + 1) // 2

    def moments(self, pixels: FloatArray) -> FloatArray:
        """Matrices of second moments [N, 7, 10, 10] of the features and 1."""
        side = self.FEATURES + 1
        features = self.features(pixels).reshape(len(pixels), side, BANDS, -1)
        weighted = features.swapaxes(1, 2) * self.root
        bands = weighted @ weighted.swapaxes(-1, -2)
        return (bands[:, 1:] + bands[:, :-1]) / 2 + self.RIDGE * np.eye(side, dtype=np.float32)

    def features(self, pixels: FloatArray) -> FloatArray:
        """[N, 10, 64, 32], each from about 0 to 1; the last is 1."""
        blue, green, red = np.ascontiguousarray(pixels.transpose(3, 0, 1, 2))
        colours = lab(pixels)
        found = np.empty((len(pixels), self.FEATURES + 1, ROWS, COLUMNS), np.float32)
        found[:, 0] = self.height
        light = found[:, 1]
        np.divide(colours[..., 0], 100, out=light)
        np.divide(colours[..., 1], 50, out=found[:, 2])
        np.divide(colours[..., 2], 50, out=found[:, 3])
        largest = np.maximum(np.maximum(blue, green), red)
        smallest = np.minimum(np.minimum(blue, green), red)
        np.divide(largest - smallest, np.maximum(largest, self.DARKEST), out=found[:, 4])
        found[:, 5:7] = 0
        np.abs(light[:, :, 2:] - light[:, :, :-2], out=found[:, 5, :, 1:-1])
        np.abs(light[:, 2:] - light[:, :-2], out=found[:, 6, 1:-1])
        found[:, 7], found[:, 8], found[:, 9] = blue, red, 1
        return found
