"""Nearest neighbours among many latents: exact, by k-d tree, and approximate (the paper's closing remark).

Where the latent space is flat, Euclidean distance is the decoder's distance, and any index of Euclidean space serves.
Whether it saves time depends on the number of latents and of their dimensions: in 128 of them a k-d tree visits most
of its leaves.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from embedding.checkpoint import atomic
from embedding.data.crop_pack import read_index
from embedding.descriptor import DescribesBoxes
from embedding.errors import InputError
from embedding.paper.bench import Bench
from embedding.paper.descriptors import Compared, print_table, table

NEIGHBOURS = 10
QUERIES = 500
CROPS_A_PASS = 256
SLACKS = (0.5, 1.0, 3.0)  # of the approximate k-d tree: no k-th neighbour is farther than 1 + slack times the true one
LINKS = 32  # of a node of the HNSW graph (Malkov and Yashunin 2020)
EFFORTS = (16, 64, 256)  # candidates a search in the graph keeps

Latents = NDArray[np.float32]
Search = Callable[[Latents, int], NDArray[np.integer]]  # a query [n] and k -> indices [k] of the nearest, in any order
EXACT = "exact, all distances"
HEADER = ["descriptor", "search", "build, s", "a query, ms", "times exact", "recall@1", "recall@10"]


@dataclass(frozen=True)
class SearchFigures:
    """One method on one set of latents, one query at a time.

    The indices run on one thread; all distances at once are NumPy's, whose threads OMP_NUM_THREADS limits.

    Attributes:
        build_seconds: to make the index.
        query_milliseconds: median over the queries.
        relative_time: query time over that of computing all distances.
        recall_1, recall_10: share of the true nearest neighbours, and of the ten nearest, that are found.
    """

    method: str
    build_seconds: float
    query_milliseconds: float
    relative_time: float
    recall_1: float
    recall_10: float


def run(bench: Bench, pack: Path, compared: Sequence[Compared]) -> dict[str, Any]:
    """Search the plain features of a pack's crops, write DIR/retrieval.md and print the table.

    Args:
        bench: where to, and whether quickly.
        pack: FILE.npy of `python -m tools.crops`.
        compared: the descriptors.

    Returns:
        The figures, as DIR/retrieval.json holds them.

    Raises:
        InputError: the pack is absent or damaged, or holds too few crops.
    """
    names = read_index(pack).names
    crops = np.load(pack, mmap_mode="r", allow_pickle=False)
    found: dict[str, Any] = {}
    rows = []
    for one in compared:
        bench.say(f"retrieval: {one.label}, {len(crops)} crops")
        searches = compare_searches(describe_crops(one.describe, crops), 20 if bench.quick else QUERIES)
        found[one.label] = [asdict(figures) for figures in searches]
        rows += [[one.label, *_cells(figures)] for figures in searches]
    print_table(HEADER, rows)
    about = (
        f"{len(crops)} crops of {', '.join(names)}; one query at a time, {NEIGHBOURS} neighbours by distance. "
        "Recall: share of the true nearest, and of the ten nearest, that are found."
    )
    with atomic(bench.output / "retrieval.md") as temporary:
        temporary.write_text(f"# Retrieval\n\n{about}\n\n{table(HEADER, rows)}\n", encoding="utf-8")
    return {"crops": len(crops), "sequences": list(names), "descriptors": found}


def describe_crops(describe: DescribesBoxes, crops: NDArray[np.uint8]) -> Latents:
    """Features [N, D] of crops [N, height, width, 3], by a descriptor that wants an image and boxes.

    The crops one below the other are the image.
    """
    height, width = crops.shape[1:3]
    features = []
    for start in range(0, len(crops), CROPS_A_PASS):
        part = np.array(crops[start : start + CROPS_A_PASS])
        top = height * np.arange(len(part), dtype=np.float64)
        boxes = np.stack([0 * top, top, 0 * top + width, top + height], axis=1)
        features.append(describe(part.reshape(-1, width, 3), boxes))
    return np.concatenate(features)


def _cells(figures: SearchFigures) -> list[str]:
    times = f"{figures.build_seconds:.2g}", f"{figures.query_milliseconds:.3g}", f"{figures.relative_time:.2f}"
    return [figures.method, *times, f"{figures.recall_1:.3f}", f"{figures.recall_10:.3f}"]


def compare_searches(latents: NDArray[np.floating], queries: int = QUERIES) -> list[SearchFigures]:
    """Time and recall of every method, the exact one first.

    Args:
        latents: [N, n]; `queries` of them, evenly spread, are taken out and looked for among the rest.

    Raises:
        InputError: fewer than twice `NEIGHBOURS` latents.
    """
    if len(latents) < 2 * NEIGHBOURS:
        raise InputError(f"search: found {len(latents)} latents, expected at least {2 * NEIGHBOURS}")
    asked = np.unique(np.linspace(0, len(latents) - 1, min(queries, len(latents) // 2)).round().astype(np.int64))
    base = np.ascontiguousarray(np.delete(latents, asked, axis=0), np.float32)
    wanted = np.ascontiguousarray(latents[asked], np.float32)
    distances = [np.linalg.norm(base - query, axis=1) for query in wanted]
    figures: list[SearchFigures] = []
    for method, build in _methods():
        began = time.perf_counter()
        search = build(base)
        seconds = time.perf_counter() - began
        milliseconds, recall_1, recall_10 = measure_search(search, wanted, distances)
        exact = figures[0].query_milliseconds if figures else milliseconds
        figures.append(SearchFigures(method, seconds, milliseconds, milliseconds / exact, recall_1, recall_10))
    return figures


def measure_search(search: Search, queries: Latents, distances: list[Latents]) -> tuple[float, float, float]:
    """Median milliseconds a query, recall of the nearest and of the ten nearest.

    A neighbour counts if it is no farther than the true one, so that latents at the same distance may change places.

    Args:
        search: the index.
        queries: [Q, n].
        distances: of each query to every latent of the index, [N].
    """
    times, first, ten = [], [], []
    search(queries[0], NEIGHBOURS)  # the first call pays for what is loaded on use
    for query, distance in zip(queries, distances, strict=True):
        began = time.perf_counter()
        found = search(query, NEIGHBOURS)
        times.append(time.perf_counter() - began)
        reached = np.sort(distance[found])
        true = np.sort(np.partition(distance, NEIGHBOURS - 1)[:NEIGHBOURS])
        first.append(reached[0] <= true[0] * (1 + 1e-5))
        ten.append((reached <= true[-1] * (1 + 1e-5)).sum() / NEIGHBOURS)
    return 1e3 * float(np.median(times)), float(np.mean(first)), float(np.mean(ten))


def _methods() -> Iterator[tuple[str, Callable[[Latents], Search]]]:
    yield EXACT, exhaustive_search
    yield "k-d tree", tree_search
    for slack in SLACKS:
        yield f"k-d tree, within {1 + slack:g} times", partial(tree_search, slack=slack)
    try:
        import faiss  # noqa: F401 # here, as loading it is no part of building an index
    except ImportError:
        return
    for effort in EFFORTS:
        yield f"HNSW graph, {effort} candidates", partial(graph_search, effort=effort)


def exhaustive_search(base: Latents) -> Search:
    """All distances by one product of a matrix and a vector."""
    half_squares = 0.5 * np.square(base).sum(axis=1)

    def search(query: Latents, count: int) -> NDArray[np.integer]:
        return np.argpartition(half_squares - base @ query, count - 1)[:count]

    return search


def tree_search(base: Latents, slack: float = 0.0) -> Search:
    """A k-d tree (Bentley 1975) that leaves out branches which could improve a distance by less than 1 + slack."""
    tree = cKDTree(base)

    def search(query: Latents, count: int) -> NDArray[np.integer]:
        return np.atleast_1d(tree.query(query, count, eps=slack)[1])

    return search


def graph_search(base: Latents, effort: int) -> Search:
    """A hierarchical navigable small-world graph by faiss, which need not be installed otherwise."""
    import faiss

    faiss.omp_set_num_threads(1)
    index = faiss.IndexHNSWFlat(base.shape[1], LINKS)
    index.add(base)
    index.hnsw.efSearch = effort

    def search(query: Latents, count: int) -> NDArray[np.integer]:
        return index.search(query[None], count)[1][0]

    return search
