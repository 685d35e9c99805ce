"""Score result files against ground truth: `python -m tools.evaluate --gt ROOT --results DIR [--json FILE]`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from tracker.errors import InputError
from tracker.evaluate.scores import load_scenes, score
from tracker.evaluate.table import print_table, write_json
from tracker.input.sequences import find_sequences


def main(
    gt: Annotated[Path, typer.Option(help="Root with sequences (NAME/gt/gt.txt), or one sequence.")],
    results: Annotated[Path, typer.Option(help="Folder with NAME.txt, or one such file.")],
    json: Annotated[Path | None, typer.Option(help="Write the table as JSON too.")] = None,
    count_missing: Annotated[bool, typer.Option(help="Score sequences without a result as empty ones.")] = False,
    check: Annotated[bool, typer.Option(help="Compute CLEAR and identity with motmetrics too and compare.")] = False,
) -> None:
    """Print CLEAR MOT, identity and HOTA figures, a row a sequence and one of all together.

    Example: flatsort evaluate --gt MOT16/train --results output
    """
    scenes = load_scenes(find_ground_truth(gt), find_results(results), count_missing=count_missing, say=_say)
    rows = score(scenes)
    if json is not None:
        write_json(json, rows)
    print_table(rows)
    if check:
        from tracker.evaluate.motmetrics_check import largest_differences, score_with_motmetrics

        differences = largest_differences(rows, score_with_motmetrics(scenes))
        print("largest difference from motmetrics:")
        for column, (difference, name) in differences.items():
            print(f"  {column:9} {difference:.2f}" + (f" ({name})" if difference else ""))


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
