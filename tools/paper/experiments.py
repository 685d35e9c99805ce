"""The experiments of Chen et al. (ICML 2020): each trains what is missing, measures, draws, and returns its figures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

# Name on the command line -> module here with `run(bench) -> dict`. Strings, so that listing them imports nothing.
EXPERIMENTS = {
    "pendulum": "tools.paper.pendulum",
    "human": "tools.paper.human",
    "mnist": "tools.paper.mnist",
    "table1": "tools.paper.table1",
    "ablations": "tools.paper.ablations",
}

# On sequences under --root, mot16 on a pack of crops. No part of `all`.
ON_DATA = ("descriptors", "table2", "mot16")


@dataclass(frozen=True)
class Data:
    """What the experiments on data are measured on; the options of the same names say what each is."""

    root: Path | None = None
    seq: tuple[str, ...] = ("MOT16-11",)
    det: tuple[str, ...] = ("sdp.txt",)
    descriptor: tuple[str, ...] = ()
    every: int = 8
    supervised: Path | None = None
    sweep: bool = False
    adapt_minutes: float = 4.0
    crops: Path = Path("output/crops.npy")
    exclude: tuple[str, ...] = ()
    minutes: float = 60.0
    jobs: int = 1
    set: tuple[str, ...] = ()
