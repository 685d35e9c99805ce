"""A descriptor without a network: the statistics of a crop, and a map to 128 numbers that tracklets teach.

The map is closed-form, linear but for two lengths. Of each statistic: its principal directions, whitened by the
covariance within tracklets (`descriptors.whitening`), the principal directions of that, unit length; of both together,
the principal directions again. It needs no labels, and what ships was fitted on rendered people (`tools.statistics`):
no camera, and nobody's footage, has a part in it.
"""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from embedding.descriptors import compiled
from embedding.descriptors.base import CropDescriptor
from embedding.descriptors.cropping import SIDE
from embedding.descriptors.statistics import ColourWords, StripeGaussians, prepared
from embedding.descriptors.whitening import Whitening, fit_whitening
from embedding.errors import InputError
from embedding.files import atomic_path, digest

FloatArray = NDArray[np.float32]

DIMENSION = 128
KEPT = 256  # principal directions of a statistic that are whitened
BATCH = 64  # crops, which the cache of a core holds
ONE_THREAD = 2**18  # multiply-adds; NumPy's BLAS spreads larger products over all cores, where idle threads then spin
PARTS = ("words", "gaussians")
EXPECTED = "expected a closed-form descriptor, as `python -m tools.statistics` and `flatsort adapt` write it"


