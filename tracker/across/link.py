"""Identities of several results, matched: `link_results` is what `flatsort link A B ...` does."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from embedding.progress import Progress, unseen
from tracker.across.looks import Gallery, learn
from tracker.across.matching import Matches, Possible, gate, match
from tracker.across.results import Looked, Result, look_at
from tracker.core.detections import IntArray
from tracker.errors import InputError
from tracker.files.motchallenge import write_table
from tracker.linking.pieces import Pieces

SEPARATION = 0.9  # area under the curve of looks, below which they do not say who is who
BETWEEN = 1_000_000  # frames between the numbers of two videos


@dataclass(frozen=True)
class Across:
    """What linking made of several results.

    Attributes:
        results: in the order in which they were given.
        video, ids: [T] result and identity of each track.
        matches: pairs of tracks.
        separation: of looks, see `Worth`.
        gate: log-odds by looks from which two are one person.
    """

    results: list[Result]
    video: IntArray
    ids: IntArray
    matches: Matches
    separation: float
    gate: float

    @property
    def said(self) -> str:
        """A line about it."""
        pairs, people = len(self.matches.first), self.matches.people.max(initial=0)
        return (
            f"{len(self.ids)} identities of {len(self.results)} results: {pairs} pairs are one person, "
            f"{people} people are seen again (separation {self.separation:.3f}, gate {self.gate:.1f})"
        )

    def write(self, path: Path) -> None:
        """Write the pairs, the surest first, as CSV or Parquet.

        Raises:
            InputError: another suffix, Parquet without pyarrow, or nothing can be written there.
        """
        names = np.array([result.path.stem for result in self.results])
        a, b = self.matches.first, self.matches.second
        columns = {
            "result_a": names[self.video[a]],
            "id_a": self.ids[a],
            "result_b": names[self.video[b]],
            "id_b": self.ids[b],
            "confidence": self.matches.confidence.round(6),
            "distance": self.matches.distance.round(6),
            "person": self.matches.people[a],
        }
        write_table(path, columns)


def link_results(results: list[Result], descriptor: str = "default", progress: Progress = unseen) -> Across:
    """Match the identities of several results by their looks, at a gate that no label was needed for.

    Raises:
        InputError: a result has nothing to look at, people were not followed for long enough to learn from, or the
            descriptor does not tell them apart.
    """
    looked = [look_at(result, descriptor, progress) for result in results]
    tracks, video, ids = _tracks(looked)
    features, shown = (np.concatenate([getattr(one, name) for one in looked]) for name in ("features", "shown"))
    try:
        learnt = learn(tracks, features, shown)
    except InputError:  # the whitening: all look alike
        raise InputError("the descriptor does not tell these people apart") from None
    if learnt is None:
        raise InputError("too few people were followed for long enough to learn from")
    worth, looks = learnt
    if worth.separation < SEPARATION:
        raise InputError(f"the descriptor does not tell these people apart (separation {worth.separation:.2f})")
    gallery = _gallery(results, looked, tracks, video, ids, looks)
    matches = match(gallery, worth, _possible(results, gallery))
    return Across(results, video, ids, matches, worth.separation, gate(gallery))


def _tracks(looked: list[Looked]) -> tuple[Pieces, IntArray, IntArray]:
    """The tracks of all results as pieces, numbered through, and result and identity [T] of each."""
    frames, owner, video, ids = [], [], [], []
    count = 0
    for number, one in enumerate(looked):
        here, tracks = np.unique(one.ids, return_inverse=True)
        frames.append(one.frames + number * (BETWEEN + max(int(each.frames.max()) for each in looked)))
        owner.append(tracks + count)
        video.append(np.full(len(here), number))
        ids.append(here)
        count += len(here)
    all_frames, owners = np.concatenate(frames), np.concatenate(owner)
    rows = np.lexsort((all_frames, owners))
    starts = np.append(np.searchsorted(owners[rows], np.arange(count)), len(rows))
    first, last = all_frames[rows[starts[:-1]]], all_frames[rows[starts[1:] - 1]]
    return Pieces(rows, starts, first, last), np.concatenate(video), np.concatenate(ids)


def _gallery(
    results: list[Result], looked: list[Looked], tracks: Pieces, video: IntArray, ids: IntArray, looks: np.ndarray
) -> Gallery:
    sums = np.stack([looks[tracks.of(track)].sum(axis=0) for track in range(len(tracks))])
    times = np.empty((len(tracks), 2))
    for track, (number, one) in enumerate(zip(video.tolist(), ids.tolist(), strict=True)):
        start = results[number].start or 0.0
        times[track] = [start + (frame - 1) / looked[number].rate for frame in looked[number].spans[one]]
    return Gallery(video, times[:, 0], times[:, 1], sums, tracks.lengths)


def _possible(results: list[Result], gallery: Gallery) -> Possible:
    cameras = {name: number for number, name in enumerate(dict.fromkeys(result.camera for result in results))}
    views = {name: number for number, name in enumerate(dict.fromkeys(one.view for one in results if one.view))}
    return Possible(
        gallery,
        np.array([cameras[result.camera] for result in results]),
        np.array([views.get(result.view, -1) for result in results]),
        np.array([result.start is not None for result in results]),
    )
