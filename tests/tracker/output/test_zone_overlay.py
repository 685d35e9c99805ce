"""Lines and zones on pictures: seen, within the picture, with the counts of the counter."""

from __future__ import annotations

import numpy as np
import pytest

from tracker.core.detections import Image, Tracks
from tracker.output.drawing import Style, draw_tracks, label_size
from tracker.output.zone_overlay import WIDEST, ZoneOverlay, label_spots, title
from tracker.zones import Line, Zone, ZoneCounter

NOBODY = Tracks(*(np.zeros(0, np.int64), np.zeros((0, 4)), np.zeros(0)), *(np.zeros(0, np.int64),) * 2)


def places(width: int, height: int) -> list[Line | Zone]:
    """Several whose labels would meet, some over the picture's edge."""
    right, bottom = width - 1, height - 1
    return [
        Zone("entrance hall", ((0, 0), (right, 0), (right, bottom), (0, bottom))),
        Zone("the same", ((0, 0), (right // 2, 0), (0, bottom))),
        Line("far right", (right + 500, 5), (right + 900, 5)),
        Line("door", (width // 4, height // 2), (3 * width // 4, height // 2)),
        Zone("outside", ((-900, -900), (-500, -900), (-500, -500))),
    ]


def grey(width: int, height: int) -> Image:
    return np.full((height, width, 3), 128, np.uint8)


@pytest.mark.parametrize(("width", "height"), [(640, 480), (1920, 1080), (1080, 1920), (160, 120)])
def test_labels_stand_apart_and_in_the_picture(width: int, height: int) -> None:
    image, there = grey(width, height), tuple(places(width, height))
    boxes = []
    for place, spot in zip(there, label_spots(image, there), strict=True):
        size = label_size(image, f"{title(place)} {WIDEST[place.kind]}")
        boxes.append((spot[0], spot[1] - size[1], spot[0] + size[0], spot[1]))
    for row, (left, top, right, bottom) in enumerate(boxes):
        assert left >= 0 and top >= 0 and bottom <= height
        assert right <= max(width, right - left)  # a label may be wider than a small picture
        for one in boxes[:row]:
            assert left >= one[2] or right <= one[0] or top >= one[3] or bottom <= one[1]
    drawn = image.copy()
    ZoneOverlay(ZoneCounter(there)).draw(drawn, 1, NOBODY)
    assert (drawn != image).any()


def test_the_arrow_points_to_in() -> None:
    image = grey(640, 480)
    for start, end in (((100, 240), (540, 240)), ((540, 240), (100, 240)), ((320, 400), (320, 80))):
        line = Line("l", start, end)
        drawn = image.copy()
        ZoneOverlay(ZoneCounter([line])).draw(drawn, 1, NOBODY)
        rows, columns = np.nonzero((drawn == (0, 214, 255)).all(axis=2))
        middle = (np.abs(columns - 320) < 30) & (np.abs(rows - 240) < 30)
        shift = np.array([columns[middle].mean() - 320, rows[middle].mean() - 240])
        assert shift @ line.towards_in > 2


def test_counts_are_those_of_the_counter(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr("tracker.output.zone_overlay.draw_label", lambda image, spot, text, *_, **__: told.append(text))
    door = Line("Tür", (0, 100), (200, 100), ("bottom_center",))
    counter = ZoneCounter([door, Zone("hall", ((0, 0), (200, 0), (200, 99), (0, 99)))])
    style = ZoneOverlay(counter).added_to(Style())
    for frame, feet in ((1, 120), (2, 80)):
        box = np.array([[90.0, feet - 40, 110, feet]])
        tracks = Tracks(np.array([1]), box, np.ones(1), np.array([0]), np.array([-1]))
        counter.update(frame, tracks)
        draw_tracks(grey(200, 200), tracks, style=style, frame_index=frame)
    zones_alone = [text for text in told if not text.isdecimal()]
    assert zones_alone == ["Tur in 0 out 0", "hall 0", "Tur in 1 out 0", "hall 1"]
