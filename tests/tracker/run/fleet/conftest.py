"""A short clip of the demo with its detections."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tracker.core.config import load_config
from tracker.demo.render import FRAME_RATE, render_demo
from tracker.demo.scene import HEIGHT, WIDTH
from tracker.input.frames import open_frames
from tracker.input.sequences import find_sequence
from tracker.output.video import VideoWriter
from tracker.run.job import Job

LENGTH = 24


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """clip.mp4, with clip.txt beside it."""
    folder = tmp_path_factory.mktemp("clip")
    sequence = render_demo(folder, LENGTH)
    with VideoWriter(folder / "clip.mp4", FRAME_RATE, (WIDTH, HEIGHT)) as video, open_frames(sequence / "img1") as all_:
        for _, image in all_:
            video.write(image)
    (sequence / "det/det.txt").rename(folder / "clip.txt")
    return folder / "clip.mp4"


@pytest.fixture
def make_job(clip: Path, tmp_path: Path) -> Callable[..., Job]:
    """`make_job(folder, name, **changes)`: the job of the clip, whose result is folder/name.txt."""

    def make(folder: str, name: str = "clip", **changes: object) -> Job:
        video = tmp_path / "videos" / f"{name}.mp4"
        video.parent.mkdir(exist_ok=True)
        if not video.exists():
            os.link(clip, video)
        options: dict[str, object] = {"detections": str(clip.with_suffix(".txt")), "second_pass": "link"} | changes
        out = tmp_path / folder / f"{name}.txt"
        return Job(find_sequence(str(video)), load_config("flatsort"), descriptor="default", out=out, **options)  # type: ignore[arg-type]

    return make
