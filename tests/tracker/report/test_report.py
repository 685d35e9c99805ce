"""The report of a run: whole or absent, right in its figures, and used in a browser as people use it."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import numpy as np
import pytest
from markupsafe import Markup

from tracker import InputError, load_config
from tracker.demo.render import render_demo
from tracker.files.motchallenge import read_tracks
from tracker.input.sequences import Sequence, read_sequence
from tracker.report import page as pages
from tracker.report.figures import VARIABLES
from tracker.report.page import Report, Section, Told
from tracker.run.job import Job
from tracker.run.pipeline import run

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.slow

LENGTH, RATE = 45, 15


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return render_demo(tmp_path_factory.mktemp("scene"), frames=LENGTH)


def job(scene: Path, folder: Path, **options: Any) -> Job:
    sequence = options.pop("sequence", read_sequence(scene))
    settings = load_config(options.pop("config", "flatsort"))
    options = {"second_pass": "fill", "report": folder / "report", **options}
    return Job(sequence, settings, str(scene / "det/det.txt"), "colour", folder / "tracks.txt", **options)


@pytest.fixture(scope="module")
def made(scene: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run with a report."""
    folder = tmp_path_factory.mktemp("made")
    run(job(scene, folder, command="track --seq '<b>demo</b>'"))
    return folder


def text_of(folder: Path) -> str:
    return (folder / "report/index.html").read_text("utf-8")


# --- what is written -------------------------------------------------------------------------------------------------


def test_the_folder_holds_a_page_and_a_video(made: Path) -> None:
    assert sorted(path.name for path in (made / "report").iterdir()) == ["index.html", "video.mp4"]
    assert sorted(path.name for path in made.iterdir() if path.suffix != ".npy") == ["report", "tracks.txt"]
    with av.open(str(made / "report/video.mp4")) as video:
        assert sum(1 for _ in video.decode(video=0)) == LENGTH


def test_the_page_asks_for_nothing_but_its_video(made: Path) -> None:
    text = text_of(made)
    assert set(re.findall(r'(?:src|href)="(?!data:|#)([^"]*)"', text)) == {"video.mp4"}
    assert not re.findall(r"@import|url\((?!#)", text)
    assert "track --seq &#39;&lt;b&gt;demo" in text


def test_drawings_have_the_pages_colours_and_names_of_their_own(made: Path) -> None:
    text = text_of(made)
    drawings = re.findall(r"<svg role.*?</svg>", text, re.S)
    assert len(drawings) == 4  # counts, stays, ways in and out, calibration
    assert not any(stand_in in text for stand_in in VARIABLES)
    assert all("var(--first)" in one and "width=" not in one.partition(">")[0] for one in drawings)
    names = [name for one in drawings for name in set(re.findall(r' id="([^"]+)"', one))]
    assert len(names) == len(set(names))
    for one in drawings:
        assert set(re.findall(r'(?:href="#|url\(#)([^")]+)', one)) <= set(re.findall(r' id="([^"]+)"', one))


def test_the_figures_are_those_of_the_result(made: Path) -> None:
    text, result = text_of(made), read_tracks(made / "tracks.txt")
    numbers = np.unique(result.ids)
    assert re.findall(r'class="row" data-id="(\d+)"', text) == [str(number) for number in numbers]
    most = np.unique(result.frames, return_counts=True)[1].max()
    tiles = dict(re.findall(r"<dt>([^<]*)</dt><dd>([^<]*)</dd>", text))
    assert (tiles["Identities"], tiles["Most at once"]) == (str(len(numbers)), str(most))
    for number in numbers:
        frames = np.sort(result.frames[result.ids == number])
        bar = re.search(rf'data-id="{number}".*?class="bar"[^>]*><i style="left:([\d.]+)%;width:([\d.]+)%', text, re.S)
        assert bar is not None
        assert float(bar[1]) == pytest.approx(100 * (frames[0] - 1) / LENGTH, abs=0.01)
        gap = np.flatnonzero(np.diff(frames) > 1)
        stop = frames[gap[0]] if len(gap) else frames[-1]
        assert float(bar[2]) == pytest.approx(100 * (stop - frames[0] + 1) / LENGTH, abs=0.01)
    for heading in ("Gallery", "Against ground truth", "What happened", "Where they are", "To repeat it"):
        assert heading in text


