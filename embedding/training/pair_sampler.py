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
        labels, label = np.unique(index.tracklet, return_inverse=True)
        moment = index.sequence.astype(np.int64) * (int(index.frame.max(initial=0)) + 1) + index.frame
        _, at = np.unique(moment, return_inverse=True)
        length = np.bincount(label)
        self._crops = _Groups(label, np.arange(len(index)))  # of a tracklet
        usable = np.flatnonzero(length[label] >= min_length)
        self._together = _Groups(at[usable], label[usable]).of_at_least_two()  # tracklets of a frame
        if not len(self._together.size):
            raise InputError(
                f"tracklets: no frame shows two people that are followed for {min_length} crops, "
                f"in {len(index)} crops of {len(labels)} tracklets"
            )
        self._seen = csr_matrix((np.ones(len(index), np.float32), (label, at)))  # [tracklets, frames]
        self._sequence = np.zeros(len(labels), np.int64)
        self._sequence[label] = index.sequence
        self._count = batch // 2
        self._share = max(2, self._count // frames)  # tracklets taken of one frame, at most

    def draw(self, random: np.random.Generator) -> tuple[Rows, Pairs]:
        """Rows [batch] of the index, the first half the partners of the second, and what is known of their pairs."""
        frames = random.integers(len(self._together.size), size=self._count)  # each gives two at least: enough
        labels = self._some_of(frames, random)[: self._count]
        count = self._crops.size[labels]
        one = random.integers(count)
        other = (one + 1 + random.integers(count - 1)) % count
        rows = np.concatenate([self._crops.member(labels, one), self._crops.member(labels, other)])
        return rows, self._pairs(np.tile(labels, 2))

    def _some_of(self, frames: Rows, random: np.random.Generator) -> Rows:
        """Of each frame its tracklets in a random order, `share` of them at most."""
        size = self._together.size[frames]
        turn = np.repeat(np.arange(len(frames)), size)
        place = np.arange(len(turn)) - np.repeat(np.cumsum(size) - size, size)  # 0, 1, ... within each frame
        people = self._together.member(np.repeat(frames, size), place)
        shuffled = np.lexsort((random.random(len(people)), turn))
        return people[shuffled][place < self._share]

    def _pairs(self, labels: Rows) -> Pairs:
        same = labels[:, None] == labels
        seen = self._seen[labels]
        together = (seen @ seen.T).toarray() > 0
        elsewhere = self._sequence[labels][:, None] != self._sequence[labels]
        different = (together | elsewhere) & ~same
        np.fill_diagonal(same, False)
        return Pairs(torch.from_numpy(same), torch.from_numpy(different))


class _Groups:
    """Values by key, in one array: those of the i-th smallest key are `size[i]`."""

    def __init__(self, keys: Rows, values: Rows) -> None:
        order = np.argsort(keys, kind="stable")
        _, self._start, self.size = np.unique(keys[order], return_index=True, return_counts=True)
        self._values = values[order]

    def of_at_least_two(self) -> _Groups:
        kept = self.size > 1
        self._start, self.size = self._start[kept], self.size[kept]
        return self

    def member(self, group: Rows, place: Rows) -> Rows:
        """The value at each place of each group."""
        return self._values[self._start[group] + place]
