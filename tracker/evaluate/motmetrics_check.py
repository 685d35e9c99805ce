"""The CLEAR and identity columns once more, through motmetrics: an independent check of `tracker.evaluate.scores`.

The identity columns agree exactly. The rest differs a little where the definitions do: motmetrics lets a lost object
keep its claim on its last result for ever, trackeval for one frame, and so now and then they match differently (IDs,
FP, FN, MOTP, FM); motmetrics takes coverage of 80 % as mostly tracked, trackeval more than 80 % (MT, PT).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tracker.evaluate.scores import MIN_OVERLAP, OVERALL, Row, Scene

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


def score_with_motmetrics(scenes: Mapping[str, Scene]) -> dict[str, Row]:
    """name -> column -> value as `tracker.evaluate.scores.score` gives them, for the columns motmetrics has."""
    from motmetrics import metrics

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
    frames = zip(scene.gt_ids, scene.result_ids, scene.overlaps, strict=True)
    for frame, (gt_ids, result_ids, overlap) in enumerate(frames):
        distances = np.where(overlap >= MIN_OVERLAP - np.finfo(float).eps, 1.0 - overlap, np.nan)
        accumulator.update(gt_ids, result_ids, distances, frameid=frame)
    return accumulator