def test_the_same_video_is_encoded_once(scene: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tracker.output.video import VideoWriter

    opened: list[Path] = []
    enter = VideoWriter.__enter__
    monkeypatch.setattr(VideoWriter, "__enter__", lambda self: opened.append(self._path) or enter(self))
    run(job(scene, tmp_path, video=tmp_path / "v.mp4"))
    assert opened == [tmp_path / "v.mp4"]
    assert (tmp_path / "v.mp4").read_bytes() == (tmp_path / "report/video.mp4").read_bytes()


def test_detections_without_frames_have_a_report_without_pictures(scene: Path, tmp_path: Path) -> None:
    sequence = replace_frames(read_sequence(scene))
    run(job(scene, tmp_path, sequence=sequence, config="sort"))
    assert [path.name for path in (tmp_path / "report").iterdir()] == ["index.html"]
    text = text_of(tmp_path)
    assert "<video" not in text and "Gallery" not in text and "How many, when" in text and "Timeline" in text
    assert f"{LENGTH} frames" in text


def replace_frames(sequence: Sequence) -> Sequence:
    return replace(sequence, frames=None)


@pytest.mark.parametrize("second_pass", ["none", "fill"])
def test_nobody_in_the_picture(scene: Path, tmp_path: Path, second_pass: Any) -> None:
    nobody = tmp_path / "det.txt"
    nobody.write_text("1,-1,10,10,20,40,0.01\n")
    run(replace(job(scene, tmp_path, second_pass=second_pass), detections=str(nobody)))
    text = text_of(tmp_path)
    assert "<dt>Identities</dt><dd>0</dd>" in text.replace("\n", "")
    assert 'class="row"' not in text


def test_blurred_people_are_blurred_in_the_page_too(scene: Path, made: Path, tmp_path: Path) -> None:
    run(job(scene, tmp_path, blur="people"))
    text = text_of(tmp_path)
    assert "People are blurred where somebody was found" in text
    clear, hidden = (re.findall(r"base64,([^\"]+)", one) for one in (text_of(made), text))
    assert set(clear).isdisjoint(hidden)
    crops = [sorted(map(len, pictures))[:-2] for pictures in (clear, hidden)]  # without heat map and scene
    assert np.mean(crops[1]) < 0.8 * np.mean(crops[0])  # without detail they are small


def test_sections_of_others_stand_in_the_page(tmp_path: Path) -> None:
    account = {
        "doubts": [],
        "detections": {"read": 0, "used": 0, "outside": 0},
        "dropped": {},
        "least_score": None,
        "appearance": {"gate": None, "since": None, "why": "none"},
        "linking": None,
        "cuts": [],
    }
    told = Told(account, "", "none", "none", "none", "", "numpy")
    with Report(tmp_path / "report", "name") as report:
        with report.sink(RATE, None, length=3):
            pass
        report.sections.append(Section("zones", "Zones & lines", Markup("<p>The door: 3 in</p>")))
        report.finish(told)
    assert '<h2 id="zones">Zones &amp; lines</h2>\n<p>The door: 3 in</p>' in text_of(tmp_path)


# --- whole or absent -------------------------------------------------------------------------------------------------


def test_a_run_that_fails_leaves_the_earlier_report(scene: Path, tmp_path: Path) -> None:
    run(job(scene, tmp_path))
    before = text_of(tmp_path)
    spoiled = tmp_path / "det.txt"
    spoiled.write_text("1,-1,10,10,20,40,0.9\n999,-1,10,10,20,40,0.9\n")
    with pytest.raises(InputError):
        run(replace(job(scene, tmp_path), detections=str(spoiled)))
    assert text_of(tmp_path) == before
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_a_page_that_cannot_be_written_is_said_and_the_tracks_stay(
    scene: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise InputError("index.html: cannot be written: No space left on device")

    monkeypatch.setattr(pages, "write_page", full)
    summary = run(job(scene, tmp_path))
    assert summary.unwritten == ("index.html: cannot be written: No space left on device",)
    assert len(read_tracks(tmp_path / "tracks.txt")) and not (tmp_path / "report").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"report": "scene"}, "lies in the folder of --report"),
        ({"report": "data"}, "--report .*data: holds mine.txt, which is no part of a report"),
        ({"video": "report/v.mp4"}, "--video of demo .*: lies in the folder of --report"),
        ({"out": "report/tracks.txt"}, "--out of demo .*: lies in the folder of --report"),
    ],
)
def test_places_that_will_not_do(scene: Path, tmp_path: Path, options: dict[str, str], message: str) -> None:
    places = {name: scene if place == "scene" else tmp_path / place for name, place in options.items()}
    (tmp_path / "data").mkdir()
    (tmp_path / "data/mine.txt").write_text("")
    with pytest.raises(InputError, match=message):
        run(replace(job(scene, tmp_path), **places))
    assert not (tmp_path / "tracks.txt").exists()


