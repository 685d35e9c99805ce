"""Score results against ground truth as the MOTChallenge kits do: CLEAR MOT, identity and HOTA figures.

Which boxes count is settled here, as TrackEval settles it; `tracker.evaluate.metrics` counts them.

References: Milan et al. 2016 (MOT16) and Dendorfer et al. 2020 (MOT20): which boxes count.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tracker.core.boxes import iou
from tracker.core.detections import LIMIT, FloatArray, IntArray
from tracker.errors import InputError
from tracker.evaluate.diagnosis import POOR, explain_poor_match
from tracker.evaluate.metrics import EPSILON, MIN_OVERLAP, Counts, Pairs, Scene, count
from tracker.files.motchallenge import TrackTable, read_tracks
from tracker.input.sequences import read_sequence

Source = str | Path | TrackTable
Row = dict[str, float]

OVERALL = "OVERALL"
PEDESTRIAN = 1
DISTRACTORS = {  # benchmark -> classes on which a result is neither right nor wrong; MOT15 has no classes at all
    "MOT15": (),
    "MOT16": (2, 7, 8, 12),  # person on vehicle, static person, distractor, reflection
    "MOT17": (2, 7, 8, 12),
    "MOT20": (2, 6, 7, 8, 12),  # and non-motorised vehicle
    "none": (),  # for classes numbered in another way
}
CHUNK = 2_000_000  # overlaps computed at once


@dataclass(frozen=True, slots=True)
class Rule:
    """Which boxes of ground truth count: those of `classes`. A result on a box of `distractors` is left out."""

    classes: tuple[int, ...] = (PEDESTRIAN,)
    distractors: tuple[int, ...] = DISTRACTORS["MOT16"]

    @classmethod
    def of(cls, sequence: str, benchmark: str | None = None, classes: Sequence[int] | None = None) -> Rule:
        """The rule of a benchmark; without one MOT20's where the sequence's name says so, and otherwise MOT16's."""
        benchmark = benchmark or ("MOT20" if re.match("MOT20(?![0-9])", sequence) else "MOT16")
        wanted = (PEDESTRIAN,) if classes is None else tuple(classes)
        return cls(wanted, tuple(number for number in DISTRACTORS[benchmark] if number not in wanted))


PEDESTRIANS = Rule()


def evaluate(
    gt: Mapping[str, Source],
    results: Mapping[str, Source],
    *,
    count_missing: bool = False,
    benchmark: str | None = None,
    classes: Sequence[int] | None = None,
    say: Callable[[str], None] = lambda line: print(line, file=sys.stderr),
) -> dict[str, Row]:
    """Score each sequence that has ground truth and a result, and all of them together as `OVERALL`.

    `OVERALL` is the figure of the pooled counts, not a mean over sequences.

    Args:
        gt: name -> ground truth (`gt/gt.txt`, or a table already read).
        results: name -> result (a file, or a table).
        count_missing: score a sequence without a result as an empty one instead of leaving it out.
        benchmark: whose distractors to leave out, a key of `DISTRACTORS`; MOT20's for its sequences and otherwise
            MOT16's if None.
        classes: score these instead of pedestrians; where the results name classes too, only those of theirs.
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
    scenes = load_scenes(gt, results, count_missing=count_missing, benchmark=benchmark, classes=classes, say=say)
    return score(scenes)


def load_scenes(
    gt: Mapping[str, Source],
    results: Mapping[str, Source],
    *,
    count_missing: bool,
    benchmark: str | None = None,
    classes: Sequence[int] | None = None,
    say: Callable[[str], None],
) -> dict[str, Scene]:
    """Read and prepare what `evaluate` scores; same arguments and errors."""
    if benchmark == "MOT15" and classes is not None:
        raise InputError("MOT15's ground truth has no classes, expected another benchmark or no classes to choose")
    scenes: dict[str, Scene] = {}
    doubts: dict[str, str] = {}
    for name in _names_to_score(gt, results, count_missing, say):
        rule = Rule.of(name, benchmark, classes)
        truth = _read(gt[name])
        result = _read(results[name]) if name in results else truth.select(np.zeros(len(truth), dtype=np.bool_))
        if benchmark == "MOT15":
            truth = replace(truth, class_ids=None)
        if classes is not None:
            result = _of_classes(name, truth, result, rule, say)
        scenes[name] = prepare(truth, result, _length(name, gt[name], truth, result), rule)
        counted = truth.select(is_counted(truth, rule.classes))
        _say_what_cannot_match(name, truth, counted, result, rule, say)
        if len(counted) and not _match_well(scenes[name], len(counted), len(result)):
            doubts |= {name: doubt} if (doubt := explain_poor_match(counted, result)) else {}
    if doubts and not any((scene.overlaps >= MIN_OVERLAP).any() for scene in scenes.values()):
        raise InputError("nothing matches. " + "; ".join(f"{name}: {doubt}" for name, doubt in doubts.items()))
    for name, doubt in doubts.items():
        say(f"{name}: {doubt}")
    return scenes


def score(scenes: Mapping[str, Scene]) -> dict[str, Row]:
    """The figures of prepared scenes, name -> column -> value, and of all of them as `OVERALL`."""
    counts = {name: count(scene) for name, scene in scenes.items()}
    rows = {name: _row(here) for name, here in counts.items()}
    for name, here in counts.items():
        if not here.gt_boxes:  # no share of nothing: as in TrackEval, its false positives tell in OVERALL alone
            rows[name] |= {"MOTA": 0.0, "MOTAL": 0.0}
    first, *others = counts.values()
    return rows | {OVERALL: _row(sum(others, start=first))}


def prepare(truth: TrackTable, result: TrackTable, length: int, rule: Rule = PEDESTRIANS) -> Scene:
    """Find the overlaps, and leave out what does not count, as the benchmarks' kits do."""
    whole = _scene(_without_overlap(truth, 4 * LIMIT), _without_overlap(result, -4 * LIMIT), length)
    return whole.select(is_counted(truth, rule.classes), ~_are_distracted(truth, whole, rule.distractors))


