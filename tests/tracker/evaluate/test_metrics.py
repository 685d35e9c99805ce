"""What the metrics rest on: the best pairs by brute force, and scenes of many ids, which tables of ids cannot hold."""

from __future__ import annotations

import tracemalloc
from itertools import combinations

import numpy as np
import pytest

from tracker.evaluate import metrics
from tracker.evaluate.cross_check import largest_differences, score_with_trackeval
from tracker.evaluate.metrics import Scene, best_pairs
from tracker.evaluate.scores import prepare, score
from tracker.files.motchallenge import TrackTable

BY_PAIRS = 0  # for `metrics.DENSE`: every assignment solved by its pairs alone
MEGABYTE = 2**20


def scene(frames: np.ndarray, gt_ids: np.ndarray, result_ids: np.ndarray, boxes: np.ndarray) -> Scene:
    """Ground truth and a result with the same boxes [N, 4], in ascending frames [N]."""
    truth, result = (TrackTable(frames, ids, boxes, np.ones(len(ids))) for ids in (gt_ids, result_ids))
    return prepare(truth, result, int(frames.max()))


@pytest.mark.parametrize("dense", [metrics.DENSE, BY_PAIRS])
@pytest.mark.parametrize("shape", [(1, 1), (1, 6), (6, 1), (3, 5), (5, 3), (4, 4)])
def test_best_pairs_by_brute_force(monkeypatch: pytest.MonkeyPatch, dense: int, shape: tuple[int, int]) -> None:
    monkeypatch.setattr(metrics, "DENSE", dense)
    generator = np.random.default_rng(0)
    for _ in range(20):
        rows, columns = np.nonzero(generator.random(shape) < 0.4)
        weights = generator.integers(1, 5, len(rows)).astype(float)
        best = max(
            weights[list(some)].sum()
            for count in range(len(rows) + 1)
            for some in combinations(range(len(rows)), count)
            if len(set(rows[list(some)])) == len(set(columns[list(some)])) == count
        )
        chosen = best_pairs(rows, columns, weights, *shape)
        assert weights[chosen].sum() == best
        assert len(set(rows[chosen])) == len(set(columns[chosen])) == chosen.sum()


@pytest.mark.slow
def test_many_ids_take_no_table_of_ids() -> None:
    """One person, a new id in every frame: a table of ids by ids alone would take 3 GB."""
    count = 20_000
    frames, ids = np.arange(1, count + 1), np.arange(count)
    boxes = np.tile([0.0, 0.0, 10.0, 20.0], (count, 1))
    tracemalloc.start()
    row = score({"A": scene(frames, 0 * ids, ids, boxes)})["A"]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100 * MEGABYTE
    assert (row["FP"], row["FN"], row["IDs"], row["FM"], row["GT"]) == (0, 0, count - 1, 0, 1)
    assert row["MOTA"] == pytest.approx(100 / count)
    assert row["IDF1"] == pytest.approx(100 / count)  # one box of as many, in either
    assert row["HOTA"] == pytest.approx(100 / np.sqrt(count))  # every pair's association is 1 / count
    assert row["DetA"] == 100.0


def test_many_people_with_many_ids() -> None:
    """3,000 people of ten frames each, seven of them under the first id."""
    frames = np.repeat(np.arange(1, 1001), 30)
    people = np.tile(np.arange(30), 1000) + 30 * ((frames - 1) // 10)
    place = np.tile(np.arange(30), 1000)
    boxes = np.stack((50 * place, 0 * place, 50 * place + 40, 0 * place + 90), axis=1).astype(float)
    row = score({"A": scene(frames, people, 2 * people + ((frames - 1) % 10 >= 7), boxes)})["A"]
    assert (row["GT"], row["MT"], row["IDs"], row["MOTA"]) == (3000, 3000, 3000, pytest.approx(90.0))
    assert row["IDF1"] == pytest.approx(70.0)
    assert row["AssA"] == pytest.approx(100 * (0.7 * 7 / 10 + 0.3 * 3 / 10))


@pytest.mark.parametrize("seed", range(5))
def test_by_pairs_alone_all_is_as_trackeval_has_it(monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    """A crowd on one spot, so that everything is disputed; without ties, whose order is trackeval's only in tables."""
    monkeypatch.setattr(metrics, "DENSE", BY_PAIRS)
    generator = np.random.default_rng(seed)
    frames = np.repeat(np.arange(1, 21), 8)
    ids, renamed = (np.concatenate([generator.permutation(most)[:8] for _ in range(20)]) for most in (10, 40))
    left, top, width, height = generator.uniform((0, 0, 30, 60), (20, 20, 50, 90), (160, 4)).T
    boxes = np.stack((left, top, left + width, top + height), axis=1)
    scenes = {"A": scene(frames, ids, renamed, boxes)}
    differences = largest_differences(score(scenes), score_with_trackeval(scenes))
    assert max(difference for difference, _ in differences.values()) < 1e-9
