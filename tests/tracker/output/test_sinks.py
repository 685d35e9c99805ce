"""Where tracks go: sheets of frames spread over the sequence, windows that end a run in good order."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from tracker.core.detections import Tracks
from tracker.output import sinks
from tracker.output.drawing import GAP
from tracker.output.sinks import SheetSink, StopTracking, WindowSink

NOTHING = Tracks(np.zeros(0, np.int64), np.zeros((0, 4)), np.zeros(0), np.zeros(0, np.int64), np.zeros(0, np.int64))


def picture(level: int, size: tuple[int, int] = (180, 320)) -> np.ndarray:
    return np.full((*size, 3), level, np.uint8)


@pytest.mark.parametrize(
    ("length", "rows"),
    [
        (60, 3),  # six frames, two a row
        (6, 3),  # each frame
        (3, 2),  # fewer frames than places
        (1, 1),  # a single one
    ],
)
def test_a_sheet_shows_frames_from_the_whole_sequence(tmp_path: Path, length: int, rows: int) -> None:
    path = tmp_path / "sheet.png"
    with SheetSink(path, length) as sink:
        for frame in range(1, length + 1):
            sink.write(frame, picture(4 * frame), NOTHING)
    sheet = cv2.imread(str(path))
    assert sheet.shape[0] == rows * (360 + GAP) - GAP
    levels = [
        int(sheet[180 + row * (360 + GAP), 100 + column * (640 + GAP), 0]) for row in range(rows) for column in (0, 1)
    ]
    shown = [level for level in levels if level != 255]
    assert len(shown) == min(length, 6)
    assert shown == sorted(shown)
    assert length < 6 or shown[-1] - shown[0] >= 4 * (length * 5 // 6 - 1)  # first sixth to last sixth


def test_a_sheet_of_nothing_is_no_file(tmp_path: Path) -> None:
    with SheetSink(tmp_path / "sheet.png", 10) as sink:
        sink.write(1, None, NOTHING)
    assert list(tmp_path.iterdir()) == []


def test_an_error_leaves_no_sheet(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), SheetSink(tmp_path / "sheet.png", 1) as sink:
        sink.write(1, picture(9), NOTHING)
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_closing_the_window_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter([True, False])
    monkeypatch.setattr(sinks, "show", lambda image: next(answers))
    with WindowSink() as sink:
        sink.write(1, picture(1), NOTHING)
        with pytest.raises(StopTracking):
            sink.write(2, picture(2), NOTHING)
