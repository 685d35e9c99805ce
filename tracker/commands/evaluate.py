"""Score result files against ground truth: `flatsort evaluate --gt ROOT --results DIR [--json FILE]`."""

from __future__ import annotations

import sys
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from embedding.extras import require_package
from tracker.errors import InputError
from tracker.evaluate.metrics import Scene
from tracker.evaluate.scores import DISTRACTORS, Row, load_scenes, score
from tracker.evaluate.table import print_table, write_json
from tracker.files.apart import require_apart
from tracker.input.sequences import find_sequences

Benchmark = Enum("Benchmark", {name: name for name in DISTRACTORS})  # type: ignore[misc]  # for typer


def main(
    gt: Annotated[Path, typer.Option(help="Root with sequences (NAME/gt/gt.txt), or one sequence.")],
    results: Annotated[Path, typer.Option(help="Folder with NAME.txt, or one such file.")],
    json: Annotated[Path | None, typer.Option(help="Write the table as JSON too.")] = None,
    count_missing: Annotated[
        bool, typer.Option("--count-missing", help="Score sequences without one as empty.")
    ] = False,
    check: Annotated[bool, typer.Option("--check", help="Compare with trackeval and motmetrics.")] = False,
    benchmark: Annotated[
        Benchmark | None,
        typer.Option(case_sensitive=False, help="Whose distractors to leave out; by the sequence's name if not given."),
    ] = None,
    classes: Annotated[
        str | None,
        typer.Option(help="Score these, as 1,2,7, instead of pedestrians; of the results too where they name classes."),
    ] = None,
) -> None:
    """Print CLEAR MOT, identity and HOTA figures, a row a sequence and one of all together.

    Example: flatsort evaluate --gt MOT16/train --results output
    """
    if check:
        require_package("trackeval", "--check")
        require_package("motmetrics", "--check")
    truth, found = find_ground_truth(gt), find_results(results)
    if json is not None:
        read = {"the ground truth": truth, "the results": found}
        require_apart([("--json", json)], [(what, path) for what, files in read.items() for path in files.values()])
    scenes = load_scenes(
        truth,
        found,
        count_missing=count_missing,
        benchmark=None if benchmark is None else benchmark.value,
        classes=None if classes is None else parse_classes(classes),
        say=_say,
    )
    rows = score(scenes)
    if json is not None:
        write_json(json, rows)
    print_table(rows)
    if check:
        _compare(scenes, rows)


def _compare(scenes: dict[str, Scene], rows: dict[str, Row]) -> None:
    from tracker.evaluate.cross_check import largest_differences, score_with_motmetrics, score_with_trackeval

    for program, score_with in (("trackeval", score_with_trackeval), ("motmetrics", score_with_motmetrics)):
        try:
            theirs = score_with(scenes)
        except MemoryError as error:
            print(f"no comparison with {program}: {error}")
            continue
        print(f"largest difference from {program}:")
        for column, (difference, name) in largest_differences(rows, theirs).items():
            print(f"  {column:9} {difference:.2f}" + (f" ({name})" if difference >= 0.005 else ""))


def parse_classes(text: str) -> tuple[int, ...]:
    """The class numbers of `1,2,7`.

    Raises:
        InputError: something else is written.
    """
    if not all(number.isascii() and number.isdecimal() for number in text.split(",")):
        raise InputError(f"--classes {text}: expected class numbers with commas between, as 1,2,7")
    return tuple(map(int, text.split(",")))


def find_ground_truth(root: Path) -> dict[str, Path]:
    """Name -> ground truth of every sequence at or below the root.

    Raises:
        InputError: there is none.
    """
    found = {sequence.name: sequence.ground_truth for sequence in find_sequences(["all"], root)}
    with_truth = {name: path for name, path in found.items() if path is not None}
    if not with_truth:
        raise InputError(f"{root}: no sequence has gt/gt.txt: {', '.join(found)}")
    return with_truth


def find_results(path: Path) -> dict[str, Path]:
    """Name -> NAME.txt of a folder, or of the one file.

    Raises:
        InputError: there is none.
    """
    files = [path] if path.is_file() else sorted(path.glob("[!.]*.txt"))
    if not files:
        raise InputError(f"{path}: {'no NAME.txt in it' if path.is_dir() else 'no such folder'}, expected results")
    return {file.stem: file for file in files}


def _say(line: str) -> None:
    print(line, file=sys.stderr)
