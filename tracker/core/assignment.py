"""Linear assignment with a gate, as both papers use it.

With every cost above the threshold clipped to just above it, the optimal assignment of the full matrix maximises
sum(threshold - cost) over the admissible pairs. That problem falls apart into the connected components of the
admissible pairs. Most are single pairs: they are taken out first, and only the rest goes to the solver.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tracker.core.detections import IntArray

# What a pair costs in addition, by its row and column, so that of assignments that cost the same one is the best, by
# whatever solver: that of the earlier rows and columns, in their order. Much less than any difference that matters,
# much more than rounding.
TIE_ROW, TIE_COLUMN, TIE_ORDER = 1.41e-10, 1e-10, 1.73e-13

CLIP_MARGIN = 1e-5  # a cost over the threshold counts as threshold + this (Wojke et al.'s setting)
DENSE_SOLVER_LIMIT = 300  # above it SciPy's solver is the faster one on gated costs


def _solve(cost: NDArray[np.floating]) -> tuple[IntArray, IntArray]:
    if max(cost.shape) > DENSE_SOLVER_LIMIT:
        from scipy.optimize import linear_sum_assignment

        rows, columns = linear_sum_assignment(cost)
        return rows, columns
    import lap

    _, column_of, _ = lap.lapjv(np.ascontiguousarray(cost, dtype=np.float64), extend_cost=True)
    rows = np.flatnonzero(column_of >= 0)
    return rows, column_of[rows].astype(np.int64)


def assign(cost: NDArray[np.floating], threshold: float, margin: float = CLIP_MARGIN) -> tuple[IntArray, IntArray]:
    """The pairs of the cheapest assignment whose cost is at most `threshold`.

    Args:
        cost: [R, C]; inf marks a forbidden pair.
        threshold: the largest admissible cost.
        margin: what a pair costs above the threshold if it costs more than that.

    Returns:
        Row and column indices, [K] each, rows ascending.

    Example:
        >>> rows, columns = assign(np.array([[0.1, 0.2], [0.2, 0.9]]), threshold=0.5)
        >>> list(zip(rows.tolist(), columns.tolist()))
        [(0, 1), (1, 0)]
    """
    rows, columns = np.nonzero(cost <= threshold)
    alone = (np.bincount(rows)[rows] == 1) & (np.bincount(columns)[columns] == 1) if len(rows) else np.ones(0, bool)
    if alone.all():
        return rows, columns
    single_rows, single_columns = rows[alone], columns[alone]
    rest_rows = np.flatnonzero(np.bincount(rows[~alone]))
    rest_columns = np.flatnonzero(np.bincount(columns[~alone]))
    rest = cost[np.ix_(rest_rows, rest_columns)].astype(np.float64)
    good = rest <= threshold
    i, j = rest_rows[:, None].astype(np.float64), rest_columns.astype(np.float64)
    rest += TIE_ROW * i + TIE_COLUMN * j - TIE_ORDER * (i * j)
    rest[~good] = threshold + margin
    found_rows, found_columns = _solve(rest)
    good = good[found_rows, found_columns]
    rows = np.concatenate((single_rows, rest_rows[found_rows[good]]))
    columns = np.concatenate((single_columns, rest_columns[found_columns[good]]))
    order = np.argsort(rows, kind="stable")
    return rows[order], columns[order]


def assign_before_threshold(cost: NDArray[np.floating], threshold: float) -> tuple[IntArray, IntArray]:
    """SORT's order: solve over all overlaps, then drop the pairs that are too poor.

    Only where the good pairs are one to one already, so that nobody has to choose, they are the answer. It differs from
    the assignment's where that would rather have two poor pairs than one good one.

    Args:
        cost: [R, C] 1 - IoU; 1 and inf mark pairs that do not overlap or are forbidden, which cost the same.
        threshold: the largest cost of a match.

    Returns:
        Row and column indices, [K] each, rows ascending.
    """
    rows, columns = np.nonzero(cost < threshold)
    if len(rows) and np.bincount(rows).max() == 1 and np.bincount(columns).max() == 1:
        return rows, columns
    rows, columns = assign(cost, np.nextafter(1.0, 0.0), margin=np.spacing(0.5))
    good = cost[rows, columns] <= threshold
    return rows[good], columns[good]
