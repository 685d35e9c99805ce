"""Link finished results: `flatsort link RESULT --seq SEQ --out FILE`, whatever tracker wrote them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from embedding.extras import require_package
from embedding.progress import progress_shown, say
from tracker.errors import InputError
from tracker.files.motchallenge import read_tracks, write_results
from tracker.input.sequences import find_sequence


def main(
    result: Annotated[Path, typer.Argument(help="Result of any tracker, MOTChallenge rows.", show_default=False)],
    seq: Annotated[str, typer.Option(help="Its sequence, as for `track`: a name under --root, a folder or a video.")],
    out: Annotated[Path, typer.Option(help="Result file to write.")],
    root: Annotated[Path | None, typer.Option(help="Folder of sequences; default $MOT_ROOT.")] = None,
    descriptor: Annotated[str, typer.Option(help="Descriptor, as for `track`.")] = "default",
    picture: Annotated[
        Path | None, typer.Option(help="PNG to draw: which pieces became one identity, and why, with both crops.")
    ] = None,
) -> None:
    """Join the tracks of a result that look like one person, fill gaps and smooth, as `track --link` does.

    Example: flatsort link bytetrack/MOT16-09.txt --root MOT16 --seq MOT16-09 --out linked/MOT16-09.txt
    """
    tracks = read_tracks(result)
    if not len(tracks):
        raise InputError(f"{result}: holds no tracks, nothing to link")
    if out.exists() and out.samefile(result):
        raise InputError(f"--out {out}: is the result itself, expected another file")
    if picture is not None:
        require_package("matplotlib", f"--picture {picture}")
        if picture.suffix.lower() != ".png":
            raise InputError(f"--picture {picture}: expected a file ending in .png")
        if picture.is_dir():
            raise InputError(f"--picture {picture}: is a folder, expected a file")
    sequence = find_sequence(seq, root)
    from tracker.run.results import link_tracks

    with progress_shown() as progress:
        record, said = link_tracks(sequence, tracks, str(result), descriptor, progress, picture)
    write_results(out, record.frames, record.ids, record.boxes, record.scores)
    say(f"{sequence.name}: {said} -> {out}")
