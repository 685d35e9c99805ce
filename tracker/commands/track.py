"""The `track` command: options in, jobs out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, cast

import typer

from tracker.core.config import load_config
from tracker.errors import InputError
from tracker.input.sequences import Sequence, find_sequences
from tracker.run.job import Job

DEFAULT_OUT = Path("output")


def main(
    seq: Annotated[
        list[str],
        typer.Option(
            help="Sequences: name under --root, folder, video, camera index, URL; `all` for every one of the root."
        ),
    ] = [],  # noqa: B006  (typer copies it)
    det: Annotated[
        str | None,
        typer.Option(
            help="Detections: MOT text or .npy, {seq} is the sequence's name; or hog, torchvision:NAME, FILE.onnx."
        ),
    ] = None,
    root: Annotated[Path | None, typer.Option(help="Folder of sequences; default $MOT_ROOT.")] = None,
    config: Annotated[str, typer.Option(help="sort, deepsort, flatsort or a YAML file.")] = "flatsort",
    set_: Annotated[
        list[str], typer.Option("--set", metavar="KEY=VALUE", help="Override settings of the preset.")
    ] = [],  # noqa: B006
    descriptor: Annotated[
        str, typer.Option(help="Descriptor for detections without features; `none` tracks by motion alone.")
    ] = "default",
    embed_when: Annotated[
        str,
        typer.Option(help="always, or ambiguous: describe whom motion leaves in doubt, all now and then."),
    ] = "always",
    adapt: Annotated[
        bool, typer.Option("--adapt", help="Fit the descriptor, a trained one, to each sequence's detections first.")
    ] = False,
    adapt_minutes: Annotated[
        float | None, typer.Option(help="CPU minutes to fit it for (of the clock on a GPU); default 4.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Result file of one sequence, folder of several; default output/NAME.txt.")
    ] = None,
    video: Annotated[str | None, typer.Option(help="Annotated video (.mp4); {seq} is the sequence's name.")] = None,
    sheet: Annotated[str | None, typer.Option(help="Contact sheet of annotated frames (.png); {seq} as above.")] = None,
    table: Annotated[
        str | None, typer.Option(help="Tracks with the detection behind each box, .csv or .parquet; {seq} as above.")
    ] = None,
    camera_motion: Annotated[
        str | None, typer.Option(help="Compensate the camera's motion, told from the frames: ecc or sparse.")
    ] = None,
    interpolate: Annotated[int, typer.Option(min=0, help="Fill gaps of up to N frames, once all are tracked.")] = 0,
    smooth: Annotated[bool, typer.Option("--smooth", help="Smooth finished tracks (Rauch-Tung-Striebel).")] = False,
    show: Annotated[bool, typer.Option("--show", help="Show a live window; q ends the run.")] = False,
    evaluate: Annotated[bool, typer.Option("--evaluate", help="Print metrics where there is ground truth.")] = False,
    jobs: Annotated[
        str, typer.Option(help="Sequences tracked at once: a number of processes, or `ray` for a Ray cluster.")
    ] = "1",
    demo: Annotated[
        bool, typer.Option("--demo", help="Render a scene, track it, score it, draw it; needs nothing else.")
    ] = False,
) -> None:
    """Track objects through image sequences and videos."""
    if demo:
        from tracker.demo.run import run_demo

        run_demo(out or Path("demo_output"), config, set_)
        return
    if not seq or det is None:
        raise InputError(f"{'--seq' if not seq else '--det'}: missing; try `track --demo`, or `track --help`")
    if table is not None and Path(table).suffix not in (".csv", ".parquet"):
        raise InputError(f"--table {table}: expected a name that ends in .csv or .parquet")
    settings = load_config(config, set_)
    sequences = find_sequences(seq, root)
    tracked = [
        Job(
            sequence=sequence,
            config=settings,
            detections=det,
            descriptor=descriptor,
            out=_result_path(out, sequence, len(sequences)),
            video=_named(video, "--video", sequence, len(sequences)),
            table=_named(table, "--table", sequence, len(sequences)),
            sheet=_named(sheet, "--sheet", sequence, len(sequences)),
            camera_motion=_camera_method(camera_motion),
            interpolate=interpolate,
            smooth=smooth,
            show=show,
            adapt_minutes=_minutes(adapt, adapt_minutes),
            embed_when=_embed_when(embed_when),
        )
        for sequence in sequences
    ]
    if evaluate and not any(sequence.ground_truth for sequence in sequences):
        raise InputError(f"--evaluate: no ground truth (gt/gt.txt) in {', '.join(s.name for s in sequences)}")
    from tracker.run.parallel import print_evaluation, run_all

    summaries = run_all(tracked, jobs)
    if evaluate:
        print_evaluation(sequences, summaries)


def _result_path(out: Path | None, sequence: Sequence, count: int) -> Path:
    if out is None:
        return DEFAULT_OUT / f"{sequence.name}.txt"
    if count == 1 and not out.is_dir():
        return out
    if out.exists() and not out.is_dir():
        raise InputError(f"--out {out}: is a file, expected a folder for {count} sequences")
    return out / f"{sequence.name}.txt"


def _minutes(adapt: bool, minutes: float | None) -> float | None:
    """How long to adapt each descriptor; None: not at all."""
    if not adapt:
        if minutes is not None:
            raise InputError(f"--adapt-minutes {minutes:g}: does nothing without --adapt")
        return None
    from tracker.footage.adapt import DEFAULT_MINUTES

    return DEFAULT_MINUTES if minutes is None else minutes


def _camera_method(name: str | None) -> Literal["ecc", "sparse"] | None:
    if name not in (None, "ecc", "sparse"):
        raise InputError(f"--camera-motion {name}: expected ecc or sparse")
    return cast(Literal["ecc", "sparse"] | None, name)


def _embed_when(name: str) -> Literal["always", "ambiguous"]:
    if name not in ("always", "ambiguous"):
        raise InputError(f"--embed-when {name}: expected always or ambiguous")
    return cast(Literal["always", "ambiguous"], name)


def _named(pattern: str | None, option: str, sequence: Sequence, count: int) -> Path | None:
    if pattern is None:
        return None
    if count > 1 and "{seq}" not in pattern:
        raise InputError(f"{option} {pattern}: expected {{seq}} in the name, as {count} sequences would share it")
    return Path(pattern.replace("{seq}", sequence.name))
