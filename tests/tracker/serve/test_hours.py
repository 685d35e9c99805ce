"""Parquet by the hour: whole or not there, nothing lost by a kill, nothing twice, numbers that go on."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from tracker.core.detections import Tracks
from tracker.errors import InputError
from tracker.serve.hours import HourlyTracks, Last, finish
from tracker.serve.rows import COLUMNS, lines_of

pyarrow = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")

NOON = 1_800_000_000 // 3600 * 3600.0  # 2027-01-15 08:00 UTC, the start of an hour
HOUR = 3600.0
Row = tuple[int, int]  # frame, id


def rows(seconds: float, frame: int, *ids: int) -> bytes:
    one = np.array(ids, np.int64)
    boxes = np.tile([1.0, 2.0, 30.126, 40.0], (len(ids), 1))
    return lines_of("door", seconds, frame, 0, Tracks(one, boxes, np.full(len(ids), 0.5), one, 0 * one), {0: "person"})


def read(path: Path) -> list[Row]:
    table = parquet.read_table(path)
    return list(zip(table["frame"].to_pylist(), table["id"].to_pylist(), strict=True))


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_an_hour_is_a_file_when_it_is_over(tmp_path: Path) -> None:
    with HourlyTracks(tmp_path) as hours:
        hours.write(NOON + 10, rows(NOON + 10, 1, 1, 2))
        hours.write(NOON + 20, b"")  # nobody is there
        assert names(tmp_path) == ["2027-01-15/08.jsonl.partial"]
        hours.write(NOON + HOUR, rows(NOON + HOUR, 3, 2))
        hours._finishing.join()  # type: ignore[union-attr]
        assert names(tmp_path) == ["2027-01-15/08.parquet", "2027-01-15/09.jsonl.partial"]
        hours.tell_time(NOON + 2 * HOUR - 1)
        assert names(tmp_path)[1] == "2027-01-15/09.jsonl.partial"
        hours.tell_time(NOON + 2 * HOUR + 1)  # a camera that sends nothing any more
        hours._finishing.join()  # type: ignore[union-attr]
        assert names(tmp_path) == ["2027-01-15/08.parquet", "2027-01-15/09.parquet"]
        hours.write(NOON + 16 * HOUR, b"")  # the next day
    assert names(tmp_path) == ["2027-01-15/08.parquet", "2027-01-15/09.parquet", "2027-01-16/00.parquet"]
    assert [read(path) for path in sorted(tmp_path.rglob("*.parquet"))] == [[(1, 1), (1, 2)], [(3, 2)], []]


def test_columns_are_those_of_the_lines(tmp_path: Path) -> None:
    with HourlyTracks(tmp_path) as hours:
        hours.write(NOON + 0.25, rows(NOON + 0.25, 7, 3))
    table = parquet.read_table(tmp_path / "2027-01-15/08.parquet")
    assert table.column_names == list(COLUMNS)
    row = table.to_pylist()[0]
    assert row.pop("time").timestamp() == NOON + 0.25
    assert row == {
        "camera": "door",
        "frame": 7,
        "id": 3,
        "left": 1.0,
        "top": 2.0,
        "right": 30.13,
        "bottom": 40.0,
        "score": 0.5,
        "class": 0,
        "class_name": "person",
        "seen": True,
    }


def test_an_hour_that_goes_on_after_a_restart_is_one_file(tmp_path: Path) -> None:
    for start in (1, 11, 21):
        with HourlyTracks(tmp_path) as hours:
            assert hours.last == (Last(0, 0) if start == 1 else Last(start - 1, start - 1))
            for frame in range(start, start + 10):
                hours.write(NOON + frame, rows(NOON + frame, frame, frame))
    assert read(tmp_path / "2027-01-15/08.parquet") == [(frame, frame) for frame in range(1, 31)]


@pytest.mark.parametrize("cut", [0, 1, 17, 500, 10_000])  # bytes that a kill takes from the end
def test_what_a_kill_left_is_made_whole(cut: int, tmp_path: Path) -> None:
    lines = b"".join(rows(NOON + frame, frame, 1, 2) for frame in range(1, 21))
    partial = tmp_path / "2027-01-15/08.jsonl.partial"
    partial.parent.mkdir()
    left = lines[: max(len(lines) - cut, 0)]
    partial.write_bytes(left)
    expected = [(frame, one) for frame in range(1, 21) for one in (1, 2)][: left.count(b"\n")]
    with HourlyTracks(tmp_path) as hours:
        assert hours.last == (Last(*map(max, zip(*expected, strict=True))) if expected else Last(0, 0))
        assert names(tmp_path) == ["2027-01-15/08.parquet"]
    assert read(tmp_path / "2027-01-15/08.parquet") == expected


def test_a_kill_between_the_two_files_leaves_nothing_twice(tmp_path: Path) -> None:
    partial, kept = tmp_path / "08.jsonl.partial", tmp_path / "kept"
    partial.write_bytes(rows(NOON, 1, 1) + rows(NOON, 2, 1))
    shutil.copy(partial, kept)
    finish(partial)
    shutil.copy(kept, partial)  # as if it had not been removed any more
    finish(partial)
    assert read(tmp_path / "08.parquet") == [(1, 1), (2, 1)]
    assert names(tmp_path) == ["08.parquet", "kept"]


def test_damaged_lines_are_left_out_and_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    partial = tmp_path / "08.jsonl.partial"
    partial.write_bytes(rows(NOON, 1, 1) + bytes(60) + b"\n" + b'{"camera": "door"}\n' + rows(NOON, 2, 1))
    finish(partial)
    assert read(tmp_path / "08.parquet") == [(1, 1), (2, 1)]
    assert "2 damaged lines left out" in capsys.readouterr().err


def test_many_rows_come_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tracker.serve.hours.AT_ONCE", 1000)
    partial = tmp_path / "08.jsonl.partial"
    partial.write_bytes(b"".join(rows(NOON, frame, 1, 2, 3) for frame in range(1, 101)))
    finish(partial)
    assert read(tmp_path / "08.parquet") == [(frame, one) for frame in range(1, 101) for one in (1, 2, 3)]


def test_two_services_do_not_write_to_one_folder(tmp_path: Path) -> None:
    with HourlyTracks(tmp_path), pytest.raises(InputError, match="another service writes there"):
        HourlyTracks(tmp_path)
    with HourlyTracks(tmp_path):
        pass


def test_a_file_of_somebody_else_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "2027-01-15").mkdir()
    parquet.write_table(pyarrow.table({"a": [1]}), tmp_path / "2027-01-15/08.parquet")
    with pytest.raises(InputError, match="is no Parquet file of this service"):
        HourlyTracks(tmp_path)


def test_a_clock_that_is_set_back_changes_no_hour(tmp_path: Path) -> None:
    with HourlyTracks(tmp_path) as hours:
        for frame, seconds in enumerate((NOON + HOUR, NOON + HOUR - 1, NOON + HOUR + 1), start=1):
            hours.write(seconds, rows(seconds, frame, 1))
    assert names(tmp_path) == ["2027-01-15/09.parquet"]
    assert len(read(tmp_path / "2027-01-15/09.parquet")) == 3
