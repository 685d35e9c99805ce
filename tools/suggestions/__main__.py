"""`python -m tools.suggestions RESULT --seq SEQ`: one suggestion after the other is answered by ground truth."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from embedding.progress import unseen
from tracker.commands.command_line import run_command
from tracker.core.detections import IntArray
from tracker.errors import InputError
from tracker.evaluate.scores import is_counted, prepare, score
from tracker.files.motchallenge import read_tracks
from tracker.footage.crops import match_identities
from tracker.input.sequences import find_sequence
from tracker.review.corrections import Correction, Cut, Different, Merge, Reviewed, Sound, Swap, apply
from tracker.review.looks import take_looks
from tracker.review.suggestions import Adviser, Suggestion

NOBODY = -1
AROUND = 30  # boxes on either side of a place that say who was there


def main(
    result: Annotated[Path, typer.Argument(help="Result of any tracker.", show_default=False)],
    seq: Annotated[str, typer.Option(help="Its sequence, with frames and ground truth.")],
    root: Annotated[Path | None, typer.Option(help="Folder of sequences; default $MOT_ROOT.")] = None,
    answers: Annotated[int, typer.Option(help="Suggestions that are answered.")] = 20,
    descriptor: Annotated[str, typer.Option(help="Descriptor, as for `flatsort review`.")] = "default",
) -> None:
    """Say how many of the first suggestions show one person, and what answering them makes of the result."""
    sequence = find_sequence(seq, root)
    if sequence.ground_truth is None:
        raise InputError(f"{sequence.name}: has no ground truth, which is to answer")
    table, whole = read_tracks(result), read_tracks(sequence.ground_truth)
    began = time.process_time()
    adviser = Adviser(table, take_looks(sequence, table, str(result), descriptor, result, unseen))
    seconds = time.process_time() - began
    people = match_identities(table.frames, table.boxes, whole.select(is_counted(whole) & whole.has_area))
    reviewed, unknown, same = Reviewed.of(table), set[tuple[str, int, int, int]](), list[bool]()
    began = time.process_time()
    while len(same) < answers:
        open_ones = [one for one in adviser.advise(reviewed) if _key(one) not in unknown]
        if not open_ones:
            break
        who = [_who(people[rows]) for rows in _sides(reviewed, open_ones[0])]
        if NOBODY in who:  # what ground truth does not know
            unknown.add(_key(open_ones[0]))
            continue
        same.append(who[0] == who[1])
        for correction in _answer(open_ones[0], same[-1]):
            reviewed = apply(reviewed, correction)
    each = (time.process_time() - began) / max(len(same) + len(unknown), 1)
    print(f"{len(adviser.looks.rows)} looks: {seconds:.1f} s of CPU time, then {1000 * each:.0f} ms a suggestion")
    print(f"{len(same)} answers, {sum(same)} of them the same person; {len(unknown)} that ground truth does not know")
    for name, tracks in (("before", table), ("after", reviewed.corrected())):
        row = score({"": prepare(whole, tracks, sequence.length or int(table.frames.max()))})[""]
        figures = ", ".join(f"{figure} {row[figure]:.4g}" for figure in ("HOTA", "IDF1", "IDs"))
        print(f"{name}: {figures}, {len(np.unique(tracks.ids))} identities")


def _key(one: Suggestion) -> tuple[str, int, int, int]:
    return one.kind, one.one, one.other, 0 if one.kind == "merge" else one.frame


def _sides(reviewed: Reviewed, one: Suggestion) -> tuple[IntArray, IntArray]:
    """Rows of the two that the question is about."""
    first, other = reviewed.rows(one.one), reviewed.rows(one.other)
    if one.kind == "merge":
        return first, other
    before, after = (
        first[reviewed.table.frames[first] < one.frame],
        other[reviewed.table.frames[other] >= one.frame],
    )
    return before[-AROUND:], after[:AROUND]


def _who(people: IntArray) -> int:
    """Whom most of the boxes show; nobody where ground truth knows less than half of them."""
    known = people[people != NOBODY]
    return int(np.bincount(known).argmax()) if len(known) >= max(1, len(people) / 2) else NOBODY


def _answer(one: Suggestion, same: bool) -> list[Correction]:
    if one.kind == "merge":
        return [Merge(keep=one.one, other=one.other) if same else Different(one=one.one, other=one.other)]
    if one.kind == "cut":
        return [Sound(id=one.one, frame=one.frame) if same else Cut(id=one.one, frame=one.frame, new=10**6 + one.frame)]
    if same:
        return [Swap(one=one.one, other=one.other, frame=one.frame)]
    return [Sound(id=one.one, frame=one.frame), Sound(id=one.other, frame=one.frame)]


if __name__ == "__main__":
    run_command(main, "suggestions")