def test_streams_are_refused(scene: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="camera0 is a camera or stream, expected a recording; write --video first"):
        run(job(scene, tmp_path, sequence=Sequence("camera0", frames=0), second_pass="none"))


# --- in the browser --------------------------------------------------------------------------------------------------


@pytest.fixture
def page(browser: Browser, made: Path) -> Page:
    """The report in a browser; what it says and asks for is kept in `said` and `asked`."""
    shown = browser.new_page(viewport={"width": 1280, "height": 900})
    shown.said, shown.asked = [], []
    shown.on("console", lambda message: shown.said.append(message.text))
    shown.on("pageerror", lambda error: shown.said.append(str(error)))
    shown.on("request", lambda request: shown.asked.append(request.url))
    shown.goto((made / "report/index.html").as_uri())
    shown.wait_for_function("document.querySelector('video').readyState >= 2")
    yield shown
    assert shown.said == []
    shown.close()


def time_of(page: Page) -> float:
    return float(page.evaluate("document.querySelector('video').currentTime"))


def test_the_video_plays_and_the_network_is_not_asked(page: Page, made: Path) -> None:
    page.evaluate("document.querySelector('video').play()")
    page.wait_for_function("document.querySelector('video').currentTime > 0.3")
    assert page.evaluate("document.querySelector('video').error") is None
    assert {address for address in page.asked if not address.startswith("data:")} == {
        (made / "report" / name).as_uri() for name in ("index.html", "video.mp4")
    }
    assert page.locator(".row.present").count() > 0


def test_an_identity_and_a_place_of_its_bar_are_jumped_to(page: Page, made: Path) -> None:
    result = read_tracks(made / "tracks.txt")
    number = int(result.ids[np.argmax(result.frames)])
    first = (result.frames[result.ids == number].min() - 1) / RATE
    latest = max(np.unique(result.ids), key=lambda one: result.frames[result.ids == one].min())
    for one in (number, int(latest)):
        first = (result.frames[result.ids == one].min() - 1) / RATE
        page.locator(f'.row[data-id="{one}"] button').click()
        assert time_of(page) == pytest.approx(first + 0.5 / RATE, abs=0.02)
        assert page.locator(f'.row[data-id="{one}"].chosen').count() == 1
    bar = page.locator(f'.row[data-id="{number}"] .bar')
    width = bar.bounding_box()["width"]
    bar.click(position={"x": 0.75 * width, "y": 10})
    assert time_of(page) == pytest.approx(0.75 * LENGTH / RATE + 0.5 / RATE, abs=0.05)
    crop = page.locator(".crop").last
    crop.click()
    assert time_of(page) == pytest.approx(float(crop.get_attribute("data-time")) + 0.5 / RATE, abs=0.02)
    assert page.evaluate("document.querySelector('video').getBoundingClientRect().top < innerHeight")


def test_the_keyboard_does_it_too(page: Page) -> None:
    page.locator(".row button").first.focus()
    page.keyboard.press("Enter")
    start = time_of(page)
    page.keyboard.press("ArrowRight")
    assert time_of(page) == pytest.approx(start + 1, abs=0.05)
    page.keyboard.press("ArrowLeft")
    assert time_of(page) == pytest.approx(start, abs=0.05)
    page.keyboard.press("ArrowDown")
    assert page.evaluate("document.activeElement.closest('.row').dataset.id") == "2"
    assert page.evaluate("getComputedStyle(document.activeElement).outlineWidth") == "3px"


@pytest.mark.parametrize("width", [320, 390])
def test_a_phone_needs_no_scrolling_to_the_side(page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    wider = "[...document.querySelectorAll('section *')].filter(one => !one.closest('.scroll, svg') && "
    assert page.evaluate(f"{wider}one.getBoundingClientRect().right > innerWidth + 1).length") == 0


def test_dark_and_print(page: Page) -> None:
    page.emulate_media(color_scheme="dark")
    letters = "getComputedStyle(document.querySelector('.card > svg text')).fill"
    assert min(int(part) for part in re.findall(r"\d+", page.evaluate(letters))[:3]) > 120  # light letters in drawings
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.querySelector('video')).display") == "none"
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
