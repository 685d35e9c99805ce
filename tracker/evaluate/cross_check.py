"""The figures once more, through trackeval and motmetrics: an independent check of `tracker.evaluate.scores`.

trackeval agrees in every column. Of motmetrics' columns, CLEAR's and identity's, the identity columns agree exactly;
the rest differs a little where the definitions do: motmetrics lets a lost object
keep its claim on its last result for ever, trackeval for one frame, and so now and then they match differently (IDs,
FP, FN, MOTP, FM); motmetrics takes coverage of 80 % as mostly tracked, trackeval more than 80 % (MT, PT).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tracker.evaluate.metrics import EPSILON, MIN_OVERLAP, Scene
from tracker.evaluate.scores import OVERALL, Row

MOST_IDS = 5000

# motmetrics' names; its motp is a distance, 1 - IoU
PERCENT = {
    "IDF1": "idf1",
    "IDP": "idp",
    "IDR": "idr",
    "Recall": "recall",
    "Precision": "precision",
    "MOTA": "mota",
    "MOTP": "motp",
}
COUNTS = {
    "GT": "num_unique_objects",
    "MT": "mostly_tracked",
    "PT": "partially_tracked",
    "ML": "mostly_lost",
    "FP": "num_false_positives",
    "FN": "num_misses",
    "IDs": "num_switches",
    "FM": "num_fragmentations",
}

TRACKEVAL_PERCENT = {
    "IDF1": "IDF1",
    "IDP": "IDP",
    "IDR": "IDR",
    "Recall": "CLR_Re",
    "Precision": "CLR_Pr",
    "MOTA": "MOTA",
    "MOTP": "MOTP",
    "HOTA": "HOTA",
    "DetA": "DetA",
    "AssA": "AssA",
}
TRACKEVAL_COUNTS = {"MT": "MT", "PT": "PT", "ML": "ML", "FP": "CLR_FP", "FN": "CLR_FN", "IDs": "IDSW", "FM": "Frag"}


def score_with_trackeval(scenes: Mapping[str, Scene]) -> dict[str, Row]:
    """name -> column -> value as `tracker.evaluate.scores.score` gives them, for the columns that trackeval has.

    Raises:
        MemoryError: a sequence has too many ids.
    """
    from trackeval.metrics import CLEAR, HOTA, Identity

    _require_few_ids(scenes)
    config = {"THRESHOLD": MIN_OVERLAP, "PRINT_CONFIG": False}
    figures: dict[str, dict[str, Any]] = {name: {} for name in (*scenes, OVERALL)}
    for metric in (CLEAR(config), Identity(config), HOTA()):
        found = {name: metric.eval_sequence(_as_trackeval(scene)) for name, scene in scenes.items()}
        for name, values in (found | {OVERALL: metric.combine_sequences(found)}).items():
            figures[name] |= values
    rows = {}
    for name, values in figures.items():
        row = {column: 100.0 * float(np.mean(values[key])) for column, key in TRACKEVAL_PERCENT.items()}
        rows[name] = row | {column: int(values[key]) for column, key in TRACKEVAL_COUNTS.items()}
    return rows


def _require_few_ids(scenes: Mapping[str, Scene]) -> None:
    """Both programs make tables of ids times ids, twenty of them or so: more than this is more than most memories."""
    for name, scene in scenes.items():
        count = len(np.unique(scene.gt_ids)) + len(np.unique(scene.result_ids))
        if count > MOST_IDS:
            raise MemoryError(f"{name} has {count} ids, more than its tables take ({MOST_IDS})")


def _as_trackeval(scene: Scene) -> dict[str, Any]:
    frames = list(scene.frames())
    return {
        "gt_ids": [gt for gt, _, _ in frames],
        "tracker_ids": [result for _, result, _ in frames],
        "similarity_scores": [overlap for _, _, overlap in frames],
        "num_timesteps": scene.length,
        "num_gt_dets": len(scene.gt_ids),
        "num_tracker_dets": len(scene.result_ids),
        "num_gt_ids": len(np.unique(scene.gt_ids)),
        "num_tracker_ids": len(np.unique(scene.result_ids)),
    }


def score_with_motmetrics(scenes: Mapping[str, Scene]) -> dict[str, Row]:
    """name -> column -> value as `tracker.evaluate.scores.score` gives them, for the columns motmetrics has.

    Raises:
        MemoryError: a sequence has too many ids.
    """
    from motmetrics import metrics

    _require_few_ids(scenes)
    table = metrics.create().compute_many(
        [_accumulate(scene) for scene in scenes.values()],
        metrics=[*PERCENT.values(), *COUNTS.values()],
        names=list(scenes),
        generate_overall=True,
    )
    rows = {}
    for name in (*scenes, OVERALL):
        values = table.loc[name]
        row = {column: 100.0 * float(values[key]) for column, key in PERCENT.items()}
        row["MOTP"] = 100.0 - row["MOTP"]
        rows[name] = row | {column: int(values[key]) for column, key in COUNTS.items()}
    return rows


def largest_differences(ours: Mapping[str, Row], theirs: Mapping[str, Row]) -> dict[str, tuple[float, str]]:
    """column -> (largest absolute difference in the table's units, the sequence it occurs in)."""
    columns = next(iter(theirs.values()))
    return {
        column: max((abs(ours[name][column] - theirs[name][column]), name) for name in theirs) for column in columns
    }


def _accumulate(scene: Scene) -> Any:
    """A motmetrics accumulator, fed with distances 1 - IoU, NaN where a match is not allowed."""
    from motmetrics.mot import MOTAccumulator

    accumulator = MOTAccumulator()
    for frame, (gt_ids, result_ids, overlap) in enumerate(scene.frames()):
        distances = np.where(overlap >= MIN_OVERLAP - EPSILON, 1.0 - overlap, np.nan)
        accumulator.update(gt_ids, result_ids, distances, frameid=frame)
    return accumulator
