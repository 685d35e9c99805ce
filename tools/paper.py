"""Reproduce the paper's figures: `python -m tools.paper pendulum|human|mnist|table1|ablations|all --out DIR [--quick]`.

Trains what is missing, measures, draws DIR/figureNN-*.png and writes DIR/NAME.json.

`python -m tools.paper descriptors --root MOT16 --out DIR` compares appearance descriptors on ground-truth crops,
`python -m tools.paper retrieval --pack FILE.npy --out DIR` searches the features of a pack of `tools.crops`. They write
DIR/NAME.json and DIR/NAME.md, and the former draws a map of each descriptor, rows of nearest neighbours and spectra.
"""

from __future__ import annotations

import difflib
import importlib
import sys
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from embedding.errors import InputError, TrainingError
from embedding.paper import EXPERIMENTS, ON_DATA
from tracker.command import run_command
from tracker.errors import InputError as TrackerInputError

if TYPE_CHECKING:
    from embedding.paper.bench import Bench


@dataclass(frozen=True)
class Data:
    """What `descriptors` and `retrieval` are measured on; the options of the same names say what each is."""

    root: Path | None = None
    seq: tuple[str, ...] = ("MOT16-11",)
    det: str = "sdp.txt"
    descriptor: tuple[str, ...] = ()
    every: int = 8
    pack: Path | None = None


def main(
    experiment: Annotated[str, typer.Argument(help=f"{', '.join((*EXPERIMENTS, *ON_DATA))}, or all that need no data")],
    out: Annotated[Path, typer.Option(help="folder of figures, JSON files and trained models")],
    quick: Annotated[bool, typer.Option("--quick", help="small sizes, to see that everything runs")] = False,
    root: Annotated[Path | None, typer.Option(help="descriptors: folder of sequences, as for `track`")] = None,
    seq: Annotated[list[str] | None, typer.Option(help="descriptors: names under --root; default MOT16-11")] = None,
    det: Annotated[str, typer.Option(help="descriptors: detections whose tracklets are a query's own")] = Data.det,
    descriptor: Annotated[
        list[str] | None, typer.Option(help="names or files (.safetensors, run's folder, .onnx); default all that ship")
    ] = None,
    every: Annotated[int, typer.Option(help="descriptors: of N frames one is used")] = Data.every,
    pack: Annotated[Path | None, typer.Option(help="retrieval: FILE.npy of tools.crops")] = None,
) -> None:
    """Train what is missing, measure and draw."""
    warnings.filterwarnings("ignore", message=".*torch.jit.script", category=FutureWarning)  # torch's own use of it
    data = Data(root, tuple(seq or Data.seq), det, tuple(descriptor or ()), every, pack)
    try:
        run(experiment, out, quick, data)
    except TrainingError as error:
        print(f"paper: {error}", file=sys.stderr)
        raise typer.Exit(1) from None


def run(experiment: str, out: Path, quick: bool, data: Data) -> None:
    """One experiment, or all of them that need no data on the same models."""
    known = [*EXPERIMENTS, *ON_DATA, "all"]
    if experiment not in known:
        near = difflib.get_close_matches(experiment, known, n=1, cutoff=0)[0]
        raise InputError(f"{experiment}: no such experiment, expected one of {', '.join(known)}; {near}?")
    from embedding.paper.bench import Bench  # torch takes seconds to import: a wrong name should not

    bench = Bench(out, quick)
    for name in EXPERIMENTS if experiment == "all" else [experiment]:
        began = time.perf_counter()
        path = bench.write(name, _measure(name, bench, data))
        print(f"{name}: wrote {path} after {time.perf_counter() - began:.0f} s")


def _measure(name: str, bench: Bench, data: Data) -> dict[str, Any]:
    """The figures of one experiment."""
    if name == "descriptors":
        from tools import paper_descriptors

        return paper_descriptors.run(bench, data.root, data.seq, data.det, data.descriptor, data.every)
    if name == "retrieval":
        if data.pack is None:
            raise InputError("retrieval: no --pack, expected FILE.npy made by python -m tools.crops")
        from embedding.paper import descriptors, search

        return search.run(bench, data.pack, descriptors.load_compared(data.descriptor or descriptors.shipped()))
    figures: dict[str, Any] = importlib.import_module(EXPERIMENTS[name]).run(bench)
    return figures


if __name__ == "__main__":
    run_command(main, "paper", many_values=("--seq", "--descriptor"), errors=(InputError, TrackerInputError))
