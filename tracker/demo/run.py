"""`track --demo`: render the scene, track it, score it, draw it."""

from __future__ import annotations

from collections.abc import Sequence as Values
from pathlib import Path

from embedding.progress import say
from tracker.core.config import load_config
from tracker.demo.render import render_demo
from tracker.input.sequences import read_sequence
from tracker.run.job import Job
from tracker.run.parallel import print_evaluation, run_all


def run_demo(
    out: Path, config: str, overrides: Values[str] = (), descriptor: str = "colour", report: Path | None = None
) -> None:
    """Write `out`/demo (the sequence), demo.txt (the tracks), demo.mp4 and demo.png; print the metrics table.

    Args:
        out: folder, made if need be.
        config, overrides: as `load_config` takes them.
        descriptor: what tells the figures apart.
        report: folder for the page about it; None for none.

    Raises:
        InputError: a bad setting, or `out` cannot be written to.
    """
    settings = load_config(config, overrides)
    say("rendering a scene of ten people, some seconds")
    sequence = read_sequence(render_demo(out))
    job = Job(
        sequence=sequence,
        config=settings,
        detections="det.txt",
        descriptor=descriptor,
        out=out / "demo.txt",
        video=out / "demo.mp4",
        sheet=out / "demo.png",
        report=report,
        command="track --demo",
    )
    print_evaluation([sequence], run_all([job]))
    page = "" if report is None else f", and open {report / 'index.html'} in a browser"
    print(f"look at {job.video} and {job.sheet}{page}")
