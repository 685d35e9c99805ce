"""Reproduce the paper's figures: `python -m tools.paper pendulum|human|mnist|table1|ablations|all --out DIR [--quick]`.

Trains what is missing, measures, draws DIR/figureNN-*.png and writes DIR/NAME.json.
"""

from __future__ import annotations

import difflib
import importlib
import sys
import time
import warnings
from pathlib import Path
from typing import Annotated

import typer

from embedding.errors import InputError, TrainingError
from embedding.paper import EXPERIMENTS
from tracker.command import run_command


def main(
    experiment: Annotated[str, typer.Argument(help=f"{', '.join(EXPERIMENTS)} or all")],
    out: Annotated[Path, typer.Option(help="folder of figures, JSON files and trained models")],
    quick: Annotated[bool, typer.Option("--quick", help="small sizes, to see that everything runs")] = False,
) -> None:
    """Train what is missing, measure and draw."""
    warnings.filterwarnings("ignore", message=".*torch.jit.script", category=FutureWarning)  # torch's own use of it
    try:
        run(experiment, out, quick)
    except TrainingError as error:
        print(f"paper: {error}", file=sys.stderr)
        raise typer.Exit(1) from None


def run(experiment: str, out: Path, quick: bool) -> None:
    """One experiment, or all of them on the same models."""
    if experiment not in (*EXPERIMENTS, "all"):
        near = difflib.get_close_matches(experiment, [*EXPERIMENTS, "all"], n=1, cutoff=0)[0]
        raise InputError(f"{experiment}: no such experiment, expected all or one of {', '.join(EXPERIMENTS)}; {near}?")
    from embedding.paper.bench import Bench  # torch takes seconds to import: a wrong name should not

    bench = Bench(out, quick)
    for name in EXPERIMENTS if experiment == "all" else [experiment]:
        began = time.perf_counter()
        path = bench.write(name, importlib.import_module(EXPERIMENTS[name]).run(bench))
        print(f"{name}: wrote {path} after {time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    run_command(main, "paper", errors=(InputError,))
