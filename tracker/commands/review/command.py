"""What is asked for: a replay, or a page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from embedding.extras import require_package
from embedding.progress import say
from tracker.errors import InputError
from tracker.files.apart import require_apart
from tracker.files.formats.reading import STDIN
from tracker.files.motchallenge import read_tracks
from tracker.input.frames import picture_size
from tracker.input.sequences import Sequence, find_sequence
from tracker.run.outputs import files_of

LOG = ".corrections.jsonl"


def main(
    result: Annotated[Path, typer.Argument(help="Result of any tracker, in any known format.", show_default=False)],
    seq: Annotated[
        str | None,
        typer.Option(help="Its sequence: a name under --root, a folder or a video.", show_default=False),
    ] = None,
    root: Annotated[Path | None, typer.Option(help="Folder of sequences; default $MOT_ROOT.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="Corrected result to write; default RESULT.corrected beside it, same format.")
    ] = None,
    log: Annotated[
        Path | None,
        typer.Option(help=f"Log of corrections, to go on from and add to; default OUT's name with {LOG}."),
    ] = None,
    replay: Annotated[
        Path | None, typer.Option(help="Make the corrections of this log and write --out, without a browser.")
    ] = None,
    descriptor: Annotated[
        str, typer.Option(help="Descriptor that suggestions come from, as for `track`; none: no suggestions.")
    ] = "default",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Of the page's address; 0 takes a free one.")] = 0,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open the page in a browser.")] = True,
) -> None:
    """Merge, cut, exchange, delete and name identities of a result on a local page; suggestions say where to look.

    Every correction is in the log at once; ended at any time, the same command goes on. Nothing leaves this machine.

    Example: flatsort review output/clip.txt --seq clip.mp4

    Example: flatsort review output/clip.txt --replay output/clip.corrected.corrections.jsonl --out clip.txt
    """
    from tracker.commands.review.serving import serve
    from tracker.review.session import Session, replayed, target_of

    if result == STDIN:
        raise InputError("RESULT -: expected a file, which can be read again")
    sequence = Sequence("--seq") if seq is None else find_sequence(seq, root)
    table = read_tracks(result, size=lambda: picture_size(sequence))
    target = target_of(result, out, (sequence.width or 0, sequence.height or 0))
    inputs = [("RESULT", result), *(() if seq is None else files_of(sequence, ""))]
    if replay is not None:
        require_apart([("--out", target.path)], [*inputs, ("--replay", replay)])
        reviewed, history = replayed(table, replay, result)
        say(f"{result}: {len(history.done)} corrections; {target.write(reviewed)}")
        return
    if seq is None:
        raise InputError("--seq: missing, expected the video that the result is of")
    log = log or target.path.with_suffix(LOG)
    require_apart([("--out", target.path), ("--log", log)], inputs)
    require_package("jinja2", "flatsort review")
    if not len(table):
        raise InputError(f"{result}: holds no tracks, nothing to review")
    session = Session(table, result, log, target, sequence.name)
    try:
        if session.history.done:
            say(f"{log}: goes on after {len(session.history.done)} corrections")
        serve(session, sequence, result, descriptor, port, browser)
    finally:
        session.close()
