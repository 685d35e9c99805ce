"""The page that zones are drawn on, in a browser: by mouse, by keyboard, saved, read back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tracker.output.pages.zone_page import write_zone_page
from tracker.zones import Line, Place, Zone, read_zones
from tracker.zones.reading import places_of
from tracker.zones.shapes import CORNERS
from tracker.zones.writing import as_geojson

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

WIDTH, HEIGHT = 640, 360
HALL = Zone("hall", ((50, 50), (250, 50), (250, 200), (50, 200)), ("center",), minimum_crossing_threshold=2)
DOOR = Line("Tür <1>", (300, 300), (600, 300), patience=1.5)


@pytest.mark.parametrize(
    "places",
    [
        [HALL, DOOR],
        [Zone("any", ((0.5, 0), (9, 0), (9, 9)), CORNERS, require_all_anchors=False, patience=0.0)],
        [Line("back", (9, 9), (0, 0), ("bottom_center",), 4)],
    ],
)
def test_what_is_written_is_read_back(places: list[Place]) -> None:
    assert places_of(json.loads(json.dumps(as_geojson(places))), "z") == places


@pytest.fixture
def page(browser: Browser, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Page]:
    """The page of a grey picture, with the places that the test asks for, in a window where it is shown 1 : 1 or so."""
    image = np.full((HEIGHT, WIDTH, 3), 128, np.uint8)
    places = getattr(request, "param", [])
    write_zone_page(tmp_path / "page.html", image, "a <clip>", 7, places, "track clip.mp4 --zones zones.json")
    shown = browser.new_page(viewport={"width": 1300, "height": 900}, accept_downloads=True)
    errors: list[str] = []
    shown.on("console", lambda message: errors.append(message.text))
    shown.on("pageerror", lambda error: errors.append(str(error)))
    shown.goto((tmp_path / "page.html").as_uri())
    yield shown
    assert not errors
    shown.close()


def click(page: Page, x: float, y: float, clicks: int = 1) -> None:
    """Click on a pixel of the picture."""
    frame = page.locator("#canvas").bounding_box()
    assert frame is not None
    scale = frame["width"] / WIDTH
    page.mouse.click(frame["x"] + x * scale, frame["y"] + y * scale, click_count=clicks)


def drag(page: Page, start: tuple[float, float], end: tuple[float, float]) -> None:
    frame = page.locator("#canvas").bounding_box()
    assert frame is not None
    scale = frame["width"] / WIDTH
    page.mouse.move(frame["x"] + start[0] * scale, frame["y"] + start[1] * scale)
    page.mouse.down()
    page.mouse.move(frame["x"] + end[0] * scale, frame["y"] + end[1] * scale, steps=3)
    page.mouse.up()


def saved(page: Page, folder: Path) -> list[Place]:
    """What the page saves, as the reader reads it."""
    with page.expect_download() as download:
        page.click("#save")
    assert download.value.suggested_filename == "zones.json"
    download.value.save_as(folder / "zones.json")
    return read_zones(folder / "zones.json")


def near(place: Place, points: list[tuple[float, float]], within: float = 1.5) -> bool:
    return len(place.points) == len(points) and bool(np.abs(np.subtract(place.points, points)).max() <= within)


@pytest.mark.slow
def test_drawn_by_mouse(page: Page, tmp_path: Path) -> None:
    corners = [(60.0, 60.0), (200.0, 60.0), (220.0, 180.0), (80.0, 200.0)]
    page.click("button[data-tool=zone]")
    for corner in corners:
        click(page, *corner)
    click(page, 62, 58)  # the first one again closes it
    page.keyboard.type("square")  # its name is there to be typed over
    page.keyboard.press("Enter")
    page.keyboard.press("l")
    click(page, 300, 100)
    click(page, 500, 100)
    page.keyboard.type("door")
    page.keyboard.press("Enter")
    square, door = saved(page, tmp_path)
    assert (square.kind, square.name, square.anchors) == ("zone", "square", ("bottom_center",))
    assert near(square, corners)
    assert (door.kind, door.name, door.anchors) == ("line", "door", CORNERS)
    assert near(door, [(300, 100), (500, 100)])
    # the arrow of the page points to the side that is counted as in: upwards
    shown = page.evaluate("arrow([[300, 100], [500, 100]], 40).word")
    assert shown[1] < 100 and door.sides(np.array([[shown[0] - 1, shown[1] - 1, shown[0] + 1, shown[1] + 1]])) == 1
    page.click("#places li:nth-child(2) .turn")
    page.select_option("#places li:nth-child(2) select", label="feet")
    _, door = saved(page, tmp_path)
    assert near(door, [(500, 100), (300, 100)])
    assert door.anchors == ("bottom_center",)


@pytest.mark.slow
@pytest.mark.parametrize("page", [[HALL, DOOR]], indirect=True)
def test_what_is_there_can_be_changed(page: Page, tmp_path: Path) -> None:
    assert saved(page, tmp_path) == [HALL, DOOR]
    click(page, 150, 120)  # select the zone
    drag(page, (50, 50), (30, 20))  # a corner
    drag(page, (250, 125), (280, 130))  # the dot between two: a new corner
    drag(page, (150, 120), (160, 130))  # all of it
    moved = [(40, 30), (260, 60), (290, 140), (260, 210), (60, 210)]
    hall, door = saved(page, tmp_path)
    assert near(hall, moved, 3) and door == DOOR
    assert (hall.anchors, hall.minimum_crossing_threshold) == (("center",), 2)
    click(page, *moved[2], clicks=2)  # a double click takes a corner out
    assert near(saved(page, tmp_path)[0], [*moved[:2], *moved[3:]], 3)
    for _ in range(4):
        page.click("#undo")
    assert saved(page, tmp_path)[0] == HALL
    page.click("#redo")
    assert saved(page, tmp_path)[0] != HALL
    click(page, 450, 300)
    page.keyboard.press("Shift+ArrowUp")
    page.keyboard.press("ArrowLeft")
    assert near(saved(page, tmp_path)[1], [(299, 290), (599, 290)], 0)
    page.keyboard.press("Delete")  # the button has the focus now: nothing is deleted
    assert len(saved(page, tmp_path)) == 2
    page.click("#places li:nth-child(2) .delete")
    assert [place.name for place in saved(page, tmp_path)] == ["hall"]


@pytest.mark.slow
def test_drawn_by_keyboard(page: Page, tmp_path: Path) -> None:
    page.focus("#canvas")
    page.keyboard.press("z")
    for moves in (["ArrowLeft"] * 3, ["ArrowRight"] * 5, ["ArrowDown"] * 4):
        for move in moves:
            page.keyboard.press(move)
        page.keyboard.press("Space")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Space")
    page.keyboard.press("Backspace")
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    (zone,) = saved(page, tmp_path)
    assert near(zone, [(290, 180), (340, 180), (340, 220)], 0)
    page.keyboard.press("l")
    page.keyboard.press("Space")
    page.keyboard.press("Escape")
    assert len(saved(page, tmp_path)) == 1


@pytest.mark.slow
def test_trouble_is_said(page: Page, tmp_path: Path) -> None:
    page.click("#save")
    assert "nothing to save" in page.inner_text("#hint")
    page.click("button[data-tool=zone]")
    for x in (50, 150, 250):
        click(page, x, 100)
    page.keyboard.press("Enter")
    assert "three corners that are not on one line" in page.inner_text("#hint")
    page.keyboard.press("Escape")
    (tmp_path / "zones.json").write_text(json.dumps(as_geojson([HALL, DOOR])), encoding="utf-8")
    page.set_input_files("#file", tmp_path / "zones.json")
    page.wait_for_selector("#places li:nth-child(2)")
    page.fill("#places li:nth-child(2) input", "hall")
    assert "hall" in page.inner_text("#trouble") and "twice" in page.inner_text("#trouble")
    page.click("#save")
    assert "twice" in page.inner_text("#hint")
    page.fill("#places li:nth-child(2) input", "Tür <1>")
    assert saved(page, tmp_path) == [HALL, DOOR]
    (tmp_path / "bad.json").write_text('{"type": "Point", "coordinates": [1, 2]}')
    page.set_input_files("#file", tmp_path / "bad.json")
    page.wait_for_function("document.getElementById('hint').textContent.includes('cannot be opened')")
    assert saved(page, tmp_path) == [HALL, DOOR]


@pytest.mark.slow
@pytest.mark.parametrize("page", [[HALL, DOOR]], indirect=True)
def test_it_fits_a_phone(page: Page) -> None:
    page.set_viewport_size({"width": 360, "height": 700})
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert page.inner_text("h1") == "Zones and lines of a <clip>"
