"""The CLEAR and identity columns once more, through motmetrics: an independent check of `tracker.evaluation`.

The two differ by design in one point: an object that was lost keeps its claim on its last result id in motmetrics for
ever, in trackeval for one frame. That moves a few identity switches, and with them MOTA, in the second decimal.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from tracker.evaluation import MIN_OVERLAP, OVERALL, Row, Scene

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
    """name -> column -> value as `tracker.evaluation.score` gives them, for the columns motmetrics has."""
    from motmetrics import metrics

    host = metrics.create()
    wanted = [*PERCENT.values(), *COUNTS.values()]
    table = host.compute_many(
        [_accumulate(scene) for scene in scenes.values()], metrics=wanted, names=list(scenes), generate_overall=True
    )
    rows = {}
    for name in (*scenes, OVERALL):
        values = table.loc[name]
        row = {column: 100.0 * float(values[key]) for column, key in PERCENT.items()}
        row["MOTP"] = 100.0 - row["MOTP"]
        rows[name] = row | {column: int(values[key]) for column, key in COUNTS.items()}
    return rows


def _accumulate(scene: Scene):  # type: ignore[no-untyped-def]  # motmetrics is untyped and imported on use
    """A motmetrics accumulator fed with distances 1 - IoU, NaN where a match is not allowed."""
    from motmetrics.mot import MOTAccumulator

    accumulator = MOTAccumulator()
    for frame, (gt_ids, result_ids, overlap) in enumerate(
        zip(scene.gt_ids, scene.result_ids, scene.overlaps, strict=True)
    ):
        distances = np.where(overlap >= MIN_OVERLAP - np.finfo(float).eps, 1.0 - overlap, np.nan)
        accumulator.update(gt_ids, result_ids, distances, frameid=frame)
    return accumulator


def largest_difference(ours: Mapping[str, Row], theirs: Mapping[str, Row]) -> tuple[float, str, str]:
    """Value, sequence and column of the largest absolute difference, in the table's units."""
    return max(
        (abs(ours[name][column] - value), name, column) for name, row in theirs.items() for column, value in row.items()
    )
