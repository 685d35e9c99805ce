"""Try to break the project.

    python -m tools.reliability kills [--times 100] [--only track,embed] [--seed 0]
    python -m tools.reliability fuzz [--cases 100000] [--only detections,video] [--seed 0]
    python -m tools.reliability fuzz --only image --case 4711     # one case again, with its traceback
    python -m tools.reliability serve [--minutes 20] [--rate 3] [--times 3] [--engine local] [--out FOLDER]
    python -m tools.reliability fleet --root MOT16 [--det sdp.txt] [--clips 40] [--frames 50] [--times 3] [--seed 0]

The first starts commands, kills them with everything they started at random moments, starts them again, and compares
what is written with what an undisturbed run writes. The second damages files of every kind that is read; nothing but
one line may come of it, within ten seconds and 2 GB. The third serves eight cameras that close, reset, stall and send
broken pictures, kills processes of theirs if asked to (`--times`), and compares all that was written. The fourth runs a
batch on a Ray cluster and kills its workers and nodes.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from tracker.errors import InputError


def main(
    what: Annotated[str, typer.Argument(help="kills, fuzz, serve or fleet.")],
    times: Annotated[
        int | None,
        typer.Option(min=0, help="Kills of each command, 100; of cameras, 0; batches with kills, 3."),
    ] = None,
    cases: Annotated[int, typer.Option(min=1, help="Damaged files of each kind.")] = 10_000,
    only: Annotated[str | None, typer.Option(help="Commands or kinds, with commas between; default all.")] = None,
    case: Annotated[int | None, typer.Option(min=0, help="A single case, in this process.")] = None,
    minutes: Annotated[float, typer.Option(min=0.1, help="Of serving.")] = 20.0,
    rate: Annotated[float, typer.Option(min=0.5, help="Frames a second of each camera.")] = 3.0,
    engine: Annotated[str, typer.Option(help="ray or local.")] = "ray",
    out: Annotated[Path | None, typer.Option(help="Folder in which what was served is kept.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of all that is random.")] = 0,
    root: Annotated[Path | None, typer.Option(help="Fleet: sequences that clips are cut from.")] = None,
    det: Annotated[str, typer.Option(help="Fleet: their detections.")] = "det.txt",
    clips: Annotated[int, typer.Option(min=1, help="Fleet: how many.")] = 40,
    frames: Annotated[int, typer.Option(min=10, help="Fleet: of a clip.")] = 50,
) -> None:
    """Break it, and say what broke; exit code 1 where something did."""
    if what == "kills":
        from tools.reliability.kills import COMMANDS, kill_all

        broken = kill_all(_chosen(only, COMMANDS), times or 100, seed)
    elif what == "fuzz":
        from tools.reliability.fuzz import fuzz, show
        from tools.reliability.readers import READERS

        chosen = _chosen(only, READERS)
        if case is not None:
            show(chosen[0], seed, case)
            return
        broken = fuzz(chosen, cases, seed)
    elif what == "serve":
        from tools.reliability.cameras import serve_cameras

        broken = serve_cameras(minutes, rate, engine, times or 0, out, seed)
    elif what == "fleet":
        from tools.reliability.fleet import fleet_all

        if root is None:
            raise InputError("--root: missing, expected a folder of sequences to cut clips from")
        broken = fleet_all(root, clips, frames, 3 if times is None else times, seed, det)
    else:
        raise InputError(f"{what}: expected kills, fuzz, serve or fleet")
    raise typer.Exit(1 if broken else 0)


def _chosen(only: str | None, known: Mapping[str, object]) -> list[str]:
    names = list(known) if only is None else only.split(",")
    for name in names:
        if name not in known:
            raise InputError(f"--only {name}: expected some of {', '.join(known)}")
    return names


if __name__ == "__main__":
    from tracker.commands.command_line import run_command

    run_command(main, "reliability")
