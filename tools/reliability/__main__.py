"""Try to break the project.

    python -m tools.reliability kills [--times 100] [--only track,embed] [--seed 0]
    python -m tools.reliability fuzz [--cases 100000] [--only detections,video] [--seed 0]
    python -m tools.reliability fuzz --only image --case 4711     # one case again, with its traceback

The first starts commands, kills them with everything they started at random moments, starts them again, and compares
what is written with what an undisturbed run writes. The second damages files of every kind that is read; nothing but
one line may come of it, within ten seconds and 2 GB.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import typer

from tracker.errors import InputError


def main(
    what: Annotated[str, typer.Argument(help="kills or fuzz.")],
    times: Annotated[int, typer.Option(min=1, help="Kills of each command.")] = 100,
    cases: Annotated[int, typer.Option(min=1, help="Damaged files of each kind.")] = 10_000,
    only: Annotated[str | None, typer.Option(help="Commands or kinds, with commas between; default all.")] = None,
    case: Annotated[int | None, typer.Option(min=0, help="A single case, in this process.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of all that is random.")] = 0,
) -> None:
    """Break it, and say what broke; exit code 1 where something did."""
    if what == "kills":
        from tools.reliability.kills import COMMANDS, kill_all

        broken = kill_all(_chosen(only, COMMANDS), times, seed)
    elif what == "fuzz":
        from tools.reliability.fuzz import fuzz, show
        from tools.reliability.readers import READERS

        chosen = _chosen(only, READERS)
        if case is not None:
            show(chosen[0], seed, case)
            return
        broken = fuzz(chosen, cases, seed)
    else:
        raise InputError(f"{what}: expected kills or fuzz")
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
