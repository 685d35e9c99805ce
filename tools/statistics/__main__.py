"""`python -m tools.statistics --out FILE.npz`: three minutes of one core."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from embedding.descriptors.spec import SHIPPED
from tools.statistics.fit import PEOPLE, VIEWS, write
from tracker.commands.command_line import run_command


def main(
    out: Annotated[Path, typer.Option(help="FILE.npz to write.")] = SHIPPED / "statistics.npz",
    people: Annotated[int, typer.Option(help="How many are rendered.", min=2)] = PEOPLE,
    views: Annotated[int, typer.Option(help="Of each of them.", min=2)] = VIEWS,
    seed: Annotated[int, typer.Option(help="The same one gives the same file.")] = 0,
) -> None:
    """Render people and fit the closed-form descriptor on them."""
    write(out, people, views, seed)
    print(f"{people} people, {views} views each -> {out}")


if __name__ == "__main__":
    run_command(main, "tools.statistics")
