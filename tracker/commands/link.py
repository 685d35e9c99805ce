"""Link finished results, whatever tracker wrote them: `flatsort link RESULT --seq SEQ --out FILE`.

Of several results, who in one is who in another: `flatsort link RESULT RESULT ... --out MATCHES.csv`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from embedding.extras import require_package
from embedding.progress import progress_shown, say
from tracker.errors import InputError
from tracker.files.apart import require_apart
from tracker.files.motchallenge import read_tracks, write_results
from tracker.input.sequences import find_sequence

TABLES = (".csv", ".parquet")


def main(
    result: Annotated[
        list[Path], typer.Argument(help="Results of any tracker, MOTChallenge rows.", show_default=False)
    ],
    out: Annotated[
        Path, typer.Option(help="Result file to write; of several results, table of matches, .csv or .parquet.")
    ],
    seq: Annotated[
        list[str] | None,
        typer.Option(
            help="Its sequence, as for `track`: a name under --root, a folder or a video. Of several results one each, "
            "in their order; default what the files are called."
        ),
    ] = None,
    root: Annotated[Path | None, typer.Option(help="Folder of sequences; default $MOT_ROOT.")] = None,
    descriptor: Annotated[str, typer.Option(help="Descriptor, as for `track`.")] = "default",
    picture: Annotated[
        Path | None, typer.Option(help="PNG to draw: which pieces became one identity, and why, with both crops.")
    ] = None,
    manifest: Annotated[
        Path | None,
        typer.Option(
            help="Of several results: table with sequence or video, name, and camera, view (cameras of different views "
            "see nothing in common) and start (of the first frame, seconds or date and time)."
        ),
    ] = None,
) -> None:
    """Join the tracks of a result that look like one person, fill gaps and smooth, as `track --link` does.

    Of several results: match the identities of different cameras and days.

    Example: flatsort link bytetrack/MOT16-09.txt --root MOT16 --seq MOT16-09 --out linked/MOT16-09.txt

    Example: flatsort link results/door.txt results/hall.txt --manifest cameras.csv --out matches.csv
    """
    if len(result) > 1 or manifest is not None:
        if picture is not None:
            raise InputError(f"--picture {picture}: draws one result, found {len(result)}")
        _across(result, seq or [], manifest, root, descriptor, out)
        return
    if not seq or len(seq) > 1:
        raise InputError(f"--seq: {len(seq or [])} given, expected the result's sequence")
    _within(result[0], seq[0], root, descriptor, out, picture)


def _across(
    results: list[Path], seq: list[str], manifest: Path | None, root: Path | None, descriptor: str, out: Path
) -> None:
    """Who in one result is who in another."""
    if out.suffix not in TABLES:
        raise InputError(f"--out {out}: expected a name that ends in {' or '.join(TABLES)}, for a table of matches")
    if out.suffix == ".parquet":
        require_package("pyarrow", f"--out {out}")
    read = [("a result", path) for path in results] + ([] if manifest is None else [("--manifest", manifest)])
    require_apart([("--out", out)], read)
    from tracker.across.link import link_results
    from tracker.across.results import find_results

    with progress_shown() as progress:
        linked = link_results(find_results(results, seq, manifest, root), descriptor, progress)
    linked.write(out)
    say(f"{linked.said} -> {out}")


def _within(result: Path, seq: str, root: Path | None, descriptor: str, out: Path, picture: Path | None) -> None:
    """The second pass over one result."""
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
