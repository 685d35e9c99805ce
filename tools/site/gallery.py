"""The pictures of the gallery: what the commands draw of the demo, small enough for a page."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from embedding.files import atomic_path
from tracker.commands.main import main as flatsort
from tracker.core.detections import Image
from tracker.demo.render import render_demo
from tracker.input.frames import open_frames

FRAMES = 300  # of the scene
QUALITY = 82  # of WebP
LOOP = (120, 200)  # frames of the moving picture
LOOP_WIDTH, LOOP_RATE = 560, 12.5  # pixels, frames a second


def draw_gallery(out: Path) -> None:
    """Track the demo as a user would and keep pictures of what comes."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        scene = str(render_demo(folder, FRAMES))
        _run("track", scene, "--out", folder / "raw.txt", "--raw", "--video", folder / "raw.mp4")
        _run("track", scene, "--out", folder / "demo.txt", "--sheet", folder / "sheet.png")
        _run("link", folder / "raw.txt", "--seq", scene, "--out", folder / "link.txt", "--picture", folder / "why.png")
        _run("calibrate", "--seq", scene, "--det", "det.txt", "--descriptor", "default", "--out", folder)
        _keep(folder / "sheet.png", out / "sheet.webp", 1280)
        _keep(folder / "why.png", out / "why.webp", 1280)
        _keep(folder / "demo.png", out / "calibration.webp", 1040)
        _loop(folder / "raw.mp4", out / "tracks.webp")


def _run(*arguments: object) -> None:
    try:
        flatsort([str(argument) for argument in arguments])
    except SystemExit as ended:
        if ended.code:
            sys.exit(ended.code)


def _keep(source: Path, target: Path, width: int) -> None:
    read = cv2.imread(str(source))
    assert read is not None, source
    image: Image = read.astype(np.uint8)
    if image.shape[1] > width:
        image = _scaled(image, width)
    encoded = cv2.imencode(".webp", image, [cv2.IMWRITE_WEBP_QUALITY, QUALITY])[1]
    with atomic_path(target) as temporary:
        temporary.write_bytes(encoded.tobytes())


def _loop(video: Path, target: Path) -> None:
    """A moving picture, which pages show without a player."""
    chosen = [_scaled(image, LOOP_WIDTH) for index, image in open_frames(video) if LOOP[0] <= index < LOOP[1]]
    write_moving(chosen, target, LOOP_RATE)


def write_moving(images: Sequence[Image], target: Path, rate: float) -> None:
    """BGR images as an animated WebP that goes on for ever."""
    from PIL import Image as Picture

    first, *others = [Picture.fromarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB)) for image in images]
    with atomic_path(target) as temporary:
        first.save(
            temporary,
            format="WEBP",
            save_all=True,
            append_images=others,
            duration=round(1000 / rate),
            loop=0,
            quality=60,
            method=4,
        )


def _scaled(image: Image, width: int) -> Image:
    height = round(width * image.shape[0] / image.shape[1])
    scaled: Image = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA).astype(np.uint8)
    return scaled
