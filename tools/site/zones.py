"""The pictures of docs/zones.md: what in and out mean, the page to draw on, and the video, all of the demo."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from tools.paper.pyplot import pyplot
from tools.site.concepts.style import Scheme, draw_for_both
from tracker.commands.main import main as flatsort
from tracker.demo.render import render_demo
from tracker.input.frames import open_frames
from tracker.zones import Line

SHOWN = 118  # frame of the demo
WIDTH, QUALITY = 1100, 80  # pixels, of WebP
LINE = Line("line", (30, 60), (150, 60))
BOXES = {  # what happens to a box -> left, top, right, bottom
    "in": (40, 10, 56, 50),
    "out": (70, 70, 86, 110),
    "on neither side:\nit stands across": (100, 40, 116, 80),
    "on neither side: not\nbetween the ends": (158, 14, 174, 54),
}


def draw_zones(out: Path) -> None:
    """Track the demo with the example's zones, draw on it, and keep what is seen."""
    draw_for_both(draw_sides, out, "sides")
    with tempfile.TemporaryDirectory() as name:
        folder, example = Path(name), (out / "example.json").resolve()
        scene = str(render_demo(folder).relative_to(folder))
        out = out.resolve()
        os.chdir(folder)  # so that the page shows a path that readers have too
        _run(
            "track",
            scene,
            "--det",
            "det.txt",
            "--out",
            folder / "demo.txt",
            "--zones",
            example,
            "--video",
            folder / "v.mp4",
        )
        image = next(image for index, image in open_frames(folder / "v.mp4") if index == SHOWN)
        cv2.imwrite(str(out / "video.webp"), image, [cv2.IMWRITE_WEBP_QUALITY, QUALITY])
        _run("zones", scene, "--zones", example, "--frame", SHOWN, "--out", folder / "page.html")
        photograph(folder / "page.html", folder / "page.png")
        page = cv2.imread(str(folder / "page.png"))
        assert page is not None
        height = round(page.shape[0] * WIDTH / page.shape[1])
        small = cv2.resize(page, (WIDTH, height), interpolation=cv2.INTER_AREA)
        cv2.imwrite(str(out / "page.webp"), small, [cv2.IMWRITE_WEBP_QUALITY, QUALITY])


def draw_sides(scheme: Scheme) -> Figure:
    """A line, the side that is in, and boxes in four places, coloured by what the line says of them."""
    figure, axes = pyplot.subplots(figsize=(7.2, 3.3))
    axes.set(xlim=(2, 238), ylim=(122, 0), aspect="equal")
    axes.axis("off")
    figure.subplots_adjust(0, 0, 1, 1)
    (x, y), (end, _) = LINE.points
    for edge in (x, end):
        axes.axvline(edge, color=scheme.faint, lw=1, ls=(0, (4, 4)))
    axes.plot((x, end), (y, y), color=scheme.ink, lw=3, solid_capstyle="round")
    axes.plot((x, end), (y, y), "o", color=scheme.ink, ms=7)
    for point, word, align in (((x - 4, y), "start", "right"), ((end + 4, y), "end", "left")):
        axes.text(*point, word, color=scheme.ink, ha=align, va="center", fontsize=10)
    middle, (across, down) = 90, LINE.towards_in
    style = {"arrowstyle": "-|>", "color": scheme.first, "lw": 2, "mutation_scale": 16}
    axes.annotate("", (middle + 26 * across, y + 26 * down), (middle, y), arrowprops=style)
    axes.text(middle + 2, 28, " in: left of the way\n from start to end", color=scheme.first, va="center", fontsize=9)
    sides = LINE.sides(np.array(list(BOXES.values()), float))
    colours = {1: scheme.first, 0: scheme.second, -1: scheme.faint}
    for (words, (left, top, right, bottom)), side in zip(BOXES.items(), sides.tolist(), strict=True):
        colour = colours[side]
        axes.add_patch(Rectangle((left, top), right - left, bottom - top, fill=False, ec=colour, lw=2))
        corners = [(left, top), (right, top), (left, bottom), (right, bottom)]
        axes.plot(*zip(*corners, strict=True), "o", color=colour, ms=4)
        ink = scheme.ink if side < 0 else colour
        axes.text(right + 3, bottom - 4, words, color=ink, va="center", fontsize=9)
    return figure


def photograph(page: Path, picture: Path) -> None:
    """The page as a browser shows it, with a zone selected."""
    from playwright.sync_api import sync_playwright

    found = next(path for name in ("chromium", "google-chrome") if (path := shutil.which(name)))
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=found, args=["--no-sandbox"])
        shown = browser.new_page(viewport={"width": 1280, "height": 740}, color_scheme="light")
        shown.goto(page.as_uri())
        shown.evaluate("choose(2)")
        shown.screenshot(path=str(picture))
        browser.close()


def _run(*arguments: object) -> None:
    try:
        flatsort([str(argument) for argument in arguments])
    except SystemExit as ended:
        if ended.code:
            sys.exit(ended.code)
