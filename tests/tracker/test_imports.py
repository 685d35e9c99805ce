"""What importing costs: heavy libraries stay out until something needs them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
ON_USE = {
    "cv2",
    "av",
    "motmetrics",
    "trackeval",
    "supervision",
    "pandas",
    "matplotlib",
    "jinja2",
    "filterpy",
    "lap",
    "ray",
    "onnxruntime",
}


def modules_after(statement: str) -> set[str]:
    """Top-level packages loaded by the statement in a fresh interpreter."""
    program = f"{statement}\nimport sys; print(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", program], cwd=CHECKOUT, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        ("import tracker", {"torch", "torchvision", "scipy", "typer", "rich"} | ON_USE),
        # one frame of each preset: everything the hot path needs, and still no torch
        (
            "from tracker import *\n"
            "for name in ('sort', 'deepsort', 'flatsort'):\n"
            "    Tracker.from_config(name).update(Detections([[0, 0, 9, 9]] * 2, features=[[1, 0]] * 2))",
            {"torch", "torchvision", "scipy"} | ON_USE,
        ),
        ("import tracker.commands.track", {"torch", "torchvision"} | ON_USE),
        (
            "import tracker.run.pipeline, tracker.run.parallel, tracker.evaluate.scores",
            {"torch", "torchvision"} | ON_USE,
        ),
        ("import embedding", {"torch", "torchvision", "tracker", "scipy"} | ON_USE),
        ("from embedding import Descriptor; Descriptor.load('colour')", {"torch", "torchvision", "tracker"}),
    ],
)
@pytest.mark.slow
def test_importing_loads_no_more_than_it_must(statement: str, absent: set[str]) -> None:
    assert modules_after(statement) & absent == set()


def test_public_names() -> None:
    import embedding
    import tracker

    assert set(tracker.__all__) >= {"Tracker", "Detections", "Tracks", "TrackerConfig", "load_config", "InputError"}
    assert set(embedding.__all__) >= {"Descriptor"}
    assert all(hasattr(tracker, name) for name in tracker.__all__)
