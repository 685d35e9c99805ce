"""Reproduce the paper's figures: `python -m tools.paper pendulum|human|mnist|table1|ablations|all --out DIR [--quick]`.

Trains what is missing, measures, draws DIR/figureNN-*.png and writes DIR/NAME.json.

`python -m tools.paper descriptors --root MOT16 --out DIR` compares appearance descriptors on ground-truth crops,
`python -m tools.paper table2 --root MOT16 --seq all --det poi.npy --out DIR` tracks with each preset and descriptor.
They write DIR/NAME.json and DIR/NAME.md; the first draws a map of each descriptor, rows of nearest neighbours and
spectra, the last bars, an occlusion as a film strip and, with --sweep, IDF1 over the threshold.

`python -m tools.paper mot16 --crops FILE --out DIR [--minutes M] [--jobs N] [--root MOT16]` trains the paper's four
models of person crops at full size in a given time, and measures them as the other two do.
"""

from __future__ import annotations

import difflib
import importlib
import sys
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from embedding.errors import InputError, TrainingError
from tools.paper.experiments import EXPERIMENTS, ON_DATA, Data
from tracker.commands.command_line import run_command

if TYPE_CHECKING:
    from tools.paper.bench import Bench


# Options of mot16
Crops = Annotated[Path, typer.Option(help="mot16: a pack of `flatsort crops`")]
Exclude = Annotated[
    list[str] | None,
    typer.Option(help="mot16: sequences of the pack to hold out; default those of --seq that it has"),
]
Minutes = Annotated[float, typer.Option(help="mot16: of training, for all models together")]
Jobs = Annotated[int, typer.Option(help="mot16: models trained side by side")]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="mot16: override keys of configs/embedding/mot16.yaml"),
]


def main(
    experiment: Annotated[str, typer.Argument(help=f"{', '.join((*EXPERIMENTS, *ON_DATA))}, or all that need no data")],
    out: Annotated[Path, typer.Option(help="folder of figures, JSON files and trained models")],
    quick: Annotated[bool, typer.Option("--quick", help="small sizes, to see that everything runs")] = False,
    root: Annotated[Path | None, typer.Option(help="of those on data: folder of sequences, as for `track`")] = None,
    seq: Annotated[list[str] | None, typer.Option(help="the same: names under --root; default MOT16-11")] = None,
    det: Annotated[
        list[str] | None,
        typer.Option(
            help="descriptors: detections whose tracklets are a query's own, the first that a sequence has; table2: "
            "several to track, files as for `track` or folders of SEQUENCE.npy or .txt; default sdp.txt"
        ),
    ] = None,
    descriptor: Annotated[
        list[str] | None,
        typer.Option(
            help="names or files (.safetensors, run's folder, .onnx); default all that ship. "
            "table2: LABEL=SPEC, beside all that ship"
        ),
    ] = None,
    every: Annotated[int, typer.Option(help="descriptors: of N frames one is used")] = Data.every,
    supervised: Annotated[Path | None, typer.Option(help="table2: DeepSORT's network, an .onnx file")] = None,
    sweep: Annotated[bool, typer.Option("--sweep", help="table2: over thresholds on cosine distance too")] = False,
    adapt_minutes: Annotated[
        float, typer.Option(help="table2: CPU minutes of adaptation to each sequence; 0 for none")
    ] = Data.adapt_minutes,
    crops: Crops = Data.crops,
    exclude: Exclude = None,
    minutes: Minutes = Data.minutes,
    jobs: Jobs = Data.jobs,
    set_: Set = None,
) -> None:
    """Train what is missing, measure and draw."""
    warnings.filterwarnings("ignore", message=".*torch.jit.script", category=FutureWarning)  # torch's own use of it
    data = Data(
        root=root,
        seq=tuple(seq or Data.seq),
        det=tuple(det or Data.det),
        descriptor=tuple(descriptor or ()),
        every=every,
        supervised=supervised,
        sweep=sweep,
        adapt_minutes=adapt_minutes,
        crops=crops,
        exclude=tuple(exclude or ()),
        minutes=minutes,
        jobs=jobs,
        set=tuple(set_ or ()),
    )
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
    from tools.paper.bench import Bench  # torch takes seconds to import: a wrong name should not

    bench = Bench(out, quick)
    for name in EXPERIMENTS if experiment == "all" else [experiment]:
        began = time.perf_counter()
        path = bench.write(name, _measure(name, bench, data))
        print(f"{name}: wrote {path} after {time.perf_counter() - began:.0f} s")


def _measure(name: str, bench: Bench, data: Data) -> dict[str, Any]:
    """The figures of one experiment."""
    if name == "descriptors":
        from tools.paper.descriptors import truth as paper_descriptors

        return paper_descriptors.run(bench, data.root, data.seq, data.det, data.descriptor, data.every)
    if name == "table2":
        from tools.paper.table2 import experiment

        return experiment.run(bench, data)
    if name == "mot16":
        from tools.paper.mot16 import experiment as mot16

        return mot16.run(bench, data)
    figures: dict[str, Any] = importlib.import_module(EXPERIMENTS[name]).run(bench)
    return figures


if __name__ == "__main__":
    run_command(main, "paper", many_values=("--seq", "--det", "--descriptor", "--exclude", "--set"))
