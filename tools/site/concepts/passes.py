"""Who is whom over time, in the first pass over the demo and after the second."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from tools.paper.pyplot import pyplot
from tools.site.concepts.style import PEOPLE, Scheme
from tracker.core.assignment import assign
from tracker.core.boxes import iou
from tracker.core.config import load_config
from tracker.core.detections import IntArray
from tracker.files.motchallenge import read_tracks
from tracker.files.tables import TrackTable
from tracker.input.sequences import read_sequence
from tracker.run.job import Job
from tracker.run.parallel import run_all

FRAMES = 300  # of the demo's scene, whose people come back after the 200 that `track --demo` shows
HIT = 0.3  # IoU from which a track is on a person
NOT_THERE, MISSED = -2, -1


@dataclass(frozen=True)
class Pass:
    """What a pass made of the people.

    Attributes:
        identities: [people, frames] that each had, `MISSED` or `NOT_THERE`.
        switches: how often a person's identity changed.
    """

    title: str
    identities: IntArray

    @property
    def switches(self) -> int:
        found = [row[row >= 0] for row in self.identities]
        return sum(int(np.count_nonzero(np.diff(row))) for row in found)


def measure(folder: Path, sequence: Path, descriptor: str = "default") -> list[Pass]:
    """Track the demo once each way; results go to the folder."""
    read = read_sequence(sequence)
    truth = read_tracks(sequence / "gt/gt.txt")
    passes = []
    for title, second_pass in (("first pass, as frames come", "none"), ("second pass, after the last frame", "link")):
        out = folder / f"{second_pass}.txt"
        job = Job(
            sequence=read,
            config=load_config("flatsort"),
            detections="det.txt",
            descriptor=descriptor,
            out=out,
            second_pass=second_pass,  # type: ignore[arg-type]
        )
        run_all([job])
        passes.append(Pass(title, identities_of(truth, read_tracks(out))))
    return passes


def identities_of(truth: TrackTable, result: TrackTable) -> IntArray:
    """[people, frames] the result's identity for each person of the truth.

    By the best overlap one to one; whom a person had stays theirs while it overlaps (Bernardin and Stiefelhagen 2008).
    """
    people, frames = np.unique(truth.ids), np.arange(1, truth.frames.max() + 1)
    had = np.full((len(people), len(frames)), NOT_THERE)
    last = np.full(len(people), NOT_THERE)
    for place, frame in enumerate(frames):
        there, found = truth.frames == frame, result.frames == frame
        rows = np.searchsorted(people, truth.ids[there])
        had[rows, place] = MISSED
        overlap = iou(truth.boxes[there], result.boxes[found])
        is_new = result.ids[found] != last[rows, None]
        matched, by = assign(np.where(overlap >= HIT, 1 - overlap + is_new, 3), 2)
        had[rows[matched], place] = last[rows[matched]] = result.ids[found][by]
    return had


def draw(passes: list[Pass], scheme: Scheme) -> Figure:
    """A column a pass, a row a person; the colour is that of the person whose identity it is."""
    figure, axes = pyplot.subplots(1, len(passes), figsize=(9.4, 3.1), layout="constrained", sharey=True)
    for column, found in zip(axes, passes, strict=True):
        people, frames = found.identities.shape
        owners = owners_of(found.identities)
        for person, row in enumerate(found.identities):
            for start, end, identity in _runs(row):
                if identity == NOT_THERE:
                    continue
                colour = scheme.faint if identity == MISSED else scheme.ink
                if identity in owners:
                    colour = PEOPLE[owners[identity] % len(PEOPLE)]
                height = 0.16 if identity == MISSED else 0.68
                column.barh(person, end - start, left=start + 1, height=height, color=colour, linewidth=0)
                if identity > 0 and end - start > 9:
                    column.text(start + 4, person, str(identity), va="center", color=scheme.paper, fontsize=7.5)
        told = len(np.unique(found.identities[found.identities >= 0]))
        column.set_title(f"{found.title}:\n{told} identities, {found.switches} changes")
        column.set(xlim=(1, frames), xlabel="frame", yticks=range(people), ylim=(people - 0.5, -0.5))
        column.set_yticklabels([str(person + 1) for person in range(people)])
        column.tick_params(axis="y", length=0)
        column.spines["left"].set_visible(False)
    axes[0].set_ylabel("person")
    return figure


def owners_of(identities: IntArray) -> dict[int, int]:
    """Identity -> the person whose longest it is; one that is nobody's longest has no owner."""
    owners: dict[int, int] = {}
    for person, row in enumerate(identities):
        values, counts = np.unique(row[row >= 0], return_counts=True)
        if len(values):
            owners.setdefault(int(values[counts.argmax()]), person)
    return owners


def _runs(row: IntArray) -> list[tuple[int, int, int]]:
    """(start, end, value) of each stretch of equal values."""
    cuts = [0, *(np.flatnonzero(np.diff(row)) + 1).tolist(), len(row)]
    return [(start, end, int(row[start])) for start, end in pairwise(cuts)]