def _scene(truth: TrackTable, result: TrackTable, length: int) -> Scene:
    frames = np.union1d(truth.frames, result.frames)
    gt_starts, result_starts = (
        np.append(np.searchsorted(table.frames, frames), len(table)) for table in (truth, result)
    )
    gt, found = gt_starts.tolist(), result_starts.tolist()
    pairs = [
        part
        for cuts in zip(gt, gt[1:], found, found[1:], strict=False)
        for part in _overlapping(truth.boxes, result.boxes, *cuts)
    ]
    nothing = np.zeros(0, dtype=np.int64)
    gt_rows, result_rows, overlaps = map(np.concatenate, zip((nothing, nothing, np.zeros(0)), *pairs, strict=True))
    return Scene(
        gt_ids=np.unique(truth.ids, return_inverse=True)[1],
        result_ids=np.unique(result.ids, return_inverse=True)[1],
        gt_starts=gt_starts,
        result_starts=result_starts,
        gt_rows=gt_rows,
        result_rows=result_rows,
        overlaps=overlaps,
        length=length,
    )


def is_counted(truth: TrackTable, classes: Sequence[int] = (PEDESTRIAN,)) -> NDArray[np.bool_]:
    """Mask [N] of the ground truth to be found: its flag is set, and it is of these classes where there are classes."""
    flagged = truth.scores != 0
    return flagged if truth.class_ids is None else flagged & np.isin(truth.class_ids, classes)


def _without_overlap(table: TrackTable, aside: float) -> TrackTable:
    """The table with boxes without area moved `aside` (pixels), where they overlap nothing: TrackEval's IoU of 0."""
    boxes = np.where(table.has_area[:, None], table.boxes, aside + np.array([0.0, 0.0, 1.0, 1.0]))
    return replace(table, boxes=boxes)


