"""`--link`: identities of a whole recording, and the online tracks without gaps where nothing can be linked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tracker import Detections, InputError, Tracks, load_config
from tracker.files.motchallenge import read_tracks
from tracker.input.sequences import Sequence
from tracker.run.job import Job, Summary
from tracker.run.pipeline import run
from tracker.run.second_pass import SecondPass

LENGTH, PEOPLE = 160, 12
DIMENSION = 16


def write(path: Path, telling: bool = True) -> Path:
    """Detections with features of people in lanes of their own, each hidden for 35 frames, longer than once."""
    random = np.random.default_rng(0)
    looks = random.normal(size=(PEOPLE, DIMENSION))
    looks /= np.linalg.norm(looks, axis=1, keepdims=True)
    rows = []
    for frame in range(1, LENGTH + 1):
        for person in range(PEOPLE):
            if not 30 + 5 * person <= frame < 65 + 5 * person:
                look = (looks[person] if telling else 0) + 0.1 * random.normal(size=DIMENSION)
                left = 300 + (3 if person % 2 else -3) * (frame - 80)
                rows.append((frame, -1, left, 100 * person, 30, 80, 0.9, -1, -1, -1, *look))
    np.save(path, np.array(rows))
    return path


def track(path: Path, **options: Any) -> Summary:
    config = load_config("flatsort", {"max_age": 20})  # so that the first pass loses everybody
    return run(
        Job(
            sequence=Sequence(path.stem, folder=path.parent, length=LENGTH, frame_rate=25),
            config=config,
            detections=str(path),
            descriptor="none",
            out=path.with_name("out.txt"),
            **options,
        )
    )


def test_who_was_lost_is_found_again_and_gaps_are_filled(tmp_path: Path) -> None:
    path = write(tmp_path / "crowd.npy")
    first = track(path)
    assert first.tracks == 2 * PEOPLE
    assert first.account.linking is None
    linked = track(path, second_pass="link", table=tmp_path / "table.csv")
    assert linked.tracks == PEOPLE
    assert linked.account.linking is not None and "linked to 12 identities" in linked.account.linking
    assert linked.account.linking in list(linked.account.lines())
    result = read_tracks(tmp_path / "out.txt")
    assert np.bincount(result.ids)[1:].tolist() == [LENGTH] * PEOPLE  # 35 frames are less than two seconds
    assert linked.timing["linking"] > 0
    table = np.genfromtxt(tmp_path / "table.csv", delimiter=",", names=True)
    assert np.count_nonzero(table["detection"] == -1) == 35 * PEOPLE
    assert set(table["id"]) == set(range(1, PEOPLE + 1))


def test_where_looks_say_nothing_the_tracks_stay(tmp_path: Path) -> None:
    path = write(tmp_path / "crowd.npy", telling=False)
    found = track(path, second_pass="link")
    assert found.account.linking is not None and found.account.linking.startswith("nothing linked, gaps filled: ")
    bytes_of_link = (tmp_path / "out.txt").read_bytes()
    assert found.tracks == track(path).tracks
    other = write(tmp_path / "others.npy", telling=False)
    track(other, second_pass="link")
    assert (tmp_path / "out.txt").read_bytes() == bytes_of_link


def test_looks_on_demand_are_too_few(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--embed-when ambiguous: --link compares all looks, expected always"):
        track(write(tmp_path / "crowd.npy"), second_pass="link", embed_when="ambiguous")


def test_identities_belong_to_the_detections_that_are_left() -> None:
    """Rows without area were dropped: the tracker counts the caller's rows, the second pass those that are left."""
    seen = SecondPass(0.6, rate=25)
    found = Detections([[0, 0, 0, 9], [5, 0, 9, 9], [20, 0, 20, 9], [30, 0, 39, 9]])
    tracks = Tracks(np.array([4, 7]), np.zeros((2, 4)), np.zeros(2), np.array([3, -1]), np.array([-1, -1]))
    seen.add(1, found, tracks)
    assert seen._windows._frames[0][2].tolist() == [-1, 4]


@pytest.mark.parametrize("delay", [4.0, 8.0])
def test_a_stream_is_linked_some_seconds_late(tmp_path: Path, delay: float) -> None:
    """Who was away for 35 frames, 1.4 seconds, is himself again; the first pass takes him for another."""
    path = write(tmp_path / "crowd.npy")
    track(path, delay=delay)
    result = read_tracks(tmp_path / "out.txt")
    assert len(np.unique(result.ids)) < 2 * PEOPLE
    assert result.frames.min() >= 1 and result.frames.max() == LENGTH
    lane = np.round(result.boxes[:, 1] / 100).astype(int)
    assert all(len(np.unique(lane[result.ids == one])) == 1 for one in np.unique(result.ids))


def test_a_delay_alone_with_what_it_can_do(tmp_path: Path) -> None:
    path = write(tmp_path / "crowd.npy")
    for options, said in (
        ({"delay": 0.0}, "--delay 0: expected a number of seconds above 0"),
        ({"delay": 5.0, "second_pass": "fill"}, "both given, expected one"),
    ):
        with pytest.raises(InputError, match=said):
            track(path, **options)