@dataclass(frozen=True)
class Affine:
    """x [N, D] -> x matrix + offset [N, K].

    Attributes:
        matrix: [D, K].
        offset: [K].
    """

    matrix: FloatArray
    offset: FloatArray

    def __call__(self, rows: NDArray[np.floating]) -> FloatArray:
        rows = np.asarray(rows, np.float32)
        mapped = np.empty((len(rows), len(self.offset)), np.float32)
        step = max(1, (ONE_THREAD - 1) // self.matrix.size)
        for first in range(0, len(rows), step):
            np.matmul(rows[first : first + step], self.matrix, out=mapped[first : first + step])
        return mapped + self.offset


@dataclass(frozen=True)
class ClosedFormMap:
    """From the statistics of crops to features.

    Attributes:
        parts: of each statistic [N, D] -> [N, K], before it is brought to unit length.
        joint: of all of them, joined [N, sum of K] -> [N, 128].
    """

    parts: tuple[Affine, ...]
    joint: Affine

    def __call__(self, statistics: Sequence[NDArray[np.floating]]) -> FloatArray:
        """Statistics, [N, D] each -> features [N, 128]."""
        joined = [_unit(part(rows)) for part, rows in zip(self.parts, statistics, strict=True)]
        return self.joint(np.concatenate(joined, axis=1))

    def whitened(self, whitening: Whitening) -> ClosedFormMap:
        """The same map with a whitening of its features behind it."""
        matrix = self.joint.matrix @ whitening.matrix.T
        offset = (self.joint.offset - whitening.mean) @ whitening.matrix.T
        return replace(self, joint=Affine(matrix.astype(np.float32), offset.astype(np.float32)))


def fit_map(statistics: Sequence[NDArray[np.floating]], tracklets: ArrayLike) -> ClosedFormMap:
    """Fit the map to crops of which is known which are of one person, not who it is.

    Args:
        statistics: [N, D] each.
        tracklets: integers [N], equal for crops of one person.

    Raises:
        InputError: no tracklet has two crops, or all crops are alike.
    """
    parts, joined = [], []
    for statistic in statistics:
        rows = np.asarray(statistic, np.float64)
        mean, directions = _principal(rows, KEPT)
        whitening = fit_whitening((rows - mean) @ directions, tracklets)
        whitened = ((rows - mean) @ directions - whitening.mean) @ whitening.matrix.T
        middle, again = _principal(whitened, DIMENSION)
        matrix = directions @ whitening.matrix.T @ again
        offset = -(mean @ directions + whitening.mean) @ whitening.matrix.T @ again - middle @ again
        parts.append(Affine(matrix.astype(np.float32), offset.astype(np.float32)))
        joined.append(_unit((whitened - middle) @ again))
    rows = np.concatenate(joined, axis=1)
    mean, directions = _principal(rows, DIMENSION)
    return ClosedFormMap(tuple(parts), Affine(directions.astype(np.float32), (-mean @ directions).astype(np.float32)))


class CropStatistics:
    """Both statistics of crops.

    Args:
        words: as `ColourWords` takes them.
    """

    def __init__(self, words: FloatArray) -> None:
        self.words, self.gaussians = ColourWords(words), StripeGaussians()

    def __call__(self, crops: NDArray[np.uint8]) -> list[FloatArray]:
        """BGR crops uint8 [N, 64, 64, 3] -> [N, D] of each."""
        if compiled.is_used():
            return compiled.statistics(crops, self.words, self.gaussians)
        batches = [prepared(np.asarray(crops[first : first + BATCH])) for first in range(0, len(crops), BATCH)]
        return [
            np.concatenate([np.zeros((0, statistic.dimension), np.float32), *map(statistic, batches)])
            for statistic in (self.words, self.gaussians)
        ]


class ClosedForm(CropDescriptor):
    """Colour words and Gaussians in stripes, mapped to 128 numbers; runs without torch.

    Args:
        words: [W, 3] colours of the words, see `ColourWords`.
        map: to features.
        name: for caches.
        record: what the file says of its origin.
    """

    width = height = SIDE
    dimension = DIMENSION

    def __init__(self, words: FloatArray, map: ClosedFormMap, name: str, record: dict[str, Any]) -> None:
        self.words = words
        self.map = map
        self.name = f"{name}-{digest(*_columns(words, map).values())}"
        self.record = record
        self.statistics = CropStatistics(words)

    def describe_crops(self, crops: NDArray[np.uint8]) -> FloatArray:
        """BGR crops uint8 [N, 64, 64, 3] -> float32 [N, 128]."""
        self.require_crops(crops)
        return self.map(self.statistics(crops))

    def save(self, path: str | Path) -> None:
        """Write FILE.npz; it is whole or not there at all."""
        with atomic_path(Path(path)) as temporary, temporary.open("wb") as file:
            columns: dict[str, Any] = {"record": json.dumps(self.record), **_columns(self.words, self.map)}
            np.savez_compressed(file, **columns)

    @classmethod
    def load(cls, path: str | Path) -> ClosedForm:
        """Read what `save` wrote.

        Raises:
            InputError: the file is absent, damaged or holds something else.
        """
        try:
            with np.load(path, allow_pickle=False) as file:
                columns = {name: np.asarray(file[name]) for name in file.files}
            record = json.loads(str(columns.pop("record")))
            words = _numbers(columns, "colours", (None, 3))
            parts = [
                _affine(columns, name, size)
                for name, size in zip(PARTS, (ColourWords.size(len(words)), StripeGaussians.size()), strict=True)
            ]
            joint = _affine(columns, "joint", sum(len(part.offset) for part in parts))
        except (OSError, ValueError, LookupError, TypeError, EOFError, zlib.error, zipfile.BadZipFile) as error:
            reason = str(error).splitlines()[0][:80] if str(error) else type(error).__name__
            raise InputError(f"{path}: cannot be read ({reason}), {EXPECTED}") from error
        if len(joint.offset) != DIMENSION or not isinstance(record, dict):
            raise InputError(f"{path}: gives {len(joint.offset)} numbers, {EXPECTED}")
        return cls(words, ClosedFormMap(tuple(parts), joint), Path(path).stem, record)


def _columns(words: FloatArray, map: ClosedFormMap) -> dict[str, FloatArray]:
    """The arrays of a file."""
    columns = {"colours": words}
    for name, affine in zip((*PARTS, "joint"), (*map.parts, map.joint), strict=True):
        columns |= {f"{name}_matrix": affine.matrix, f"{name}_offset": affine.offset}
    return columns


def _affine(columns: dict[str, NDArray[Any]], name: str, size: int) -> Affine:
    matrix = _numbers(columns, f"{name}_matrix", (size, None))
    return Affine(matrix, _numbers(columns, f"{name}_offset", (matrix.shape[1],)))


def _numbers(columns: dict[str, NDArray[Any]], name: str, shape: tuple[int | None, ...]) -> FloatArray:
    """A column of finite numbers of that shape, None for any length; ValueError for others."""
    found = columns[name]
    fits = found.ndim == len(shape) and all(b in (None, a) for a, b in zip(found.shape, shape, strict=True))
    if not fits or found.dtype.kind != "f" or not np.isfinite(found).all():
        raise ValueError(f"{name}: found {found.dtype} {list(found.shape)}, or no numbers")
    return found.astype(np.float32)


def _principal(rows: NDArray[np.float64], count: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean [D] and the first principal directions [D, count] of rows [N, D]."""
    mean = rows.mean(axis=0)
    _, directions = np.linalg.eigh((rows - mean).T @ (rows - mean))
    return mean, directions[:, ::-1][:, :count]


def _unit(rows: NDArray[np.floating]) -> NDArray[np.floating]:
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
