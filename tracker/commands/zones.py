"""`flatsort zones`: with a video one draws lines and zones, with a result one counts at them."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from embedding.progress import say
from tracker.core.detections import Image
from tracker.errors import InputError
from tracker.files.apart import require_apart
from tracker.files.formats.reading import STDIN
from tracker.files.formats.yolo import is_label_folder
from tracker.files.motchallenge import read_tracks
from tracker.input.frames import open_frames, picture_size
from tracker.input.sequences import Sequence, find_sequence

RESULTS = (".txt", ".csv", ".json", ".parquet", ".gz")  # ends of names of results; anything else is looked at
PAGES = (".html", ".htm")
DEFAULT_OUT = Path("output")


def main(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            show_default=False,
            help="A video, folder of images or sequence to draw on; or the result of any tracker to count in.",
        ),
    ],
    zones: Annotated[
        Path | None, typer.Option(help="Lines and zones: those to count at, or to go on drawing with.")
    ] = None,
    out: Annotated[
        list[Path] | None,
        typer.Option(
            show_default=False,
            help="Counts: .json (totals, over time) or .csv (a row an event), may be given twice; default both, "
            "output/NAME.zones.*. To draw: the page to write, default output/NAME.zones.html.",
        ),
    ] = None,
    seq: Annotated[
        str | None,
        typer.Option(help="Sequence of a result: says the frame rate and the picture's size."),
    ] = None,
    root: Annotated[Path | None, typer.Option(help="Folder of sequences; default $MOT_ROOT.")] = None,
    frame: Annotated[int, typer.Option(min=1, help="Number of the frame to draw on.")] = 1,
    rate: Annotated[
        float | None, typer.Option(min=0.001, max=1000, help="Frames a second of a result, where no sequence says it.")
    ] = None,
) -> None:
    """Draw lines and zones on a video; count who crosses them and who is inside in a tracker's result.

    Example: flatsort zones clip.mp4

    Example: flatsort zones output/clip.txt --zones zones.json --seq clip.mp4
    """
    if _is_result(source):
        _count(Path(source), zones, out, None if seq is None else find_sequence(seq, root), rate)
        return
    if seq is not None or rate is not None:
        raise InputError(f"{source}: is to be drawn on; --seq and --rate belong to a result ({', '.join(RESULTS)})")
    _draw(source, find_sequence(source, root), zones, out, frame)


def _is_result(source: str) -> bool:
    path = Path(source)
    return path == STDIN or path.suffix.lower() in RESULTS or (path.is_dir() and is_label_folder(path))


def _draw(source: str, sequence: Sequence, zones: Path | None, out: list[Path] | None, frame_index: int) -> None:
    from tracker.output.pages.zone_page import write_zone_page
    from tracker.zones.reading import read_zones

    places = [] if zones is None else read_zones(zones)
    pages = out or [DEFAULT_OUT / f"{sequence.name}.zones.html"]
    if len(pages) > 1 or pages[0].suffix.lower() not in PAGES:
        named = " and ".join(map(str, pages))
        raise InputError(f"--out {named}: expected one page to draw on, a name that ends in {' or '.join(PAGES)}")
    inputs = [] if zones is None else [("--zones", zones)]
    if isinstance(sequence.frames, Path):
        inputs.append(("SOURCE", sequence.frames))
    require_apart([("--out", pages[0])], inputs)
    shown, image = _picture(sequence, frame_index)
    write_zone_page(pages[0], image, sequence.name, shown, places, f"track {shlex.quote(source)} --zones zones.json")
    say(f"{sequence.name}: open {pages[0].absolute().as_uri()} in a browser, draw on frame {shown}, save zones.json")


def _picture(sequence: Sequence, wanted: int) -> tuple[int, Image]:
    """The first frame from the wanted one on."""
    if sequence.frames is None:
        raise InputError(f"{sequence.name}: has no frames to draw on")
    last = 0
    with open_frames(sequence.frames) as frames:
        for last, image in frames:
            if last >= wanted:
                return last, image
    raise InputError(f"--frame {wanted}: {sequence.name} ends with frame {last}")


def _count(
    result: Path, zones: Path | None, out: list[Path] | None, sequence: Sequence | None, rate: float | None
) -> None:
    from tracker.output.counts import count_sinks, counting_at, told_by_frames
    from tracker.run.source import looked_at
    from tracker.zones.writing import lines_about, require_suffix

    if zones is None:
        raise InputError("--zones: missing; `flatsort zones VIDEO` draws them")
    name = "stdin" if result == STDIN else result.stem
    outputs = out or [DEFAULT_OUT / f"{name}.zones{suffix}" for suffix in (".json", ".csv")]
    for path in outputs:
        require_suffix("--out", path)
    require_apart([(f"--out {path.suffix}", path) for path in outputs], [("RESULT", result), ("--zones", zones)])
    footage = Sequence(name) if sequence is None else told_by_frames(sequence)
    footage = replace(footage, frame_rate=rate or footage.frame_rate)
    tracks = read_tracks(result, size=lambda: picture_size(footage))
    counting = counting_at(zones, footage, None, tracks.class_names, looked_at(tracks.frames))
    counting.take_all(tracks.frames, tracks.ids, tracks.boxes, tracks.class_ids)
    counting.until = footage.length
    for sink in count_sinks(counting, tuple(outputs))[1:]:
        with sink:
            pass
    for line in lines_about(counting.content()):
        say(f"{name}: {line}")
    for doubt in counting.doubts():
        say(f"{name}: careful: {doubt}")
    if footage.frame_rate is None:
        say(f"{name}: careful: the frame rate is not known, times are in frames (--seq or --rate says it)")
    say(f"{name}: -> {', '.join(map(str, outputs))}")
