"""Corrections of a table, against a model that knows nothing but sets of boxes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracker.errors import InputError
from tracker.files.tables import TrackTable
from tracker.review.corrections import (
    REMOVED,
    Cut,
    Delete,
    Different,
    Merge,
    Name,
    Renumber,
    Reviewed,
    Sound,
    Swap,
    apply,
    apply_all,
)
from tracker.review.journal import History, Redo, Undo, entry_of, history_of


def table(*rows: tuple[int, int]) -> TrackTable:
    """Frame and id of each row; boxes tell rows apart."""
    frames, ids = np.array(rows, np.int64).reshape(-1, 2).T
    order = np.lexsort((ids, frames))
    left = np.arange(len(frames), dtype=float)
    boxes = np.column_stack((left, left, left + 10, left + 20))
    return TrackTable(frames[order], ids[order], boxes, np.ones(len(frames)))


# 3 walks in frames 1 to 4, 7 in 6 to 8, 5 in 2 to 7
SCENE = table(*((f, 3) for f in range(1, 5)), *((f, 7) for f in range(6, 9)), *((f, 5) for f in range(2, 8)))


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ([Merge(keep=3, other=7)], {3: [1, 2, 3, 4, 6, 7, 8], 5: [2, 3, 4, 5, 6, 7]}),
        ([Merge(keep=7, other=3)], {7: [1, 2, 3, 4, 6, 7, 8], 5: [2, 3, 4, 5, 6, 7]}),  # the later one's number stays
        ([Cut(id=5, frame=4, new=8)], {3: [1, 2, 3, 4], 7: [6, 7, 8], 5: [2, 3], 8: [4, 5, 6, 7]}),
        ([Swap(one=3, other=5, frame=3)], {3: [1, 2, 3, 4, 5, 6, 7], 5: [2, 3, 4], 7: [6, 7, 8]}),
        ([Swap(one=3, other=7, frame=5)], {3: [1, 2, 3, 4, 6, 7, 8], 5: [2, 3, 4, 5, 6, 7]}),  # all of 7 becomes 3
        ([Delete(id=5)], {3: [1, 2, 3, 4], 7: [6, 7, 8]}),
        ([Renumber(id=3, to=30)], {30: [1, 2, 3, 4], 7: [6, 7, 8], 5: [2, 3, 4, 5, 6, 7]}),
        ([Different(one=3, other=7), Sound(id=5, frame=4), Name(id=3, name="Ana")], {3: [1, 2, 3, 4], 7: [6, 7, 8]}),
    ],
)
def test_whose_frames(said: list, expected: dict[int, list[int]]) -> None:
    after = apply_all(SCENE, said).corrected()
    for one, frames in expected.items():
        assert after.frames[after.ids == one].tolist() == frames
    assert (np.diff(after.frames) >= 0).all()


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (Merge(keep=3, other=5), "both seen in 3 frames from 2 to 4"),
        (Merge(keep=3, other=3), "named twice"),
        (Merge(keep=3, other=4), "identity 4: there is none"),
        (Cut(id=3, frame=1, new=8), "would cut nothing"),  # nothing before
        (Cut(id=3, frame=5, new=8), "would cut nothing"),  # nothing after
        (Cut(id=3, frame=3, new=7), "is there already"),
        (Swap(one=3, other=7, frame=9), "nothing to exchange"),
        (Renumber(id=3, to=5), "or merge the two"),
        (Delete(id=99), "there is none"),
        (Name(id=99, name="Ana"), "there is none"),
    ],
)
def test_refused_in_words(said: object, why: str) -> None:
    with pytest.raises(InputError, match=why):
        apply(Reviewed.of(SCENE), said)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "content",
    [
        {"do": "merge", "keep": 3},  # a field is missing
        {"do": "merge", "keep": 3, "other": 7, "path": "/etc/passwd"},  # one too many
        {"do": "merge", "keep": "3", "other": 7},
        {"do": "delete", "id": -1},  # the mark of deleted boxes is nobody's number
        {"do": "cut", "id": 3, "frame": 0, "new": 9},
        {"do": "name", "id": 3, "name": "a\nb"},
        {"do": "explode"},
        [],
        None,
    ],
)
def test_what_is_no_correction(content: object) -> None:
    with pytest.raises(InputError):
        entry_of(content)


def test_names_follow_people() -> None:
    named = apply(Reviewed.of(SCENE), Name(id=7, name=" Ana "))
    assert dict(apply(named, Merge(keep=3, other=7)).names) == {3: "Ana"}
    assert dict(apply(named, Renumber(id=7, to=70)).names) == {70: "Ana"}
    assert dict(apply(named, Delete(id=7)).names) == {}
    assert dict(apply(named, Name(id=7, name="")).names) == {}


def test_what_was_said_of_two_follows_them() -> None:
    said = [Different(one=3, other=7), Renumber(id=7, to=70), Cut(id=5, frame=5, new=50), Merge(keep=50, other=3)]
    with pytest.raises(InputError):  # 3 ends in 4, 50 begins in 5
        apply_all(SCENE, [*said, Merge(keep=50, other=70)])
    assert apply_all(SCENE, said).told_apart == {frozenset((50, 70)), frozenset((5, 50))}


IDS = st.integers(1, 6)
FRAMES = st.integers(1, 12)
SAID = st.one_of(
    st.builds(Merge, keep=IDS, other=IDS),
    st.builds(Cut, id=IDS, frame=FRAMES, new=st.integers(1, 9)),
    st.builds(Swap, one=IDS, other=IDS, frame=FRAMES),
    st.builds(Delete, id=IDS),
    st.builds(Renumber, id=IDS, to=st.integers(1, 9)),
    st.builds(Name, id=IDS, name=st.sampled_from(["", "Ana", "Ben"])),
    st.builds(Different, one=IDS, other=IDS),
    st.builds(Sound, id=IDS, frame=FRAMES),
)
TABLES = st.sets(st.tuples(FRAMES, st.integers(1, 5)), max_size=40).map(lambda rows: table(*sorted(rows)))


@given(TABLES, st.lists(SAID, max_size=12))
def test_any_corrections(tracks: TrackTable, said: list) -> None:
    before, model = Reviewed.of(tracks), {row: int(one) for row, one in enumerate(tracks.ids)}
    for one in said:
        try:
            after = apply(before, one)
        except InputError:
            continue  # and `before` goes on
        model = _by_the_book(model, tracks, one)
        assert after.ids.tolist() == [model[row] for row in range(len(tracks))]
        before = after
    kept = before.ids != REMOVED
    assert len({(f, i) for f, i in zip(tracks.frames[kept], before.ids[kept], strict=True)}) == kept.sum()
    corrected = before.corrected()
    assert sorted(map(tuple, corrected.boxes.tolist())) == sorted(map(tuple, tracks.boxes[kept].tolist()))
    assert set(before.names) <= set(before.ids.tolist())
    for pair in before.told_apart:
        assert len(pair) == 2


def _by_the_book(model: dict[int, int], tracks: TrackTable, said: object) -> dict[int, int]:
    """The ids of rows after a correction, row by row."""
    frame = tracks.frames.tolist()

    def changed(row: int, one: int) -> int:
        match said:
            case Merge():
                return said.keep if one == said.other else one
            case Cut():
                return said.new if one == said.id and frame[row] >= said.frame else one
            case Swap() if frame[row] >= said.frame:
                return {said.one: said.other, said.other: said.one}.get(one, one)
            case Delete():
                return REMOVED if one == said.id else one
            case Renumber():
                return said.to if one == said.id else one
        return one

    return {row: changed(row, one) for row, one in model.items()}


@given(st.lists(st.sampled_from(["do", "undo", "redo"]), max_size=30))
def test_undo_and_redo(steps: list[str]) -> None:
    done: list[int] = []
    undone: list[int] = []
    history = History()
    for number, step in enumerate(steps, start=1):
        entry = {"do": Delete(id=number), "undo": Undo(), "redo": Redo()}[step]
        if (step == "undo" and not done) or (step == "redo" and not undone):
            with pytest.raises(InputError):
                history.after(entry)
            continue
        history = history.after(entry)
        if step == "do":
            done, undone = [*done, number], []
        elif step == "undo":
            undone.append(done.pop())
        else:
            done.append(undone.pop())
        assert [one.id for one in history.done] == done
    with pytest.raises(InputError, match="line 2"):
        history_of(Path("log"), [Undo()])
