"""Which picture is which frame: the number among several in a name, and times."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tracker.errors import InputError
from tracker.files.motchallenge import DetectionTable
from tracker.input.numbering import numbered, renumbered


def frames_of(names: list[str], folder: Path = Path("shots")) -> list[tuple[int, str]]:
    return [(frame_index, path.name) for frame_index, path in numbered([folder / name for name in names])]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["000001.png", "000006.png", "000011.png"], [1, 6, 11]),  # every fifth picture
        (["000000.png", "000003.png"], [1, 4]),  # from 0: shifted by one
        (["clip2_007.png", "clip2_009.png"], [7, 9]),  # the number that differs
        (["000001_cam2.png", "000003_cam2.png"], [1, 3]),  # also where it is not the last
        (["f_0001_a3f9.png", "f_0002_07bc.png", "f_0003_1234.png"], [1, 2, 3]),  # a hash has no number
        (["f_0001_jpg.rf.0a1b.png", "f_0005_jpg.rf.ffee.png"], [1, 5]),  # of another number of words
        (["a3f9_0001.png", "07_0002.png"], [1, 2]),  # nor where it comes first
        (["0001_31.png", "0002_07.png", "0003_90.png"], [1, 2, 3]),  # another order: the closest numbers
        (["1_000001.png", "2_000006.png"], [1, 6]),  # one order: the last number
        (["a7.png", "b9.png"], [7, 9]),  # nothing in common: the last number
        (["a.png", "b.png"], [1, 2]),  # no numbers: by name
        (["0000001.png", "0000500.png"], [1, 500]),  # seven digits are no time
        (["000000.png", "000050.png", "000100.png", "000150.png"], [1, 51, 101, 151]),  # valid times, in equal steps
        (["000001.png", "000002.png", "000030.png", "000101.png"], [1, 2, 30, 101]),  # valid times, irregular numbers
        (["0001_105958.png", "0003_105959.png", "0005_110000.png"], [1, 3, 5]),  # a number beside a time counts
        (["20240131_105959_0001.png", "20240131_105959_0006.png"], [1, 6]),  # the time of the recording, and frames
        (["20240131_000001.png", "20240131_000006.png"], [1, 6]),  # a date, and frames
    ],
)
def test_numbers(names: list[str], expected: list[int], caplog) -> None:
    assert frames_of(names) == list(zip(expected, names, strict=True))
    assert not caplog.records


@pytest.mark.parametrize(
    "names",
    [
        ["cam_105958.png", "cam_105959.png", "cam_110000.png", "cam_110001.png"],  # over a full hour
        ["105858.png", "105859.png", "105900.png"],  # over a full minute
        ["105940.png", "110000.png", "110020.png"],  # every 20 seconds
        ["105912.png", "105930.png", "105959.png", "110130.png"],  # whenever something moved
        ["000058.png", "000059.png", "000100.png", "000101.png"],  # in the first hour
        ["10-59-59.png", "11-00-00.png"],  # HH-MM-SS
        ["235958.png", "235959.png", "000000.png", "000001.png"],  # past midnight
        ["105959_123.png", "105959_163.png", "110000_003.png"],  # milliseconds behind it
        ["105959123.png", "105959163.png", "110000003.png"],
        ["105959_0.png", "105959_1.png", "110000_0.png"],  # several in a second
        ["20240131_235959.png", "20240201_000000.png"],  # with a date
        ["20240131235959.png", "20240201000000.png"],
        ["2024-01-31.png", "2024-02-01.png"],  # one a day
        ["1700000000.png", "1700000001.png"],  # Unix time, seconds
        ["1700000000000.png", "1700000000040.png"],  # milliseconds
        ["1700000000000000.png", "1700000000040000.png"],  # microseconds
        ["1403636579763555584.png", "1403636579813555456.png"],  # nanoseconds
        ["1305031102.9.png", "1305031103.12.png", "1305031103.2.png"],  # seconds with decimals
        ["1700000000000_cam2.png", "1700000000040_cam2.png"],
    ],
)
def test_times_are_counted_and_a_line_says_so(names: list[str], caplog, tmp_path: Path) -> None:
    assert frames_of(names[::-1], tmp_path) == list(enumerate(names, start=1))
    assert f"{tmp_path}: names are taken for times" in caplog.text
    assert len(caplog.records) == 1
    frames_of(names, tmp_path)
    assert len(caplog.records) == 1  # once for a folder that is read twice


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["1_2.png", "2_3.png", "3_1.png"], r"shots: 1 or 2 may be the frame of 1_2.png"),  # two, equally close
        (["1.jpg", "1.png"], r"shots: 1.jpg and 1.png are both frame 1"),
        (["1700000000_left.png", "1700000000_right.png"], "are both frame 1700000000"),  # two cameras
        (["100000000001.png", "100000000002.png"], "is frame 100000000002, expected a number below 1000000000"),
    ],
)
def test_what_is_ambiguous_is_said(names: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        frames_of(names)


@pytest.mark.parametrize(
    ("names", "given", "expected"),
    [
        (["105959.png", "110000.png", "110002.png"], [105959, 110002], [1, 3]),  # by their names
        (["235959.png", "000000.png"], [0 + 235959, 235959], [1, 1]),  # past midnight
        (["105959.png", "110000.png"], [1, 2], [1, 2]),  # counted already
        (["105959.png", "110000.png"], [105959, 105960], [105959, 105960]),  # of other pictures
        (["000005.png", "000007.png"], [5, 7], [5, 7]),  # no times
    ],
)
def test_detections_follow_the_pictures(
    tmp_path: Path, names: list[str], given: list[int], expected: list[int]
) -> None:
    for name in names:
        (tmp_path / name).touch()
    boxes = np.arange(4.0 * len(given)).reshape(-1, 4)
    found = renumbered(DetectionTable(np.array(given), boxes, np.ones(len(given))), tmp_path)
    assert found.frames.tolist() == expected
    np.testing.assert_array_equal(found.boxes, boxes)


def test_detections_are_sorted_where_times_begin_anew(tmp_path: Path) -> None:
    for name in ("235959.png", "000001.png"):
        (tmp_path / name).touch()
    table = DetectionTable(np.array([1, 235959]), np.array([[1.0] * 4, [2.0] * 4]), np.array([0.1, 0.2]))
    found = renumbered(table, tmp_path)
    assert (found.frames.tolist(), found.scores.tolist(), found.boxes[:, 0].tolist()) == ([1, 2], [0.2, 0.1], [2, 1])