def _overlapping(
    gt: FloatArray, result: FloatArray, gt_start: int, gt_stop: int, start: int, stop: int
) -> Iterator[tuple[IntArray, IntArray, FloatArray]]:
    """Rows, rows and IoU of the boxes of one frame that overlap; those of a crowd in several parts."""
    step = max(1, CHUNK // max(1, stop - start))
    for first in range(gt_start, gt_stop, step):
        overlap = iou(gt[first : min(first + step, gt_stop)], result[start:stop])
        rows, columns = np.nonzero(overlap > EPSILON)
        yield first + rows, start + columns, overlap[rows, columns]


def _are_distracted(truth: TrackTable, scene: Scene, distractors: Sequence[int]) -> NDArray[np.bool_]:
    """Mask [R] of results that match a distractor when all ground truth is assigned: neither right nor wrong."""
    distracted = np.zeros(len(scene.result_ids), dtype=bool)
    if truth.class_ids is None:
        return distracted
    distractor = np.isin(truth.class_ids, distractors)
    near = scene.overlaps >= MIN_OVERLAP - EPSILON
    pairs = Pairs.of(scene).select(near)
    hit = pairs.best(pairs.overlaps) & distractor[scene.gt_rows[near]]
    distracted[scene.result_rows[near][hit]] = True
    return distracted


def _match_well(scene: Scene, counted: int, found: int) -> bool:
    """Whether enough results overlap ground truth for nobody to ask why not."""
    matched = len(np.unique(scene.result_rows[scene.overlaps >= MIN_OVERLAP]))
    return matched > 0 and matched >= POOR * min(counted, found)


def _of_classes(name: str, truth: TrackTable, result: TrackTable, rule: Rule, say: Callable[[str], None]) -> TrackTable:
    """The results of the classes asked for, where the results name theirs."""
    if truth.class_ids is None:
        say(f"{name}: ground truth names no classes, all of it counts")
    if result.class_ids is None:
        return result
    wanted = np.isin(result.class_ids, rule.classes)
    if not wanted.all():
        others = _some(map(str, np.unique(result.class_ids[~wanted])))
        say(f"{name}: {(~wanted).sum()} results left out, their classes ({others}) are others")
    return result.select(wanted)


def _say_what_cannot_match(
    name: str, truth: TrackTable, counted: TrackTable, result: TrackTable, rule: Rule, say: Callable[[str], None]
) -> None:
    if not len(counted):
        found, wanted = "no row has a flag but 0", ""
        if truth.class_ids is not None and (truth.scores != 0).any():
            found = f"rows have class {_some(map(str, np.unique(truth.class_ids[truth.scores != 0])))}"
            wanted = f", expected {_some(map(str, rule.classes))}"
        found = found if len(truth) else "it is empty"
        say(f"{name}: nothing in ground truth counts, {found}{wanted}; every result is a false positive")
    for table, what, taken in ((counted, "ground truth", "missed"), (result, "the result", "false positives")):
        if empty := int((~table.has_area).sum()):
            say(f"{name}: boxes without area in {what}: {empty}, counted as {taken}")


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


def _row(counts: Counts) -> Row:
    """One line of the table; MOTAL and FAR as the MOT16 kit's."""
    missed, wrong = counts.gt_boxes - counts.matches, counts.result_boxes - counts.matches
    boxes = max(1, counts.gt_boxes)
    hota_boxes = counts.gt_boxes + counts.result_boxes - counts.hota_matches
    detection = counts.hota_matches / np.maximum(1, hota_boxes)
    association = counts.hota_association / np.maximum(1, counts.hota_matches)
    percent = {
        "IDF1": 2 * counts.identity / max(1, counts.gt_boxes + counts.result_boxes),
        "IDP": counts.identity / max(1, counts.result_boxes),
        "IDR": counts.identity / boxes,
        "Recall": counts.matches / boxes,
        "Precision": counts.matches / max(1, counts.result_boxes),
        "MOTA": (counts.matches - wrong - counts.switches) / boxes,
        "MOTP": counts.overlap / max(1, counts.matches),
        "MOTAL": (counts.matches - wrong - np.log10(counts.switches + 1)) / boxes,
        "HOTA": np.mean(np.sqrt(detection * association)),
        "DetA": np.mean(detection),
        "AssA": np.mean(association),
    }
    whole = {
        "GT": counts.mostly + counts.partly + counts.lost,
        "MT": counts.mostly,
        "PT": counts.partly,
        "ML": counts.lost,
        "FP": wrong,
        "FN": missed,
        "IDs": counts.switches,
        "FM": counts.fragments,
    }
    row: Row = {name: 100.0 * float(value) for name, value in percent.items()}
    return row | whole | {"FAR": wrong / max(1, counts.frames)}
