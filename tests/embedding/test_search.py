"""Nearest-neighbour search against sorted distances, and its figures on searches that are wrong in a known way."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from embedding.colour import ColourHistogram
from embedding.cropping import SIDE
from embedding.data.crop_pack import CropWriter
from embedding.errors import InputError
from embedding.paper import search
from embedding.paper.bench import Bench
from embedding.paper.descriptors import load_compared
from embedding.paper.search import (
    EXACT,
    NEIGHBOURS,
    compare_searches,
    describe_crops,
    exhaustive_search,
    graph_search,
    measure_search,
    tree_search,
)

RANDOM = np.random.default_rng(0)
BASE = RANDOM.normal(size=(400, 6)).astype(np.float32)
QUERIES = RANDOM.normal(size=(30, 6)).astype(np.float32)
DISTANCES = [np.linalg.norm(BASE - query, axis=1) for query in QUERIES]
NO_FAISS = pytest.mark.skipif(importlib.util.find_spec("faiss") is None, reason="faiss is not installed")


@pytest.mark.parametrize("build", [exhaustive_search, tree_search])
@pytest.mark.parametrize("count", [1, 10, 400])
def test_exact_searches_find_the_nearest(build, count: int) -> None:
    find = build(BASE)
    for query, distance in zip(QUERIES, DISTANCES, strict=True):
        assert set(find(query, count)) == set(np.argsort(distance)[:count])


@pytest.mark.parametrize("slack", search.SLACKS)
def test_an_approximate_tree_is_no_farther_than_its_slack(slack: float) -> None:
    find = tree_search(BASE, slack)
    for query, distance in zip(QUERIES, DISTANCES, strict=True):
        found = np.sort(distance[find(query, NEIGHBOURS)])
        assert (found <= (1 + slack) * np.sort(distance)[:NEIGHBOURS] * (1 + 1e-5)).all()


@NO_FAISS
def test_a_graph_with_enough_candidates_finds_nearly_all() -> None:
    _, recall_1, recall_10 = measure_search(graph_search(BASE, 400), QUERIES, DISTANCES)
    assert recall_1 > 0.95
    assert recall_10 > 0.95


@pytest.mark.parametrize(
    ("ranks", "recall_1", "recall_10"),
    [
        (range(10), 1, 1),  # the ten nearest
        (range(9, -1, -1), 1, 1),  # in any order
        (range(1, 11), 0, 0.9),  # all but the nearest
        ([0, *range(100, 109)], 1, 0.1),  # the nearest and some others
        (range(200, 210), 0, 0),
    ],
)
def test_recall_counts_true_neighbours(ranks, recall_1: float, recall_10: float) -> None:
    order = {query.tobytes(): np.argsort(distance) for query, distance in zip(QUERIES, DISTANCES, strict=True)}

    def find(query: NDArray, count: int) -> NDArray:
        return order[query.tobytes()][list(ranks)]

    _, *recall = measure_search(find, QUERIES, DISTANCES)
    assert recall == pytest.approx([recall_1, recall_10])


def test_latents_at_the_same_distance_may_change_places() -> None:
    """Each latent twice: the first five pairs are the ten nearest, and whichever of the last pair comes is right."""
    twice = np.repeat(BASE, 2, axis=0)
    distances = [np.linalg.norm(twice - query, axis=1) for query in QUERIES]

    def find(query: NDArray, count: int) -> NDArray:
        return np.argsort(np.linalg.norm(BASE - query, axis=1))[:5].repeat(2) * 2 + 1  # of each pair the second, twice

    _, recall_1, recall_10 = measure_search(find, QUERIES, distances)
    assert (recall_1, recall_10) == (1, 1)


def test_every_method_is_compared_with_computing_all_distances() -> None:
    figures = compare_searches(RANDOM.normal(size=(300, 3)), queries=50)
    exact, tree, *approximate = figures
    assert (exact.method, exact.relative_time, exact.recall_1, exact.recall_10) == (EXACT, 1, 1, 1)
    assert (tree.recall_1, tree.recall_10) == (1, 1)
    assert len(approximate) >= len(search.SLACKS)
    assert all(0 <= one.recall_1 <= 1 and 0 <= one.recall_10 <= 1 for one in approximate)
    assert all(one.query_milliseconds > 0 and one.build_seconds >= 0 for one in figures)


def test_a_query_is_not_among_what_is_searched(monkeypatch: pytest.MonkeyPatch) -> None:
    latents = RANDOM.normal(size=(100, 3))
    seen = []

    def build(base: NDArray) -> search.Search:
        seen.append(base)
        return exhaustive_search(base)

    monkeypatch.setattr(search, "_methods", lambda: iter([("spy", build)]))
    compare_searches(latents, queries=10)
    assert len(seen[0]) == 90
    assert all((latents.astype(np.float32) == row).all(axis=1).any() for row in seen[0])


def test_crops_below_each_other_are_described_as_each_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "CROPS_A_PASS", 4)
    crops = RANDOM.integers(0, 256, (10, SIDE, SIDE, 3), dtype=np.uint8)
    describe = ColourHistogram()
    alone = np.concatenate([describe(crop, [[0, 0, SIDE, SIDE]]) for crop in crops])
    np.testing.assert_array_equal(describe_crops(describe, crops), alone)


def pack(path: Path, count: int) -> Path:
    """A pack of random crops of one sequence."""
    crops = RANDOM.integers(0, 256, (count, SIDE, SIDE, 3), dtype=np.uint8)
    with CropWriter(path) as writer:
        writer.append("MOT16-00", 1, crops, np.tile([0, 0, 9, 9], (count, 1)), np.ones(count), np.arange(count))
    return path


def test_a_pack_is_searched_and_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bench = Bench(tmp_path, quick=True)
    figures = search.run(bench, pack(tmp_path / "pack.npy", 60), load_compared(["pixels"]))
    json.dumps(figures, allow_nan=False)
    assert figures["crops"] == 60
    assert figures["sequences"] == ["MOT16-00"]
    assert figures["descriptors"]["pixels"][0]["recall_10"] == 1
    report = (tmp_path / "retrieval.md").read_text()
    assert f"| pixels | {EXACT} |" in report
    assert EXACT in capsys.readouterr().out


def test_what_cannot_be_searched_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="found 19 latents, expected at least 20"):
        compare_searches(np.zeros((19, 3)))
    with pytest.raises(InputError, match=r"absent\.index\.npz: no such file"):
        search.run(Bench(tmp_path), tmp_path / "absent.npy", [])
