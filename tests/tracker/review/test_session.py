"""A review that is killed, goes on, is replayed; and files that do not belong to it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.tracker.review.test_corrections import SCENE
from tracker.errors import InputError
from tracker.files.motchallenge import read_tracks, write_results, write_table
from tracker.review.journal import read_log
from tracker.review.session import Session, replayed, target_of


@pytest.fixture
def result(tmp_path: Path) -> Path:
    path = tmp_path / "clip.txt"
    write_results(path, SCENE.frames, SCENE.ids, SCENE.boxes, SCENE.scores)
    return path


def review(result: Path, out: Path | None = None) -> Session:
    target = target_of(result, out, (640, 480))
    return Session(read_tracks(result), result, result.with_name("log.jsonl"), target, "clip")


TALK = (
    {"do": "merge", "keep": 3, "other": 7},
    {"do": "cut", "id": 5, "frame": 4},
    {"do": "name", "id": 3, "name": "Zoë 'Z' 王"},
    {"do": "undo"},
    {"do": "redo"},
    {"do": "delete", "id": 5},
    {"do": "undo"},
)


def test_saved_replayed_and_undone(result: Path, tmp_path: Path) -> None:
    session = review(result)
    for content in TALK:
        session.say(content)
    assert not session.is_saved
    session.save()
    assert session.is_saved
    saved = session.target.path.read_bytes()
    assert json.loads(session.target.names.read_text("utf-8")) == {"3": "Zoë 'Z' 王"}
    again, history = replayed(read_tracks(result), session.log, result)
    assert len(history.done) == 3
    other = target_of(result, tmp_path / "again.txt", (640, 480))
    other.write(again)
    assert other.path.read_bytes() == saved
    assert set(read_tracks(other.path).ids.tolist()) == {3, 5, 8}
    while session.history.done:
        session.say({"do": "undo"})
    session.save()
    assert session.target.path.read_bytes() == result.read_bytes()
    assert not session.target.names.exists()  # nobody has a name any more
    session.close()


def test_a_kill_loses_nothing(result: Path) -> None:
    session = review(result)
    for content in TALK:
        session.say(content)
    ids = session.reviewed.ids
    session._writer.close()  # what a kill does
    with session.log.open("ab") as file:
        file.write(b'{"do": "delete", "i')  # and what it may leave
    session = review(result)
    assert (session.reviewed.ids == ids).all()
    assert not session.is_saved
    session.say({"do": "delete", "id": 5})
    session.close()
    lines = session.log.read_text("utf-8").splitlines()
    assert len(lines) == 1 + len(TALK) + 1
    assert all("at" in json.loads(line) for line in lines[1:])
    assert len(read_log(session.log)[1]) == len(TALK) + 1


def test_what_is_refused_is_not_in_the_log(result: Path) -> None:
    session = review(result)
    before = session.log.read_bytes()
    for content in ({"do": "merge", "keep": 3, "other": 5}, {"do": "redo"}, {"do": "nothing"}):
        with pytest.raises(InputError):
            session.say(content)
    assert session.log.read_bytes() == before
    assert session.version == 0
    session.close()


def test_two_reviews_of_one_result(result: Path) -> None:
    session = review(result)
    with pytest.raises(InputError, match="another review"):
        review(result)
    session.close()
    review(result).close()


@pytest.mark.parametrize(
    ("line", "content", "why"),
    [
        (0, b"", "is empty"),
        (0, b"1,3,10,10,5,5,1\n", "line 1: is no JSON object"),  # a result in the place of a log
        (0, b'{"hello": 1}\n', "line 1: "),
        (1, b'{"do": "merge"}\n', "line 2: merge.keep|line 2: keep"),
        (1, b'{"do": "merge", "keep": 3, "other": 5}\n', "does not fit"),
        (1, b"\xff\n", "line 2: is no JSON object"),
    ],
)
def test_logs_that_are_none(result: Path, tmp_path: Path, line: int, content: bytes, why: str) -> None:
    review(result).close()
    log = tmp_path / "log.jsonl"
    log.write_bytes(log.read_bytes() * line + content)
    with pytest.raises(InputError, match=why):
        replayed(read_tracks(result), log, result)


def test_a_log_of_another_result(result: Path) -> None:
    review(result).close()
    write_results(result, SCENE.frames, SCENE.ids + 1, SCENE.boxes, SCENE.scores)
    with pytest.raises(InputError, match="is another, or changed"):
        review(result)


@pytest.mark.parametrize("suffix", [".csv", ".json"])
def test_other_formats(tmp_path: Path, suffix: str) -> None:
    from tracker.files.formats.writing import format_of, write

    path = tmp_path / f"clip{suffix}"
    write(path, format_of(path), SCENE, lambda: (640, 480))
    session = review(path)
    session.say({"do": "merge", "keep": 3, "other": 7})
    session.save()
    session.close()
    assert session.target.path == tmp_path / f"clip.corrected{suffix}"
    found = read_tracks(session.target.path)
    assert sorted(set(found.ids.tolist())) == [3, 5]
    assert np.allclose(np.sort(found.boxes, axis=0), np.sort(SCENE.boxes, axis=0))


def test_a_folder_of_labels_becomes_text(tmp_path: Path) -> None:
    (tmp_path / "labels").mkdir()
    assert target_of(tmp_path / "labels", None, (640, 480)).path == tmp_path / "labels.corrected.txt"
    with pytest.raises(InputError, match="folder of labels"):
        target_of(tmp_path / "labels", tmp_path / "new", (640, 480))


def test_kitti_stays_kitti(tmp_path: Path) -> None:
    path = tmp_path / "0000.txt"
    path.write_text("0 1 Pedestrian 0 0 -10 10 20 30 60 -1 -1 -1 -1000 -1000 -1000 -10\n")
    assert target_of(path, None, (640, 480)).written == "kitti"
    write_table(tmp_path / "x.csv", {"frame": [1], "id": [1], "left": [1], "top": [1], "width": [1], "height": [1]})
    assert target_of(tmp_path / "x.csv", None, (640, 480)).written == "csv"
