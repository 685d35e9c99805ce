"""Journals: what was computed is read again, what a kill cut or somebody damaged is not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tracker.files.journal import HEADER, Journal

ROWS = {
    frame: np.random.default_rng(frame).normal(size=(frame % 4 + 1, 8)).astype(np.float32) for frame in range(1, 20)
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "a.journal"
    with Journal(path) as journal:
        for frame, rows in ROWS.items():
            journal.append(frame, rows)
    return path


def held(path: Path) -> list[int]:
    with Journal(path) as journal:
        for frame in journal:
            np.testing.assert_array_equal(journal.get(frame), ROWS[frame])
        return list(journal)


def test_what_was_written_is_read(path: Path) -> None:
    assert held(path) == list(ROWS)
    with Journal(path) as journal:
        assert journal.get(99) is None
        journal.append(99, ROWS[1])
        np.testing.assert_array_equal(journal.get(99), ROWS[1])


def test_a_cut_at_any_byte_loses_one_record(path: Path) -> None:
    whole = path.read_bytes()
    ends = np.cumsum([HEADER.size + 4 * rows.size for rows in ROWS.values()])
    for length in [0, 1, HEADER.size, *np.random.default_rng(0).integers(0, len(whole), 60).tolist()]:
        path.write_bytes(whole[:length])
        count = int((ends <= length).sum())
        assert held(path) == list(ROWS)[:count]
        if count:
            assert path.stat().st_size == ends[count - 1]  # what was torn is cut off
            with Journal(path) as journal:
                for frame, rows in ROWS.items():  # the run goes on
                    journal.append(frame, rows)
            assert held(path) == list(ROWS)
        else:
            assert not path.exists()


def test_a_damaged_byte_ends_it(path: Path) -> None:
    whole = path.read_bytes()
    for place in np.random.default_rng(1).integers(0, len(whole), 80).tolist():
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x41]) + whole[place + 1 :])
        try:
            frames = held(path)  # a damaged number of a frame is another frame's, whose rows are not these
        except KeyError:
            continue
        assert frames == list(ROWS)[: len(frames)]


def test_two_runs_do_not_share_one(path: Path) -> None:
    pytest.importorskip("fcntl")
    with Journal(path) as first, Journal(path) as second:
        assert first.is_open and not second.is_open
        second.append(50, ROWS[1])
        assert second.get(1) is None
    assert held(path) == list(ROWS)


def test_where_nothing_can_be_written_nothing_is_kept() -> None:
    with Journal(Path("/proc/nowhere/a.journal")) as journal:
        journal.append(1, ROWS[1])
        assert journal.get(1) is None
        assert len(journal) == 0


def test_a_full_disk_ends_the_keeping_and_not_the_run() -> None:
    if not Path("/dev/full").exists():
        pytest.skip("/dev/full: not there")
    journal = Journal(Path("/dev/full"))
    with Path("/dev/full").open("a+b", buffering=0) as journal._file:
        journal.is_open = True
        journal._synced = 0.0
        journal.path = Path("/nowhere")
        journal.append(1, ROWS[1])
        assert not journal.is_open


def test_what_is_finished_leaves_nothing(path: Path) -> None:
    with Journal(path) as journal:
        journal.remove()
    assert not path.exists()
