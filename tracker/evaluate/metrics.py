"""CLEAR MOT, identity and HOTA figures, counted from the pairs of boxes that overlap.

Memory grows with the boxes and their overlaps, never with ids times ids or frames times ids, so a result that renews
its ids in every frame is scored like any other. The definitions, down to the order in which ties are broken, are
trackeval's, the benchmarks' own program; tests and `tracker.evaluate.cross_check` compare with it.

References: Bernardin and Stiefelhagen 2008 (CLEAR MOT), Ristani et al. 2016 (IDF1), Luiten et al. 2021 (HOTA).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from tracker.core.detections import FloatArray, IntArray

MIN_OVERLAP = 0.5  # IoU from which a result matches a ground-truth box
EPSILON = float(np.finfo(float).eps)  # an IoU that rounding has put just below a threshold still reaches it
ALPHAS = np.arange(0.05, 0.99, 0.05)  # HOTA's IoU thresholds
LOYALTY = 1000.0  # what it is worth, in IoU, that an object keeps the result it had (CLEAR MOT)
DENSE = 2_000_000  # entries; a larger assignment is solved by its pairs alone


@dataclass(slots=True)
class Scene:
    """A sequence ready to score. Frames count from 0 here; those with neither ground truth nor a result are left out.

    Attributes:
        gt_ids, result_ids: [G], [R] frame after frame, numbered from 0 without gaps.
        gt_starts, result_starts: [F + 1]; the boxes of frame f are those from starts[f] to starts[f + 1].
        gt_rows, result_rows, overlaps: [P] the pairs of boxes that overlap, ascending; IoU, above EPSILON.
        length: frames of the sequence, with the empty ones.
    """

    gt_ids: IntArray
    result_ids: IntArray
    gt_starts: IntArray
    result_starts: IntArray
    gt_rows: IntArray
    result_rows: IntArray
    overlaps: FloatArray
    length: int

    def frames(self) -> Iterator[tuple[IntArray, IntArray, FloatArray]]:
        """Ids [g], ids [r] and IoU [g, r] of each frame."""
        cuts = np.searchsorted(self.gt_rows, self.gt_starts)
        for frame in range(len(self.gt_starts) - 1):
            (gt, gt_stop), (result, result_stop) = self.gt_starts[frame:][:2], self.result_starts[frame:][:2]
            here = slice(cuts[frame], cuts[frame + 1])
            overlap = np.zeros((gt_stop - gt, result_stop - result))
            overlap[self.gt_rows[here] - gt, self.result_rows[here] - result] = self.overlaps[here]
            yield self.gt_ids[gt:gt_stop], self.result_ids[result:result_stop], overlap

    def select(self, gt: NDArray[np.bool_], result: NDArray[np.bool_]) -> Scene:
        """The same with the boxes of two masks [G], [R] alone."""
        left = gt[self.gt_rows] & result[self.result_rows]
        gt_before, result_before = (np.append(0, np.cumsum(mask)) for mask in (gt, result))
        gt_starts, result_starts = gt_before[self.gt_starts], result_before[self.result_starts]
        filled = np.append(True, (np.diff(gt_starts) > 0) | (np.diff(result_starts) > 0))
        return Scene(
            gt_ids=np.unique(self.gt_ids[gt], return_inverse=True)[1],
            result_ids=np.unique(self.result_ids[result], return_inverse=True)[1],
            gt_starts=gt_starts[filled],
            result_starts=result_starts[filled],
            gt_rows=gt_before[self.gt_rows[left]],
            result_rows=result_before[self.result_rows[left]],
            overlaps=self.overlaps[left],
            length=self.length,
        )


@dataclass(slots=True)
class Counts:
    """What the figures are made of. All of it adds up over sequences.

    Attributes:
        frames, gt_boxes, result_boxes: how many there are.
        matches, overlap: CLEAR's matched pairs, and the sum of their IoU.
        switches, fragments: identity switches, and interruptions of a track.
        mostly, partly, lost: objects matched in more than 80 %, from 20 %, and less of their frames.
        identity: boxes on which the best assignment of whole tracks to whole tracks agrees.
        hota_matches, hota_association: [19] matched pairs at each of ALPHAS, and the sum of their association scores.
    """

    frames: int
    gt_boxes: int
    result_boxes: int
    matches: int
    overlap: float
    switches: int
    fragments: int
    mostly: int
    partly: int
    lost: int
    identity: int
    hota_matches: IntArray
    hota_association: FloatArray

    def __add__(self, other: Counts) -> Counts:
        return Counts(*(getattr(self, field.name) + getattr(other, field.name) for field in fields(self)))


@dataclass(slots=True)
class Pairs:
    """Some of a scene's overlapping pairs, in its order.

    Attributes:
        turns: [P] which of the frames that have both ground truth and results, from 0.
        rows, columns: [P] of the boxes among those of their frame.
        overlaps: [P] IoU.
        kinds: [P] one number for each two ids that ever overlap.
        shapes: [T, 2] boxes of ground truth and of the result in each turn.
        kind_ids: [2, K] id in ground truth and in the result of each kind.
    """

    turns: IntArray
    rows: IntArray
    columns: IntArray
    overlaps: FloatArray
    kinds: IntArray
    shapes: IntArray
    kind_ids: IntArray

    @classmethod
    def of(cls, scene: Scene) -> Pairs:
        """All of them."""
        gt_ids, result_ids = scene.gt_ids[scene.gt_rows], scene.result_ids[scene.result_rows]
        stride = 1 + scene.result_ids.max(initial=0)
        kinds, kind = np.unique(gt_ids * stride + result_ids, return_inverse=True)
        shapes = np.stack((np.diff(scene.gt_starts), np.diff(scene.result_starts)), axis=1)
        both = shapes.all(axis=1)
        frames = np.searchsorted(scene.gt_starts, scene.gt_rows, side="right") - 1
        return cls(
            turns=(np.cumsum(both) - 1)[frames],
            rows=scene.gt_rows - scene.gt_starts[frames],
            columns=scene.result_rows - scene.result_starts[frames],
            overlaps=scene.overlaps,
            kinds=kind,
            shapes=shapes[both],
            kind_ids=np.stack(np.divmod(kinds, stride)),
        )

    def select(self, chosen: NDArray[np.bool_]) -> Pairs:
        """Those of a mask [P]."""
        return replace(
            self,
            turns=self.turns[chosen],
            rows=self.rows[chosen],
            columns=self.columns[chosen],
            overlaps=self.overlaps[chosen],
            kinds=self.kinds[chosen],
        )

    def match(self, weights: FloatArray, loyalty: float = 0.0) -> Pairs:
        """The pairs of `best`."""
        return self.select(self.best(weights, loyalty))

    def best(self, weights: FloatArray, loyalty: float = 0.0) -> NDArray[np.bool_]:
        """Mask [P] of the one-to-one pairs whose weights (positive, [P]) have the greatest sum in each turn.

        With `loyalty`, a pair weighs that much more where the same ids were matched in the turn before.
        """
        matched = self._are_undisputed()
        starts = np.searchsorted(self.turns, np.arange(len(self.shapes) + 1)).tolist()
        loyal = np.zeros(self.kind_ids.shape[1])
        for turn in np.unique(self.turns[~matched]).tolist():
            here = slice(starts[turn], starts[turn + 1])
            weight = weights[here]
            if loyalty:
                last = slice(starts[max(turn - 1, 0)], starts[turn])
                kept = self.kinds[last][matched[last]]
                loyal[kept] = loyalty
                weight = weight + loyal[self.kinds[here]]
                loyal[kept] = 0.0
            matched[here] = best_pairs(self.rows[here], self.columns[here], weight, *self.shapes[turn].tolist())
        return matched

    def _are_undisputed(self) -> NDArray[np.bool_]:
        """Mask [P] of pairs whose boxes are in no other pair: they match whatever the weights are."""
        alone = np.ones(len(self.turns), dtype=np.bool_)
        for boxes, counts in ((self.rows, self.shapes[:, 0]), (self.columns, self.shapes[:, 1])):
            box = boxes + (np.cumsum(counts) - counts)[self.turns]  # numbered through all turns
            alone &= np.bincount(box)[box] == 1
        return alone


def best_pairs(rows: IntArray, columns: IntArray, weights: FloatArray, height: int, width: int) -> NDArray[np.bool_]:
    """Mask [P] of the pairs, each row and column in one at most, whose weights (positive) have the greatest sum."""
    chosen = np.full(height, -1)
    if height * width <= DENSE:
        table = np.zeros((height, width))
        table[rows, columns] = weights
        found = linear_sum_assignment(table, maximize=True)
    else:
        found = _best_sparse_pairs(rows, columns, weights, height, width)
    chosen[found[0]] = found[1]
    return chosen[rows] == columns


def _best_sparse_pairs(
    rows: IntArray, columns: IntArray, weights: FloatArray, height: int, width: int
) -> tuple[IntArray, IntArray]:
    """Row and column of each pair chosen. Every row has a column of its own to fall back on, so that all find one."""
    from scipy.sparse import csr_matrix
    from scipy.sparse.csgraph import min_weight_full_bipartite_matching

    if height > width:
        return _best_sparse_pairs(columns, rows, weights, width, height)[::-1]
    own = np.arange(height)
    edges = (np.concatenate((rows, own)), np.concatenate((columns, width + own)))
    values = np.concatenate((weights + 1.0, np.ones(height)))  # an edge of weight 0 would be none
    graph = csr_matrix((values, edges), (height, width + height))
    found_rows, found_columns = min_weight_full_bipartite_matching(graph, maximize=True)
    others = found_columns < width
    return found_rows[others], found_columns[others]


def count(scene: Scene) -> Counts:
    """All counts of a sequence."""
    pairs = Pairs.of(scene)
    boxes = np.bincount(scene.gt_ids)
    near = pairs.select(pairs.overlaps >= MIN_OVERLAP - EPSILON)
    matched = near.match(near.overlaps, LOYALTY)
    switches, fragments = _interruptions(matched)
    ratio = np.bincount(matched.kind_ids[0, matched.kinds], minlength=len(boxes)) / boxes
    mostly, tracked = int((ratio > 0.8).sum()), int((ratio >= 0.2).sum())
    hota_matches, hota_association = _hota(scene, pairs)
    return Counts(
        frames=scene.length,
        gt_boxes=len(scene.gt_ids),
        result_boxes=len(scene.result_ids),
        matches=len(matched.overlaps),
        overlap=float(matched.overlaps.sum()),
        switches=switches,
        fragments=fragments,
        mostly=mostly,
        partly=tracked - mostly,
        lost=len(boxes) - tracked,
        identity=_identity(pairs),
        hota_matches=hota_matches,
        hota_association=hota_association,
    )


def _interruptions(matched: Pairs) -> tuple[int, int]:
    """How often an object is matched with another result than last time, and how often after a turn without any."""
    objects, results = matched.kind_ids[:, matched.kinds]
    order = np.lexsort((matched.turns, objects))
    same = np.diff(objects[order]) == 0
    switched = same & (np.diff(results[order]) != 0)
    resumed = same & (np.diff(matched.turns[order]) > 1)
    return int(switched.sum()), int(resumed.sum())


def _identity(pairs: Pairs) -> int:
    """Boxes matched when each object is given one result at most for the whole sequence, as well as can be."""
    near = pairs.overlaps >= MIN_OVERLAP
    kinds, together = np.unique(pairs.kinds[near], return_counts=True)
    (objects, rows), (results, columns) = (np.unique(ids, return_inverse=True) for ids in pairs.kind_ids[:, kinds])
    return int(together[best_pairs(rows, columns, together.astype(np.float64), len(objects), len(results))].sum())


def _hota(scene: Scene, pairs: Pairs) -> tuple[IntArray, FloatArray]:
    """Matched pairs and the sum of their association scores at each of ALPHAS, [19] both.

    A pair of boxes weighs its IoU times the alignment of its two tracks: the Jaccard index of all their boxes, where
    the boxes of a frame that overlap several share themselves out.
    """
    boxes = (np.bincount(scene.gt_ids)[pairs.kind_ids[0]] + np.bincount(scene.result_ids)[pairs.kind_ids[1]]) * 1.0
    of_result, of_gt = (np.bincount(rows, pairs.overlaps)[rows] for rows in (scene.result_rows, scene.gt_rows))
    shares = pairs.overlaps / (of_result + of_gt - pairs.overlaps)
    together = np.bincount(pairs.kinds, shares, minlength=len(boxes))
    alignment = together / (boxes - together)
    matched = pairs.match(alignment[pairs.kinds] * pairs.overlaps)
    matches, association = np.zeros(len(ALPHAS), dtype=np.int64), np.zeros(len(ALPHAS))
    for place, alpha in enumerate(ALPHAS):
        agreed = np.bincount(matched.kinds[matched.overlaps >= alpha - EPSILON], minlength=len(boxes))
        matches[place] = agreed.sum()
        association[place] = (agreed * (agreed / np.maximum(1, boxes - agreed))).sum()
    return matches, association
