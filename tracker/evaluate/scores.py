"""Score results against ground truth as the MOTChallenge kits do: CLEAR MOT, identity and HOTA figures.

trackeval computes the figures from arrays prepared here. motmetrics takes several times as long for the CLEAR and
identity columns; `tracker.evaluate.motmetrics_check` runs it as a check.

References: Bernardin and Stiefelhagen 2008 (CLEAR MOT), Ristani et al. 2016 (IDF1), Luiten et al. 2021 (HOTA), Milan et
al. 2016 (MOT16: which boxes count).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from tracker.core.boxes import iou
from tracker.core.detections import FloatArray, IntArray
from tracker.errors import InputError
from tracker.evaluate.diagnosis import explain_poor_match
from tracker.files.motchallenge import TrackTable, read_tracks
from tracker.input.sequences import read_sequence

Source = str | Path | TrackTable
Row = dict[str, float]

OVERALL = "OVERALL"
MIN_OVERLAP = 0.5  # IoU from which a result matches a ground-truth box
PEDESTRIAN = 1
DISTRACTORS = (2, 7, 8, 12)  # person on vehicle, static person, distractor, reflection (MOT16)


@dataclass(slots=True)
class Scene:
    """A sequence ready to score. The lists hold one entry a frame, frames with nothing in them left out.

    Attributes:
        gt_ids, result_ids: [G], [R] a frame, numbered from 0 without gaps.
        overlaps: [G, R] IoU a frame.
        length: frames of the sequence, with the empty ones.
    """

    gt_ids: list[IntArray]
    result_ids: list[IntArray]
    overlaps: list[FloatArray]
    length: int


def evaluate(
    gt: Mapping[str, Source],
    results: Mapping[str, Source],
    *,
    count_missing: bool = False,
    say: Callable[[str], None] = lambda line: print(line, file=sys.stderr),
) -> dict[str, Row]:
    """Score each sequence that has ground truth and a result, and all of them together as `OVERALL`.

    `OVERALL` is the figure of the pooled counts, not a mean over sequences.

    Args:
        gt: name -> ground truth (`gt/gt.txt`, or a table already read).
        results: name -> result (a file, or a table).
        count_missing: score a sequence without a result as an empty one instead of leaving it out.
        say: takes one line about anything left out or doubtful; prints to standard error by default.

    Returns:
        name -> column (`tracker.evaluate.table.COLUMNS`) -> value; ratios in percent, FAR in false positives a frame.

    Raises:
        InputError: a file is malformed, no sequence has both, or nothing matches at all; the message says why.

    Example:
        >>> from tracker.files.motchallenge import TrackTable
        >>> walk = TrackTable(np.array([1, 2]), np.array([7, 7]), np.array([[0.0, 0, 9, 9], [1, 0, 10, 9]]), np.ones(2))
        >>> round(evaluate({"walk": walk}, {"walk": walk})["walk"]["IDF1"], 1)
        100.0
    """
    scenes = load_scenes(gt, results, count_missing=count_missing, say=say)
    return score(scenes)


def load_scenes(
    gt: Mapping[str, Source], results: Mapping[str, Source], *, count_missing: bool, say: Callable[[str], None]
) -> dict[str, Scene]:
    """Read and prepare what `evaluate` scores; same arguments and errors."""
    scenes, doubts = {}, {}
    for name in _names_to_score(gt, results, count_missing, say):
        truth = _read(gt[name])
        result = _read(results[name]) if name in results else truth.select(np.zeros(len(truth), dtype=np.bool_))
        if not (counted := is_counted(truth)).any():
            raise InputError(f"{name}: ground truth has no box that counts (flag not 0, class {PEDESTRIAN} or none)")
        scenes[name] = prepare(truth, result, _length(name, gt[name], truth, result))
        if doubt := explain_poor_match(truth.select(counted), result):
            doubts[name] = doubt
    if doubts and not any((overlap >= MIN_OVERLAP).any() for scene in scenes.values() for overlap in scene.overlaps):
        raise InputError("nothing matches. " + "; ".join(f"{name}: {doubt}" for name, doubt in doubts.items()))
    for name, doubt in doubts.items():
        say(f"{name}: {doubt}")
    return scenes


def score(scenes: Mapping[str, Scene]) -> dict[str, Row]:
    """The figures of prepared scenes, name -> column -> value, and of all of them as `OVERALL`."""
    from trackeval.metrics import CLEAR, HOTA, Identity

    config = {"THRESHOLD": MIN_OVERLAP, "PRINT_CONFIG": False}
    metrics = (CLEAR(config), Identity(config), HOTA())
    inputs = {name: _as_trackeval(scene) for name, scene in scenes.items()}
    figures = [{name: metric.eval_sequence(data) for name, data in inputs.items()} for metric in metrics]
    rows = {name: _row([figure[name] for figure in figures], scene.length) for name, scene in scenes.items()}
    pooled = [metric.combine_sequences(figure) for metric, figure in zip(metrics, figures, strict=True)]
    rows[OVERALL] = _row(pooled, sum(scene.length for scene in scenes.values()))
    return rows


def prepare(truth: TrackTable, result: TrackTable, length: int) -> Scene:
    """Leave out what does not count, as the MOT16 kit does, and compute the overlaps of the rest."""
    truth, result = truth.select(is_counted(truth)), result.select(~_are_distracted(truth, result))
    frames = np.union1d(truth.frames, result.frames)
    gt_cuts, result_cuts = (np.searchsorted(table.frames, frames[1:]) for table in (truth, result))
    return Scene(
        gt_ids=np.split(np.unique(truth.ids, return_inverse=True)[1], gt_cuts),
        result_ids=np.split(np.unique(result.ids, return_inverse=True)[1], result_cuts),
        overlaps=list(map(iou, np.split(truth.boxes, gt_cuts), np.split(result.boxes, result_cuts))),
        length=length,
    )


def is_counted(truth: TrackTable) -> NDArray[np.bool_]:
    """Mask [N] of the ground truth to be found: its flag is set, and it is a pedestrian where there are classes."""
    flagged = truth.scores != 0
    return flagged if truth.class_ids is None else flagged & (truth.class_ids == PEDESTRIAN)


def _are_distracted(truth: TrackTable, result: TrackTable) -> NDArray[np.bool_]:
    """Mask [R] of results that match a distractor when all ground truth is assigned: neither right nor wrong."""
    distracted = np.zeros(len(result), dtype=bool)
    if truth.class_ids is None:
        return distracted
    distractor = np.isin(truth.class_ids, DISTRACTORS)
    for frame in np.unique(truth.frames[distractor]):
        gt_start, gt_stop = np.searchsorted(truth.frames, (frame, frame + 1))
        start, stop = np.searchsorted(result.frames, (frame, frame + 1))
        overlap = iou(truth.boxes[gt_start:gt_stop], result.boxes[start:stop])
        overlap[overlap < MIN_OVERLAP - np.finfo(float).eps] = 0.0
        rows, columns = linear_sum_assignment(overlap, maximize=True)
        hit = (overlap[rows, columns] > 0) & distractor[gt_start:gt_stop][rows]
        distracted[start + columns[hit]] = True
    return distracted


def _names_to_score(
    gt: Mapping[str, Source], results: Mapping[str, Source], count_missing: bool, say: Callable[[str], None]
) -> list[str]:
    if not gt.keys() & results.keys():
        raise InputError(f"no name in common: ground truth has {_some(gt)}; results have {_some(results)}")
    for name in sorted(results.keys() - gt.keys()):
        say(f"{name}: a result without ground truth, left out")
    missing = sorted(gt.keys() - results.keys())
    for name in missing:
        say(f"{name}: no result, {'counted as empty' if count_missing else 'left out, of OVERALL too'}")
    return sorted(gt.keys() if count_missing else gt.keys() & results.keys())


def _some(names: Iterable[str]) -> str:
    names = sorted(names)
    more = f" and {len(names) - 8} more" if len(names) > 8 else ""
    return ", ".join(names[:8]) + more if names else "none"


def _read(source: Source) -> TrackTable:
    return source if isinstance(source, TrackTable) else read_tracks(source)


def _length(name: str, source: Source, truth: TrackTable, result: TrackTable) -> int:
    """Frames of the sequence: what its folder says, or as far as the tables go."""
    last_truth, last_result = (int(table.frames[-1]) if len(table) else 0 for table in (truth, result))
    known = None
    if not isinstance(source, TrackTable) and Path(source).name == "gt.txt":
        known = read_sequence(Path(source).parent.parent).length
    if known is not None and last_result > max(known, last_truth):
        first = int(result.frames[0])
        raise InputError(f"{name}: results span frames {first} to {last_result}, expected 1 to {known}")
    return max(known or 0, last_truth, last_result)


def _as_trackeval(scene: Scene) -> dict[str, Any]:
    return {
        "gt_ids": scene.gt_ids,
        "tracker_ids": scene.result_ids,
        "similarity_scores": scene.overlaps,
        "num_timesteps": scene.length,
        "num_gt_dets": sum(map(len, scene.gt_ids)),
        "num_tracker_dets": sum(map(len, scene.result_ids)),
        "num_gt_ids": _count_ids(scene.gt_ids),
        "num_tracker_ids": _count_ids(scene.result_ids),
    }


def _count_ids(ids: list[IntArray]) -> int:
    return 1 + max((int(frame.max()) for frame in ids if len(frame)), default=-1)


def _row(figures: list[dict[str, Any]], length: int) -> Row:
    """One line of the table from trackeval's CLEAR, identity and HOTA figures; MOTAL and FAR as the MOT16 kit's."""
    clear, identity, hota = figures
    boxes = clear["CLR_TP"] + clear["CLR_FN"]
    errors = clear["CLR_FN"] + clear["CLR_FP"]
    percent = {
        "IDF1": identity["IDF1"],
        "IDP": identity["IDP"],
        "IDR": identity["IDR"],
        "Recall": clear["CLR_TP"] / boxes,
        "Precision": clear["CLR_TP"] / max(1, clear["CLR_TP"] + clear["CLR_FP"]),
        "MOTA": 1 - (errors + clear["IDSW"]) / boxes,
        "MOTP": clear["MOTP"],
        "MOTAL": 1 - (errors + np.log10(clear["IDSW"] + 1)) / boxes,
        "HOTA": np.mean(hota["HOTA"]),
        "DetA": np.mean(hota["DetA"]),
        "AssA": np.mean(hota["AssA"]),
    }
    counts = {
        "GT": clear["MT"] + clear["PT"] + clear["ML"],
        "MT": clear["MT"],
        "PT": clear["PT"],
        "ML": clear["ML"],
        "FP": clear["CLR_FP"],
        "FN": clear["CLR_FN"],
        "IDs": clear["IDSW"],
        "FM": clear["Frag"],
    }
    row = {name: 100.0 * float(value) for name, value in percent.items()}
    row |= {name: int(value) for name, value in counts.items()}
    return row | {"FAR": float(clear["CLR_FP"] / length)}
