"""Fit a descriptor to one camera: `python -m tools.adapt --seq SEQ [SEQ ...] --det FILE --out WEIGHTS.safetensors`.

`track --adapt` does the same for each sequence by itself; this is for several videos of one camera, and for weights to
be used again on its next video.
"""

from __future__ import annotations

import shlex
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from embedding.progress import progress_shown
from tracker.errors import InputError
from tracker.files.apart import require_apart
from tracker.footage.adapt import DEFAULT_MINUTES, adapt_to, describe
from tracker.input.sequences import find_sequences
from tracker.run.outputs import files_of

if TYPE_CHECKING:
    from embedding.training.held_back import AdaptationReport

STARTS = {".npz": "default", ".safetensors": "mot16-lite"}  # what is adapted, by the kind of file to write


def main(
    seq: Annotated[list[str], typer.Option(help="One camera's videos: names under --root, folders or video files.")],
    det: Annotated[str, typer.Option(help="Detections or a detector, as for `track`; {seq} is the sequence's name.")],
    out: Annotated[Path, typer.Option(help="FILE.npz to write, of a network WEIGHTS.safetensors.")],
    root: Annotated[Path | None, typer.Option(help="Folder of sequences; default $MOT_ROOT.")] = None,
    descriptor: Annotated[
        str | None,
        typer.Option(help="What to start from, as for `track`: default for an .npz, mot16-lite for .safetensors."),
    ] = None,
    corrections: Annotated[
        list[Path] | None,
        typer.Option(
            help="Logs of `flatsort review` on these videos: whom a person merged is one, to learn from.",
            show_default=False,
        ),
    ] = None,
    minutes: Annotated[float, typer.Option(help="To learn for, of CPU time; of the clock on a GPU.")] = DEFAULT_MINUTES,
    seed: Annotated[int, typer.Option(help="Of the learning, and of what is held back.")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
) -> None:
    """Fit a descriptor to the people of one camera, without labels; keep it as it was where that does not help.

    Example: flatsort adapt --seq monday.mp4 tuesday.mp4 --det FastestDet.onnx --out entrance.npz
    """
    if out.suffix not in STARTS:
        raise InputError(f"--out {out}: expected a name that ends in {' or '.join(STARTS)}")
    descriptor = STARTS[out.suffix] if descriptor is None else descriptor
    sequences = find_sequences(seq, root)
    require_apart(
        [("--out", out)],
        [
            *(one for sequence in sequences for one in files_of(sequence, det)),
            *(("--corrections", log) for log in corrections or ()),
        ],
    )
    judged = None
    if corrections:
        from tracker.review.lessons import read_lessons

        judged = read_lessons(corrections)
    how = partial(adapt_to, seed=seed, device=device, writes_unchanged=False, judged=judged)
    with progress_shown() as progress:
        report = how(sequences, det, descriptor, out, minutes, progress)
    print_report(report)
    if report.chosen == "shipped":
        print(f"{out}: not written; --descriptor {descriptor} is what there is")
        return
    print(f"weights: {_files(out)}")
    below = [] if root is None else ["--root", str(root)]
    print("use them:", shlex.join(["track", *below, "--seq", *seq, "--det", det, "--descriptor", str(out)]))


def print_report(report: AdaptationReport) -> None:
    """Print how well each candidate tells apart people it has not learnt from, which was chosen and why."""
    if report.separation:
        _print_candidates(report)
        steps = f" in {report.steps} steps" if report.steps else ""
        print(f"learnt from {report.tracklets} tracklets{steps}, compared on {report.held_out} others")
    print(describe(report.chosen, report.reason))


def _print_candidates(report: AdaptationReport) -> None:
    from tracker.evaluate.table import print_columns

    rows = [
        (name, f"{found.auc:.3f}", f"{found.true_accepts:.1%}", "chosen" if name == report.chosen else "")
        for name, found in report.separation.items()
    ]
    print_columns(("", "AUC", "true accepts at 1 %", ""), rows)


def _files(out: Path) -> str:
    """The files that weights of this name lie in, which may be parts."""
    if out.suffix == ".npz":
        return str(out)
    from embedding.vae.weights import read_record, weight_files

    files = [*weight_files(out, read_record(out)), out.with_suffix(".json")]
    return ", ".join(map(str, files))
