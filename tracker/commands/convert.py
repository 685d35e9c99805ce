"""Detections and tracks from one format to another: `flatsort convert IN OUT`."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated, cast

import typer

from embedding.progress import say
from tracker.errors import InputError
from tracker.files.apart import require_apart
from tracker.files.formats.reading import STDIN
from tracker.files.formats.writing import SUFFIXES, Written, format_of, write
from tracker.files.motchallenge import read_detections, read_tracks
from tracker.files.tables import TrackTable
from tracker.input.frames import picture_size
from tracker.input.sequences import Sequence, find_sequence

To = Enum("To", {name: name for name in sorted({*SUFFIXES.values(), "kitti"})})  # type: ignore[misc]  # for typer


def main(
    source: Annotated[
        Path, typer.Argument(metavar="IN", show_default=False, help="File or folder of labels; - is standard input.")
    ],
    out: Annotated[Path, typer.Argument(metavar="OUT", show_default=False, help="What to write; its end says how.")],
    to: Annotated[To | None, typer.Option(help="Its format, where the end of its name does not say.")] = None,
    detections: Annotated[
        bool, typer.Option("--detections", help="Read detections, which have no ids, or none that count.")
    ] = False,
    seq: Annotated[
        str | None, typer.Option(help="Its sequence, whose pictures say what fractions of a picture are.")
    ] = None,
    root: Annotated[Path | None, typer.Option(help="Folder of sequences; default $MOT_ROOT.")] = None,
    size: Annotated[str | None, typer.Option(metavar="WxH", help="The same, in pixels: 1920x1080.")] = None,
) -> None:
    """Convert detections, results and ground truth: MOT text, CSV, Parquet, COCO, YOLO's labels, KITTI.

    Example: flatsort convert output/clip.txt clip.json

    Example: flatsort convert runs/track/labels clip.txt --size 1920x1080
    """
    written = format_of(out) if to is None else cast("Written", to.value)
    if source != STDIN and written != "yolo":  # labels go into a folder that is new
        require_apart([("OUT", out)], [("IN", source)])
    pictures = _pictures(seq, root, size)
    if detections:
        found = read_detections(source, size=lambda: picture_size(pictures))
        rows = TrackTable(found.frames, found.frames * 0 - 1, found.boxes, found.scores, found.class_ids)
        rows.class_names = found.class_names
    else:
        rows = read_tracks(source, size=lambda: picture_size(pictures))
    write(out, written, rows, lambda: picture_size(pictures))
    ids = "detections" if detections else f"rows of {len(set(rows.ids.tolist()))} tracks"
    say(f"{source}: {len(rows)} {ids} in {len(set(rows.frames.tolist()))} frames -> {out}")


def _pictures(seq: str | None, root: Path | None, size: str | None) -> Sequence:
    if size is None:
        return Sequence("--seq or --size") if seq is None else find_sequence(seq, root)
    width, _, height = size.casefold().partition("x")
    if not (width.isdecimal() and height.isdecimal() and 0 < int(width) < 10**6 and 0 < int(height) < 10**6):
        raise InputError(f"--size {size}: expected width and height in pixels, as 1920x1080")
    return Sequence("--size", width=int(width), height=int(height))
