"""Choose a preset's parameters: `python -m tools.tune --root DIR --det FILE [FILE ...] --out DIR`.

Searches with Optuna on all sequences but one, scores what was found on that one, and does so for each. What the choices
gain there is what a search can be expected to gain on a video it has not seen; the report says whether that is more
than chance. The ranges stand beside the parameters in `tracker/core/config.py`.

A run that was killed goes on where it was when started again with the same --out: scores are kept there.
"""
# ruff: noqa: E402

from __future__ import annotations

import os

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):  # read when NumPy is imported
    os.environ.setdefault(variable, "1")  # --jobs runs cases side by side; a case's matrices are small

from pathlib import Path
from typing import Annotated

import typer

from embedding.progress import progress_shown
from tracker.core.config import load_config
from tracker.errors import InputError
from tracker.tune.cases import Scores, load_cases
from tracker.tune.parameters import choose_parameters, require_optuna
from tracker.tune.report import Report
from tracker.tune.search import OBJECTIVES, cross_validate
from tracker.tune.summary import summarise


def main(
    root: Annotated[Path, typer.Option(help="Folder of sequences with ground truth.")],
    det: Annotated[list[str], typer.Option(help="Detections, as files for `track`; several count as more cases.")],
    out: Annotated[Path, typer.Option(help="Folder of scores, report, picture and the configuration found.")],
    seq: Annotated[list[str] | None, typer.Option(help="Names under --root; default all.")] = None,
    config: Annotated[str, typer.Option(help="Preset or YAML file to start from.")] = "flatsort",
    parameters: Annotated[
        list[str] | None, typer.Option(help="As `track --set` names them; default all with a range, stages' not.")
    ] = None,
    trials: Annotated[int, typer.Option(min=1, help="Of each of the searches, one a sequence.")] = 100,
    objective: Annotated[str, typer.Option(help=f"{', '.join(OBJECTIVES)}: the mean of these.")] = "hota_idf1",
    seed: Annotated[int, typer.Option(min=0, help="Of the sampler.")] = 0,
    jobs: Annotated[int, typer.Option(min=1, help="Cases tracked at once.")] = 1,
) -> None:
    """Search parameters with each sequence held out in turn, and say what the choice is worth.

    Example: flatsort tune --root MOT16 --det sdp.txt --trials 100 --out output/tuned
    """
    if objective not in OBJECTIVES:
        raise InputError(f"--objective {objective}: expected {', '.join(OBJECTIVES)}")
    require_optuna()
    settings, columns = load_config(config), OBJECTIVES[objective]
    choose_parameters(settings, parameters or [], with_features=True)  # a wrong name should show before files are read
    cases = load_cases(root, seq or ["all"], det)
    with_features = settings.needs_features and any(case.has_features for case in cases)
    chosen = choose_parameters(settings, parameters or [], with_features)
    with Scores(out / "scores.sqlite", cases, jobs) as scores, progress_shown() as show:
        folds = cross_validate(scores, cases, settings, chosen, columns, trials, seed, show)
        summary = summarise(folds, scores, cases, settings, chosen, columns)
        report = Report(config, settings, chosen, columns, trials, seed, cases, folds, summary)
    configuration = report.write(out)
    print(report.as_markdown())
    print(f"wrote {configuration}, tune.md, tune.json and tune.png beside it; {scores.computed} runs were new")
