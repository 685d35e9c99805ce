"""Batches for the contrastive term: two crops each of tracklets that were seen together."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from embedding.data.crop_pack import CropIndex
from embedding.errors import InputError
from embedding.training.contrast import Pairs

Rows = NDArray[np.int64]


class PairSampler:
    """Draws frames, from each some of its people, and of each two crops of her tracklet.

    People of one frame are the hardest pairs that are certain: same light, same camera, often side by side.

    Args:
        index: of the crops; only where and when each was seen, and its tracklet.
        batch: crops to draw, even.
        frames: frames they come from, at least.
        min_length: crops of a tracklet that takes part.

    Raises:
        InputError: no frame shows two such tracklets.
    """

    def __init__(self, index: CropIndex, batch: int, frames: int, min_length: int) -> None:
        labels, self._label = np.unique(index.tracklet, return_inverse=True)
        moment = index.sequence.astype(np.int64) * (int(index.frame.max(initial=0)) + 1) + index.frame
        _, at = np.unique(moment, return_inverse=True)
        length = np.bincount(self._label)
        self._crops_of = _groups(self._label, np.arange(len(index)))
        usable = np.flatnonzero(length[self._label] >= min_length)
        together = _groups(at[usable], self._label[usable])
        self._together = [people for people in together if len(np.unique(people)) > 1]
        if not self._together:
            raise InputError(
                f"tracklets: no frame shows two people that are followed for {min_length} crops, "
                f"in {len(index)} crops of {len(labels)} tracklets"
            )
        self._seen = csr_matrix((np.ones(len(index), np.float32), (self._label, at)))  # [tracklets, frames]
        self._sequence = np.zeros(len(labels), np.int64)
        self._sequence[self._label] = index.sequence
        self._count = batch // 2
        self._share = max(2, self._count // frames)  # tracklets taken of one frame, at most

    def draw(self, random: np.random.Generator) -> tuple[Rows, Pairs]:
        """Rows [batch] of the index, the first half the partners of the second, and what is known of their pairs."""
        people: list[NDArray[np.int64]] = []
        while sum(map(len, people)) < self._count:
            frame = self._together[random.integers(len(self._together))]
            people.append(random.permutation(frame)[: self._share])
        labels = np.concatenate(people)[: self._count]
        rows = np.array([random.choice(self._crops_of[label], 2, replace=False) for label in labels]).T.ravel()
        return rows, self._pairs(np.tile(labels, 2))

    def _pairs(self, labels: NDArray[np.int64]) -> Pairs:
        same = labels[:, None] == labels
        seen = self._seen[labels]
        together = (seen @ seen.T).toarray() > 0
        elsewhere = self._sequence[labels][:, None] != self._sequence[labels]
        different = (together | elsewhere) & ~same
        np.fill_diagonal(same, False)
        return Pairs(torch.from_numpy(same), torch.from_numpy(different))


def _groups(keys: NDArray[np.int64], values: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """The values of each key, by ascending key."""
    order = np.argsort(keys, kind="stable")
    return np.split(values[order], np.flatnonzero(np.diff(keys[order])) + 1)
